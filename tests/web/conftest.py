"""What all tests of web applications share: sessions in memory, and a model that can be asked."""

from __future__ import annotations

import pytest

from agentops_otel import functions


@pytest.fixture
def ask(captured_sessions):
    """Something that happens in the session of the calling context, and is found in its spans."""
    del captured_sessions

    def once(name="asked"):
        with functions.client.pipeline.tracer.start_as_current_span(name):
            pass

    return once

"""Real provider exchanges, replayed through the real client libraries: tokens, models and finish reasons as printed."""

from __future__ import annotations

import os

import pytest
from replay import RECORDINGS, answer, compare, exchanges, files

from agentops_otel.demo.provider import Provider

FILES = files() if RECORDINGS.is_dir() else []


def test_recordings_are_here_in_ci():
    """In CI the recordings are beside the checkout; a run without them must not look like a pass."""
    if not RECORDINGS.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"no recordings in {RECORDINGS}")
        pytest.skip(
            "the recordings are not beside this checkout; the other tests cover the same cases with bodies of their own"
        )
    assert len(FILES) > 90


@pytest.mark.parametrize(("module", "file"), FILES, ids=[f"{file.parent.name}/{file.stem}" for _, file in FILES])
def test_replay(module, file, watched):
    for number, exchange, want in exchanges(module, file):
        before = len(watched.spans)
        with Provider([answer(exchange)]) as provider:
            try:
                module.send(provider, exchange)
            except module.ERRORS:
                assert want is None or want["error"], "the recorded answer is no error"
        made = watched.spans[before:]
        if want is None:
            assert made == []
            continue
        assert len(made) == 1, f"exchange {number}: {[span.name for span in made]}"
        compare(made[0], getattr(module, "told", dict)(want))

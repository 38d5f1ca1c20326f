"""Sentry: its transactions and our sessions, each once and apart, whichever is set up first."""

from __future__ import annotations

import pytest
from beside import ORDERS, Beside

THEIRS = """
import sentry_sdk
from sentry_sdk.transport import Transport

class Kept(Transport):
    events = []
    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.type == "transaction":
                self.events.append(item.payload.json)

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Kept, default_integrations=True)

def theirs(name):
    return sentry_sdk.start_span(name=name, op="task") if sentry_sdk.get_current_span() else (
        sentry_sdk.start_transaction(name=name)
    )

def seen():
    sentry_sdk.flush()
    found = []
    for event in Kept.events:
        told = event["contexts"]["trace"]
        found.append((event["transaction"], told["trace_id"], told["span_id"]))
        for span in event["spans"]:
            found.append((span["description"], span["trace_id"], span["span_id"]))
    return found
"""


@pytest.mark.parametrize("settings", ["", "isolated=True"])
@pytest.mark.parametrize("order", ORDERS)
def test_nothing_is_lost_or_doubled(tmp_path, order, settings):
    beside = Beside(tmp_path, THEIRS, order, settings)
    beside.check()

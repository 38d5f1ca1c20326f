"""What is lost or changed on the way to a tool is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from interop.comparing import As, assert_told
from span_records import failed, llm, root

SENT = [
    root({"agentops.tags": ["one", "two"], "yes": True, "count": 1}, end=9, resource={"service.name": "shop"}),
    failed(llm(0.25, start=1, end=2)),
]


def changed(**fields):
    return [SENT[0], replace(SENT[1], **fields)]


def told(**attributes):
    return [replace(SENT[0], attributes={**SENT[0].attributes, **attributes}), SENT[1]]


def test_the_same_is_the_same_in_any_order():
    assert_told(SENT, SENT[::-1], As())


@pytest.mark.parametrize(
    "seen",
    [
        SENT[:1],
        [*SENT, SENT[1]],
        changed(span_id="b" * 16),
        changed(parent_id=None),
        changed(name="chat"),
        changed(kind="client"),
        changed(status="unset"),
        changed(status_message="it bent"),
        changed(end_time=SENT[1].end_time + 1),
        changed(start_time=SENT[1].start_time - 1),
        changed(events=[]),
        changed(events=[{**SENT[1].events[0], "timestamp": SENT[1].events[0]["timestamp"] + 1}]),
        changed(events=[{**SENT[1].events[0], "attributes": {}}]),
        changed(attributes={**SENT[1].attributes, "agentops.cost.usd": 0.250000001}),
        told(yes=1),
        told(count=1.0),
        told(count=True),
        told(count="1"),
        told(**{"agentops.tags": ["one"]}),
        told(**{"agentops.tags": ["two", "one"]}),
        told(**{"agentops.tags": '["one","two"]'}),
        [replace(SENT[0], resource={"service.name": "bank"}), SENT[1]],
    ],
)
def test_a_difference_is_seen(seen):
    with pytest.raises(AssertionError):
        assert_told(SENT, seen, As())


def test_a_tool_may_add():
    assert_told(SENT, told(more="x"), As())


def test_what_a_tool_is_known_to_do_is_no_difference():
    late = changed(end_time=SENT[1].end_time + 999, kind="")
    assert_told(SENT, late, As(nanoseconds=1000, without=("kind",)))
    texts = told(**{"agentops.tags": "one, two"})
    assert_told(SENT, texts, As(value=lambda value: ", ".join(value) if isinstance(value, list) else value))

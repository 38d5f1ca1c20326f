"""Events: the times that they tell, and values of any kind in any of their fields."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentops_otel.sessions.events import ActionEvent, ErrorEvent, LLMEvent, ToolEvent, write


class Broken:
    def __str__(self):
        raise RuntimeError("broken")

    __repr__ = __str__

    def __bool__(self):
        raise RuntimeError("ambiguous")


# --- Times -----------------------------------------------------------------------------------------------

MOMENT = 1_767_225_600 * 10**9  # 2026-01-01
MOMENTS = [
    ("2026-01-01T00:00:00+00:00", 0),
    ("2026-01-01T00:00:00Z", 0),
    ("2026-01-01T00:00:00", 0),
    ("2026-01-01", 0),
    ("2026-01-01T01:00:00+01:00", 0),
    ("2026-01-01T00:00:00.000001+00:00", 1000),
    ("2026-01-01T00:00:00.500Z", 500_000_000),
    (datetime(2026, 1, 1, tzinfo=timezone.utc), 0),
]


@pytest.mark.parametrize(("moment", "later"), MOMENTS)
def test_times(moment, later):
    written = write(ActionEvent(init_timestamp=moment, end_timestamp="2026-01-02T00:00:00Z"))
    assert written.start_time == MOMENT + later
    assert written.end_time == MOMENT + 86_400 * 10**9


NOT_TIMES = [
    "yesterday",
    "",
    None,
    5,
    1e18,
    [],
    Broken(),
    "1969-12-31T23:59:59Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
]


@pytest.mark.parametrize("moment", NOT_TIMES, ids=lambda moment: type(moment).__name__)
def test_what_is_no_time_is_now(moment):
    before = datetime.now(timezone.utc).timestamp() * 1e9 - 1e9
    written = write(ActionEvent(init_timestamp=moment, end_timestamp=moment))
    assert before < written.start_time <= written.end_time < before + 60e9


def test_an_event_ends_when_it_is_recorded():
    event = ActionEvent(init_timestamp="2026-01-01T00:00:00Z")
    written = write(event)
    assert event.end_timestamp is not None
    assert written.start_time == MOMENT < written.end_time
    assert write(event).end_time == written.end_time


def test_no_event_ends_before_it_began():
    written = write(ActionEvent(init_timestamp="2026-01-02T00:00:00Z", end_timestamp="2026-01-01T00:00:00Z"))
    assert written.start_time == written.end_time == MOMENT


# --- Odd values ------------------------------------------------------------------------------------------

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=10),
    st.binary(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.builds(Broken),
    st.builds(ValueError),
    st.builds(ActionEvent),
)
EVENTS = st.one_of(
    st.builds(kind, **{field.name: ODD for field in fields(kind)}) for kind in [ActionEvent, LLMEvent, ToolEvent, ErrorEvent]
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(EVENTS)
def test_whatever_is_recorded_can_be_sent(event):
    written = write(event)
    assert 0 < written.start_time <= written.end_time < 2**63
    assert written.name.encode()
    assert written.error is None or written.error.encode()
    for value in written.attributes.values():
        assert type(value) in {str, int, float, bool}
        assert not isinstance(value, str) or value.encode() is not None

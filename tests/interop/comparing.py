"""What was sent beside what a tool tells of it: every span, its place, its times, and all that it says."""

from __future__ import annotations

from collections import Counter


class As:
    """How a tool tells what it took: what is left of a value, of a time, and which fields it has at all.

    `value` maps an attribute's value to what the tool makes of it; `nanoseconds` is how exact its times are;
    `without` are the fields of a record that it does not tell.
    """

    def __init__(self, value=lambda value: value, nanoseconds=0, without=()):
        self.value = value
        self.nanoseconds = nanoseconds
        self.without = set(without)


FIELDS = ("trace_id", "parent_id", "name", "kind", "status", "status_message", "scope", "scope_version")


def assert_told(sent, seen, told: As) -> None:
    """Every record that was sent was seen once, in its place, and nothing that it says is lost or changed."""
    assert Counter(record.span_id for record in seen) == Counter(record.span_id for record in sent)
    found = {record.span_id: record for record in seen}
    for record in sent:
        other = found[record.span_id]
        fields = [field for field in FIELDS if field not in told.without]
        assert {field: getattr(other, field) or "" for field in fields} == {
            field: getattr(record, field) or "" for field in fields
        }
        for field in ("start_time", "end_time"):
            assert abs(getattr(other, field) - getattr(record, field)) <= told.nanoseconds, (record.name, field)
        assert lost(record.attributes, other.attributes, told) == {}, record.name
        if "resource" not in told.without:
            assert lost(record.resource, other.resource, told) == {}
        if "events" not in told.without:
            assert [event["name"] for event in other.events] == [event["name"] for event in record.events]
            for event, again in zip(record.events, other.events, strict=True):
                assert abs(again["timestamp"] - event["timestamp"]) <= told.nanoseconds
                assert lost(event["attributes"], again["attributes"], told) == {}


def lost(sent, seen, told: As):
    """Attributes that were sent and are not told as they should be: (what should be told, what is)."""
    wanted = {name: told.value(value) for name, value in sent.items()}
    return {name: (value, seen.get(name)) for name, value in wanted.items() if not is_same(value, seen.get(name))}


def is_same(value, other):
    """Equal, and of one type: 1 is neither True nor 1.0."""
    if isinstance(value, (list, tuple)):
        return isinstance(other, (list, tuple)) and len(value) == len(other) and all(map(is_same, value, other))
    return type(value) is type(other) and value == other

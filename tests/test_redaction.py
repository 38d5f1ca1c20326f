"""What `redact=` takes out of a record, and what becomes of a value on which a rule fails."""

from __future__ import annotations

import json
import logging
import re

import pytest

import agentops_otel as agentops
from agentops_otel.accounting.record import SpanRecord
from agentops_otel.configuration import Configuration, ConfigurationError
from agentops_otel.conventions import names
from agentops_otel.faults import Faults
from agentops_otel.redaction import FAILED, REDACTED, Redaction

KEY = "sk-canary-0001"


def span(name, attributes, **fields):
    return SpanRecord("1" * 32, "2" * 16, None, name, 1, 2, attributes=attributes, **fields)


def redacted(attributes, rules=None, **fields):
    """The attributes of a span after redaction by these rules."""
    record = span("x", attributes, **fields)
    Redaction(rules, Faults()).apply(record)
    return dict(record.attributes)


def broken(name, value):
    raise ValueError(f"cannot read {value}")


@pytest.mark.parametrize(
    ("rules", "value", "left"),
    [
        (None, f"with {KEY}", "with [secret]"),
        (True, f"with {KEY}", "with [secret]"),
        (False, f"with {KEY}", f"with {KEY}"),
        (None, [KEY, "fine"], ["[secret]", "fine"]),
        (None, 7, 7),
        (None, (1, 2), (1, 2)),
        (re.compile(r"\d{4}-\d{4}"), "card 1234-5678", f"card {REDACTED}"),
        ([re.compile("red"), re.compile("blue")], "red blue", f"{REDACTED} {REDACTED}"),
        ("customer", "anna", REDACTED),
        ("cust*", 12, REDACTED),
        ("CUSTOMER", "anna", REDACTED),
        (["other"], "anna", "anna"),
        ("password", '{"user": "a", "password": "b"}', '{"user":"a","password":"[redacted]"}'),
        ("pass*", '[{"deep": {"passport": [1]}}]', '[{"deep":{"passport":"[redacted]"}}]'),
        ("password", '{"arguments": "{\\"password\\": 1}"}', '{"arguments":"{\\"password\\":\\"[redacted]\\"}"}'),
        ("password", '{"password": broken', '{"password": broken'),
        ("password", "[" * 100_000 + "password", FAILED),
        (lambda name, value: value.upper(), "a", "A"),
        (lambda name, value: f"{value} {KEY}", "a", "a [secret]"),
        (lambda name, value: {"not": "a value of a span"}, "a", "{'not': 'a value of a span'}"),
        (broken, "a", FAILED),
        ([broken, re.compile("a")], 3, FAILED),
    ],
)
def test_one_value(rules, value, left):
    assert redacted({"customer": value}, rules) == {"customer": left}


def test_a_rule_that_says_none_leaves_the_attribute_out():
    assert redacted({"a": 1, "b": 2}, lambda name, value: None if name == "a" else value) == {"b": 2}


def test_what_a_span_belongs_to_is_never_touched():
    attributes = {names.SESSION_ID: "x", names.SPAN_KIND: "session", names.END_STATE: "Success", "other": 1}
    left = redacted(attributes, lambda name, value: None)
    assert left == {name: value for name, value in attributes.items() if name != "other"}


def test_every_part_of_a_record():
    record = span(
        f"name {KEY}",
        {"a": KEY},
        status_message=f"failed with {KEY}",
        events=[{"name": "exception", "timestamp": 1, "attributes": {"exception.message": KEY}}],
        links=[{"trace_id": "1" * 32, "span_id": "2" * 16, "attributes": {"b": KEY}}],
    )
    Redaction(None, Faults()).apply(record)
    assert KEY not in repr(record)
    assert repr(record).count("[secret]") == 5


def test_the_span_itself_and_what_others_see_of_it_are_not_changed():
    attributes = {"a": KEY}
    assert redacted(attributes) == {"a": "[secret]"}
    assert attributes == {"a": KEY}


def test_own_keys_are_taken_out_whatever_their_shape():
    record = span("x", {"a": "it was 01234567-89ab-cdef-0123-456789abcdef"})
    Redaction(None, Faults(), ["01234567-89ab-cdef-0123-456789abcdef", None, "short"]).apply(record)
    assert record.attributes == {"a": "it was [secret]"}


def test_a_rule_that_fails_is_counted_and_told_once_without_the_value(caplog):
    faults = Faults()
    redaction = Redaction(broken, faults)
    with caplog.at_level(logging.DEBUG, "agentops_otel"):
        redaction.apply(span("x", {"a": "secret value"}))
    assert faults.counts["redaction"] == 2  # the name of the span, too
    assert [record.message for record in caplog.records] == [
        "redaction of a failed (ValueError); values on which it fails are dropped"
    ]
    assert "secret value" not in caplog.text


@pytest.mark.parametrize("rules", [7, [7], ["a", None], {"a": 1}])
def test_what_is_no_rule_is_said(rules):
    with pytest.raises(ConfigurationError, match="redact is a function"):
        Configuration.read(redact=rules)


def test_keys_may_be_named_in_the_environment(monkeypatch):
    monkeypatch.setenv("AGENTOPS_REDACT", "password, customer.*")
    assert Configuration.read().redact == ("password", "customer.*")


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "01234567-89ab-cdef-0123-456789abcdef", "parent_key": "01234567-89ab-cdef-0123-456789abcdef"},
        {"endpoint": "https://me:0123-4567@host"},
        {"exporter_endpoint": "https://me:0123-4567@host"},
    ],
)
def test_no_secret_is_in_the_repr_of_a_configuration(settings):
    assert "0123" not in repr(Configuration.read(**settings))


def test_of_every_span_that_leaves(make_watched):
    """Other people's spans, tags, reasons and events included."""
    watched = make_watched(redact=["customer", re.compile("Anna")])
    session = watched.session
    session.add_tags([f"tag {KEY}"])
    session.record(agentops.ActionEvent("act", params={"customer": "Berta", "note": "for Anna"}, returns=KEY))
    tracer = watched.client.pipeline.provider.get_tracer("somebody.else")
    with tracer.start_as_current_span(f"theirs {KEY}", context=session.parent()) as theirs:
        theirs.set_attribute("http.url", "https://a:b1@c")
        theirs.add_event("said", {"text": "Anna"})
    session.end_session("Failure", f"because {KEY}")
    told = repr(watched.all)
    assert len(watched.all) == 3
    for word in (KEY, "Anna", "Berta", "b1@"):
        assert word not in told
    assert json.loads(watched.spans[0].attributes[names.EVENT_PARAMS]) == {
        "customer": REDACTED,
        "note": f"for {REDACTED}",
    }

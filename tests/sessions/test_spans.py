"""Spans of our own: the same as the SDK's to whoever works with them, and only where nobody else would see them."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, SpanContext, SpanKind, Status, StatusCode

from agentops_otel.accounting.record import record_of
from agentops_otel.sessions.spans import OwnSpan, settings_allow

OTHER = SpanContext(0xABC, 0xDEF, is_remote=True)


def attributes(span):
    span.set_attribute("text", "x")
    span.set_attributes({"n": 1, "f": 0.5, "yes": True, "list": ["a", "b"], "numbers": (1, 2), "empty": []})
    span.set_attribute("text", "y")


def events(span):
    span.add_event("one", {"a": 1, "b": ["x"]}, 5)
    span.add_event("two", timestamp=6)


def links(span):
    span.add_link(OTHER, {"why": "because"})
    span.add_link(SpanContext(0, 0, is_remote=False))


def statuses(*told):
    def work(span):
        for status in told:
            span.set_status(*status) if isinstance(status, tuple) else span.set_status(status)

    return work


def renamed(span):
    span.update_name("another")


def after_the_end(span):
    span.end(20)
    span.set_attribute("late", 1)
    span.add_event("late")
    span.update_name("late")
    span.set_status(StatusCode.ERROR)
    span.end(30)


WORK = {
    "nothing": lambda span: None,
    "attributes": attributes,
    "events": events,
    "links": links,
    "renamed": renamed,
    "after the end": after_the_end,
    "error": statuses((StatusCode.ERROR, "why")),
    "status object": statuses(Status(StatusCode.ERROR, "why")),
    "ok is final": statuses(StatusCode.OK, (StatusCode.ERROR, "no")),
    "unset does nothing": statuses((StatusCode.ERROR, "why"), StatusCode.UNSET),
    "ok after an error": statuses((StatusCode.ERROR, "why"), StatusCode.OK),
}


def of_the_sdk(work):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("agentops_otel").start_as_current_span("root"):
        span = provider.get_tracer("agentops_otel").start_span("name", kind=SpanKind.CLIENT, start_time=10)
    work(span)
    span.end(20)
    (made,) = (item for item in exporter.get_finished_spans() if item.name != "root")
    return made


@pytest.fixture
def started(watched):
    return watched.client.pipeline.tracer.start_span("name", kind=SpanKind.CLIENT, start_time=10)


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_it_comes_to_the_same_as_a_span_of_the_sdk(started, work, caplog):
    caplog.set_level(logging.CRITICAL)  # the SDK warns of what comes too late
    assert type(started) is OwnSpan
    work(started)
    started.end(20)
    own, theirs = started.record(), record_of(of_the_sdk(work))
    own.attributes = {name: value for name, value in own.attributes.items() if name != "session.id"}
    fields = ("name", "kind", "start_time", "end_time", "status", "status_message")
    assert [getattr(own, name) for name in fields] == [getattr(theirs, name) for name in fields]
    assert own.attributes == dict(theirs.attributes)
    assert list(own.events) == list(theirs.events)
    assert list(own.links) == list(theirs.links)


def test_an_exception_within_its_block_is_told(watched):
    with pytest.raises(KeyError), watched.client.pipeline.tracer.start_span("name"):
        raise KeyError("x")
    (span,) = watched.spans
    assert (span.status, span.status_message) == ("error", "KeyError: 'x'")
    assert span.events[0]["attributes"]["exception.type"] == "KeyError"


def test_use_span_and_current_span_work_with_it(watched):
    tracer = watched.client.pipeline.tracer

    def work():
        with tracer.start_as_current_span("outer") as outer:
            assert trace.get_current_span() is outer
            with tracer.start_as_current_span("inner"):
                raise LookupError

    with pytest.raises(LookupError):
        work()
    inner, outer = watched.spans
    assert inner.parent_id == outer.span_id
    assert [span.status for span in (inner, outer)] == ["error", "error"]


@pytest.mark.parametrize("value", [None, object(), {"a": 1}, ["a", 1], [None], [object()], b"x"])
def test_what_a_span_cannot_have_is_left_out(started, value):
    started.set_attribute("odd", value)
    started.add_event("event", {"odd": value})
    assert "odd" not in started.attributes
    started.end()
    assert started.record().events[0]["attributes"] == {}


def test_there_is_a_bound(started):
    for number in range(1000):
        started.set_attribute(f"n{number}", number)
        started.add_event("event")
    started.end()
    record = started.record()
    assert (len(record.attributes), len(record.events)) == (128, 128)


def test_lone_surrogates_are_replaced(started):
    started.set_attribute("text", "\ud800")
    assert started.attributes["text"] == "?"


# --- Where it is not used --------------------------------------------------------------------------------


def test_others_in_the_provider_see_spans_of_the_sdk(watched):
    exporter = InMemorySpanExporter()
    watched.client.pipeline.provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = watched.client.pipeline.tracer.start_span("name")
    assert isinstance(span, ReadableSpan)
    span.end()
    assert [item.name for item in exporter.get_finished_spans()] == ["name"]
    assert watched.span.name == "name"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4", False),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10", False),
        ("OTEL_TRACES_SAMPLER", "traceidratio", False),
        ("OTEL_TRACES_SAMPLER", "always_off", False),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio", True),
        ("OTEL_TRACES_SAMPLER", " PARENTBASED_ALWAYS_ON ", True),
    ],
)
def test_settings_that_only_the_sdk_knows_are_left_to_it(make_watched, monkeypatch, name, value, allowed):
    monkeypatch.setenv(name, value)
    assert settings_allow() is allowed
    span = make_watched().client.pipeline.tracer.start_span("name")
    assert (type(span) is OwnSpan) is allowed


def test_outside_of_a_session_the_sdk_decides(watched):
    context = trace.set_span_in_context(trace.INVALID_SPAN)
    assert isinstance(watched.client.pipeline.tracer.start_span("name", context), ReadableSpan)


def test_below_a_span_that_is_not_sampled_there_is_none(watched):
    parent = trace.NonRecordingSpan(SpanContext(1, 2, is_remote=True))
    span = watched.client.pipeline.tracer.start_span("name", trace.set_span_in_context(parent))
    assert isinstance(span, Span)
    assert not span.is_recording()

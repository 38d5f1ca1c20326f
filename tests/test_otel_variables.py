"""The standard variables of OpenTelemetry, each as a program meets it: what it changes, and what a wrong value does."""

from __future__ import annotations

import json

import pytest
from programs import run, start, stored
from receiver import HttpReceiver

from agentops_otel.configuration import Configuration, ConfigurationError
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.otlp.endpoint import Endpoint

PROGRAM = """
import agentops_otel as agentops
agentops.init(log_summary=False)
agentops.record(agentops.ActionEvent(action_type="x" * 50, params={str(i): i for i in range(5)}))
agentops.end_session("Success")
"""
CALLS = """
import agentops_otel as agentops, anthropic, openai
agentops.init(log_summary=False)
openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[])
anthropic.Anthropic().messages.create(model="claude-sonnet-4-6", max_tokens=9, messages=[])
agentops.end_session("Success")
"""


def _kept(tmp_path, program=PROGRAM, **env):
    run(program, tmp_path, **env)
    ((row, records),) = stored(tmp_path)
    return row, records


# --- What is captured ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "captured"),
    [
        ("openai", {"anthropic"}),
        (" openai , anthropic", set()),
        ("*", set()),
        ("none_of_ours", {"openai", "anthropic"}),
    ],
)
def test_disabled_instrumentations(tmp_path, told, captured):
    answers = {
        "/v1/chat/completions": lambda _: Answer.json(bodies.chat("hi")),
        "/v1/messages": lambda _: Answer.json(bodies.message("hi")),
    }
    with Provider(answers) as provider:
        run(CALLS, tmp_path, provider, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=told)
    ((_, records),) = stored(tmp_path)
    scopes = {record.scope.rpartition(".")[2] for record in records if record.scope.startswith("agentops_otel.")}
    assert scopes == captured


@pytest.mark.parametrize(("told", "kept"), [("true", 0), (" TRUE ", 0), ("false", 1), ("yes", 1)])
def test_sdk_disabled(tmp_path, told, kept):
    assert run(PROGRAM, tmp_path, OTEL_SDK_DISABLED=told) == ("", "")
    assert len(stored(tmp_path)) == kept


@pytest.mark.parametrize(
    ("sampler", "argument", "kept"),
    [
        ("always_on", "", 1),
        ("always_off", "", 0),
        ("parentbased_always_off", "", 0),
        ("traceidratio", "0", 0),
        ("traceidratio", "1", 1),
        ("parentbased_traceidratio", "0", 0),
        ("parentbased_traceidratio", "1.0", 1),
    ],
)
def test_sampler(tmp_path, sampler, argument, kept):
    assert run(PROGRAM, tmp_path, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument) == ("", "")
    found = stored(tmp_path)
    assert len(found) == kept
    assert all(len(records) == 2 for _, records in found), "a session is sampled as a whole"


# --- Whose it is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "service", "place"),
    [
        ({}, "agentops_otel", None),
        ({"OTEL_SERVICE_NAME": "planner"}, "planner", None),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=planner,deployment.environment.name=test"}, "planner", "test"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=other", "OTEL_SERVICE_NAME": "planner"}, "planner", None),
    ],
)
def test_resource(tmp_path, env, service, place):
    _, records = _kept(tmp_path, **env)
    assert {record.resource["service.name"] for record in records} == {service}
    assert records[0].resource.get("deployment.environment.name") == place


# --- Where it goes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "sent", "shown", "kept"),
    [
        ("otlp", True, False, 0),
        ("console", False, True, 0),
        ("otlp,console", True, True, 0),
        ("none", False, False, 0),
        ("", True, False, 0),
        ("zipkin", False, False, 1),
    ],
)
def test_traces_exporter(tmp_path, told, sent, shown, kept):
    with HttpReceiver() as receiver:
        out, _ = run(PROGRAM, tmp_path, OTEL_TRACES_EXPORTER=told, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert bool(receiver.spans) is sent
    assert ('"name": "session"' in out) is shown
    assert len(stored(tmp_path)) == kept


def test_otlp_variables(tmp_path):
    with HttpReceiver() as receiver:
        run(
            PROGRAM,
            tmp_path,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{receiver.url}/mine",
            OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_EXPORTER_OTLP_HEADERS="x-team=blue",
            OTEL_EXPORTER_OTLP_COMPRESSION="none",
        )
    assert set(receiver.paths) == {"/mine"}
    assert len(receiver.spans) == 2
    (told,) = {headers["x-team"] for headers in receiver.headers}
    assert told == "blue"
    assert "content-encoding" not in receiver.headers[0]


# --- How it gets there -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "name", "default"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "max_queue_size", 20_000),
        ("OTEL_BSP_SCHEDULE_DELAY", "schedule_delay", 100),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "max_export_batch_size", 512),
    ],
)
def test_batching(monkeypatch, caplog, variable, name, default):
    monkeypatch.setenv(variable, "7")
    assert getattr(Configuration.read(), name) == 7
    assert getattr(Configuration.read(**{name: 8}), name) == 8
    monkeypatch.setenv(variable, "some")
    assert getattr(Configuration.read(), name) == default
    assert f"{variable} is a whole number, not 'some'; it is ignored" in caplog.text


def test_our_own_variable_wins(monkeypatch):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "7")
    monkeypatch.setenv("AGENTOPS_MAX_QUEUE_SIZE", "8")
    assert Configuration.read().max_queue_size == 8
    monkeypatch.setenv("AGENTOPS_MAX_QUEUE_SIZE", "some")
    with pytest.raises(ConfigurationError):
        Configuration.read()


@pytest.mark.parametrize(("told", "seconds"), [("500", 0.5), ("60000", 10.0), ("", 10.0), ("soon", 10.0), ("0", 10.0)])
def test_export_timeout(monkeypatch, told, seconds):
    monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", told)
    assert Endpoint.of("http://127.0.0.1:1", None).seconds == seconds


def test_a_small_batch(make_watched):
    sizes = []
    watched = make_watched(max_export_batch_size=2, schedule_delay=1)
    deliver = watched.memory.deliver
    watched.memory.deliver = lambda records: (sizes.append(len(records)), deliver(records))[1]
    for number in range(5):
        with watched.client.pipeline.tracer.start_as_current_span(str(number), context=watched.session.context):
            pass
    assert len(watched.spans) == 5
    assert max(sizes) <= 2


def test_the_delay_is_kept(tmp_path):
    program = PROGRAM.replace('agentops.end_session("Success")', "print(1, flush=True); input()")
    process = start(program, tmp_path, OTEL_BSP_SCHEDULE_DELAY="60000")
    try:
        assert process.stdout.readline() == "1\n"
        assert all(record.is_session for _, records in stored(tmp_path) for record in records)
    finally:
        process.kill()
        process.communicate()


# --- Limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "4"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "4"),
    ],
)
def test_attribute_limits(tmp_path, variable, told):
    _, records = _kept(tmp_path, **{variable: told})
    (action,) = [record for record in records if not record.is_session]
    if "COUNT" in variable:
        assert len(action.attributes) <= 4
    else:
        texts = [value for name, value in action.attributes.items() if isinstance(value, str) and name != "session.id"]
        assert max(map(len, texts)) <= 10


@pytest.mark.parametrize(
    ("variable", "made"),
    [
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "span.add_event('a'); span.add_event('b')"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "[span.add_link(trace.SpanContext(1, i, False)) for i in (1, 2)]"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "span.add_event('a', {'a': 1, 'b': 2})"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "span.add_link(trace.SpanContext(1, 1, False), {'a': 1, 'b': 2})"),
    ],
)
def test_limits_of_events_and_links(tmp_path, variable, made):
    program = f"""
        import agentops_otel as agentops
        from opentelemetry import trace
        agentops.init(log_summary=False)

        @agentops.task
        def work():
            span = trace.get_current_span()
            {made}

        work()
        agentops.end_session("Success")
    """
    _, records = _kept(tmp_path, program, **{variable: "1"})
    (work,) = [record for record in records if not record.is_session]
    found = [*work.events, *work.links]
    assert len(found) == 1
    assert len(found[0]["attributes"]) <= 1


# --- Passing it on ---------------------------------------------------------------------------------------

HEADERS = """
import json
import agentops_otel as agentops
session = agentops.init(log_summary=False)
print(json.dumps([session.session_id, session.headers()]))
agentops.end_session("Success")
"""


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ("", {"traceparent", "baggage"}),
        ("tracecontext,baggage", {"traceparent", "baggage"}),
        ("tracecontext", {"traceparent"}),
        ("baggage", {"baggage"}),
        ("none", set()),
    ],
)
def test_propagators(tmp_path, told, names):
    env = {"OTEL_PROPAGATORS": told} if told else {}
    out, _ = run(HEADERS, tmp_path, **env)
    session_id, headers = json.loads(out)
    assert set(headers) == names
    assert session_id.replace("-", "") in headers.get("traceparent", session_id.replace("-", ""))
    assert headers.get("baggage", f"agentops.session.id={session_id}") == f"agentops.session.id={session_id}"

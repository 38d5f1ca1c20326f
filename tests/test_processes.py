"""Whole programs as a user starts them: what they print, what they leave in the store, what others see of them."""

from __future__ import annotations

import re
import signal
import subprocess
import time

import pytest
from programs import run, start, stored
from receiver import GrpcReceiver, HttpReceiver

from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

USAGE = bodies.chat_usage(1200, 150, cached_tokens=1000)


@pytest.fixture
def provider():
    with Provider({"/v1/chat/completions": _chat, "/v1/messages": _message}) as made:
        yield made


def _chat(request):
    body = bodies.chat("hello", usage=USAGE)
    return Answer.sse(streams.chat_chunks(body)) if request.body.get("stream") else Answer.json(body)


def _message(request):
    body = bodies.message("hello", usage=bodies.message_usage(10, 5, cache_read=100))
    return Answer.sse(streams.message_events(body)) if request.body.get("stream") else Answer.json(body)


ASK_OPENAI = 'openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])'
ASK_ANTHROPIC = (
    'anthropic.Anthropic().messages.create(model="claude-sonnet-4-6", max_tokens=9, '
    'messages=[{"role": "user", "content": "x"}])'
)


def test_quickstart(tmp_path, provider):
    out, err = run(
        f"""
        import agentops_otel as agentops
        import openai
        session = agentops.init(tags=["quickstart"])
        {ASK_OPENAI}
        print(agentops.end_session("Success"))
        """,
        tmp_path,
        provider,
    )
    assert out == "0.000195\n"
    first, second = err.splitlines()
    assert re.fullmatch(
        r"Session Stats - Duration: \d+\.\ds \| Cost: \$0\.000195 \| LLMs: 1 \| Tools: 0 \| Actions: 0 \| Errors: 0",
        first,
    )
    ((row, _),) = stored(tmp_path)
    assert (row.end_state, row.tags, str(row.cost)) == ("Success", ["quickstart"], "0.000195")
    words = second.removeprefix("Look at it: ").split()
    opened = subprocess.run([*words, "--json"], capture_output=True, text=True, check=True, cwd="/")
    assert row.session_id in opened.stdout


@pytest.mark.parametrize("order", ["before", "after", "inside"])
@pytest.mark.parametrize(("library", "ask"), [("openai", ASK_OPENAI), ("anthropic", ASK_ANTHROPIC)])
def test_one_call_is_one_span_whatever_the_import_order(tmp_path, provider, order, library, ask):
    early = f"import {library}" if order == "before" else ""
    late = f"import {library}" if order == "after" else ""
    inside = f"import {library}" if order == "inside" else ""
    run(
        f"""
        {early}
        import agentops_otel as agentops
        agentops.init()
        {late}
        def ask():
            {inside}
            {ask}
        ask()
        agentops.end_session("Success")
        """,
        tmp_path,
        provider,
    )
    ((row, spans),) = stored(tmp_path)
    assert [span.name for span in spans if not span.is_session] == [
        "chat gpt-4o-mini" if library == "openai" else "chat claude-sonnet-4-6"
    ]
    assert row.llm_calls == 1


def test_no_content_reaches_a_provider_that_was_not_sent_without_us(tmp_path, provider):
    run(
        f"""
        import agentops_otel as agentops, anthropic, openai
        agentops.init()
        {ASK_OPENAI}
        {ASK_ANTHROPIC}
        """,
        tmp_path,
        provider,
    )
    for request in provider.requests:
        assert not {"traceparent", "tracestate", "baggage"} & set(request.headers)


def test_killed_in_mid_session(tmp_path, provider):
    process = start(
        f"""
        import time, agentops_otel as agentops, openai
        agentops.init(tags=["killed"])
        {ASK_OPENAI}
        agentops.flush()
        print("ready", flush=True)
        time.sleep(60)
        """,
        tmp_path,
        provider,
    )
    assert process.stdout.readline() == "ready\n"
    ((row, _),) = stored(tmp_path)
    assert row.is_running
    process.send_signal(signal.SIGKILL)
    process.communicate()
    ((row, spans),) = stored(tmp_path)
    assert not row.is_running
    assert row.end_state == "Indeterminate"
    assert row.end_state_reason == "process ended without a word"
    assert row.end_time is None
    assert (row.llm_calls, str(row.cost), row.tags) == (1, "0.000195", ["killed"])
    assert len(spans) == 2


def test_visible_from_its_first_moment(tmp_path):
    process = start("import time, agentops_otel as a; a.init(); print(1, flush=True); time.sleep(60)", tmp_path)
    process.stdout.readline()
    deadline = time.monotonic() + 5
    while not (tmp_path / "sessions.db").exists() or not stored(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()


def test_a_crash_keeps_its_traceback_and_exit_code(tmp_path, provider):
    out, err = run(
        f"""
        import agentops_otel as agentops, openai
        agentops.init()
        {ASK_OPENAI}
        raise RuntimeError("mine")
        """,
        tmp_path,
        provider,
        code=1,
    )
    assert "RuntimeError: mine" in err
    ((row, _),) = stored(tmp_path)
    assert (row.end_state, row.end_state_reason, row.llm_calls) == ("Failure", "RuntimeError: mine", 1)


OWN_PROVIDER = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    mine = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(mine))
    trace.set_tracer_provider(provider)
"""


@pytest.mark.parametrize("export", ["sessions", "all"])
def test_a_provider_of_the_programs_own_is_joined(tmp_path, provider, export):
    out, _ = run(
        f"""
    {OWN_PROVIDER}
        import agentops_otel as agentops, openai
        session = agentops.init(export="{export}")
        {ASK_OPENAI}
        with provider.get_tracer("app").start_as_current_span("within"):
            pass
        agentops.end_session("Success")
        with provider.get_tracer("app").start_as_current_span("outside"):
            pass
        print(sorted(span.name for span in mine.get_finished_spans()))
        print(trace.get_tracer_provider() is provider, session.session_id)
        """.replace("\n        ", "\n    "),
        tmp_path,
        provider,
    )
    seen, same = out.splitlines()
    assert seen == "['chat gpt-4o-mini', 'outside', 'session', 'within']"
    ((row, spans), *others) = sorted(stored(tmp_path), key=lambda item: -item[0].llm_calls)
    assert same == f"True {row.session_id}"
    assert sorted(span.name for span in spans) == ["chat gpt-4o-mini", "session", "within"]
    assert [span.name for _, rest in others for span in rest] == (["outside"] if export == "all" else [])
    assert all(span.attributes[names.SESSION_ID] == row.session_id for span in spans)


@pytest.mark.parametrize(("receiver", "protocol"), [(HttpReceiver, "http/protobuf"), (GrpcReceiver, "grpc")])
def test_otlp(tmp_path, provider, receiver, protocol):
    key = "01234567-89ab-cdef-0123-456789abcdef"
    with receiver() as received:
        _, err = run(
            f"""
            import agentops_otel as agentops, openai
            agentops.init(api_key="{key}", endpoint="{received.url}", tags=["sent"])
            {ASK_OPENAI}
            agentops.end_session("Failure", "because")
            """,
            tmp_path,
            provider,
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_HEADERS="x-team=blue",
            OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
            OTEL_SERVICE_NAME="planner",
        )
    assert err.splitlines()[-1] == f"Sent to {received.url}", err
    chat, root = sorted(received.spans, key=lambda span: span.name)
    told = received.attributes(root)
    assert told[names.END_STATE] == "Failure"
    assert told[names.END_STATE_REASON] == "because"
    assert told[names.TAGS] == ["sent"]
    assert told[names.COST] == 0.000195
    assert (root.status.code, root.status.message) == (2, "because")
    assert chat.parent_span_id == root.span_id
    assert chat.trace_id.hex() == told[names.SESSION_ID].replace("-", "")
    assert names.INPUT_MESSAGES in received.attributes(chat)  # a loopback receiver is on this machine
    assert received.headers[0]["x-agentops-api-key"] == key
    assert received.headers[0]["x-team"] == "blue"
    assert received.resources[0]["service.name"] == "planner"
    assert received.resources[0][names.PROJECT_ID] not in {"default", key}
    assert not (tmp_path / "sessions.db").exists()


def test_otlp_by_the_standard_variable(tmp_path, provider):
    with HttpReceiver() as received:
        run(
            f"import agentops_otel as agentops, openai; agentops.init(); {ASK_OPENAI}",
            tmp_path,
            provider,
            OTEL_EXPORTER_OTLP_ENDPOINT=received.url,
        )
    assert sorted(span.name for span in received.spans) == ["chat gpt-4o-mini", "session"]
    assert received.paths == ["/v1/traces"] * len(received.paths)


def test_an_endpoint_that_is_down_delays_the_end_by_two_seconds_at_most(tmp_path, provider):
    begin = time.monotonic()
    _, err = run(
        f"""
        import agentops_otel as agentops, openai, time
        agentops.init(endpoint="http://127.0.0.1:9")
        {ASK_OPENAI}
        begin = time.monotonic()
        agentops.end_session("Success")
        assert time.monotonic() - begin < 0.5
        """,
        tmp_path,
        provider,
    )
    assert time.monotonic() - begin < 10
    assert "2 spans could not be sent to http://127.0.0.1:9 yet: connection refused" in err, err


def test_disabled(tmp_path, provider):
    out, err = run(
        f"import agentops_otel as a, openai; s = a.init(); {ASK_OPENAI}; print(a.end_session('Success'))",
        tmp_path,
        provider,
        OTEL_SDK_DISABLED="true",
    )
    assert not (tmp_path / "sessions.db").exists()
    assert "rror" not in err.replace("Errors", "")


def test_nothing_is_imported_that_is_not_used(tmp_path):
    out, _ = run(
        """
        import sys, agentops_otel as agentops
        agentops.init()
        heavy = ("openai", "anthropic", "genai_prices", "grpc", "pydantic", "requests", "click", "psutil")
        print([name for name in heavy if name in sys.modules])
        """,
        tmp_path,
    )
    assert out == "[]\n"


def test_uninstrumented_afterwards(tmp_path, provider):
    run(
        f"""
        import agentops_otel as agentops, openai
        original = openai.OpenAI.request
        agentops.init()
        assert openai.OpenAI.request is not original
        agentops.stop_instrumenting()
        assert openai.OpenAI.request is original and "request" not in vars(openai.OpenAI)
        {ASK_OPENAI}
        """,
        tmp_path,
        provider,
    )
    ((row, _),) = stored(tmp_path)
    assert row.llm_calls == 0

"""Two spans of one model call: which of them a session keeps."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from trees import tree

from agentops_otel.engine import Registry

CALL = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 5, "gen_ai.request.model": "m"}
MCP = {"mcp.method.name": "tools/list"}
THEIRS = {"openinference.span.kind": "LLM", "llm.token_count.prompt": 5, "llm.model_name": "m"}


@pytest.fixture
def session(make_watched):
    watched = make_watched()

    def spans(*layers):
        """Spans one within the other, from (scope, name, attributes), outermost first."""
        provider = watched.client.pipeline
        contexts = [watched.session.context]
        opened = []
        for scope, name, attributes in layers:
            tracer = (
                provider.tracer_of(scope.removeprefix("agentops_otel.")) if scope.startswith("agentops_otel") else None
            )
            tracer = tracer or watched.foreign(scope)
            kind = SpanKind.SERVER if name == "SERVER" else SpanKind.CLIENT
            span = tracer.start_span(name, context=contexts[-1], kind=kind, attributes=attributes)
            opened.append(span)
            contexts.append(trace.set_span_in_context(span, contexts[-1]))
        for span in reversed(opened):
            span.end()
        watched.session.end_session("Success")
        return tree(watched.all).splitlines()[1:], watched.session.final_tally.llm_calls

    return watched, spans


@pytest.mark.parametrize(
    ("layers", "kept", "calls"),
    [
        ([("agentops_otel.openai", "ours", CALL)], ["  ours"], 1),
        # Their span of the same client, below ours and above it.
        (
            [("agentops_otel.openai", "ours", CALL), ("openinference.instrumentation.openai", "theirs", THEIRS)],
            ["  ours"],
            1,
        ),
        (
            [("openinference.instrumentation.openai", "theirs", THEIRS), ("agentops_otel.openai", "ours", CALL)],
            ["  ours"],
            1,
        ),
        # A client that traces itself below somebody's instrumentation.
        (
            [
                ("opentelemetry.instrumentation.genai.anthropic", "official", CALL),
                ("com.anthropic.sdk.python", "own", CALL),
            ],
            ["  official"],
            1,
        ),
        # A framework's span is structure: it stays, and the client's call is the one that counts.
        ([("litellm", "framework", CALL), ("agentops_otel.openai", "ours", CALL)], ["  framework", "    ours"], 1),
        # One that makes spans itself and is adopted is structure but for its model calls: a client's are told by the client.
        ([("agentops_otel.pydantic_ai", "framework", CALL), ("agentops_otel.openai", "ours", CALL)], ["  ours"], 1),
        ([("pydantic-ai", "framework", CALL), ("com.anthropic.sdk.python", "own", CALL)], ["  own"], 1),
        ([("pydantic-ai", "outer", CALL), ("pydantic-ai", "inner", CALL)], ["  outer"], 1),
        ([("pydantic-ai", "framework", CALL), ("pydantic-ai", "attempt", {})], ["  framework", "  attempt"], 1),
        ([("pydantic-ai", "framework", CALL)], ["  framework"], 1),
        # What is no model call is nobody's double.
        (
            [("agentops_otel.openai", "ours", CALL), ("opentelemetry.instrumentation.openai", "http", {})],
            ["  ours", "    http"],
            1,
        ),
        # Requests over MCP; the side that answers is no double of the side that asks, and moves up.
        ([("agentops_otel.mcp", "ours", MCP), ("mcp-python-sdk", "theirs", MCP)], ["  ours"], 0),
        (
            [("agentops_otel.mcp", "ours", MCP), ("mcp-python-sdk", "theirs", MCP), ("mcp-python-sdk", "SERVER", MCP)],
            ["  ours", "    SERVER"],
            0,
        ),
        ([("mcp-python-sdk", "theirs", MCP)], ["  theirs"], 0),
        # Three of one call.
        (
            [
                ("openinference.instrumentation.openai", "outer", THEIRS),
                ("agentops_otel.openai", "ours", CALL),
                ("traceloop.openai", "inner", CALL),
            ],
            ["  ours"],
            1,
        ),
    ],
)
def test_kept(session, layers, kept, calls):
    watched, spans = session
    pydantic_ai = Registry(emits=(frozenset({"pydantic", "ai"}),))
    watched.client.pipeline.processor.follow(lambda: None, pydantic_ai, content=True)
    watched.foreign = watched.client.pipeline.provider.get_tracer
    lines, counted = spans(*layers)
    assert [line.split(" 5->")[0] for line in lines] == kept
    assert counted == calls


def test_a_session_keeps_a_span_on_which_another_has_written_its_own_session_id(watched):
    span = watched.client.pipeline.provider.get_tracer("other").start_span("x", context=watched.session.context)
    span.set_attribute("session.id", "a conversation")
    span.end()
    assert watched.span.attributes["session.id"] == watched.session.session_id


def test_nothing_is_remembered_of_calls_that_are_over(watched):
    doubles = watched.client.pipeline.processor._doubles
    tracer = watched.client.pipeline.tracer_of("openai")
    for _ in range(100):
        tracer.start_span("chat", context=watched.session.context, attributes=CALL).end()
    assert not doubles._open
    assert not doubles._left_out


def test_nothing_is_remembered_of_calls_outside_of_sessions(watched):
    tracer = watched.client.pipeline.tracer_of("openai")
    watched.session.end_session("Success")
    watched.session.deactivate()
    tracer.start_span("chat", attributes=CALL).end()
    assert not watched.client.pipeline.processor._doubles._open


@pytest.fixture
def adopting(watched):
    """A session in which the spans of `loom` are a framework's own; its tracer, and that of a client."""
    processor = watched.client.pipeline.processor
    loom = Registry(emits=(frozenset({"loom"}),), asides=frozenset({"turn"}))
    processor.follow(lambda: None, loom, content=False)
    return watched, watched.client.pipeline.provider.get_tracer("loom"), watched.client.pipeline.tracer_of("openai")


def below(span, watched):
    return trace.set_span_in_context(span, watched.session.context)


@pytest.mark.parametrize("late", [False, True])
def test_a_frameworks_word_on_a_call_is_left_out_where_a_client_tells_of_it(adopting, late):
    watched, loom, client = adopting
    agent = loom.start_span("agent", context=watched.session.context)
    call = loom.start_span("theirs", context=below(agent, watched), attributes=None if late else CALL)
    call.set_attributes(CALL)  # some tell only then what their span is of
    client.start_span("ours", context=below(call, watched), attributes=CALL).end()
    call.end()
    agent.end()
    assert tree(watched.spans) == "agent\n  ours 5->None tokens"
    assert watched.session.get_analytics()["LLM calls"] == 1


def test_a_frameworks_word_counts_where_nobody_else_tells_of_the_call(adopting):
    watched, loom, _ = adopting
    agent = loom.start_span("agent", context=watched.session.context)
    loom.start_span("theirs", context=below(agent, watched), attributes=CALL).end()
    agent.end()
    assert tree(watched.spans) == "agent\n  theirs 5->None tokens"


def test_a_frameworks_own_ways_are_left_out(adopting):
    watched, loom, client = adopting
    turn = loom.start_span("turn", context=watched.session.context)
    client.start_span("ours", context=below(turn, watched), attributes=CALL).end()
    turn.end()
    client.start_span("turn", context=watched.session.context).end()  # a name alone says nothing
    assert tree(watched.spans) == "ours 5->None tokens\nturn"


def test_a_framework_says_nothing_of_content_where_none_is_wanted(adopting):
    watched, loom, client = adopting
    for tracer in (loom, client):
        span = tracer.start_span("tool", context=watched.session.context)
        span.set_attributes({"gen_ai.tool.name": "x", "gen_ai.tool.call.arguments": "secret"})
        span.add_event("gen_ai.user.message", {"content": "secret"})
        span.record_exception(ValueError("secret"))
        span.set_status(trace.Status(trace.StatusCode.ERROR, "secret"))
        span.end()
    theirs, ours = watched.spans
    assert "secret" not in f"{theirs.attributes} {theirs.events} {theirs.status_message}"
    assert [event["attributes"] for event in theirs.events] == [{"exception.type": "ValueError"}]
    assert (theirs.attributes["gen_ai.tool.name"], theirs.status) == ("x", "error")
    assert ours.attributes["gen_ai.tool.call.arguments"] == "secret"


def test_a_framework_with_sessions_of_its_own_stays_in_ours(adopting):
    watched, loom, _ = adopting
    span = loom.start_span("agent", context=watched.session.context)
    span.set_attribute("session.id", "a chat of the framework's")
    span.end()
    assert watched.span.attributes["session.id"] == watched.session.session_id

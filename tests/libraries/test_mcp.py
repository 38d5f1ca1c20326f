"""mcp, of either generation: one span for each request, trace context in `params._meta`, tools that fail as errors."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from importlib.metadata import version

import mcp
import pytest
from agentops_otel_instrumentors import mcp as instrumentor
from conftest import Watched
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from recorded import mcp_answers
from replay import RECORDINGS

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Provider

# FastMCP of mcp 1 has settings that today's pydantic-settings warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Field 'lifespan' has an incomplete definition")
IS_NEW = int(version("mcp").split(".")[0]) >= 2
if IS_NEW:
    from mcp import MCPError
    from mcp.server.mcpserver import MCPServer
else:
    from mcp import McpError as MCPError
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.shared.memory import create_connected_server_and_client_session

LIBRARY = "mcp"
FAMILIES = ("mcp",)
RECORDED = RECORDINGS / "mcp" / "test-mcptoolset-in-temporal-workflow-30959a84.json"


def _server(seen):
    server = MCPServer("ferries")

    @server.tool()
    def leaves(day: str) -> str:
        """When it leaves."""
        seen.append(trace.get_current_span().get_span_context())
        if day == "Sunday":
            raise ValueError("no ferry on Sunday")
        return f"at 9 on {day}"

    @server.prompt()
    def trip(city: str) -> str:
        return f"A trip to {city}"

    @server.resource("ferry://timetable")
    def timetable() -> str:
        return "9, 10, 11"

    return server


@asynccontextmanager
async def _session(server):
    if IS_NEW:
        async with mcp.Client(server, mode="legacy") as client:
            yield client.session
    else:
        async with create_connected_server_and_client_session(server) as session:
            yield session


def _run(scenario):
    seen = []

    async def run():
        async with _session(_server(seen)) as session:
            return await scenario(session)

    return asyncio.run(run()), seen


async def _use(session):
    await session.list_tools()
    await session.get_prompt("trip", {"city": "Lisbon"})
    await session.read_resource("ferry://timetable")
    return await session.call_tool("leaves", {"day": "Saturday"})


def _ours(watched, kind="client"):
    return {span.name: span for span in watched.spans if span.kind == kind}


def test_requests_are_named_by_their_methods(make_watched):
    plain, _ = _run(_use)
    watched = make_watched(capture_content=True)
    result, (at_server,) = _run(_use)
    assert result == plain
    made = _ours(watched)
    assert list(made) == [
        "initialize",
        "tools/list",
        "prompts/get trip",
        "resources/read",
        "tools/call leaves",
    ]
    told = made["tools/call leaves"].attributes
    expected = {
        names.SPAN_KIND: "tool",
        names.OPERATION_NAME: "execute_tool",
        names.TOOL_NAME: "leaves",
        names.MCP_METHOD: "tools/call",
        names.TOOL_CALL_ARGUMENTS: '{"day":"Saturday"}',
        names.PROVIDER_NAME: None,
        names.USAGE_MISSING: None,
    }
    assert {name: told.get(name) for name in expected} == expected
    assert "at 9 on Saturday" in told[names.TOOL_CALL_RESULT]
    prompt, resource = made["prompts/get trip"].attributes, made["resources/read"].attributes
    assert (prompt[names.MCP_METHOD], prompt[names.PROMPT_NAME]) == ("prompts/get", "trip")
    assert resource[names.MCP_RESOURCE].rstrip("/") == "ferry://timetable"
    assert names.SPAN_KIND not in prompt
    assert (names.OPERATION_NAME in prompt, names.OPERATION_NAME in resource) == (False, False)
    assert (told.get(names.MCP_PROTOCOL) is not None) == IS_NEW
    assert {span.status for span in made.values()} == {"unset"}
    assert f"{at_server.trace_id:032x}" == made["tools/call leaves"].trace_id
    assert watched.session.get_analytics()["Tool calls"] == 1


def test_a_tool_that_fails_is_an_error(make_watched):
    watched = make_watched()
    result, _ = _run(lambda session: session.call_tool("leaves", {"day": "Sunday"}))
    assert (result.is_error if IS_NEW else result.isError) is True
    span = _ours(watched)["tools/call leaves"]
    assert (span.status, span.attributes[names.ERROR_TYPE]) == ("error", names.TOOL_ERROR)


def test_an_error_of_the_protocol_carries_its_code(watched):
    async def scenario(session):
        with pytest.raises(MCPError):
            await session.get_prompt("nothing")

    _run(scenario)
    span = _ours(watched)["prompts/get nothing"]
    assert span.status == "error"
    assert re.fullmatch(r"-?\d+", span.attributes[names.ERROR_TYPE])
    assert span.attributes[names.RPC_STATUS] == span.attributes[names.ERROR_TYPE]


def test_cancelled(watched):
    async def scenario(session):
        task = asyncio.ensure_future(session.call_tool("leaves", {"day": "Saturday"}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    _run(scenario)
    assert _ours(watched)["tools/call leaves"].attributes[names.ERROR_TYPE] == "asyncio.exceptions.CancelledError"


def test_keep_alives_make_no_span(watched):
    _run(lambda session: session.send_ping())
    assert list(_ours(watched)) == ["initialize"]


def test_a_span_around_that_tells_of_the_tool_is_enough(watched):
    tracer = watched.client.pipeline.tracer

    async def scenario(session):
        told = {names.OPERATION_NAME: "execute_tool", names.TOOL_NAME: "leaves"}
        with tracer.start_as_current_span("execute_tool leaves", attributes=told):
            await session.call_tool("leaves", {"day": "Saturday"})

    _, (at_server,) = _run(scenario)
    (span,) = [span for span in watched.spans if span.attributes.get(names.TOOL_NAME) and span.kind != "server"]
    assert (span.name, span.attributes[names.MCP_METHOD]) == ("execute_tool leaves", "tools/call")
    assert f"{at_server.trace_id:032x}" == span.trace_id


def test_content_is_left_out_unless_it_is_wanted(make_watched):
    watched = make_watched(capture_content=False)
    _run(_use)
    told = _ours(watched)["tools/call leaves"].attributes
    assert not {names.TOOL_CALL_ARGUMENTS, names.TOOL_CALL_RESULT} & set(told)


def test_uninstrumented(watched):
    watched.client.registry.uninstrument()
    _run(_use)
    assert watched.spans == []


@pytest.mark.skipif(not IS_NEW, reason="mcp 1 makes no spans of its own")
def test_the_sdk_s_own_spans_of_requests_are_left_out(make_watched, monkeypatch):
    """Its tracer is made at import, from whichever provider the program has: here one that joins the session."""
    watched = make_watched(capture_content=True)
    provider = TracerProvider()
    provider.add_span_processor(watched.client.pipeline.processor)
    monkeypatch.setattr("mcp.shared._otel._tracer", provider.get_tracer("mcp-python-sdk"))
    _run(_use)
    assert len(_ours(watched)) == 5
    client, served = _ours(watched)["tools/call leaves"], _ours(watched, "server")["tools/call leaves"]
    assert served.parent_id == client.span_id
    assert served.trace_id == client.trace_id
    assert watched.session.get_analytics()["Tool calls"] == 1


@pytest.mark.skipif(IS_NEW, reason="servers of mcp 2 make spans of their own")
def test_servers_of_mcp_1_are_captured(watched):
    _run(_use)
    client, served = _ours(watched)["tools/call leaves"], _ours(watched, "server")
    assert list(served) == ["prompts/get trip", "resources/read", "tools/call leaves"]
    span = served["tools/call leaves"]
    assert (span.parent_id, span.trace_id) == (client.span_id, client.trace_id)
    assert span.attributes[names.TOOL_CALL_ARGUMENTS] == '{"day":"Saturday"}'
    assert "at 9 on Saturday" in span.attributes[names.TOOL_CALL_RESULT]
    assert watched.session.get_analytics()["Tool calls"] == 1


async def _talk(url):
    if IS_NEW:
        async with mcp.Client(url, mode="legacy") as client:
            await client.session.list_tools()
            return await client.session.call_tool("ask_question", {"question": "What is it?"})
    from mcp.client import streamable_http  # noqa: PLC0415

    newer = getattr(streamable_http, "streamable_http_client", None)
    async with (
        (newer or streamable_http.streamablehttp_client)(url) as (read, write, _),
        mcp.ClientSession(read, write) as session,
    ):
        await session.initialize()
        await session.list_tools()
        return await session.call_tool("ask_question", {"question": "What is it?"})


class Older:
    """An answer of mcp 2 under fastmcp, which warns of the names that mcp 1 had."""

    content = ()
    is_error = False
    structured_content = None

    @property
    def isError(self):
        raise AssertionError("asked for an older name")

    structuredContent = isError  # noqa: N815 - its name


def test_of_an_answer_of_mcp_2_no_older_name_is_asked():
    assert instrumentor._response(Older()).error is None
    assert instrumentor._output(Older()) is not None


def test_recording(watched: Watched):
    if not RECORDED.exists():
        pytest.skip("the recordings are not beside this checkout")
    asked = []
    with Provider(mcp_answers(json.loads(RECORDED.read_text()), asked)) as provider:
        result = asyncio.run(_talk(f"{provider.url}/mcp"))
    assert list(_ours(watched)) == ["initialize", "tools/list", "tools/call ask_question"]
    span = _ours(watched)["tools/call ask_question"]
    assert result.content[0].text[:40] in span.attributes[names.TOOL_CALL_RESULT]
    (called,) = [body for body in asked if body["method"] == "tools/call"]
    assert called["params"]["_meta"]["traceparent"].split("-")[1:3] == [span.trace_id, span.span_id]

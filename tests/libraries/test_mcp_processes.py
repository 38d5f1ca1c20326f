"""An MCP client and its server in another process: one trace, a span of either side, and the tool's call counted once."""

from __future__ import annotations

import textwrap
from importlib.metadata import version

import pytest
from programs import run, stored

from agentops_otel.accounting.record import rejoined
from agentops_otel.conventions import names
from agentops_otel.server.outline import outline

IS_NEW = int(version("mcp").split(".")[0]) >= 2
SERVER = """
import agentops_otel
{serve}
agentops_otel.init()
server = Server("ferries")

@server.tool()
def leaves(day: str) -> str:
    if day == "Sunday":
        raise ValueError("no ferry on Sunday")
    return f"at 9 on {{day}}"

server.run("stdio")
"""
CLIENT = """
import asyncio, os, sys
import agentops_otel, mcp
from mcp.client.stdio import stdio_client
{setup}
agentops_otel.init()

async def main():
    parameters = mcp.StdioServerParameters(command=sys.executable, args=[{file!r}], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), mcp.ClientSession(read, write) as session:
        await session.initialize()
        for day in ("Saturday", "Sunday"):
            print((await session.call_tool("leaves", {{"day": day}})).content[0].text)

asyncio.run(main())
agentops_otel.end_session("Success")
"""
OWN_PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""


@pytest.mark.parametrize("setup", ["", OWN_PROVIDER], ids=["our-provider", "the-program-s-provider"])
def test_a_tool_in_another_process(tmp_path, setup):
    file = tmp_path / "server.py"
    where = "mcp.server.mcpserver import MCPServer" if IS_NEW else "mcp.server.fastmcp import FastMCP"
    file.write_text(textwrap.dedent(SERVER.format(serve=f"from {where} as Server")))
    out, _ = run(CLIENT.format(setup=setup, file=str(file)), tmp_path)
    assert out.splitlines()[0] == "at 9 on Saturday"
    ((session, records),) = stored(tmp_path)
    called = [record for record in rejoined(records) if record.name == "tools/call leaves"]
    assert sorted(record.kind for record in called) == ["client", "client", "server", "server"]
    assert {record.trace_id for record in called} == {records[0].trace_id}
    by_id = {record.span_id: record for record in called}
    for served in (record for record in called if record.kind == "server"):
        asked = by_id[served.parent_id]
        assert asked.kind == "client"
        assert asked.start_time <= served.start_time
        for span in (asked, served):
            told = span.attributes
            assert (told[names.MCP_METHOD], told[names.TOOL_NAME]) == ("tools/call", "leaves")
            assert told[names.OPERATION_NAME] == "execute_tool"
    assert [record.status for record in called].count("error") == 4 // 2
    assert session.tool_calls == 2
    assert not [node for node in outline(records) if node.is_orphan]

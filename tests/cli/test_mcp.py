"""`agentops-otel mcp`: a real client asks it over standard input and output, of a store and of a server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from span_records import ROOT_ID, SESSION, failed, llm, root, tool

from agentops_otel.conventions import names
from agentops_otel.server.app import make_app

OTHER = "1" * 32
ENDED = {names.END_STATE: names.SUCCESS, names.END_STATE_REASON: "all done", names.TAGS: ["nightly"]}
ASKED = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "one tram ticket " * 50}]}])


@asynccontextmanager
async def asked(*arguments):
    """A session of the protocol with the command in a process of its own: `call(tool, **arguments)`."""
    command = StdioServerParameters(command=sys.executable, args=["-m", "agentops_otel", "mcp", *arguments])
    async with stdio_client(command) as streams, ClientSession(*streams) as session:
        await session.initialize()

        async def call(name, **told):
            result = (await session.call_tool(name, told)).model_dump(by_alias=True)
            if result["isError"]:
                raise LookupError(result["content"][0]["text"])
            assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
            return result["structuredContent"]

        yield session, call


@pytest.fixture
def filled(store):
    store.insert(
        [
            root(ENDED, end=4.25),
            llm(0.00123, tokens=(12_400, 950), start=1, attributes={names.INPUT_MESSAGES: ASKED}),
            failed(tool(parent_id=ROOT_ID, start=2, attributes={names.TOOL_CALL_ARGUMENTS: '{"day": "\\ud800"}'})),
        ]
    )
    store.insert(
        [
            root(ENDED, trace=OTHER, start=10, end=12),
            llm(0.00023, tokens=(2_400, 950), trace=OTHER, start=10.5, attributes={names.INPUT_MESSAGES: ASKED}),
            tool(trace=OTHER, start=11, attributes={names.TOOL_CALL_ARGUMENTS: '{"day": "\\ud800"}'}),
            tool("book", trace=OTHER, start=11.5),
        ]
    )
    return store


@pytest.fixture(params=["store", "server"])
def place(request, filled, serve):
    return ("--store", str(filled.path)) if request.param == "store" else ("--server", serve(make_app(filled)))


async def test_what_an_agent_is_told(place):
    async with asked(*place) as (session, _):
        tools = (await session.list_tools()).tools
    told = {item.name: item.model_dump(by_alias=True) for item in tools}
    assert set(told) == {"list_sessions", "search_sessions", "show_session", "compare_sessions"}
    for item in told.values():
        assert item["annotations"]["readOnlyHint"] is True
        assert item["description"].endswith(".")
    assert told["show_session"]["inputSchema"]["required"] == ["session_id"]
    states = json.dumps(told["list_sessions"]["inputSchema"]["properties"]["end_state"])
    assert all(state in states for state in ("Success", "Failure", "Indeterminate", "running"))


async def test_sessions_are_listed(place):
    async with asked(*place) as (_, call):
        listed = (await call("list_sessions"))["sessions"]
        assert [(row["id"][:4], row["cost"], row["end_state_reason"]) for row in listed] == [
            ("1111", "0.00023", "all done"),
            (SESSION[:4], "0.00123", "all done"),
        ]
        dear = await call("list_sessions", cost=">0.001", tag="nightly", end_state="Success", model="gpt-4o")
        assert [row["id"] for row in dear["sessions"]] == [SESSION]
        assert (await call("list_sessions", since="1h"))["sessions"] == []
        assert len((await call("list_sessions", limit=1))["sessions"]) == 1


async def test_words_are_found(place):
    async with asked(*place) as (_, call):
        hits = (await call("search_sessions", text="tram"))["hits"]
        assert {hit["name"] for hit in hits} == {"chat gpt-4o"}
        assert len(hits) == 2
        assert (await call("search_sessions", text="zeppelin"))["hits"] == []


async def test_a_session_is_shown(place):
    async with asked(*place) as (_, call):
        told = await call("show_session", session_id="@last~1")
        assert told["session"]["id"] == SESSION
        assert told["statistics"]["cost"] == "0.00123"
        assert [(step["depth"], step["kind"], step["name"]) for step in told["steps"]] == [
            (0, "session", "session"),
            (1, "llm", "chat gpt-4o"),
            (1, "tool", "search"),
        ]
        assert told["steps"][1]["input_tokens"] == 12_400
        assert told["steps"][2]["error"] == "ValueError: it broke"
        assert "llms" not in told
        assert (await call("show_session", session_id="@last~1", limit=1))["steps_left_out"] == 2


async def test_what_was_said_is_told_where_it_is_asked_for_and_cut(place):
    async with asked(*place) as (_, call):
        told = await call("show_session", session_id=SESSION[:8], content=True, characters=100)
        prompt = json.dumps(told["llms"][0]["prompt"])
        assert "one tram ticket" in prompt
        assert "[700 more characters]" in prompt
        # A lone surrogate is sent as its escape; a server has already put a sign in its place.
        assert told["tools"][0]["params"] in ({"day": "\\ud800"}, {"day": "?"})


async def test_two_sessions_are_compared(place):
    async with asked(*place) as (_, call):
        told = await call("compare_sessions", first=SESSION, second="@last")
        assert told["figures"]["cost"] == {"first": "0.00123", "second": "0.00023", "difference": "-0.001"}
        assert told["figures"]["input_tokens"]["difference"] == -10_000
        assert (told["steps_in_all"], told["same_steps"]) == (3, 1)
        assert [(step["number"], step["state"], step.get("changes")) for step in told["different_steps"]] == [
            (2, "changed", ["outcome"]),
            (3, "only in the second", None),
        ]
        assert told["different_steps"][1]["second"]["name"] == "book"


WRONG = [
    ("show_session", {"session_id": "nobody"}, "list_sessions tells which there are"),
    ("show_session", {"session_id": ""}, "list_sessions tells which there are"),
    ("show_session", {"session_id": "@last", "limit": 0}, "greater than or equal to 1"),
    ("show_session", {}, "session_id"),
    ("compare_sessions", {"first": "@last", "second": "@last~9"}, "list_sessions tells which there are"),
    ("list_sessions", {"since": "soon"}, "since is a time"),
    ("list_sessions", {"cost": "cheap"}, "cost is a comparison"),
    ("list_sessions", {"end_state": "Bored"}, "Failure"),
    ("search_sessions", {"text": ""}, "at least 1 character"),
]


async def test_what_cannot_be_done_is_told_to_the_agent(place):
    async with asked(*place) as (_, call):
        for name, told, said in WRONG:
            with pytest.raises(LookupError, match=said):
                await call(name, **told)
        assert (await call("list_sessions"))["sessions"], "and the server goes on"


async def test_an_id_that_may_mean_several(filled):
    filled.insert([root(ENDED, trace="1" * 31 + "2")])
    async with asked("--store", str(filled.path)) as (_, call):
        with pytest.raises(LookupError, match="may be any of 2 sessions: 1111"):
            await call("show_session", session_id="11")


async def test_a_server_that_is_not_there():
    async with asked("--server", "http://127.0.0.1:9") as (_, call):
        with pytest.raises(LookupError, match="no server answers"):
            await call("list_sessions")


async def test_nothing_is_written(filled):
    before = filled.change()
    async with asked("--store", str(filled.path)) as (_, call):
        await asyncio.gather(*(call("show_session", session_id="@last") for _ in range(5)))
    assert filled.change() == before


def command(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


MAIN = "import sys; from agentops_otel.cli import main; main(['mcp', *sys.argv[1:]], prog_name='agentops-otel')"


def test_without_the_package_it_says_what_to_install():
    told = command(f"import sys; sys.modules['mcp'] = None; {MAIN}")
    assert told == (1, "", "Error: this needs one more package: pip install 'agentops_otel[mcp]'\n")


def test_wrong_options_are_told_at_once():
    code, out, said = command(MAIN, "--store", "here", "--server", "http://there")
    assert (code, out) == (2, "")
    assert "from a --store or from a --server, not from both" in said

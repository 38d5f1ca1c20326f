"""Claude's Agent SDK: the tree is agents, sub-agents and tools; usage and cost are what the process prints, once."""

from __future__ import annotations

import asyncio
import gc

import claude_agent_sdk
import pytest
from agentops_otel_instrumentors import _claude_turns as turns
from claude_agent_sdk import AssistantMessage, ClaudeAgentOptions, ClaudeSDKClient, ResultMessage
from claude_process import INIT, MODEL, Scripted, model_used, result, said, text, used, uses
from inline_snapshot import snapshot
from opentelemetry import trace
from programs import run as run_program
from programs import stored
from recorded import totals
from trees import tree

from agentops_otel.conventions import names

HELLO = [INIT, said(text("hello")), result("hello")]
TOOLS = [
    INIT,
    said(text("I shall look."), message_id="msg_1"),
    said(uses("t1", "Read", file_path="a.txt"), message_id="msg_1"),
    said(uses("t2", "Bash", command="ls"), message_id="msg_1"),
    used("t2", "exit 1", is_error=True),
    used("t1", [{"type": "text", "text": "secret words"}]),
    said(text("done"), message_id="msg_2"),
    result("done", {MODEL: model_used(1000, 100, 0.0123, cached=500, made=200)}),
]
SUBAGENT = [
    INIT,
    said(uses("t1", "Task", subagent_type="researcher", prompt="find it", description="d")),
    said(uses("t2", "Grep", pattern="x"), message_id="msg_2", parent="t1", model="claude-haiku-4-5"),
    used("t2", "a.txt", parent="t1"),
    said(text("found"), message_id="msg_3", parent="t1", model="claude-haiku-4-5"),
    used("t1", [{"type": "text", "text": "found"}]),
    said(text("done"), message_id="msg_4"),
    result("done", {MODEL: model_used(200, 20, 0.002), "claude-haiku-4-5": model_used(50, 5, 0.0001)}),
]


async def _query(*turns):
    told = []
    for turn in turns:
        told += [item async for item in claude_agent_sdk.query(prompt="x", transport=Scripted(turn))]
    return told


async def _client(*turns):
    told = []
    async with ClaudeSDKClient(transport=Scripted(*turns)) as client:
        for _ in turns:
            await client.query("x")
            told += [item async for item in client.receive_response()]
    return told


async def _messages(*turns):
    """All turns read with one iterator, as a program does that listens while it asks."""
    told = []
    async with ClaudeSDKClient(transport=Scripted(*turns)) as client:
        await client.query("x")
        left = len(turns)
        async for item in client.receive_messages():
            told.append(item)
            if isinstance(item, ResultMessage):
                left -= 1
                if not left:
                    break
                await client.query("x")
    return told


WAYS = {"query": _query, "client": _client, "messages": _messages}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@ways
async def test_a_turn_with_tools_one_of_which_fails(watched, way):
    told = await way(TOOLS)
    assert isinstance(told[-1], ResultMessage)
    assert sorted(tree(watched.spans).splitlines()) == snapshot(
        [
            "  chat claude-sonnet-4-6 1700->100 tokens (500 cached) $0.0123",
            "  execute_tool Bash ERROR tool_error",
            "  execute_tool Read",
            "invoke_agent",
        ]
    )
    assert totals(watched.session) == (1, 1700, 100)
    assert watched.session.get_analytics()["Cost"] == snapshot("0.012300")
    (call,) = [span for span in watched.spans if span.name.startswith("chat")]
    assert call.attributes[names.COST_SOURCE] == "provider"
    assert call.attributes[names.PROVIDER_NAME] == "anthropic"
    assert (call.attributes[names.CACHE_READ_TOKENS], call.attributes[names.CACHE_WRITE_TOKENS]) == (500, 200)
    read = next(span for span in watched.spans if span.name == "execute_tool Read")
    assert read.attributes[names.TOOL_CALL_ID] == "t1"
    assert read.attributes[names.TOOL_CALL_ARGUMENTS] == '{"file_path":"a.txt"}'
    assert read.attributes[names.TOOL_CALL_RESULT] == '"secret words"'
    agent = next(span for span in watched.spans if span.name == "invoke_agent")
    assert "done" in agent.attributes[names.OUTPUT_MESSAGES]
    assert agent.attributes[names.CONVERSATION_ID] == "s-1"


@ways
async def test_a_sub_agents_work_is_below_it(watched, way):
    await way(SUBAGENT)
    calls = {line for line in tree(watched.spans).splitlines() if line.startswith("  chat")}
    assert calls == {
        "  chat claude-sonnet-4-6 200->20 tokens $0.002",
        "  chat claude-haiku-4-5 50->5 tokens $0.0001",
    }
    assert tree([span for span in watched.spans if not span.name.startswith("chat")]) == snapshot("""\
invoke_agent
  invoke_agent researcher
    execute_tool Grep\
""")
    assert totals(watched.session) == (2, 250, 25)


@pytest.mark.parametrize("way", [_client, _messages])
async def test_a_client_counts_on_and_each_turn_counts_once(watched, way):
    first = [INIT, said(text("one")), result("one", {MODEL: model_used(100, 10, 0.001)})]
    second = [said(text("two")), result("two", {MODEL: model_used(250, 30, 0.003)})]
    anew = [said(text("three")), result("three", {MODEL: model_used(7, 1, 0.0001)})]
    await way(first, second, anew)
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat claude-sonnet-4-6 100->10 tokens $0.001
invoke_agent
  chat claude-sonnet-4-6 150->20 tokens $0.002
invoke_agent
  chat claude-sonnet-4-6 7->1 tokens $0.0001\
""")
    assert totals(watched.session) == (3, 257, 31)


async def test_queries_of_their_own_add_up(watched):
    await _query(HELLO, HELLO)
    assert totals(watched.session) == (2, 200, 20)


@ways
async def test_an_older_process_that_tells_no_models(watched, way):
    old = result("x", {}, total_cost_usd=0.5)
    del old["modelUsage"]
    await way([INIT, said(text("x")), old])
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  chat claude-sonnet-4-6 100->10 tokens $0.5\
""")


@ways
@pytest.mark.parametrize(
    ("told", "error"),
    [
        (result("", is_error=True, subtype="error_max_turns"), "error_max_turns"),
        (result("busy", is_error=True, api_error_status=529), "529"),
    ],
)
async def test_a_turn_that_fails_is_billed_all_the_same(watched, way, told, error):
    try:
        await way([INIT, said(text("x")), told])
    except Exception as raised:  # the SDK raises some of them
        assert not isinstance(raised, AssertionError)
    (agent,) = [span for span in watched.spans if span.name == "invoke_agent"]
    assert agent.attributes[names.ERROR_TYPE] == error
    assert totals(watched.session) == (1, 100, 10)
    assert watched.session.get_analytics()["Errors"] == 1


@ways
async def test_a_process_that_dies(watched, way):
    with pytest.raises(Exception, match="gone"):
        await way([INIT, said(uses("t1", "Read", file_path="a")), RuntimeError("gone")])
    assert sorted(line.partition(" ERROR")[0] for line in tree(watched.spans).splitlines()) == snapshot(
        ["  execute_tool Read abandoned", "invoke_agent"]
    )


async def test_a_turn_that_is_left(watched):
    stream = claude_agent_sdk.query(prompt="x", transport=Scripted(TOOLS))
    before = trace.get_current_span()
    async for message in stream:
        if isinstance(message, AssistantMessage):
            break
    await stream.aclose()
    del stream
    gc.collect()
    assert trace.get_current_span() is before
    assert tree(watched.spans) == snapshot("invoke_agent abandoned")


async def test_a_turn_that_is_cancelled_ends_as_it_would_without_us(watched):
    async def read():
        async for _ in claude_agent_sdk.query(prompt="x", transport=Scripted([INIT, said(uses("t1", "Bash"))])):
            pass

    async def cancelled():
        task = asyncio.ensure_future(read())
        await asyncio.sleep(0.2)
        task.cancel()
        return await asyncio.gather(task, return_exceptions=True)

    (seen,) = await cancelled()
    watched.client.registry.uninstrument()
    (unseen,) = await cancelled()
    watched.client.registry.instrument(watched.client.recorder)
    assert type(seen) is type(unseen)
    assert tree(watched.spans) == snapshot("""\
invoke_agent
  execute_tool Bash abandoned\
""")


async def test_a_run_that_never_ends_leaves_the_session_whole(watched):
    stream = claude_agent_sdk.query(prompt="x", transport=Scripted([INIT, said(uses("t1", "Bash"))]))
    await anext(stream)
    await anext(stream)
    watched.client._end_all("Indeterminate", "the program ended")
    assert tree(watched.all) == snapshot("""\
session Indeterminate $0.00
  invoke_agent abandoned
    execute_tool Bash abandoned\
""")
    await stream.aclose()


@ways
async def test_content_is_left_out_where_it_is_not_wanted(make_watched, way):
    watched = make_watched(capture_content=False)
    await way(TOOLS)
    told = " ".join(str(span.attributes) for span in watched.spans)
    assert len(watched.spans) == 4
    assert not any(word in told for word in ("secret", "a.txt", "done", "look"))


async def test_nothing_is_told_after_uninstrument(watched):
    await _query(HELLO)
    watched.client.registry.uninstrument()
    await _query(HELLO)
    await _client(HELLO)
    assert len(watched.spans) == 2
    watched.client.registry.instrument(watched.client.recorder)


@ways
async def test_a_fault_in_reading_is_ours_alone(watched, way, monkeypatch):
    monkeypatch.setattr(turns.Turn, "_begin", lambda *_: 1 / 0)
    monkeypatch.setattr(turns.Turn, "_end", lambda *_: 1 / 0)
    watched.client.faults.strict = False
    assert (await way(TOOLS))[-1].result == "done"
    assert tree(watched.spans).splitlines()[0].startswith("invoke_agent")
    assert watched.client.faults.counts
    watched.client.faults.counts.clear()


async def test_prompts_that_are_generators_are_not_ours_to_read(watched):
    async def prompts():
        yield {"type": "user", "message": {"role": "user", "content": "x"}, "parent_tool_use_id": None}

    told = [item async for item in claude_agent_sdk.query(prompt=prompts(), transport=Scripted(HELLO))]
    assert isinstance(told[-1], ResultMessage)
    assert len(watched.spans) == 2


@pytest.mark.parametrize(
    "odd",
    [
        used("never", "asked"),
        said(uses("t1", "Bash"), uses("t1", "Bash")),
        said(text("x"), parent="nobody"),
        said({"type": "thinking", "thinking": "hm", "signature": "s"}),
        {"type": "user", "message": {"role": "user", "content": "x"}},
        INIT,
    ],
)
async def test_messages_that_say_odd_things(watched, odd):
    await _query([INIT, odd, result("done")])
    assert totals(watched.session) == (1, 100, 10)


async def test_a_name_and_a_bedrock_model(watched):
    models = {"us.anthropic.claude-sonnet-4-6": {**model_used(), "canonicalModel": MODEL, "provider": "bedrock"}}
    options = ClaudeAgentOptions(env={"X": "y"})
    async for _ in claude_agent_sdk.query(prompt="x", options=options, transport=Scripted([result("x", models)])):
        pass
    (call,) = [span for span in watched.spans if span.name.startswith("chat")]
    assert call.attributes[names.PROVIDER_NAME] == "aws.bedrock"
    assert call.attributes[names.RESPONSE_MODEL] == MODEL


PROGRAM = """
import warnings
warnings.simplefilter("ignore")
{first}
{second}
import asyncio
import claude_agent_sdk
from claude_process import INIT, MODEL, Scripted, model_used, result, said, text, used, uses

turn = [
    INIT,
    said(uses("t1", "Read", file_path="a.txt")),
    used("t1", "words"),
    said(text("done"), message_id="msg_2"),
    result("done", {{MODEL: model_used(1000, 100, 0.0123)}}),
]

async def main():
    async for _ in claude_agent_sdk.query(prompt="x", transport=Scripted(turn)):
        pass

asyncio.run(main())
agentops.end_session("Success")
"""
OURS = "import agentops_otel as agentops\nagentops.init()"
THEIRS = "from openinference.instrumentation.claude_agent_sdk import ClaudeAgentSDKInstrumentor as Other\nOther().instrument()"


@pytest.mark.parametrize(("first", "second"), [(OURS, THEIRS), (THEIRS, OURS)], ids=["first", "second"])
def test_beside_another_instrumentation_each_turn_counts_once(tmp_path, first, second):
    run_program(PROGRAM.format(first=first, second=second), tmp_path)
    ((row, spans),) = stored(tmp_path)
    assert (row.llm_calls, row.tool_calls) == (1, 1)
    assert (row.tokens["input_tokens"], row.tokens["output_tokens"], str(row.cost)) == (1000, 100, "0.0123")
    assert tree([span for span in spans if not span.is_session]) == snapshot("""\
invoke_agent
  chat claude-sonnet-4-6 1000->100 tokens $0.0123
  execute_tool Read\
""")

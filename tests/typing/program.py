"""A program that uses the whole public API; type checkers read it in their strictest mode, nobody runs it."""

from __future__ import annotations

import asyncio
from typing import Any

from typing_extensions import assert_type

import agentops_otel as agentops
from agentops_otel import (
    ActionEvent,
    BudgetExceededError,
    Client,
    Configuration,
    ConfigurationError,
    EndState,
    ErrorEvent,
    Event,
    EventType,
    LLMEvent,
    Session,
    ToolEvent,
    TraceState,
    ValidationError,
)

session = agentops.init(api_key=None, tags=["typed"], prices={"my-model": {"input": 1, "output": 2}})
assert_type(session, Session | None)


@agentops.tool(cost=0.01)
def look_up(city: str) -> int:
    return len(city)


@agentops.agent
class Planner:
    @agentops.task
    def plan(self, city: str) -> list[int]:
        return [look_up(city)]

    @agentops.operation(name="think")
    async def think(self, city: str) -> str:
        return city


@agentops.workflow
def work(city: str, times: int = 1) -> list[int]:
    return Planner().plan(city) * times


@agentops.session(name="trip", tags=["lisbon"])
async def trip() -> str:
    return await Planner().think("Lisbon")


@agentops.guardrail
def is_kind(text: str) -> bool:
    return bool(text)


@agentops.record_action("greet")
def greet() -> str:
    return "hello"


@agentops.record_tool("count")
def count(text: str) -> int:
    return len(text)


@agentops.record_function("wave")
def wave() -> None:
    greet()


@agentops.track_endpoint(name="greet")
def view(name: str) -> str:
    return f"Hello {name}"


@agentops.trace
@agentops.track_tool
def traced(name: str) -> str:
    return name


@agentops.track_agent("writer")
class Writer:
    def write(self) -> str:
        return greet()


assert_type(look_up("Porto"), int)
assert_type(Planner().plan("Porto"), list[int])
assert_type(work("Porto", times=2), list[int])
assert_type(asyncio.run(trip()), str)
assert_type(is_kind("yes"), bool)
assert_type(greet(), str)
assert_type(count("one"), int)
assert_type(Writer().write(), str)
assert_type(view("Ada"), str)
assert_type(traced("Ada"), str)
wave()

agentops.record(ActionEvent(action_type="plan", params={"city": "Porto"}, returns=3))
agentops.record(ToolEvent(name="search", params={"q": "weather"}, returns="sunny"))
agentops.record(LLMEvent(prompt="hello", completion="hi", model="gpt-4o-mini", prompt_tokens=1, completion_tokens=1))
agentops.record(ErrorEvent(exception=ValueError("no"), trigger_event=ActionEvent(action_type="parse")))
agentops.add_tags(["more"])
agentops.set_tags(["typed"])
assert_type(agentops.get_analytics(), dict[str, Any] | None)
assert_type(agentops.get_session("id"), Session | None)
assert_type(agentops.end_session("Success", "done"), str | None)

with agentops.start_trace("nightly", tags=["a"]) as opened:
    assert_type(opened, Session)
    opened.add_tags("b")
    assert_type(opened.session_id, str)
    assert_type(opened.get_analytics(), dict[str, Any])
    assert_type(opened.env(), dict[str, str])
    assert_type(opened.tags, list[str])


async def several() -> None:
    another = agentops.start_session(tags=["async"])
    assert another is not None
    async with another as inner:
        assert_type(inner, Session)


client = Client()
assert_type(client.init(Configuration.read(isolated=True)), Session | None)
assert_type(agentops.flush(1.5), bool)
assert_type(agentops.create_agent("writer"), str | None)
assert_type(agentops.get_api_key(), str | None)
assert_type(agentops.update_trace_metadata({"customer": 7}), bool)
assert_type([library.state for library in agentops.doctor().libraries], list[str])
events: list[Event] = [ActionEvent(action_type="a"), ToolEvent(name="b")]
agentops.end_session(EndState.SUCCESS)
agentops.end_trace(None, TraceState.SUCCESS)
kinds = list(EventType)
try:
    agentops.configure(max_wait_time=500)
    agentops.set_api_key("11111111-2222-3333-4444-555555555555")
    agentops.set_parent_key("11111111-2222-3333-4444-555555555555")
    agentops.print_validation_summary(agentops.validate_trace_spans())
except (BudgetExceededError, ConfigurationError, ValidationError):
    agentops.end_all_sessions()
agentops.stop_instrumenting()

"""A trip planner with the real OpenAI and Anthropic clients: one run is a session worth a look."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

try:
    import anthropic
    import openai
except ModuleNotFoundError as missing:
    need = f"the demo runs the real clients, and {missing.name} is missing: pip install openai anthropic"
    raise ModuleNotFoundError(need, name=missing.name) from missing

import agentops_otel as agentops
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WISH = "Plan a Saturday in Lisbon for two. One of us is afraid of heights and will not admit it."
PLAN = (
    "Morning: the tile museum, dry and blue. Noon: caldo verde where the tram drivers eat. "
    "Afternoon: the ferry to Cacilhas and back, for the view without the hill."
)
POSTCARD = "Dear Ada, we saw all of Lisbon from the water. He says the towers were closed. They were not."
GUIDE = "Postcards are short, kind and end with the truth. " * 100
PLACE_AND_DAY = {"city": {"type": "string"}, "day": {"type": "string"}}
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": PLACE_AND_DAY}},
}


def weather(city: str, day: str) -> str:
    """What the planner's one tool knows."""
    return f"{city}, {day}: rain until noon, then sun, 17 degrees."


def script() -> Mapping[str, Script]:
    """What the models say on this trip, for `Provider(script())`; good for one run."""
    call = bodies.chat(tools=[("weather", {"city": "Lisbon", "day": "Saturday"})], usage=bodies.chat_usage(118, 19))
    plan = bodies.chat(PLAN, usage=bodies.chat_usage(171, 46))
    postcard = bodies.message(POSTCARD, usage=bodies.message_usage(87, 31, cache_read=1104))
    return {
        "/v1/chat/completions": [
            Answer.json(call),
            Answer.sse(streams.chat_chunks(plan), delay=0.01),
            bodies.openai_error(429),
        ],
        "/v1/messages": [Answer.sse(streams.message_events(postcard), delay=0.01)],
        "/v1/embeddings": [Answer.json(bodies.embeddings(dimensions=64, prompt_tokens=41))],
    }


def run(provider: Provider | str, tell: Callable[[str], object] = lambda line: line) -> agentops.Session:
    """Plan the trip and end the session with Success; every step is told to `tell` in a few words.

    `provider` is a running Provider, or the address of any other server that answers as both do.
    """
    url = provider if isinstance(provider, str) else provider.url
    session = agentops.init(tags=["demo", "trip-planner"], auto_start_session=True)
    assert session is not None  # noqa: S101 - it starts by itself
    with (
        openai.OpenAI(api_key="demo", base_url=f"{url}/v1", max_retries=0) as gpt,
        anthropic.Anthropic(api_key="demo", base_url=url, max_retries=0) as claude,
    ):
        plan = _plan(gpt, tell)
        _write_postcard(claude, plan, tell)
        _find_title(gpt, plan, tell)
        tell("remembering the trip with text-embedding-3-small")
        gpt.embeddings.create(model="text-embedding-3-small", input=plan)
    session.end_session("Success", "The trip is planned, and nobody has to climb.")
    return session


def _plan(gpt: openai.OpenAI, tell: Callable[[str], object]) -> str:
    tell("asking gpt-4o-mini for a Saturday in Lisbon")
    messages: list[Any] = [{"role": "user", "content": WISH}]
    asked = gpt.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[WEATHER])
    messages.append(asked.choices[0].message)
    for call in asked.choices[0].message.tool_calls or ():
        if call.type != "function":
            continue
        params = json.loads(call.function.arguments)
        found = weather(**params)
        tell(f"looking up the weather for it: {found}")
        agentops.record(agentops.ToolEvent(name="weather", params=params, returns=found))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": found})
    tell("asking gpt-4o-mini again, with the weather, as a stream")
    chunks = gpt.chat.completions.create(
        model="gpt-4o-mini", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def _write_postcard(claude: anthropic.Anthropic, plan: str, tell: Callable[[str], object]) -> None:
    tell("asking claude-sonnet-4-6 for a postcard, with its style guide read from the cache")
    guide: Any = {"type": "text", "text": GUIDE, "cache_control": {"type": "ephemeral"}}
    with claude.messages.stream(
        model="claude-sonnet-4-6",
        max_tokens=200,
        system=[guide],
        messages=[{"role": "user", "content": f"A postcard home about this day: {plan}"}],
    ) as stream:
        stream.get_final_text()


def _find_title(gpt: openai.OpenAI, plan: str, tell: Callable[[str], object]) -> None:
    tell("asking gpt-4.1 for a title")
    try:
        gpt.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": plan}])
    except openai.RateLimitError:
        made_up = "Lisbon, mostly dry"
        tell(f"gpt-4.1 has too many to serve, so it will be: {made_up}")
        agentops.record(agentops.ActionEvent(action_type="title", params={"plan": plan}, returns=made_up))

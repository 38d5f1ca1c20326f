"""A program as a user writes it: agents, models, tools, an error, tags; it prints what it sent and what it was told."""

from __future__ import annotations

import json
import sys

import anthropic
import openai

import agentops_otel as agentops
from agentops_otel.receivers import OtlpReceiver
from agentops_otel.server.otlp_json import traces_data

SENT: list = []
deliver = OtlpReceiver.deliver


def watched(receiver, records):
    """Nothing but a look: all records as they are handed to whatever sends them."""
    SENT.extend(records)
    return deliver(receiver, records)


OtlpReceiver.deliver = watched  # type: ignore[method-assign]


@agentops.tool(name="tide table")
def tides(port: str) -> dict:
    return {"port": port, "high": ["06:12", "18:40"], "note": "größer als sonst, 潮"}


@agentops.tool(name="ferry", cost=0.0025)
def ferry(port: str) -> str:
    raise LookupError(f"no ferry leaves {port} today")


@agentops.agent(name="navigator")
def navigate(gpt: openai.OpenAI) -> str:
    asked = [{"role": "user", "content": "When can we sail from Porto?"}]
    answer = gpt.chat.completions.create(model="gpt-4o-mini", messages=asked, temperature=0.2)
    tides("Porto")
    try:
        ferry("Porto")
    except LookupError:
        asked.append({"role": "user", "content": "There is no ferry."})
    told = gpt.chat.completions.create(
        model="gpt-4o-mini", messages=asked, stream=True, stream_options={"include_usage": True}
    )
    return answer.choices[0].message.content + "".join(
        chunk.choices[0].delta.content or "" for chunk in told if chunk.choices
    )


@agentops.agent(name="captain")
def sail(gpt: openai.OpenAI, claude: anthropic.Anthropic) -> str:
    plan = navigate(gpt)
    with claude.messages.stream(
        model="claude-sonnet-4-6", max_tokens=99, messages=[{"role": "user", "content": plan}]
    ) as stream:
        log = stream.get_final_text()
    try:
        gpt.chat.completions.create(model="gpt-4.1", messages=[{"role": "user", "content": log}])
    except openai.RateLimitError:
        agentops.record(agentops.ActionEvent(action_type="title", params={"log": log}, returns="Porto, by noon"))
    gpt.embeddings.create(model="text-embedding-3-small", input=log)
    return log


def main(endpoint: str, openai_url: str, anthropic_url: str) -> None:
    session = agentops.init(endpoint=endpoint, tags=["interop", "sea trial"], log_summary=False)
    with (
        openai.OpenAI(api_key="none", base_url=openai_url, max_retries=0) as gpt,
        anthropic.Anthropic(api_key="none", base_url=anthropic_url, max_retries=0) as claude,
    ):
        sail(gpt, claude)
    cost = session.end_session("Success", "In port before the storm.")
    arrived = agentops.flush(20)
    ended = [record for record in SENT if record.end_time is not None]
    told = {"session": session.session_id, "cost": cost, "arrived": arrived, "sent": traces_data(ended)}
    json.dump(told | {"figures": session.get_analytics(detailed=True)}, sys.stdout, default=str)


if __name__ == "__main__":
    main(*sys.argv[1:])

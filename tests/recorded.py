"""A recording of several steps as a provider, and what its bodies say that the session must add up to."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from conftest import SHARED

from agentops_otel.demo.provider import Answer, Provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentops_otel.demo.provider import Request

NO_CALLS = {"messages.count_tokens", "countTokens", "mcp", "cachedContents", "responses.retrieve"}
# What providers print beside the input, which has left it out, and beside the output.
_BESIDE: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
_BESIDE |= {("input", operation): ["cached", "cache_write"] for operation in ("messages", "converse")}
_BESIDE |= {("output", f"generateContent{more}"): ["reasoning"] for more in ("", ".stream")}


class Recorded:
    """The exchanges of a recording, or those of the given numbers, answered in their order.

    `input_tokens` and `output_tokens` are the sums of what the answers print, by the conventions' rule; `calls` is
    how many of them are model calls.
    """

    def __init__(self, file: str, numbers: tuple[int, ...] = ()) -> None:
        recording = json.loads((SHARED / "recordings" / file).read_text())
        chosen = numbers or tuple(range(len(recording["exchanges"])))
        self.provider = Provider([_answer(recording["exchanges"][number]) for number in chosen]).start()
        self.exchanges = [recording["exchanges"][number] for number in chosen]
        self.expected = [item for item in recording["expected"] if item["exchange"] in chosen]

    def _sum(self, name: str) -> int:
        return sum(
            _counted(item, name) + sum(item[part] or 0 for part in _BESIDE[name, item["operation"]])
            for item in self.expected
        )

    @property
    def calls(self) -> int:
        return sum(item["operation"] not in NO_CALLS for item in self.expected)

    @property
    def input_tokens(self) -> int:
        return self._sum("input")

    @property
    def output_tokens(self) -> int:
        return self._sum("output")


def _counted(item: dict[str, Any], name: str) -> int:
    """Input or output as the index has it; but what is billed, where that is printed, and Gemini's tools of its own."""
    raw = item["raw"] or {}
    billed = (raw.get("billed_units") or {}).get(f"{name}_tokens")
    tools = raw.get("toolUsePromptTokenCount") if name == "input" else None
    return (billed if billed is not None else item[name] or 0) + (tools or 0)


def _answer(exchange: dict[str, Any]) -> Answer:
    told = exchange["response"]
    body = base64.b64decode(told["body_base64"]) if "body_base64" in told else told["body"].encode()
    return Answer(status=told["status"], headers=told["headers"], body=body)


def totals(session: Any) -> tuple[int, int, int]:
    """(model calls, input tokens, output tokens) that a session has counted."""
    told = session.get_analytics(detailed=True)
    return told["LLM calls"], told["Tokens"]["input_tokens"], told["Tokens"]["output_tokens"]


def mcp_answers(recording: dict[str, Any], asked: list[Any]) -> Callable[[Request], Answer]:
    """The recorded answers of an MCP server by their method, with the id that today's client gives its request."""
    by_method = {}
    for exchange in recording["exchanges"]:
        if "/mcp" in exchange["request"]["url"]:
            body = json.loads(exchange["request"]["body"])
            by_method[body["method"]] = exchange["response"]

    def answer(request: Request) -> Answer:
        if request.method != "POST" or request.body["method"] not in by_method:
            return Answer(status=405)
        asked.append(request.body)
        told = by_method[request.body["method"]]
        body = re.sub(r'"id":\d+', f'"id":{json.dumps(request.body.get("id"))}', told["body"], count=1)
        if request.body["method"] == "initialize":  # an older client does not know the recorded version
            body = body.replace("2025-11-25", request.body["params"]["protocolVersion"])
        return Answer(status=told["status"], headers=told["headers"], body=body)

    return answer

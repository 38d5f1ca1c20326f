"""What OpenAI and Anthropic stream, taken from a whole body, so that both say the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.demo.bodies import Body


def chat_chunks(completion: Body, *, include_usage: bool = True) -> list[Body]:
    """The chunks that a chat completion is streamed in.

    `include_usage` is the caller's `stream_options.include_usage`: with it the last chunk has the usage
    and no choice, without it no chunk has any.
    """
    head = {name: value for name, value in completion.items() if name not in {"choices", "usage"}}
    head["object"] = "chat.completion.chunk"
    no_usage = {"usage": None} if include_usage else {}
    chunks = [
        head | {"choices": [_chat_choice(choice, delta, finish)]} | no_usage
        for choice in completion["choices"]
        for delta, finish in _chat_deltas(choice)
    ]
    if include_usage:
        chunks.append(head | {"choices": [], "usage": completion["usage"]})
    return chunks


def _chat_choice(choice: Body, delta: Body, finish: str | None) -> Body:
    return {"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": finish}


def _chat_deltas(choice: Body) -> Iterator[tuple[Body, str | None]]:
    message = choice["message"]
    text = message["content"]
    yield {"role": "assistant", "content": None if text is None else "", "refusal": None}, None
    for word in _words(text or ""):
        yield {"content": word}, None
    for index, call in enumerate(message.get("tool_calls", ())):
        opened = call | {"index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        yield {"tool_calls": [opened]}, None
        for part in _slices(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}, None
    yield {}, choice["finish_reason"]


def response_events(completed: Body) -> list[Body]:
    """The events that a response is streamed in, from `response.created` to `response.completed`."""
    begun = completed | {"status": "in_progress", "output": [], "usage": None}
    events: list[Body] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(completed["output"]):
        at = {"output_index": index}
        events.append({"type": "response.output_item.added", "item": _opened(item)} | at)
        events += [event | at | {"item_id": item["id"]} for event in _response_deltas(item)]
        events.append({"type": "response.output_item.done", "item": item} | at)
    events.append({"type": "response.completed", "response": completed})
    return [event | {"sequence_number": number} for number, event in enumerate(events)]


def _opened(item: Body) -> Body:
    empty: dict[str, Body] = {
        "reasoning": {"summary": []},
        "message": {"content": []},
        "function_call": {"arguments": ""},
    }
    status = {"status": "in_progress"} if "status" in item else {}
    return item | empty[item["type"]] | status


def _response_deltas(item: Body) -> Iterator[Body]:
    match item["type"]:
        case "message":
            names = "content_index", "response.content_part", "response.output_text"
            yield from _part_events(item["content"][0], *names)
        case "reasoning":
            names = "summary_index", "response.reasoning_summary_part", "response.reasoning_summary_text"
            yield from _part_events(item["summary"][0], *names)
        case _:
            for part in _slices(item["arguments"]):
                yield {"type": "response.function_call_arguments.delta", "delta": part}
            yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}


def _part_events(part: Body, at: str, opening: str, writing: str) -> Iterator[Body]:
    yield {"type": f"{opening}.added", at: 0, "part": part | {"text": ""}}
    for word in _words(part["text"]):
        yield {"type": f"{writing}.delta", at: 0, "delta": word}
    yield {"type": f"{writing}.done", at: 0, "text": part["text"]}
    yield {"type": f"{opening}.done", at: 0, "part": part}


def message_events(whole: Body) -> list[Body]:
    """The events that a message is streamed in, from `message_start` to `message_stop`.

    As the provider does, `message_start` has the split of the cache and the service tier, and
    `message_delta` repeats the totals with the output so far.
    """
    usage = whole["usage"]
    begun_usage = {name: value for name, value in usage.items() if name != "output_tokens_details"}
    begun = whole | {"content": [], "stop_reason": None, "usage": begun_usage | {"output_tokens": 1}}
    totals = {name: value for name, value in usage.items() if name not in {"cache_creation", "service_tier"}}
    stop = {"stop_reason": whole["stop_reason"], "stop_sequence": whole["stop_sequence"]}
    blocks = [event for index, block in enumerate(whole["content"]) for event in _block_events(index, block)]
    return [
        {"type": "message_start", "message": begun},
        {"type": "ping"},
        *blocks,
        {"type": "message_delta", "delta": stop, "usage": totals},
        {"type": "message_stop"},
    ]


def _block_events(index: int, block: Body) -> Iterator[Body]:
    empty: dict[str, Body] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
    }
    yield {"type": "content_block_start", "index": index, "content_block": block | empty[block["type"]]}
    for delta in _block_deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _block_deltas(block: Body) -> list[Body]:
    match block["type"]:
        case "text":
            return [{"type": "text_delta", "text": word} for word in _words(block["text"])]
        case "thinking":
            thoughts = [{"type": "thinking_delta", "thinking": word} for word in _words(block["thinking"])]
            return [*thoughts, {"type": "signature_delta", "signature": block["signature"]}]
        case _:
            parts = ["", *_slices(json.dumps(block["input"]))]
            return [{"type": "input_json_delta", "partial_json": part} for part in parts]


def _words(text: str) -> list[str]:
    """The text in words, each with the space behind it; nothing of it is lost."""
    return re.findall(r"\S+\s*|\s+", text)


def _slices(text: str, size: int = 12) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]

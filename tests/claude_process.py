"""The process that the SDK speaks to, played by a script of the messages that it sends."""

from __future__ import annotations

import asyncio
import json

from claude_agent_sdk import Transport

MODEL = "claude-sonnet-4-6"


class Scripted(Transport):
    """Answers each prompt with the messages of a turn, one JSON object for each line, as the process prints them."""

    def __init__(self, *turns):
        self._turns = iter(turns)
        self._queue = asyncio.Queue()

    async def connect(self):
        pass

    async def write(self, data):
        told = json.loads(data)
        if told["type"] == "control_request":
            answer = {"subtype": "success", "request_id": told["request_id"], "response": {"commands": []}}
            await self._queue.put({"type": "control_response", "response": answer})
        elif told["type"] == "user":
            for message in next(self._turns):
                await self._queue.put(message)

    async def read_messages(self):
        while True:
            message = await self._queue.get()
            if message is None:
                return
            if isinstance(message, Exception):
                raise message
            yield message

    async def close(self):
        await self._queue.put(None)

    async def end_input(self):
        """The process ends when there is no more to come."""
        await self._queue.put(None)

    def is_ready(self):
        return True


def said(*blocks, message_id="msg_1", parent=None, model=MODEL):
    """A message of the model's: one for each block, under the id of the answer."""
    usage = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    message = {"id": message_id, "type": "message", "role": "assistant", "model": model, "usage": usage}
    message |= {"content": list(blocks), "stop_reason": None}
    return {"type": "assistant", "message": message, "parent_tool_use_id": parent, "session_id": "s-1", "uuid": "u"}


def text(words):
    return {"type": "text", "text": words}


def uses(call_id, name, **told):
    return {"type": "tool_use", "id": call_id, "name": name, "input": told}


def used(call_id, result, *, parent=None, is_error=None):
    """What a tool answered, as a message of the user's."""
    block = {"type": "tool_result", "tool_use_id": call_id, "content": result, "is_error": is_error}
    message = {"role": "user", "content": [block]}
    return {"type": "user", "message": message, "parent_tool_use_id": parent, "session_id": "s-1"}


def model_used(read=100, written=10, cost=0.001, *, cached=0, made=0):
    return {
        "inputTokens": read,
        "outputTokens": written,
        "cacheReadInputTokens": cached,
        "cacheCreationInputTokens": made,
        "webSearchRequests": 0,
        "costUSD": cost,
        "contextWindow": 200_000,
        "maxOutputTokens": 64_000,
    }


def result(words="done", models=None, *, is_error=False, subtype="success", **more):
    models = {MODEL: model_used()} if models is None else models
    return {
        "type": "result",
        "subtype": subtype,
        "duration_ms": 1200,
        "duration_api_ms": 1000,
        "is_error": is_error,
        "num_turns": 2,
        "session_id": "s-1",
        "stop_reason": "end_turn",
        "total_cost_usd": sum(part["costUSD"] for part in models.values()),
        "usage": {"input_tokens": 100, "output_tokens": 10},
        "result": words,
        "modelUsage": models,
        **more,
    }


INIT = {"type": "system", "subtype": "init", "session_id": "s-1", "model": MODEL, "tools": [], "cwd": "/", "uuid": "u"}

"""openai and anthropic as rows; their own contract, in tests/instrumentors, goes further."""

from __future__ import annotations

import anthropic
import openai
from cases import CHAT, MESSAGES
from rows import Row

LIBRARY = "openai"


def _row(case, module, sync, asynchronous, path):
    def make(url, is_async):
        return getattr(module, asynchronous if is_async else sync)(api_key="k", base_url=url + path, max_retries=0)

    return Row(
        id=case.id,
        make=make,
        call=case.call,
        stream=case.stream,
        whole=case.whole,
        streamed=case.sse(),
        expected=case.expected,
    )


ROWS = [
    _row(CHAT, openai, "OpenAI", "AsyncOpenAI", "/v1"),
    _row(MESSAGES, anthropic, "Anthropic", "AsyncAnthropic", ""),
]

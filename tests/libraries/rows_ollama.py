"""ollama as rows: chat, completions and embeddings by clients, and by the module's own functions."""

from __future__ import annotations

import json

import ollama
from rows import Row, answered

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

LIBRARY = "ollama"
LEAKS = not hasattr(ollama.Client, "close")  # before 0.6.2
COUNTS = {"prompt_eval_count": 26, "eval_count": 7, "total_duration": 9}
CALL = {"function": {"name": "ferry", "arguments": {"to": "Lisbon"}}}


def _client(url, is_async):
    return (ollama.AsyncClient if is_async else ollama.Client)(url)


def _lines(*objects):
    chunks = [json.dumps({"model": "qwen3", "done": False, **told}).encode() + b"\n" for told in objects]
    return Answer(headers={"content-type": "application/x-ndjson"}, chunks=chunks)


def _expected(operation, **more):
    return {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: "ollama",
        names.REQUEST_MODEL: "qwen3",
        names.RESPONSE_MODEL: "qwen3",
        names.INPUT_TOKENS: 26,
        **more,
    }


END = {"done": True, "done_reason": "stop", **COUNTS}
CHAT_ARGUMENTS = {
    "model": "qwen3",
    "messages": [{"role": "user", "content": "When is the ferry?"}],
    "tools": [{"type": "function", "function": {"name": "ferry"}}],
    "options": {"temperature": 0.5, "num_predict": 64, "seed": 3, "stop": ["."]},
}
CHAT_EXPECTED = _expected(
    "chat",
    **{
        names.OUTPUT_TOKENS: 7,
        names.RESPONSE_FINISH_REASONS: ("stop",),
        names.REQUEST_TEMPERATURE: 0.5,
        names.REQUEST_MAX_TOKENS: 64,
        names.REQUEST_SEED: 3,
        names.REQUEST_STOP_SEQUENCES: (".",),
        names.OUTPUT_MESSAGES: answered(
            "stop",
            *([{"type": "reasoning", "content": "A ferry."}] if "thinking" in ollama.Message.model_fields else []),
            {"type": "text", "content": "At nine."},
            {"type": "tool_call", "name": "ferry", "id": None, "arguments": {"to": "Lisbon"}},
        ),
    },
)

ROWS = [
    Row(
        id="ollama-chat",
        make=_client,
        leaks=LEAKS,
        call=lambda client: client.chat(**CHAT_ARGUMENTS),
        stream=lambda client: client.chat(**CHAT_ARGUMENTS, stream=True),
        whole=Answer.json(
            {
                "model": "qwen3",
                "message": {"role": "assistant", "content": "At nine.", "thinking": "A ferry.", "tool_calls": [CALL]},
                **END,
            }
        ),
        streamed=_lines(
            {"message": {"role": "assistant", "content": "", "thinking": "A "}},
            {"message": {"role": "assistant", "content": "", "thinking": "ferry."}},
            {"message": {"role": "assistant", "content": "At nine."}},
            {"message": {"role": "assistant", "content": "", "tool_calls": [CALL]}},
            {"message": {"role": "assistant", "content": ""}, **END},
        ),
        refused=Answer.json({"error": "model 'qwen3' not found"}, status=404),
        broken=_lines({"message": {"role": "assistant", "content": "At"}}, {"error": "out of memory"}),
        expected=CHAT_EXPECTED,
    ),
    Row(
        id="ollama-generate",
        make=_client,
        leaks=LEAKS,
        call=lambda client: client.generate("qwen3", "When?", system="Short.", format="json"),
        stream=lambda client: client.generate("qwen3", "When?", system="Short.", format="json", stream=True),
        whole=Answer.json({"model": "qwen3", "response": '{"at": 9}', **END}),
        streamed=_lines({"response": '{"at"'}, {"response": ": 9}"}, {"response": "", **END}),
        refused=Answer.json({"error": "no"}, status=400),
        expected=_expected(
            "text_completion",
            **{
                names.OUTPUT_TOKENS: 7,
                names.OUTPUT_TYPE: "json",
                names.SYSTEM_INSTRUCTIONS: '[{"type":"text","content":"Short."}]',
            },
        ),
    ),
    Row(
        id="ollama-embed",
        make=_client,
        leaks=LEAKS,
        call=lambda client: client.embed(model="qwen3", input="Lisbon"),
        whole=Answer.json({"model": "qwen3", "embeddings": [[0.5, 0.25]], "prompt_eval_count": 26}),
        refused=Answer.json({"error": "no"}, status=400),
        expected=_expected("embeddings", **{names.EMBEDDINGS_DIMENSION_COUNT: 2}),
    ),
    Row(
        id="ollama-embeddings",
        make=_client,
        leaks=LEAKS,
        call=lambda client: client.embeddings("qwen3", "Lisbon"),
        whole=Answer.json({"embedding": [0.5, 0.25, 0.125]}),
        refused=Answer.json({"error": "no"}, status=400),
        expected=_expected(
            "embeddings",
            **{
                names.RESPONSE_MODEL: None,
                names.INPUT_TOKENS: None,
                names.USAGE_MISSING: True,
                names.EMBEDDINGS_DIMENSION_COUNT: 3,
            },
        ),
    ),
]

"""The bodies of the models that Bedrock invokes: each maker has a shape of its own, told apart by what is in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentops_otel_instrumentors import _anthropic_messages as anthropic
from agentops_otel_instrumentors import _bedrock_converse as converse
from agentops_otel_instrumentors import _openai_chat as chat

from agentops_otel.conventions.model import Content, Message, Request, Response, Text, Usage
from agentops_otel.engine import Arguments, Shape, listed, parsed, read, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEADERS = {
    "inputTokens": "x-amzn-bedrock-input-token-count",
    "outputTokens": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokens": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokens": "x-amzn-bedrock-cache-write-input-token-count",
}
METRICS = "amazon-bedrock-invocationMetrics"
_COUNTED = "aws.bedrock.invocation_metrics."
_SETTINGS = {
    "max_tokens": (
        "max_tokens",
        "maxTokens",
        "max_new_tokens",
        "maxTokenCount",
        "max_gen_len",
        "max_completion_tokens",
    ),
    "temperature": ("temperature",),
    "top_p": ("top_p", "topP", "p"),
    "top_k": ("top_k", "topK", "k"),
    "stop_sequences": ("stop_sequences", "stopSequences", "stop"),
    "frequency_penalty": ("frequency_penalty",),
    "presence_penalty": ("presence_penalty",),
    "seed": ("seed",),
    "choice_count": ("num_generations", "n"),
}
_STOPS = ("stop_reason", "stopReason", "finish_reason", "completionReason")
_LISTS = ("outputs", "generations", "results", "choices")
_TEXTS = ("generation", "outputText", "text")


def asked(arguments: Arguments) -> Any:
    """The body that is sent, if it is at hand: a file that is yet to be read is not ours to read."""
    body = arguments.get("body")
    if not isinstance(body, (str, bytes, bytearray)):
        return None
    try:
        return parsed(bytes(body) if isinstance(body, bytearray) else body)
    except ValueError:
        return None


def request(arguments: Arguments) -> Request:
    """A model that is invoked."""
    body = asked(arguments)
    settings: dict[str, Any] = {}
    for told in (body, read(body, "inferenceConfig"), read(body, "textGenerationConfig")):
        settings |= told if isinstance(told, dict) else {}
    found: dict[str, Any] = {
        ours: next((settings[name] for name in theirs if settings.get(name) is not None), None)
        for ours, theirs in _SETTINGS.items()
    }
    stop, guardrail = found["stop_sequences"], arguments.get("guardrailIdentifier")
    return Request(
        model=arguments.get("modelId"),
        **{**found, "stop_sequences": [stop] if isinstance(stop, str) else stop},
        service_tier=arguments.get("serviceTier"),
        more=None if guardrail is None else {converse.GUARDRAIL: guardrail},
    )


def response(answer: Any) -> Response:
    """A whole answer, with its body read, or the fold of a streamed one."""
    body, headers = read(answer, "body"), read(answer, "ResponseMetadata.HTTPHeaders")
    if _is_messages(body):
        told = anthropic.response(body)
    elif read(body, "output.message") is not None:
        told = converse.response(body)
    elif _is_chat(body):
        told = chat.response(body)
        told.openai = False
    else:
        told = Response(id=read(body, "id"), model=read(body, "model"), usage=_usage(body), finish_reasons=_stops(body))
    told.service_tier = read(answer, "serviceTier") or told.service_tier
    counted = read(answer, METRICS) or read(body, METRICS)
    if told.usage is None or told.usage.output_tokens is None:
        told.usage = _counted(headers, counted) or told.usage
    latency = read(answer, "performanceConfigLatency")
    if latency and latency != "standard":
        told.conditions = [*(told.conditions or ()), f"latency={latency}"]
    told.more = _differences(told.usage, counted)
    return told


def _is_messages(body: Any) -> bool:
    return read(body, "type") == "message" or read(body, "usage.input_tokens") is not None


def _is_chat(body: Any) -> bool:
    return read(body, "usage.prompt_tokens") is not None or any(
        read(choice, "finish_reason") is not None for choice in listed(read(body, "choices"))
    )


def _usage(body: Any) -> Usage | None:
    """Llama's and Titan's own counts."""
    prompt = converse.count(body, "prompt_token_count")
    if prompt is not None:
        return Usage(input_tokens=prompt, output_tokens=converse.count(body, "generation_token_count"))
    prompt = converse.count(body, "inputTextTokenCount")
    if prompt is None:
        return None
    made = [converse.count(item, "tokenCount") for item in listed(read(body, "results"))]
    made.append(converse.count(body, "totalOutputTextTokenCount"))
    known = [tokens for tokens in made if tokens is not None]
    return Usage(input_tokens=prompt, output_tokens=sum(known) if known else None)


def _counted(headers: Any, metrics: Any) -> Usage | None:
    """What Bedrock has counted, where the model's own answer tells nothing."""
    if metrics is not None:
        counts = {name: read(metrics, name.replace("Tokens", "TokenCount")) for name in _HEADERS}
    else:
        counts = {name: read(headers, header) for name, header in _HEADERS.items()}
    return converse.usage(counts)


def _differences(used: Usage | None, metrics: Any) -> Mapping[str, int] | None:
    """Bedrock's own count where it is another than the model's.

    Which of the two is billed, AWS does not say. The model's is what a whole answer prints, too, so it is the usage;
    Bedrock's stands beside it.
    """
    counts = {
        _COUNTED + "output_tokens": (used and used.output_tokens, converse.count(metrics, "outputTokenCount")),
    }
    return {name: told for name, (ours, told) in counts.items() if told is not None and told != ours} or None


def _stops(body: Any) -> list[str] | None:
    found = _stop(body)
    if found is not None:
        return [found]
    items = [item for name in _LISTS for item in listed(read(body, name))]
    return [_stop(item) or "error" for item in items] or None


def _stop(told: Any) -> str | None:
    return next((value for name in _STOPS if (value := read_text(told, name))), None)


def fold(state: Any, event: Any, keep: bool) -> Any:
    """Chunks of bytes as one answer, in the shape of the model's maker."""
    data = read(event, "chunk.bytes")
    if not isinstance(data, (bytes, str)):
        return state
    chunk = parsed(data)
    if state is None:
        state = Shape(body=None)
    if chunk.get(METRICS) is not None:
        state[METRICS] = chunk[METRICS]
    kind = read_text(chunk, "type") or ""
    if kind.startswith(("message_", "content_block_")):
        state["body"] = anthropic.fold(state["body"], chunk, keep)
    elif any(
        name in chunk for name in ("messageStart", "contentBlockStart", "contentBlockDelta", "messageStop", "metadata")
    ):
        state["body"] = converse.fold(state["body"], chunk, keep)
    elif any(read(choice, "delta") is not None for choice in listed(chunk.get("choices"))):
        state["body"] = chat.fold(state["body"], chunk, keep)
    else:
        state["body"] = _fold_other(state["body"] or Shape(pieces=[]), chunk, keep)
    return state


def _fold_other(body: Shape, chunk: Mapping[str, Any], keep: bool) -> Shape:
    """What a chunk says replaces what was said before, but for the text."""
    body.update((name, value) for name, value in chunk.items() if value is not None and name not in _TEXTS)
    if keep:
        items = [chunk, *(item for name in _LISTS for item in listed(chunk.get(name)))]
        body.setdefault("pieces", []).extend(
            text for item in items for name in _TEXTS if (text := read_text(item, name))
        )
    return body


def content(arguments: Arguments) -> Content:
    """What was sent: messages in their maker's shape, or a prompt."""
    body = asked(arguments)
    if not isinstance(body, dict):
        return Content()
    if "anthropic_version" in body:
        return anthropic.content(body)
    if "messages" in body:
        nova = "inferenceConfig" in body or "schemaVersion" in body or "toolConfig" in body
        return converse.content(body) if nova else chat.content(body)
    texts = [body.get(name) for name in ("prompt", "inputText", "message", "query")]
    return Content([Message("user", [Text(text)]) for text in texts if isinstance(text, str)])


def output(answer: Any) -> Sequence[Message]:
    """What was answered."""
    body = read(answer, "body")
    if _is_messages(body):
        return anthropic.output(body)
    if read(body, "output.message") is not None:
        return converse.output(body)
    if _is_chat(body):
        return chat.output(body)
    pieces = listed(read(body, "pieces"))
    items = [Shape(text="".join(pieces), stop_reason=next(iter(_stops(body) or ()), None))] if pieces else [body]
    items += [item for name in _LISTS if not pieces for item in listed(read(body, name))]
    return [
        Message("assistant", [Text(text)], finish_reason=_stop(item))
        for item in items
        for name in _TEXTS
        if (text := read_text(item, name)) is not None
    ]


def embedded(answer: Any) -> Response:
    """Vectors: Titan's and Cohere's."""
    body = read(answer, "body")
    told = replace(response(answer), finish_reasons=None)
    vectors = listed(read(body, "embeddings")) or listed(read(body, "embeddings.float"))
    vector = listed(read(body, "embedding")) or (listed(vectors[0]) if vectors else [])
    told.dimension_count = len(vector) or None
    return told


def ranked(answer: Any) -> Response:
    """Documents in their order: no text is made."""
    return replace(response(answer), finish_reasons=None)

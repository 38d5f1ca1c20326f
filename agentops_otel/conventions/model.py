"""Request, Response, Usage, Message: what was asked and answered, in no library's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(slots=True)
class Usage:
    """Tokens of one call, by the conventions' rule. None means that the provider said nothing.

    `input_tokens` counts cached ones too, `output_tokens` counts reasoning too; the other fields are parts
    of these two.

    Providers that count cached tokens beside the input (Anthropic, Bedrock) go through `beside_cache`.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    audio_cache_read_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    image_cache_read_tokens: int | None = None
    text_input_tokens: int | None = None
    text_output_tokens: int | None = None
    web_searches: int | None = None
    audio_seconds: float | None = None
    cost: Decimal | None = None
    """What the provider itself says that the call cost, in USD."""

    @classmethod
    def beside_cache(
        cls, input_tokens: int | None, cache_read: int | None, cache_write: int | None, **parts: Any
    ) -> Usage:
        """Usage of a provider whose input count leaves out what was read from and written to its cache."""
        total = None
        if input_tokens is not None:
            total = input_tokens + (cache_read or 0) + (cache_write or 0)
        return cls(input_tokens=total, cache_read_tokens=cache_read, cache_write_tokens=cache_write, **parts)


@dataclass(slots=True)
class Text:
    """Plain text."""

    content: str


@dataclass(slots=True)
class Reasoning:
    """What the model thought before it answered, as far as the provider shows it."""

    content: str


@dataclass(slots=True)
class ToolCall:
    """The model asks for a tool. `arguments` is the parsed JSON, or the text as it came if it is none."""

    name: str
    id: str | None = None
    arguments: Any = None
    server: bool = False
    """True where the provider runs the tool itself (web search, code execution)."""


@dataclass(slots=True)
class ToolResult:
    """What a tool answered."""

    response: Any
    id: str | None = None
    server: bool = False
    arguments: Any = None
    """What it was called with, where that is known only when it is over."""


@dataclass(slots=True)
class Media:
    """An image, a recording, a document: inline (`data`, base64), by `uri`, or by `file_id`."""

    modality: str
    mime_type: str | None = None
    data: str | None = None
    uri: str | None = None
    file_id: str | None = None


@dataclass(slots=True)
class Other:
    """A part that the conventions have no shape for."""

    type: str


Part = Text | Reasoning | ToolCall | ToolResult | Media | Other


@dataclass(slots=True)
class Message:
    """One message of a conversation; an answer carries the reason why it ended."""

    role: str
    parts: Sequence[Part]
    name: str | None = None
    finish_reason: str | None = None


@dataclass(slots=True)
class Tool:
    """A tool that the model may call: a function of the user's, or a `type` of the provider's own."""

    name: str
    type: str = "function"
    description: str | None = None
    parameters: Any = None


@dataclass(slots=True)
class Documents:
    """What a retrieval found: (id, score) of each document, either of them None where the library does not tell."""

    found: Sequence[tuple[str | None, float | None]] = ()


@dataclass(slots=True)
class Memories:
    """What a memory keeps or gives back: (content, id, score) of each record, as far as the library tells."""

    records: Sequence[tuple[str, str | None, float | None]] = ()


Output = Sequence[Message] | ToolResult | Documents | Memories
"""What an operation says that it was answered."""


@dataclass(slots=True)
class Content:
    """What was sent: kept apart from `Request`, for it is read only where content is captured."""

    messages: Sequence[Message] = ()
    system: Sequence[Part] = ()
    tools: Sequence[Tool] = ()
    arguments: Any = None
    """Of a tool that is run: what it was called with."""
    query: str | None = None
    """Of a retrieval: what is looked for."""
    memory_query: str | None = None
    """Of a search in a memory: what is looked for."""
    memories: Memories | None = None
    """What a memory is given to keep."""


@dataclass(slots=True)
class Request:
    """What was asked, without its content: of a model, or of the agent, workflow or tool that is named."""

    model: str | None = None
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop_sequences: Sequence[str] | None = None
    seed: int | None = None
    choice_count: int | None = None
    reasoning_level: str | None = None
    output_type: str | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    encoding_formats: Sequence[str] | None = None
    api_type: str | None = None
    service_tier: str | None = None
    response_id: str | None = None
    """The stored response that is fetched."""
    agent_name: str | None = None
    agent_id: str | None = None
    workflow_name: str | None = None
    data_source_id: str | None = None
    tool_name: str | None = None
    tool_type: str | None = None
    tool_description: str | None = None
    tool_call_id: str | None = None
    name: str | None = None
    """Of a task, a hand-off or a check, for which the conventions have no attribute."""
    more: Mapping[str, Any] | None = None
    """Attributes by conventions beside GenAI's (`aws.*`, `mcp.*`), or of memories, under their own names."""

    @property
    def subject(self) -> str | None:
        """What the call is named after, beside its operation."""
        if isinstance(self.model, str) and self.model:
            return self.model
        named = (self.tool_name, self.agent_name, self.workflow_name, self.data_source_id, self.name)
        return next((name for name in named if isinstance(name, str) and name), None)


@dataclass(slots=True)
class Response:
    """What was answered, without its content.

    `finish_reasons` are the provider's own words, one for each choice; `error` stands where a choice
    never came to its end.
    """

    id: str | None = None
    model: str | None = None
    finish_reasons: Sequence[str] | None = None
    usage: Usage | None = None
    status: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    conversation_id: str | None = None
    dimension_count: int | None = None
    error: str | None = None
    """What went wrong, where an answer that is no exception says so: the provider's own code."""
    conditions: Sequence[str] | None = None
    """What else the price depends on, as `name=value`."""
    inner: Sequence[tuple[str | None, Usage]] = ()
    """(model, usage) of work that is billed beside `usage`; None for the model that answered."""
    more: Mapping[str, Any] | None = None
    """As in `Request`."""
    openai: bool = False
    """Whether `service_tier` is a word of OpenAI's, which has an attribute of its own."""

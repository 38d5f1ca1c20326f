"""Operation: how to read one kind of call, as a value of plain functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind

from agentops_otel.conventions import names

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from agentops_otel.conventions.model import Content, Output, Request, Response
    from agentops_otel.engine.call import Call

Arguments = Mapping[str, Any]
Fold = Callable[[Any, Any, bool], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One kind of call: to a provider, mostly; a tool's or an agent's run is one too.

    `request` and `response` read what is cheap and always wanted; `content` and `output` read messages
    and run only where content is captured. `fold(state, chunk, keep)` builds something response-shaped
    from the chunks of a stream, starting from None; texts are kept only if `keep`. So `response` reads a
    whole answer and a streamed one alike. None of these functions has to guard itself.
    """

    name: str
    request: Callable[[Arguments], Request]
    response: Callable[[Any], Response]
    fold: Fold | None = None
    content: Callable[[Arguments], Content] | None = None
    output: Callable[[Any], Output] | None = None
    kind: str = names.KIND_LLM
    """`agentops.span.kind`; empty for work that is none of the kinds that sessions count."""
    span_kind: SpanKind = SpanKind.CLIENT
    whole: bool = False
    """Whether what the library itself asks on the way is part of it, and makes no spans of its own."""
    covers: bool = False
    """Whether the model calls that are made on its way, by whichever library, are part of it: it asks through them."""
    echo: Callable[[Any], bool] | None = None
    """For a framework's word on a model call, which gets a span only where no client told of the call: whether such an
    answer tells of one at all, and was not kept from an earlier one."""
    title: str = ""
    """What its spans are called, where conventions say something else than operation and subject."""
    carry: Callable[[Arguments, Context], None] | None = None
    """Puts the trace context of the call into what is sent, where a protocol's conventions say so."""
    within: str = ""
    """Where an answer that is no stream itself keeps one: `"stream"` for `answer["stream"]`."""
    begins: Callable[[Any, Any], bool | None] | None = None
    """For a library that may ask several times within one call: whether a chunk, or a whole answer (which `fold` takes
    too), belongs to another answer than `state`. None where nobody can tell: it does if a function was run between."""
    follow: Callable[[Call], Fold] | None = None
    """In place of `fold`: makes it for one call, where the chunks of a stream tell of work that is below the call."""
    each: Operation | None = None
    """For a stream whose chunks are whole answers, as a batch's results are: how to read each of them."""

    billed: bool = field(init=False)
    """Whether a provider charges for it, so that an answer without usage has an unknown cost."""

    def __post_init__(self) -> None:
        """Work out what is asked with every call."""
        object.__setattr__(self, "billed", self.name in names.MODEL_OPERATIONS)


@dataclass(frozen=True, slots=True)
class Server:
    """Who answers: the provider's name in the conventions, host and port."""

    provider: str
    address: str | None = None
    port: int | None = None

    @classmethod
    def at(cls, provider: str, url: str) -> Server:
        """The server of this URL, at the port that its scheme implies where it names none."""
        told = urlsplit(url)
        return cls(provider, told.hostname, told.port or (80 if told.scheme == "http" else 443))


@dataclass(slots=True)
class Sent:
    """A call about to be made: what kind it is, with which arguments, to whom. Made with every call, so not frozen."""

    operation: Operation
    arguments: Arguments
    server: Server
    library: str = ""
    context: Context | None = None
    """Where it comes from, if not from what is current: a caller in another process."""
    whose: Any = None
    """Whose run it is, where the methods of one thing call each other: within its run they make no more spans."""

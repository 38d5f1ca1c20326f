"""Doubles: of two spans that tell of one model call, the one that a session keeps."""

from __future__ import annotations

import functools
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.trace import SpanKind

from agentops_otel.accounting.dialects import tells_of_call
from agentops_otel.conventions import names
from agentops_otel.sessions.spans import OwnSpan

if TYPE_CHECKING:
    from collections.abc import Collection

    from opentelemetry.sdk.trace import ReadableSpan

OURS = "agentops_otel"
_KEPT = 4096
_COMMON_WORDS = frozenset(
    {"agentops", "otel", "opentelemetry", "openinference", "instrumentation", "genai", "com", "sdk", "python", "v1"}
)


@functools.lru_cache(maxsize=512)
def _library(scope: str) -> frozenset[str]:
    """What a scope's name says of the library that it instruments: `openinference.instrumentation.openai` -> openai."""
    return frozenset(re.split(r"[._-]", scope)) - _COMMON_WORDS


def _is_call(span: ReadableSpan | OwnSpan) -> bool:
    """Whether a span tells of a call of a model, or of one over MCP: the side that asks."""
    if span.kind is SpanKind.SERVER:
        return False
    attributes = span.attributes or {}
    operation = attributes.get(names.OPERATION_NAME)
    if type(operation) is str and operation in names.MODEL_OPERATIONS:
        return True
    return tells_of_call(attributes) or names.MCP_METHOD in attributes


def _ids(span: Any) -> tuple[int, int | None] | None:
    """The id of a span and that of the one above; None for a span that has no ids."""
    if type(span) is OwnSpan:
        return span.span_id, span.place.parent_id
    if span.context is None:
        return None
    return span.context.span_id, span.parent.span_id if span.parent is not None else None


@functools.lru_cache(maxsize=512)
def _origin(scope: str) -> tuple[frozenset[str], bool]:
    """(what it says of the library, whether it is ours) of a scope's name."""
    return _library(scope), scope.startswith(OURS)


class Frameworks(Protocol):
    """What is known of the frameworks that are instrumented: see `Registry`."""

    @property
    def told_by(self) -> Collection[frozenset[str]]:
        """The words by which others name them."""

    @property
    def emits(self) -> Collection[frozenset[str]]:
        """The words in the scopes of those that make spans themselves."""

    @property
    def asides(self) -> Collection[str]:
        """The names of spans of theirs that are left out."""


class _NoFrameworks:
    told_by: Collection[frozenset[str]] = ()
    emits: Collection[frozenset[str]] = ()
    asides: Collection[str] = ()


class Doubles:
    """Follows the calls that are open, to know a second span of the same call when it comes.

    Two spans are of one call where one is the other's child and both scopes name the same library: a client
    that traces itself, or another instrumentation beside ours. Ours is kept; between two others, the outer one.
    Of a framework that we tell of, all that others tell is told twice: `told_by` are the words in their scopes.
    What a framework that `emits` spans itself tells of a model call is left out where a client, right below, tells of
    it; what else is below it moves up in any case, for it may be over before the client is asked.
    Of its spans that only tell of its own ways, `asides` are the names: they are left out.
    """

    def __init__(self) -> None:
        self.frameworks: Frameworks = _NoFrameworks()
        # A framework may tell of what its span is after it has started, so it is read when another starts below it.
        self._open: dict[int, tuple[frozenset[str], bool, int | None, ReadableSpan | OwnSpan]] = {}
        # Doubles, with their parents: what is below them moves up.
        self._left_out: OrderedDict[int, int | None] = OrderedDict()
        # Spans that move up, with their new parents, until they are counted.
        self._moved: dict[int, int | None] = {}

    def started(self, span: ReadableSpan | OwnSpan) -> bool:
        """A span has started; whether it is of a model call."""
        ids = _ids(span)
        if ids is None:
            return False
        span_id, parent_id = ids
        library, is_ours = self._told(span)
        frameworks = self.frameworks
        if not is_ours and library and any(words <= library for words in frameworks.told_by):
            self._leave_out(span_id, parent_id)
            return False
        is_call, is_adopted = _is_call(span), bool(frameworks.emits) and self._is_adopted(library)
        if is_adopted and span.name in frameworks.asides:
            self._leave_out(span_id, parent_id)
            return False
        if is_call or is_adopted:
            self._open[span_id] = (library, is_ours, parent_id, span)
        around = self._call_around(parent_id) if is_call and parent_id in self._open else None
        if around is None:
            return is_call
        if self._is_adopted(around[0]) and not is_adopted:
            self._leave_out(parent_id, around[2])  # type: ignore[arg-type]
        elif library & around[0]:
            if not is_ours:
                self._leave_out(span_id, parent_id)
            elif not around[1]:
                self._leave_out(parent_id, around[2])  # type: ignore[arg-type]
        return True

    def is_adopted(self, scope: str) -> bool:
        """Whether spans of this scope are those that an adopted framework makes itself."""
        return bool(self.frameworks.emits) and self._is_adopted(_library(scope))

    def _is_adopted(self, library: frozenset[str]) -> bool:
        emits = self.frameworks.emits  # mostly none, and this is asked of every span
        return bool(emits) and any(words <= library for words in emits)

    def _call_around(self, parent_id: int | None) -> Any:
        """What is known of the open model call that this is the id of, if it is one."""
        around = self._open.get(parent_id) if parent_id is not None else None
        return around if around is not None and _is_call(around[3]) else None

    def _leave_out(self, span_id: int, parent_id: int | None) -> None:
        self._left_out[span_id] = parent_id
        while len(self._left_out) > _KEPT:
            self._left_out.popitem(last=False)

    def ended(self, span: ReadableSpan | OwnSpan) -> bool:
        """A span has ended; True if another one tells of the same call and is kept instead."""
        ids = _ids(span)
        if ids is None:
            return False
        span_id, parent_id = ids
        self._open.pop(span_id, None)
        if span_id in self._left_out:
            return True
        if parent_id is None or parent_id not in self._open:
            return False
        library, is_ours = self._told(span)
        around = self._call_around(parent_id)
        if around is not None and self._is_adopted(around[0]) and len(self._moved) < _KEPT:
            self._moved[span_id] = around[2]
        if not _is_call(span):
            return False
        return around is not None and not is_ours and bool(library & around[0])

    def leaves_out(self, span_id: int) -> bool:
        """Whether a span is left out for another one of the same call."""
        return span_id in self._left_out

    def kept_parent(self, span_id: str, parent_id: str | None) -> str | None:
        """The parent that a span has in the session: the next one above that is kept."""
        if not self._moved and not self._left_out:
            return parent_id
        if self._moved and int(span_id, 16) in self._moved:
            above = self._moved.pop(int(span_id, 16))
            parent_id = None if above is None else f"{above:016x}"
        while parent_id is not None and int(parent_id, 16) in self._left_out:
            above = self._left_out[int(parent_id, 16)]
            parent_id = None if above is None else f"{above:016x}"
        return parent_id

    @staticmethod
    def _told(span: Any) -> tuple[frozenset[str], bool]:
        if type(span) is OwnSpan:
            return _origin(span.tracer.scope)
        return _origin(span.instrumentation_scope.name if span.instrumentation_scope is not None else "")

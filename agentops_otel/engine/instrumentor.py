"""Instrumentor: which calls of a library to capture, and the one wrapper that captures them all."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ClassVar

import wrapt
from opentelemetry import context as otel_context
from opentelemetry import trace

from agentops_otel.engine.bodies import watch_body, watch_file
from agentops_otel.engine.call import COVERED, WHOLE, WHOSE
from agentops_otel.engine.echo import Echo
from agentops_otel.engine.generators import agenerated, generated
from agentops_otel.engine.made import MadeClasses, parameters
from agentops_otel.engine.operation import Arguments, Operation, Sent, Server
from agentops_otel.engine.reading import read
from agentops_otel.engine.streams import StreamClasses, watch
from agentops_otel.engine.turns import TURNS, Turns, current_turns, noted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from agentops_otel.engine.call import Call, Place, Recorder

# Set by others: the first asks for silence, the second says that an instrumentor of
# OpenTelemetry's own is recording this very call.
_SILENCE = frozenset(
    {
        COVERED,  # our own: a call around this one is recorded for both
        "suppress_instrumentation",
        "opentelemetry.genai.client.inference.context",
        "opentelemetry.genai.client.embedding.context",
        "opentelemetry.genai.client.fetch_response.context",
    }
)

_STREAMS = (("__next__",), ("__anext__",), ("__iter__", "close"), ("__aiter__", "aclose"), ("__aiter__", "cancel"))
"""Methods by which a stream is known; some make an iterator for each reader, and have to be closed."""

_PLAIN, _AWAITABLE, _STREAM, _RAW, _GENERATOR, _ASYNC_GENERATOR = range(6)


class Instrumentor:
    """Captures the calls of one library. A subclass is data: the library's name and its targets.

    Nothing in it says sync or async, stream or raw response: `_settle` looks at what a call returned.
    Subclasses may override `server` where a client tells whom it asks, and `sent` where the arguments of the
    method are not those of the operation.
    """

    library: ClassVar[str]
    """The import name."""
    distribution: ClassVar[str] = ""
    """What is installed, where that is called otherwise than what is imported."""
    requires: ClassVar[str] = ""
    """The versions that are tested, as `>=1.2,<4`; others are tried."""
    provider: ClassVar[str] = ""
    targets: ClassVar[Mapping[str, Operation | None]] = {}
    """`"module:Class.method"` to the operation; None where `sent` tells the operation."""
    faces: ClassVar[Sequence[str]] = ()
    """Methods above the targets that may be called with `session=`, as the targets themselves may."""
    made: ClassVar[Mapping[str, Mapping[str, Operation | None]]] = {}
    """For a library that makes its clients' classes as the program runs: `"module:Base"` to methods and operations."""
    reached: ClassVar[Mapping[str, Mapping[str, Operation | None]]] = {}
    """For a library that names no class of what a client has: `"module:Client.property"` to methods and operations."""
    answers: ClassVar[Sequence[str]] = ()
    """Functions that return each answer of a target whose operation has `begins`, where it returns but the last."""

    told_by: ClassVar[Sequence[frozenset[str]]] = ()
    """Of a framework: the words in the scopes of others that tell of it, too. Their spans are left out for ours."""
    emits: ClassVar[Sequence[frozenset[str]]] = ()
    """Of a framework that makes spans itself: the words in its scopes. Its span of a model call is left out where a
    client tells of that call right below."""
    asides: ClassVar[Sequence[str]] = ()
    """Names of spans among them that tell of the framework's own ways alone: left out, unlike what is below them."""
    adopts: ClassVar[Sequence[str]] = ()
    """The operations that those spans are of."""

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.found: list[str] = []
        self.missing: list[str] = []
        self._wrapped: list[tuple[Any, str, Any, Any]] = []
        self._made = MadeClasses(self._wrapper)
        self._streams = StreamClasses()
        self._kinds: dict[type, int] = {}

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of calls that are captured."""
        made = [told for methods in (*cls.made.values(), *cls.reached.values()) for told in methods.values()]
        return [operation for operation in (*cls.targets.values(), *made) if operation is not None]

    @property
    def is_blind(self) -> bool:
        """Whether this version of the library has nothing by which a call could be captured."""
        ways = {*self.targets, *(f"{base}.__init__" for base in self.made), *self.reached}
        return bool(self.missing) and (ways or set(self.found)).isdisjoint(self.found)

    def instrument(self, recorder: Recorder) -> None:
        """Wrap every target that this version of the library has; a second time only changes the recorder."""
        self.recorder = recorder
        if self._wrapped:
            return
        for target, operation in self.targets.items():
            self._try(target, functools.partial(self._wrapper, operation))
        for face in self.faces:
            self._try(face, lambda _: _in_its_session)
        for base, methods in self.made.items():
            self._try(f"{base}.__init__", functools.partial(self._made.watcher, base, methods))
        for target, methods in self.reached.items():
            self._try(target, functools.partial(self._passed, methods), self._made.around)
        for answer in self.answers:
            self._try(answer, lambda _: self._answer_seen)

    def uninstrument(self) -> None:
        """Put the library's own methods back. Wrappers that the library has kept pass everything through."""
        self.recorder = None
        while self._wrapped:
            parent, name, original, ours = self._wrapped.pop()
            if vars(parent).get(name) is not ours:
                continue  # wrapped again by somebody else, whose wrapper needs ours
            if original is None:
                delattr(parent, name)
            else:
                setattr(parent, name, original)
        self._made.restore()
        self._streams.restore()
        self.found.clear()
        self.missing.clear()

    def sent(self, operation: Operation | None, instance: Any, arguments: Arguments) -> Sent | None:
        """The call that this method makes on `instance`; None for one that is not captured.

        `arguments` are those it was called with, by the names of its parameters; those that it takes by place alone
        stand under `*`.
        """
        if operation is None:
            return None
        return Sent(operation, arguments, self.server(instance, arguments), self.library)

    def server(self, instance: Any, arguments: Arguments) -> Server:
        """Who answers what this client asks."""
        del instance, arguments
        return Server(self.provider)

    def given(self, arguments: Mapping[str, Any], record: Callable[[Any, Operation], Any]) -> Mapping[str, Any]:
        """What a target whose operation has `begins` is really called with.

        `record(function, operation)` is the user's function as one that records its runs, for what is put in its place.
        """
        del record
        return arguments

    def answered(self, error: BaseException) -> Any:
        """The answer that this error carries, where a library raises over one that it got; else None."""
        del error

    def _try(
        self,
        target: str,
        wrapper_of: Callable[[Sequence[str]], Any],
        wrapped_by: Callable[[Any, Any], Any] = wrapt.FunctionWrapper,
    ) -> None:
        try:
            self._wrap(target, wrapper_of, wrapped_by)
            self.found.append(target)
        except (ImportError, AttributeError):
            self.missing.append(target)

    def _wrap(
        self, target: str, wrapper_of: Callable[[Sequence[str]], Any], wrapped_by: Callable[[Any, Any], Any]
    ) -> None:
        module, _, path = target.partition(":")
        parent, name, method = wrapt.resolve_path(module, path)
        if any(method is ours for *_, ours in self._wrapped):
            return  # inherited from another target
        ours = wrapped_by(method, wrapper_of(parameters(parent, name)))
        self._wrapped.append((parent, name, vars(parent).get(name), ours))
        wrapt.apply_patch(parent, name, ours)

    def _wrapper(
        self, operation: Operation | None, parameters: Sequence[str], context: Context | None = None
    ) -> Callable[..., Any]:
        def wrapper(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if "session" in kwargs and _is_session(kwargs["session"]):
                return _in_its_session(lambda *a, **k: wrapper(wrapped, instance, a, k), instance, args, kwargs)
            recorder = self.recorder
            if recorder is None:
                return wrapped(*args, **kwargs)
            asked = self._asked(recorder, operation, instance, parameters, args, kwargs, context)
            call = None if asked is None else _begun(recorder, *asked)
            if call is None:
                return wrapped(*args, **kwargs)
            turns = None if call.operation.begins is None else Turns(call, otel_context.get_current())
            if turns is not None:
                kwargs = self._given(turns, kwargs)
            token = otel_context.attach(_place(call, turns))
            try:
                result = wrapped(*args, **kwargs)
            except BaseException as error:
                self._fail(call, turns, error)
                raise
            finally:
                otel_context.detach(token)
            return self._settle(call, turns, result)

        return wrapper

    def _given(self, turns: Turns, kwargs: dict[str, Any]) -> dict[str, Any]:
        def record(function: Any, operation: Operation) -> Any:
            return turns.recorded(function, self._wrapper(operation, (), turns.context))

        return dict(turns.call.recorder.guarded("given", lambda: kwargs, self.given, kwargs, record))

    def _passed(self, methods: Mapping[str, Operation | None], given: Sequence[str]) -> Callable[[Any], None]:
        """What to do with each value of a property whose class has these methods."""
        del given

        def passed(value: Any) -> None:
            if self.recorder is not None:
                self.recorder.guarded("reached", dict, self._made.prepare, type(value), methods)

        return passed

    def _answer_seen(self, wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        del instance
        answer = wrapped(*args, **kwargs)
        turns = current_turns()
        if turns is not None:
            turns.seen(answer)
        return answer

    def _asked(
        self,
        recorder: Recorder,
        operation: Operation | None,
        instance: Any,
        parameters: Sequence[str],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        context: Context | None,
    ) -> tuple[Sent, Place] | None:
        """What is asked of whom, and where that is recorded; None where it is not, or is part of a call that is.

        `sent` is asked, recorded or not: an instrumentor may keep the library from telling of the call by itself.
        """
        try:
            current = otel_context.get_current()
            if current.get(WHOLE) == self.library:
                return None
            if not _SILENCE.isdisjoint(current) and _is_told(recorder, current):
                return None
            sent = self.sent(operation, instance, _by_name(parameters, args, kwargs) if args else kwargs)
            if sent is None or (sent.whose is not None and current.get(WHOSE) is sent.whose):
                return None
            place = recorder.place(sent.context if context is None else context, current)
            return None if place is None else (sent, place)
        except Exception as error:
            recorder.faults.note("engine.begin", error)
            return None

    def _fail(self, call: Call, turns: Turns | None, error: BaseException) -> None:
        """End the call with what the library raised; `answered` may find an answer in it."""
        if turns is not None and turns.state is not None:
            turns.failed(error)
            return
        call.fail(error, call.recorder.guarded("answered", lambda: None, self.answered, error))

    def _settle(self, call: Call, turns: Turns | None, result: Any) -> Any:
        """Bring the call to its end by what it returned, and return just that."""
        try:
            kind = self._kinds.get(type(result))
            if kind is None:
                kind = self._kinds[type(result)] = _kind_of(result)
            if kind == _PLAIN:
                if turns is not None and turns.state is not None:
                    turns.exhausted()
                    return result
                within = call.operation.within
                stream = read(result, within) if within else None
                if stream is None:
                    call.finish(result)
                elif callable(getattr(stream, "read", None)):
                    watch_file(stream, call, result, self._streams)
                else:
                    watch(stream, call, self._streams)
            elif kind == _AWAITABLE:
                return self._awaited(call, turns, result)
            elif kind == _STREAM:
                watch(result, call, self._streams)
            elif kind == _RAW:
                watch_body(result.http_response, call)
            else:
                return (generated if kind == _GENERATOR else agenerated)(result, call, turns)
        except Exception as error:
            call.finish(None)
            call.recorder.faults.note("engine.settle", error)
        return result

    async def _awaited(self, call: Call, turns: Turns | None, result: Awaitable[Any]) -> Any:
        token: Any = otel_context.attach(_place(call, turns))
        try:
            answer = await result
        except GeneratorExit as error:
            # Closed by whoever dropped it, in a context that is not ours to reset.
            token = None
            call.fail(error)
            raise
        except BaseException as error:
            self._fail(call, turns, error)
            raise
        finally:
            if token is not None:
                otel_context.detach(token)
        return self._settle(call, turns, answer)


def _begun(recorder: Recorder, sent: Sent, place: Place) -> Call | None:
    """The call, begun; what a budget has against it goes to the program, nothing else does."""
    if recorder.ask is not None and sent.operation.billed:
        recorder.ask()
    try:
        call = recorder.begin_at(place, sent) if sent.operation.echo is None else Echo(recorder, sent)
        if call is not None and call.operation.carry is not None:
            recorder.guarded("carry", lambda: None, call.operation.carry, call.sent.arguments, call.context)
        return call
    except Exception as error:
        recorder.faults.note("engine.begin", error)
        return None


def _place(call: Call, turns: Turns | None) -> Context:
    """What is current while the library works on the call."""
    if turns is None and TURNS not in call.context:
        return call.context
    told: Context = call.recorder.guarded("noted", lambda: call.context, noted, turns, call.context)
    return told


def _is_told(recorder: Recorder, current: Context) -> bool:
    """Whether silence is asked for in this context, and not by a span of others that never comes here."""
    if not any(current.get(key) for key in _SILENCE):
        return False
    return bool(current.get(COVERED)) or not recorder.is_untold(trace.get_current_span(current))


def _by_name(parameters: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by the names of their parameters; those that have none stand under `*`, in their order."""
    named = {**dict(zip(parameters, args, strict=False)), **kwargs}
    return {**named, "*": args[len(parameters) :]} if len(args) > len(parameters) else named


def _is_session(value: Any) -> bool:
    """Whether it is a session of ours, and not one of the many clients that are called so."""
    try:
        return hasattr(type(value), "end_session") and hasattr(type(value), "patch")
    except Exception:  # a class that raises when it is asked is none of ours
        return False


def _in_its_session(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The call in the session that it names, which the library does not hear of."""
    del instance
    if "session" not in kwargs or not _is_session(kwargs["session"]):
        return wrapped(*args, **kwargs)
    session: Any = kwargs["session"]
    rest = {name: value for name, value in kwargs.items() if name != "session"}
    return session.patch(wrapped)(*args, **rest)


def _kind_of(result: Any) -> int:
    kind = type(result)
    if inspect.iscoroutine(result):
        return _AWAITABLE
    if inspect.isgenerator(result):
        return _GENERATOR
    if inspect.isasyncgen(result):
        return _ASYNC_GENERATOR
    if any(all(hasattr(kind, name) for name in methods) for methods in _STREAMS):
        return _STREAM
    if hasattr(kind, "parse") and hasattr(result, "http_response"):
        return _RAW
    return _PLAIN

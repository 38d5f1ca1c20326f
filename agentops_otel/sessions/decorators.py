"""Decorators: functions, coroutines, generators, methods and classes as spans of the session they run in."""

from __future__ import annotations

import functools
import inspect
import uuid
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from agentops_otel.conventions import names, plain
from agentops_otel.conventions.plain import error_type
from agentops_otel.faults import guard
from agentops_otel.sessions.inheritance import within
from agentops_otel.sessions.processor import AGENT_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from agentops_otel.faults import Faults
    from agentops_otel.sessions.ground import Ground
    from agentops_otel.sessions.session import Session

_OPERATIONS = {
    names.KIND_AGENT: names.INVOKE_AGENT,
    names.KIND_TOOL: names.EXECUTE_TOOL,
    names.KIND_WORKFLOW: names.INVOKE_WORKFLOW,
}
_NAMED = {
    names.KIND_AGENT: names.AGENT_NAME,
    names.KIND_TOOL: names.TOOL_NAME,
    names.KIND_WORKFLOW: names.WORKFLOW_NAME,
}


class Decorators:
    """The decorators of one client. `ground` gives what spans stand on, `current` the session in context.

    Each may be used bare (`@tool`) or with settings (`@tool(name="search", cost=0.01)`), on a function, a
    coroutine function, a generator, an async generator, a method or a class. Signatures, results and
    exceptions stay what they are; on a class every instance is as before, and its construction is a span.
    """

    def __init__(
        self,
        ground: Callable[[], Ground],
        current: Callable[[], Session | None],
        open_session: Callable[[Any, str | None], Session],
        faults: Faults,
    ) -> None:
        self._ground = ground
        self._faults = faults
        self._current = current
        self._open = open_session

    def made(self, kind: str, target: Any, **settings: Any) -> Any:
        """The decorated target, or the decorator if there is no target yet."""
        if target is None or isinstance(target, str):
            if isinstance(target, str):
                settings["name"] = target
            return lambda actual: self.made(kind, actual, **settings)
        if inspect.isclass(target):
            return self._decorated_class(kind, target, settings)
        if isinstance(target, (staticmethod, classmethod)):
            return type(target)(self.made(kind, target.__func__, **settings))
        return self._decorated(kind, target, settings)

    # --- one shape for each kind of function ---------------------------------------------------------

    def _decorated(self, kind: str, function: Any, settings: dict[str, Any]) -> Any:
        def running(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return self._running(kind, function, settings, args, kwargs)

        if inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def decorated(*args: Any, **kwargs: Any) -> Any:
                async for item in self._aiterated(kind, function, settings, args, kwargs):
                    yield item

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def decorated(*args: Any, **kwargs: Any) -> Any:
                return (yield from self._iterated(kind, function, settings, args, kwargs))

        elif inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def decorated(*args: Any, **kwargs: Any) -> Any:
                with running(args, kwargs) as run:
                    return run.answered(await function(*args, **run.passed(kwargs)))

        else:

            @functools.wraps(function)
            def decorated(*args: Any, **kwargs: Any) -> Any:
                with running(args, kwargs) as run:
                    return run.answered(function(*args, **run.passed(kwargs)))

        return decorated

    def _decorated_class(self, kind: str, target: type, settings: dict[str, Any]) -> type:
        construct = target.__init__  # type: ignore[misc]

        @functools.wraps(construct)
        def __init__(instance: Any, *args: Any, **kwargs: Any) -> None:
            if type(instance).__init__ is not __init__:  # a subclass with a constructor of its own
                construct(instance, *args, **kwargs)
                return
            named = {**settings, "name": settings.get("name") or target.__name__}
            with self._running(kind, construct, named, args, kwargs) as run:
                construct(instance, *args, **run.passed(kwargs))

        target.__init__ = __init__  # type: ignore[misc]
        return target

    # --- running -------------------------------------------------------------------------------------

    @contextmanager
    def _running(
        self, kind: str, function: Any, settings: dict[str, Any], args: Any, kwargs: dict[str, Any]
    ) -> Iterator[_Run]:
        """A span around a call, current within. An exception ends it with an error, and goes on."""
        run = self._begin(kind, function, settings, args, kwargs)
        try:
            with run.step():
                yield run
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            run.end()

    def _iterated(self, kind: str, function: Any, settings: dict[str, Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """A generator under a span that is current while the generator itself runs, and only then."""
        run = self._begin(kind, function, settings, args, kwargs)
        items = function(*args, **run.passed(kwargs))
        sent: Any = None
        raised: BaseException | None = None
        try:
            while True:
                with run.step():
                    item = items.send(sent) if raised is None else items.throw(raised)
                raised = None
                try:
                    sent = yield item
                except GeneratorExit:
                    with run.step():
                        items.close()
                    raise
                except BaseException as error:  # thrown in by the reader: the generator's own business
                    raised = error
        except StopIteration as stop:
            return stop.value
        except GeneratorExit:
            raise
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            run.end()

    async def _aiterated(
        self, kind: str, function: Any, settings: dict[str, Any], args: Any, kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        """An async generator under a span; the same, except that steps are awaited."""
        run = self._begin(kind, function, settings, args, kwargs)
        items = function(*args, **run.passed(kwargs))
        try:
            while True:
                with run.step():
                    item = await items.__anext__()
                yield item
        except StopAsyncIteration:
            return
        except GeneratorExit:
            raise
        except BaseException as error:
            run.fail(error)
            raise
        finally:
            run.end()
            await items.aclose()

    def _begin(self, kind: str, function: Any, settings: dict[str, Any], args: Any, kwargs: dict[str, Any]) -> _Run:
        """Start the span of a call; one that cannot be started leaves the call as it is."""
        run = _Run(self._faults, kind, settings)
        try:
            run.keeps_session = "session" in _parameters(function)
            ground = self._ground()
            if kind == names.KIND_SESSION:
                run.session = self._open(settings.get("tags"), settings.get("name"))
                run.within = run.session.context
                return run
            session = kwargs.get("session") or self._current()
            if session is None or not hasattr(session, "parent"):
                return run
            if kind == AGENT_KEY:
                run.within = otel_context.set_value(AGENT_KEY, settings["agent"](args), session.parent())
            else:
                run.start(ground, session, function, (args, kwargs))
        except Exception as error:
            self._faults.note("decorators.begin", error)
        return run

    # --- agents --------------------------------------------------------------------------------------

    def track_agent(self, target: Any = None, name: str | None = None) -> Any:
        """A class whose instances are agents: what happens in their methods carries their id and name.

        Instances get `agentops_agent_id` and `agentops_agent_name`: the `agentops_name=` that they are made
        with, else `name`, else their `role`, else the name of the class. A function is an agent by itself.
        """
        if target is None or isinstance(target, str):
            return functools.partial(self.track_agent, name=target or name)
        if not inspect.isclass(target):
            return self.made(names.KIND_AGENT, target, name=name)
        for attribute, method in list(vars(target).items()):
            if inspect.isfunction(method) and not attribute.startswith("__"):
                setattr(target, attribute, self._decorated(AGENT_KEY, method, {"agent": _agent_of}))
        construct = vars(target).get("__init__", target.__init__)

        @functools.wraps(construct)
        def __init__(instance: Any, *args: Any, **kwargs: Any) -> None:
            told = kwargs.get("agentops_name")
            if "agentops_name" not in _signed(construct):
                kwargs.pop("agentops_name", None)
            construct(instance, *args, **kwargs)
            chosen = told or name or getattr(instance, "role", None) or target.__name__
            # Some frameworks' classes refuse attributes that they do not know.
            with suppress(Exception):
                instance.agentops_agent_id = str(uuid.uuid4())
                instance.agentops_agent_name = str(chosen)

        setattr(target, "__init__", __init__)  # noqa: B010 - mypy would not have it otherwise
        return target


class _Run:
    """One call of a decorated function: its span, from the first step to the last."""

    def __init__(self, faults: Faults, kind: str, settings: dict[str, Any]) -> None:
        self.span: Span | None = None
        self.session: Session | None = None
        self.within: Context | None = None
        """The context that is current while the function runs."""
        self.keeps_session = True
        self.faults = faults
        self._content = False
        """Whether what went in and came out is kept."""
        self._kind = kind
        self._settings = settings

    def start(self, ground: Ground, session: Session, function: Any, given: tuple[Any, dict[str, Any]]) -> None:
        """Start the span as a child of what is current, or of the session."""
        self._content = ground.content
        name = str(self._settings.get("name") or getattr(function, "__name__", "function"))
        kind = self._kind
        attributes: dict[str, Any] = {names.SPAN_KIND: kind}
        if kind in _OPERATIONS:
            attributes[names.OPERATION_NAME] = _OPERATIONS[kind]
            attributes[_NAMED[kind]] = plain.text(name)
        elif kind == names.KIND_ACTION:
            attributes[names.ACTION_TYPE] = plain.text(name)
        if self._settings.get("tags"):
            attributes[names.TAGS] = [plain.described(tag) for tag in self._settings["tags"]]
        cost = self._settings.get("cost")
        if isinstance(cost, (int, float)) and not isinstance(cost, bool):
            attributes[names.COST] = float(cost)
            attributes[names.COST_SOURCE] = "override"
        if self._content and self._settings.get("capture_request", True):
            attributes[_params(kind)] = plain.to_json(_arguments(function, *given))
        around = session.parent()
        told = _OPERATIONS.get(kind, kind)
        self.span = ground.tracer.start_span(
            f"{told} {plain.text(name)}", context=around, kind=SpanKind.INTERNAL, attributes=attributes
        )
        self.within = trace.set_span_in_context(self.span, around)

    def passed(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments for the function: `session=` is for us, unless the function takes it."""
        if not self.keeps_session:
            kwargs.pop("session", None)  # the dict is the wrapper's own
        return kwargs

    def answered(self, result: Any) -> Any:
        """Note what the function returned; return just that."""
        span = self.span
        if span is not None and span.is_recording() and self._content and self._settings.get("capture_response", True):
            try:
                span.set_attribute(_returns(self._kind), plain.to_json(result))
                shot = getattr(result, "screenshot", None)
                if isinstance(shot, str):
                    span.set_attribute(names.EVENT_SCREENSHOT, plain.text(shot))
            except Exception as error:
                self.faults.note("decorators.answered", error)
        return result

    @guard("decorators", nullcontext)
    def step(self) -> AbstractContextManager[None]:
        """One step: the span is current within."""
        return nullcontext() if self.within is None else within(self.within)

    def fail(self, error: BaseException) -> None:
        """The function raised."""
        try:
            if self.session is not None and self.session.is_running:
                self.session.failed(error)
            if self.span is not None:
                name = error_type(error)
                self.span.set_attribute(names.ERROR_TYPE, name)
                self.span.record_exception(error)
                told = plain.described(error)[:2_000] if self._content else name
                self.span.set_status(Status(StatusCode.ERROR, told))
        except Exception as fault:
            self.faults.note("decorators.fail", fault)

    def end(self) -> None:
        """The function is over."""
        span, self.span = self.span, None
        try:
            if span is not None:
                span.end()
        except Exception as fault:
            self.faults.note("decorators.end", fault)
        if self.session is not None and self.session.is_running:
            self.session.end_session(names.SUCCESS)


def _agent_of(args: tuple[Any, ...]) -> tuple[str, str]:
    instance = args[0] if args else None
    found = (getattr(instance, "agentops_agent_id", None), getattr(instance, "agentops_agent_name", None))
    return str(found[0] or ""), str(found[1] or type(instance).__name__)


def _params(kind: str) -> str:
    return names.TOOL_CALL_ARGUMENTS if kind == names.KIND_TOOL else names.EVENT_PARAMS


def _returns(kind: str) -> str:
    return names.TOOL_CALL_RESULT if kind == names.KIND_TOOL else names.EVENT_RETURNS


@functools.lru_cache(maxsize=4096)
def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def _parameters(function: Any) -> frozenset[str]:
    """The parameters of a function; a function that takes any keyword is given `session`, too."""
    signature = _signature(function)
    if signature is None or any(item.kind is item.VAR_KEYWORD for item in signature.parameters.values()):
        return frozenset({"session"})
    return frozenset(signature.parameters)


def _signed(function: Any) -> frozenset[str]:
    signature = _signature(function)
    return frozenset(signature.parameters) if signature is not None else frozenset()


def _arguments(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, without `self`, `cls` and the session."""
    signature = _signature(function)
    parameters = list(signature.parameters.values()) if signature is not None else []
    listed = [item.name for item in parameters if item.kind in {item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD}]
    named = dict(zip(listed, args, strict=False))
    if len(args) > len(listed):
        rest = next((item.name for item in parameters if item.kind is item.VAR_POSITIONAL), "args")
        named[rest] = list(args[len(listed) :])
    return {name: value for name, value in (named | kwargs).items() if name not in {"self", "cls", "session"}}

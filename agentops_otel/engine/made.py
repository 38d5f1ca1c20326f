"""Made classes: clients whose classes a library makes as the program runs, each with methods of its own."""

from __future__ import annotations

import functools
import inspect
import weakref
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentops_otel.engine.operation import Operation


class MadeClasses:
    """Wraps methods in every class that inherits from a base: those that are there, and others with their first client.

    The classes are held weakly: a library may make one for each client.
    """

    def __init__(self, wrapper_of: Callable[[Operation | None, Sequence[str]], Callable[..., Any]]) -> None:
        self._wrapper_of = wrapper_of
        self._wrapped: weakref.WeakKeyDictionary[type, dict[str, tuple[Any, Any]]] = weakref.WeakKeyDictionary()

    def watcher(self, base: str, methods: Mapping[str, Operation | None], given: Sequence[str]) -> Callable[..., Any]:
        """A wrapper of the base's `__init__`, by which every client passes."""
        del given
        module, _, name = base.partition(":")
        kind: Any = wrapt.resolve_path(module, name)[2]
        for made in _descendants(kind):
            self.prepare(made, methods)

        def init(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self.prepare(type(instance), methods)
            wrapped(*args, **kwargs)

        return init

    @staticmethod
    def around(reached: Any, passed: Callable[[Any], None]) -> property:
        """The property, each value of which is `passed` on its way to who asks for it.

        Raises:
            AttributeError: it is no property.
        """
        get = reached.fget

        @functools.wraps(get)
        def value(instance: Any) -> Any:
            told = get(instance)
            passed(told)
            return told

        return property(value, reached.fset, reached.fdel, reached.__doc__)

    def prepare(self, kind: type, methods: Mapping[str, Operation | None]) -> None:
        """Wrap the methods that this class itself has; once."""
        if kind in self._wrapped:
            return
        wrapped = self._wrapped[kind] = {}
        for name, operation in methods.items():
            original = vars(kind).get(name)
            if original is not None:
                ours = wrapt.FunctionWrapper(original, self._wrapper_of(operation, parameters(kind, name)))
                wrapped[name] = original, ours
                setattr(kind, name, ours)

    def restore(self) -> None:
        """Give all classes their own methods back, but for those that somebody else has wrapped since."""
        for kind, methods in list(self._wrapped.items()):
            for name, (original, ours) in methods.items():
                if vars(kind).get(name) is ours:
                    setattr(kind, name, original)
        self._wrapped.clear()


def _descendants(kind: type) -> list[type]:
    found: list[type] = []
    made: type
    for made in kind.__subclasses__():
        found += [made, *_descendants(made)]
    return found


def parameters(parent: Any, name: str) -> list[str]:
    """The names of the arguments that may be given by place, without `self`; none where nobody can tell."""
    found = inspect.getattr_static(parent, name)
    try:
        parameters = list(inspect.signature(getattr(parent, name)).parameters.values())
    except (TypeError, ValueError):
        return []
    if inspect.isclass(parent) and not isinstance(found, (staticmethod, classmethod)):
        parameters = parameters[1:]
    return [item.name for item in parameters if item.kind in {item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD}]

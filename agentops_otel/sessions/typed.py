"""What decorators are to type checkers: whatever they decorate keeps its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

if TYPE_CHECKING:
    from collections.abc import Callable

_Target = TypeVar("_Target")


class Decorator(Protocol):
    """`@decorator`, `@decorator("name")` and `@decorator(name="name", ...)`, on functions and classes."""

    @overload
    def __call__(
        self, target: str | None = None, *, name: str | None = None, **settings: Any
    ) -> Callable[[_Target], _Target]: ...

    @overload
    def __call__(self, target: _Target, *, name: str | None = None, **settings: Any) -> _Target: ...


def decorator(function: Callable[..., Any]) -> Decorator:
    """The function itself, which is one of these."""
    return cast("Decorator", function)

"""Registry: finds instrumentors, and lets each wrap its library once that is imported, whatever the order."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentops_otel.engine.call import Recorder
    from agentops_otel.engine.instrumentor import Instrumentor

GROUP = "agentops_otel_instrumentor"
"""The entry point group: name = import name of the library, value = its Instrumentor class."""


@dataclass(slots=True)
class Registry:
    """The instrumentors of one process. A library that is never imported costs one dictionary entry."""

    _known: dict[str, Any] = field(default_factory=dict)
    _hooked: set[str] = field(default_factory=set)
    _active: dict[str, Instrumentor] = field(default_factory=dict)
    _recorder: Recorder | None = None
    off: frozenset[str] = frozenset()
    """Libraries that the program wants left alone; `*` for all."""
    # Of the frameworks that are instrumented, as every span that starts is held against them:
    told_by: tuple[frozenset[str], ...] = ()
    """The words by which others name them."""
    emits: tuple[frozenset[str], ...] = ()
    """The words in the scopes of those that make spans themselves."""
    asides: frozenset[str] = frozenset()
    """The names of spans of theirs that are left out of sessions."""

    def instrument(self, recorder: Recorder, disabled: Iterable[str] = ()) -> None:
        """Instrument every known library that is or will be imported, except those `disabled` by name (`*`: all)."""
        self._recorder = recorder
        self.off = frozenset(disabled)
        for library in self.known():
            if library in self.off or "*" in self.off:
                continue
            if library in self._active:
                self._active[library].instrument(recorder)
            elif library not in self._hooked:
                self._hooked.add(library)
                wrapt.register_post_import_hook(self._on_import, library)
            else:
                self._again(library)

    def uninstrument(self) -> None:
        """Leave every library as it was."""
        self._recorder = None
        for instrumentor in self._active.values():
            instrumentor.uninstrument()
        self._active.clear()
        self._count_frameworks()

    def known(self) -> list[str]:
        """The libraries that there is an instrumentor for, by import name, installed or not."""
        for point in entry_points(group=GROUP):
            self._known.setdefault(point.name, point)
        return list(self._known)

    def instrumentor_of(self, library: str) -> type[Instrumentor]:
        """The instrumentor of a known library; it does not import the library.

        Raises:
            Exception: whatever its module raises; it may be an outsider's.
        """
        found: type[Instrumentor] = self._known[library].load()
        return found

    def _count_frameworks(self) -> None:
        active = list(self._active.values())
        self.told_by = tuple(words for instrumentor in active for words in instrumentor.told_by)
        self.emits = tuple(words for instrumentor in active for words in instrumentor.emits)
        self.asides = frozenset(name for instrumentor in active for name in instrumentor.asides)

    def status(self) -> dict[str, dict[str, list[str]]]:
        """For each instrumented library the targets that were found in it and those it no longer has."""
        return {
            library: {"found": list(instrumentor.found), "missing": list(instrumentor.missing)}
            for library, instrumentor in self._active.items()
        }

    def blind(self) -> list[str]:
        """Libraries that are imported, and of which nothing is captured although nobody has switched them off."""
        if self._recorder is None or "*" in self.off:
            return []
        failed = (name for name in self._hooked - self.off if name in sys.modules and name not in self._active)
        without = (name for name, found in self._active.items() if found.is_blind)
        return sorted({*failed, *without})

    @staticmethod
    def found_beside(library: str, name: str) -> Any:
        """Something else, by its name, of the module in which the library's instrumentor is.

        Raises:
            AttributeError: there is no such thing, or no such instrumentor.
        """
        modules = [point.module for point in entry_points(group=GROUP, name=library)]
        return getattr(import_module(modules[0]) if modules else None, name)

    def _again(self, library: str) -> None:
        """Instrument a library whose import hook has already fired, in an earlier life."""
        if library in sys.modules:
            self._on_import(sys.modules[library])

    def _on_import(self, module: Any) -> None:
        # Runs inside the user's own import statement: nothing may escape.
        recorder = self._recorder
        if recorder is None or module.__name__ in self._active:
            return
        try:
            instrumentor = self.instrumentor_of(module.__name__)()
            self._active[module.__name__] = instrumentor
            self._count_frameworks()
            instrumentor.instrument(recorder)
        except Exception as error:
            recorder.faults.note(f"instrument.{module.__name__}", error)

"""Diagnosis: what is captured here and what is not, library by library, and where it goes."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from agentops_otel.pipeline import package_version
from agentops_otel.store.paths import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.client import Client
    from agentops_otel.engine import Instrumentor

CAPTURED = "captured"
WAITING = "captured once it is imported"
IMPORTED = "imported, not captured: init() has not been called"
OFF = "off, as configured"
FAILED = "not captured: its instrumentor failed"
ABSENT = "not installed"


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """One library that there is an instrumentor for.

    `installed` is its version, None where it is absent; `tested` are the versions that the tests run on, and
    `beyond` says `"newer"` or `"older"` where the installed one is none of them. `found` and `missing` are the
    targets that this version has, and those of other versions, once it is captured.
    """

    library: str
    state: str
    installed: str | None = None
    tested: str = ""
    beyond: str | None = None
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line: `openai 3.54.0: captured, 2 of 2 targets`."""
        line = f"{self.library} {self.installed}: {self.state}" if self.installed else f"{self.library}: {self.state}"
        if self.found or self.missing:
            line += f", {len(self.found)} of {len(self.found) + len(self.missing)} targets"
        if self.beyond:
            line += f"; {self.beyond} than what is tested ({self.tested})"
        return line + (f"; not in this version: {', '.join(self.missing)}" if self.missing else "")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor()` found. `str()` of it is for people.

    `provider` says whose tracer provider spans are made with, None before `init()`; `goes_to` where sessions go.
    `faults` are errors of this package itself, counted by place; none of them reached the program.
    `made`, `delivered` and `dropped` count spans; `outside` the model calls that are in no session, by reason.
    """

    version: str
    provider: str | None = None
    goes_to: str | None = None
    made: int = 0
    delivered: int = 0
    dropped: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    libraries: tuple[LibraryStatus, ...] = ()
    outside: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Some lines: the package, where spans go, its faults, then the libraries."""
        faults = ", ".join(f"{place} ({count})" for place, count in sorted(self.faults.items()))
        absent = [item.library for item in self.libraries if item.state == ABSENT]
        lines = [
            f"agentops_otel {self.version}",
            f"Tracer provider: {self.provider or 'none yet, init() has not been called'}",
            f"Sessions go to: {self.goes_to or 'nowhere yet'}",
            f"Spans: {self.made} made, {self.delivered} delivered, {self.dropped} dropped",
            *(f"Model calls not recorded: {number}, as {reason}" for reason, number in self.outside.items()),
            f"Faults of this package: {faults or 'none'}",
            "Libraries:",
            *(f"  {item}" for item in self.libraries if item.state != ABSENT),
        ]
        return "\n".join([*lines, f"  {ABSENT}: {', '.join(absent)}"] if absent else lines)


def diagnose(client: Client) -> Diagnosis:
    """What this client captures; nothing is imported, changed or raised."""
    told = Diagnosis(package_version(), faults=dict(client.faults.counts), libraries=_libraries(client))
    built = client.pipeline
    if built is None:
        return told
    kind = type(built.provider)
    whose = f"the program's own ({kind.__module__}.{kind.__qualname__})" if built.joined else "ours"
    goes_to = built.endpoint
    if goes_to is None and built.store is not None:
        goes_to = f"the local store, {resolve(client.config.store)}"
    return Diagnosis(
        told.version,
        whose,
        goes_to,
        built.processor.made,
        built.delivery.delivered,
        built.processor.dropped,
        told.faults,
        told.libraries,
        dict(built.processor.outside),
    )


def _libraries(client: Client) -> tuple[LibraryStatus, ...]:
    found = []
    for library in sorted(client.registry.known()):
        try:
            found.append(_status(client, library))
        except Exception:  # an outsider's instrumentor, whatever it does
            found.append(LibraryStatus(library, FAILED))
    return tuple(found)


def _status(client: Client, library: str) -> LibraryStatus:
    instrumentor = client.registry.instrumentor_of(library)
    targets = client.registry.status().get(library)
    installed = installed_version(instrumentor)
    return LibraryStatus(
        library,
        CAPTURED if targets is not None else _why_not(client, library, installed),
        installed,
        instrumentor.requires,
        _beyond(installed, instrumentor.requires),
        tuple(targets["found"]) if targets else (),
        tuple(targets["missing"]) if targets else (),
    )


def _why_not(client: Client, library: str, installed: str | None) -> str:
    if installed is None and library not in sys.modules:
        return ABSENT
    if {library, "*"} & client.registry.off or not client.config.instrument_llm_calls:
        return OFF
    if library not in sys.modules:
        return WAITING
    return IMPORTED if client.pipeline is None else FAILED


def installed_version(instrumentor: type[Instrumentor]) -> str | None:
    """The version of its library that is installed here; None where it is absent."""
    library = instrumentor.library
    for name in (instrumentor.distribution or re.sub(r"[._]", "-", library), library.partition(".")[0]):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _beyond(installed: str | None, tested: str) -> str | None:
    """`"newer"` or `"older"` where a version is none of `>=1.2,<4`."""
    if installed is None:
        return None
    here = _numbers(installed)
    for sign, bound in re.findall(r"(>=|<)\s*([\d.]+)", tested):
        if sign == ">=" and here < _numbers(bound):
            return "older"
        if sign == "<" and here >= _numbers(bound):
            return "newer"
    return None


def _numbers(told: str) -> list[int]:
    """The release of a version, without zeros at its end: 1.4.0rc1 -> [1, 4]."""
    release = re.match(r"\d+(\.\d+)*", told)
    numbers = [int(part) for part in release[0].split(".")] if release else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers

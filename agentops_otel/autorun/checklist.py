"""Checklist: what is captured of a program that starts now, in a few lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from agentops_otel.diagnosis import CAPTURED, WAITING, LibraryStatus, diagnose

if TYPE_CHECKING:
    from agentops_otel.client import Client


def checklist(client: Client) -> str:
    """A line on where sessions go, and one for each library that is installed and known."""
    found = diagnose(client)
    installed = [item for item in found.libraries if item.installed is not None]
    lines = [f"agentops-otel {found.version}: sessions go to {found.goes_to or 'nowhere'}"]
    lines += [f"  {_mark(item)} {_described(item)}" for item in installed]
    if not installed:
        lines.append("  no library that is captured is installed here")
    return "".join(f"{line}\n" for line in lines)


def _described(item: LibraryStatus) -> str:
    line = f"{item.library} {item.installed}"
    if item.state not in {CAPTURED, WAITING}:
        return f"{line}: {item.state}"
    return f"{line}: {item.beyond} than what is tested ({item.tested})" if item.beyond else line


def _mark(item: LibraryStatus) -> str:
    good, doubtful, bad = ("✓", "!", "✗") if _shows("✓✗") else ("+", "!", "-")
    if item.state not in {CAPTURED, WAITING}:
        return bad
    return doubtful if item.beyond else good


def _shows(signs: str) -> bool:
    try:
        signs.encode(getattr(sys.stderr, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True

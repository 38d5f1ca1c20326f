"""HTML: what a notebook shows for a session and for its figures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentops_otel.sessions.session import Session

_COLOURS = {names.SUCCESS: "#2a8a4a", names.FAILURE: "#c0392b", names.INDETERMINATE: "#8a6d1a"}
_CELL = "text-align:left;padding:2px 12px 2px 0"


class Analytics(dict[str, Any]):
    """The figures of a session: a dict that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return table(self)


def table(told: Mapping[str, Any]) -> str:
    """Names and values in two columns; a value that has parts is a table in its cell."""
    rows = "".join(
        f'<tr><th style="{_CELL}">{escape(str(name))}</th><td style="{_CELL}">{_cell(value)}</td></tr>'
        for name, value in told.items()
    )
    return f"<table>{rows}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return table(value)
    return "&mdash;" if value is None else escape(str(value))


def session_html(session: Session) -> str:
    """The session's state, id, tags and figures so far."""
    state = "running" if session.is_running else session.end_state
    reason = f" ({escape(str(session.end_state_reason))})" if session.end_state_reason else ""
    tags = "".join(f" <code>{escape(tag)}</code>" for tag in session.tags)
    colour = _COLOURS.get(state, "#2a6a9a")
    return (
        f'<div><b style="color:{colour}">{escape(state)}</b>{reason} session <code>{session.session_id}</code>{tags}'
        f"{table(session.get_analytics())}</div>"
    )

"""Summary: what a program says on stderr when it ends: a line for each session, then where to look."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from agentops_otel.sessions.figures import duration_text
from agentops_otel.store.paths import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.pipeline import Pipeline
    from agentops_otel.sessions.session import Session


def summary(sessions: Sequence[Session], more: int, built: Pipeline, store: str | None) -> str:
    """The lines for these sessions, and `more` that are not shown. Only what can be opened is named."""
    lines = [summary_line(session) for session in sessions]
    if more:
        lines.append(f"... and {more} more sessions")
    where = sessions[0].config.log_session_replay_url
    lost = built.processor.made - built.delivery.delivered
    if lost:
        lines.append(f"{lost} spans did not reach {built.endpoint or 'the local store'}")
    elif where and built.endpoint is not None:
        lines.append(f"Sent to {built.endpoint}")
    elif where:
        one = sessions[0].session_id[:8] if len(sessions) == 1 and not more else None
        lines.append(f"Look at it: {command(store, 'show' if one else 'ls', one)}")
    return "".join(f"{line}\n" for line in lines)


def summary_line(session: Session) -> str:
    """`Session Stats - Duration: 1.4s | Cost: $0.000195 | LLMs: 1 | Tools: 0 | Actions: 0 | Errors: 0`."""
    tally = session.final_tally or session.books.tally
    unpriced = tally.total.unpriced_calls
    cost = tally.cost if session.is_sampled else None
    told = "unknown" if cost is None else f"${cost:.6f}" if cost else "$0.00"
    if unpriced:
        told += f" ({unpriced} {'call' if unpriced == 1 else 'calls'} without a known price)"
    return (
        f"Session Stats - Duration: {duration_text(session.duration)} | Cost: {told} | LLMs: {tally.llm_calls} | "
        f"Tools: {tally.tool_calls} | Actions: {tally.actions} | Errors: {tally.errors}"
    )


def command(store: str | None, verb: str, session_id: str | None = None) -> str:
    """The command that opens a session, as it can be typed here and now, in another terminal too."""
    words = ["agentops-otel"] if shutil.which("agentops-otel") else [sys.executable, "-m", "agentops_otel"]
    words += ["sessions", verb]
    if session_id is not None:
        words.append(session_id)
    if store is not None:
        words += ["--store", str(resolve(store))]
    return shlex.join(words)

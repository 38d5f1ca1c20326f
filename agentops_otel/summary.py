"""Summary: what a program says on stderr when it ends: a line for each session, then where to look."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from agentops_otel.receivers import OtlpReceiver
from agentops_otel.sessions.figures import duration_text
from agentops_otel.sessions.processor import NONE_CURRENT, NONE_OPEN
from agentops_otel.store.paths import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.pipeline import Pipeline
    from agentops_otel.sessions.session import Session

_TODO = {
    NONE_OPEN: "Start one before them, with init() or start_session()",
    NONE_CURRENT: "Make them within `with session:`",
}


def summary(
    sessions: Sequence[Session], more: int, built: Pipeline, store: str | None, blind: Sequence[str] = ()
) -> str:
    """The lines for these sessions, and `more` that are not shown. Only what can be opened is named.

    `blind` are libraries of which nothing is captured although they are imported.
    """
    lines = [summary_line(session) for session in sessions]
    if more:
        lines.append(f"... and {more} more sessions")
    lines += _missed(sessions, built, blind)
    where = bool(sessions) and sessions[0].config.log_session_replay_url
    troubles = _troubles(built)
    if troubles:
        lines += troubles
    elif where and built.endpoint is not None:
        lines.append(f"Sent to {built.endpoint}")
    elif where:
        one = sessions[0].session_id[:8] if len(sessions) == 1 and not more else None
        lines.append(f"Look at it: {command(store, 'show' if one else 'ls', one)}")
    return "".join(f"{line}\n" for line in lines)


def _missed(sessions: Sequence[Session], built: Pipeline, blind: Sequence[str]) -> list[str]:
    """What is certain to be missing in the sessions, and what to do about it; a session may well ask no model."""
    told = [
        f"{_several(number, 'model call')} not recorded: {reason}. {_TODO[reason]}"
        for reason, number in built.processor.outside.items()
    ]
    if not any(_llm_calls(session) for session in sessions):
        told += [
            f"{library} is imported, but nothing of it can be captured here. Why: {command(None, 'doctor')} --import"
            for library in blind
        ]
    return told


def _troubles(built: Pipeline) -> list[str]:
    """What waits, where, and what to do about it; what was lost, and why."""
    counts = built.delivery.counts()
    place = built.endpoint or "the local store"
    told = []
    if counts.waiting:
        found = next((receiver for receiver in built.delivery.receivers if isinstance(receiver, OtlpReceiver)), None)
        why = f": {found.trouble}" if found is not None and found.trouble else ""
        told.append(f"{_spans(counts.waiting)} could not be sent to {place} yet{why}")
        if found is not None and found.path is not None:
            told.append(
                f"They are kept in {found.path}; the next run sends them, or: {command(found.store, 'forward')}"
            )
    lost = counts.made - counts.delivered - counts.waiting
    if lost > 0:
        reasons = ", ".join(f"{number} {reason}" for reason, number in counts.dropped.most_common())
        told.append(f"{_spans(lost)} did not reach {place}" + (f": {reasons}" if reasons else ""))
    return told


def _spans(number: int) -> str:
    return _several(number, "span")


def _several(number: int, thing: str) -> str:
    return f"1 {thing}" if number == 1 else f"{number} {thing}s"


def _llm_calls(session: Session) -> int:
    return (session.final_tally or session.books.tally).llm_calls


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
    """The command that opens a session, forwards what waits, or tells why, as it can be typed in any terminal."""
    words = ["agentops-otel"] if shutil.which("agentops-otel") else [sys.executable, "-m", "agentops_otel"]
    words += [verb] if verb in {"doctor", "forward"} else ["sessions", verb]
    if session_id is not None:
        words.append(session_id)
    if store is not None:
        words += ["--store", str(resolve(store))]
    return shlex.join(words)

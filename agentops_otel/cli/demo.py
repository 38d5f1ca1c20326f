"""`agentops-otel demo`: a small agent runs against a provider on this machine, and its session is shown."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from agentops_otel.cli.tree import render
from agentops_otel.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.store import Store

_PATIENCE_SECONDS = 3.0
_LOOK_SECONDS = 0.25

_BEFORE = "A trip planner with the real openai and anthropic clients, on this machine alone: no key, no network.\n"
_AFTER = """
Your own program is seen the same way, with two lines at its top:

    import agentops_otel as agentops
    agentops.init()
"""


@click.command()
@click.option("--store", metavar="PATH", help="Keep the session in this file instead of the usual one.")
def demo(store: str | None) -> None:
    """Run a small agent, without a key or a network, and show its session."""
    _prepare_environment(store)
    # The client libraries take a second to import, which no other command should wait for.
    try:
        from agentops_otel.demo import agent  # noqa: PLC0415
        from agentops_otel.demo.provider import Provider  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise click.ClickException(str(missing)) from missing
    click.echo(_BEFORE)
    with Provider(agent.script()) as provider:
        session = agent.run(provider, _tell)
    click.echo(f"\nSession {session.session_id}")
    with closing(open_store(store)) as kept:
        for line in _tree(_stored(kept, session.session_id)):
            click.echo(line)
    click.echo(_AFTER)


def _prepare_environment(store: str | None) -> None:
    if store is not None:
        os.environ["AGENTOPS_STORE"] = store
    # A proxy of the user's must not be asked for an address on this machine.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))


def _tell(line: str) -> None:
    click.echo(f"{_arrow()} {line}")


def _arrow() -> str:
    try:
        "→".encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return "->"
    return "→"


def _stored(store: Store, session_id: str) -> list[SpanRecord]:
    """The session's spans, once its end is stored and nothing more arrives."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    spans = store.spans(session_id)
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        before, spans = len(spans), store.spans(session_id)
        ended = any(span.is_session and span.end_time is not None for span in spans)
        if ended and len(spans) == before:
            break
    return spans


def _tree(spans: list[SpanRecord]) -> Iterator[str]:
    if spans:
        yield from render(spans, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    else:
        yield "is not in the local store: AGENTOPS_* or OTEL_* in the environment send it elsewhere."

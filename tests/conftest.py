"""Fixtures: a client whose records stay in memory, and a loopback provider for the real libraries to call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

# Before anything of the package is imported: our own faults are raised, and nothing is written to a home.
os.environ["AGENTOPS_STRICT"] = "1"
for _name in [name for name in os.environ if name.startswith(("AGENTOPS_", "OTEL_"))]:
    if _name != "AGENTOPS_STRICT":
        del os.environ[_name]

from agentops_otel.accounting.record import SpanRecord  # noqa: E402
from agentops_otel.client import Client  # noqa: E402
from agentops_otel.configuration import Configuration  # noqa: E402
from agentops_otel.engine import Instrumentor  # noqa: E402
from agentops_otel.sessions.session import Session  # noqa: E402

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


class Memory:
    """A receiver that keeps records in a list."""

    name = "memory"

    def __init__(self) -> None:
        self.records: list[SpanRecord] = []

    def deliver(self, records: Any) -> bool:
        self.records.extend(records)
        return True

    def close(self) -> None:
        """Nothing to close."""

    def after_fork(self) -> None:
        self.records.clear()


class Watched:
    """A client of the test's own: `session` runs, `spans` are the records that have ended, oldest first."""

    def __init__(self, **settings: Any) -> None:
        self.memory = Memory()
        self.client = Client([self.memory])
        self.session: Session = self.client.init(  # type: ignore[assignment]
            Configuration.read(**{"isolated": True, "log_summary": False, **settings})
        )

    @property
    def spans(self) -> list[SpanRecord]:
        """All ended spans but the session's root."""
        return [record for record in self.all if not record.is_session]

    @property
    def all(self) -> list[SpanRecord]:
        """All ended spans."""
        assert self.client.flush(10)
        return [record for record in self.memory.records if record.end_time is not None]

    @property
    def span(self) -> SpanRecord:
        """The only span."""
        (only,) = self.spans
        return only

    def close(self) -> None:
        for session in self.client.sessions:
            session.end_session()
        self.session.deactivate()
        assert self.client.shut_down()
        assert not self.client.faults.counts


@pytest.fixture
def watched() -> Iterator[Watched]:
    """A session with everything captured, messages too."""
    made = Watched(capture_content=True)
    yield made
    made.close()


@pytest.fixture
def make_watched() -> Iterator[Any]:
    """The same with settings: `make_watched(capture_content=False)`."""
    made: list[Watched] = []

    def make(**settings: Any) -> Watched:
        made.append(Watched(**settings))
        return made[-1]

    yield make
    for item in reversed(made):
        item.close()


@pytest.fixture(scope="session")
def _instrumentors() -> Iterator[list[Instrumentor]]:
    """Those that were made and may still have a library wrapped."""
    made: list[Instrumentor] = []
    begin = Instrumentor.__init__

    def noted(self: Instrumentor) -> None:
        begin(self)
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Instrumentor, "__init__", noted)
        yield made


@pytest.fixture(autouse=True)
def _nothing_is_left(_instrumentors: list[Instrumentor]) -> Iterator[None]:
    """No test leaves a library wrapped, a span current or a global tracer provider set: others would meet it."""
    provider, current = trace.get_tracer_provider(), trace.get_current_span()
    wrapped = [made for made in _instrumentors if made._wrapped]
    yield
    _instrumentors[:] = [made for made in _instrumentors if made._wrapped]
    left = [made.library for made in _instrumentors if made not in wrapped]
    assert left == [], "left wrapped: shut the client down"
    assert trace.get_current_span() is current, f"left current: {trace.get_current_span()}"
    assert trace.get_tracer_provider() is provider, "a global tracer provider was left set"


@pytest.fixture(autouse=True)
def _own_store(_nothing_is_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes where a user's sessions are."""
    monkeypatch.setenv("AGENTOPS_STORE", str(tmp_path / "sessions.db"))

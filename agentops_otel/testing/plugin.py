"""Plugin: with `pytest --agentops` each test is a session, and the report tells what they cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from agentops_otel.accounting.tally import price_text
from agentops_otel.client import default as client
from agentops_otel.configuration import Configuration
from agentops_otel.conventions import names, plain

if TYPE_CHECKING:
    from collections.abc import Generator

    from agentops_otel.accounting.tally import Tally
    from agentops_otel.sessions.session import Session

_SECONDS = 10.0
_SESSION = pytest.StashKey["Session"]()
_FAILED = pytest.StashKey[str]()
_SKIPPED = pytest.StashKey[str]()


class Plugin:
    """A session for each test, under its node id and the tag `pytest`; `most` is what all may cost in USD."""

    def __init__(self, most: Decimal | None = None) -> None:
        self.most = most
        self.rows: list[dict[str, Any]] = []
        """Of each test that called a model: what its report says, in this process or in a worker of xdist."""

    # --- A test --------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Run the test in its session."""
        session = self._opened(item)
        if session is None:
            return (yield)
        item.stash[_SESSION] = session
        session.activate()
        try:
            return (yield)
        finally:
            if session.is_running:  # the run was interrupted
                session.end_session(end_state_reason="interrupted")
            session.deactivate()

    @staticmethod
    def _opened(item: pytest.Item) -> Session | None:
        try:
            if client.pipeline is None:
                client.init(Configuration.read(auto_start_session=False, log_summary=False), assumed=True)
            return client.open_session(["pytest"], item.nodeid)
        except Exception as error:
            client.faults.note("pytest.open", error)
            return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Hold the test to its marker."""
        result = yield
        session = item.stash.get(_SESSION, None)
        marker = item.get_closest_marker("agentops")
        if session is not None and marker is not None:
            exceeded = _exceeded(session.books.tally, session, **marker.kwargs)
            if exceeded:
                pytest.fail(exceeded, pytrace=False)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Note the outcome; with the last report of a test its session ends."""
        session = item.stash.get(_SESSION, None)
        figures = None
        if session is not None and call.when == "teardown":
            figures = _figures(session)
            if figures["llm_calls"]:
                item.user_properties += [(f"agentops.{name}", value) for name, value in figures.items()]
        report = yield
        if session is not None:
            _note(item, report, call)
            if figures is not None:
                report.agentops = figures | {"nodeid": item.nodeid, "session_id": session.session_id}
                if session.is_running:
                    session.end_session(*_outcome(item))
        return report

    # --- The run -------------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Gather what reports tell, those of workers too."""
        told = getattr(report, "agentops", None)
        if told is not None and told["llm_calls"]:
            self.rows.append(told)

    @property
    def total(self) -> Decimal:
        """What all tests cost in USD, as far as it is known."""
        return sum((Decimal(row["cost"]) for row in self.rows if row["cost"] is not None), Decimal(0))

    @property
    def complaint(self) -> str | None:
        """Why the run has cost too much."""
        if self.most is None or self.total <= self.most:
            return None
        return f"all tests cost ${_shown(self.total)}: more than --agentops-max-cost={_shown(self.most)}"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run that has cost too much, and deliver what waits."""
        if self.complaint and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        client.flush(_SECONDS)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """A line for each test that called a model, and the sum of all."""
        write = terminalreporter.write_line
        terminalreporter.write_sep("=", "cost of model calls")
        if not self.rows:
            write("no test called a model")
        else:
            width = max(len("$ cost"), *(len(_price(row)) for row in self.rows))
            write(f"{'$ cost':>{width}}  calls     tokens  test")
            for row in sorted(self.rows, key=lambda row: -Decimal(row["cost"] or 0)):
                write(f"{_price(row):>{width}}  {row['llm_calls']:>5}  {row['tokens']:>9}  {row['nodeid']}")
            calls, tokens = (sum(row[name] for row in self.rows) for name in ("llm_calls", "tokens"))
            write(f"{_shown(self.total):>{width}}  {calls:>5}  {tokens:>9}  in all")
            unpriced = sum(row["unpriced_calls"] for row in self.rows)
            if unpriced:
                write(f"{unpriced} calls have no known price and are not in these figures", yellow=True)
        if self.complaint:
            write(self.complaint, red=True, bold=True)


def _figures(session: Session) -> dict[str, Any]:
    cost = session.token_cost
    tally = session.books.tally
    return {
        "cost": None if cost is None else str(cost),
        "llm_calls": tally.llm_calls,
        "tokens": tally.total.input_tokens + tally.total.output_tokens,
        "unpriced_calls": tally.total.unpriced_calls,
    }


def _exceeded(tally: Tally, session: Session, *, max_cost: Any = None, max_llm_calls: int | None = None) -> str | None:
    """Which limit of its marker the test went beyond."""
    cost = session.token_cost
    if max_llm_calls is not None and tally.llm_calls > max_llm_calls:
        return f"{tally.llm_calls} model calls were made; the marker allows {max_llm_calls}"
    if max_cost is not None and cost is not None and cost > Decimal(str(max_cost)):
        return f"the model calls cost ${_shown(cost)}; the marker allows ${max_cost}"
    return None


def _note(item: pytest.Item, report: Any, call: pytest.CallInfo[None]) -> None:
    if report.failed:
        error = call.excinfo.value if call.excinfo is not None else None
        told = f"{report.when}" if error is None else f"{type(error).__name__}: {plain.described(error)}"
        item.stash.setdefault(_FAILED, told.partition("\n")[0].rstrip(": "))
    elif report.skipped:
        item.stash[_SKIPPED] = "xfailed" if hasattr(report, "wasxfail") else "skipped"


def _outcome(item: pytest.Item) -> tuple[str, str | None]:
    if _FAILED in item.stash:
        return names.FAILURE, item.stash[_FAILED]
    if _SKIPPED in item.stash:
        return names.INDETERMINATE, item.stash[_SKIPPED]
    return names.SUCCESS, None


def _price(row: dict[str, Any]) -> str:
    return "?" if row["cost"] is None else _shown(Decimal(row["cost"]))


def _shown(cost: Decimal) -> str:
    return price_text(cost.quantize(Decimal("0.000001")) if cost else cost)

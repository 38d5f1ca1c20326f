"""Parameters of requests as questions to the store, each told what it should be where it is not."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, TypeVar

from agentops_otel.server.answers import RefusedError
from agentops_otel.store.questions import FiguresQuery, SessionQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import QueryParams
    from starlette.requests import Request

_T = TypeVar("_T")

LIMIT: Final = 50
HIGHEST_LIMIT: Final = 1000
FACET_LIMIT: Final = 100
END_STATES: Final = ("Success", "Failure", "Indeterminate")
TIME_FORM: Final = "a time like 2026-11-21, 2026-11-21T08:30:00Z, or 24h and 7d for that long ago"
_AGO: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MOST_ROWS: Final = 10**9
_LATEST: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_YES: Final = {"true": True, "1": True, "false": False, "0": False}

SESSION_PARAMETERS: Final = frozenset(
    {
        "end_state", "tag", "model", "provider", "error_type", "host", "include",
        "since", "until", "min_cost", "max_cost",
        "min_duration", "max_duration", "is_running", "text", "sort", "order", "limit", "cursor", "format",
    }
)  # fmt: skip
FIGURES_PARAMETERS: Final = frozenset(
    {"by", "since", "until", "end_state", "tag", "model", "provider", "format"},
)


def project_of(request: Request) -> str | None:
    """The project that the request may see, as the gate found; None for all of them."""
    project: str | None = getattr(request.state, "project", None)
    return project


def session_query(request: Request) -> SessionQuery:
    """The sessions that a request asks for.

    Raises:
        RefusedError: a parameter is unknown, is told twice, or cannot be read.
    """
    told = _Told(request.query_params, SESSION_PARAMETERS, {"tag"})
    return SessionQuery(
        end_state=told.one("end_state", _one_of(END_STATES)),
        tags=tuple(request.query_params.getlist("tag")),
        model=told.one("model", str),
        provider=told.one("provider", str),
        error_type=told.one("error_type", str),
        host=told.one("host", str),
        since=told.one("since", _time),
        until=told.one("until", _time),
        min_cost=told.one("min_cost", _cost),
        max_cost=told.one("max_cost", _cost),
        min_duration=told.one("min_duration", _seconds),
        max_duration=told.one("max_duration", _seconds),
        is_running=told.one("is_running", _yes_or_no),
        text=told.one("text", str),
        sort=told.one("sort", str) or "start",
        descending=(told.one("order", _one_of(("desc", "asc"))) or "desc") == "desc",
        limit=told.one("limit", _limit) or LIMIT,
        cursor=told.one("cursor", str),
        project=project_of(request),
    )


def figures_query(request: Request) -> FiguresQuery:
    """The figures that a request asks for: `by=day,model`, or `by=day&by=model`.

    Raises:
        RefusedError: a parameter is unknown, is told twice, or cannot be read.
    """
    told = _Told(request.query_params, FIGURES_PARAMETERS, {"by"})
    listed = [name for value in request.query_params.getlist("by") for name in value.split(",")]
    return FiguresQuery(
        by=tuple(listed) or ("day",),
        since=told.one("since", _time),
        until=told.one("until", _time),
        end_state=told.one("end_state", _one_of(END_STATES)),
        tag=told.one("tag", str),
        model=told.one("model", str),
        provider=told.one("provider", str),
        project=project_of(request),
    )


def known(request: Request, *names: str) -> None:
    """Refuse parameters other than these."""
    _Told(request.query_params, frozenset(names), set())


def since(request: Request) -> int | None:
    """The time (ns) since which things are asked for; None for all of them."""
    told = request.query_params.get("since")
    return None if told is None else _read("since", told, _time)


def choice(request: Request, name: str, offered: tuple[str, ...]) -> str:
    """One of what is offered; the first where nothing is told."""
    return _read(name, request.query_params.get(name, offered[0]), _one_of(offered))


def included(request: Request) -> bool:
    """Whether `include=first_input` is asked for."""
    told = request.query_params.get("include")
    return told is not None and _read("include", told, _one_of(("first_input",))) is not None


def span_ids(request: Request) -> list[str] | None:
    """The spans that are asked for, as `span_id=A&span_id=B` or `span_id=A,B`; None for all of them.

    Raises:
        RefusedError: there are more than a thousand of them.
    """
    _Told(request.query_params, frozenset({"span_id", "format"}), {"span_id"})
    told = [span_id for value in request.query_params.getlist("span_id") for span_id in value.split(",")]
    if len(told) > HIGHEST_LIMIT:
        raise RefusedError(400, f"span_id is told more than {HIGHEST_LIMIT} times: ask in several requests")
    return told or None


@dataclass(frozen=True, slots=True)
class OutlineWindow:
    """Which rows of an outline are asked for: `limit` from `begin` on, or those around a span."""

    begin: int
    limit: int
    around: str | None
    only_errors: bool
    preview: bool


def outline_window(request: Request) -> OutlineWindow:
    """The window of a request: `from`, `limit`, `around`, `only=errors`, or a first look with `preview=true`."""
    told = _Told(request.query_params, frozenset({"from", "limit", "around", "only", "preview"}), set())
    return OutlineWindow(
        begin=told.one("from", lambda value: _whole(value, 0, _MOST_ROWS)) or 0,
        limit=told.one("limit", lambda value: _whole(value, 1, _MOST_ROWS)) or _MOST_ROWS,
        around=told.one("around", str),
        only_errors=told.one("only", _one_of(("errors",))) is not None,
        preview=told.one("preview", _yes_or_no) or False,
    )


def transcript_window(request: Request) -> tuple[int, int]:
    """The first turn that a request asks for, and how many."""
    told = _Told(request.query_params, frozenset({"from", "limit", "format"}), set())
    return (
        told.one("from", lambda value: _whole(value, 0, _MOST_ROWS)) or 0,
        told.one("limit", lambda value: _whole(value, 1, _MOST_ROWS)) or _MOST_ROWS,
    )


def number(request: Request, name: str, default: int, highest: int) -> int:
    """A whole number from 1 to `highest`."""
    told = request.query_params.get(name)
    return default if told is None else _read(name, told, lambda value: _whole(value, 1, highest))


class _Told:
    """The parameters of a request, of which only those in `many` may be told more than once."""

    def __init__(self, parameters: QueryParams, known_names: frozenset[str], many: set[str]) -> None:
        self._parameters = parameters
        for name in parameters:
            if name not in known_names:
                raise RefusedError(
                    400, f"there is no parameter {name!r}: take {', '.join(sorted(known_names)) or 'none'}"
                )
            if name not in many and len(parameters.getlist(name)) > 1:
                raise RefusedError(400, f"{name} is told twice: tell it once")

    def one(self, name: str, read: Callable[[str], _T]) -> _T | None:
        value = self._parameters.get(name)
        return None if value is None else _read(name, value, read)


def _read(name: str, value: str, read: Callable[[str], _T]) -> _T:
    try:
        return read(value)
    except (ValueError, OverflowError, InvalidOperation) as error:
        raise RefusedError(400, f"{name} is {error}") from error


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def _limit(value: str) -> int:
    return _whole(value, 1, HIGHEST_LIMIT)


def _whole(value: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 19 or not least <= int(value) <= most:  # noqa: PLR2004
        raise ValueError(f"a number from {least} to {most}")
    return int(value)


def _cost(value: str) -> Decimal:
    try:
        cost = Decimal(value)
    except InvalidOperation:
        cost = Decimal("nan")
    if not cost.is_finite() or cost < 0:
        raise ValueError("an amount in USD, like 0.25")
    return cost


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError("a number of seconds, like 1.5")
    return seconds


def _yes_or_no(value: str) -> bool:
    if value.lower() not in _YES:
        raise ValueError("true or false")
    return _YES[value.lower()]


def _time(value: str) -> int:
    """Nanoseconds since the epoch; a time without a zone is UTC."""
    ago = _AGO.fullmatch(value)
    if ago is not None:
        return max(time.time_ns() - int(ago[1]) * _SECONDS[ago[2]] * 10**9, 0)
    try:
        # A plus stands for a blank in a query; Python 3.10 reads no Z.
        read = datetime.fromisoformat(
            value.replace(" ", "+").removesuffix("Z") + ("+00:00" if value.endswith("Z") else "")
        )
    except ValueError:
        raise ValueError(TIME_FORM) from None
    zoned = read if read.tzinfo is not None else read.replace(tzinfo=timezone.utc)
    since = zoned - _EPOCH
    return min(max((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000, 0), _LATEST)

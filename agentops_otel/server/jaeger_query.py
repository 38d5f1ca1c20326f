"""What Jaeger's two query APIs are asked: their parameters, read in Jaeger's words and within bounds."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from agentops_otel.store.traces import TraceQuery

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import QueryParams

MOST_TRACES: Final = 1500
"""Traces of one answer; Jaeger's own page offers no more."""
TRACES: Final = 100

_MICROSECOND, _MILLISECOND, _SECOND = 10**3, 10**6, 10**9
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3600 * _SECOND, 86_400 * _SECOND
_LOOKBACK: Final = 48 * _HOUR
_LATEST: Final = 2**63 - 1
_MOST_TAGS: Final = 32
_TRACE_ID: Final = re.compile(r"[0-9a-f]{1,32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UNITS: Final = {
    "ns": 1,
    "us": _MICROSECOND,
    "µs": _MICROSECOND,
    "μs": _MICROSECOND,
    "ms": _MILLISECOND,
    "s": _SECOND,
    "m": _MINUTE,
    "h": _HOUR,
}
_PART: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(ns|us|µs|μs|ms|s|m|h)")
_DURATION: Final = re.compile(rf"0|(?:{_PART.pattern})+")
_LOOKBACKS: Final = re.compile(r"([0-9]{1,9})([mhdw])")
_LOOKBACK_UNITS: Final = {"m": _MINUTE, "h": _HOUR, "d": _DAY, "w": 7 * _DAY}
# An unescaped plus sign, as Grafana sends it, arrives as a space.
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([ +-])(\d\d):(\d\d))")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class QueryError(Exception):
    """A question that cannot be answered; `status` is the HTTP status that says so."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ParameterError(QueryError):
    """A parameter that cannot be read; the message names it and says what it may be."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        super().__init__(f"unable to parse param '{name}': {expected} is expected, not {value[:100]!r}")


def trace_id_of(told: str, name: str = "traceID") -> str:
    """The trace id that is meant by up to 32 hex digits, or by the UUID that a session is known by."""
    if not _TRACE_ID.fullmatch(told):
        raise ParameterError(name, told, "a trace id of 1 to 32 hex digits")
    return told.replace("-", "").lower().zfill(32)


def search_of(asked: QueryParams) -> TraceQuery:
    """A search as `/api/traces` is asked for it.

    Raises:
        QueryError: a parameter cannot be read, or there is no service.
    """
    service = asked.get("service") or None
    if service is None:
        raise QueryError("parameter 'service' is required")
    until = _number_of(asked, "end", _MICROSECOND)
    if until is None:
        until = time.time_ns()
    since = _number_of(asked, "start", _MICROSECOND)
    return TraceQuery(
        service=service,
        operation=asked.get("operation") or None,
        tags=_tags(asked.getlist("tag"), asked.getlist("tags")),
        since=max(until - _lookback(asked), 0) if since is None else since,
        until=until,
        limit=limit_of(asked, "limit", lowest=1),
        **_lengths(asked, "minDuration", "maxDuration"),
    )


def search_of_v3(asked: QueryParams) -> TraceQuery:
    """A search as `/api/v3/traces` is asked for it; names are `query.service_name` or `query.serviceName`.

    Raises:
        QueryError: a parameter cannot be read, or one is missing.
    """
    told = _spelled_alike(asked)
    for name in ("query.filter", "query.pagination.page_token"):
        if told.get(name):
            raise QueryError(f"parameter {name} is not supported here: ask without it")
    since, until = (told.get(f"query.start_time_{end}") for end in ("min", "max"))
    if not since or not until:
        raise QueryError("query.start_time_min and query.start_time_max are required")
    depths = "query.search_depth", "query.num_traces", "query.pagination.page_size"
    depth = next((name for name in depths if told.get(name)), depths[0])
    return TraceQuery(
        service=told.get("query.service_name") or None,
        operation=told.get("query.operation_name") or told.get("query.span_name") or None,
        tags=_tags([], filter(None, [told.get("query.attributes")]), "query.attributes"),
        since=time_of(since, "query.start_time_min"),
        until=time_of(until, "query.start_time_max"),
        limit=limit_of(told, depth, lowest=0) or TRACES,
        **_lengths(told, "query.duration_min", "query.duration_max"),
    )


def range_of(asked: QueryParams) -> tuple[int, int]:
    """The time (ns) that `/api/dependencies` is asked about: `lookback` ms before `endTs` ms, a day without it."""
    until = _number_of(asked, "endTs", _MILLISECOND)
    lookback = _number_of(asked, "lookback", _MILLISECOND)
    until = time.time_ns() if until is None else until
    return max(until - (_DAY if lookback is None else lookback), 0), until


def range_of_v3(asked: QueryParams) -> tuple[int, int]:
    """The same for `/api/v3/dependencies`, from `startTime` to `endTime`."""
    told = _spelled_alike(asked)
    since, until = told.get("start_time"), told.get("end_time")
    if not since or not until:
        raise QueryError("startTime and endTime are required")
    return time_of(since, "startTime"), time_of(until, "endTime")


def kind_of(asked: QueryParams) -> str | None:
    """The kind of spans that operations are asked for; None for all."""
    return (asked.get("spanKind") or asked.get("span_kind") or "").lower() or None


def time_of(told: str, name: str) -> int:
    """A time of RFC 3339 in nanoseconds since the epoch."""
    expected = "a time such as 2026-11-21T13:00:00.000000001Z, from 1970 to 2262,"
    found = _TIME.fullmatch(told.strip())
    try:
        if found is None:
            raise ParameterError(name, told, expected)
        day, clock, fraction, sign, hours, minutes = found.groups()
        whole = datetime.fromisoformat(f"{day}T{clock}+00:00") - _EPOCH
    except ValueError:
        raise ParameterError(name, told, expected) from None
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    seconds = whole + offset if sign == "-" else whole - offset
    nanoseconds = (seconds // timedelta(seconds=1)) * _SECOND + int((fraction or "0").ljust(9, "0"))
    if not 0 <= nanoseconds <= _LATEST:
        raise ParameterError(name, told, expected)
    return nanoseconds


def duration_of(told: str, name: str) -> int:
    """A duration as Go writes them (`1.5s`, `300ms`, `1h15m`), in nanoseconds."""
    if not _DURATION.fullmatch(told):
        raise ParameterError(name, told, "a duration such as 1.5s, 300ms or 1h15m")
    return min(int(sum(Decimal(number) * _UNITS[unit] for number, unit in _PART.findall(told))), _LATEST)


def limit_of(asked: QueryParams, name: str, *, lowest: int) -> int:
    """How many traces are asked for, at most."""
    told = asked.get(name) or str(TRACES)
    number = int(told) if re.fullmatch(r"[0-9]{1,9}", told) else -1
    if not lowest <= number <= MOST_TRACES:
        raise ParameterError(name, told, f"a number from {lowest} to {MOST_TRACES}")
    return number


def _spelled_alike(asked: QueryParams) -> QueryParams:
    """The same parameters with their names in snake case, where grpc-gateway takes camel case as well."""
    return type(asked)(
        [(re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key), value) for key, value in asked.multi_items()]
    )


def _number_of(asked: QueryParams, name: str, unit: int) -> int | None:
    told = asked.get(name)
    if not told:
        return None
    if not re.fullmatch(r"[0-9]{1,19}", told) or int(told) * unit > _LATEST:
        words = {_MICROSECOND: "microseconds", _MILLISECOND: "milliseconds"}
        raise ParameterError(name, told, f"a number of {words[unit]}, not after the year 2262,")
    return int(told) * unit


def _lookback(asked: QueryParams) -> int:
    """Jaeger's page says `1h`, `2d`, or `custom` beside a start of its own."""
    found = _LOOKBACKS.fullmatch(asked.get("lookback") or "")
    return int(found[1]) * _LOOKBACK_UNITS[found[2]] if found else _LOOKBACK


def _lengths(asked: QueryParams, shortest: str, longest: str) -> dict[str, int | None]:
    told = [(asked.get(name), name) for name in (shortest, longest)]
    least, most = (duration_of(value, name) if value else None for value, name in told)
    if least is not None and most is not None and most < least:
        raise QueryError(f"'{longest}' should be greater than '{shortest}'")
    return {"shortest": least, "longest": most}


def _tags(pairs: Iterable[str], objects: Iterable[str], name: str = "tags") -> dict[str, str]:
    """Tags as `tag=key:value`, and as JSON objects of text."""
    tags: dict[str, str] = {}
    for pair in pairs:
        key, colon, value = pair.partition(":")
        if not colon:
            raise QueryError(f"malformed 'tag' parameter, expecting key:value, received: {pair[:100]}")
        tags[key] = value
    for told in objects:
        try:
            read = json.loads(told) if told else {}
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
            raise ParameterError(name, told, 'a JSON object of text such as {"error":"true"}')
        tags |= read
    if len(tags) > _MOST_TAGS:
        raise QueryError(f"at most {_MOST_TAGS} tags can be asked for at once")
    return tags

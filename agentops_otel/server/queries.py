"""What the API, the page and the command line ask over any store."""

from __future__ import annotations

import functools
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.accounting.tally import cost_of, price_text
from agentops_otel.conventions import names
from agentops_otel.conventions.attributes import read_usage
from agentops_otel.conventions.model import Usage
from agentops_otel.server import chatml
from agentops_otel.server.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.accounting.tally import Part
    from agentops_otel.store.base import SessionRow, Store
    from agentops_otel.store.questions import Figures, Hit

_LATEST: Final = 2**63 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def timestamp(time: int | None) -> str | None:
    """A time in nanoseconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    if time is None:
        return None
    seconds, rest = divmod(min(max(time, 0), _LATEST), 10**9)
    return f"{_second(seconds)}.{rest // 10**6:03}+00:00"


@functools.lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def duration(row: SessionRow) -> float | None:
    """Seconds from the beginning of a session to its end, or to its last sign of life; None while it runs."""
    if row.is_running:
        return None
    end = row.last_time if row.end_time is None else row.end_time
    return max(end - row.start_time, 0) / 10**9


def session_json(row: SessionRow) -> dict[str, Any]:
    """A session as `sessions ls --json` and the API list it.

    `cost` is a decimal string in USD, or None where not one call has a known price; `duration` is in
    seconds, None while the session runs.
    """
    return {
        "id": row.session_id,
        "project_id": row.project_id,
        "name": _text(row.resource.get(names.SERVICE_NAME)),
        "host": _text(row.resource.get(names.HOST_NAME)),
        "init_timestamp": timestamp(row.start_time),
        "end_timestamp": timestamp(row.end_time),
        "end_state": row.end_state,
        "end_state_reason": row.end_state_reason,
        "is_running": row.is_running,
        "tags": list(row.tags),
        "video": row.video,
        "cost": _price(row.cost),
        "unpriced_calls": row.unpriced_calls,
        "duration": duration(row),
        "llm_calls": row.llm_calls,
        "tool_calls": row.tool_calls,
        "actions": row.actions,
        "errors": row.errors,
        "tokens": dict(row.tokens),
        "models": list(row.models),
    }


def figures_json(figures: Figures) -> dict[str, Any]:
    """A group of sessions as the API lists it, its keys beside its figures; `cost` as in `session_json`."""
    return {
        **figures.keys,
        "sessions": figures.sessions,
        "cost": _price(figures.cost),
        "unpriced_calls": figures.unpriced_calls,
        "llm_calls": figures.llm_calls,
        "tool_calls": figures.tool_calls,
        "actions": figures.actions,
        "errors": figures.errors,
        "tokens": dict(figures.tokens),
    }


def hit_json(hit: Hit) -> dict[str, Any]:
    """A span in which a text was found, as the API lists it."""
    return {
        "session_id": hit.session_id,
        "span_id": hit.span_id,
        "name": hit.name,
        "init_timestamp": timestamp(hit.start_time),
        "excerpt": hit.excerpt,
    }


def export(store: Store, session_id: str, project: str | None = None) -> dict[str, Any]:
    """Everything that is known of a session, in the shape of AgentOps' classic export and valid JSON.

    Statistics and lists come from one reading of the records: `events` is the length of the four lists.

    Raises:
        KeyError: the store has no session of this id.
        StoreError: the store cannot be read.
    """
    whole = store.whole(session_id, project)
    if whole is None:
        raise KeyError(session_id)
    return export_of(*whole)


def export_of(row: SessionRow, records: Iterable[SpanRecord]) -> dict[str, Any]:
    """The same from a row and its records, for those who have them."""
    return _Export(row, list(records)).whole()


def statistics(row: SessionRow, tally: Listing) -> dict[str, Any]:
    """The statistics section of the export."""
    return {
        "session_id": row.session_id,
        "events": sum(map(len, tally.lists)),
        "llm_calls": tally.llm_calls,
        "tool_calls": tally.tool_calls,
        "actions": tally.actions,
        "errors": tally.errors,
        "duration": duration(row),
        "cost": _price(tally.cost),
        "unpriced_calls": tally.total.unpriced_calls,
        "prompt_tokens": tally.total.input_tokens,
        "completion_tokens": tally.total.output_tokens,
        "tokens": tally.total.tokens,
        "by_model": {model: _part(part) for model, part in sorted(tally.by_model.items())},
    }


class _Export:
    """One export in the making: a session's row, its records, and what the tally counted of them."""

    def __init__(self, row: SessionRow, records: list[SpanRecord]) -> None:
        self._row = row
        self._listing = Listing.of(records)
        self._records = {record.span_id: record for record in records}
        kinds = zip(("llms", "tools", "actions"), self._listing.lists, strict=False)
        self._event_types = {record.span_id: kind for kind, listed in kinds for record in listed}

    def whole(self) -> dict[str, Any]:
        row, listing = self._row, self._listing
        return {
            "session": {
                "id": row.session_id,
                "project_id": row.project_id,
                "project_id_secondary": None,
                "init_timestamp": timestamp(row.start_time),
                "end_timestamp": timestamp(row.end_time),
                "tags": list(row.tags),
                "end_state": row.end_state,
                "end_state_reason": row.end_state_reason,
                "video": row.video,
                "host_env": dict(row.resource),
            },
            "statistics": statistics(row, listing),
            "actions": [self._action(record) for record in listing.action_records],
            "llms": [self._llm(record) for record in listing.llm_records],
            "tools": [self._tool(record) for record in listing.tool_records],
            "errors": [self._error(record) for record in listing.error_records],
        }

    def _event(self, record: SpanRecord, **fields: Any) -> dict[str, Any]:
        told = record.attributes
        return {
            "id": _event_id(record),
            "session_id": self._row.session_id,
            "agent_id": self._agent_id(record),
            **fields,
            "params": parsed(told.get(names.EVENT_PARAMS, told.get(names.TOOL_CALL_ARGUMENTS))),
            "returns": parsed(told.get(names.EVENT_RETURNS, told.get(names.TOOL_CALL_RESULT))),
            "init_timestamp": timestamp(record.start_time),
            "end_timestamp": timestamp(record.end_time),
        }

    def _action(self, record: SpanRecord) -> dict[str, Any]:
        told = record.attributes
        return self._event(
            record,
            action_type=told.get(names.ACTION_TYPE) or record.name,
            logs=_text_or_parsed(told.get(names.EVENT_LOGS)),
            screenshot=told.get(names.EVENT_SCREENSHOT),
        )

    def _llm(self, record: SpanRecord) -> dict[str, Any]:
        told, prefix = record.attributes, ""
        answer = self._listing.fetched.get(str(told.get(names.RESPONSE_ID)))
        if answer is not None and names.INPUT_TOKENS not in told:
            told, prefix = {**told, **answer.attributes}, names.FETCHED
        usage = read_usage(told, prefix) or Usage()
        return self._event(
            record,
            thread_id=told.get(names.EVENT_THREAD_ID),
            prompt=chatml.prompt(told),
            completion=chatml.completion(told),
            model=told.get(names.RESPONSE_MODEL) or told.get(names.REQUEST_MODEL),
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            cost=_price(cost_of(told)),
            promptarmor_flag=None,
        )

    def _tool(self, record: SpanRecord) -> dict[str, Any]:
        told = record.attributes
        return self._event(
            record,
            name=told.get(names.TOOL_NAME) or record.name,
            logs=_text_or_parsed(told.get(names.EVENT_LOGS)),
        )

    def _error(self, record: SpanRecord) -> dict[str, Any]:
        told, (time, exception) = record.attributes, _exception(record)
        recorded = told.get(names.SPAN_KIND) == names.KIND_ERROR
        kind = self._event_types.get(record.span_id) or told.get(names.SPAN_KIND)
        return {
            "id": _event_id(record),
            "session_id": self._row.session_id,
            "trigger_event_id": told.get(names.EVENT_TRIGGER_ID) if recorded else _event_id(record),
            "trigger_event_type": told.get(names.EVENT_TRIGGER_TYPE) if recorded else kind,
            "error_type": told.get(names.ERROR_TYPE) or exception.get(names.EXCEPTION_TYPE),
            "code": told.get(names.EVENT_CODE),
            "details": _text_or_parsed(told.get(names.EVENT_DETAILS))
            or record.status_message
            or exception.get(names.EXCEPTION_MESSAGE),
            "logs": _text_or_parsed(told.get(names.EVENT_LOGS)) or exception.get(names.EXCEPTION_STACKTRACE),
            "timestamp": timestamp(time),
        }

    def _agent_id(self, record: SpanRecord) -> Any:
        """The agent that the span names, else the nearest one that it ran under."""
        seen: set[str] = set()
        above: SpanRecord | None = record
        while above is not None and above.span_id not in seen:
            seen.add(above.span_id)
            told = above.attributes
            named = told.get(names.EVENT_AGENT_ID) or told.get(names.AGENT_ID)
            if named or told.get(names.SPAN_KIND) == names.KIND_AGENT:
                return named or _event_id(above)
            above = self._records.get(above.parent_id or "")
        return None


def _event_id(record: SpanRecord) -> str:
    return str(record.attributes.get(names.EVENT_ID) or record.span_id)


def _exception(record: SpanRecord) -> tuple[int | None, Mapping[str, Any]]:
    """When the last exception was recorded on a span, and its attributes; else the span's end and none."""
    for event in reversed(record.events):
        if event.get("name") == "exception":
            time = event.get("timestamp")
            return time if isinstance(time, int) else record.end_time, event.get("attributes") or {}
    return record.end_time, {}


def _part(part: Part) -> dict[str, Any]:
    return {"calls": part.calls, "cost": _price(part.cost), "tokens": part.tokens}


def _price(cost: Decimal | None) -> str | None:
    return None if cost is None else price_text(cost)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def parsed(value: Any) -> Any:
    """What a JSON attribute holds; the text itself where it is no JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=str)
    except (ValueError, RecursionError):
        return value


def _text_or_parsed(value: Any) -> Any:
    """The same for attributes that are written as they are when they are text, and as JSON otherwise."""
    return parsed(value) if isinstance(value, str) and value.startswith(("[", "{")) else value

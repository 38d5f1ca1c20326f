"""Sessions as files: JSON, JSON lines, CSV, and OTLP for any collector."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.cli import text
from agentops_otel.server.otlp_json import traces_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agentops_otel.cli.reader import Reader

FORMS: Final = ("json", "jsonl", "csv", "otlp")

_KINDS: Final = {"llms": "llm", "tools": "tool", "actions": "action", "errors": "error"}
EXPORTED: Final = tuple(_KINDS)
"""The lists of an export."""
_COLUMNS: Final = (
    "session_id",
    "type",
    "id",
    "name",
    "agent_id",
    "init_timestamp",
    "end_timestamp",
    "model",
    "prompt_tokens",
    "completion_tokens",
    "cost",
    "prompt",
    "completion",
    "params",
    "returns",
    "logs",
    "error_type",
    "code",
    "details",
    "trigger_event_id",
)
_NAMES: Final = {"llms": "model", "tools": "name", "actions": "action_type", "errors": "error_type"}


def written(reader: Reader, ids: Iterable[str], form: str, *, as_list: bool) -> Iterator[str]:
    """The sessions in one of `FORMS`, a piece of text for each, so that no more than one is in memory.

    `json` is one indented object, or with `as_list` an array of them. `jsonl` has a session in each line.
    `csv` has a row for each LLM call, tool call, action and error, by time. `otlp` has the spans of a session
    in each line, as OpenTelemetry's collector reads files, and as a POST to `/v1/traces` takes them.
    """
    if form == "json":
        pieces = (indented(reader.export(session_id)) for session_id in ids)
        yield from _array(pieces) if as_list else (f"{piece}\n" for piece in pieces)
    elif form == "jsonl":
        yield from (f"{line(reader.export(session_id))}\n" for session_id in ids)
    elif form == "otlp":
        yield from (f"{line(traces_data(reader.spans(session_id)))}\n" for session_id in ids)
    else:
        yield _rows([_COLUMNS])
        yield from (_rows(_events(reader.export(session_id))) for session_id in ids)


def line(value: Any) -> str:
    """The value as JSON on one line, with nothing in it that a terminal would obey."""
    return text.harmless_json(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def indented(value: Any) -> str:
    """The value as JSON for people, as harmless."""
    return text.harmless_json(json.dumps(value, ensure_ascii=False, indent=2))


def _array(pieces: Iterable[str]) -> Iterator[str]:
    before = "[\n"
    for piece in pieces:
        yield before + piece
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _events(whole: dict[str, Any]) -> list[tuple[Any, ...]]:
    events = []
    for kind, word in _KINDS.items():
        for told in whole[kind]:
            fields = {**told, "type": word, "name": told.get(_NAMES[kind])}
            fields["init_timestamp"] = told.get("init_timestamp") or told.get("timestamp")
            events.append(fields)
    events.sort(key=lambda fields: fields["init_timestamp"] or "")
    return [tuple(_cell(fields.get(name)) for name in _COLUMNS) for fields in events]


def _cell(value: Any) -> Any:
    return line(value) if isinstance(value, (dict, list)) else value


def _rows(rows: Iterable[Iterable[Any]]) -> str:
    kept = io.StringIO()
    csv.writer(kept, lineterminator="\n").writerows(rows)
    return kept.getvalue()

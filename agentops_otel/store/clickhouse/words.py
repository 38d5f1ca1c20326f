"""Words that are looked for in spans: as whole words, in SQL over the collector's tables."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names
from agentops_otel.store import rows, texts
from agentops_otel.store.clickhouse.facts import SESSION, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentops_otel.store.clickhouse.asking import Values
    from agentops_otel.store.clickhouse.layout import Layout

_OTHER: Final = r"[^\p{L}\p{N}\p{Co}]"
_WORD: Final = re.compile(r"[^\W_]+")
_SAID: Final = (
    "concatWithSeparator('\\n', toString(SpanName), StatusMessage, TraceId, SpanId, {session}, "
    "arrayStringConcat(mapValues(SpanAttributes), '\\n'), "
    "arrayStringConcat(Events.Name, '\\n'), "
    "arrayStringConcat(arrayMap(told -> arrayStringConcat(mapValues(told), '\\n'), Events.Attributes), '\\n'))"
)
# Of JSON, what is said counts: neither its names, nor its escapes, which hide the word behind them.
_PLAIN: Final = "replaceRegexpAll({}, '\\\\\\\\[nrtbf]|\"[A-Za-z0-9_.]+\":', ' ')"


def patterns_of(text: str) -> list[tuple[list[str], str]]:
    """For each word or phrase of a search, the words in it, and the expression that finds them as whole words.

    Raises:
        QuestionError: there is no word in it.
    """
    texts.words_of(text)
    found = []
    for phrase, word in texts.WORD.findall(rows.clean(text).replace("\0", " ")):
        told = phrase or word
        pieces = _WORD.findall(told)
        if not pieces:
            continue
        end = "" if told.endswith("*") else f"(?:{_OTHER}|$)"
        found.append((pieces, f"(?i)(?:^|{_OTHER})" + f"{_OTHER}+".join(map(re.escape, pieces)) + end))
    return found


def condition(values: Values, text: str) -> str:
    """Whether all of it is found in a row of spans."""
    said = _SAID.format(session=SESSION)
    told = []
    for pieces, pattern in patterns_of(text):
        # Texts are looked through for the letters first, which is many times faster.
        told += [f"positionCaseInsensitiveUTF8({said}, {values.text(piece)}) > 0" for piece in pieces]
        told.append(f"match({_PLAIN.format(said)}, {values.text(pattern)})")
    return " AND ".join(told)


def sessions_with(layout: Layout, spans: str) -> str:
    """The sessions, and their projects, that have rows of spans of which this is true."""
    return f"SELECT {SESSION}, {layout.told.project_of_span} FROM {layout.told.spans} WHERE {spans}"


def hit_row(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row of `HITS` as one of `texts.HIT_COLUMNS`."""
    session_id, span_id, name, start_time, told, message, events, trace_id = row
    content = {name: text for name, text in told.items() if name in rows.CONTENT}
    others = {name: text for name, text in told.items() if name not in rows.CONTENT}
    written = [json.dumps(each, ensure_ascii=False) if each else "" for each in (content, others, events)]
    return session_id, span_id, name, start_time, written[0], message, written[1], written[2], trace_id


HITS: Final = (
    f"{SESSION}, SpanId, toString(SpanName), toUnixTimestamp64Nano(Timestamp), SpanAttributes, StatusMessage, "
    "Events.Attributes, TraceId"
)
FIRST_COLUMNS: Final = (
    f"{SESSION} AS session, {{project}} AS project, Timestamp AS start, mapFilter((name, told) -> name IN "
    f"{listed((names.INPUT_MESSAGES, names.INPUT_VALUE))}, SpanAttributes) AS said"
)
"""What is read of a span to find the first words of its session."""

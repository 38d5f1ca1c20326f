"""Full-text search over spans: an index that follows the records, and the words that are looked for in it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import re
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.store import rows
from agentops_otel.store.questions import Hit, QuestionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RULES: Final = 1
"""Raise it when `text_of` reads the same record differently: the index is then made anew."""

_LONGEST: Final = 256 * 1024
"""Characters of one span that are indexed."""
_DEPTH: Final = 40
_AROUND: Final = 60
_DECODER: Final = json.JSONDecoder()
_OPENINGS: Final = frozenset("[{")
WORD: Final = re.compile(r'"([^"]*)"|(\S+)')
_COLUMNS: Final = ", ".join(rows.SPAN_COLUMNS)
_SPAN: Final = f"SELECT id, {_COLUMNS} FROM spans WHERE id = ?"  # noqa: S608
_ENDED_SPANS: Final = f"SELECT id, {_COLUMNS} FROM spans WHERE id > ? AND id <= ? AND end_time IS NOT NULL ORDER BY id"  # noqa: S608
_JSON_PLACES: Final = [rows.SPAN_COLUMNS.index(name) for name in ("attributes", "content", "events")]
_PLAIN_PLACES: Final = [
    rows.SPAN_COLUMNS.index(name) for name in ("name", "trace_id", "span_id", "session_id", "status_message")
]
_INSERT: Final = "INSERT INTO texts (rowid, told) VALUES (?, ?)"
HIT_COLUMNS: Final = (
    *("session_id", "span_id", "name", "start_time"),
    *("content", "status_message", "attributes", "events", "trace_id"),
)
"""What a hit tells, and where else a word is looked for to show what stands around it: what was said first."""


@functools.cache
def is_possible() -> bool:
    """Whether this Python's SQLite has FTS5."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        return bool(connection.execute("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'").fetchone()[0])


def text_of(row: Sequence[Any], told: Iterable[Any] | None = None) -> str:
    """What is found of a span (a row of `SPAN_COLUMNS`): ids, name, error, and every text in its values.

    `told` is what its JSON columns say, where that is known.
    """
    parts = [str(row[place]) for place in _PLAIN_PLACES if row[place]]
    if told is None:
        told = [rows.read_json(row[place]) for place in _JSON_PLACES if row[place]]
    for value in told:
        _gather(value, 0, parts)
    return rows.clean("\n".join(parts)[:_LONGEST])


def add(connection: sqlite3.Connection, before: int, told: Sequence[str | None]) -> None:
    """Index the spans that were just inserted after the number `before`, within the caller's transaction.

    `told` are their texts in the order of their numbers, None for those that have not ended. An index that is further
    behind is left to `follow`.
    """
    if not is_possible() or _begun(connection) != before:
        return
    last = connection.execute("SELECT coalesce(max(id), 0) FROM spans").fetchone()[0]
    if last != before + len(told):  # some were there before, and others may have ended
        follow(connection, len(told))
        return
    found = ((span, text) for span, text in enumerate(told, before + 1) if text is not None)
    connection.executemany(_INSERT, found)
    connection.execute("UPDATE counters SET value = ? WHERE name = 'texts_until'", (last,))
    connection.execute("DELETE FROM unindexed WHERE span > ? AND span <= ?", (before, last))


def follow(connection: sqlite3.Connection, most: int) -> bool:
    """Index up to `most` spans that have come since, within the caller's transaction; False where none is left."""
    until = _begun(connection)
    late = [span for (span,) in connection.execute("SELECT span FROM unindexed WHERE span <= ? LIMIT ?", (until, most))]
    _put(connection, itertools.chain.from_iterable(connection.execute(_SPAN, (span,)) for span in late))
    connection.executemany("DELETE FROM unindexed WHERE span = ?", [(span,) for span in late])
    last, count = connection.execute(
        "SELECT max(id), count(*) FROM (SELECT id FROM spans WHERE id > ? ORDER BY id LIMIT ?)", (until, most)
    ).fetchone()
    if count:
        _put(connection, connection.execute(_ENDED_SPANS, (until, last)))
        connection.execute("UPDATE counters SET value = ? WHERE name = 'texts_until'", (last,))
        connection.execute("DELETE FROM unindexed WHERE span > ? AND span <= ?", (until, last))
    return most in {count, len(late)}


def is_behind(connection: sqlite3.Connection) -> bool:
    """Whether spans have come that are not indexed."""
    return bool(
        connection.execute(
            "SELECT EXISTS (SELECT 1 FROM spans WHERE id > (SELECT value FROM counters WHERE name = 'texts_until')) "
            "OR EXISTS (SELECT 1 FROM unindexed) "
            "OR NOT EXISTS (SELECT 1 FROM counters WHERE name = 'texts_rules' AND value = ?)",
            (RULES,),
        ).fetchone()[0]
    )


def forget(connection: sqlite3.Connection, spans: Iterable[int]) -> None:
    """Take spans out of the index before they are deleted, within the caller's transaction."""
    if not is_possible():
        # Nobody here can take them out: whoever can makes the index anew.
        connection.execute("DELETE FROM counters WHERE name = 'texts_rules'")
        return
    until = _begun(connection)
    for span in spans:
        pending = connection.execute("SELECT 1 FROM unindexed WHERE span = ?", (span,)).fetchone()
        found = connection.execute(_SPAN, (span,)).fetchone()
        row = found and found[1:]
        if span <= until and pending is None and row and row[rows.END_PLACE] is not None:
            connection.execute("INSERT INTO texts (texts, rowid, told) VALUES ('delete', ?, ?)", (span, text_of(row)))
        connection.execute("DELETE FROM unindexed WHERE span = ?", (span,))


def words_of(text: str) -> str:
    """The words as FTS5 asks for them: all must be there; `"a b"` in this order; `begin*` stands for its endings.

    Raises:
        QuestionError: there is no word in it.
    """
    asked = []
    for phrase, word in WORD.findall(rows.clean(text).replace("\0", " ")):
        told = phrase or word
        if not any(map(str.isalnum, told)):
            continue
        is_prefix = told.endswith("*")
        quoted = told.rstrip("*").replace('"', "")
        asked.append(f'"{quoted}"' + ("*" if is_prefix else ""))
    if not asked:
        raise QuestionError("a search needs a word of letters or digits")
    return " ".join(asked)


def pattern_of(text: str) -> tuple[str, list[str]]:
    """A condition on spans for where there is no index, and its values: slow, and of parts of words too."""
    told = [phrase or word for phrase, word in WORD.findall(rows.clean(text))]
    columns = ("name", "status_message", "attributes", "content", "events", "trace_id", "span_id", "session_id")
    whole = " || ' ' || ".join(f"coalesce(t.{name}, '')" for name in columns)
    condition = " AND ".join(f"instr(lower({whole}), lower(?)) > 0" for _ in told)
    return f"({condition})", [word.rstrip("*") for word in told]


def hits_of(found: Iterable[Sequence[Any]], text: str) -> list[Hit]:
    """The spans of rows of `HIT_COLUMNS`, each with what stands around the first word that is found in it."""
    words = [(phrase or word).rstrip("*").lower() for phrase, word in WORD.findall(text)]
    hits = []
    for session_id, span_id, name, start_time, content, message, *others in found:
        excerpt = ""
        for whole in (content, message, name, *others, span_id):
            if whole and (excerpt := _excerpt(whole, words)):
                break
        hits.append(Hit(session_id, span_id, name, start_time, excerpt))
    return hits


def _excerpt(whole: str, words: Sequence[str]) -> str:
    """What stands around a word, within the string of a JSON text that it is in."""
    lowered = whole.lower()
    place = next((place for place in map(lowered.find, words) if place >= 0), -1)
    if place < 0:
        return ""
    begin = max(place - _AROUND, whole.rfind('"', 0, place) + 1, 0)
    end = whole.find('"', place)
    cut = whole[begin : min(place + 2 * _AROUND, len(whole) if end < 0 else end)]
    return " ".join(cut.replace("\\n", " ").replace("\\", "").split())


def _begun(connection: sqlite3.Connection) -> int:
    """The last span that is indexed; an index of other rules is emptied."""
    rules = connection.execute("SELECT value FROM counters WHERE name = 'texts_rules'").fetchone()
    if rules is None or rules[0] != RULES:
        connection.execute("CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5 (told, content='')")
        connection.execute("INSERT INTO texts (texts) VALUES ('delete-all')")
        connection.execute("DELETE FROM unindexed")
        connection.execute("INSERT OR REPLACE INTO counters VALUES ('texts_rules', ?)", (RULES,))
        connection.execute("UPDATE counters SET value = 0 WHERE name = 'texts_until'")
    return int(connection.execute("SELECT value FROM counters WHERE name = 'texts_until'").fetchone()[0])


def _put(connection: sqlite3.Connection, found: Iterable[Sequence[Any]]) -> None:
    """Index spans by their number and their row, one after the other: any of them may be large."""
    connection.executemany(_INSERT, ((span, text_of(row)) for span, *row in found))


def _gather(value: Any, depth: int, found: list[str]) -> None:
    """Every text in a value; JSON texts are read, for their escapes hide words."""
    if isinstance(value, str):
        read = _parsed(value) if value[:1] in _OPENINGS and depth < _DEPTH else None
        if read is None:
            found.append(value)
        else:
            _gather(read, depth + 1, found)
    elif depth < _DEPTH and isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            # Most are plain texts: to ask again for each of them costs more than all of this.
            if type(item) is str and item[:1] not in _OPENINGS:
                found.append(item)
            else:
                _gather(item, depth + 1, found)


def _parsed(value: str) -> Any:
    try:
        read, end = _DECODER.raw_decode(value)
        return read if end == len(value) else _DECODER.decode(value)
    except (ValueError, RecursionError):
        return None

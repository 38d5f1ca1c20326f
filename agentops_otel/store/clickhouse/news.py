"""What has changed: with our tables by when it arrived, without them by when it ended."""

from __future__ import annotations

from typing import Final

from agentops_otel.store.clickhouse.asking import Asking, Values
from agentops_otel.store.clickhouse.layout import SESSIONS_TABLE, Layout
from agentops_otel.store.clickhouse.listing import settled
from agentops_otel.store.clickhouse.reading import Key, Reading
from agentops_otel.store.questions import Change

_ARRIVED: Final = "toUnixTimestamp64Nano(max(arrived))"
_ENDED: Final = "max(greatest(start, finish))"


def newest(asking: Asking) -> int:
    """The number of the last change, 0 where there is none: a time in nanoseconds."""
    found = asking.rows(f"SELECT {_time(asking.layout)} FROM {_source(asking.layout)}")
    return max(int(found[0][0] or 0), 0)


def changes(reading: Reading, after: int, limit: int, project: str | None) -> list[Change]:
    """The sessions that were changed after this number, as they are now, in the order of their last change.

    Those of the same moment are told together. Without our tables, what came late is told of only if it ended later
    than what was there.
    """
    values, layout = Values(), reading.asking.layout
    owned = "" if project is None else f" AND project = {values.text(project)}"
    statement = (
        f"SELECT {_time(layout)} AS change, session, project FROM {_source(layout)} "
        f"GROUP BY session, project HAVING change > {values.whole(after)}{owned} "
        f"ORDER BY change LIMIT {max(limit, 1)} WITH TIES"
    )
    found = reading.asking.rows(statement, values)
    keys = [Key(session, owner) for _, session, owner in found]
    summaries = reading.summaries(keys)
    return [
        Change(int(number), key.session, key.project, settled(summaries[key]))
        for (number, *_), key in zip(found, keys, strict=True)
        if key in summaries
    ]


def _time(layout: Layout) -> str:
    return _ARRIVED if layout.is_migrated else _ENDED


def _source(layout: Layout) -> str:
    return layout.ours(SESSIONS_TABLE) if layout.is_migrated else layout.facts([_ENDED, "session", "project"])

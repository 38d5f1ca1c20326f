"""Our own tables beside the collector's: the facts of spans by session, and a roll-up, kept by ClickHouse itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from agentops_otel.store.clickhouse.facts import FACTS, NAMES
from agentops_otel.store.clickhouse.layout import COMPLETE, FACTS_TABLE, FILLING, SESSIONS_TABLE, VIEWS, found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentops_otel.store.clickhouse.database import Database
    from agentops_otel.store.clickhouse.layout import Layout

_COLUMNS: Final = ", ".join(NAMES)
_IDENTITY: Final = "trace, span, project"
_DAY: Final = 86_400 * 10**9
_ARRIVED: Final = "arrived DateTime64(9) DEFAULT now64(9)"
OURS: Final = (*VIEWS, SESSIONS_TABLE, FACTS_TABLE)
"""All that is made, in the order in which it is removed."""


class Finding(NamedTuple):
    """One thing that was looked at: whether it is well, what it is, and what mends or betters it."""

    is_well: bool
    message: str
    advice: str | None = None


def statements(layout: Layout, days: int | None) -> Iterator[str]:
    """What makes our tables and the views that fill them; `days` is how long they keep, None for ever."""
    facts, roll_up = layout.ours(FACTS_TABLE), layout.ours(SESSIONS_TABLE)
    columns = ", ".join(f"{fact.name} {fact.type} CODEC(ZSTD(1))" for fact in FACTS)
    moment = "toDateTime(intDiv({}, 1000000000))"
    kept = "" if days is None else f" TTL {moment.format('start')} + INTERVAL {days} DAY"
    # A session's facts lie together, so that few rows are read for one of them.
    yield (
        f"CREATE TABLE IF NOT EXISTS {facts} ({columns}, {_ARRIVED}) ENGINE = MergeTree "
        f"PARTITION BY toYYYYMM({moment.format('start')}) ORDER BY (session, project, start, span){kept} "
        f"SETTINGS index_granularity = 1024 COMMENT '{FILLING}'"
    )
    kept = "" if days is None else f" TTL {moment.format('last')} + INTERVAL {days} DAY"
    yield (
        f"CREATE TABLE IF NOT EXISTS {roll_up} (project LowCardinality(String), session String, "
        "first SimpleAggregateFunction(min, Int64), last SimpleAggregateFunction(max, Int64), "
        "spans SimpleAggregateFunction(sum, UInt64), arrived SimpleAggregateFunction(max, DateTime64(9))) "
        f"ENGINE = AggregatingMergeTree ORDER BY (project, session){kept}"
    )
    # The last one first: what the others bring must find it there.
    yield (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {layout.ours(VIEWS[2])} TO {roll_up} AS "
        "SELECT project, session, min(start) AS first, max(greatest(start, finish)) AS last, "
        f"toUInt64(count()) AS spans, max(arrived) AS arrived FROM {facts} GROUP BY project, session"
    )
    yield f"CREATE MATERIALIZED VIEW IF NOT EXISTS {layout.ours(VIEWS[0])} TO {facts} AS {layout.told.of_spans()}"
    starts = layout.told.of_starts()
    if starts is not None:
        yield f"CREATE MATERIALIZED VIEW IF NOT EXISTS {layout.ours(VIEWS[1])} TO {facts} AS {starts}"


def migrate(database: Database, days: int | None = None, tell: Callable[[str], None] = lambda _: None) -> int:
    """Make our tables, fill them with what is there, and bring them up to date; how many rows were missing.

    The collector may go on writing meanwhile, and what is done already is not done again: to run it once more mends
    what an accident has left out. Nothing of the collector's is changed.

    Raises:
        StoreError: the collector's tables are not there, or this user may not do it.
    """
    layout = found(database)
    if _is_foreign(database):
        tell("The tables are of another version: made anew.")
        remove(database)
    for statement in statements(layout, days):
        database.command(statement)
    database.command(f"ALTER TABLE {layout.ours(FACTS_TABLE)} MODIFY COMMENT '{FILLING}'")
    added = 0
    for day, count in _behind(database, layout):
        tell(f"{day}: {count} rows")
        for source in _sources(layout, day):
            database.command(source)
        added += count
    database.command(f"ALTER TABLE {layout.ours(FACTS_TABLE)} MODIFY COMMENT '{COMPLETE}'")
    return added


def remove(database: Database) -> None:
    """Remove our tables and views; the collector's stay as they are."""
    kinds = dict.fromkeys((FACTS_TABLE, SESSIONS_TABLE), "TABLE")
    for name in OURS:
        database.command(f"DROP {kinds.get(name, 'VIEW')} IF EXISTS `{database.address.database}`.`{name}` SYNC")


def check(database: Database) -> list[Finding]:
    """What there is to say of a database, whether anything must or may be done.

    Raises:
        StoreError: it cannot be asked, or the collector's tables cannot be read: the message is the finding.
    """
    layout, address = found(database), database.address
    count = database.rows(f"SELECT count() FROM {layout.told.spans}")[0][0]
    told = [Finding(True, f"{address.database}.{address.traces}: {count} spans, in a form that is read")]
    if layout.told.starts is None:
        told.append(
            Finding(
                False,
                f"{address.database}.{address.logs} is not there: the start of killed sessions is not seen",
                "give the collector a pipeline for logs with the clickhouse exporter, as in deploy/collector.yaml",
            )
        )
    else:
        told.append(Finding(True, f"{address.database}.{address.logs}: read for starts of sessions"))
    migrate_now = f"agentops-otel clickhouse migrate --store {address.shown}"
    if _is_foreign(database):
        told.append(Finding(False, f"{FACTS_TABLE} is of another version, and is not used", migrate_now))
    elif not layout.is_migrated:
        told.append(
            Finding(True, "our own tables are not there: everything is answered, large stores more slowly", migrate_now)
        )
    else:
        behind = sum(rows for _, rows in _behind(database, layout))
        if behind:
            told.append(
                Finding(False, f"{FACTS_TABLE} lacks {behind} rows: lists and sums leave them out", migrate_now)
            )
        else:
            told.append(Finding(True, f"{FACTS_TABLE} and {SESSIONS_TABLE}: complete"))
    return told


def _is_foreign(database: Database) -> bool:
    """Whether a table of our name is there that is not of this version."""
    statement = "SELECT comment FROM system.tables WHERE database = {database:String} AND name = {table:String}"
    values = {"database": database.address.database, "table": FACTS_TABLE}
    comments = [comment for (comment,) in database.rows(statement, values)]
    return any(comment not in {COMPLETE, FILLING} for comment in comments)


def _behind(database: Database, layout: Layout) -> list[tuple[str, int]]:
    """The days of which facts are missing, and how many."""
    counts = []
    # What was sent twice may be here once, so rows are not counted but told apart.
    asked = ["start", *_IDENTITY.split(", ")]
    for source, is_start in ((layout.told.of_spans(asked), 0), (layout.told.of_starts(asked), 1)):
        if source is not None:
            statement = (
                "SELECT day, sum(there) - sum(here) AS missing FROM ("
                f"SELECT intDiv(start, {_DAY}) AS day, toInt64(uniqExact({_IDENTITY})) AS there, toInt64(0) AS here "
                f"FROM ({source}) GROUP BY day "
                f"UNION ALL SELECT intDiv(start, {_DAY}), toInt64(0), toInt64(uniqExact({_IDENTITY})) "
                f"FROM {layout.ours(FACTS_TABLE)} WHERE is_start = {is_start} GROUP BY 1) "
                "GROUP BY day HAVING missing > 0"
            )
            counts += [(int(day), int(missing)) for day, missing in database.rows(statement)]
    days: dict[int, int] = {}
    for day, missing in counts:
        days[day] = days.get(day, 0) + missing
    return [(str(day), days[day]) for day in sorted(days)]


def _sources(layout: Layout, day: str) -> Iterator[str]:
    """What puts the rows of a day that are missing into our table; the views roll them up."""
    facts = layout.ours(FACTS_TABLE)
    begin, end = int(day) * _DAY, (int(day) + 1) * _DAY
    of_day = f"start >= {begin} AND start < {end}"
    # Said of the column, too, so that only the partitions of that day are read.
    spans = (
        f"{layout.told.of_spans()} WHERE Timestamp >= fromUnixTimestamp64Nano(toInt64({begin})) "
        f"AND Timestamp < fromUnixTimestamp64Nano(toInt64({end}))"
    )
    for source, is_start in ((spans, 0), (layout.told.of_starts(), 1)):
        if source is not None:
            known = f"SELECT {_IDENTITY} FROM {facts} WHERE {of_day} AND is_start = {is_start}"
            yield (
                f"INSERT INTO {facts} ({_COLUMNS}) SELECT {_COLUMNS} FROM ({source}) "
                f"WHERE {of_day} AND ({_IDENTITY}) NOT IN ({known})"
            )

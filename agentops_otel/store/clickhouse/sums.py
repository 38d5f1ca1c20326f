"""Figures over many sessions: sums by SQL, and beside them what the odd sessions add."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.store import figures, rows
from agentops_otel.store.clickhouse.asking import Values
from agentops_otel.store.clickhouse.facts import TOKENS
from agentops_otel.store.clickhouse.sessions import sessions, shortened
from agentops_otel.store.rollups import COUNTS, KEY, contributions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.store.clickhouse.layout import Layout
    from agentops_otel.store.clickhouse.reading import Reading
    from agentops_otel.store.questions import Figures, FiguresQuery

_TOKENS: Final = tuple(TOKENS)
_WHOLE: Final = (
    *("count()", "sum(llm_calls)", "sum(tool_calls)", "sum(actions)", "sum(errors)"),
    *(f"sum({name})" for name in _TOKENS),
    *("sum(unpriced_calls)", "countIf(isNotNull(cost))", "sum(ifNull(cost, toDecimal256(0, 38)))"),
)
"""`COUNTS` and the cost, of whole sessions."""
_OF_CALLS: Final = (
    *("uniqExact(session, project)", "sum(calls_of)", "0", "0", "0"),
    *(f"sum({name}_of)" for name in _TOKENS),
    *("sum(unpriced_of)", "countIf(isNotNull(cost_of))", "sum(ifNull(cost_of, toDecimal256(0, 38)))"),
)
"""The same of the calls that a model or a provider answered."""
_SOURCES: Final = (
    "SELECT session, project, toString(provider) AS provider, toString(model) AS model, count() AS calls_of, "
    + "".join(f"sum({name}) AS {name}_of, " for name in _TOKENS)
    + "sum(is_unpriced) AS unpriced_of, sum(cost) AS cost_of"
)
_GROUPS: Final = {"end_state": "state", "tag": "one_tag"}


def read(reading: Reading, query: FiguresQuery) -> list[Figures]:
    """The figures, ordered by what they are grouped by.

    Raises:
        QuestionError: the query makes no sense.
    """
    part = figures.part_of(query)
    sums: dict[tuple[Any, ...], list[Any]] = {}
    # An odd session may be found by a model that the tally alone knows of.
    has_odd = query.model is not None or query.provider is not None
    for is_odd, *row in _by_sql(reading, query, part):
        has_odd |= bool(is_odd)
        if not is_odd:
            _add(sums, row[: len(query.by)], row[len(query.by) :])
    if has_odd:
        for key, counted in _by_tally(reading, query, part):
            _add(sums, [key[figures.column_of(name)] for name in query.by], counted)
    return [
        figures.of(query, keys, counts) for keys, counts in sorted(sums.items(), key=lambda each: each[0]) if counts[0]
    ]


def _add(sums: dict[tuple[Any, ...], list[Any]], keys: Any, counts: Any) -> None:
    known = sums.setdefault(tuple(keys), [*[0] * len(COUNTS), Decimal(0)])
    for place, value in enumerate(counts):
        known[place] += shortened(value) if isinstance(value, Decimal) else value


def _by_sql(reading: Reading, query: FiguresQuery, part: str) -> Any:
    layout, values = reading.asking.layout, Values()
    told = ["1", *_conditions(query, values)]
    groups = ", ".join(_GROUPS.get(name, name) for name in query.by)
    sums = ", ".join(_WHOLE if part in {"session", "tag"} else _OF_CALLS)
    needed = {"tag": f"tag_list, {sums}", "session": sums}.get(part, "day, state")
    source = sessions(["is_odd_session", groups, *told, needed], layout.facts)
    if part == "tag":
        source = f"(SELECT *, one_tag FROM {source} ARRAY JOIN arrayDistinct(tag_list) AS one_tag)"
    elif part != "session":
        source = _by_source(layout, source)
    where = " AND ".join(told)
    statement = f"SELECT is_odd_session, {groups}, {sums} FROM {source} WHERE {where} GROUP BY is_odd_session, {groups}"
    return reading.asking.rows(statement, values)


def _by_source(layout: Layout, source: str) -> str:
    facts = layout.facts([_SOURCES, "is_call"])
    of_calls = f"({_SOURCES} FROM {facts} WHERE is_call GROUP BY session, project, provider, model)"
    columns = "session, project, day, state, is_odd_session"
    return (
        f"(SELECT * FROM (SELECT {columns} FROM {source}) AS whole "
        f"INNER JOIN {of_calls} AS parts USING (session, project))"
    )


def _conditions(query: FiguresQuery, values: Values) -> list[str]:
    texts = (("state", query.end_state), ("one_tag", query.tag), ("model", query.model), ("provider", query.provider))
    return [*_bounds(query, values), *(f"{name} = {values.text(told)}" for name, told in texts if told is not None)]


def _bounds(query: FiguresQuery, values: Values) -> list[str]:
    """The conditions that hold for whole sessions, odd ones too."""
    told = [] if query.project is None else [f"project = {values.text(query.project)}"]
    if query.since is not None:
        told.append(f"day >= {values.whole(query.since // rows.DAY)}")
    if query.until is not None:
        told.append(f"day <= {values.whole((query.until - 1) // rows.DAY)}")
    return told


def _by_tally(reading: Reading, query: FiguresQuery, part: str) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    wanted = {
        "end_state": query.end_state,
        "tag": query.tag,
        "model": query.model,
        "provider": query.provider,
        "project_id": query.project,
    }
    for _, _, summary in reading.odd(lambda values: _bounds(query, values)):
        for place, counted in contributions(summary):
            key = dict(zip(KEY, place, strict=True))
            if key["part"] == part and all(value is None or key[name] == value for name, value in wanted.items()):
                yield key, counted

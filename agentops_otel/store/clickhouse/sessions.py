"""Sessions as SQL over the facts of their spans, by the rules that `summary` and the tally have in Python."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names
from agentops_otel.conventions.typed import typed
from agentops_otel.store.base import SessionRow
from agentops_otel.store.clickhouse.facts import TOKENS, listed, named, quoted
from agentops_otel.store.owners import LEASED
from agentops_otel.store.summary import NO_END, Summary, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_HEAD: Final = "start, finish, end_state, end_reason, tags, video, toString(host)"
_HEAD_TYPE: Final = (
    "Tuple(start Int64, finish Int64, end_state String, end_reason String, tags String, video String, host String)"
)
_DECIDED: Final = f"has_ended AND ended.end_state IN {listed({names.SUCCESS, names.FAILURE})}"
_REPORTED: Final = "(failed OR is_event) AND NOT is_root"
_FAILURES: Final = "failed AND NOT is_root AND NOT is_event"
_TOKENS: Final = tuple(TOKENS)
_KEYS: Final = "project, session"

# What is gathered of a session's facts. The tally counts the innermost of model calls that stand within each other, and
# an error once on its way up: what can be told by parents alone is told here, everything else makes a session odd, and
# the tally itself is asked.
_GATHERED: Final[Mapping[str, str]] = {
    "first_time": "min(start)",
    "has_ended": "max(is_root AND NOT is_start)",
    "ended_time": "maxIf(greatest(start, finish), NOT is_start)",
    "heard_time": "maxIf(finish, is_start)",
    "is_leased": "max(is_start AND finish > start)",
    "has_starts": "max(is_start)",
    "has_root": "max(is_root)",
    "count_spans": "count()",
    "ended": f"CAST(argMinIf(({_HEAD}), start, is_root AND NOT is_start), '{_HEAD_TYPE}')",
    "begun": f"CAST(argMinIf(({_HEAD}), (start, -finish), is_start), '{_HEAD_TYPE}')",
    "first_host": "toString(argMin(host, start))",
    "the_resource": "argMin(resource, (NOT is_root, is_start, start))",
    "said": "CAST(argMaxIf((end_state, end_reason, finish), start, "
    f"kind = {quoted(names.KIND_END)} AND end_state != ''), "
    "'Tuple(state String, reason String, finish Int64)')",
    "any_tags": "argMinIf(tags, start, tags != '')",
    "any_video": "argMinIf(video, start, video != '')",
    "known_cost": "sumIf(cost, is_call OR is_tool)",
    "unpriced_calls": "sum(is_unpriced)",
    "llm_calls": "sum(is_call)",
    "actions": "sum(is_action)",
    **{name: f"sumIf({name}, is_call)" for name in _TOKENS},
    "count_tools": "sum(is_tool)",
    "tools": "groupUniqArrayIf((node, toString(tool)), is_tool)",
    "tools_above": "groupUniqArrayIf((above, toString(tool)), is_tool)",
    "events": "sum(is_event)",
    "failures": f"groupUniqArrayIf(node, {_FAILURES})",
    "failures_above": f"groupUniqArrayIf(above, {_REPORTED})",
    "event_types": "groupUniqArrayIf(toString(exception_type), is_event AND exception_type != '')",
    "failure_types": f"groupUniqArrayIf(toString(error_type), {_FAILURES} AND error_type != '')",
    "error_types": "arrayFilter(kind -> kind != '', "
    "groupUniqArray(if(error_type != '', toString(error_type), toString(exception_type))))",
    "models": "sumMapIf([toString(model)], [toUInt64(1)], is_call)",
    "providers": "groupUniqArrayIf(toString(provider), is_call AND provider != '')",
    "calls": "groupArrayIf(node, is_call)",
    "kin": "groupArrayIf((node, above), above != 0)",
    "has_odd": "max(is_odd)",
    "roots": "uniqExactIf(node, is_root)",
    "distinct_spans": "uniqExactIf(node, NOT is_start)",
    "count_ended": "countIf(NOT is_start)",
}
_BELOW: Final = "arrayMap(told -> told.1, arrayFilter(told -> has(calls, told.2), kin))"
_PARENTS: Final = "arrayMap(told -> told.2, kin)"

# What follows from that.
_MADE: Final[Mapping[str, str]] = {
    "is_odd_session": "has_odd OR roots > 1 OR distinct_spans != count_ended OR hasAny(event_types, failure_types) "
    f"OR if(hasAny(calls, {_PARENTS}), hasAny({_BELOW}, calls) OR hasAny({_BELOW}, {_PARENTS}), 0)",
    "is_said": f"said.state != '' AND NOT ({_DECIDED})",
    "head": "if(has_ended, ended, begun)",
    "start_time": "if(has_root, head.start, first_time)",
    "state": "multiIf(is_said, said.state, has_ended AND ended.end_state != '', ended.end_state, "
    f"{quoted(names.INDETERMINATE)})",
    "reason": f"multiIf(is_said, said.reason, NOT has_root, {quoted(NO_END)}, has_ended, ended.end_reason, '')",
    "last_time": "if(has_ended OR NOT has_starts, ended_time, greatest(ended_time, heard_time))",
    "end_time": "multiIf(has_ended, ended.finish, is_said, said.finish, NULL)",
    "is_open": "has_root AND NOT has_ended AND NOT is_said",
    "duration": "greatest(ifNull(end_time, last_time) - start_time, 0)",
    "all_tags": "if(has_root, head.tags, any_tags)",
    "the_video": "if(has_root, head.video, any_video)",
    "tag_list": "if(startsWith(all_tags, '['), JSONExtract(all_tags, 'Array(String)'), "
    "if(all_tags = '', [], [all_tags]))",
    "cost": "if(isNull(known_cost) AND unpriced_calls = 0, toDecimal256(0, 38), known_cost)",
    "cost_usd": "if(isNull(cost), -1, toFloat64(cost))",
    "tool_calls": "toInt64(count_tools) - toInt64(length(arrayIntersect(tools, tools_above)))",
    "errors": "toInt64(length(failures)) - toInt64(length(arrayIntersect(failures, failures_above))) + toInt64(events)",
    "total_tokens": "input_tokens + output_tokens",
    "day": "intDiv(start_time, 86400000000000)",
    "host_name": "if(has_root, head.host, first_host)",
}
ROW: Final = (
    *("session", "project", "is_odd_session", "start_time", "end_time", "state", "reason", "all_tags", "the_video"),
    *("cost", "unpriced_calls", "llm_calls", "tool_calls", "actions", "errors"),
    *("tupleElement(models, 1)", "tupleElement(models, 2)", "the_resource", "last_time", "is_open", "is_leased"),
    *_TOKENS,
)
"""The columns of `summary_from`."""


def sessions(asked: Iterable[str], facts: Callable[[Iterable[str]], str]) -> str:
    """A source of a query: sessions, with what is named in the texts that ask for it.

    They are made of facts, of which `facts` gives a source; each session must have all of its own there.
    """
    made = named(_MADE, asked)
    needed = [*asked, *(_MADE[name] for name in made)]
    gathered = named(_GATHERED, needed)
    inner = "".join(f", {_GATHERED[name]} AS {name}" for name in gathered)
    outer = "".join(f", {_MADE[name]} AS {name}" for name in made)
    source = facts([_KEYS, *(_GATHERED[name] for name in gathered)])
    return f"(SELECT *{outer} FROM (SELECT {_KEYS}{inner} FROM {source} GROUP BY {_KEYS}))"


def summary_from(row: Sequence[Any]) -> Summary:
    """The summary of a row of `ROW` that is not odd."""
    (
        session, project, _, start_time, end_time, state, reason, tags, video,
        cost, unpriced, llm, tools, actions, errors,
        models, calls, resource, last_time, is_open, is_leased, *tokens,
    ) = row  # fmt: skip
    counted = sorted(zip(models, calls, strict=True), key=lambda told: (-told[1], told[0]))
    made = SessionRow(
        session_id=session,
        project_id=project,
        start_time=start_time,
        end_time=end_time,
        end_state=state,
        end_state_reason=reason or None,
        is_running=False,
        tags=tags_of(typed([(names.TAGS, tags)])[names.TAGS]),
        video=video or None,
        cost=None if cost is None else shortened(cost),
        unpriced_calls=unpriced,
        llm_calls=llm,
        tool_calls=tools,
        actions=actions,
        errors=errors,
        tokens=dict(zip(_TOKENS, tokens, strict=True)),
        models=[model for model, _ in counted],
        resource=typed(resource.items()),
        last_time=last_time,
    )
    return Summary(made, bool(is_open), LEASED if is_leased else None)


def shortened(cost: Decimal) -> Decimal:
    """A decimal without the zeros that ClickHouse fills it up with."""
    told = format(cost, "f")
    return Decimal(told.rstrip("0").rstrip(".") if "." in told else told)


__all__ = ["ROW", "sessions", "shortened", "summary_from"]

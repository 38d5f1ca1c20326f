"""What counts of a span, as SQL over the collector's tables: the columns that sessions are made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from agentops_otel.accounting.tally import ACTION_KINDS
from agentops_otel.conventions import names
from agentops_otel.store.summary import DEFAULT_PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TEXT, WORD, TIME, NUMBER, FLAG = "String", "LowCardinality(String)", "Int64", "UInt64", "UInt8"
COST: Final = "Decimal(76, 38)"
TOKENS: Final = {
    "input_tokens": names.INPUT_TOKENS,
    "output_tokens": names.OUTPUT_TOKENS,
    "cache_read_tokens": names.CACHE_READ_TOKENS,
    "cache_write_tokens": names.CACHE_WRITE_TOKENS,
    "reasoning_tokens": names.REASONING_TOKENS,
}


def quoted(told: str) -> str:
    """A text of ours as a literal of SQL; what comes from outside is bound instead."""
    escaped = told.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def listed(told: Iterable[str]) -> str:
    """Some texts of ours as what stands behind IN."""
    return f"({', '.join(quoted(item) for item in sorted(told))})"


def _of(name: str) -> str:
    return f"SpanAttributes[{quoted(name)}]"


def _first(*told: str) -> str:
    """The first of these that is not empty."""
    *others, last = told
    return "".join(f"if({item} != '', {item}, " for item in others) + last + ")" * len(others)


UUID_FORM: Final = "concat({})".format(
    ", '-', ".join(f"substring(TraceId, {begin}, {length})" for begin, length in ((1, 8), (9, 4), (13, 4), (17, 4)))
    + ", '-', substring(TraceId, 21)"
)
SESSION: Final = _first(_of(names.SESSION_ID), UUID_FORM)
PROJECT: Final = _first(f"ResourceAttributes[{quoted(names.PROJECT_ID)}]", quoted(DEFAULT_PROJECT))
_NANOSECONDS: Final = "toUnixTimestamp64Nano(Timestamp)"
_FAILED: Final = "lower(StatusCode) IN ('error', 'status_code_error')"
_COST: Final = _of(names.COST)
_HIGHEST: Final = 2**63
_DEAREST, _CHEAPEST = "1e13", "1e-20"
_BILLED: Final = " OR ".join(
    f"{_of(name)} != ''" for name in (names.USAGE_MISSING, names.INPUT_TOKENS, names.OUTPUT_TOKENS)
)
_MODELS: Final = (_of(names.RESPONSE_MODEL), _of(names.REQUEST_MODEL))


class Fact(NamedTuple):
    """A column: its type, and what it is of a row of spans, where columns before it may be named."""

    name: str
    type: str
    of_span: str
    of_start: str = "''"


def _tokens(name: str) -> str:
    count = f"toUInt64OrZero({_of(name)})"
    return f"if({count} < {_HIGHEST}, {count}, 0)"


# What the tally makes of these: `sessions` says how they add up. Where it takes the tally itself, they are odd.
FACTS: Final = (
    Fact("project", WORD, PROJECT, PROJECT),
    Fact("session", TEXT, SESSION, SESSION),
    Fact("trace", TEXT, "TraceId", "TraceId"),
    Fact("span", TEXT, "SpanId", "SpanId"),
    Fact("parent", TEXT, "ParentSpanId"),
    # Ids as the numbers that they are, for these are many times faster to compare; 0 is none.
    Fact("node", NUMBER, "reinterpretAsUInt64(unhex(SpanId))", "reinterpretAsUInt64(unhex(SpanId))"),
    Fact("above", NUMBER, "reinterpretAsUInt64(unhex(ParentSpanId))", "0"),
    Fact(
        "start",
        TIME,
        _NANOSECONDS,
        f"if(toInt64OrZero({_of(names.SESSION_START_TIME)}) > 0, "
        f"toInt64OrZero({_of(names.SESSION_START_TIME)}), {_NANOSECONDS})",
    ),
    # Of the start of a session: when it was last told, for a heartbeat tells it again.
    Fact("finish", TIME, f"{_NANOSECONDS} + toInt64(Duration)", f"greatest(start, {_NANOSECONDS})"),
    Fact("kind", WORD, _of(names.SPAN_KIND), quoted(names.KIND_SESSION)),
    Fact("operation", WORD, _of(names.OPERATION_NAME)),
    Fact("provider", WORD, _of(names.PROVIDER_NAME)),
    Fact("model", WORD, _first(*_MODELS, "'unknown'")),
    Fact("tool", WORD, _first(_of(names.TOOL_NAME), "toString(SpanName)")),
    Fact("failed", FLAG, _FAILED, "0"),
    Fact("error_type", WORD, _of(names.ERROR_TYPE)),
    Fact("exception_type", WORD, _of(names.EXCEPTION_TYPE)),
    Fact(
        "cost",
        f"Nullable({COST})",
        f"if(abs(toFloat64OrZero({_COST})) < {_DEAREST}, toDecimal256OrNull({_COST}, 38), NULL)",
        "NULL",
    ),
    *(Fact(column, NUMBER, _tokens(name), "0") for column, name in TOKENS.items()),
    Fact("is_start", FLAG, "0", "1"),
    Fact("is_root", FLAG, f"kind = {quoted(names.KIND_SESSION)}", "1"),
    Fact("is_event", FLAG, f"kind = {quoted(names.KIND_ERROR)}", "0"),
    Fact(
        "is_call",
        FLAG,
        f"NOT is_root AND if(operation != '', operation IN {listed(names.MODEL_OPERATIONS)}, "
        f"kind = {quoted(names.KIND_LLM)})",
        "0",
    ),
    Fact(
        "is_tool",
        FLAG,
        f"NOT is_root AND NOT is_call AND operation != {quoted(names.FETCH_RESPONSE)} "
        f"AND (kind = {quoted(names.KIND_TOOL)} OR operation = {quoted(names.EXECUTE_TOOL)})",
        "0",
    ),
    Fact(
        "is_action",
        FLAG,
        f"NOT is_root AND NOT is_call AND NOT is_tool AND operation != {quoted(names.FETCH_RESPONSE)} "
        f"AND kind IN {listed(ACTION_KINDS)}",
        "0",
    ),
    Fact(
        "is_unpriced",
        FLAG,
        f"is_call AND cost IS NULL AND ({_BILLED} OR (NOT failed AND ({_first(*_MODELS)}) != ''))",
        "0",
    ),
    Fact(
        "is_odd",
        FLAG,
        f"operation = {quoted(names.FETCH_RESPONSE)} "
        f"OR (is_call AND {_of(names.RESPONSE_STATUS)} IN ('queued', 'in_progress')) "
        f"OR arrayExists(told -> told[{quoted(names.SAME_CALL)}] = 'true', Links.Attributes) "
        f"OR ({_COST} != '' AND abs(toFloat64OrZero({_COST})) < {_CHEAPEST} AND match({_COST}, '^[^eE]*[1-9]'))",
        "0",
    ),
    Fact("end_state", WORD, _of(names.END_STATE), _of(names.END_STATE)),
    Fact("end_reason", TEXT, _of(names.END_STATE_REASON)),
    Fact("tags", TEXT, _of(names.TAGS), _of(names.TAGS)),
    Fact("video", TEXT, _of(names.VIDEO_URL), _of(names.VIDEO_URL)),
    Fact("host", WORD, *[f"ResourceAttributes[{quoted(names.HOST_NAME)}]"] * 2),
    Fact("resource", f"Map({WORD}, String)", "ResourceAttributes", "ResourceAttributes"),
)
NAMES: Final = tuple(fact.name for fact in FACTS)
_BY_NAME: Final = {fact.name: f"{fact.of_span} {fact.of_start}" for fact in FACTS}
_WORD: Final = re.compile(r"[a-z_]+")


def named(known: Mapping[str, str], asked: Iterable[str]) -> list[str]:
    """Which of these columns are named in some texts, or in the expressions of those that are, in their order.

    ClickHouse would leave the others out by itself, but it takes longer to find that out than to answer.
    """
    found: set[str] = set()
    texts = list(asked)
    while texts:
        new = (set(_WORD.findall(texts.pop())) & known.keys()) - found
        found |= new
        texts += [known[name] for name in new]
    return [name for name in known if name in found]


@dataclass(frozen=True)
class Told:
    """Where spans and starts stand in a database: quoted names, and the column of the project if there is one."""

    spans: str
    starts: str | None
    has_event_name: bool = False
    project: str | None = None
    is_merge_tree: bool = False

    def where(self, first: str, then: str) -> str:
        """The rows of spans of which two conditions are true: attributes are read only where the first one is.

        ClickHouse would look at both at once, and that means to read all attributes of ten thousand spans for one.
        """
        return f"PREWHERE {first} WHERE {then}" if self.is_merge_tree else f"WHERE {first} AND {then}"

    @property
    def project_of_span(self) -> str:
        """The project of a row of spans."""
        return PROJECT if self.project is None else _first(self.project, quoted(DEFAULT_PROJECT))

    @property
    def project_of_start(self) -> str:
        """The project of a row of logs."""
        return PROJECT

    def of_spans(self, asked: Iterable[str] = NAMES) -> str:
        """The facts of all spans, as far as they are named in these texts."""
        return f"SELECT {self._columns(asked, of_starts=False)} FROM {self.spans}"

    def of_starts(self, asked: Iterable[str] = NAMES) -> str | None:
        """The facts of the log records that tell of a session's start."""
        if self.starts is None:
            return None
        return f"SELECT {self._columns(asked, of_starts=True)} FROM {self.starts} WHERE {self.are_starts}"

    @property
    def are_starts(self) -> str:
        """Which log records tell of a session's start."""
        named = listed(names.SESSION_EVENTS)
        by_column = f"EventName IN {named} OR " if self.has_event_name else ""
        told = f"LogAttributes[{quoted(names.EVENT_NAME)}] IN {named}"
        return f"({by_column}{told}) AND TraceId != '' AND SpanId != ''"

    def _columns(self, asked: Iterable[str], *, of_starts: bool) -> str:
        wanted = set(named(_BY_NAME, asked))
        told = ", ".join(
            f"CAST({fact.of_start if of_starts else fact.of_span} AS {fact.type}) AS {fact.name}"
            for fact in FACTS
            if fact.name in wanted
        )
        if of_starts:
            return told.replace("SpanAttributes[", "LogAttributes[")
        return told.replace(PROJECT, self.project_of_span, 1)

"""Listing: lists and tally agree, whatever the spans."""

from __future__ import annotations

import itertools
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from span_records import BEGIN, ROOT_ID, SECOND, SESSION, failed, llm, root, span, tool

from agentops_otel.accounting.tally import Tally
from agentops_otel.conventions import names
from agentops_otel.server.listing import Listing
from agentops_otel.server.queries import export, session_json

_PARTS = [
    {names.OPERATION_NAME: names.CHAT, names.COST: 0.5, names.INPUT_TOKENS: 3},
    {names.OPERATION_NAME: names.CHAT},
    {names.SPAN_KIND: names.KIND_TOOL},
    {names.SPAN_KIND: names.KIND_ACTION},
    {names.SPAN_KIND: names.KIND_AGENT},
    {names.SPAN_KIND: names.KIND_ERROR},
]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_PARTS), st.integers(0, 9), st.booleans(), st.integers(0, 9)), max_size=9))
def test_the_lists_are_as_long_as_the_counts(drawn):
    records = []
    for (attributes, parent, fails, start), number in zip(drawn, itertools.count(), strict=False):
        record = span(
            "any",
            attributes,
            span_id=f"{number:016x}",
            parent_id=f"{parent:016x}",
            start=start,
            end=start + 2,
        )
        records.append(failed(record) if fails else record)
    listing, tally = Listing.of(records), Tally.of(records)
    assert [len(listed) for listed in listing.lists] == [
        tally.llm_calls,
        tally.tool_calls,
        tally.actions,
        tally.errors,
    ]
    assert (listing.cost, listing.total, listing.by_model) == (tally.cost, tally.total, tally.by_model)


def test_the_row_and_the_export_agree(store):
    store.insert([root(), llm(0.5), llm(None, parent_id=ROOT_ID), failed(tool()), llm(0.25, start=9, end=10)])
    row, statistics = session_json(store.session(SESSION)), export(store, SESSION)["statistics"]
    shared = row.keys() & statistics.keys()
    assert shared >= {
        "cost",
        "unpriced_calls",
        "duration",
        "llm_calls",
        "tool_calls",
        "actions",
        "errors",
        "tokens",
    }
    assert {name: row[name] for name in shared} == {name: statistics[name] for name in shared}
    assert Decimal(statistics["cost"]) == Decimal("0.75")
    assert store.session(SESSION).last_time == BEGIN + 10 * SECOND

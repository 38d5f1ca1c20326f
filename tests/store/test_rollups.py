"""Roll-ups, facets and the sums of days: always what the records add up to, whatever came in whatever order."""

from __future__ import annotations

import contextlib
import sqlite3

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from span_records import failed, llm, root
from stored import DAY, PARTS, by_hand, session, told

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, SessionQuery
from agentops_otel.store.sqlite import SQLiteStore

_SESSIONS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.lists(st.sampled_from([0.1, 0.25, None, 1e-9, 3.3]), max_size=3),
        st.sampled_from(["Success", "Failure", "Indeterminate"]),
        st.lists(st.sampled_from(["a", "b"]), max_size=2),
        st.sampled_from(["p", "q"]),
        st.integers(0, 3),
        st.sampled_from(["insert", "insert", "read", "delete"]),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SESSIONS)
def test_the_sums_of_days_are_the_sums_of_the_sessions(tmp_path, steps):
    with contextlib.closing(SQLiteStore(tmp_path / "any.db")) as store:
        for place, (number, costs, end_state, tags, project, day, step) in enumerate(steps):
            if step == "delete":
                store.delete(next(iter(row.session_id for row in store.sessions()), "none"))
                continue
            calls = [(llm, {"cost": cost, "model": f"m{cost}"}) for cost in costs]
            records = session(number, *calls, end_state=end_state, tags=tags, project=project, start=day * DAY)
            for offset, record in enumerate(records[1:]):
                record.span_id = f"{place:08x}{offset:08x}"
            store.insert(records)
            if step == "read":
                store.sessions()
        for by in PARTS:
            assert told(store, by) == by_hand(store, by), by
        rows = store.sessions(SessionQuery(limit=1000))
        for by in (("model",), ("provider",), ("provider", "model"), ("day", "model")):
            assert sum(each.llm_calls for each in store.figures(FiguresQuery(by=by))) == sum(r.llm_calls for r in rows)
            assert sum(each.cost or 0 for each in store.figures(FiguresQuery(by=by))) == sum(r.cost or 0 for r in rows)
        for row in rows:
            store.delete(row.session_id)
        assert all(told(store, by) == [] for by in PARTS), "not one digit is left over"
    (tmp_path / "any.db").unlink(missing_ok=True)


def test_hot_columns_say_what_the_attributes_say(store, query):
    store.insert([failed(llm(0.1, attributes={names.PROVIDER_NAME: "openai"}, resource={names.PROJECT_ID: "p"}))])
    columns = "project_id, span_kind, operation, provider, model, cost, input_tokens, output_tokens, error_type"
    assert query(f"SELECT {columns} FROM spans") == [
        ("p", None, "chat", "openai", "gpt-4o", "0.1", 100, 20, "ValueError")
    ]


def test_sums_wait_for_nobody_who_holds_the_file(store, monkeypatch):
    monkeypatch.setattr("agentops_otel.store.connection.BUSY_SECONDS", 0.05)
    store.insert([root({names.END_STATE: names.SUCCESS}), llm(0.5)])
    store.close()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert [row.llm_calls for row in store.sessions()] == [1]
    other.execute("ROLLBACK")
    other.close()
    assert [each.llm_calls for each in store.figures(FiguresQuery())] == [1]


def test_a_nul_can_be_in_a_tag_a_model_or_a_provider(store):
    words = "a\0b"
    store.insert([root({names.TAGS: [words]}), llm(0.1, model=words, attributes={names.PROVIDER_NAME: words})])
    for query in ({"tags": (words,)}, {"model": words}, {"provider": words}):
        assert len(store.sessions(SessionQuery(**query))) == 1, query

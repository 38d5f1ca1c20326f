"""Two projects that choose the same ids: neither sees, changes, deletes or counts what is the other's."""

from __future__ import annotations

from decimal import Decimal

import pytest
from span_records import BEGIN, ROOT_ID, SECOND, SESSION, TRACE, failed, llm, of_project, root, tool

from agentops_otel.conventions import names
from agentops_otel.store import FiguresQuery, SessionQuery
from agentops_otel.store.traces import TraceQuery

PROJECTS = ("red", "blue")
COSTS = {"red": 0.5, "blue": 2.0}


def same_ids(project):
    """The records that both projects send: the same sessions, traces and spans, and other contents."""
    return of_project(
        project,
        root({names.END_STATE: names.SUCCESS, names.TAGS: [project, "both"]}, resource={"service.name": project}),
        llm(
            COSTS[project],
            model=f"model of {project}",
            span_id="1" * 16,
            attributes={names.PROVIDER_NAME: "x", names.INPUT_MESSAGES: f'["said by {project}"]'},
            resource={"service.name": project},
        ),
        failed(
            tool(f"tool of {project}", span_id="2" * 16, parent_id="1" * 16, resource={"service.name": "tools"}),
            kind=f"{project}Error",
        ),
    )


@pytest.fixture(params=[PROJECTS, PROJECTS[::-1]], ids="-".join)
def filled(store, request):
    for project in request.param:
        store.insert(same_ids(project))
    return store


both = pytest.mark.parametrize(("project", "other"), [PROJECTS, PROJECTS[::-1]])


def all_of(store, project):
    """Everything that can be asked of a store for one project."""
    asked = TraceQuery(since=BEGIN - SECOND, until=BEGIN + 100 * SECOND)
    row = store.session(SESSION, project)
    return {
        "row": row,
        "listed": list(store.sessions(SessionQuery(project=project))),
        "found": store.find(SESSION[:8], project),
        "last": store.find("@last", project),
        "spans": store.spans(SESSION, project),
        "figures": [
            store.figures(FiguresQuery(by=(by,), project=project))
            for by in ("day", "model", "provider", "tag", "project")
        ],
        "hits": store.search("said", project=project),
        "services": store.services(project=project),
        "operations": store.operations("tools", project=project),
        "traces": list(store.traces(asked, project=project)),
        "trace": store.trace(TRACE, project=project),
        "dependencies": store.dependencies(BEGIN - SECOND, BEGIN + 100 * SECOND, project=project),
    }


@both
def test_each_has_a_session_of_its_own(filled, project, other):
    told = all_of(filled, project)
    row = told["row"]
    assert (row.project_id, row.tags, row.cost, row.llm_calls, row.errors) == (
        project,
        [project, "both"],
        Decimal(str(COSTS[project])),
        1,
        1,
    )
    assert [len(each) for each in (told["listed"], told["found"], told["last"], told["hits"], told["traces"])] == [
        1
    ] * 5
    assert len(told["spans"]) == len(told["trace"]) == 3
    assert (told["services"], told["operations"][0].name) == ([project, "tools"], f"tool of {project}")
    assert [link.calls for link in told["dependencies"]] == [1]
    assert all(sum(each.sessions for each in figures) in {1, 2} for figures in told["figures"])
    assert other not in repr(told), "not one word of the other project"


@both
def test_what_one_does_changes_nothing_for_the_other(filled, project, other):
    before = all_of(filled, other)
    seen = filled.change()
    filled.insert(of_project(project, llm(9.0, span_id="3" * 16), *same_ids(project)))
    assert filled.session(SESSION, project).llm_calls == 2
    assert filled.delete(SESSION, project)
    assert (filled.session(SESSION, project), filled.spans(SESSION, project)) == (None, [])
    assert all_of(filled, other) == before
    assert filled.changes(seen, project=other) == []
    assert [(change.project_id, change.row) for change in filled.changes(seen, project=project)] == [(project, None)]


@both
def test_an_end_ends_the_start_of_its_own_project_only(store, project, other):
    for each in PROJECTS:
        store.insert(of_project(each, root(end=None), llm(end=None, span_id="1" * 16)))
    store.insert(of_project(project, root({names.END_STATE: names.FAILURE}), llm(0.5, span_id="1" * 16)))
    assert (store.session(SESSION, project).end_state, store.session(SESSION, project).end_time is None) == (
        "Failure",
        False,
    )
    assert (store.session(SESSION, other).end_state, store.session(SESSION, other).end_time) == ("Indeterminate", None)
    assert store.session(SESSION, other).cost == 0


@pytest.mark.parametrize(
    "query", [{}, {"tags": ("both",)}, {"text": "said"}, {"sort": "cost"}, {"provider": "x"}], ids=str
)
@both
def test_pages_of_one_have_nothing_of_the_other(filled, query, project, other):
    page = filled.sessions(SessionQuery(project=project, limit=1, **query))
    assert ([row.project_id for row in page], page.cursor) == ([project], None)
    theirs = filled.sessions(SessionQuery(limit=1, **query))
    if theirs.cursor is not None:
        following = filled.sessions(SessionQuery(project=project, limit=5, cursor=theirs.cursor, **query))
        assert {row.project_id for row in following} <= {project}, "a cursor of somebody else's opens nothing"


@both
def test_both_are_there_for_whoever_may_see_all(filled, project, other):
    assert {row.project_id for row in filled.sessions()} == set(PROJECTS)
    assert filled.find(SESSION) == [SESSION]
    assert len(filled.search("said")) == 2
    assert {each.keys["project"]: each.cost for each in filled.figures(FiguresQuery(by=("project",)))} == {
        name: Decimal(str(cost)) for name, cost in COSTS.items()
    }
    newest = filled.session(SESSION)
    assert {record.attributes.get(names.COST) for record in filled.spans(SESSION)} - {None} == {float(newest.cost)}
    filled.insert(of_project(project, llm(0.1, span_id="3" * 16, start=-5)))
    assert filled.session(SESSION).project_id == other, "without a project, the one that began last"
    assert filled.delete(SESSION)
    assert filled.session(SESSION).project_id == project


def test_the_start_that_ends_in_another_session_of_its_project(store):
    store.insert(of_project("red", llm(end=None, span_id="1" * 16)))
    store.insert(of_project("blue", llm(0.5, span_id="1" * 16)))
    store.insert(of_project("red", llm(0.25, span_id="1" * 16, attributes={names.SESSION_ID: "mine"})))
    assert store.session("mine", "red").cost == Decimal("0.25")
    assert store.session(SESSION, "red") is None
    assert store.session(SESSION, "blue").cost == Decimal("0.5")
    assert ROOT_ID not in {record.span_id for record in store.spans(SESSION)}


def test_what_is_too_old_goes_from_each(store):
    store.insert(of_project("red", root(start=0, end=1)))
    store.insert(of_project("blue", root(start=10**9, end=10**9 + 1)))
    assert store.prune(max_age=3600) == 1
    assert [row.project_id for row in store.sessions()] == ["blue"]

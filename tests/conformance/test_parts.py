"""Sessions in parts: some spans, first words, versions, and what can be filtered by."""

from __future__ import annotations

import json

import pytest
from span_records import SESSION, failed, llm, of_project, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store import QuestionError, SessionQuery

OTHER = "f" * 32
OTHER_SESSION = "ffffffff-ffff-ffff-ffff-ffffffffffff"
ON_ATLAS = {"resource": {names.HOST_NAME: "atlas", names.PROJECT_ID: "p"}}
ON_VEGA = {"resource": {names.HOST_NAME: "vega", names.PROJECT_ID: "q"}, "trace": OTHER}


def says(role, text):
    return {names.INPUT_MESSAGES: json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])}


@pytest.fixture(scope="module")
def filled(make):
    return fill(make())


def fill(store):
    store.insert(
        [
            root({names.TAGS: ["eu"]}, **ON_ATLAS),
            llm(model="gpt-4o", attributes={names.PROVIDER_NAME: "openai"}, **ON_ATLAS),
            failed(tool(**ON_ATLAS)),
            root({names.TAGS: ["eu", "us"]}, start=50.0, end=51.0, **ON_VEGA),
            llm(model="gpt-4o", start=50.0, **ON_VEGA),
        ]
    )
    return store


@pytest.mark.parametrize(
    ("facet", "told"),
    [
        ("host", [("atlas", 1), ("vega", 1)]),
        ("tag", [("eu", 2), ("us", 1)]),
        ("model", [("gpt-4o", 2)]),
        ("provider", [("openai", 1)]),
        ("error", [("ValueError", 1)]),
    ],
)
def test_facets_say_how_many_sessions_have_each_value(filled, facet, told):
    assert filled.facets(facet) == told


def test_facets_are_of_a_time_a_project_and_a_number(filled):
    newer = filled.session(OTHER_SESSION).start_time
    assert filled.facets("host", since=newer) == [("vega", 1)]
    assert filled.facets("tag", project="p") == [("eu", 1)]
    assert filled.facets("tag", limit=1) == [("eu", 2)]
    with pytest.raises(QuestionError, match="facet is one of tag"):
        filled.facets("colour")


@pytest.mark.parametrize(("host", "found"), [("atlas", [SESSION]), ("vega", [OTHER_SESSION]), ("none", [])])
def test_sessions_are_those_of_a_host(filled, host, found):
    assert [row.session_id for row in filled.sessions(SessionQuery(host=host))] == found


def test_an_empty_store_has_no_parts(store):
    assert store.facets("tag") == []
    assert store.version(SESSION) == 0
    assert store.versions(None, 10) == []
    assert store.some_spans(SESSION) == store.bare_spans(SESSION) == []
    assert store.first_inputs([SESSION]) == {}


def test_a_version_is_another_one_after_each_change(store):
    filled = fill(store)
    before, other = filled.version(SESSION), filled.version(OTHER_SESSION)
    filled.insert([tool(**ON_ATLAS)])
    assert filled.version(SESSION) > before
    assert filled.version(OTHER_SESSION) == other
    assert [session for session, _ in filled.versions(None, 10)] == [OTHER_SESSION, SESSION]
    assert [session for session, _ in filled.versions(None, 1)] == [OTHER_SESSION]
    assert [session for session, _ in filled.versions(None, 10, project="p")] == [SESSION]


def test_some_spans_are_those_that_are_asked_for_with_all_that_they_hold(filled):
    records = filled.spans(SESSION)
    assert filled.some_spans(SESSION) == records
    assert filled.some_spans(SESSION, limit=2) == records[:2]
    assert filled.some_spans(SESSION, [records[2].span_id, "0" * 15 + "z"]) == [records[2]]
    assert filled.some_spans(OTHER_SESSION, [records[2].span_id]) == []


def test_bare_spans_are_all_of_them_without_what_is_large(store):
    store.insert([root(), llm(attributes=says("user", "hello")), failed(tool())])
    bare = store.bare_spans(SESSION)
    assert [record.span_id for record in bare] == [record.span_id for record in store.spans(SESSION)]
    assert not any(names.INPUT_MESSAGES in record.attributes or record.events for record in bare)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (says("user", "  Where is\nmy order? "), "Where is my order?"),
        (says("user", "so " * 200), ("so " * 200)[:159] + "…"),
        (says("system", "Be kind."), "Be kind."),
        ({names.INPUT_VALUE: "What now?"}, "What now?"),
        ({names.INPUT_MESSAGES: "no messages"}, None),
        ({names.INPUT_MESSAGES: json.dumps(["text", {"role": 3}])}, None),
        (says("user", "  "), None),
        (says("user", "x" * 300_000), None),
        ({}, None),
    ],
)
def test_the_first_words_of_a_session(store, told, words):
    store.insert([root(), span("work"), llm(attributes=told, start=0.1)])
    assert store.first_inputs([SESSION, "none"]).get(SESSION) == words


def test_what_a_system_says_is_not_what_was_asked(store):
    both = json.loads(says("system", "Be kind.")[names.INPUT_MESSAGES]) + json.loads(
        says("user", "Hello?")[names.INPUT_MESSAGES]
    )
    store.insert([root(), llm(attributes={names.INPUT_MESSAGES: json.dumps(both)})])
    assert store.first_inputs([SESSION]) == {SESSION: "Hello?"}


@pytest.mark.parametrize(("project", "number"), [(None, 3), ("p", 3), ("q", 0)])
def test_parts_are_those_of_a_project(filled, project, number):
    assert len(filled.some_spans(SESSION, project=project)) == number
    assert len(filled.bare_spans(SESSION, project=project)) == number
    assert bool(filled.version(SESSION, project)) == bool(number)


def test_what_was_asked_is_told_to_its_project(store):
    fill(store).insert([llm(attributes=says("user", "Hello?"), **ON_ATLAS)])
    asked = {project: bool(store.first_inputs([SESSION], project)) for project in (None, "p", "q")}
    assert asked == {None: True, "p": True, "q": False}


def test_several_sessions_are_read_at_once(filled):
    told = {row.session_id: (row, spans) for row, spans in filled.bare_sessions([SESSION, "none", OTHER_SESSION])}
    assert told == {each: (filled.session(each), filled.bare_spans(each)) for each in (SESSION, OTHER_SESSION)}
    assert [row.project_id for row, _ in filled.bare_sessions([SESSION, OTHER_SESSION], "q")] == ["q"]


def test_parts_of_one_project_are_none_of_another(store):
    for project, said in (("p", "ours"), ("q", "theirs")):
        store.insert(of_project(project, root(), llm(span_id="1" * 16, attributes=says("user", said))))
    for project, said in (("p", "ours"), ("q", "theirs")):
        whole = store.spans(SESSION, project)
        assert store.some_spans(SESSION, project=project) == whole
        assert store.some_spans(SESSION, ["1" * 16], project=project) == [whole[1]]
        assert len(store.bare_spans(SESSION, project)) == 2
        assert store.first_inputs([SESSION], project) == {SESSION: said}
        assert store.versions(None, 10, project) == [(SESSION, store.version(SESSION, project))]
    before = store.version(SESSION, "q")
    store.insert(of_project("p", tool()))
    assert store.version(SESSION, "q") == before
    assert store.some_spans(SESSION, project="r") == store.bare_spans(SESSION, "r") == []

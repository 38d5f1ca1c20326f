"""Searches for traces: which of them a question finds, in what order, and what each project sees."""

from __future__ import annotations

import pytest
from span_records import SECOND, root, span
from stored import ONE, THREE, TWO, at, fill_traces, of_service

from agentops_otel.conventions import names
from agentops_otel.store.traces import Dependency, Operation, TraceQuery


@pytest.fixture(scope="module")
def filled(make):
    return fill_traces(make())


def test_services(filled):
    assert filled.services() == ["bank", "shop", "unknown_service"]
    assert filled.services(project="blue") == ["bank"]
    assert filled.services(project="default") == ["unknown_service"]
    assert filled.services(project="green") == []


def test_operations(filled):
    assert filled.operations("shop") == [
        Operation("buy", "client"),
        Operation("chat gpt-4o", "internal"),
        Operation("session", "internal"),
    ]
    assert filled.operations("unknown_service") == [Operation("wait", "internal")]
    assert filled.operations("shop", project="blue") == []
    assert filled.operations("'; DROP TABLE spans") == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [THREE, TWO, ONE]),
        ({"limit": 2}, [THREE, TWO]),
        ({"service": "shop"}, [ONE]),
        ({"service": "unknown_service"}, [THREE]),
        ({"service": "nobody"}, []),
        ({"operation": "buy"}, [TWO, ONE]),
        ({"operation": "buy", "service": "bank"}, [TWO]),
        ({"operation": "bu"}, []),
        ({"since": at(50)}, [THREE, TWO]),
        ({"until": at(0)}, [ONE]),
        ({"since": at(1), "until": at(1)}, [ONE]),
        ({"since": at(2), "until": at(99)}, []),
        ({"shortest": 2 * SECOND}, [TWO]),
        ({"shortest": 2 * SECOND, "longest": 3 * SECOND}, [TWO]),
        ({"longest": SECOND // 2}, [THREE, ONE]),
        ({"operation": "buy", "longest": SECOND}, [ONE]),
        ({"tags": {"error": "true"}}, [ONE]),
        ({"tags": {"error": "false"}, "operation": "chat gpt-4o"}, []),
        ({"tags": {"error": "perhaps"}}, []),
        ({"tags": {"n": "7"}}, [ONE]),
        ({"tags": {"n": "7.0"}}, [ONE]),
        ({"tags": {"n": "8"}}, []),
        ({"tags": {"ratio": "1e-05"}}, [ONE]),
        ({"tags": {"flag": "true"}}, [ONE]),
        ({"tags": {"flag": "1"}}, []),
        ({"tags": {"who": "größe"}}, [ONE]),
        ({"tags": {names.TAGS: "nightly"}}, [ONE]),
        ({"tags": {names.TAGS: '["nightly","b"]'}}, [ONE]),
        ({"tags": {names.TAGS: "night"}}, []),
        ({"tags": {"http.route": "/a:b"}}, [ONE]),
        ({"tags": {'odd"key': "x"}}, [ONE]),
        ({"tags": {"$.n": "7"}}, []),
        ({"tags": {names.PROJECT_ID: "blue"}}, [TWO]),
        ({"tags": {names.EXCEPTION_TYPE: "ValueError"}}, [ONE]),
        ({"tags": {"span.kind": "client"}}, [ONE]),
        ({"tags": {"otel.status_code": "OK"}}, [ONE]),
        ({"tags": {"otel.status_code": "UNSET"}}, []),
        ({"tags": {"otel.status_description": "it broke"}}, [ONE]),
        ({"tags": {"otel.scope.name": "s.hop"}}, [ONE]),
        ({"tags": {"span.kind": "client", "error": "true"}}, []),
        ({"tags": {"\ud800": "\ud800"}, "operation": "\ud800"}, []),
        ({"tags": {f"t{number}": "v" for number in range(32)}}, []),
    ],
    ids=str,
)
def test_what_a_question_finds(filled, asked, found):
    assert filled.traces(TraceQuery(**asked)) == found


def test_an_attribute_that_is_kept_with_the_content_is_found(store):
    store.insert([root({names.INPUT_VALUE: "hello"}, trace=ONE)])
    assert store.traces(TraceQuery(tags={names.INPUT_VALUE: "hello"})) == [ONE]


def test_a_trace_with_all_that_it_has(filled):
    records = filled.trace(ONE)
    assert [record.name for record in records] == ["session", "buy", "chat gpt-4o"]
    assert records[0].resource is records[1].resource
    assert records[2].events[0]["name"] == "exception"
    bare = filled.trace(ONE, content=False)
    assert [record.name for record in bare] == ["session", "buy", "chat gpt-4o"]
    assert bare[2].events == ()
    assert len(filled.trace(ONE, limit=2)) == 2
    assert filled.trace("0" * 32) == []


def test_a_project_sees_its_own(filled):
    assert filled.traces(TraceQuery(), project="red") == [ONE]
    assert filled.traces(TraceQuery(service="shop"), project="blue") == []
    assert [record.name for record in filled.trace(TWO, project="blue")] == ["buy"]
    assert filled.trace(TWO, project="red") == []
    assert len(filled.trace(THREE, project="default")) == 1


def test_a_session_that_began_long_before_and_goes_on_is_found(store):
    store.insert([root(trace=ONE, end=None)])
    assert store.sessions()
    store.insert([span("late", trace=ONE, start=5000, end=5001)])
    for _ in range(2):
        assert store.traces(TraceQuery(since=at(4000))) == [ONE]
        assert store.sessions(), "the second time with a roll-up that is new"


def test_the_traces_of_a_session_that_has_several(store):
    of_one = {names.SESSION_ID: "mine"}
    store.insert([span("a", of_one, trace=ONE), span("b", of_one, trace=TWO), span("c", of_one, trace=TWO)])
    assert sorted(store.traces(TraceQuery())) == [ONE, TWO]
    assert store.traces(TraceQuery(limit=1)) in ([ONE], [TWO])


def test_dependencies_between_services(store):
    store.insert(
        [
            root(trace=ONE, **of_service("shop", "red")),
            span("a", trace=ONE, **of_service("bank", "red")),
            span("b", trace=ONE, **of_service("bank", "red")),
            span("c", trace=ONE, **of_service("shop", "red")),
            span("d", trace=ONE, parent_id="f" * 16, **of_service("bank")),
            root(trace=TWO, start=100, **of_service("shop")),
            span("e", trace=TWO, start=100, **of_service("mail")),
        ]
    )
    assert store.dependencies(0, at(50)) == [Dependency("shop", "bank", 2)]
    assert store.dependencies(0, at(200)) == [Dependency("shop", "bank", 2), Dependency("shop", "mail", 1)]
    assert store.dependencies(0, at(200), project="red") == [Dependency("shop", "bank", 2)]
    assert store.dependencies(at(300), at(400)) == []

"""The OpenAPI document is true: requests made from it are answered as it says."""

from __future__ import annotations

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from span_records import SESSION, failed, llm, root, tool

from agentops_otel.conventions import names
from agentops_otel.server.app import make_app
from agentops_otel.server.openapi import document
from agentops_otel.store.sqlite import SQLiteStore

ENDLESS = "/v2/changes"
EXAMPLES = 500 if os.environ.get("FAULTS_ALL") else 25
OPERATIONS = [
    (path, method)
    for path, methods in document("http://localhost")["paths"].items()
    for method in methods
    if method != "parameters" and path != ENDLESS
]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("store") / "sessions.db")
    store.insert([root({names.END_STATE: names.SUCCESS, names.TAGS: ["a"]}), llm(0.5), failed(tool())])
    made = make_app(store, hosts=("*",))
    yield made
    store.close()


def forgo_what_no_schema_can_say(case):
    """Cursors are the server's own; tags and models exclude each other. Both are told with 400, and tested in test_rest."""
    query = case.query or {}
    query.pop("cursor", None)
    if case.path == "/v2/analytics":
        query.pop("tag", None)
        if isinstance(query.get("by"), list):
            query["by"] = [name for name in query["by"] if name != "tag"] or ["day"]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_requests_of_the_document_are_answered_as_it_says(app, path, method):
    operation = schemathesis.openapi.from_asgi("/openapi.json", app)[path][method]

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
    )
    @given(operation.as_strategy())
    def ask(case):
        forgo_what_no_schema_can_say(case)
        case.call_and_validate()
        if "session_id" in (case.path_parameters or {}) and method != "delete":
            case.path_parameters["session_id"] = SESSION
            assert case.call_and_validate().status_code in {200, 400, 406}

    ask()


def test_every_address_is_in_the_document(app):
    told = {path for path, _ in OPERATIONS} | {ENDLESS}
    served = {route.path.replace(":path}", "}") for route in app.routes}
    assert told == {path for path in served if path.startswith("/v2/") or path == "/openapi.json"}

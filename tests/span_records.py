"""Span records for tests: a session, and what may happen in one, in as few words as possible."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

from agentops_otel.accounting.record import ERROR, SpanRecord, uuid_form
from agentops_otel.conventions import names

ROOT = Path(__file__).parents[1]
ROOT_ID = "a" * 16
TRACE = "0af7651916cd43dd8448eb211c80319c"
SESSION = uuid_form(TRACE)
BEGIN = 1_700_000_000 * 10**9
SECOND = 10**9
DAY_SECONDS = 86_400
_ids = itertools.count(1)


def span(name="span", attributes=None, *, start=0.0, end=1.0, trace=TRACE, **fields):
    """A span of the session of its trace; `start` and `end` are seconds after `BEGIN`."""
    fields.setdefault("span_id", f"{next(_ids):016x}")
    fields.setdefault("parent_id", ROOT_ID)
    return SpanRecord(
        trace_id=trace,
        name=name,
        start_time=BEGIN + int(start * SECOND),
        end_time=None if end is None else BEGIN + int(end * SECOND),
        attributes={names.SESSION_ID: uuid_form(trace), **(attributes or {})},
        **fields,
    )


def root(attributes=None, **fields):
    """The root of a session; with `end=None` its start record."""
    fields = {"span_id": ROOT_ID, "parent_id": None, **fields}
    return span("session", {names.SPAN_KIND: names.KIND_SESSION, **(attributes or {})}, **fields)


def llm(cost=0.01, *, model="gpt-4o", tokens=(100, 20), attributes=None, **fields):
    """A model call; with `cost=None` one without a price."""
    told = {
        names.OPERATION_NAME: names.CHAT,
        names.RESPONSE_MODEL: model,
        names.INPUT_TOKENS: tokens[0],
        names.OUTPUT_TOKENS: tokens[1],
        **({} if cost is None else {names.COST: cost}),
        **(attributes or {}),
    }
    return span(f"chat {model}", told, **fields)


def tool(name="search", attributes=None, **fields):
    """A call of a tool."""
    return span(name, {names.SPAN_KIND: names.KIND_TOOL, names.TOOL_NAME: name, **(attributes or {})}, **fields)


def failed(record, message="it broke", kind="ValueError"):
    """The same span, failed with an exception."""
    record.status, record.status_message = ERROR, message
    record.attributes = {**record.attributes, names.ERROR_TYPE: kind}
    record.events = [
        {
            "name": "exception",
            "timestamp": record.end_time,
            "attributes": {
                names.EXCEPTION_TYPE: kind,
                names.EXCEPTION_MESSAGE: message,
                names.EXCEPTION_STACKTRACE: "Traceback",
            },
        }
    ]
    return record


def of_project(project, *records):
    """The same records, their resources naming this project."""
    for record in records:
        record.resource = {**record.resource, names.PROJECT_ID: project}
    return list(records)


def python(code, *arguments, **options):
    """Start another Python that knows this package and this module, running `code`."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )

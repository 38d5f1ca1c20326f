"""The OpenAPI 3.1 document of the REST interface."""

from __future__ import annotations

from typing import Any, Final

from agentops_otel.server.filters import END_STATES, FACET_LIMIT, HIGHEST_LIMIT, LIMIT, TIME_FORM
from agentops_otel.server.formats import MEDIA
from agentops_otel.server.measures import DISTRIBUTED
from agentops_otel.server.measures import GROUPS as MEASURED_GROUPS
from agentops_otel.store.questions import FACETS, GROUPS, SORTS

_Schema = dict[str, Any]


def document(url: str) -> _Schema:
    """The document for the server under this URL."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "agentops_otel",
            "version": "2",
            "description": "Sessions of AI agents: what they did, how they ended, what they cost.",
        },
        "servers": [{"url": url}],
        "security": [{}, {"key": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Agentops-Api-Key"}},
            "schemas": _SCHEMAS,
            "parameters": {"session_id": _SESSION_ID},
        },
    }


def _paths() -> _Schema:
    one = {"parameters": [{"$ref": "#/components/parameters/session_id"}]}
    session = "/v2/sessions/{session_id}"
    lists = ("json", "jsonl", "csv")
    page_headers = {
        "X-Next-Cursor": {"description": "The `cursor` of the next page, if there is one.", "schema": _TEXT},
        "Link": {"description": 'The next page, as `rel="next"`.', "schema": _TEXT},
    }
    return {
        "/v2/sessions": {
            "get": _get("Sessions, newest first", _array("Session"), lists, _SESSION_PARAMETERS, headers=page_headers),
        },
        session: {
            **one,
            "get": _get("One session", _ref("Session"), missing=True),
            "delete": {
                "summary": "Delete a session that no longer runs, with all its spans",
                "responses": {"204": {"description": "It is gone."}, **_refusals(400, 401, 403, 404, 409, 503)},
            },
        },
        f"{session}/stats": {**one, "get": _get("Its statistics", _ref("Statistics"), missing=True)},
        f"{session}/export": {
            **one,
            "get": _get("All that was recorded of it", _ref("Export"), ("json",), [_format("json")], missing=True),
        },
        f"{session}/outline": {
            **one,
            "get": _get("Its spans in their places", _ref("Outline"), ("json",), _OUTLINE, missing=True),
        },
        f"{session}/transcript": {
            **one,
            "get": _get(
                "What was said in it, call by call", _ref("Transcript"), ("json", "markdown", "html"),
                [*_OUTLINE[:2], _format("json", "markdown", "html")], missing=True,
            ),
        },
        f"{session}/spans": {
            **one,
            "get": _get(
                "Its spans, by their start", {"anyOf": [_array("Span"), _ref("Otlp")]},
                (*lists, "otlp"), [_SPAN_ID, _format(*lists, "otlp")], missing=True,
            ),
        },
        **_over_many(lists),
        "/v2/changes": {
            "get": {
                "summary": "Sessions as they change: events `session` and `deleted`",
                "description": "`Last-Event-ID`, or `after`, is the id of the last event that was seen.",
                "parameters": [_query("after", {"type": "integer", "minimum": 0, "maximum": 10**18 - 1})],
                "responses": {
                    "200": {"description": "The stream.", "content": {"text/event-stream": {"schema": _TEXT}}},
                    **_refusals(400, 401, 403, 429, 503),
                },
            }
        },
        "/openapi.json": {"get": _get("This document", {"type": "object"})},
    }  # fmt: skip


def _over_many(lists: tuple[str, ...]) -> _Schema:
    """What is asked of more than one session."""
    return {
        "/v2/analytics": {"get": _get("Sums over sessions", _array("Figures"), lists, _FIGURES_PARAMETERS)},
        **{
            f"/v2/analytics/{name}": {"get": _get(told, _array("Row"), lists, parameters, headers=_READ_HEADERS)}
            for name, (told, parameters) in _MEASURED.items()
        },
        "/v2/compare": {
            "get": _get("Two sessions beside each other", _ref("Comparison"), ("json",), _COMPARED, missing=True),
        },
        "/v2/search": {"get": _get("Spans in which a text is found, newest first", _array("Hit"), lists, _SEARCH)},
        "/v2/facets": {"get": _get("What sessions can be filtered by", _array("Facet"), lists, _FACET_PARAMETERS)},
    }


def _get(
    summary: str,
    schema: _Schema,
    forms: tuple[str, ...] = ("json",),
    parameters: list[_Schema] | None = None,
    *,
    missing: bool = False,
    headers: _Schema | None = None,
) -> _Schema:
    content: _Schema = {MEDIA["json"]: {"schema": schema}}
    content.update({MEDIA[form]: {"schema": _TEXT} for form in forms if MEDIA[form] not in content})
    statuses = [400, 401, 403, *([404] if missing else []), *([406] if len(forms) > 1 or parameters else []), 503]
    told: _Schema = {"description": summary, "content": content, **({"headers": headers} if headers else {})}
    return {
        "summary": summary,
        **({"parameters": parameters} if parameters else {}),
        "responses": {"200": told, **_refusals(*statuses)},
    }


def _refusals(*statuses: int) -> _Schema:
    content = {MEDIA["json"]: {"schema": _ref("Error")}}
    return {str(status): {"description": _REASONS[status], "content": content} for status in statuses}


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(name: str) -> _Schema:
    return {"type": "array", "items": _ref(name)}


def _query(name: str, schema: _Schema, description: str = "", **more: Any) -> _Schema:
    told = {"description": description} if description else {}
    return {"name": name, "in": "query", "schema": schema, **told, **more}


def _format(*forms: str) -> _Schema:
    return _query("format", {"enum": list(forms)}, "Instead of the Accept header.")


def _object(required: dict[str, _Schema]) -> _Schema:
    return {"type": "object", "properties": required, "required": list(required)}


_REASONS: Final = {
    400: "A parameter cannot be read; the message says what it should be.",
    401: "A key is needed.",
    403: "The request comes from another site, or under a name that is not the server's.",
    404: "There is no such session.",
    406: "It is answered in other formats.",
    409: "The session still runs.",
    429: "Too much at once; see Retry-After.",
    503: "The store cannot be used at the moment; see Retry-After.",
}
_TEXT: Final[_Schema] = {"type": "string"}
_TEXT_OR_NONE: Final[_Schema] = {"type": ["string", "null"]}
_COUNT: Final[_Schema] = {"type": "integer", "minimum": 0}
_SECONDS: Final[_Schema] = {"type": ["number", "null"], "minimum": 0, "description": "Seconds; null while it runs."}
_COST: Final[_Schema] = {
    "type": ["string", "null"],
    "description": "USD as a decimal; null where not one call has a known price.",
}
_TIME: Final[_Schema] = {"type": ["string", "null"], "format": "date-time"}
_TOKENS: Final[_Schema] = {"type": "object", "additionalProperties": _COUNT}
_ANY: Final[_Schema] = {}
_SESSION_ID: Final[_Schema] = {"name": "session_id", "in": "path", "required": True, "schema": _TEXT}

_USD: Final[_Schema] = {"type": "string", "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$"}
_POSITIVE: Final[_Schema] = {"type": "number", "minimum": 0, "maximum": 1e9}
_LIMIT: Final[_Schema] = {"type": "integer", "minimum": 1, "maximum": HIGHEST_LIMIT, "default": LIMIT}
_WHEN: Final[_Schema] = {"type": "string", "pattern": r"^[0-9]{1,4}[smhdw]$"}
_PERIOD: Final = [_query("since", _WHEN, TIME_FORM), _query("until", _WHEN, TIME_FORM)]
_OF_SESSIONS: Final = [
    *_PERIOD,
    _query("end_state", {"enum": list(END_STATES)}),
    _query("model", _TEXT),
    _query("provider", _TEXT),
]
_SESSION_PARAMETERS: Final = [
    *_OF_SESSIONS,
    _query("tag", {"type": "array", "items": _TEXT}, "Told more than once, all are needed.", explode=True),
    _query("error_type", _TEXT, "The kind of an error that happened."),
    _query("host", _TEXT, "The machine that it ran on."),
    _query("include", {"enum": ["first_input"]}, "What was first asked, shortened, as `first_input`."),
    _query("min_cost", _USD),
    _query("max_cost", _USD),
    _query("min_duration", _POSITIVE, "Seconds."),
    _query("max_duration", _POSITIVE, "Seconds."),
    _query("is_running", {"type": "boolean"}),
    _query("text", {"type": "string", "pattern": "[a-zA-Z0-9]"}, "Words that were said or written in it."),
    _query("sort", {"enum": list(SORTS), "default": "start"}),
    _query("order", {"enum": ["desc", "asc"], "default": "desc"}),
    _query("limit", _LIMIT),
    _query("cursor", _TEXT, "From X-Next-Cursor of the page before, with the same parameters."),
    _format("json", "jsonl", "csv"),
]
_FIGURES_PARAMETERS: Final = [
    *_OF_SESSIONS,
    _query("tag", _TEXT, "Not together with models or providers."),
    _query(
        "by",
        {"type": "array", "items": {"enum": list(GROUPS)}, "uniqueItems": True},
        "What to group by; `day` if nothing is told. Several may be separated by commas.",
        explode=True,
    ),
    _format("json", "jsonl", "csv"),
]
_READ: Final = [_query("since", _WHEN, TIME_FORM), _format("json", "jsonl", "csv")]
_READ_HEADERS: Final[_Schema] = {
    "X-Sessions-Read": {"description": "How many sessions were read, the newest of them.", "schema": _COUNT},
    "X-Sessions-All": {"description": "Whether these are all of them.", "schema": {"type": "boolean"}},
}
_MEASURED: Final = {
    "percentiles": (
        "Within which time so many per cent of sessions and model calls were over",
        [_query("by", {"enum": list(MEASURED_GROUPS)}, "What to group by."), *_READ],
    ),
    "distribution": ("How often which values are", [_query("measure", {"enum": list(DISTRIBUTED)}), *_READ]),
    "agents": ("What each agent used", _READ),
    "errors": ("What went wrong, by type", _READ),
}
_ID: Final = _TEXT | {"minLength": 1}
_COMPARED: Final = [_query("a", _ID, "A session.", required=True), _query("b", _ID, "Another.", required=True)]
_FACET_PARAMETERS: Final = [
    _query("facet", {"enum": list(FACETS)}, "What to list the values of.", required=True),
    _query("since", _WHEN, TIME_FORM),
    _query("limit", {**_LIMIT, "default": FACET_LIMIT}),
    _format("json", "jsonl", "csv"),
]
_SPAN_ID: Final = _query(
    "span_id", {"type": "array", "items": {"type": "string", "pattern": "^[0-9a-f]{16}$"}, "maxItems": 50},
    "Only these spans.", explode=True,
)  # fmt: skip
_OUTLINE: Final = [
    _query("from", _COUNT | {"maximum": 10**9}, "The first row."),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 10**9}, "How many rows; all of them by default."),
    _query("around", _TEXT, "The id of a span: the window of `limit` rows that it lies in."),
    _query("only", {"enum": ["errors"]}, "The rows in which an error arose."),
    _query("preview", {"type": "boolean"}, "The first 200 spans by their start, without reading the others."),
]
_SEARCH: Final = [
    _query("text", {"type": "string", "pattern": "[a-zA-Z0-9]"}, '`"in this order"`, `begin*`.', required=True),
    _query("limit", _LIMIT),
    _format("json", "jsonl", "csv"),
]

_COUNTS: Final[_Schema] = dict.fromkeys(("llm_calls", "tool_calls", "actions", "errors"), _COUNT)
_SESSION_FIELDS: Final[_Schema] = {
    "id": _TEXT,
    "project_id": _TEXT,
    "name": {**_TEXT_OR_NONE, "description": "The service that ran it."},
    "host": _TEXT_OR_NONE,
    "init_timestamp": _TIME,
    "end_timestamp": _TIME,
    "end_state": _TEXT,
    "end_state_reason": _TEXT_OR_NONE,
    "is_running": {"type": "boolean"},
    "tags": {"type": "array", "items": _TEXT},
    "video": _TEXT_OR_NONE,
    "cost": _COST,
    "unpriced_calls": _COUNT,
    "duration": _SECONDS,
    **_COUNTS,
    "tokens": _TOKENS,
    "models": {"type": "array", "items": _TEXT},
}
_STATISTICS: Final[_Schema] = {
    "session_id": _TEXT,
    "events": _COUNT,
    **_COUNTS,
    "duration": _SECONDS,
    "cost": _COST,
    "unpriced_calls": _COUNT,
    "prompt_tokens": _COUNT,
    "completion_tokens": _COUNT,
    "tokens": _TOKENS,
    "by_model": {"type": "object"},
}
_LISTED: Final[_Schema] = {"type": "array", "items": {"type": "object"}}
_SCHEMAS: Final[_Schema] = {
    "Error": _object({"error": _object({"code": _TEXT, "message": _TEXT})}),
    "Session": _object(_SESSION_FIELDS),
    "Statistics": _object(_STATISTICS),
    "Export": _object(
        {
            "session": {"type": "object"},
            "statistics": _ref("Statistics"),
            **dict.fromkeys(("actions", "llms", "tools", "errors"), _LISTED),
        }
    ),
    "Outline": _object(
        {
            "session": _ref("Session"),
            "host": {"type": "object"},
            "is_whole": {"type": "boolean", "description": "These are all spans of the session."},
            "from": {**_COUNT, "description": "The row of the first of `spans`. What is told of all stands at 0."},
            "spans": {**_LISTED, "description": "Parents before children; `offset` is in seconds after `start`."},
        }
    ),
    "Row": {"type": "object"},
    "Comparison": _object(
        {"a": _ref("Session"), "b": _ref("Session"), "deltas": {"type": "object"}, "steps": {"type": "array"}}
    ),
    "Transcript": _object({"total": _COUNT, "from": _COUNT, "turns": _LISTED}),
    "Span": _object(
        {
            **dict.fromkeys(("trace_id", "span_id", "session_id", "name", "kind", "status", "scope"), _TEXT),
            "scope_version": _TEXT,
            "parent_id": _TEXT_OR_NONE,
            "status_message": _TEXT_OR_NONE,
            "start_time": {**_COUNT, "description": "Nanoseconds since the epoch."},
            "end_time": {"type": ["integer", "null"], "description": "Null for a span that is open."},
            "attributes": {"type": "object"},
            "events": _LISTED,
            "links": _LISTED,
            "resource": {"type": "object"},
        }
    ),
    "Otlp": {**_object({"resourceSpans": _LISTED}), "description": "An ExportTraceServiceRequest."},
    "Figures": {
        **_object({"sessions": _COUNT, "cost": _COST, "unpriced_calls": _COUNT, **_COUNTS, "tokens": _TOKENS}),
        "description": "Beside what it was grouped by.",
    },
    "Facet": _object({"value": _TEXT, "sessions": _COUNT}),
    "Hit": _object({"session_id": _TEXT, "span_id": _TEXT, "name": _TEXT, "init_timestamp": _TIME, "excerpt": _TEXT}),
}

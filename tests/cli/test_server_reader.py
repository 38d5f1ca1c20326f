"""Sessions of a server: the same output as of its store, and what is said when it does not answer."""

from __future__ import annotations

import http.server
import json
import threading
import time

import pytest
from click.testing import CliRunner
from span_records import BEGIN, ROOT_ID, SECOND, SESSION, failed, llm, root, span, tool
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agentops_otel.cli import main
from agentops_otel.cli.reader import Filters
from agentops_otel.cli.server_reader import ServerReader
from agentops_otel.conventions import names
from agentops_otel.server.app import make_app
from agentops_otel.server.otlp_json import traces_data
from agentops_otel.server.queries import session_json
from agentops_otel.store import Owner

KEY = "01234567-89ab-cdef-0123-456789abcdef"
ENDED = {names.END_STATE: names.SUCCESS, names.END_STATE_REASON: "all done", names.TAGS: ["nightly", "返金"]}


@pytest.fixture
def filled(store):
    """One session that ended, one that runs, one that died; from this minute, for ages are printed."""
    begun = time.time_ns() - 90 * SECOND
    records = [
        root({**ENDED, names.VIDEO_URL: "v://1"}, end=4.25),
        llm(0.00123, tokens=(12_400, 950), attributes={names.CACHE_READ_TOKENS: 8200}, end=3),
        failed(tool(parent_id=ROOT_ID)),
        root({names.OWNER: Owner.claim(store.owners).name}, trace="1" * 32, end=None),
        span("work", trace="1" * 32, start=1, end=None),
        llm(None, trace="2" * 32, start=-86_400, end=-86_399),
    ]
    for record in records:
        record.start_time += begun - BEGIN
        record.end_time = None if record.end_time is None else record.end_time + begun - BEGIN
    store.insert(records)
    return store


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["ls", "--limit", "1"],
        ["ls", "--end-state", "success"],
        ["ls", "--end-state", "running", "--end-state", "Indeterminate"],
        ["ls", "--tag", "nightly", "--tag", "返金"],
        ["ls", "--model", "gpt-4o", "--since", "1h"],
        ["ls", "--cost", ">0.001"],
        ["ls", "--tag", "nobody"],
        ["show", "@last"],
        ["show", "@last~1"],
        ["show", "22222222"],
        ["show", SESSION],
        ["show", SESSION.replace("-", "").upper()],
        ["stats", SESSION],
        ["stats"],
        ["stats", "--by", "tag"],
        ["stats", "--by", "end-state", "--json"],
        ["export", SESSION],
        ["export", "--all", "--format", "jsonl"],
        ["export", "0af7", "--format", "csv"],
        ["export", "--all", "--format", "otlp"],
    ],
    ids=" ".join,
)
def test_a_server_is_read_as_its_store_is(filled, run, run_on_server, arguments, monkeypatch):
    frozen = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: frozen)
    told = run(*arguments)
    assert run_on_server(*arguments) == told
    assert len(told) > 50


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["show", "abc"], 3), (["show", "@last~9"], 3), (["show", "f" * 32], 3), (["show", "fg" * 20], 3)],
)
def test_what_is_not_there_is_told_alike(filled, run, run_on_server, arguments, code):
    assert run_on_server(*arguments, code=code) == run(*arguments, code=code)


def test_an_empty_server(store, run, run_on_server):
    assert run_on_server("ls") == run("ls")
    assert run_on_server("ls", "--json") == "[]\n"
    assert run_on_server("show", "@last", code=3) == run("show", "@last", code=3)


def test_rows_as_json_are_the_servers_own(filled, run_on_server):
    assert json.loads(run_on_server("ls", "--json")) == [session_json(row) for row in filled.sessions()]


def test_an_id_that_may_mean_several(store, run, run_on_server):
    store.insert([root(trace=f"aaaa{number:028x}", start=number, end=99) for number in range(12)])
    told = run_on_server("show", "aaaa", code=2)
    assert "may be any of 12 sessions" in told
    assert "and 2 more" in told


def test_an_id_of_somebodys_own(store, run, run_on_server):
    store.insert([root({names.SESSION_ID: "a/b ü?#"}), root({names.SESSION_ID: "a/b ü?#2"}, trace="1" * 32)])
    assert run_on_server("stats", "a/b ü?#") == run("stats", "a/b ü?#")


# --- What the server of another version may do ----------------------------------------------------------------


def test_pages_and_spans_and_deletion(filled, serve):
    """A server that lists by pages, tells the spans of a session, and deletes."""
    asked, deleted = [], []
    rows = [session_json(row) for row in filled.sessions()]

    async def listed(request):
        asked.append(dict(request.query_params))
        place = int(request.query_params.get("cursor", 0))
        return JSONResponse(
            rows[place : place + 1], headers={"X-Next-Cursor": str(place + 1)} if place + 1 < len(rows) else {}
        )

    async def spans(request):
        assert request.query_params["format"] == "otlp"
        return JSONResponse(traces_data(filled.spans(request.path_params["session_id"])))

    async def delete(request):
        deleted.append(request.path_params["session_id"])
        return Response(status_code=204)

    url = serve(
        Starlette(
            routes=[
                Route("/v2/sessions", listed),
                Route("/v2/sessions/{session_id}/spans", spans),
                Route("/v2/sessions/{session_id}", delete, methods=["DELETE"]),
            ]
        )
    )
    reader = ServerReader(url)
    since = time.time_ns() - 3600 * SECOND
    assert reader.sessions(Filters()) == rows
    wanted = Filters(end_states=("Success",), tags=("nightly",), models=("gpt-4o",), since=since)
    assert [row["id"] for row in reader.sessions(wanted)] == [SESSION]
    assert asked[-1].items() >= {"end_state": "Success", "tag": "nightly", "model": "gpt-4o", "cursor": "2"}.items()
    assert asked[-1]["since"].startswith("20")
    told = reader.spans(SESSION)
    assert traces_data(told) == traces_data(filled.spans(SESSION))
    assert [record.name for record in told] == ["session", "chat gpt-4o", "search"]
    assert reader.spans("1" * 8 + "-1111-1111-1111-" + "1" * 12)[1].end_time is None
    assert reader.find("@last~1") == [rows[1]["id"]]
    reader.delete(SESSION)
    assert deleted == [SESSION]


def test_a_server_that_tells_no_more_than_a_page(store, serve, capsys):
    store.insert([root(trace=f"{number + 1:032x}") for number in range(1001)])
    found = len(ServerReader(serve(make_app(store))).sessions(Filters()))
    is_told = "lists its newest 1,000 sessions only" in capsys.readouterr().err
    assert (found, is_told) in {(1000, True), (1001, False)}, "all are listed, or it is said that not all are"


class Stub(http.server.BaseHTTPRequestHandler):
    """Answers everything alike."""

    status, body, headers_sent = 200, b"", ()

    def do_GET(self):
        self.send_response(self.status)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def stub():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        server.told = server.RequestHandlerClass = type("Told", (Stub,), {})
        yield server
        server.shutdown()
        thread.join()


def ls(url, *arguments):
    result = CliRunner().invoke(main, ["sessions", "ls", "--server", url, *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (401, b"an accepted key is needed\n", 4, "answers: an accepted key is needed\nName a key: --key KEY, or AGENTOPS_API_KEY."),
        (401, b'{"error": {"code": 401, "message": "no key"}}', 4, "answers: no key\nName a key"),
        (403, b"", 4, "answers: Forbidden\nName a key"),
        (404, b'{"error": "gone"}', 3, "answers: gone\n"),
        (500, b"\x1b[31mTraceback", 1, "answers: Traceback\n"),
        (503, b"x" * 20_000, 1, "x…\n"),
        (302, b"", 1, "answers: Found\n"),
        (200, b"", 1, "not as a server of agentops-otel does"),
        (200, b"<html>", 1, "not as a server of agentops-otel does"),
        (200, b"\xff", 1, "not as a server of agentops-otel does"),
        (200, b"[" * 100_000, 1, "not as a server of agentops-otel does"),
        (200, b"{}", 1, "not as a server of agentops-otel does"),
        (200, b"[1]", 1, "not as a server of agentops-otel does"),
        (200, b'[{"id": "x"}]', 1, "not as a server of agentops-otel does"),
        (200, b'[{"id": "x", "init_timestamp": "now", "end_state": "y"}]', 1, "not as a server"),
    ],
)  # fmt: skip
def test_answers_that_are_none(stub, status, body, code, told):
    stub.told.status, stub.told.body = status, body
    found, output = ls(f"127.0.0.1:{stub.server_port}")
    assert found == code
    assert told in output
    assert "\x1b" not in output


@pytest.mark.parametrize("what", ["show", "stats", "export"])
@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"session": 1, "statistics": []}', b"7"])
def test_strange_answers_to_other_questions(stub, what, body):
    stub.told.body = body
    result = CliRunner().invoke(main, ["sessions", what, SESSION, "--server", f"http://127.0.0.1:{stub.server_port}"])
    assert result.exit_code == 1
    assert "not as a server of agentops-otel does" in result.output


def test_a_key_is_never_sent_on_to_another_server(stub):
    stub.told.status, stub.told.headers_sent = 302, [("Location", f"http://localhost:{stub.server_port}/")]
    assert ls(f"http://127.0.0.1:{stub.server_port}", "--key", KEY)[0] == 1


def test_a_server_that_is_not_there(stub):
    url = f"http://127.0.0.1:{stub.server_port}"
    stub.server_close()
    code, told = ls(url)
    assert code == 5
    assert f"no server answers at {url}" in told
    assert "agentops-otel serve" in told


def test_a_server_that_breaks_off(stub):
    def hang_up(handler):
        handler.wfile.write(b"nonsense\r\n\r\n")

    stub.told.do_GET = hang_up
    assert ls(f"http://127.0.0.1:{stub.server_port}")[0] == 5


def test_keys(filled, serve, monkeypatch):
    url = serve(make_app(filled, [KEY]))
    assert ls(url)[0] == 4
    code, told = ls(url, "--key", "11111111-89ab-cdef-0123-456789abcdef")
    assert (code, "This key is not accepted." in told) == (4, True)
    assert ls(url, "--key", KEY)[0] == 0
    monkeypatch.setenv("AGENTOPS_API_KEY", KEY)
    monkeypatch.setenv("AGENTOPS_SERVER", url)
    assert SESSION[:8] in CliRunner().invoke(main, ["sessions", "ls"]).output
    assert ls(url, "--key", "a\nb")[0] == 2


def test_a_named_store_is_meant_whatever_the_environment_says(filled, run, monkeypatch):
    monkeypatch.setenv("AGENTOPS_SERVER", "http://127.0.0.1:1")
    assert SESSION[:8] in run("ls")


def test_a_proxy_is_not_asked_for_this_machine(filled, serve, monkeypatch):
    url = serve(make_app(filled))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ls(url)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--server", "ftp://x"], "a server is named as http://127.0.0.1:4318, not as 'ftp://x'"),
        (["--server", "http://"], "a server is named as"),
        (["--server", "http://h:port"], "a server is named as"),
        (["--server", "http://h:99999"], "a server is named as"),
        (["--server", "http://u:p@h"], "a server is named as"),
        (["--server", "http://a b"], "a server is named as"),
        (["--server", "http://h", "--store", "s"], "not from both"),
        (["--key", "k"], "a --key is for a --server"),
    ],
)
def test_places_that_are_none(arguments, told):
    result = CliRunner().invoke(main, ["sessions", "ls", *arguments])
    assert result.exit_code == 2
    assert told in result.output

"""Servers over ClickHouse: any number of them answer alike, say what is amiss, and recover by themselves."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from clickhouse_server import ClickHouseServer
from otlp_requests import PROTOBUF, protobuf_request
from span_records import SESSION, failed, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.store.keys import KeyFile

KEY = "01234567-89ab-cdef-0123-456789abcdef"
PATHS = [
    "/v2/sessions",
    "/v2/sessions?tag=nightly&sort=cost",
    f"/v2/sessions/{SESSION}/stats",
    f"/v2/sessions/{SESSION}/export",
    f"/v2/sessions/{SESSION}/spans",
    f"/v2/sessions/{SESSION}/outline",
    f"/v2/sessions/{SESSION}/transcript",
    "/v2/analytics?by=model",
    "/v2/facets?facet=model",
    "/v2/analytics/percentiles",
    "/v2/analytics/agents",
    "/v2/search?text=refund",
    "/api/services",
    "/api/traces?service=shop",
    f"/api/traces/{SESSION.replace('-', '')}",
    f"/api/v3/traces/{SESSION.replace('-', '')}",
    "/sessions",
    f"/s/{SESSION}",
]


@contextlib.contextmanager
def serving(address, *arguments):
    """The base URL of a server in a process of its own, and what it said."""
    start = [sys.executable, "-m", "agentops_otel", "serve", "--port", "0", "--store", address, *arguments]
    process = subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        head = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
        yield re.search(r"Look at +(http://\S+:[0-9]+)", head)[1], head
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def address(server, store):
    shop = {"service.name": "shop"}
    said = {names.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"my refund"}]}]'}
    ended = {names.END_STATE: names.SUCCESS, names.TAGS: ["nightly"]}
    store.insert([root(ended, resource=shop), llm(0.5, attributes=said, resource=shop), failed(tool(resource=shop))])
    return f"clickhouse://otel:secret@127.0.0.1:{server.port}/{store.name}"


def test_two_servers_answer_alike(address):
    with serving(address) as (one, head), serving(address) as (other, _):
        assert "secret" not in head
        assert "which a collector writes" in head
        for path in PATHS:
            answers = [httpx.get(url + path, timeout=30) for url in (one, other)]
            assert [answer.status_code for answer in answers] == [200, 200], (path, answers[0].text)
            told = [answer.text.replace(url, "") for answer, url in zip(answers, (one, other), strict=True)]
            assert told[0] == told[1], path
        assert httpx.get(f"{one}/v2/sessions").json()[0]["cost"] == "0.5"
        sent = httpx.post(f"{one}/v1/traces", content=protobuf_request(span()), headers={"content-type": PROTOBUF})
        assert sent.status_code == 403, "an exporter does not send it again"
        gone = httpx.delete(f"{one}/v2/sessions/{SESSION}")
        assert (gone.status_code, "ALTER TABLE" in gone.json()["error"]["message"]) == (403, True)


def test_a_server_starts_before_its_database_and_recovers(engine, store, tmp_path):
    store.insert([root()])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    keys = KeyFile(tmp_path / "servers")
    key = keys.add("default").text
    address = f"clickhouse://otel:secret@127.0.0.1:{port}/{store.name}"
    with serving(address, "--key-file", str(keys.path)) as (url, head):
        assert "Not readable yet" in head
        asked = {"X-Agentops-Api-Key": key}
        assert httpx.get(f"{url}/v2/sessions").status_code == 401
        away = httpx.get(f"{url}/v2/sessions", headers=asked)
        assert (away.status_code, "start it" in away.json()["error"]["message"]) == (503, True)
        assert away.headers["retry-after"]
        server = ClickHouseServer(engine.path, port)
        deadline = time.monotonic() + 20
        while (answer := httpx.get(f"{url}/v2/sessions", headers=asked)).status_code == 503:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [row["id"] for row in answer.json()] == [SESSION]
        server.close()


def test_the_list_without_scripts_says_what_is_amiss(address, server):
    with serving(address) as (url, _):
        assert SESSION in httpx.get(f"{url}/sessions", timeout=30).text
        server.refusal = "Code: 497. DB::Exception: user: Not enough privileges. (ACCESS_DENIED)"
        page = httpx.get(f"{url}/sessions", timeout=30)
        assert (page.status_code, "GRANT SELECT ON" in page.text) == (200, True)
        server.refusal = ""
        assert SESSION in httpx.get(f"{url}/sessions", timeout=30).text


def test_other_machines_are_let_in_with_a_key_alone(address):
    start = [sys.executable, "-m", "agentops_otel", "serve", "--host", "0.0.0.0", "--port", "0", "--store", address]
    ended = subprocess.run(start, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "agentops-otel keys add --project default --store agentops.keys" in ended.stderr
    assert "agentops-otel serve --key-file agentops.keys" in ended.stderr
    assert "secret" not in ended.stderr


def test_a_program_in_the_same_environment_keeps_its_sessions_in_a_file(tmp_path):
    code = (
        "import agentops_otel as agentops\n"
        "session = agentops.init()\n"
        "agentops.record(agentops.ActionEvent('think'))\n"
        "agentops.end_session('Success')\n"
    )
    env = {**os.environ, "AGENTOPS_STORE": "clickhouse://h/otel", "XDG_DATA_HOME": str(tmp_path), "AGENTOPS_STRICT": ""}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "store is a file, not clickhouse://" in ended.stderr
    assert (tmp_path / "agentops_otel" / "sessions.db").exists()

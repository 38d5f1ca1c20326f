"""`agentops-otel serve`: a real process, programs that send to it, and the end of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import httpx
import pytest
from click.testing import CliRunner
from otlp_requests import PROTOBUF, protobuf_request
from programs import run as run_program
from span_records import SESSION, llm, root, span

from agentops_otel.cli import main
from agentops_otel.store import SessionQuery, open_store
from agentops_otel.store.keys import KeyFile

KEY = "01234567-89ab-cdef-0123-456789abcdef"
KILLS = 50 if os.environ.get("FAULTS_ALL") else 5


@contextlib.contextmanager
def serving(store, *arguments, stop=signal.SIGINT):
    """The base URL of a server on a free port, and what it said; at the end one Ctrl-C, which it must obey."""
    ports = ["--port", "0", *([] if "--no-grpc" in arguments else ["--grpc-port", "0"])]
    start = [sys.executable, "-W", "error", "-m", "agentops_otel", "serve", *ports, "--store", str(store)]
    process = subprocess.Popen([*start, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        head = list(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
        yield re.search(r"http://\S+:[0-9]+", "".join(head))[0], "".join(head)
        process.send_signal(stop)
        rest, _ = process.communicate(timeout=10)
        if stop == signal.SIGINT:
            assert process.returncode == 0
            assert rest.endswith("\nStopped.\n")
            assert "Traceback" not in rest
    finally:
        process.kill()
        process.communicate()


SEND = """
    import agentops_otel as agentops
    session = agentops.init({arguments}, tags=["sent"])
    agentops.record(agentops.ActionEvent("think"))
    agentops.record(agentops.LLMEvent(model="gpt-4o", prompt_tokens=100, completion_tokens=20))
    agentops.end_session("Success", "all done")
    print(session.session_id)
"""


def test_a_program_sends_a_session_and_it_is_read_back(tmp_path):
    served = tmp_path / "served" / "sessions.db"
    with serving(served) as (url, head):
        assert all(told in head for told in (f"{url}/v1/traces", f"{url}/ ", str(served), "over gRPC"))
        out, err = run_program(SEND.format(arguments=f"endpoint={url!r}"), tmp_path)
        session_id = out.strip()
        assert url in err
        (listed,) = httpx.get(f"{url}/v2/sessions").json()
        stats = httpx.get(f"{url}/v2/sessions/{session_id}/stats").json()
        whole = httpx.get(f"{url}/v2/sessions/{session_id}/export").json()
    assert (listed["id"], listed["tags"], listed["end_state"]) == (session_id, ["sent"], "Success")
    assert (stats["actions"], stats["llm_calls"], stats["cost"]) == (1, 1, "0.00045")
    assert whole["session"]["end_state_reason"] == "all done"
    assert whole["statistics"] == stats
    assert not (tmp_path / "sessions.db").exists(), "nothing is kept where the program is"


def test_a_batch_that_is_sent_twice_counts_once(tmp_path):
    body = protobuf_request(root(), llm(0.25))
    with serving(tmp_path / "s.db") as (url, _):
        for _ in range(2):
            assert httpx.post(f"{url}/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code == 200
        stats = httpx.get(f"{url}/v2/sessions/{SESSION}/stats").json()
    assert (stats["llm_calls"], stats["cost"]) == (1, "0.25")


def grpc_address(head):
    return re.search(r"over gRPC +http://(\S+)", head)[1]


def sender(url, acknowledged, number):
    """Post batches of five spans until the server is gone; the ids of those that were answered with 200."""
    with httpx.Client() as client:
        while True:
            records = [span(trace=f"{number:032x}") for _ in range(5)]
            try:
                client.post(
                    f"{url}/v1/traces", content=protobuf_request(*records), headers={"content-type": PROTOBUF}
                ).raise_for_status()
            except httpx.HTTPError:
                return
            acknowledged.extend(record.span_id for record in records)


def grpc_sender(address, acknowledged, number):
    with grpc.insecure_channel(address) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        while True:
            records = [span(trace=f"{number:032x}") for _ in range(5)]
            try:
                export(protobuf_request(*records), timeout=10)
            except grpc.RpcError:
                return
            acknowledged.extend(record.span_id for record in records)


def test_what_was_acknowledged_survives_kills(tmp_path):
    store, acknowledged = tmp_path / "s.db", []
    for turn in range(1, KILLS + 1):
        before = len(acknowledged)
        with serving(store, stop=signal.SIGKILL) as (url, head):
            senders = [
                threading.Thread(target=sender, args=(url, acknowledged, turn)),
                threading.Thread(target=grpc_sender, args=(grpc_address(head), acknowledged, turn + 100)),
            ]
            for thread in senders:
                thread.start()
            while len(acknowledged) < before + 50:
                time.sleep(0.01)
        for thread in senders:
            thread.join()
    with contextlib.closing(open_store(store)) as opened:
        kept_sessions = opened.sessions(SessionQuery(limit=1000))
        kept = {record.span_id for row in kept_sessions for record in opened.spans(row.session_id)}
    assert len(acknowledged) >= 50 * KILLS
    assert set(acknowledged) <= kept


def test_with_a_key(tmp_path):
    with serving(tmp_path / "s.db", "--key", KEY) as (url, head):
        assert KEY not in head
        assert "X-Agentops-Api-Key" in head
        run_program(SEND.format(arguments=f"endpoint={url!r}, api_key={KEY!r}"), tmp_path)
        assert httpx.get(f"{url}/v2/sessions").status_code == 401
        (row,) = httpx.get(f"{url}/v2/sessions", headers={"X-Agentops-Api-Key": KEY}).json()
    assert row["tags"] == ["sent"]


def test_keys_of_the_store_and_their_projects(tmp_path):
    store = tmp_path / "s.db"
    one, other = KeyFile(store).add("one").text, KeyFile(store).add("other").text
    with serving(store) as (url, head):
        assert "X-Agentops-Api-Key" in head
        run_program(SEND.format(arguments=f"endpoint={url!r}, api_key={one!r}"), tmp_path)
        assert httpx.get(f"{url}/v2/sessions").status_code == 401
        (row,) = httpx.get(f"{url}/v2/sessions", headers={"X-Agentops-Api-Key": one}).json()
        assert httpx.get(f"{url}/v2/sessions", headers={"X-Agentops-Api-Key": other}).status_code == 200
    assert (row["tags"], row["project_id"]) == (["sent"], "one")


def test_the_standard_variables_over_grpc(tmp_path):
    with serving(tmp_path / "s.db", "--key", KEY) as (url, head):
        variables = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{grpc_address(head)}",
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-agentops-api-key={KEY}",
        }
        run_program(SEND.format(arguments="auto_start_session=True"), tmp_path, **variables)
        (row,) = httpx.get(f"{url}/v2/sessions", headers={"X-Agentops-Api-Key": KEY}).json()
    assert (row["tags"], row["end_state"]) == (["sent"], "Success")


def test_the_first_page_is_opened(tmp_path, monkeypatch):
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho $1 > {opened}\n")
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(browser))
    with serving(tmp_path / "s.db", "--open") as (url, _):
        deadline = time.monotonic() + 10
        while not (opened.exists() and opened.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert opened.read_text() == f"{url}\n"


def test_over_http_only(tmp_path):
    with serving(tmp_path / "s.db", "--no-grpc") as (_, head):
        assert "gRPC" not in head


def test_other_machines_are_let_in_once_there_is_a_key(tmp_path):
    store = tmp_path / "s.db"
    file = KeyFile(store)
    key = file.add("one")
    with serving(store, "--host", "0.0.0.0") as (url, _):
        port = url.rpartition(":")[2]
        here = f"http://127.0.0.1:{port}/v2/sessions"
        assert httpx.get(here, headers={"X-Agentops-Api-Key": key.text}).status_code == 200
        file.remove(key.key.id)
        time.sleep(1.1)
        assert httpx.get(here, headers={"X-Agentops-Api-Key": key.text}).status_code == 401
        assert httpx.get(here).status_code == 401, "the last key is gone, and the door is shut"


def test_the_largest_request_is_a_setting(tmp_path):
    with serving(tmp_path / "s.db", "--max-request", "1") as (url, head):
        answer = httpx.post(f"{url}/v1/traces", content=bytes(2**20 + 1), headers={"content-type": PROTOBUF})
        assert answer.status_code == 413
        with grpc.insecure_channel(grpc_address(head)) as channel, pytest.raises(grpc.RpcError, match="RESOURCE"):
            channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(bytes(2**20 + 1))


def test_ctrl_c_at_once(tmp_path):
    with serving(tmp_path / "s.db"):
        pass


def test_ctrl_c_while_a_request_never_ends(tmp_path):
    with contextlib.ExitStack() as stack, serving(tmp_path / "s.db") as (url, _):
        assert httpx.get(url).status_code == 200
        host, _, port = url.removeprefix("http://").rpartition(":")
        connection = stack.enter_context(socket.create_connection((host, int(port))))
        head = f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: {PROTOBUF}\r\nContent-Length: 9\r\n\r\nx"
        connection.sendall(head.encode())
        assert httpx.get(url).status_code == 200, "the others are answered meanwhile"


def test_a_busy_port_is_explained(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port), "--store", str(tmp_path / "s.db")])
    assert result.exit_code == 1
    assert f"port {port} is taken" in result.output
    assert "agentops-otel serve --port 0" in result.output


def test_a_busy_grpc_port_is_explained(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        arguments = ["--port", "0", "--grpc-port", port, "--store", str(tmp_path / "s.db")]
        result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == 1
    assert f"port {port} is taken" in result.output
    assert "agentops-otel serve --grpc-port 0" in result.output
    assert "--no-grpc" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["--host", "0.0.0.0"],
            2,
            r"a key is needed[^-]+agentops-otel keys add --project default\n",
        ),
        (["--host", "::"], 2, "a key is needed"),
        (["--host", "192.0.2.1"], 2, "a key is needed"),
        (["--host", "box.example"], 2, "a key is needed"),
        (["--host", "127.0.0.1.box.example"], 2, "a key is needed"),
        (["--host", "0.0.0.0", "--key", ""], 2, "a key is a UUID"),
        (["--key", "secret"], 2, r"a key is a UUID.+--key \S{36}\n"),
        (["--host", "192.0.2.1", "--key", KEY], 1, "cannot listen on 192.0.2.1, port 4318"),
        (["--host", "no.such.invalid", "--key", KEY], 1, "cannot listen on no.such.invalid"),
        (["--port", "65536"], 2, "65536"),
        (["--store", os.devnull], 1, os.devnull),
    ],
)
def test_what_it_refuses(arguments, code, told):
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == code
    assert re.search(told, result.output)
    assert "secret" not in result.output


def test_a_damaged_file_of_keys_is_told(tmp_path):
    (tmp_path / "s.db.keys").write_text("{")
    result = CliRunner().invoke(main, ["serve", "--store", str(tmp_path / "s.db")])
    assert (result.exit_code, "damaged" in result.output) == (1, True)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra(tmp_path, missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from agentops_otel.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--store", str(tmp_path / "s.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'agentops_otel[server]'" in done.stderr
    assert "Traceback" not in done.stderr

"""`agentops-otel serve`: a real process, programs that send to it, and the end of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner
from otlp_requests import PROTOBUF, protobuf_request
from programs import run as run_program
from span_records import SESSION, llm, root

from agentops_otel.cli import main
from agentops_otel.store import open_store

KEY = "01234567-89ab-cdef-0123-456789abcdef"


@contextlib.contextmanager
def serving(store, *arguments, stop=signal.SIGINT):
    """The base URL of a server on a free port, and what it said; at the end one Ctrl-C, which it must obey."""
    start = [sys.executable, "-W", "error", "-m", "agentops_otel", "serve", "--port", "0", "--store", str(store)]
    process = subprocess.Popen([*start, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        head = [process.stdout.readline() for _ in range(4 if "--key" not in arguments else 5)]
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
        assert all(told in head for told in (f"{url}/v1/traces", f"{url}/ ", str(served), "Ctrl-C"))
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


def test_what_was_answered_with_200_survives_a_kill(tmp_path):
    store = tmp_path / "s.db"
    with serving(store, stop=signal.SIGKILL) as (url, _):
        body = protobuf_request(root())
        assert httpx.post(f"{url}/v1/traces", content=body, headers={"content-type": PROTOBUF}).status_code == 200
    with contextlib.closing(open_store(store)) as opened:
        assert [row.session_id for row in opened.sessions()] == [SESSION]


def test_with_a_key(tmp_path):
    with serving(tmp_path / "s.db", "--key", KEY) as (url, head):
        assert KEY not in head
        assert "X-Agentops-Api-Key" in head
        run_program(SEND.format(arguments=f"endpoint={url!r}, api_key={KEY!r}"), tmp_path)
        assert httpx.get(f"{url}/v2/sessions").status_code == 401
        (row,) = httpx.get(f"{url}/v2/sessions", headers={"X-Agentops-Api-Key": KEY}).json()
    assert row["tags"] == ["sent"]


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


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["--host", "0.0.0.0"],
            2,
            r"a key is needed[^-]+agentops-otel serve --host 0.0.0.0 --port 4318 --key \S{36}\n",
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


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra(tmp_path, missing):
    code = f"import sys; sys.modules[{missing!r}] = None; from agentops_otel.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--store", str(tmp_path / "s.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'agentops_otel[server]'" in done.stderr
    assert "Traceback" not in done.stderr

"""Fault 30: secrets are planted wherever a program has them, and looked for wherever something of ours goes."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import sqlite3
import subprocess
import sys

import pytest
from collector import Collector
from server.asking import asker

from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider
from agentops_otel.server.app import make_app
from agentops_otel.store import open_store

CANARIES = {
    "the key of the provider": "sk-canary-0000000001",
    "its header": "Bearer canary-0000000002",
    "a header by hand": "canary-0000000003",
    "a query parameter": "canary-0000000004",
    "a password in an error": "postgres://me:canary-0000000005@db/x",
    "an error of the provider": "sk-canary-0000000006",
    "the environment": "canary-0000000007",
    "a cookie": "canary-0000000008",
    "printed text": "canary-0000000009",
    "our own key": "01234567-89ab-4def-8123-456789abcdef",
    "a password of the endpoint": "canary-0000000010",
    "a header of the endpoint": "canary-0000000011",
    "a local variable": "canary-0000000012",
}

TOLD = ("/v2/sessions", "/v2/sessions/{}/stats", "/v2/sessions/{}/export", "/", "/s/{}", "/openapi.json")
"""Addresses that tell of sessions."""

PROGRAM = """
import logging, os
logging.basicConfig(level=logging.DEBUG, filename={log!r})
logging.getLogger("httpcore").disabled = logging.getLogger("openai").disabled = True
logging.getLogger("openai").setLevel("CRITICAL"); logging.getLogger("httpx").setLevel("CRITICAL")
logging.getLogger("httpcore").setLevel("CRITICAL"); logging.getLogger("httpx2").setLevel("CRITICAL")
logging.getLogger("httpcore2").setLevel("CRITICAL"); logging.getLogger("asyncio").setLevel("CRITICAL")
begin(api_key={own!r}, endpoint={endpoint!r}, capture_content={content}, log_level="DEBUG")
session = agentops.start_session(tags=["tag"])
secret_of_mine = {local!r}
client = openai.OpenAI(api_key={key!r})
more = dict(
    extra_headers={{"Authorization": {bearer!r}, "X-Api-Key": {header!r}, "Cookie": {cookie!r}}},
    extra_query={{"api_key": {query!r}}},
)
print({printed!r})
for model in ("gpt-4o-mini", "fails"):
    try:
        client.chat.completions.create(model=model, messages=[{{"role": "user", "content": "x"}}], **more)
    except openai.AuthenticationError as error:
        session.record(agentops.ErrorEvent(exception=error))
try:
    raise ConnectionError({dsn!r})
except ConnectionError as error:
    session.record(agentops.ErrorEvent(exception=error))
@agentops.record_action("act")
def act():
    raise ConnectionError({dsn!r})
try:
    act()
except ConnectionError:
    pass
logging.getLogger("x").info("the configuration is %r, the client %r", default.config, client.api_key and default)
session.end_session("Failure", {dsn!r})
agentops.flush(2)
"""


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("content", [True, False])
@pytest.mark.parametrize("where", ["endpoint", "store"])
def test_30_no_secret_goes_anywhere(begin_program, tmp_path, where, content, up):
    def refuse(request):
        if request.body["model"] == "fails":
            return Answer.json({"error": {"message": f"no: {CANARIES['an error of the provider']}"}}, status=401)
        return Answer.json(bodies.chat("hello"))

    with Collector() as collector, Provider({"/v1/chat/completions": refuse}) as provider:
        if not up:
            collector.stop()
        endpoint = collector.url.replace("://", f"://me:{CANARIES['a password of the endpoint']}@")
        process = begin_program(
            PROGRAM.format(
                log=str(tmp_path / "log"),
                own=CANARIES["our own key"],
                endpoint=endpoint if where == "endpoint" else None,
                content=content,
                local=CANARIES["a local variable"],
                key=CANARIES["the key of the provider"],
                bearer=CANARIES["its header"],
                header=CANARIES["a header by hand"],
                cookie=CANARIES["a cookie"],
                query=CANARIES["a query parameter"],
                printed=CANARIES["printed text"],
                dsn=CANARIES["a password in an error"],
            ),
            OPENAI_BASE_URL=provider.openai_url,
            OTEL_EXPORTER_OTLP_HEADERS=f"x-token={CANARIES['a header of the endpoint']}",
            SECRET_OF_THE_ENVIRONMENT=CANARIES["the environment"],
        )
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        (tmp_path / "program.py").unlink()
        kept = {str(found): found.read_bytes() for found in tmp_path.rglob("*") if found.is_file()}
        assert any(kept.values())
        if where == "endpoint" and up:
            assert collector.names["chat gpt-4o-mini"] == 1
            assert collector.sent_headers[0]["x-token"] == CANARIES["a header of the endpoint"]
        places = {**kept, "stderr": err.encode(), **{f"request {i}": raw for i, raw in enumerate(collector.raw)}}
        places["stdout"] = out.replace(CANARIES["printed text"], "").encode()
        places |= inflated(tmp_path)
        if where == "store":
            places |= shown(tmp_path / "sessions.db")
        words = {
            name: secret.rpartition("://me:")[2].partition("@")[0].removeprefix("Bearer ")
            for name, secret in CANARIES.items()
        }
        found = [
            (name, place) for name, word in words.items() for place, held in places.items() if word.encode() in held
        ]
        assert not found


def shown(path):
    """What is told of the only session in a store: by the server, in its page, and by the commands."""
    told = {}
    with contextlib.closing(open_store(path)) as store:
        (row,) = store.sessions()
        ask = asker(make_app(store))
        key = {"X-Agentops-Api-Key": CANARIES["our own key"]}
        for target in TOLD:
            answer = asyncio.run(ask("GET", target.format(row.session_id), headers=key))
            assert answer.status_code == 200, target
            told[target] = answer.content + str(answer.headers).encode()
        guarded = asker(make_app(store, (CANARIES["our own key"],)))
        refused = asyncio.run(guarded("GET", TOLD[0], headers={"X-Agentops-Api-Key": CANARIES["our own key"] + "0"}))
        assert refused.status_code == 401
        told["a refusal"] = refused.content
    for command in ("show", "export"):
        line = [sys.executable, "-m", "agentops_otel", "sessions", command, row.session_id, "--store", str(path)]
        told[command] = subprocess.run(line, capture_output=True, check=True, timeout=60).stdout
    assert all(told.values())
    return told


def inflated(tmp_path):
    """What the spool holds, in plain."""
    path = tmp_path / "spool.db"
    if not path.exists():
        return {}
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT body FROM batches").fetchall()
    connection.close()
    return {f"batch {number}": gzip.decompress(body) for number, (body,) in enumerate(rows)}


@pytest.mark.parametrize(
    "settings",
    [
        "api_key='{}'",
        "api_key='01234567-89ab-4def-8123-456789abcdef', endpoint='http://me:{}@127.0.0.1:9'",
        "endpoint='ftp://me:{}@127.0.0.1'",
        "endpoint='http://me:{}@127.0.0.1:port'",
        "redact='{}('",
    ],
)
def test_30_no_secret_is_in_what_is_said_of_settings_that_are_wrong(begin_program, settings):
    """Warnings, tracebacks and reprs: what cannot be used is told without what is secret in it."""
    told = settings.format(CANARIES["a password of the endpoint"])
    process = begin_program(
        f"""
import traceback
try:
    agentops.init({told}, log_level="DEBUG")
except Exception:
    traceback.print_exc(limit=0)
print(default.config, agentops.doctor(), default.pipeline and default.pipeline.delivery.receivers)
"""
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert CANARIES["a password of the endpoint"] not in out + err

"""A session of a real program, sent to genuine receivers over HTTP and gRPC, and read back as each of them tells it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from interop.comparing import assert_told
from interop.processes import eventually
from interop.tools import GRPC, HTTP, TOOLS, Collector, Ours, Relay

from agentops_otel.accounting.tally import Tally
from agentops_otel.conventions import names

ROWS = [(tool.name, protocol) for tool in TOOLS.values() for protocol in tool.protocols]
rows = pytest.mark.parametrize(("tool", "protocol"), ROWS, indirect=["tool"], scope="session")


def arrived(tool, session):
    """The spans of a session once all of them are there, or what there is after a minute."""
    eventually(lambda: len(tool.spans(session.trace_id)) >= len(session.records))
    return tool.spans(session.trace_id)


@rows
def test_every_span_is_there_in_its_place_with_all_that_it_says(tool, protocol, played):
    session = played(tool, protocol)
    assert len(session.records) == 11
    assert_told(session.records, arrived(tool, session), tool.told)


@rows
def test_what_it_has_comes_to_what_the_program_was_told(tool, protocol, played):
    """End state, reason, tags, tokens and cost, from nothing but what the tool tells."""
    session = played(tool, protocol)
    seen = arrived(tool, session)
    (root,) = [record for record in seen if record.is_session]
    assert root.parent_id is None
    assert root.attributes[names.END_STATE] == "Success"
    assert root.attributes[names.END_STATE_REASON] == "In port before the storm."
    tags = root.attributes[names.TAGS]
    assert tags == tool.told.value(["interop", "sea trial"])
    assert Decimal(repr(root.attributes[names.COST])) == session.cost == Decimal("0.00371057")
    tally = Tally.of(seen)
    assert tally.total.cost == session.cost
    assert tally.total.tokens == session.figures["Tokens"]
    assert (tally.llm_calls, tally.tool_calls, tally.actions, tally.errors) == (5, 2, 1, 2)
    assert {record.session_id for record in seen} == {session.session}


@pytest.mark.parametrize(("tool", "protocol"), [("collector", HTTP)], indirect=["tool"], scope="session")
def test_a_collector_takes_the_start_of_a_session_as_a_log_record(tool, protocol, played):
    """So that whoever reads a collector's logs knows of sessions that are killed before any span of theirs ends."""
    session = played(tool, protocol)
    records = [
        record
        for told in eventually(lambda: tool.lines("logs"))
        for group in told["resourceLogs"]
        for part in group["scopeLogs"]
        for record in part["logRecords"]
        if record["traceId"] == session.trace_id
    ]
    assert [record["eventName"] for record in records] == [names.SESSION_START]


@pytest.mark.parametrize(
    ("tool", "protocol"), [("phoenix", HTTP), ("phoenix", GRPC)], indirect=["tool"], scope="session"
)
def test_phoenix_counts_our_tokens_as_its_own(tool, protocol, played):
    """It finds sessions, kinds and tokens by itself; embeddings are no part of what it sums."""
    session = played(tool, protocol)
    seen = arrived(tool, session)
    calls = {
        record.span_id: record
        for record in session.records
        if record.attributes.get(names.OPERATION_NAME) == names.CHAT
    }
    for record in seen:
        if record.span_id in calls:
            sent = calls[record.span_id].attributes
            assert record.attributes.get("llm.token_count.prompt") == sent.get(names.INPUT_TOKENS)
            assert record.attributes.get("llm.token_count.completion") == sent.get(names.OUTPUT_TOKENS)
            assert record.attributes["llm.model_name"] == sent[names.REQUEST_MODEL]
    told = tool.ask("/v1/projects/default/sessions", limit=100)["data"]
    (found,) = [row for row in told if row["session_id"] == session.session]
    assert [trace["trace_id"] for trace in found["traces"]] == [session.trace_id]
    assert (found["token_count_prompt"], found["token_count_completion"]) == (118 + 171 + 1211, 19 + 46 + 31)
    # Its own prices come to ours but for the tool, the embeddings, and what writing 20 tokens to a cache costs more than
    # reading them as plain input: 3.75 and 3 USD for a million.
    less = Decimal("0.0025") + Decimal("0.00000082") + 20 * Decimal("0.00000075")
    assert phoenix_cost(tool, session.session) == pytest.approx(float(session.cost - less), rel=1e-6)


def phoenix_cost(tool, session_id):
    """What Phoenix says that a session cost, which it tells over GraphQL alone."""
    query = "{ projects { edges { node { sessions(first: 100) { edges { node { sessionId costSummary { total { cost } } } } } } } } }"
    answer = httpx.post(f"http://127.0.0.1:{tool.http}/graphql", json={"query": query}, timeout=30).json()
    sessions = [
        row["node"] for project in answer["data"]["projects"]["edges"] for row in project["node"]["sessions"]["edges"]
    ]
    return next(row["costSummary"]["total"]["cost"] for row in sessions if row["sessionId"] == session_id)


@pytest.mark.parametrize(("tool", "protocol"), [("mlflow", HTTP)], indirect=["tool"], scope="session")
def test_mlflow_counts_our_tokens_as_its_own(tool, protocol, played):
    """It finds sessions, kinds, tokens and prices by itself."""
    session = played(tool, protocol)
    arrived(tool, session)
    told = tool.trace(session.trace_id)
    kept = told["trace_info"]["trace_metadata"]
    assert kept["mlflow.trace.session"] == session.session
    assert told["trace_info"]["state"] == "OK"
    usage = json.loads(kept["mlflow.trace.tokenUsage"])
    assert (usage["input_tokens"], usage["output_tokens"]) == (1541, 96)
    # Its own prices come to ours; it knows nothing of what a tool costs.
    priced = json.loads(kept["mlflow.trace.cost"])["total_cost"]
    assert priced == pytest.approx(float(session.cost - Decimal("0.0025")), rel=1e-6)


@pytest.mark.parametrize(("inwards", "onwards"), [(HTTP, GRPC), (GRPC, HTTP)])
def test_a_collector_passes_a_session_on_to_our_server(start, played, inwards, onwards):
    """As many programs, one collector and one server have it; nothing is lost or changed between them."""
    ours = start(Ours)
    relay = start(Relay, ours, onwards)
    session = played(relay, inwards)
    assert_told(session.records, arrived(ours, session), ours.told)
    told = ours.ask(f"/v2/sessions/{session.session}")
    assert (told["end_state"], told["tags"]) == ("Success", ["interop", "sea trial"])
    assert Decimal(str(told["cost"])) == session.cost


KILLED = """
import sys, time
import agentops_otel as agentops
session = agentops.init(endpoint=sys.argv[1], tags=["killed"], log_summary=False)
print(session.session_id, flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize("onwards", [HTTP, GRPC])
def test_a_session_that_is_killed_is_known_behind_a_collector(start, onwards, tmp_path):
    """Not one of its spans has ended: all that is known of it came as a log record."""
    ours = start(Ours)
    relay = start(Relay, ours, onwards)
    environment = {**os.environ, "AGENTOPS_STORE": str(tmp_path / "program.db")}
    command = [sys.executable, "-c", KILLED, relay.endpoint(HTTP)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as program:
        session = program.stdout.readline().strip()
        try:
            told = eventually(lambda: ours.ask(f"/v2/sessions/{session}"))
        finally:
            program.kill()
    assert told is not None
    assert (told["tags"], told["end_state"]) == (["killed"], "Indeterminate")
    (start_record,) = ours.spans(session.replace("-", ""))
    assert start_record.end_time is None


def test_the_collectors_settings_in_the_documentation_are_settings(start, tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "interop.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r'```yaml title="collector.yaml"\n(.*?)```', page, re.DOTALL)
    (tmp_path / "collector.yaml").write_text(shown, encoding="utf-8")
    assert complaint(start(Collector), tmp_path / "collector.yaml") == ""


def test_the_collectors_settings_for_deployment_are_settings(start):
    told = {"CLICKHOUSE_ENDPOINT": "tcp://127.0.0.1:9000", "CLICKHOUSE_USER": "u", "CLICKHOUSE_PASSWORD": "p"}
    settings = Path(__file__).resolve().parents[2] / "deploy" / "collector.yaml"
    assert complaint(start(Collector), settings, told) == ""


def complaint(collector, settings, environment=None):
    """What the collector has against these settings."""
    command = [collector.folder / "collector", "validate", "--config", settings]
    told = {**os.environ, **(environment or {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=told)
    return done.stderr if done.returncode else ""

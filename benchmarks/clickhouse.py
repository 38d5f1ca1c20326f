"""Sessions out of ClickHouse, beside the best that its own SQL can do through the same client.

    pip install -e '.[clickhouse-test]' && python benchmarks/clickhouse.py [--spans 1000000] [--folder build/clickhouse]

The tables are the collector's, filled in batches of 5,000 spans: sessions of 50, calls with 20 attributes and prompts.
Each question is asked of the store and, by hand, of the same engine: first with the collector's tables alone, then with
ours beside them. A ratio of 1 would be a store that costs nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from clickhouse_connect import get_client
from collector_tables import make

from agentops_otel.server import queries
from agentops_otel.store import FiguresQuery, SessionQuery
from agentops_otel.store.clickhouse import ClickHouseStore
from agentops_otel.store.clickhouse.migration import migrate

PER_SESSION = 50
BATCH = 5_000
BEGIN = 1_790_000_000
SECONDS = 20  # between the starts of two sessions
DATABASE = "otel"
HELD = {"list of 50", "one export"}
RATIO = 2.0
WORDS = ["agent", "looks", "for", "an", "order", "in", "the", "archive", "and", "tells", "when", "it", "was", "lost"]

# Span 0 of a session is its root; of the others, every second is a model call, every sixth a tool, one in 90 fails.
FILL = """
INSERT INTO {database}.otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName,
 ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode, `Events.Timestamp`, `Events.Name`,
 `Events.Attributes`, `Links.TraceId`, `Links.SpanId`, `Links.TraceState`, `Links.Attributes`)
WITH intDiv(number, {per}) AS session, number % {per} AS place,
 place = 0 AS is_root, NOT is_root AND place % 2 = 1 AS is_call, NOT is_root AND place % 6 = 4 AS is_tool,
 lower(hex(sipHash128(session))) AS trace, lower(hex(sipHash64(session))) AS top,
 [{words}] AS words,
 arrayStringConcat(arrayMap(i -> words[1 + sipHash64(number, i) % {count}], range(120)), ' ') AS said,
 concat('[{{"role":"user","parts":[{{"type":"text","content":"', said, '"}}]}}]') AS messages,
 concat(substring(trace, 1, 8), '-', substring(trace, 9, 4), '-', substring(trace, 13, 4), '-', substring(trace, 17, 4),
  '-', substring(trace, 21)) AS named
SELECT fromUnixTimestamp64Nano(toInt64(({begin} + session * {seconds}) * 1000000000 + place * 90000000)), trace,
 if(is_root, top, lower(hex(sipHash64(number, 1)))), if(is_root, '', top),
 multiIf(is_root, 'session', is_call, 'chat gpt-4o', is_tool, 'search', 'step'), 'Internal', 'shop',
 map('service.name', 'shop', 'host.name', concat('h', toString(session % 7)), 'agentops.project.id', 'default',
  'process.pid', toString(session)),
 'agentops_otel', '1',
 mapConcat(map('session.id', named, 'gen_ai.conversation.id', named),
  multiIf(
   is_root, map('agentops.span.kind', 'session', 'agentops.end_state', if(session % 5 = 0, 'Failure', 'Success'),
    'agentops.tags', concat('["nightly","t', toString(session % 20), '"]'), 'agentops.llm_calls', '25'),
   is_call, map('gen_ai.operation.name', 'chat', 'gen_ai.provider.name', 'openai', 'gen_ai.request.model', 'gpt-4o',
    'gen_ai.response.model', concat('gpt-4o-', toString(session % 3)),
    'gen_ai.usage.input_tokens', toString(100 + place), 'gen_ai.usage.output_tokens', toString(20 + place),
    'agentops.cost.usd', toString(0.0001 * (1 + place)),
    'agentops.cost.source', 'genai-prices', 'gen_ai.response.id', hex(number),
    'gen_ai.response.finish_reasons', '["stop"]',
    'gen_ai.input.messages', messages, 'gen_ai.output.messages', messages, 'gen_ai.request.temperature', '0.2',
    'server.address', 'api.openai.com', 'agentops.span.kind', 'llm', 'gen_ai.request.max_tokens', '500',
    'gen_ai.usage.cost', toString(0.0001 * (1 + place)), 'operation.cost', toString(0.0001 * (1 + place))),
   is_tool, map('agentops.span.kind', 'tool', 'gen_ai.tool.name', 'search', 'gen_ai.tool.call.arguments', said,
    'error.type', if(number % 90 = 4, 'KeyError', '')),
   map('agentops.span.kind', 'action', 'agentops.action.type', 'step'))),
 50000000, if(is_tool AND number % 90 = 4, 'Error', 'Unset'), [], [], [], [], [], [], []
FROM numbers({first}, {rows})
"""
NAMED = "SpanAttributes['session.id']"
LIST = f"""
SELECT {NAMED} AS session, min(Timestamp) AS start, max(Timestamp) AS last, count() AS spans,
 countIf(SpanAttributes['gen_ai.operation.name'] = 'chat') AS calls,
 countIf(SpanAttributes['agentops.span.kind'] = 'tool') AS tools, countIf(StatusCode = 'Error') AS errors,
 sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.input_tokens'])) AS tokens_in,
 sum(toUInt64OrZero(SpanAttributes['gen_ai.usage.output_tokens'])) AS tokens_out,
 sum(toDecimal64OrZero(SpanAttributes['agentops.cost.usd'], 9)) AS cost,
 anyIf(SpanAttributes['agentops.end_state'], ParentSpanId = '') AS state,
 anyIf(SpanAttributes['agentops.tags'], ParentSpanId = '') AS tags,
 groupUniqArray(SpanAttributes['gen_ai.response.model']) AS models, any(ResourceAttributes) AS resource
FROM {{database}}.otel_traces GROUP BY session ORDER BY start DESC LIMIT 50
"""
LIST_OF_OURS = """
WITH newest AS (SELECT session FROM (SELECT session, min(first) AS start FROM {database}.agentops_sessions
 GROUP BY project, session) ORDER BY start DESC LIMIT 50)
SELECT session, min(start) AS begun, max(finish) AS last, count() AS spans, sum(is_call) AS calls,
 sum(is_tool) AS tools, sum(failed) AS errors, sumIf(input_tokens, is_call), sumIf(output_tokens, is_call),
 sumIf(cost, is_call) AS cost,
 anyIf(end_state, is_root) AS state, anyIf(tags, is_root) AS tags, groupUniqArray(model) AS models,
 any(resource) AS resource
FROM {database}.agentops_spans WHERE session IN (SELECT session FROM newest) GROUP BY session ORDER BY begun DESC
"""
EXPORT = "SELECT * FROM {database}.otel_traces WHERE TraceId = '{trace}' ORDER BY Timestamp"
COST = """
SELECT toDate(Timestamp) AS day, SpanAttributes['gen_ai.response.model'] AS model,
 sum(toDecimal64OrZero(SpanAttributes['agentops.cost.usd'], 9)) FROM {database}.otel_traces
WHERE SpanAttributes['gen_ai.operation.name'] = 'chat' GROUP BY day, model ORDER BY day, model
"""
COST_OF_OURS = """
SELECT intDiv(start, 86400000000000) AS day, model, sum(cost) FROM {database}.agentops_spans WHERE is_call
GROUP BY day, model ORDER BY day, model
"""
SIZE = """
SELECT table, sum(bytes_on_disk) FROM system.parts WHERE database = '{database}' AND active
GROUP BY table ORDER BY table
"""


def fill(client, spans):
    """Fill the collector's table in batches; spans a second."""
    words = ", ".join(f"'{word}'" for word in WORDS)
    begun = time.perf_counter()
    for first in range(0, spans, BATCH):
        told = {"database": DATABASE, "per": PER_SESSION, "words": words, "count": len(WORDS), "begin": BEGIN}
        client.command(FILL.format(first=first, rows=min(BATCH, spans - first), seconds=SECONDS, **told))
    return spans / (time.perf_counter() - begun)


def timed(ask, rounds):
    """(median, best) of the seconds that a question takes."""
    ask()
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        ask()
        took.append(time.perf_counter() - begun)
    return statistics.median(took), min(took)


def compare(name, bare, ours, rounds):
    """Both in turns, so that what else the machine does meets both alike."""
    times, spent = [[], []], [[], []]
    for ask in (bare, ours):
        ask()
    for _ in range(rounds):
        for ask, took, used in zip((bare, ours), times, spent, strict=True):
            begun, before = time.perf_counter(), time.process_time()
            ask()
            took.append(time.perf_counter() - begun)
            used.append(time.process_time() - before)
    (bare_median, bare_best), (median, best) = ((statistics.median(took), min(took)) for took in times)
    cpu = min(spent[1]) / min(spent[0])
    told = "" if name not in HELD else f"cpu <= {RATIO}" if cpu <= RATIO else f"cpu OVER {RATIO}"
    print(
        f"{name:24} {bare_median * 1e3:9.1f} {bare_best * 1e3:9.1f} {median * 1e3:9.1f} {best * 1e3:9.1f} "
        f"{median / bare_median:6.2f} {best / bare_best:6.2f} {cpu:6.2f}  {told}",
        flush=True,
    )


def questions(client, store, rounds, *, is_ours):
    """All questions, asked of both."""

    def sql(statement, **told):
        return lambda: client.query(statement.format(database=DATABASE, **told)).result_rows

    newest = store.sessions()
    assert len(newest) == 50
    session_id = newest[7].session_id
    compare("list of 50", sql(LIST_OF_OURS if is_ours else LIST), store.sessions, rounds)
    export = sql(EXPORT, trace=session_id.replace("-", ""))
    compare("one export", export, lambda: queries.export(store, session_id), rounds)
    by_model = FiguresQuery(by=("day", "model"))
    compare("cost by day and model", sql(COST_OF_OURS if is_ours else COST), lambda: store.figures(by_model), rounds)
    for name, query in (
        ("tag and end state", {"tags": ("t3",), "end_state": "Failure"}),
        ("by cost", {"sort": "cost"}),
    ):
        median, best = timed(lambda query=query: store.sessions(SessionQuery(**query)), max(rounds // 2, 1))
        print(f"{name:24} {'':9} {'':9} {median * 1e3:9.1f} {best * 1e3:9.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", help="Keep the database here, and use it again.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(chosen.folder or folder).resolve() / "engine"
        client = get_client(dsn=f"chdb://{path}")
        client.command(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        if not client.command(f"EXISTS TABLE {DATABASE}.otel_traces"):
            make(client.command, DATABASE)
            print(f"filled by {fill(client, chosen.spans):,.0f} spans a second")
        store = ClickHouseStore(
            f"clickhouse://bench/{DATABASE}", lambda: get_client(dsn=f"chdb://{path}", database=DATABASE)
        )
        print(f"{'ms':24} {'SQL':>9} {'best':>9} {'store':>9} {'best':>9} {'ratio':>6} {'best':>6} {'cpu':>6}")
        if not store.asking.layout.is_migrated:
            questions(client, store, chosen.rounds, is_ours=False)
            begun = time.perf_counter()
            rows = migrate(store.asking.database)
            print(f"migrated: {rows:,} rows, {rows / (time.perf_counter() - begun):,.0f} a second")
            store.close()
        questions(client, store, chosen.rounds, is_ours=True)
        for table, size_of in client.query(SIZE.format(database=DATABASE)).result_rows:
            print(f"{table:24} {size_of / chosen.spans:9.1f} bytes a span")
        store.close()
        client.close()


if __name__ == "__main__":
    main()

"""Durable ingest over HTTP, beside bare loops: CPU for each span, in the same run on the same machine.

    python benchmarks/intake.py [--spans 50000] [--batch 512] [--rounds 3]

The server commits before it answers; two client processes send spans of about 1 KB (21 attributes). Beside it run two
loops, both of which parse the same requests with opentelemetry-proto and insert into the same tables in the same
batches:

- `given`: the rows are taken from the server's store, ready made. It is the cost of parsing and of SQLite alone. No
  receiver in Python can come near it, for a row cannot be inserted before the attributes of its span have been read
  out of the request, one by one, and written as JSON.
- `made`: the rows are made of the requests, by the shortest loop that makes them for these very spans, without any
  check, and compared with those of the server's store: they are the same. This is the floor that the server is held to.

What the server's upkeep has indexed for text search and rolled up by the time of the last answer is CPU of the server,
too, so both loops insert the same texts into the same index.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentops_otel.store import rows, texts

TEXT = "The quick brown fox jumps over the lazy dog and runs into the dark forest. "


def messages(role, text):
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def request(number, size):
    """A request of `size` spans of one session: model calls, as the stock exporter sends them."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    for name, value in (("service.name", "bench"), ("agentops.project.id", "default"), ("host.name", "here")):
        group.resource.attributes.add(key=name).value.string_value = value
    part = group.scope_spans.add()
    part.scope.name, part.scope.version = "agentops_otel.openai", "1"
    trace = os.urandom(16)
    session = "-".join((trace.hex()[:8], trace.hex()[8:12], trace.hex()[12:16], trace.hex()[16:20], trace.hex()[20:]))
    texts = {
        "session.id": session,
        "agentops.span.kind": "llm",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": "chatcmpl-0123456789",
        "server.address": "api.openai.com",
        "openai.api.type": "chat_completions",
        "gen_ai.output.messages": messages("assistant", TEXT * 2),
        "agentops.cost.source": "genai-prices@0.2.3",
    }
    counts = {
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 150,
        "gen_ai.usage.cache_read.input_tokens": 1000,
        "server.port": 443,
        "gen_ai.request.max_tokens": 500,
    }
    for place in range(size):
        said = f"{place} {TEXT}"
        texts["gen_ai.response.id"] = f"chatcmpl-{number:08}{place:08}"
        texts["gen_ai.input.messages"] = json.dumps(
            [{"role": "user", "parts": [{"type": "text", "content": said * 3}]}]
        )
        counts["gen_ai.usage.input_tokens"] = 1200 + place
        span = part.spans.add(
            trace_id=trace, span_id=os.urandom(8), parent_span_id=trace[:8], name="chat gpt-4o", kind=3
        )
        span.start_time_unix_nano = 1_760_000_000_000_000_000 + number * 10**9
        span.end_time_unix_nano = span.start_time_unix_nano + 10**9
        for name, value in texts.items():
            span.attributes.add(key=name).value.string_value = value
        for name, value in counts.items():
            span.attributes.add(key=name).value.int_value = value
        span.attributes.add(key="gen_ai.request.temperature").value.double_value = 0.5
        span.attributes.add(key="agentops.cost.usd").value.double_value = 0.003
        span.attributes.add(key="gen_ai.request.stream").value.bool_value = True
    return message.SerializeToString()


# --- Ours -----------------------------------------------------------------------------------------------


def send(port, bodies):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for body in bodies:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status


def cpu_of(pid):
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory_of(pid):
    """MB that the process has now, and that it had at most."""
    told = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return tuple(int(told[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))


@contextlib.contextmanager
def server(store):
    command = [sys.executable, "-m", "agentops_otel", "serve", "--port", "0", "--no-grpc", "--store", str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        head = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
        yield process.pid, int(re.search(r"http://[^/]+:([0-9]+)", head)[1])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def ours(bodies, spans, store):
    """Seconds of CPU and of the clock for each span, and the server's memory; the store is left with what was sent."""
    with server(store) as (pid, port):
        # The first requests load what is loaded once.
        send(port, [request(10**6, 1), *(request(10**6 + number, 512) for number in (1, 2))])
        after_few = memory_of(pid)[0]
        context = multiprocessing.get_context("fork")
        clients = [context.Process(target=send, args=(port, bodies[half::2])) for half in range(2)]
        before, began = cpu_of(pid), time.perf_counter()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
            assert client.exitcode == 0
        spent = (cpu_of(pid) - before) / spans, (time.perf_counter() - began) / spans
        with contextlib.closing(sqlite3.connect(store)) as connection:
            (indexed,) = connection.execute("SELECT value FROM counters WHERE name = 'texts_until'").fetchone()
        return *spent, (after_few, *memory_of(pid)), indexed


# --- The floor ------------------------------------------------------------------------------------------


class Store:
    """What the server wrote: its tables, its rows of spans by their ids, and how many it had indexed."""

    def __init__(self, path, indexed):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            self.made = [
                sql
                for name, sql in connection.execute(
                    "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
                )
                if not name.startswith(("sqlite_", "texts"))
            ]
            told = connection.execute("SELECT * FROM spans")
            self.columns = [column[0] for column in told.description]
            keys = self.columns.index("trace_id"), self.columns.index("span_id")
            self.rows = {(row[keys[0]], row[keys[1]]): row[1:] for row in told}
            self.resources = list(connection.execute("SELECT * FROM resources"))
            spans = f"SELECT {', '.join(rows.SPAN_COLUMNS)} FROM spans LIMIT ?"
            self.texts = [texts.text_of(row) for row in connection.execute(spans, (indexed,))]

    def opened(self, file):
        """A new file with the same tables."""
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        for sql in self.made:
            connection.execute(sql)
        connection.execute("CREATE VIRTUAL TABLE texts USING fts5 (told, content='')")
        places = ", ".join("?" * len(self.resources[0]))
        connection.executemany(f"INSERT INTO resources VALUES ({places})", self.resources)
        return connection


KINDS = {3: "client"}
LARGE = {"gen_ai.input.messages", "gen_ai.output.messages"}
HOT = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.response.model")


def made_rows(parsed, resource):
    """The rows of a request, by the shortest loop that is right for the spans that are sent here."""
    encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
    found = []
    for group in parsed.resource_spans:
        for part in group.scope_spans:
            scope, version = part.scope.name, part.scope.version
            for span in part.spans:
                told, large = {}, {}
                for item in span.attributes:
                    value = item.value
                    read = value.string_value or value.int_value or value.double_value or value.bool_value
                    key = item.key
                    if key in LARGE:
                        large[key] = read
                    else:
                        told[key] = read
                ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), told["session.id"]
                times = span.start_time_unix_nano, span.end_time_unix_nano
                head = (*ids, span.name, KINDS[span.kind], *times, "unset", None, scope, version)
                hot = (
                    "default",
                    told["agentops.span.kind"],
                    *[told[name] for name in HOT],
                    repr(told["agentops.cost.usd"]),
                    told["gen_ai.usage.input_tokens"],
                    told["gen_ai.usage.output_tokens"],
                    None,
                )
                found.append((*head, encode(told), encode(large), None, None, *hot, resource))
    return found


def floor(bodies, spans, told, file, *, makes):
    """Seconds of CPU for each span of a loop that parses and inserts, and does nothing else."""
    connection = told.opened(file)
    statement = f"INSERT INTO spans ({', '.join(told.columns[1:])}) VALUES ({', '.join('?' * (len(told.columns) - 1))})"
    ordered = [
        [told.rows[span.trace_id.hex(), span.span_id.hex()] for span in parsed.resource_spans[0].scope_spans[0].spans]
        for parsed in map(ExportTraceServiceRequest.FromString, bodies)
    ]
    resource = ordered[0][0][-1]
    if makes:
        assert all(
            made_rows(ExportTraceServiceRequest.FromString(bodies[0]), resource)[n] == ordered[0][n] for n in (0, -1)
        )
        assert made_rows(ExportTraceServiceRequest.FromString(bodies[-1]), resource) == ordered[-1]
    before = time.process_time()
    for body, batch in zip(bodies, ordered, strict=True):
        parsed = ExportTraceServiceRequest.FromString(body)
        wanted = made_rows(parsed, resource) if makes else batch
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(statement, wanted)
        connection.execute("COMMIT")
    for begin in range(0, len(told.texts), 500):
        connection.execute("BEGIN IMMEDIATE")
        some = enumerate(told.texts[begin : begin + 500], begin + 1)
        connection.executemany("INSERT INTO texts (rowid, told) VALUES (?, ?)", some)
        connection.execute("COMMIT")
    spent = (time.process_time() - before) / spans
    connection.close()
    return spent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    batches = max(options.spans // options.batch, 2)
    spans = batches * options.batch
    found = {"ours": [], "given": [], "made": [], "rate": []}
    for _ in range(options.rounds):
        bodies = [request(number, options.batch) for number in range(batches)]
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "ours.db"
            cpu, wall, memory, indexed = ours(bodies, spans, store)
            told = Store(store, indexed)
            found["ours"].append(cpu)
            found["rate"].append(1 / wall)
            found["given"].append(floor(bodies, spans, told, Path(folder) / "given.db", makes=False))
            found["made"].append(floor(bodies, spans, told, Path(folder) / "made.db", makes=True))
    size = len(bodies[0]) / options.batch
    best = {name: min(values) for name, values in found.items() if name != "rate"}
    print(f"{spans} spans of {size:.0f} bytes in batches of {options.batch}, best of {options.rounds} rounds")
    for name in ("given", "made", "ours"):
        print(f"  {name:8} {best[name] * 1e6:7.1f} us of CPU a span   {best[name] / best['made']:5.2f} x made")
    print(f"  ours / given: {best['ours'] / best['given']:.2f}; indexed by upkeep meanwhile: {indexed} spans")
    print(f"  persisted: {statistics.median(found['rate']):,.0f} spans/s by the clock, two clients on the same machine")
    few, many, most = memory
    print(f"  memory of the server: {few} MB after 1,025 spans, {many} MB after {spans} more, {most} MB at most")


if __name__ == "__main__":
    main()

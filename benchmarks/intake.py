"""Durable ingest over HTTP, beside bare loops: CPU for each span, in the same run on the same machine.

    python benchmarks/intake.py [--spans 50000] [--batch 512] [--rounds 3]
    python benchmarks/intake.py --memory 1000000    what the server needs after so many spans, beside after 1,025

The server commits before it answers; two client processes send spans of about 1 KB (21 attributes). Beside it run two
loops, both of which parse the same requests with opentelemetry-proto and insert into the same tables in the same
batches:

- `given`: the rows are taken from the server's store, ready made. It is the cost of parsing and of SQLite alone. No
  receiver in Python can come near it, for a row cannot be inserted before the attributes of its span have been read
  out of the request, one by one, and written as JSON.
- `made`: the rows are made of the requests, by the shortest loop that makes them for these very spans, without any
  check, and compared with those of the server's store: they are the same. This is the floor that the server is held to.

What the server's upkeep has indexed for text search and rolled up by the time of the last answer is CPU of the server,
too, so the floor of that time has the same share of inserting the same texts, and the rows of sessions and sums, as the
server had made by then: `by the last answer`. `with all upkeep` is the same once there is nothing left to do.
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
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentops_otel.store import rows, texts

TEXT = "The quick brown fox jumps over the lazy dog and runs into the dark forest. "


def messages(role, text):
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def uuid_form(trace):
    told = trace.hex()
    return "-".join((told[:8], told[8:12], told[12:16], told[16:20], told[20:]))


def request(number, size):
    """A request of `size` spans of one session: model calls, as the stock exporter sends them."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    for name, value in (("service.name", "bench"), ("agentops.project.id", "default"), ("host.name", "here")):
        group.resource.attributes.add(key=name).value.string_value = value
    part = group.scope_spans.add()
    part.scope.name, part.scope.version = "agentops_otel.openai", "1"
    trace = os.urandom(16)
    texts = {
        "session.id": uuid_form(trace),
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


class Ours(NamedTuple):
    """What the server spent: seconds for each span, MB, and how much of upkeep's work was done by the last answer."""

    cpu: float
    wall: float
    memory: tuple[int, int, int]
    done: float
    whole_cpu: float


def share_done(connection):
    """How much of the records upkeep has seen, from 0 to 1: half of its work is the index, half the roll-ups."""
    (indexed,) = connection.execute("SELECT value FROM counters WHERE name = 'texts_until'").fetchone()
    (spans,) = connection.execute("SELECT max(id) FROM spans").fetchone()
    changed, counted = connection.execute("SELECT sum(changes), sum(counted) FROM sessions").fetchone()
    return indexed / spans / 2 + counted / changed / 2


def ours(bodies, spans, store):
    """What the server spends; the store is left with what was sent."""
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
        cpu, wall = (cpu_of(pid) - before) / spans, (time.perf_counter() - began) / spans
        with contextlib.closing(sqlite3.connect(store)) as connection:
            done = share_done(connection)
            while share_done(connection) < 1:
                time.sleep(0.2)
        return Ours(cpu, wall, (after_few, *memory_of(pid)), done, (cpu_of(pid) - before) / spans)


def endless(port, first, count, body):
    """Send the same spans again and again, each time as another session."""
    trace = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0].trace_id

    def sent():
        for number in range(first, first + count):
            other = number.to_bytes(4, "big") * 4
            yield body.replace(trace, other).replace(uuid_form(trace).encode(), uuid_form(other).encode())

    send(port, sent())


def remember(spans, batch):
    """Print the server's memory after few spans and after many, and how many of them it has."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "ours.db") as (pid, port):
        send(port, [request(10**6, 1), *(request(10**6 + number, 512) for number in (1, 2))])
        few, half = memory_of(pid)[0], spans // batch // 2
        context, body = multiprocessing.get_context("fork"), request(1, batch)
        clients = [context.Process(target=endless, args=(port, 1 + half * each, half, body)) for each in range(2)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
            assert client.exitcode == 0
        with contextlib.closing(sqlite3.connect(Path(folder) / "ours.db")) as connection:
            (kept,) = connection.execute("SELECT count(*) FROM spans").fetchone()
        now, most = memory_of(pid)
    print(
        f"memory of the server: {few} MB after 1,025 spans, {now} MB after {kept:,} ({now - few:+}), {most} MB at most"
    )


# --- The floor ------------------------------------------------------------------------------------------


DERIVED = ("sessions", "facets", "usage", "days")


class Store:
    """What the server wrote: its tables, its rows of spans by their ids, their texts, its roll-ups and sums."""

    def __init__(self, path):
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
            spans = f"SELECT {', '.join(rows.SPAN_COLUMNS)} FROM spans"
            self.texts = [texts.text_of(row) for row in connection.execute(spans)]
            self.derived = {table: list(connection.execute(f"SELECT * FROM {table}")) for table in DERIVED}

    def opened(self, file):
        """A new file with the same tables."""
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        for sql in self.made:
            connection.execute(sql)
        connection.execute("CREATE VIRTUAL TABLE texts USING fts5 (told, content='')")
        connection.executemany(f"INSERT INTO resources VALUES ({places(self.resources)})", self.resources)
        return connection


def places(found):
    return ", ".join("?" * len(found[0]))


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
    """Seconds of CPU for each span of a loop that parses and inserts, and of inserting what upkeep makes of them."""
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
    kept = time.process_time()
    for begin in range(0, len(told.texts), 500):
        connection.execute("BEGIN IMMEDIATE")
        some = enumerate(told.texts[begin : begin + 500], begin + 1)
        connection.executemany("INSERT INTO texts (rowid, told) VALUES (?, ?)", some)
        connection.execute("COMMIT")
    for table, found in told.derived.items():
        if found:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO {table} VALUES ({places(found)})", found)
            connection.execute("COMMIT")
    done = time.process_time()
    connection.close()
    return (kept - before) / spans, (done - kept) / spans


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--spans", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="SPANS")
    options = parser.parse_args()
    if options.memory:
        remember(options.memory, options.batch)
        return
    batches = max(options.spans // options.batch, 2)
    spans = batches * options.batch
    found = {"ours": [], "given": [], "made": []}
    for _ in range(options.rounds):
        bodies = [request(number, options.batch) for number in range(batches)]
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "ours.db"
            found["ours"].append(ours(bodies, spans, store))
            told = Store(store)
            found["given"].append(floor(bodies, spans, told, Path(folder) / "given.db", makes=False))
            found["made"].append(floor(bodies, spans, told, Path(folder) / "made.db", makes=True))
    size = len(bodies[0]) / options.batch
    print(f"{spans} spans of {size:.0f} bytes in batches of {options.batch}, best of {options.rounds} rounds")
    made, upkeep = (min(each[place] for each in found["made"]) for place in (0, 1))
    by_last = min(found["ours"], key=lambda each: each.cpu)
    for name, cpu, beside in (
        ("given, without upkeep", min(given for given, _ in found["given"]), made),
        ("made, without upkeep", made, made),
        ("ours by the last answer", by_last.cpu, made + by_last.done * upkeep),
        ("made, with all upkeep", made + upkeep, made + upkeep),
        ("ours with all upkeep", min(each.whole_cpu for each in found["ours"]), made + upkeep),
    ):
        print(f"  {name:24}{cpu * 1e6:7.1f} us of CPU a span   {cpu / beside:5.2f} x made")
    print(f"  upkeep had done {by_last.done:.0%} of its work by the last answer")
    rate = statistics.median(1 / each.wall for each in found["ours"])
    print(f"  persisted: {rate:,.0f} spans/s by the clock, two clients on the same machine")
    few, many, most = found["ours"][-1].memory
    print(f"  memory of the server: {few} MB after 1,025 spans, {many} MB after {spans} more, {most} MB at most")


if __name__ == "__main__":
    main()

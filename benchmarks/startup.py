"""What importing and setting up costs a fresh process, beside OpenTelemetry's SDK with its OTLP/HTTP exporter.

Processes alternate; a figure is the median of their CPU time, peak memory and modules. `python benchmarks/startup.py`
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

TELL = """
import json, os, resource, sys, time
usage = resource.getrusage(resource.RUSAGE_SELF)
theirs = sorted({"openai", "anthropic", "genai_prices"} & set(sys.modules))
print(json.dumps([time.process_time() * 1e3, usage.ru_maxrss / 1024, len(sys.modules), theirs]), flush=True)
os._exit(0)
"""
FLOOR = """
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
"""
OURS = "import agentops_otel as agentops\nagentops.init({settings})\n"
CONTESTANTS = {
    "python alone": "",
    "floor: SDK and OTLP/HTTP exporter": FLOOR,
    "agentops-otel, local store": OURS.format(settings=""),
    "agentops-otel, OTLP endpoint": OURS.format(settings='endpoint="http://127.0.0.1:9"'),
}


def main(rounds=15):
    figures = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as place:
        env = {**os.environ, "AGENTOPS_STORE": f"{place}/sessions.db", "XDG_DATA_HOME": place}
        for _ in range(rounds):
            for name in random.sample(list(CONTESTANTS), len(CONTESTANTS)):
                command = [sys.executable, "-c", CONTESTANTS[name] + TELL]
                told = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
                figures[name].append(json.loads(told.splitlines()[-1]))
    floor = None
    print(f"{'a fresh process':<36}{'CPU ms':>8}{'MB':>8}{'modules':>9}{'CPU x':>8}{'MB x':>8}  imported by it")
    for name, rows in figures.items():
        cpu, memory, modules = (statistics.median(row[column] for row in rows) for column in range(3))
        floor = (cpu, memory) if name.startswith("floor") else floor
        ratios = f"{cpu / floor[0]:>8.2f}{memory / floor[1]:>8.2f}" if floor else " " * 16
        print(f"{name:<36}{cpu:>8.0f}{memory:>8.1f}{modules:>9.0f}{ratios}  {', '.join(rows[-1][3]) or '-'}")


if __name__ == "__main__":
    sys.exit(main())

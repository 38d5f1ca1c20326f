"""The receivers of the suite: how each is started, where it takes OTLP, and how it is asked for a session."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import httpx
from interop.comparing import As
from interop.processes import answers, free_ports, listens, running
from interop.telling import MICROSECOND, jaeger_records, mlflow_record, of_json, phoenix_record

from agentops_otel.accounting.record import SpanRecord, uuid_form
from agentops_otel.conventions import plain
from agentops_otel.server.otlp_json import records_of

HTTP, GRPC = "http/protobuf", "grpc"


class Tool:
    """A receiver that runs. `folder` is where it was made, `work` a directory of its own for what it writes."""

    name = ""
    protocols = (HTTP, GRPC)
    seconds = 60
    """How long it may take to start."""
    told = As()
    path = ""
    """What its address for HTTP has before /v1/traces."""
    page = None
    """The path of its page for a session, where it has a page."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder = folder
        self.work = work
        self.http, self.grpc, self.api, *self.others = free_ports(6)

    def why_missing(self) -> str | None:
        """Why it cannot be had here."""
        told = self.folder / "missing"
        if (self.folder / "made").exists():
            return None
        return told.read_text(encoding="utf-8") if told.exists() else "not made: scripts/interop makes it"

    def endpoint(self, protocol: str) -> str:
        """What a program sends to."""
        return f"http://127.0.0.1:{self.grpc}" if protocol == GRPC else f"http://127.0.0.1:{self.http}{self.path}"

    def settings(self) -> dict[str, str]:
        """Environment that a program needs besides."""
        return {}

    @contextlib.contextmanager
    def started(self):
        """The tool, as long as it runs."""
        with running(
            self.command(), self.work, self.is_ready, seconds=self.seconds, environment=self.environment().items()
        ):
            yield self

    def command(self) -> list:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def is_ready(self) -> bool:
        raise NotImplementedError

    def spans(self, trace_id: str) -> list[SpanRecord]:
        """What it has of this trace, by its own API."""
        raise NotImplementedError

    def ask(self, path: str, **parameters: object):
        """A JSON answer of its API; None where it has not found what was asked for."""
        answer = httpx.get(f"http://127.0.0.1:{self.api}{path}", params=parameters or None, timeout=30)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        assert answer.is_success, answer.text
        return answer.json()


class Collector(Tool):
    """An OpenTelemetry Collector that writes what it takes into a file, as OTLP JSON."""

    name = "collector"

    def command(self):
        settings = {
            "receivers": {"otlp": protocols(self)},
            "processors": {"batch": {"timeout": "100ms"}},
            "exporters": {
                "file/traces": {"path": str(self.work / "traces.jsonl"), "flush_interval": "100ms"},
                "file/logs": {"path": str(self.work / "logs.jsonl"), "flush_interval": "100ms"},
                "debug": {"verbosity": "basic"},
            },
            "service": {
                "telemetry": QUIET,
                "pipelines": {
                    "traces": pipeline("file/traces", "debug"),
                    "logs": pipeline("file/logs", "debug"),
                },
            },
        }
        return [self.folder / "collector", "--config", written(self.work, settings)]

    def is_ready(self):
        return listens(self.http) and listens(self.grpc)

    def spans(self, trace_id):
        records = [record for told in self.lines("traces") for record in records_of(told)]
        return [record for record in records if record.trace_id == trace_id]

    def lines(self, signal):
        """What it has written so far: a request in each line, the last of which may be half there."""
        lines = (self.work / f"{signal}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


class Jaeger(Tool):
    """Jaeger with its store in memory, asked by its third API, which answers in OTLP."""

    name = "jaeger"
    page = "/trace/{trace}"

    def command(self):
        settings = {
            "receivers": {"otlp": protocols(self)},
            "processors": {"batch": {"timeout": "100ms"}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
            "extensions": {
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 1000}}}},
                "jaeger_query": {
                    "storage": {"traces": "memory"},
                    "http": {"endpoint": f"127.0.0.1:{self.api}"},
                    "grpc": {"endpoint": f"127.0.0.1:{self.others[0]}"},
                },
            },
            "service": {
                "telemetry": QUIET,
                "extensions": ["jaeger_storage", "jaeger_query"],
                "pipelines": {"traces": pipeline("jaeger_storage_exporter")},
            },
        }
        return [self.folder / "jaeger", "--config", written(self.work, settings)]

    def is_ready(self):
        return answers(f"http://127.0.0.1:{self.api}/api/v3/services") and listens(self.http) and listens(self.grpc)

    def spans(self, trace_id):
        told = self.ask(f"/api/v3/traces/{trace_id}")
        return [] if told is None else records_of(told["result"])


class VictoriaTraces(Tool):
    """VictoriaTraces, asked as if it were Jaeger."""

    name = "victoria-traces"
    path = "/insert/opentelemetry/v1/traces"
    told = As(
        value=lambda value: plain.to_json(value) if isinstance(value, (list, tuple)) else value,
        nanoseconds=2 * MICROSECOND,  # its times are cut, and so are its durations
    )

    def command(self):
        self.api = self.http
        return [
            self.folder / "victoria-traces",
            f"-httpListenAddr=127.0.0.1:{self.http}",
            f"-otlpGRPCListenAddr=127.0.0.1:{self.grpc}",
            "-otlpGRPC.tls=false",
            f"-storageDataPath={self.work / 'data'}",
        ]

    def is_ready(self):
        return answers(f"http://127.0.0.1:{self.http}/health") and listens(self.grpc)

    def spans(self, trace_id):
        told = self.ask(f"/select/jaeger/api/traces/{trace_id}")
        return [] if told is None else [record for trace in told["data"] for record in jaeger_records(trace)]


class Phoenix(Tool):
    """Phoenix, asked for the spans of its default project; it keeps neither resources nor scopes nor kinds."""

    name = "phoenix"
    seconds = 300
    # It reads times as floating point.
    told = As(nanoseconds=MICROSECOND, without=("kind", "scope", "scope_version", "resource"))
    page = "/projects/UHJvamVjdDox/traces/{trace}"

    def command(self):
        self.api = self.http
        return [self.folder / "bin" / "phoenix", "serve"]

    def environment(self):
        return {
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(self.http),
            "PHOENIX_GRPC_PORT": str(self.grpc),
            "PHOENIX_WORKING_DIR": str(self.work),
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }

    def is_ready(self):
        return answers(f"http://127.0.0.1:{self.http}/healthz") and listens(self.grpc)

    def spans(self, trace_id):
        told = self.ask("/v1/projects/default/spans", trace_id=trace_id, limit=1000)
        return [] if told is None else [phoenix_record(span) for span in told["data"]]


class MLflow(Tool):
    """MLflow over SQLite, asked for one trace; it takes OTLP over HTTP alone, and reads texts of JSON as what they say."""

    name = "mlflow"
    protocols = (HTTP,)
    seconds = 300
    told = As(value=of_json, without=("kind", "scope", "scope_version", "resource"))
    page = "/#/experiments/0/traces?selectedEvaluationId=tr-{trace}"

    def command(self):
        self.api = self.http
        return [
            self.folder / "bin" / "mlflow",
            "server",
            "--host=127.0.0.1",
            f"--port={self.http}",
            "--workers=1",
            f"--backend-store-uri=sqlite:///{self.work / 'mlflow.db'}",
            f"--default-artifact-root={self.work / 'artifacts'}",
        ]

    def environment(self):
        return {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def settings(self):
        return {"OTEL_EXPORTER_OTLP_HEADERS": "x-mlflow-experiment-id=0"}

    def is_ready(self):
        return answers(f"http://127.0.0.1:{self.http}/health")

    def trace(self, trace_id):
        """All that it tells of a trace, its own words in `trace_info`."""
        told = self.ask("/api/3.0/mlflow/traces/get", trace_id=f"tr-{trace_id}")
        return None if told is None else told["trace"]

    def spans(self, trace_id):
        told = self.trace(trace_id)
        return [] if told is None else [mlflow_record(span) for span in told["spans"]]


class Ours(Tool):
    """The server of this project, asked for a session as OTLP."""

    name = "ours"
    told = As()
    page = "/s/{trace}"

    def why_missing(self):
        return None

    def command(self):
        self.api = self.http
        ports = f"--port={self.http}", f"--grpc-port={self.grpc}"
        return [sys.executable, "-m", "agentops_otel", "serve", *ports, f"--store={self.work / 'sessions.db'}"]

    def is_ready(self):
        return answers(f"http://127.0.0.1:{self.http}/v2/sessions") and listens(self.grpc)

    def spans(self, trace_id):
        told = self.ask(f"/v2/sessions/{uuid_form(trace_id)}/spans", format="otlp")
        return [] if told is None else records_of(told)


class Relay(Collector):
    """A collector that passes on what it takes to another tool."""

    name = "collector"

    def __init__(self, folder, work, target, protocol):
        super().__init__(folder, work)
        self.target = target
        self.protocol = protocol

    def command(self):
        kind = "otlp" if self.protocol == GRPC else "otlphttp"
        exporter = {"endpoint": self.target.endpoint(self.protocol), "tls": {"insecure": True}}
        settings = {
            "receivers": {"otlp": protocols(self)},
            "processors": {"batch": {"timeout": "100ms"}},
            "exporters": {kind: exporter},
            "service": {"telemetry": QUIET, "pipelines": {"traces": pipeline(kind), "logs": pipeline(kind)}},
        }
        return [self.folder / "collector", "--config", written(self.work, settings)]


QUIET = {"metrics": {"level": "none"}}


def protocols(tool):
    return {
        "protocols": {
            "http": {"endpoint": f"127.0.0.1:{tool.http}"},
            "grpc": {"endpoint": f"127.0.0.1:{tool.grpc}"},
        }
    }


def pipeline(*exporters):
    return {"receivers": ["otlp"], "processors": ["batch"], "exporters": list(exporters)}


def written(folder, settings):
    """A file of settings; YAML is a superset of JSON."""
    path = folder / "settings.yaml"
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return path


TOOLS: dict[str, type[Tool]] = {tool.name: tool for tool in (Ours, Collector, Jaeger, VictoriaTraces, Phoenix, MLflow)}

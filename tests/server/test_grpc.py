"""OTLP over gRPC: the stock exporter, keys, and what is refused."""

from __future__ import annotations

import contextlib
import gzip

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from otlp_requests import protobuf_request
from span_records import SESSION, llm, root, span, tool

from agentops_otel.otlp.bodies import span_of
from agentops_otel.server.grpc_intake import GrpcIntake
from agentops_otel.server.intake import Intake
from agentops_otel.server.keys import Keys
from agentops_otel.server.wire import Limits
from agentops_otel.store import StoreError
from agentops_otel.store.keys import KeyFile

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@contextlib.contextmanager
def serving(store, keys=None, limits=None):
    """The address of a server over the store."""
    server = GrpcIntake(Intake(store, limits), keys or Keys(), "127.0.0.1:0")
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.close(0)


@contextlib.contextmanager
def served(store, **options):
    """A channel to such a server."""
    with serving(store, **options) as address, grpc.insecure_channel(address) as channel:
        yield channel


def request_of(*records):
    return ExportTraceServiceRequest.FromString(protobuf_request(*records))


def raw(channel, body, **options):
    return channel.unary_unary(EXPORT)(body, timeout=10, **options)


def error_of(call):
    """The code of a call that is refused, and its google.rpc.Status."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    details = dict(raised.value.trailing_metadata()).get("grpc-status-details-bin", b"")
    return raised.value.code().name, Status.FromString(details)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_stock_exporter_is_understood(store, compression):
    with serving(store) as address:
        exporter = OTLPSpanExporter(endpoint=f"http://{address}", insecure=True, compression=compression)
        spans = [span_of(record) for record in (root(), llm(0.5), tool())]
        assert [exporter.export(spans).name for _ in range(2)] == ["SUCCESS", "SUCCESS"]
        exporter.shutdown()
    row = store.session(SESSION)
    assert (row.llm_calls, row.tool_calls, str(row.cost)) == (1, 1, "0.5"), "a batch that is sent twice counts once"


def test_all_three_signals_are_answered(store):
    with served(store) as channel:
        assert TraceServiceStub(channel).Export(request_of(root())).ByteSize() == 0
        assert LogsServiceStub(channel).Export(ExportLogsServiceRequest()).ByteSize() == 0
        assert MetricsServiceStub(channel).Export(ExportMetricsServiceRequest()).ByteSize() == 0


def test_spans_with_invalid_ids_are_told(store):
    request = request_of(root(), span())
    request.resource_spans[0].scope_spans[0].spans[0].span_id = b"short"
    with served(store) as channel:
        response = TraceServiceStub(channel).Export(request)
    assert response.partial_success.rejected_spans == 1
    assert len(store.spans(SESSION)) == 1


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ((("x-agentops-api-key", "KEY"),), None),
        ((("authorization", "Bearer KEY"),), None),
        ((), "UNAUTHENTICATED"),
        ((("x-agentops-api-key", "wrong"),), "UNAUTHENTICATED"),
        ((("x-agentops-api-key-bin", b"\xff"),), "UNAUTHENTICATED"),
    ],
)
def test_keys(store, tmp_path, metadata, code):
    file = KeyFile(tmp_path / "s.db")
    key = file.add("mine").text
    named = tuple((name, value.replace("KEY", key) if isinstance(value, str) else value) for name, value in metadata)
    with served(store, keys=Keys(file=file)) as channel:

        def call():
            return TraceServiceStub(channel).Export(request_of(root()), metadata=named)

        if code is None:
            call()
            assert store.session(SESSION).project_id == "mine"
        else:
            told, status = error_of(call)
            assert (told, "x-agentops-api-key" in status.message.lower()) == (code, True)
            assert not store.sessions()


def test_too_many_wrong_keys_from_one_address(store):
    metadata = (("x-agentops-api-key", "wrong"),)
    codes = []
    with serving(store, keys=Keys(("right",))) as address:
        for _ in range(33):
            options = (("grpc.use_local_subchannel_pool", 1),)
            with grpc.insecure_channel(address, options=options) as channel:
                codes.append(error_of(lambda: raw(channel, b"", metadata=metadata))[0])
        assert codes == ["UNAUTHENTICATED"] * 30 + ["RESOURCE_EXHAUSTED"] * 3
        with grpc.insecure_channel(address) as channel:
            raw(channel, b"", metadata=(("x-agentops-api-key", "right"),))


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff", protobuf_request(root())[:-3], gzip.compress(b"x", mtime=0)])
def test_a_malformed_request_is_the_senders_fault(store, body):
    with served(store) as channel:
        code, status = error_of(lambda: raw(channel, body))
        assert (code, status.code, "no ExportTraceServiceRequest" in status.message) == ("INVALID_ARGUMENT", 3, True)
        raw(channel, protobuf_request(root()))
    assert store.session(SESSION) is not None, "the next one is taken"


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_beyond_the_limit_is_refused(store, compression):
    with served(store, limits=Limits(body=100_000)) as channel:
        code, _ = error_of(lambda: raw(channel, bytes(5_000_000), compression=compression))
        assert code == "RESOURCE_EXHAUSTED"
        raw(channel, protobuf_request(root()))


class _Broken:
    def insert(self, records):
        raise StoreError("the disk is full")


@pytest.mark.parametrize(("limits", "told"), [(None, "the disk is full"), (Limits(waiting=10), "send it again")])
def test_what_may_be_sent_again_says_when(limits, told):
    with served(_Broken(), limits=limits) as channel:
        code, status = error_of(lambda: raw(channel, protobuf_request(root())))
    assert (code, told in status.message) == ("UNAVAILABLE", True)
    retry = RetryInfo()
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds > 0


def test_a_port_has_one_server(store):
    server = GrpcIntake(Intake(store), Keys(), "127.0.0.1:0")
    try:
        with pytest.raises(OSError, match=str(server.port)):
            GrpcIntake(Intake(store), Keys(), f"127.0.0.1:{server.port}")
    finally:
        server.close(0)

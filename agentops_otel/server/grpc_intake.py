"""OTLP over gRPC: the same three signals into the same intake."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]

from agentops_otel.server.intake import SIGNALS, Intake, Signal
from agentops_otel.server.wire import PROTOBUF, IntakeError, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentops_otel.server.keys import Keys

KEY_METADATA: Final = "x-agentops-api-key"
_THREADS: Final = 4
_CALLS: Final = 64
"""Calls that are taken at one time; the others are told to come again."""
_DETAILS: Final = "grpc-status-details-bin"
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class GrpcIntake:
    """A gRPC server on a port of its own, started when it is made.

    `address` is `host:port`; port 0 is any that is free, and `port` says which. With `keys`, calls name theirs in the
    metadata `x-agentops-api-key`.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(self, intake: Intake, keys: Keys, address: str) -> None:
        self._intake = intake
        self._keys = keys
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="agentops-otel-grpc"),
            handlers=tuple(self._service(signal) for signal in SIGNALS),
            options=(
                ("grpc.max_receive_message_length", intake.limits.body),
                # Else a second server on the same port would take every other call.
                ("grpc.so_reuseport", 0),
            ),
            maximum_concurrent_rpcs=_CALLS,
        )
        try:
            self.port = int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            raise OSError(f"{address}: {error}") from error
        if not self.port:
            raise OSError(f"{address} cannot be listened on")
        self._server.start()

    def close(self, seconds: float = 2) -> None:
        """Take no more calls, and wait so long for those that are being answered."""
        self._server.stop(seconds).wait(seconds + 1)

    def _service(self, signal: Signal) -> Any:
        def export(body: bytes, context: Any) -> bytes | None:
            try:
                told = {name: value for name, value in context.invocation_metadata() if isinstance(value, str)}
                project = self._keys.admit(_key(told), _host(context.peer()))
                with self._intake.room(len(body)):
                    response = self._intake.take(signal, body, PROTOBUF, project=project)
            except IntakeError as error:
                _refuse(context, error)
                return None
            answer: bytes = response.SerializeToString()
            return answer

        # Without a deserializer of gRPC's: a malformed request is the sender's fault, and not an internal error.
        method: Callable[..., Any] = grpc.unary_unary_rpc_method_handler(export)
        return grpc.method_handlers_generic_handler(signal.service, {"Export": method})


def _key(metadata: dict[str, str]) -> str | None:
    return metadata.get(KEY_METADATA) or metadata.get("authorization", "").removeprefix("Bearer ") or None


def _host(peer: str) -> str:
    """The address out of `ipv4:127.0.0.1:50312`: a connection may be made anew for each wrong key."""
    return peer.rpartition(":")[0]


def _refuse(context: Any, error: IntakeError) -> None:
    """End the call with the code, the message, and when to send it again."""
    status = status_of(error)
    if error.retry is not None:
        status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=error.retry)))
    context.set_trailing_metadata(((_DETAILS, status.SerializeToString()),))
    context.abort(_CODES.get(status.code, grpc.StatusCode.UNKNOWN), str(error))

"""OTLP over TLS: the certificates that the standard variables name are those that are believed and shown."""

from __future__ import annotations

import gzip
import ssl

import grpc
import pytest
import trustme
from receiver import GrpcReceiver, HttpReceiver

from agentops_otel.otlp.endpoint import Endpoint
from agentops_otel.otlp.transport import Meaning, transport

NOTHING = gzip.compress(b"")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    """Paths of the authority's certificate, of a client's, and of its key."""
    place = tmp_path_factory.mktemp("certificates")
    client = authority.issue_cert("client")
    authority.cert_pem.write_to_path(str(place / "authority.pem"))
    client.cert_chain_pems[0].write_to_path(str(place / "client.pem"))
    client.private_key_pem.write_to_path(str(place / "client.key"))
    return {
        "CERTIFICATE": str(place / "authority.pem"),
        "CLIENT_CERTIFICATE": str(place / "client.pem"),
        "CLIENT_KEY": str(place / "client.key"),
    }


def _over_http(authority, *, asks):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if asks:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return HttpReceiver(tls=context)


def _over_grpc(authority, *, asks):
    own = authority.issue_cert("127.0.0.1")
    pair = (own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())
    trusted = authority.cert_pem.bytes() if asks else None
    return GrpcReceiver(grpc.ssl_server_credentials([pair], trusted, require_client_auth=asks))


@pytest.mark.parametrize("group", ["OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"])
@pytest.mark.parametrize(
    ("asks", "named", "taken"),
    [
        (False, ["CERTIFICATE"], True),
        (False, [], False),
        (True, ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"], True),
        (True, ["CERTIFICATE"], False),
    ],
)
@pytest.mark.parametrize(("protocol", "listening"), [("http/protobuf", _over_http), ("grpc", _over_grpc)])
def test_certificates(monkeypatch, authority, files, protocol, listening, asks, named, taken, group):
    for name in named:
        monkeypatch.setenv(f"{group}{name}", files[name])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5")
    with listening(authority, asks=asks) as receiver:
        sent = transport(Endpoint.of(receiver.url, None))
        answer = sent.send(NOTHING)
        sent.close()
    assert (answer.meaning is Meaning.TAKEN) is taken, answer.reason
    assert len(receiver.headers) == int(taken)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_certificate_that_cannot_be_read(monkeypatch, tmp_path, protocol):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "nowhere.pem"))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    with pytest.raises(OSError, match="No such file"):
        transport(Endpoint.of("https://127.0.0.1:9", None))

"""An OTLP endpoint: where it is, how it is spoken to and with what headers, from settings and standard variables."""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from opentelemetry.util.re import parse_env_headers

from agentops_otel.conventions import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_HEADER: Final = "x-agentops-api-key"
GRPC: Final = "grpc"
_TRACES_PATH: Final = "/v1/traces"
_LOGS_PATH: Final = "/v1/logs"
_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Endpoint:
    """Where requests are posted. What is secret of it is not in its `repr`, nor in `shown`."""

    url: str = field(repr=False)
    protocol: str
    headers: Mapping[str, str] = field(repr=False)
    seconds: float = _SECONDS
    """How long one request may take."""
    gzip: bool = True

    @classmethod
    def of(cls, told: str | None, api_key: str | None) -> Endpoint:
        """The endpoint `told` by the program, else the one of the standard variables, which tell the rest of it.

        The default protocol is HTTP with protobuf.
        """
        protocol = GRPC if (_standard("PROTOCOL") or "").lower() == GRPC else "http/protobuf"
        url = told or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
        if told is not None:
            url = told if protocol == GRPC else traces_url(told)
        elif not url:
            base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or "http://localhost:4318"
            url = base if protocol == GRPC else f"{base.rstrip('/')}{_TRACES_PATH}"
        return cls.made(url, protocol, api_key)

    @classmethod
    def made(cls, url: str, protocol: str, api_key: str | None) -> Endpoint:
        """An endpoint by its whole URL."""
        headers = {
            name.lower(): value for name, value in parse_env_headers(_standard("HEADERS") or "", liberal=True).items()
        }
        bare, authorization = _without_password(url)
        if authorization is not None:
            headers.setdefault("authorization", authorization)
        if api_key:
            headers[KEY_HEADER] = api_key
        seconds = _number(_standard("TIMEOUT")) or _SECONDS
        most = _number(os.environ.get("OTEL_BSP_EXPORT_TIMEOUT", "").strip())
        if most:
            seconds = min(seconds, most / 1000)
        return cls(bare, protocol, headers, seconds, _standard("COMPRESSION") != "none")

    @property
    def logs_url(self) -> str | None:
        """Where log records are posted, beside the traces; None where that cannot be told from the URL."""
        base, separator, rest = self.url.rpartition(_TRACES_PATH)
        return f"{base}{_LOGS_PATH}" if separator and not rest else None

    @property
    def shown(self) -> str:
        """The endpoint as it may be shown and kept: `grpc+http://host:port` tells the protocol, too."""
        url = secrets.shown(self.url)
        return f"{GRPC}+{url}" if self.protocol == GRPC else url

    @property
    def is_secure(self) -> bool:
        """Whether it is spoken to over TLS."""
        scheme, separator, _ = self.url.partition("://")
        if separator:
            return scheme.lower() in {"https", "grpcs"}
        return (_standard("INSECURE") or "").lower() != "true"


def _standard(name: str) -> str | None:
    """What the standard variables say of traces, or of all signals; None for nothing."""
    for variable in (f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"):
        told = os.environ.get(variable, "").strip()
        if told:
            return told
    return None


def traces_url(endpoint: str) -> str:
    """The URL that traces are posted to, for the base URL of a receiver; a URL with a path is taken as it is."""
    base, separator, rest = endpoint.partition("://")
    if not separator:
        base, rest = "http", endpoint
    host, slash, path = rest.partition("/")
    return f"{base}://{rest}" if slash and path else f"{base}://{host}{_TRACES_PATH}"


def _without_password(url: str) -> tuple[str, str | None]:
    """The URL without user and password, and the header that says the same."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url, None
    user, separator, host = parts.netloc.rpartition("@")
    if not separator:
        return url, None
    told = base64.b64encode(unquote(user).encode()).decode()
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, parts.fragment))
    return bare, f"Basic {told}"


def _number(told: str | None) -> float | None:
    try:
        return float(told) if told else None
    except ValueError:
        return None


def tls() -> ssl.SSLContext:
    """The certificates that the standard variables name, else those of the system.

    Raises:
        OSError: a file that they name cannot be read.
    """
    trusted = _standard("CERTIFICATE")
    context = ssl.create_default_context(cafile=trusted or _certifi())
    own, key = _standard("CLIENT_CERTIFICATE"), _standard("CLIENT_KEY")
    if own:
        context.load_cert_chain(own, key)
    return context


def tls_files() -> tuple[bytes | None, bytes | None, bytes | None]:
    """The trusted certificates, the key and the certificate of our own that the standard variables name.

    Raises:
        OSError: a file that they name cannot be read.
    """
    read = [_read(_standard(name)) for name in ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")]
    return read[0], read[1], read[2]


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:  # noqa: PTH123 - a path as it was told
        return file.read()


def _certifi() -> str | None:
    """The certificates that come with `requests`, for systems whose Python knows none."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return None
    try:
        import certifi  # noqa: PLC0415 - not on every system
    except ImportError:
        return None
    return str(certifi.where())

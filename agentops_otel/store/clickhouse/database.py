"""A database of ClickHouse that is asked: connected when it is needed, and what fails told with what mends it."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clickhouse_connect.driver.client import Client

SCHEMES: Final = ("clickhouse", "clickhouses")
"""The schemes of addresses; the second one speaks TLS."""
_CONNECT_SECONDS: Final = 5
_ANSWER_SECONDS: Final = 60
_LEAST_PAUSE, _MOST_PAUSE = 0.2, 5.0
"""Seconds after a connection that failed, in which nobody else waits for another one."""
_CODE: Final = re.compile(r"\bCode:\s*(\d+)")
_OPTIONS: Final = ("traces", "logs", "secure", "verify", "ca_cert")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# By ClickHouse's numbers of errors: they stay, its words change.
_MEMORY, _TIME, _TIME_TOO = 241, 159, 160
_UNKNOWN: Final = frozenset({60, 81, 47, 16, 10})
_ADVICE: Final = {
    60: "the table is gone: let the collector make it again, and see: agentops-otel clickhouse check --store {address}",
    81: "there is no such database: name the one that the collector's clickhouse exporter writes to",
    47: "a column is missing: see agentops-otel clickhouse check --store {address}",
    164: "this user may only read: ask as one who may write for what writes",
    497: "this user may not read the tables: GRANT SELECT ON {database}.* TO its name",
    516: "the user or the password is wrong: clickhouse://USER:PASSWORD@HOST:8123/DATABASE",
    193: "the password is wrong: clickhouse://USER:PASSWORD@HOST:8123/DATABASE",
    192: "there is no such user: clickhouse://USER:PASSWORD@HOST:8123/DATABASE",
    _MEMORY: "the question was too large: ask for less time, or make it cheap: agentops-otel clickhouse migrate",
    _TIME: "the answer took too long: ask for less time, or make it fast: agentops-otel clickhouse migrate",
    _TIME_TOO: "the answer would take too long: ask for less time, or make it fast: agentops-otel clickhouse migrate",
    202: "ClickHouse is busy: ask again in a moment",
}


class Address(NamedTuple):
    """Where a database is, and what its tables are called."""

    host: str
    port: int
    database: str
    user: str = "default"
    password: str = ""
    secure: bool = False
    verify: bool = True
    ca_cert: str | None = None
    traces: str = "otel_traces"
    logs: str = "otel_logs"

    @classmethod
    def of(cls, told: str) -> Address:
        """The address that `clickhouse://user:password@host:8123/database` means.

        `?traces=` and `?logs=` name the tables where they are not the exporter's own; `?secure=true` speaks TLS.

        Raises:
            StoreError: it cannot be read.
        """
        try:
            parts = urlsplit(told)
            port = parts.port
            options = {
                name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()
            }
        except ValueError as error:
            raise StoreError(f"this address of ClickHouse cannot be read ({error}): {_FORM}") from error
        database = unquote(parts.path).strip("/") or "default"
        unknown = sorted(set(options) - set(_OPTIONS))
        tables = {name: options[name] for name in ("traces", "logs") if name in options}
        if not parts.hostname or unknown or not all(map(_NAME.fullmatch, (database, *tables.values()))):
            wrong = f"it knows no {', '.join(unknown)}" if unknown else "a name is missing or is none"
            raise StoreError(f"this address of ClickHouse cannot be read ({wrong}): {_FORM}")
        secure = parts.scheme == "clickhouses" or _is_true(options.get("secure", ""))
        return cls(
            parts.hostname,
            port or (8443 if secure else 8123),
            database,
            unquote(parts.username or "default"),
            unquote(parts.password or ""),
            secure,
            verify=options.get("verify", "true").lower() not in {"false", "0", "no"},
            ca_cert=options.get("ca_cert"),
            **tables,
        )

    @property
    def shown(self) -> str:
        """The address without its password."""
        bare = f"[{self.host}]" if ":" in self.host else self.host
        return f"clickhouse{'s' * self.secure}://{bare}:{self.port}/{self.database}"


_FORM: Final = (
    "clickhouse://USER:PASSWORD@HOST:8123/DATABASE, with ?traces=TABLE&logs=TABLE where they have other names"
)


def _is_true(told: str) -> bool:
    return told.lower() in {"true", "1", "yes"}


class Database:
    """Asks one database; every method may be called from any thread.

    Nothing is connected before the first question. Every failure is a `StoreError`, and the next question tries
    again; after a connection that failed, others are told so at once for a moment and need not wait.
    """

    def __init__(self, address: Address, connect: Callable[[], Client] | None = None) -> None:
        self.address = address
        self._connect = connect or (lambda: _client(address))
        self._client: Client | None = None
        self._settings: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._refused: tuple[float, StoreError] | None = None
        self._pause = _LEAST_PAUSE

    def rows(self, statement: str, values: dict[str, Any] | None = None) -> Sequence[Sequence[Any]]:
        """What a statement finds; `values` are bound to its `{name:Type}`.

        Raises:
            StoreError: it could not be asked; the message says why, and what mends it.
        """
        with self._told():
            client = self._connected()
            answer = client.query(statement, parameters=values or None, settings=self._settings)
            rows: Sequence[Sequence[Any]] = answer.result_rows
            return rows

    def command(self, statement: str) -> None:
        """Do something; raises as `rows` does."""
        with self._told():
            self._connected().command(statement)

    def close(self) -> None:
        """Let the connection go; the next question makes another one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Client:
        client = self._client
        if client is not None:
            return client
        refused = self._refused
        if refused is not None and time.monotonic() < refused[0]:
            raise refused[1]
        with self._lock:
            if self._client is None:
                made = self._connect()
                # A user who may only read may change no setting, not even for less.
                may_set = not made.query("SELECT getSetting('readonly') = 1").result_rows[0][0]
                self._settings = {"max_execution_time": _ANSWER_SECONDS} if may_set else {}
                self._client = made
                self._refused, self._pause = None, _LEAST_PAUSE
            return self._client

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except ModuleNotFoundError as error:
            raise StoreError(
                "to read from ClickHouse, its client is needed: pip install 'agentops_otel[clickhouse]'"
            ) from error
        except Exception as error:  # the driver raises its own, urllib3's and the socket's
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> StoreError:
        address, told = self.address, str(error)
        code = getattr(error, "code", None) or _code_in(told)
        if code is None:
            self._client = None
            failure = StoreError(
                f"ClickHouse does not answer at {address.shown} ({_reason(error)}): "
                "start it, or check the address and the network; it is asked again by itself"
            )
            self._refused = time.monotonic() + self._pause, failure
            self._pause = min(self._pause * 2, _MOST_PAUSE)
            return failure
        advice = _ADVICE.get(code, "see agentops-otel clickhouse check --store {address}")
        said = advice.format(address=address.shown, database=address.database)
        return DatabaseError(f"ClickHouse at {address.shown}: {_short(told)} ({said})", code)


class DatabaseError(StoreError):
    """ClickHouse has answered, and refused; `code` is its number for the reason."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_of_schema(self) -> bool:
        """Whether a table or a column is not there."""
        return self.code in _UNKNOWN


def _code_in(told: str) -> int | None:
    found = _CODE.search(told)
    return int(found[1]) if found else None


def _reason(error: BaseException) -> str:
    """Why nobody answered: what the socket said, below all that was made of it."""
    step: BaseException | None = error
    told = ""
    while step is not None:
        told = (step.strerror or told) if isinstance(step, OSError) else told
        step = step.__cause__ or step.__context__
    return told or _short(str(error))


def _short(told: str) -> str:
    """The first sentence of what a driver says, which goes on with a trace of its own."""
    line = re.sub(r"\s+", " ", told)
    line = re.sub(r"^.*?DB::Exception: ", "", line)
    line = re.split(r"(?<=[a-z0-9'`)])\. |: While |: In scope |\(version ", line, maxsplit=1)[0]
    return line if len(line) <= 200 else f"{line[:199]}…"  # noqa: PLR2004


def _client(address: Address) -> Client:
    # It takes 0.3 s to import, and only those who read from ClickHouse have it.
    from clickhouse_connect import get_client  # noqa: PLC0415

    # What fails is told by us; where a program has set up no logging, its own words would be printed as well.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    return get_client(
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        database=address.database,
        interface="https" if address.secure else "http",
        verify=address.verify,
        ca_cert=address.ca_cert,
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=_ANSWER_SECONDS + _CONNECT_SECONDS,
        query_retries=0,
        # Questions come from many threads; a session of ClickHouse answers one at a time.
        autogenerate_session_id=False,
        form_encode_query_params=True,
        client_name="agentops_otel",
    )

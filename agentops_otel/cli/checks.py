"""Checks: what `agentops-otel doctor` finds out about this machine, each as one finding."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import platform
import threading
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from agentops_otel.accounting.catalogue import newest_change
from agentops_otel.cli import text
from agentops_otel.cli.reader import NotFound
from agentops_otel.cli.server_reader import ServerReader
from agentops_otel.client import Client
from agentops_otel.configuration import Configuration, ConfigurationError, key_problem
from agentops_otel.conventions import names
from agentops_otel.diagnosis import ABSENT, FAILED, OFF, WAITING, Diagnosis, LibraryStatus, diagnose
from agentops_otel.otlp.endpoint import Endpoint
from agentops_otel.otlp.transport import Answer, Meaning, transport
from agentops_otel.receivers import spool_path
from agentops_otel.sessions.events import ActionEvent
from agentops_otel.spool import Spool, SpoolError
from agentops_otel.store import StoreError, open_store, resolve
from agentops_otel.store.connection import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

OK: Final = "ok"
NOTE: Final = "note"
WRONG: Final = "wrong"

REACH_SECONDS: Final = 2.0
_WAIT_SECONDS: Final = 5.0
_DAY: Final = 86_400
_DISTRIBUTIONS: Final = (
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp",
    "wrapt",
    "genai-prices",
)
_TEST_TAG: Final = "agentops-otel doctor"
_CHECKED_BYTES: Final = 500 * 10**6
"""Stores up to this size are read whole: it takes a second or two."""
_UNCAPTURED: Final = {
    "agno": "agno",
    "autogen-agentchat": "autogen_agentchat",
    "claude-agent-sdk": "claude_agent_sdk",
    "crewai": "crewai",
    "dspy": "dspy",
    "google-adk": "google.adk",
    "google-cloud-aiplatform": "google.cloud.aiplatform_v1",
    "guidance": "guidance",
    "haystack-ai": "haystack",
    "llama-cpp-python": "llama_cpp",
    "llama-index-core": "llama_index",
    "mem0ai": "mem0",
    "pydantic-ai-slim": "pydantic_ai",
    "semantic-kernel": "semantic_kernel",
    "smolagents": "smolagents",
    "strands-agents": "strands",
    "transformers": "transformers",
}
"""Libraries of models and agents, as they are installed and imported, that one may miss in a session."""


@dataclass(frozen=True)
class Finding:
    """What one check found: `state` is `ok`, `note` (worth knowing) or `wrong`; `todo` says what to do about it."""

    check: str
    state: str
    message: str
    todo: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""


def findings(*, import_libraries: bool = False) -> Iterator[Finding]:
    """All findings of this machine, as they are found; none of them raises.

    With `import_libraries` each installed library is imported, to see whether what is captured is in this version.
    """
    yield _versions()
    try:
        config = Configuration.read()
    except ConfigurationError as error:
        yield Finding("settings", WRONG, str(error), "Correct or unset it; until then it is ignored.")
        return
    yield _settings(config)
    client = Client()
    try:
        client.init(replace(config, auto_start_session=False, log_summary=False))
        told = diagnose(client)
        broken = imported(told.libraries) if import_libraries else {}
        told = diagnose(client)
        yield from _guarded("provider", lambda: _provider(told))
        yield from (_library(item, broken.get(item.library)) for item in told.libraries)
        yield from _uncaptured([item.library for item in told.libraries])
        yield from _guarded("others", _others)
        page = None
        for finding in _guarded("destination", lambda: _destination(client, config, told)):
            page = finding.facts.get("page")
            yield finding
        yield from _guarded("test span", lambda: _test_span(client, config, page))
    except Exception as error:
        yield _failed("start", error)
    finally:
        client.shut_down()
    yield from _guarded("store", lambda: _store(config))
    yield from _guarded("waiting", lambda: _waiting(config))
    yield from _guarded("prices", _prices)
    if client.faults.counts:
        counted = dict(client.faults.counts)
        message = ", ".join(f"{place} ({count})" for place, count in sorted(counted.items()))
        yield Finding("faults", WRONG, f"Errors of this package itself: {message}", "Report them.", counted)


def _guarded(check: str, found: Callable[[], Finding]) -> Iterator[Finding]:
    try:
        yield found()
    except Exception as error:
        yield _failed(check, error)


def _failed(check: str, error: Exception) -> Finding:
    known = isinstance(error, (StoreError, SpoolError, OSError))
    return Finding(check, WRONG, str(error) if known else f"{type(error).__name__}: {error}")


def _versions() -> Finding:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("agentops_otel", *_DISTRIBUTIONS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    message = ", ".join(f"{name} {number or 'is missing'}" for name, number in found.items())
    if None in found.values():
        return Finding("versions", WRONG, message, "Install it again: pip install agentops_otel", dict(found))
    return Finding("versions", OK, message, None, dict(found))


def _settings(config: Configuration) -> Finding:
    told = sorted(name for name in os.environ if name.startswith(("AGENTOPS_", "OTEL_")))
    facts = {"variables": told}
    problem = key_problem(config.api_key) if config.api_key is not None else None
    if problem is not None:
        return Finding("settings", WRONG, problem, "Set AGENTOPS_API_KEY to a key of your server.", facts)
    return Finding("settings", OK, f"In the environment: {', '.join(told) or 'nothing'}", None, facts)


def _provider(told: Diagnosis) -> Finding:
    return Finding("provider", OK, f"The tracer provider is {told.provider}", None, {"provider": told.provider})


def imported(libraries: Iterable[LibraryStatus]) -> dict[str, str]:
    """Import each library that is installed; why one cannot be, by its name. What they print is not shown."""
    broken = {}
    for item in libraries:
        if item.state != WAITING:
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                import_module(item.library)
        except Exception as error:  # a library that is broken, or a part of it that is not there
            broken[item.library] = f"{type(error).__name__}: {error}"
    return broken


def _library(item: LibraryStatus, broken: str | None = None) -> Finding:
    check, facts = "library", asdict(item)
    if broken is not None:
        told = f"{item.library} {item.installed} cannot be imported: {broken}"
        return Finding(check, NOTE, told, "Install it again, if your program imports it.", facts)
    if item.state == FAILED:
        todo = "Switch it off with OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, and report it."
        return Finding(check, WRONG, str(item), todo, facts)
    if item.state == OFF:
        return Finding(check, NOTE, str(item), "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS says so, or a setting.", facts)
    if item.missing and not item.found:
        told = f"{item.library} {item.installed}: nothing of what is captured is in this version"
        return Finding(check, WRONG, told, f"Install a tested one: {item.tested}", facts)
    if item.state != ABSENT and item.beyond:
        todo = "If calls are missing: agentops-otel doctor --import says which, or install a tested version."
        return Finding(check, NOTE, str(item), todo, facts)
    return Finding(check, OK, str(item), None, facts)


def _uncaptured(known: Iterable[str]) -> Iterator[Finding]:
    """Libraries that are installed, and that there is no instrumentor for."""
    covered = {part for library in known for part in (library, library.partition(".")[0])}
    for distribution, library in _UNCAPTURED.items():
        with contextlib.suppress(PackageNotFoundError):
            installed = version(distribution)
            if library not in covered:
                told = f"{distribution} {installed}: not captured itself; the calls of captured libraries below it are"
                todo = "Record the rest with agentops_otel.record() and decorators."
                yield Finding("uncaptured", NOTE, told, todo, {"library": library, "installed": installed})


def _others() -> Finding:
    """Other instrumentations of model calls, whose spans stand beside ours."""
    words = ("genai", "openinference", "openllmetry", "traceloop")
    found = sorted(
        {
            point.dist.name
            for point in entry_points(group="opentelemetry_instrumentor")
            if point.dist is not None and any(word in f"{point.dist.name} {point.value}".lower() for word in words)
        }
    )
    if not found:
        return Finding("others", OK, "No other instrumentation of model calls is installed", None, {"found": []})
    told = f"Installed as well: {', '.join(found)}. A call that two of them see is counted once"
    return Finding("others", OK, told, None, {"found": found})


def _destination(client: Client, config: Configuration, told: Diagnosis) -> Finding:
    check, built = "destination", client.pipeline
    facts: dict[str, Any] = {"goes_to": told.goes_to}
    if told.goes_to is None or built is None:
        todo = "Unset OTEL_SDK_DISABLED and OTEL_TRACES_EXPORTER, or give them another value."
        return Finding(check, WRONG, "Sessions go nowhere: the environment says so", todo, facts)
    if built.endpoint is None or built.endpoint == "the console":
        return Finding(check, OK, f"Sessions go to {told.goes_to}", None, facts)
    endpoint = Endpoint.of(config.receiver, config.api_key)
    answer = reached(endpoint)
    facts |= {"endpoint": endpoint.shown, "reached": answer.meaning is Meaning.TAKEN, "reason": answer.reason}
    if answer.page is not None:
        facts["page"] = answer.page
    if answer.meaning is Meaning.TAKEN:
        return Finding(check, OK, f"Sessions go to {endpoint.shown}, which took a request", None, facts)
    return Finding(check, WRONG, f"{endpoint.shown} takes nothing: {answer.reason}", _repair(answer), facts)


def _repair(answer: Answer) -> str:
    if answer.reason.endswith(("401", "403", "UNAUTHENTICATED", "PERMISSION_DENIED")):
        return "Set AGENTOPS_API_KEY, or OTEL_EXPORTER_OTLP_HEADERS, to what it asks for."
    if answer.meaning is Meaning.LATER:
        return "Start it, or correct AGENTOPS_API_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT. Spans are kept on disk."
    return "It answers, but is no OTLP receiver for this: look at its address and OTEL_EXPORTER_OTLP_PROTOCOL."


def reached(endpoint: Endpoint, seconds: float = REACH_SECONDS) -> Answer:
    """What the endpoint says to a request without spans, within so many seconds."""
    answers: list[Answer] = []

    def ask() -> None:
        try:
            sent = transport(replace(endpoint, seconds=seconds))
            answers.append(sent.send(gzip.compress(b"")))
            sent.close()
        except Exception as error:  # a certificate, an address that is none
            answers.append(Answer(Meaning.KEPT, f"{type(error).__name__}: {error}"))

    # On a thread: looking up a name has no limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answers[0] if answers else Answer(Meaning.LATER, f"no answer in {seconds:g} seconds")


def _test_span(client: Client, config: Configuration, page: str | None) -> Finding:
    """Send a span through all there is, read it where it has arrived, and leave nothing behind.

    That is the local store, or the server whose sessions are on this `page`.
    """
    check, built = "test span", client.pipeline
    place = None if built is None else built.store or _server(config, page)
    if built is None or place is None:
        told = "Not sent: it can be read back from the local store, or from a server of `agentops-otel serve`"
        return Finding(check, NOTE, told)
    name = uuid.uuid4().hex
    session = client.open_session([_TEST_TAG])
    if not session.is_sampled:
        session.end_session(names.SUCCESS, _TEST_TAG)
        return Finding(check, NOTE, "Not sent: it was not sampled", "OTEL_TRACES_SAMPLER says which sessions are kept.")
    try:
        session.record(ActionEvent(action_type=name))
        session.end_session(names.SUCCESS, _TEST_TAG)
        client.flush(_WAIT_SECONDS)
        found = any(name in record.name for record in place.spans(session.session_id))
    finally:
        with contextlib.suppress(NotFound):
            place.delete(session.session_id)
    if found:
        return Finding(check, OK, "A test span was sent, read back, and deleted")
    lost = ", ".join(built.delivery.failures.values()) or "it did not arrive"
    where = "the store" if place is built.store else "the endpoint"
    return Finding(check, WRONG, f"A test span could not be read back: {lost}", f"See what is said of {where}.")


def _server(config: Configuration, page: str | None) -> ServerReader | None:
    return None if page is None else ServerReader(urljoin(page, "../"), config.api_key)


def _store(config: Configuration) -> Finding:
    path = resolve(config.store)
    facts: dict[str, Any] = {"path": str(path), "bytes": path.stat().st_size if path.exists() else 0}
    store = open_store(config.store)
    try:
        newest = next(iter(store.sessions()), None)
    finally:
        store.close()
    facts["newest"] = None if newest is None else newest.session_id
    harm = damage(path) if 0 < facts["bytes"] <= _CHECKED_BYTES else None
    if harm is not None:
        return Finding(
            "store", WRONG, f"The store {path} is damaged: {harm}", "Move it away: a new one is made.", facts
        )
    message = f"The store {path} can be read, {facts['bytes'] / 1e6:.1f} MB"
    if newest is None:
        return Finding("store", OK, f"{message}, without sessions", "Try: agentops-otel demo", facts)
    return Finding("store", OK, message, None, facts)


def _waiting(config: Configuration) -> Finding:
    spool = Spool(spool_path(config.store), config.max_spool_size, config.max_spool_days * _DAY)
    found = spool.waiting()
    facts = {"spans": sum(item.spans for item in found), "held": sum(item.spans for item in found if item.is_held)}
    if not found:
        return Finding("waiting", OK, "No span waits to be sent", None, facts)
    places = ", ".join(sorted({item.address.destination for item in found}))
    message = f"{text.several(facts['spans'], 'span')} not sent to {places} yet"
    if facts["held"] == facts["spans"]:
        return Finding("waiting", OK, f"{message}: a running program is about to", None, facts)
    return Finding("waiting", NOTE, message, "Send them: agentops-otel forward", facts)


def _prices() -> Finding:
    newest = newest_change(datetime.now(timezone.utc).date())
    dated = None if newest is None else newest.isoformat()
    facts = {"package": "genai-prices", "version": version("genai-prices"), "newest_change": dated}
    message = f"Prices are those of genai-prices {facts['version']}"
    if dated is not None:
        message += f"; the newest change of a price in it is of {dated}"
    return Finding("prices", OK, message, "For newer ones: pip install --upgrade genai-prices", facts)

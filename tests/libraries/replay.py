"""Recordings as tests: an exchange is answered as it was recorded, and the span must tell what the answer printed.

A file `replay_<library>.py` declares `LIBRARY` (import name), `FAMILIES` (folders of recordings), `OPERATIONS` (those that
make a span), `ERRORS` (what the library raises), `send(provider, exchange)`, which makes the recorded request again with
the real library, and, where there is need, `is_mine(exchange)` (else all are), `is_silent(exchange)` (True where no span
is to be made), `LEAKS` (the library leaves connections to the garbage collector) and `told(want)`, which brings the
printed figures under the conventions' rule. `ELSEWHERE` are parts of the addresses at which a library asks in recordings
of other families: a conversation may go from one provider to another.
"""

from __future__ import annotations

import base64
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from conftest import SHARED
from rows import installed

from agentops_otel.conventions import names
from agentops_otel.demo.provider import Answer

RECORDINGS = SHARED / "recordings"
UNBILLED = {"moderations", "rerank"}
"""Operations that no tokens are expected of."""


def modules() -> list[ModuleType]:
    """The replays of the libraries that are installed here."""
    found = []
    for path in sorted(Path(__file__).parent.glob("replay_*.py")):
        library = next(line for line in path.read_text().splitlines() if line.startswith("LIBRARY = "))
        if installed(library.split('"')[1]):
            found.append(importlib.import_module(path.stem))
    return found


def files() -> list[tuple[ModuleType, Path]]:
    """Each recording with each module that replays exchanges of it."""
    found = modules()
    return [
        (module, file)
        for file in sorted(RECORDINGS.glob("*/*.json"))
        for module in found
        if file.parent.name in module.FAMILIES or exchanges(module, file)
    ]


def _is_mine(module: ModuleType, family: str, exchange: dict[str, Any]) -> bool:
    mine: bool = getattr(module, "is_mine", lambda _: True)(exchange)
    url = exchange["request"]["url"]
    hosts = () if family in module.FAMILIES else getattr(module, "ELSEWHERE", ())
    return mine and (family in module.FAMILIES or any(host in url for host in hosts))


def exchanges(module: ModuleType, file: Path) -> list[tuple[int, dict[str, Any], dict[str, Any] | None]]:
    """(number, exchange, what is expected of it or None where it is no model call) of what this library asked."""
    recording = json.loads(file.read_text())
    expected = {item["exchange"]: item for item in recording["expected"]}
    is_silent = getattr(module, "is_silent", lambda _: False)
    listed = []
    for number, exchange in enumerate(recording.get("exchanges", ())):
        want = expected.get(number)
        if want is not None and (want["operation"] not in module.OPERATIONS or is_silent(exchange)):
            want = None
        if want is not None and want["status"] >= 400 and not want["error"]:
            want = {**want, "error": str(want["status"])}  # the body names no error that the index knows
        if _is_mine(module, file.parent.name, exchange):
            listed.append((number, exchange, want))
    return listed


def answer(exchange: dict[str, Any]) -> Answer:
    """The recorded answer."""
    told = exchange["response"]
    body = base64.b64decode(told["body_base64"]) if "body_base64" in told else told["body"].encode()
    return Answer(status=told["status"], headers=told["headers"], body=body)


def compare(span: Any, want: dict[str, Any]) -> None:
    """The span tells the figures that the answer printed, under the conventions' rule."""
    told = span.attributes
    prefix = names.FETCHED if told.get(names.OPERATION_NAME) == names.FETCH_RESPONSE else ""
    figures = {
        names.INPUT_TOKENS: want["input"],
        names.OUTPUT_TOKENS: want["output"],
        names.CACHE_READ_TOKENS: want["cached"],
        names.CACHE_WRITE_TOKENS: want["cache_write"],
        names.REASONING_TOKENS: want["reasoning"],
    }
    assert {name: told.get(prefix + name) for name in figures} == figures
    assert told.get(names.RESPONSE_MODEL) == want["model"] or want["error"]
    assert list(told.get(names.RESPONSE_FINISH_REASONS) or []) == want["finish"]
    assert (span.status == "error") == bool(want["error"])
    assert told.get(names.REQUEST_STREAM, False) == want["stream"] or want["error"]
    if want["output"] is None and want["input"] is None and not want["error"] and want["operation"] not in UNBILLED:
        assert told.get(names.USAGE_MISSING) is True
        assert names.COST not in told


def beside_cache(want: dict[str, Any]) -> dict[str, Any]:
    """The same where the provider prints cached tokens beside the input."""
    if want["input"] is None:
        return want
    return {**want, "input": want["input"] + (want["cached"] or 0) + (want["cache_write"] or 0)}

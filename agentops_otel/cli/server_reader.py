"""The sessions of a server, asked over its API."""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import click

from agentops_otel.accounting.record import uuid_form
from agentops_otel.cli import text
from agentops_otel.cli.exports import EXPORTED
from agentops_otel.cli.reader import Filters, NotFound, Refused, Row, Unreachable, nanoseconds
from agentops_otel.server.otlp_json import records_of
from agentops_otel.server.queries import timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentops_otel.accounting.record import SpanRecord

_KEY_HEADER: Final = "X-Agentops-Api-Key"
_PATIENCE_SECONDS: Final = 30.0
_PAGE: Final = 1000
_LATEST: Final = re.compile(r"@last(?:~(?P<back>[0-9]{1,9}))?")
_HEX: Final = re.compile(r"[0-9a-fA-F]{32}")
_KEYLESS: Final = re.compile(r"[^\x20-\x7e]")
_LONG_ID: Final = 36
_COUNTS: Final = ("unpriced_calls", "llm_calls", "tool_calls", "actions", "errors")
_REFUSALS: Final = frozenset({http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN})


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key is for the server it was meant for, and for no other that this one may name."""

    def redirect_request(self, *_arguments: Any, **_options: Any) -> None:
        return None


class ServerReader:
    """A `Reader` over a server of this project; nothing is asked before the first use."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.where = self._url = _address(url)
        if key and _KEYLESS.search(key):
            raise click.UsageError("a key is of plain letters, digits and signs, which this one is not")
        self._headers = {"Accept": "application/json", **({_KEY_HEADER: key} if key else {})}
        self._next_cursor: str | None = None
        # A proxy knows another machine by the names of this one.
        proxies = [urllib.request.ProxyHandler({})] if _is_loopback(url) else []
        self._opener = urllib.request.build_opener(_NoRedirects, *proxies)

    def sessions(self, filters: Filters, limit: int | None = None) -> list[Row]:
        """As the promise has it: the server filters what it can, and what it cannot is filtered here."""
        found: list[Row] = []
        for row in self._listed(filters, limit if filters == Filters() else None):
            if limit is not None and len(found) == limit:
                break
            if filters.accept(row):
                found.append(row)
        return found

    def find(self, reference: str) -> list[str]:
        """As a store finds it."""
        latest = _LATEST.fullmatch(reference)
        if latest is not None:
            back = int(latest["back"] or 0)
            return [row["id"] for row in self.sessions(Filters(), back + 1)[back:]]
        whole = uuid_form(reference.lower()) if _HEX.fullmatch(reference) else reference
        if len(whole) >= _LONG_ID and self._asked("GET", self._path(whole, "stats"), missing=True) is not None:
            return [whole]
        prefix = reference.replace("-", "").lower()
        ids = [row["id"] for row in self._listed(Filters(), None)] if prefix else []
        found = [told for told in ids if told.replace("-", "").lower().startswith(prefix)]
        return [reference] if reference in found else found

    def session(self, session_id: str) -> Row | None:
        """Made of its export, which tells all that a list does."""
        whole = self._asked("GET", self._path(session_id, "export"), missing=True)
        if whole is None:
            return None
        try:
            told, figures = whole["session"], whole["statistics"]
            by_model = figures["by_model"]
            models = sorted(by_model, key=lambda model: (-by_model[model]["calls"], model))
            return _row({**figures, **told, "is_running": figures["duration"] is None, "models": models})
        except (KeyError, TypeError) as error:
            raise self._strange() from error

    def spans(self, session_id: str) -> list[SpanRecord]:
        """Read from OTLP, as the server has them."""
        told = self._asked("GET", f"{self._path(session_id, 'spans')}?format=otlp", missing=True)
        if told is None:
            # A server from before it told spans by session still tells them by trace.
            trace_id = quote(session_id.replace("-", ""), safe="")
            told = (self._asked("GET", f"/api/v3/traces/{trace_id}") or {}).get("result")
        try:
            return sorted(records_of(told), key=lambda record: record.start_time)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._strange() from error

    def export(self, session_id: str) -> dict[str, Any]:
        """As the server exports it."""
        return self._object(self._path(session_id, "export"), "session", "statistics", *EXPORTED)

    def statistics(self, session_id: str) -> dict[str, Any]:
        """As the server tells them."""
        return self._object(self._path(session_id, "stats"), "by_model", "tokens", "cost")

    def search(self, wanted: str, limit: int) -> list[dict[str, Any]]:
        """As the server finds them."""
        found = self._asked("GET", f"/v2/search?{urlencode({'text': wanted, 'limit': limit})}")
        if not isinstance(found, list) or not all(isinstance(hit, dict) for hit in found):
            raise self._strange()
        return found

    def delete(self, session_id: str) -> None:
        """Off the server."""
        self._asked("DELETE", self._path(session_id))

    # --- Asking --------------------------------------------------------------------------------------

    def _listed(self, filters: Filters, limit: int | None) -> Iterator[Row]:
        """All pages of the list, one after the other."""
        asked: list[tuple[str, str]] = [("limit", str(min(limit or _PAGE, _PAGE)))]
        asked += [("tag", tag) for tag in filters.tags] + [
            ("model", model) for model in filters.models if len(filters.models) == 1
        ]
        if len(filters.end_states) == 1 and filters.end_states[0] != "running":
            asked.append(("end_state", filters.end_states[0]))
        if filters.since is not None:
            asked.append(("since", timestamp(filters.since) or ""))
        cursor: str | None = None
        while True:
            page = [*asked, ("cursor", cursor)] if cursor else asked
            listed = self._asked("GET", f"/v2/sessions?{urlencode(page)}")
            if not isinstance(listed, list):
                raise self._strange()
            try:
                yield from [_row(row) for row in listed]
            except (KeyError, TypeError, ValueError) as error:
                raise self._strange() from error
            before, cursor = cursor, self._next_cursor
            if not cursor or cursor == before:
                break

    def _path(self, session_id: str, what: str = "") -> str:
        return f"/v2/sessions/{quote(session_id, safe='')}" + (f"/{what}" if what else "")

    def _object(self, path: str, *needed: str) -> dict[str, Any]:
        told = self._asked("GET", path)
        if not isinstance(told, dict) or not told.keys() >= set(needed):
            raise self._strange()
        return told

    def _asked(self, method: str, path: str, *, missing: bool = False) -> Any:
        """What the server answers, read from JSON; None where it knows no such thing and that is asked for."""
        request = urllib.request.Request(self._url + path, method=method, headers=self._headers)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_PATIENCE_SECONDS) as answer:
                body = answer.read()
                self._next_cursor = answer.headers.get("X-Next-Cursor")
        except urllib.error.HTTPError as error:
            with error:
                if missing and error.code == http.HTTPStatus.NOT_FOUND:
                    return None
                raise self._refusal(error) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(
                f"no server answers at {self._url}: {text.clean(reason)}\nIs it running? agentops-otel serve"
            ) from error
        try:
            return json.loads(body) if body else None
        except (ValueError, RecursionError) as error:
            raise self._strange() from error

    def _refusal(self, error: urllib.error.HTTPError) -> click.ClickException:
        told = f"{self._url} answers: {_complaint(error)}"
        if error.code in _REFUSALS:
            known = _KEY_HEADER in self._headers
            advice = "This key is not accepted." if known else "Name a key: --key KEY, or AGENTOPS_API_KEY."
            return Refused(f"{told}\n{advice}")
        return NotFound(told) if error.code == http.HTTPStatus.NOT_FOUND else click.ClickException(told)

    def _strange(self) -> click.ClickException:
        return click.ClickException(f"{self._url} answers, but not as a server of agentops-otel does")


def _row(told: dict[str, Any]) -> Row:
    """A session with everything in it that a list shows; what a server does not tell is empty.

    Raises:
        KeyError, TypeError, ValueError: it is no session.
    """
    nanoseconds(told["init_timestamp"])
    return {
        **told,
        "id": str(told["id"]),
        "end_state": str(told["end_state"]),
        "is_running": bool(told.get("is_running")),
        "tags": [str(tag) for tag in told.get("tags") or ()],
        "models": [str(model) for model in told.get("models") or ()],
        "tokens": dict(told.get("tokens") or {}),
        "cost": None if told.get("cost") is None else str(told["cost"]),
        "duration": None if told.get("duration") is None else float(told["duration"]),
        "end_state_reason": told.get("end_state_reason"),
        "video": told.get("video"),
        **{name: int(told.get(name) or 0) for name in _COUNTS},
    }


def _complaint(error: urllib.error.HTTPError) -> str:
    """What the server says went wrong, out of JSON or plain text."""
    body = error.read(10_000).decode("utf-8", "replace")
    try:
        told = json.loads(body)["error"]
        body = str(told["message"] if isinstance(told, dict) else told)
    except (ValueError, KeyError, TypeError):
        pass
    return text.cut(text.clean(body.strip() or error.reason), 500)


def _address(told: str) -> str:
    """The address without a slash at its end.

    Raises:
        click.UsageError: it is none of a web server.
    """
    url = told if "://" in told else f"http://{told}"
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_sound = False
    if not is_sound or parts.username or not url.isascii() or not url.isprintable() or " " in url:
        raise click.UsageError(f"a server is named as http://127.0.0.1:4318, not as {text.clean(told)!r}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_loopback(url: str) -> bool:
    host = urlsplit(_address(url)).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Redaction: what is taken out of a record before it goes anywhere: secrets, and what the program names."""

from __future__ import annotations

import fnmatch
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.faults import Faults

logger = logging.getLogger("agentops_otel")

FAILED: Final = "[redaction failed]"
REDACTED: Final = "[redacted]"
STATUS_MESSAGE: Final = "status.message"
"""The name under which `redact=` is asked about the message of a span's status; its name is `span.name`."""
SPAN_NAME: Final = "span.name"

_KEPT: Final = frozenset({names.SESSION_ID, names.SPAN_KIND, names.OWNER, names.OPERATION_NAME, names.END_STATE})
"""Without these a span belongs to no session: they are never touched."""
_SOUND: Final = (bool, int, float, bytes, list, tuple)
_DEPTH: Final = 64
_SHORTEST: Final = 8
"""Characters that a secret has at least: a shorter one is a word that stands everywhere."""
_FIGURES: Final = frozenset({int, float, bool})
_WORD: Final = 128
_WORDS_KEPT: Final = 4096
"""Values of up to this many characters, and this many of them, are remembered as clean."""


class Redaction:
    """Applied to every record on its way out, on the delivery thread.

    `rules` is what `redact=` was given: a callable `(name, value) -> value` (None leaves the attribute out),
    a compiled pattern, the name of a key (of an attribute, or in JSON within one; `*` stands for anything),
    or a sequence of these. False switches off even the shapes of secrets that are looked for by default.
    `known` are secrets of this process itself, taken out wherever they appear.
    """

    def __init__(self, rules: Any, faults: Faults, known: Sequence[str | None] = ()) -> None:
        self._faults = faults
        self._shapes = rules is not False
        listed = (
            rules
            if isinstance(rules, (list, tuple, set, frozenset))
            else ()
            if rules in (None, True, False)
            else (rules,)
        )
        self._patterns = [rule for rule in listed if isinstance(rule, re.Pattern)]
        self._keys = [rule.lower() for rule in listed if isinstance(rule, str)]
        self._key = re.compile("|".join(fnmatch.translate(key) for key in self._keys)) if self._keys else None
        self._hints = [max(re.split(r"[*?\[\]]", key), key=len) for key in self._keys]
        self._asked: list[Callable[[str, Any], Any]] = [rule for rule in listed if callable(rule)]
        self._known = [secret for secret in known if secret and len(secret) >= _SHORTEST]
        self._rules = bool(self._patterns or self._key or self._asked)
        # Texts that were looked at and are clean, as long as the program has no rules of its own.
        self._clean: set[str] = set()

    def apply(self, record: SpanRecord) -> None:
        """Redact this record; where that fails, the value is gone, not the span."""
        record.attributes = self.attributes(record.attributes)
        record.name = str(self._value(SPAN_NAME, record.name) or REDACTED)
        if record.status_message:
            told = self._value(STATUS_MESSAGE, record.status_message)
            record.status_message = None if told is None else str(told)
        if record.events:
            record.events = [{**event, "attributes": self.attributes(event["attributes"])} for event in record.events]
        if record.links:
            record.links = [{**link, "attributes": self.attributes(link["attributes"])} for link in record.links]

    def attributes(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The attributes without what is to be taken out; the same object where that is nothing."""
        changed: dict[str, Any] = {}
        for name, value in attributes.items():
            # Most texts are the same with every call, and figures are none: no function is called for these.
            if (type(value) in _FIGURES or (type(value) is str and value in self._clean)) and not self._rules:
                continue
            if name not in _KEPT:
                told = self._value(name, value)
                if told is not value:
                    changed[name] = told
        if not changed:
            return attributes
        return {name: value for name, value in {**attributes, **changed}.items() if value is not None}

    def _value(self, name: str, value: Any) -> Any:
        told = value if type(value) is str and value in self._clean else self._redacted(name, value)
        if told is value and type(value) is str and len(value) <= _WORD and not self._rules:
            if len(self._clean) >= _WORDS_KEPT:
                self._clean.clear()
            self._clean.add(value)
        return told

    def _redacted(self, name: str, value: Any) -> Any:
        try:
            for ask in self._asked:
                value = ask(name, value)
            if self._key is not None and self._key.fullmatch(name.lower()):
                return REDACTED
            if isinstance(value, str):
                return self._text(value)
            if isinstance(value, (list, tuple)) and any(isinstance(item, str) for item in value):
                texts = [self._text(item) if isinstance(item, str) else item for item in value]
                return value if texts == list(value) else texts
            return value if value is None or isinstance(value, _SOUND) else str(value)
        except Exception as error:
            # The program's own rule failed: what it would have taken out is not known, so all of it goes.
            # Neither value nor message is logged: both may hold it.
            if not self._faults.counts["redaction"]:
                logger.warning(
                    "redaction of %s failed (%s); values on which it fails are dropped", name, type(error).__name__
                )
            self._faults.counts["redaction"] += 1
            return FAILED

    def _text(self, text: str) -> str:
        if self._key is not None and text[:1] in {"{", "["} and self._may_hold_key(text):
            text = self._json(text)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, secrets.MASK)
        return secrets.scrub(text) if self._shapes else text

    def _may_hold_key(self, text: str) -> bool:
        lowered = text.lower()
        return any(hint in lowered for hint in self._hints)

    def _json(self, text: str) -> str:
        try:
            loaded = json.loads(text)
        except ValueError:
            return text  # it only looks like JSON
        return json.dumps(self._without_keys(loaded, _DEPTH), ensure_ascii=False, separators=(",", ":"))

    def _without_keys(self, value: Any, depth: int) -> Any:
        if depth == 0:
            return REDACTED
        if isinstance(value, dict):
            return {
                key: REDACTED
                if self._key is not None and self._key.fullmatch(key.lower())
                else self._without_keys(item, depth - 1)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._without_keys(item, depth - 1) for item in value]
        # The arguments of a tool are JSON within JSON.
        return self._json(value) if isinstance(value, str) and value[:1] in {"{", "["} else value


def bare(record: SpanRecord) -> None:
    """Leave of a record only what says which session it belongs to, and figures: for one that cannot be redacted."""
    record.attributes = {
        name: value for name, value in record.attributes.items() if name in _KEPT or isinstance(value, (int, float))
    }
    record.name = FAILED
    record.events, record.links, record.status_message = (), (), None

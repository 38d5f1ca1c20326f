"""Cursors: where the next page of a list begins, as a text that only its own list takes."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from agentops_otel.store import rows
from agentops_otel.store.questions import QuestionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentops_otel.store.questions import SessionQuery


def written(query: SessionQuery, value: Any, place: Any) -> str:
    """The cursor of the page that begins after a session: the value that it is sorted by, and what tells it apart."""
    told = json.dumps([query.sort, query.descending, value, place])
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def read(query: SessionQuery, is_place: Callable[[Any], bool]) -> tuple[Any, Any]:
    """The value and the place of a query's cursor.

    Raises:
        QuestionError: it is none, or of a list in another order.
    """
    cursor = query.cursor or ""
    try:
        sort, descending, value, place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise QuestionError("the cursor is none that this server gave: begin again without one") from error
    is_sound = is_place(place) and isinstance(value, (int, float)) and abs(value) <= rows.LATEST
    if not is_sound or (sort, descending) != (query.sort, query.descending):
        raise QuestionError("the cursor belongs to another order: begin again without one")
    return value, place

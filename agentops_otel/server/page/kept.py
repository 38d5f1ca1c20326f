"""What was made of a session's records, kept until the session changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentops_otel.store.base import Store

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """The last things that were made, by session, as long as they weigh no more than `most` together.

    `make(session_id, project)` makes one, `weigh(thing)` says what it weighs; the newest is kept whatever it weighs.
    """

    def __init__(
        self, store: Store, make: Callable[[str, str | None], _T], weigh: Callable[[_T], int], most: int
    ) -> None:
        self._store = store
        self._make = make
        self._weigh = weigh
        self._most = most
        self._things: OrderedDict[tuple[str, str | None], tuple[int, _T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, session_id: str, project: str | None) -> _T:
        """What is made of a session as it is now."""
        place = (session_id, project)
        version = self._store.version(session_id, project)
        with self._lock:
            kept = self._things.get(place)
            if kept is not None and kept[0] == version:
                self._things.move_to_end(place)
                return kept[1]
        thing = self._make(session_id, project)
        with self._lock:
            self._things[place] = (version, thing, self._weigh(thing))
            self._things.move_to_end(place)
            while len(self._things) > 1 and sum(weight for _, _, weight in self._things.values()) > self._most:
                self._things.popitem(last=False)
        return thing

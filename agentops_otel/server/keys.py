"""Keys: who may speak to the server, and which project is theirs."""

from __future__ import annotations

import hmac
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from agentops_otel.server.wire import IntakeError
from agentops_otel.store.base import StoreError
from agentops_otel.store.keys import DEFAULT_PROJECT, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentops_otel.store.keys import KeyFile

KEY_HEADER: Final = "X-Agentops-Api-Key"
_LONGEST_KEY: Final = 4096
_LOOK_SECONDS: Final = 1.0
_NEEDED: Final = f"an accepted key is needed in the header {KEY_HEADER}: make one with `agentops-otel keys add`"
_TOO_MANY: Final = "too many wrong keys: wait, and check the key"


class Keys:
    """The keys that are accepted: those given, which open the project "default", and those of a file.

    Without a key everybody is let in, except where they are `required`. The file is looked at again when it changes,
    so that keys may be made and removed while the server runs.

    A right key is let in at all times: programs on one machine share an address, and one of them may have a wrong key.
    """

    def __init__(
        self,
        keys: Iterable[str] = (),
        file: KeyFile | None = None,
        *,
        required: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._given = [(digest(key), DEFAULT_PROJECT) for key in keys]
        self._file = file
        self._required = required
        self._clock = clock
        self._kept: list[tuple[bytes, str]] = []
        self._stamp: object = None
        self._illegible: str | None = None
        self._looked = -math.inf
        self._wrong = Allowance(clock)

    @property
    def are_needed(self) -> bool:
        """Whether a key must be named."""
        return self._required or bool(self._accepted())

    def admit(self, key: str | None, peer: str = "") -> str | None:
        """The project that this key opens; None for all projects, where no key is needed.

        `peer` is who asks: wrong keys are counted for each.

        Raises:
            IntakeError: the key is missing or wrong (401), or one of too many wrong ones (429).
        """
        accepted = self._accepted()
        if not accepted and not self._required:
            return None
        asked = digest((key or "")[:_LONGEST_KEY])
        # All are compared, so that the time does not depend on which of them it is, or how near it comes.
        found = [project for kept, project in accepted if hmac.compare_digest(asked, kept)]
        if found:
            return found[0]
        if key:
            retry = self._wrong.use(peer)
            if retry is not None:
                raise IntakeError(_TOO_MANY, 429, retry)
        raise IntakeError(_NEEDED, 401)

    def _accepted(self) -> list[tuple[bytes, str]]:
        now = self._clock()
        if self._file is not None and now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            stamp = self._file.stamp()
            if stamp != self._stamp:
                self._load(self._file)
                self._stamp = stamp
        if self._illegible is not None:
            raise IntakeError(self._illegible, 503)
        return [*self._given, *self._kept]

    def _load(self, file: KeyFile) -> None:
        """A file that cannot be read lets nobody in, for nobody can say who may come."""
        try:
            self._kept = [(bytes.fromhex(key.digest), key.project) for key in file.read()]
            self._illegible = None
        except (StoreError, ValueError) as error:
            self._illegible = str(error)


class Allowance:
    """How many wrong keys each peer may still name: 30 at once, and one more every two seconds.

    The peers that are remembered are the latest ones, whatever their number.
    """

    BURST: Final = 30
    SECONDS: Final = 2.0
    PEERS: Final = 1024

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When each peer will have all of its allowance again.
        self._full: OrderedDict[str, float] = OrderedDict()

    def use(self, peer: str) -> int | None:
        """Count one; None if it was allowed, else the seconds until the next one is."""
        now = self._clock()
        full = max(self._full.pop(peer, now), now) + self.SECONDS
        over = full - now - self.BURST * self.SECONDS
        self._full[peer] = full if over <= 0 else full - self.SECONDS
        while len(self._full) > self.PEERS:
            self._full.popitem(last=False)
        return None if over <= 0 else math.ceil(over)

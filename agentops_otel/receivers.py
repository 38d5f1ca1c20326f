"""Receivers: the places that records are delivered to: the local store, an exporter, any OTLP endpoint."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names
from agentops_otel.otlp.bodies import bodies, span_of, start_of
from agentops_otel.otlp.endpoint import KEY_HEADER, Endpoint, traces_url
from agentops_otel.otlp.sending import Sending
from agentops_otel.otlp.transport import Transport, Unusable, transport
from agentops_otel.spool import FILE_NAME, Address, Spool, SpoolError
from agentops_otel.store.base import StoreError
from agentops_otel.store.owners import Owner
from agentops_otel.store.paths import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agentops_otel.accounting.record import SpanRecord
    from agentops_otel.configuration import Configuration
    from agentops_otel.faults import Faults
    from agentops_otel.otlp.bodies import Body
    from agentops_otel.store.sqlite import SQLiteStore

logger = logging.getLogger("agentops_otel")

_MEMORY: Final = 32 * 1024 * 1024
"""Bytes that are kept in memory where nothing can be kept on disk."""
_DAY: Final = 86_400
_PRUNE_SECONDS: Final = 300.0
_PRUNED_AT_ONCE: Final = 20
_TRY_AGAIN: Final = 5.0
"""Seconds after which a disk that could not be written is tried again."""
NO_ROOM: Final = "too much waits to be sent"


class StoreReceiver:
    """Keeps records in a store on this machine, start records too."""

    def __init__(self, store: SQLiteStore, faults: Faults) -> None:
        self.store = store
        self.name = "the local store"
        self._faults = faults
        self._pruned = -_PRUNE_SECONDS

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Insert them; of a batch that fails, each by itself, so that one bad record loses only itself."""
        for record in records:
            if record.end_time is None:
                owner = Owner.claim(self.store.owners).name
                record.attributes = {**record.attributes, names.OWNER: owner}
        try:
            self.store.insert(records)
        except (TypeError, ValueError) as error:
            self._faults.note("store.insert", error)
            return all(self._deliver_one(record) for record in records)
        self._prune()
        return True

    def _prune(self) -> None:
        """Keep the store within its limits, in small pieces: no server may ever do it.

        Each process does a little, once it has written and then every few minutes; so a store stays within its limits
        however short those who write to it live.
        """
        if time.monotonic() - self._pruned < _PRUNE_SECONDS:
            return
        self._pruned = time.monotonic()
        try:
            self.store.prune(most=_PRUNED_AT_ONCE)
        except StoreError as error:  # a setting that cannot be read, or a file in use: what was inserted is kept
            self._faults.counts["store.prune"] += 1
            logger.debug("old sessions stay for now: %s", error)

    def _deliver_one(self, record: SpanRecord) -> bool:
        try:
            self.store.insert([record])
        except (TypeError, ValueError) as error:
            self._faults.note("store.insert", error)
            return False
        return True

    def close(self) -> None:
        """Close the store's files."""
        self.store.close()

    def after_fork(self) -> None:
        """The store looks after itself."""


class ExporterReceiver:
    """Gives records to any SpanExporter, as spans."""

    def __init__(self, exporter: Any) -> None:
        self.name = type(exporter).__name__
        self._exporter = exporter

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Export those that have ended; False if the exporter did not take them."""
        spans = [span_of(record) for record in records if record.end_time is not None]
        if not spans:
            return True
        return bool(self._exporter.export(spans).name == "SUCCESS")

    def close(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def after_fork(self) -> None:
        """The exporter is the program's own, and so is what it does in a child."""


class OtlpReceiver:
    """Sends records to an OTLP endpoint, by way of a spool.

    `deliver` puts them into the spool and goes on; `Sending` takes them out once they have arrived. Where
    no file can be written, they wait in memory instead, until it can; what is left there at the end is lost.
    """

    def __init__(self, config: Configuration, faults: Faults, endpoint: Endpoint | None = None) -> None:
        self._endpoint = endpoint or Endpoint.of(config.receiver, config.api_key)
        self.name = self._endpoint.shown
        self.address = Address(self._endpoint.shown, config.project_id)
        self.store = config.store
        self.unwritable: str | None = None
        """Why nothing can be kept on disk now."""
        self._try_at = 0.0
        """When it is tried again."""
        self._in_memory = False
        """Whether anything was put there since it was last found empty."""
        self._faults = faults
        self._lost: Counter[str] = Counter()
        self._handed = 0
        self._on_disk = False
        """Whether anything was ever kept on disk."""
        self._disk = self._spool_of(config)
        self._memory = Spool(None, min(_MEMORY, config.max_spool_size) or _MEMORY, config.max_spool_days * _DAY)
        self._spools = [self._memory] if self._disk is None else [self._disk, self._memory]
        self._sending = Sending(self._spools, self.address, self._transport, faults.counts, self._move)

    def _spool_of(self, config: Configuration) -> Spool | None:
        if not config.max_spool_size:
            self.unwritable = "max_spool_size is 0"
            return None
        try:
            return Spool(spool_path(config.store), config.max_spool_size, config.max_spool_days * _DAY)
        except StoreError as error:
            self.unwritable = str(error)
            return None

    def _transport(self) -> Transport:
        try:
            return transport(self._endpoint)
        except (OSError, ValueError, ImportError) as error:
            return Unusable(str(error))

    @property
    def path(self) -> Path | None:
        """The file in which spans wait."""
        return None if self._disk is None or self.unwritable else self._disk.path

    def deliver(self, records: Sequence[SpanRecord]) -> bool:
        """Have them sent; always True: what becomes of them is in `counts`."""
        ended = [record for record in records if record.end_time is not None]
        self._announce(records)
        if not ended:
            return True
        parts = bodies(ended, self._spoiled)
        with self._sending.settling:
            self._handed += len(ended)
            if not self._put(parts):
                # No room: the ends of sessions have some kept for them.
                ends = bodies([record for record in ended if record.is_session], lambda *_: None)
                kept = _spans(ends) if ends and self._put(ends, essential=True) else 0
                self._lost[NO_ROOM] += _spans(parts) - kept
        self._sending.wake()
        return True

    def _announce(self, records: Sequence[SpanRecord]) -> None:
        """Have it told which sessions have begun, so that one whose process is killed is known to have been."""
        over = {record.span_id for record in records if record.is_session and record.end_time is not None}
        for span_id in over:
            self._sending.withdraw(span_id)
        for record in records:
            if record.end_time is None and record.is_session and record.span_id not in over:
                try:
                    self._sending.announce(record.span_id, start_of(record))
                except Exception as error:  # its end may still be encoded
                    self._faults.note("otlp.start", error)

    @property
    def page(self) -> str | None:
        """The URL below which the endpoint shows sessions, once it has told it."""
        return self._sending.page

    def _put(self, parts: Sequence[Body], *, essential: bool = False) -> bool:
        if not parts:
            return True
        if self._disk is not None and time.monotonic() >= self._try_at:
            try:
                return self._put_on_disk(self._disk, parts, essential=essential)
            except SpoolError as error:
                self._fall_back(self._disk, error)
        try:
            kept = self._memory.put(self.address, parts, essential=essential)
        except SpoolError:  # memory itself is short
            return False
        self._in_memory = True
        return kept

    def _put_on_disk(self, disk: Spool, parts: Sequence[Body], *, essential: bool = False) -> bool:
        if self.unwritable is not None and not self._on_disk:
            disk.claim_again()
        kept = disk.put(self.address, parts, essential=essential)
        self.unwritable, self._try_at = None, 0.0
        self._on_disk = self._on_disk or kept
        if disk not in self._spools:
            self._spools.insert(0, disk)
        return kept

    def _fall_back(self, disk: Spool, error: SpoolError) -> None:
        """Keep what waits in memory for a while."""
        if not self._faults.counts["spool.write"]:
            logger.warning("what waits to be sent is kept in memory, for nothing can be kept on disk: %s", error)
        self._faults.counts["spool.write"] += 1
        self.unwritable, self._try_at = str(error), time.monotonic() + _TRY_AGAIN
        if not self._on_disk and disk in self._spools:
            self._spools.remove(disk)  # nothing of ours is there; to look would only take time

    def _move(self, *, at_once: bool = False) -> None:
        """What waits in memory goes to the disk once it can be written; `at_once`: try that now in any case.

        On the thread that sends, so that nothing is moved that is on its way.
        """
        disk = self._disk
        if disk is None or not self._in_memory or not (at_once or time.monotonic() >= self._try_at):
            return
        with self._sending.settling:
            self._in_memory = False  # first, for more may come meanwhile
            while (batch := self._memory.next(self.address)) is not None:
                try:
                    kept = self._put_on_disk(disk, [(batch.body, batch.spans)])
                except SpoolError as error:
                    self._fall_back(disk, error)
                    kept = False
                if not kept:
                    self._in_memory = True
                    return
                self._memory.done(batch)

    def _spoiled(self, *_: object) -> None:
        self._lost["it cannot be encoded"] += 1
        self._faults.counts["otlp.encode"] += 1

    def counts(self) -> tuple[int, Counter[str]]:
        """How many of the spans that were handed over still wait, and how many were given up, by reason."""
        with self._sending.settling:
            dropped = self._lost + self._sending.dropped
            waiting = max(0, self._handed - self._sending.delivered - dropped.total())
            if waiting and self._disk is not None and self._disk.damaged:
                waiting = self._found(waiting)
                dropped = self._lost + self._sending.dropped
            return waiting, dropped

    def _found(self, waiting: int) -> int:
        """How many of those that should wait do so still, for the file was damaged."""
        try:
            found = self._memory.own() + (self._disk.own() if self._disk is not None else 0)
        except SpoolError:
            return waiting
        if found < waiting:
            self._lost["damaged on disk"] += waiting - found
        return min(found, waiting)

    def drain(self, seconds: float) -> bool:
        """Try to send all that waits; False if something is left."""
        return self._sending.drain(seconds)

    def close(self) -> None:
        """Send nothing more; what is left on disk is for the next process, what is left in memory is lost."""
        self._sending.close()
        try:
            self._move(at_once=True)
            left = self._memory.own()
            if left:
                why = self.unwritable
                self._lost[NO_ROOM if why is None else f"nothing could be kept on disk ({why})"] += left
                self._memory.clear()
            if self._disk is not None and self.unwritable is None:
                self._disk.release()
        except SpoolError as error:  # the end of the process releases it as well
            self._faults.counts["spool"] += 1
            self.unwritable = str(error)

    @property
    def trouble(self) -> str | None:
        """Why the endpoint takes nothing now."""
        return self._sending.trouble

    def after_fork(self) -> None:
        """What the parent has put into the spool, the parent sends."""
        self._handed = 0
        self._lost.clear()
        self._sending.after_fork()


def _spans(parts: Sequence[Body]) -> int:
    return sum(spans for _, spans in parts)


def spool_path(store: str | None) -> Path:
    """The file in which spans wait: beside the store.

    Raises:
        StoreError: there is no place for a store.
    """
    return resolve(store).with_name(FILE_NAME)


__all__ = ["KEY_HEADER", "ExporterReceiver", "OtlpReceiver", "StoreReceiver", "spool_path", "traces_url"]

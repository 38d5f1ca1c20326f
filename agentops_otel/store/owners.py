"""Who owns an open session, and whether that process still lives: a locked file for each process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import ClassVar, Final

SILENCE: Final = 3600 * 10**9
"""Nanoseconds after the newest record, from which on an owner that nobody can ask counts as dead."""
LEASE: Final = 120 * 10**9
"""The same for an owner that tells every half minute that it lives."""
LEASED: Final = "leased:"
"""Stands before the name of such an owner."""

_NAME: Final = re.compile(r"(?P<place>[0-9a-f]{12}|elsewhere)\.(?P<pid>[0-9]{1,10})\.[0-9a-f]{16}")
_NOWHERE: Final = "elsewhere"
_ATTEMPTS: Final = 5


class Owner:
    """This process, as the owner of its sessions: `Owner.claim(directory).name` goes on their start records.

    The claim is a locked file in `directory`. The kernel drops the lock when the process ends, however
    it ends. A forked child is a process of its own and claims for itself.
    """

    _held: ClassVar[dict[tuple[int, str], Owner]] = {}
    # Names are here before their file exists, for the file must never be opened twice: see `_is_locked`.
    _names: ClassVar[set[str]] = set()

    def __init__(self, name: str, path: Path | None = None, descriptor: int | None = None) -> None:
        self.name = name
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def claim(cls, directory: str | os.PathLike[str]) -> Owner:
        """The claim of this process in this directory: made at the first call, the same one afterwards.

        Never raises. Where no lock can be had (a directory that cannot be written, a file system without
        locks), the name says that nobody can tell, and the session counts as running until it is silent
        for an hour.
        """
        key = (os.getpid(), os.path.realpath(directory))
        held = cls._held.get(key)
        if held is not None:
            return held
        made = cls._make(Path(key[1]))
        kept = cls._held.setdefault(key, made)
        if kept is not made:
            made.release()
        return kept

    @classmethod
    def claim_again(cls, directory: str | os.PathLike[str]) -> Owner:
        """The claim; where it got no lock, it is tried once more, under another name."""
        key = (os.getpid(), os.path.realpath(directory))
        held = cls._held.get(key)
        if held is not None and held._descriptor is None:  # noqa: SLF001 - of its own class
            cls._held.pop(key, None)
        return cls.claim(directory)

    @classmethod
    def _make(cls, directory: Path) -> Owner:
        with contextlib.suppress(OSError):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sweep(directory)
            for _ in range(_ATTEMPTS):
                name = f"{_place(directory)}.{os.getpid()}.{secrets.token_hex(8)}"
                cls._names.add(name)
                descriptor = _lock_new(directory / name)
                if descriptor is not None:
                    return cls(name, directory / name, descriptor)
                cls._names.discard(name)
        return cls(f"{_NOWHERE}.{os.getpid()}.{secrets.token_hex(8)}")

    @classmethod
    def holds(cls, name: str) -> bool:
        """Whether this process holds this claim; in a forked child the parent's claims are another's."""
        found = _NAME.fullmatch(name)
        return found is not None and name in cls._names and int(found["pid"]) == os.getpid()

    def release(self) -> None:
        """Give the claim up, as the end of the process does: what it owns and has not ended has then died."""
        if self._descriptor is None or self._path is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        if self.holds(self.name):
            self._path.unlink(missing_ok=True)
        os.close(descriptor)
        self._names.discard(self.name)
        self._held.pop((os.getpid(), str(self._path.parent)), None)


def is_alive(directory: str | os.PathLike[str], name: str | None, *, newest: int | None = None) -> bool:
    """Whether the process of this name, which claimed in this directory, still lives.

    Nobody can tell where there is no name, or where it was claimed on another host or in another
    directory. Such an owner is alive until an hour after `newest`, the time of the session's newest
    record (ns since the epoch); two minutes, where it is one that tells that it lives. The file of an owner
    that is found dead is removed.
    """
    folder = Path(os.path.realpath(directory))
    told = name or ""
    alive = _liveness(folder, told.removeprefix(LEASED))
    if alive is None:
        patience = LEASE if told.startswith(LEASED) else SILENCE
        return newest is None or time.time_ns() - newest < patience
    return alive


def _liveness(directory: Path, name: str) -> bool | None:
    """None where it cannot be told."""
    # Names come out of spans that anyone may send: only this form may ever become part of a path.
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    if Owner.holds(name):
        return True
    if found["place"] != _place(directory):
        return None
    try:
        return _is_locked(directory / name)
    except FileNotFoundError:
        return False
    except OSError:
        return None


def _place(directory: Path) -> str:
    """A host and a directory on it: a lock says nothing about any other place."""
    told = f"{socket.gethostname()}\0{directory}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(told).hexdigest()[:12]


def _sweep(directory: Path) -> None:
    """Remove the files of dead owners, so that a process leaves no more than one behind."""
    for entry in os.scandir(directory):
        _liveness(directory, entry.name)


if sys.platform == "win32":

    def _lock_new(path: Path) -> int | None:
        """The descriptor of a new file; an open file is lock enough, for Windows does not remove it."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR)

    def _is_locked(path: Path) -> bool:
        """Whether a living process holds the file; one that nobody holds is removed."""
        try:
            path.unlink()
        except PermissionError:
            return True
        return False

else:
    import fcntl

    def _lock_new(path: Path) -> int | None:
        """The descriptor of a new, locked file; None if somebody took it for a dead one meanwhile.

        `lockf` and not `flock`: a forked child inherits the second, and would keep a dead owner alive.
        """
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _is_locked(path: Path) -> bool:
        """Whether a living process holds the lock; a file that nobody holds is removed.

        Not for a file of this process: closing any descriptor of a file drops all locks that the process
        has on it. The lock is a shared one, so that two who ask at once do not see each other.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            with contextlib.suppress(OSError):
                path.unlink()
        except (BlockingIOError, PermissionError):
            return True
        finally:
            os.close(descriptor)
        return False

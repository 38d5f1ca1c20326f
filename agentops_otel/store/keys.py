"""KeyFile: the API keys of a store, and the project that each of them opens; kept as digests beside the store."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
import uuid
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from agentops_otel.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_PROJECT: Final = "default"
SUFFIX: Final = ".keys"
_VERSION: Final = 1
_PATIENCE_SECONDS: Final = 5.0
_LONGEST: Final = 200


@dataclass(frozen=True)
class Key:
    """A key as it is kept. `made` is in seconds since the epoch, `digest` the SHA-256 of the key in hex."""

    id: str
    project: str
    digest: str
    made: int


class NewKey(NamedTuple):
    """A key that was just made; its text is told this once."""

    text: str
    key: Key


class KeyFile:
    """The keys of the store at `store`, or those in the file that is named itself, by its ending in `.keys`.

    Only the user who makes it may read it (0600).

    Keys are random UUIDs, so that their digests tell nothing. Every method raises `StoreError` if the file cannot
    be used.
    """

    def __init__(self, store: str | os.PathLike[str]) -> None:
        path = Path(store)
        self.path = path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)

    def add(self, project: str = DEFAULT_PROJECT) -> NewKey:
        """Make a key for a project.

        Raises:
            ValueError: the project's name is empty, too long, or does not print.
        """
        if not project.strip() or not project.isprintable() or len(project) > _LONGEST:
            raise ValueError(f"a project's name has 1 to {_LONGEST} characters that print, not {project[:50]!r}")
        text = str(uuid.uuid4())
        made = Key(secrets.token_hex(4), project, digest(text).hex(), int(time.time()))
        with self._changing() as keys:
            keys.append(made)
        return NewKey(text, made)

    def remove(self, reference: str) -> Key:
        """Remove the key whose id is, or alone begins with, `reference`.

        Raises:
            KeyError: there is none, or there are several.
        """
        with self._changing() as keys:
            found = [key for key in keys if reference and key.id.startswith(reference)]
            if len(found) != 1:
                raise KeyError(reference)
            removed: Key = found[0]
            keys.remove(removed)
        return removed

    def read(self) -> list[Key]:
        """All keys, oldest first; none where there is no file."""
        try:
            return self._parsed(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror or error}: change its permissions") from error

    def stamp(self) -> tuple[int, int, int] | None:
        """What changes whenever the file does; None while there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _parsed(self, text: str) -> list[Key]:
        try:
            told = json.loads(text)
            if told["version"] == _VERSION:
                return [Key(**key) for key in told["keys"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(f"{self.path} is damaged: move it away, and make new keys") from error
        raise StoreError(f"{self.path} was written by a newer agentops_otel: upgrade agentops_otel")

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Key]]:
        """The keys, to be changed in place; they are written whole, or not at all, and by one at a time."""
        new = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = _created(new)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror or error}: change its permissions") from error
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                keys = self.read()
                yield keys
                json.dump({"version": _VERSION, "keys": [asdict(key) for key in keys]}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def digest(text: str) -> bytes:
    """What is kept of a key, and compared."""
    return sha256(text.encode("utf-8", "replace")).digest()


def _created(path: Path) -> int:
    """The descriptor of a new file, which is the lock as well."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except FileExistsError:
            if time.monotonic() > deadline:
                raise StoreError(f"{path} says that keys are being changed: if they are not, remove it") from None
            time.sleep(0.02)

"""Where the store of this user lies, and how it is opened."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agentops_otel.store.base import StoreError
from agentops_otel.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from agentops_otel.store.base import Store

FILE_NAME = "sessions.db"
ADDRESSES = ("clickhouse://", "clickhouses://")


def default_path() -> Path:
    """The file of sessions: `AGENTOPS_STORE`, else `agentops_otel/sessions.db` in the user's data directory.

    Raises:
        StoreError: there is neither a setting nor a home directory.
    """
    told = os.environ.get("AGENTOPS_STORE")
    # A database is for those who read: what a program keeps itself is in a file all the same.
    return resolve(told) if told and not is_address(told) else _data_directory() / "agentops_otel" / FILE_NAME


def resolve(path: str | os.PathLike[str] | None = None) -> Path:
    """The file that `path` means: itself, `sessions.db` in a directory, the default one for None.

    Raises:
        StoreError: the path needs a home directory and there is none, or it is the address of a database.
    """
    if path is None:
        return default_path()
    told = os.fspath(path)
    if is_address(told):
        raise StoreError(
            f"{place_of(told)} is no file: programs send to a collector (endpoint=...), and a server reads what that "
            "wrote (agentops-otel serve --store)"
        )
    try:
        file = Path(told).expanduser().absolute()
    except RuntimeError as error:
        raise StoreError(f"{told}: {error}") from error
    is_directory = file.is_dir() or told.endswith(("/", os.sep))
    return file / FILE_NAME if is_directory else file


def is_address(path: str | os.PathLike[str] | None = None) -> bool:
    """Whether it, or the default where it is None, is the address of a database and no path."""
    told = os.environ.get("AGENTOPS_STORE") if path is None else path
    return isinstance(told, str) and told.startswith(ADDRESSES)


def open_store(path: str | os.PathLike[str] | None = None, *, at_once: bool = False) -> Store:
    """The store at `path` (see `resolve`), or at an address; nothing is read or made before it is used.

    A server opens it with `at_once`, see `SQLiteStore`.

    Raises:
        StoreError: no path is given and there is no home directory, or the address cannot be read.
    """
    if is_address(path):
        # Few need it, and who does has its client installed.
        from agentops_otel.store.clickhouse import ClickHouseStore  # noqa: PLC0415

        return ClickHouseStore(str(os.environ.get("AGENTOPS_STORE") if path is None else path))
    return SQLiteStore(resolve(path), at_once=at_once)


def place_of(path: str | os.PathLike[str] | None = None) -> str:
    """The store that `path` means, for messages: a file, or an address without its password."""
    if not is_address(path):
        return str(resolve(path))
    told = str(os.environ.get("AGENTOPS_STORE") if path is None else path)
    scheme, _, rest = told.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def _data_directory() -> Path:
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support"
        told = os.environ.get("XDG_DATA_HOME", "")
        # The XDG specification says to ignore a relative path.
        return Path(told) if Path(told).is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise StoreError("there is no home directory to keep sessions in: set AGENTOPS_STORE to a file") from error

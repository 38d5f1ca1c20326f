"""Stores: records in, records out; a name is loaded when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.store.base import SessionRow, Store, StoreError

if TYPE_CHECKING:
    from agentops_otel.store.exporter import StoreExporter
    from agentops_otel.store.owners import Owner, is_alive
    from agentops_otel.store.paths import default_path, open_store, resolve
    from agentops_otel.store.sqlite import SQLiteStore

__all__ = [
    "Owner",
    "SQLiteStore",
    "SessionRow",
    "Store",
    "StoreError",
    "StoreExporter",
    "default_path",
    "is_alive",
    "open_store",
    "resolve",
]

_HOMES: Final = {
    "Owner": "owners",
    "SQLiteStore": "sqlite",
    "StoreExporter": "exporter",
    "default_path": "paths",
    "is_alive": "owners",
    "open_store": "paths",
    "resolve": "paths",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

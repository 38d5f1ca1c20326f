"""Stores: records in, records out; a name is loaded when it is first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.store.base import ReadOnlyError, SessionRow, Store, StoreError

if TYPE_CHECKING:
    from agentops_otel.store.exporter import StoreExporter
    from agentops_otel.store.owners import Owner, is_alive
    from agentops_otel.store.paths import default_path, is_address, open_store, place_of, resolve
    from agentops_otel.store.questions import (
        Change,
        Figures,
        FiguresQuery,
        Hit,
        QuestionError,
        SessionPage,
        SessionQuery,
    )
    from agentops_otel.store.retention import Retention
    from agentops_otel.store.sqlite import SQLiteStore

__all__ = [
    "Change",
    "Figures",
    "FiguresQuery",
    "Hit",
    "Owner",
    "QuestionError",
    "ReadOnlyError",
    "Retention",
    "SQLiteStore",
    "SessionPage",
    "SessionQuery",
    "SessionRow",
    "Store",
    "StoreError",
    "StoreExporter",
    "default_path",
    "is_address",
    "is_alive",
    "open_store",
    "place_of",
    "resolve",
]

_HOMES: Final = {
    "Change": "questions",
    "Figures": "questions",
    "FiguresQuery": "questions",
    "Hit": "questions",
    "Owner": "owners",
    "QuestionError": "questions",
    "Retention": "retention",
    "SQLiteStore": "sqlite",
    "SessionPage": "questions",
    "SessionQuery": "questions",
    "StoreExporter": "exporter",
    "default_path": "paths",
    "is_address": "paths",
    "is_alive": "owners",
    "open_store": "paths",
    "place_of": "paths",
    "resolve": "paths",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

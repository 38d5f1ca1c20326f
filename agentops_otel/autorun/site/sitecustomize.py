"""What Python itself imports before a program: it starts the session, and leaves no trace on the path."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path


def _hidden_from_path() -> None:
    here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]


def _the_programs_own() -> None:
    """Run the `sitecustomize` that this one stands before, if there is one; what it raises is its own affair."""
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None:
        return
    sys.modules["sitecustomize"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _started() -> None:
    try:
        from agentops_otel.autorun import start  # noqa: PLC0415 - another Python may not have it
    except ImportError as error:
        sys.stderr.write(f"agentops-otel: nothing is captured, {sys.executable} cannot import it: {error}\n")
        return
    start()


_hidden_from_path()
try:
    _the_programs_own()
finally:
    _started()

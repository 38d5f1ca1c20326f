"""Command: the words and the environment with which a program is started as if nothing were around it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE: Final = "AGENTOPS_AUTORUN"
"""In the environment of the program: `told` or `quiet`; in that of its children: the session that they belong to."""
TOLD: Final = "told"
QUIET: Final = "quiet"
_SUFFIXES: Final = frozenset({".py", ".pyw", ".pyc", ".pyz"})
_SITE: Final = Path(__file__).resolve().parent / "site"


class NoProgramError(ValueError):
    """There is no such program; the message says what may be named."""


def words(program: Sequence[str], *, module: bool = False) -> list[str]:
    """The command line that starts a program: a file of Python, `-`, a `module`, or any command on the path.

    Raises:
        NoProgramError: it is none of these.
    """
    if not program or not program[0]:
        raise NoProgramError("Name a program: agentops-otel run app.py, or a module: agentops-otel run -m package")
    first, *rest = program
    if module:
        return [sys.executable, "-m", first, *rest]
    path = Path(first)
    if first == "-" or path.suffix in _SUFFIXES or (path / "__main__.py").is_file():
        return [sys.executable, *program]
    if path.is_file() and not os.access(path, os.X_OK):
        return [sys.executable, *program]
    command = shutil.which(first)
    if command is not None:
        return [command, *rest]
    raise NoProgramError(f"There is no file and no command {first!r}. A module is named with -m.")


def environment(environ: Mapping[str, str], *, quiet: bool = False) -> dict[str, str]:
    """The environment in which Python starts a session before the program."""
    path = os.pathsep.join(filter(None, (str(_SITE), environ.get("PYTHONPATH"))))
    return {**environ, "PYTHONPATH": path, VARIABLE: QUIET if quiet else TOLD}

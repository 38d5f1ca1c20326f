"""Tests that need libraries which do not install together: a folder for each environment, with its requirements.txt.

The first line of that file, `# needs: ...`, names the modules without which the folder is not collected.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def _is_here(module: str) -> bool:
    try:
        found = find_spec(module)
        # The folder of its tests is a package without a file, to whoever looks for it by its name.
        return found is not None and found.origin is not None
    except ModuleNotFoundError:  # of `google.adk`, where there is no `google`
        return False


def needs(requirements: Path) -> list[str]:
    """The modules that these tests need."""
    return requirements.read_text().splitlines()[0].removeprefix("# needs: ").split()


def not_here(shelf: Path) -> list[str]:
    """The folders that cannot be tested here."""
    return [file.parent.name for file in shelf.glob("*/requirements.txt") if not all(map(_is_here, needs(file)))]

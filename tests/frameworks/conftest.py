"""Frameworks: a folder for each, collected where its framework is installed; `scripts/frameworks` runs them all.

The first line of a folder's requirements.txt, `# needs: ...`, names the modules without which it is not collected.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from recorded import Recorded

HERE = Path(__file__).parent


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of `google.adk`, where there is no `google`
        return False


def _needs(requirements: Path) -> list[str]:
    return requirements.read_text().splitlines()[0].removeprefix("# needs: ").split()


collect_ignore = [file.parent.name for file in HERE.glob("*/requirements.txt") if not all(map(_is_here, _needs(file)))]


@pytest.fixture
def recorded(monkeypatch):
    """`recorded("openai/some-file.json")`: its provider, which the clients of the test ask."""
    opened: list[Recorded] = []

    def replay(file: str, *exchanges: int) -> Recorded:
        opened.append(Recorded(file, exchanges))
        monkeypatch.setenv("OPENAI_BASE_URL", opened[-1].provider.openai_url)
        monkeypatch.setenv("OPENAI_API_BASE", opened[-1].provider.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", opened[-1].provider.anthropic_url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
        return opened[-1]

    yield replay
    for item in opened:
        item.provider.close()

"""docs/coverage.md says what the instrumentors say."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

from agentops_otel.engine import Registry

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"


@pytest.fixture(scope="module")
def script():
    loader = SourceFileLoader("coverage_script", str(ROOT / "scripts" / "coverage"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_the_page_is_fresh(script):
    present = PAGE.read_text(encoding="utf-8")
    assert script.page(present) == present, "run scripts/coverage"


def test_a_stale_row_is_written_anew(script):
    present = PAGE.read_text(encoding="utf-8")
    stale = present.replace("| openai | ", "| openai | never, ")
    assert stale != present
    assert script.page(stale) == present


def test_a_library_that_is_not_installed_keeps_its_row(script, monkeypatch):
    monkeypatch.setattr(script, "installed_version", lambda _: None)
    present = PAGE.read_text(encoding="utf-8")
    assert script.page(present) == present


def test_every_library_says_which_versions_are_tested(script):
    registry = script.Registry()
    for library in registry.known():
        told = registry.instrumentor_of(library).requires
        assert script.re.fullmatch(r">=\d+(\.\d+)*(b\d+)?,<\d+(\.\d+)*", told), library


def test_the_tests_that_hold_what_is_asked_are_there(script):
    named = [test for _, tests in script.fault_classes() for test in tests]
    assert len(script.fault_classes()) == 21
    for test in named:
        path, _, function = test.partition("::")
        assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8"), test


@pytest.mark.parametrize("library", sorted(Registry().known()))
def test_every_library_says_what_is_captured(library):
    assert re.search(rf"^\| {re.escape(library)} \| `[^`]+` \| \w", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

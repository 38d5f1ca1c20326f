"""The stage of tests/instrumentors, for the libraries whose rows are here; a library that is absent has no rows."""

from __future__ import annotations

import gc
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Tests are modules, not a package: this is how they find what they share.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parent.parent / "instrumentors")]
pytest.register_assert_rewrite("comparison", "replay")

from comparison import Comparison, Stage  # noqa: E402

# Tests that need one library, where the contract and the recordings have no shape for it.
NEEDS = {
    "test_mcp.py": "mcp",
    "test_mcp_processes.py": "mcp",
    "test_odd_answers.py": "dashscope",
    "test_openai_realtime.py": "websockets",
    "test_vertexai.py": "vertexai",
    "test_xai_sdk.py": "xai_sdk",
}
collect_ignore = [test for test, library in NEEDS.items() if find_spec(library) is None]


def pytest_configure(config):
    # cohere, in its own embed: warnings of pydantic's that are no fault of the program, nor of ours.
    for warning in ("Accessing the 'model_fields'", "The `parse_obj` method"):
        config.addinivalue_line("filterwarnings", f"ignore:{warning}:DeprecationWarning")


def _leaks(item):
    given = item.callspec.params if hasattr(item, "callspec") else {}
    leaks = getattr(given.get("row"), "leaks", False) or getattr(given.get("module"), "LEAKS", False)
    return leaks or getattr(item.module, "LEAKS", False)


@pytest.fixture(autouse=True)
def _collected(request):
    """What a library leaks is collected within its own test, where nobody minds."""
    yield
    if _leaks(request.node):
        gc.collect()


def pytest_collection_modifyitems(items):
    """What a library leaks is not a fault of its test."""
    for item in items:
        if _leaks(item):
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def stage():
    with Stage() as running:
        yield running


@pytest.fixture
def compare(stage, make_watched, caplog):
    return Comparison(stage, make_watched, caplog)

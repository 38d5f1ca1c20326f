"""The interop suite: what needs tools is collected where scripts/interop has made them, which says where they are."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import pytest
from interop.playing import play
from interop.tools import TOOLS

FOLDER = os.environ.get("INTEROP_FOLDER")
collect_ignore = [] if FOLDER else ["test_jaeger_answers.py", "test_receivers.py"]


@pytest.fixture(scope="session")
def work():
    """A directory for what tools write; some of their paths have to be short."""
    with tempfile.TemporaryDirectory(prefix="interop-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def start(work):
    """`start(Tool)`: a tool, running until all tests are done; the test is skipped where it could not be had."""
    kept = {}
    with contextlib.ExitStack() as running:

        def started(made, *more):
            asked = made, *more
            if asked not in kept:
                place = work / f"{made.name}-{len(kept)}"
                place.mkdir(exist_ok=True)
                found = made(Path(FOLDER) / made.name, place, *more)
                if why := found.why_missing():
                    pytest.skip(f"{found.name}: {why}")
                kept[asked] = running.enter_context(found.started())
            return kept[asked]

        yield started


@pytest.fixture(scope="session")
def tool(request, start):
    """The tool of that name, running."""
    return start(TOOLS[request.param])


@pytest.fixture(scope="session")
def played(work):
    """`played(tool, protocol)`: a session that has been sent to this tool once, however often it is asked for."""
    kept = {}

    def play_once(tool, protocol):
        key = tool, protocol
        if key not in kept:
            kept[key] = play(tool.endpoint(protocol), protocol, tool.work, **tool.settings())
        return kept[key]

    return play_once

"""Start: the session of a program begins before its first line; a child process joins the one it belongs to."""

from __future__ import annotations

import os
import sys
from typing import Final

from agentops_otel import functions
from agentops_otel.autorun.checklist import checklist
from agentops_otel.autorun.command import QUIET, TOLD, VARIABLE
from agentops_otel.client import default as client
from agentops_otel.configuration import sdk_disabled
from agentops_otel.sessions import inheritance

_NO_PROGRAM: Final = ("multiprocessing.resource_tracker", "multiprocessing.semaphore_tracker")
"""Processes that Python starts for its own housekeeping."""


def start() -> None:
    """Start the session, or join it; never raises, and says what is captured on stderr where that is wanted."""
    try:
        if any(name in word for word in sys.orig_argv for name in _NO_PROGRAM):
            return
        told = os.environ.get(VARIABLE, QUIET)
        if sdk_disabled():
            if told == TOLD:
                sys.stderr.write("agentops-otel: nothing is captured, OTEL_SDK_DISABLED is true\n")
            os.environ[VARIABLE] = QUIET
            return
        _begin(told)
        if told == TOLD:
            sys.stderr.write(checklist(client))
    except Exception as error:
        client.faults.note("autorun.start", error)


def _begin(told: str) -> None:
    if told in {TOLD, QUIET}:
        session = client.init(functions.readable({}), assumed=True)
        # Not AGENTOPS_SESSION_ID: by that, init() of this program itself would join the session once it is over.
        os.environ[VARIABLE] = QUIET if session is None else session.session_id
        return
    client.init(functions.readable({}), inherited_session_id=inheritance.told_by(os.environ) or told, assumed=True)

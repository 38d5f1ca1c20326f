"""`agentops-otel doctor`: whether sessions are captured and kept here, and what to do where they are not."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from agentops_otel.cli import text
from agentops_otel.cli.checks import NOTE, OK, WRONG, Finding, findings
from agentops_otel.diagnosis import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

_SIGNS: Final = {OK: ("ok", "green"), NOTE: ("note", "yellow"), WRONG: ("wrong", "red")}
_SIGN_COLUMNS: Final = max(map(len, _SIGNS)) + 2


@click.command()
@click.option("--import", "import_libraries", is_flag=True, help="Import the libraries, to look into each.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
def doctor(import_libraries: bool, as_json: bool) -> None:
    """Check what is captured, where it goes, and that it arrives.

    The settings are those of the environment, as for a program that is started here. A test session is made, read
    back and deleted: in the local store, or on a server of `agentops-otel serve`. Any other endpoint is sent a request
    without spans.

    Ends with 0 when nothing is wrong, else with 1.
    """
    logging.getLogger("agentops_otel").addHandler(logging.NullHandler())  # all of it is told below
    found = []
    for finding in findings(import_libraries=import_libraries):
        found.append(finding)
        if not as_json:
            _tell(finding)
    wrong = sum(1 for finding in found if finding.state == WRONG)
    if as_json:
        document = {"ok": not wrong, "findings": [asdict(finding) for finding in found]}
        click.echo(text.harmless_json(json.dumps(document, indent=2)))
    else:
        _conclude(found, wrong)
    if wrong:
        raise SystemExit(1)


def _tell(finding: Finding) -> None:
    if finding.facts.get("state") == ABSENT:
        return
    colour = text.wants_colour()
    sign, painted = _SIGNS[finding.state]
    shown = text.paint(sign.ljust(_SIGN_COLUMNS), painted, on=colour)
    text.say(f"{shown}{text.clean(finding.message)}", colour=colour)
    if finding.todo is not None:
        text.say(f"{' ' * _SIGN_COLUMNS}{text.clean(finding.todo)}", colour=colour)


def _conclude(found: Iterable[Finding], wrong: int) -> None:
    absent = [str(finding.facts["library"]) for finding in found if finding.facts.get("state") == ABSENT]
    if absent:
        text.say(f"\nCaptured as well, but not installed: {text.clean(', '.join(absent))}")
    text.say(f"\n{text.several(wrong, 'thing')} to repair." if wrong else "\nAll is well.")

"""A notebook in a real kernel of Jupyter: docs/notebooks.md, cell by cell, and what is in the store after it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from programs import stored

from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "notebooks.md"
CELLS = {title.split()[0].lower(): text for title, text in
         re.findall(r'```python title="(\w+ cell)"\n(.*?)```', PAGE.read_text(), re.DOTALL)}  # fmt: skip
ASK = 'openai.OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}])'


@pytest.fixture
def notebook(tmp_path):
    """`notebook(*cells)`: what each of them shows, by kind; the kernel has ended after it, as a user ends it."""

    def run(*cells):
        told = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AGENTOPS_"))}
        told |= {"AGENTOPS_STORE": str(tmp_path / "sessions.db"), "AGENTOPS_STRICT": "1", "OPENAI_API_KEY": "none"}
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        with Provider({"/v1/chat/completions": lambda _: Answer.json(bodies.chat("hi"))}) as provider:
            client = NotebookClient(
                made, timeout=120, allow_errors=True, kernel_name="python3", shutdown_kernel="graceful"
            )
            client.execute(cwd=str(tmp_path), env=told | {"OPENAI_BASE_URL": provider.openai_url})
        return [{kind: text for output in cell.outputs for kind, text in _shown(output)} for cell in made.cells]

    return run


def _shown(output):
    if output.output_type == "stream":
        return [(output.name, output.text)]
    if output.output_type == "error":
        return [("error", output.ename)]
    return list(output.data.items())


def test_the_page(notebook, tmp_path):
    first, second, third, last = notebook(*CELLS.values())
    assert "running" in first["text/html"]
    assert "<code>notebook</code>" in first["text/html"]
    assert "LLM calls</th>" in second["text/html"]
    assert "'LLM calls': 1" in second["text/plain"]
    assert "Success" in third["text/html"]
    assert last["text/plain"] == "'0.000009'"
    told = {tuple(row.tags): (row.end_state, row.llm_calls) for row, _ in stored(tmp_path)}
    assert told == {("notebook",): ("Success", 1), ("one cell",): ("Success", 1)}


def test_cells_that_are_run_again(notebook, tmp_path):
    changed = CELLS["first"].replace('["notebook"]', '["changed"]')
    shown = notebook(CELLS["first"], CELLS["first"], changed, CELLS["second"], CELLS["second"], ASK, CELLS["last"])
    assert [set(cell) - {"text/plain", "text/html"} for cell in shown] == [set()] * 7
    assert "'LLM calls': 2" in shown[4]["text/plain"]
    ((row, _),) = stored(tmp_path)
    assert (row.end_state, row.llm_calls, row.tags) == ("Success", 3, ["notebook", "changed"])


def test_the_kernel_ends(notebook, tmp_path):
    *_, failed, after = notebook(CELLS["first"], ASK, "1 / 0", ASK)
    assert failed == {"error": "ZeroDivisionError"}
    assert "error" not in after
    ((row, _),) = stored(tmp_path)
    assert (row.end_state, row.llm_calls) == ("Indeterminate", 2)
    assert row.end_state_reason == "process exited (code 0) without end_session"


def test_a_cell_that_fails(notebook, tmp_path):
    failing = "with agentops.start_session(tags=['one cell']):\n    raise LookupError('nothing there')"
    *_, failed, _ = notebook("import agentops_otel as agentops\nagentops.init(auto_start_session=False)", failing, "1")
    assert failed == {"error": "LookupError"}
    ((row, _),) = stored(tmp_path)
    assert (row.end_state, row.end_state_reason) == ("Failure", "LookupError: nothing there")

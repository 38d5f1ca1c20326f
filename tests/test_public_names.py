"""Public names: what each face of the package offers, and the signatures that programs count on."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from inline_snapshot import snapshot

import agentops_otel
from agentops_otel.sessions.session import Session

FACES = ["agentops_otel", "agentops_otel.engine", "agentops_otel.store"]


@pytest.fixture(params=FACES)
def face(request):
    return importlib.import_module(request.param)


def offered(face):
    """The names that a face takes from the rooms behind it, also those that it loads later."""
    tree = ast.parse(inspect.getsource(face))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name for node in nodes if node.module.startswith("agentops_otel") for alias in node.names
    }


def test_names_are_in_order(face):
    assert face.__all__ == sorted(set(face.__all__))


def test_names_are_complete(face):
    assert set(face.__all__) == {name for name in offered(face) if not name.startswith("_")}


def test_names_can_be_had(face):
    for name in face.__all__:
        assert getattr(face, name) is not None
    found = {}
    exec(f"from {face.__name__} import *", found)
    assert set(face.__all__) <= set(found)


def test_other_names_cannot(face):
    with pytest.raises(AttributeError, match="nobody_has_this"):
        _ = face.nobody_has_this


def test_names_say_how_to_use_them(face):
    undocumented = [
        name for name in face.__all__ if callable(getattr(face, name)) and not inspect.getdoc(getattr(face, name))
    ]
    assert undocumented == []


def signature(function):
    """The parameters and their defaults."""
    told = inspect.signature(function)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in told.parameters.values()]
    return str(told.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_signatures():
    assert signature(agentops_otel.init) == snapshot(
        "(api_key=None, parent_key=None, endpoint=None, max_wait_time=None, max_queue_size=None, tags=None, default_tags=None, instrument_llm_calls=None, auto_start_session=None, inherited_session_id=None, skip_auto_end_session=None, **settings)"
    )
    assert signature(agentops_otel.start_session) == snapshot("(tags=None, inherited_session_id=None, config=None)")
    assert signature(agentops_otel.end_session) == snapshot(
        "(end_state, end_state_reason=None, video=None, is_auto_end=False, *, for_all=False)"
    )
    assert signature(agentops_otel.record) == snapshot("(event)")
    assert signature(Session.end_session) == snapshot(
        "(self, end_state='Indeterminate', end_state_reason=None, video=None, *, for_all=False)"
    )
    assert signature(Session.record) == snapshot("(self, event, flush_now=False)")


HEAVY = ["genai_prices", "grpc", "openai", "anthropic", "starlette", "uvicorn", "click", "agentops_otel_instrumentors"]


def test_importing_it_loads_nothing_heavy():
    code = f"import sys, agentops_otel; print(sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


# --- Types -----------------------------------------------------------------------------------------------


def test_type_checkers_see_every_public_name():
    tree = ast.parse((Path(__file__).parent / "typing" / "program.py").read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert set(agentops_otel.__all__) <= used

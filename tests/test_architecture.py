"""The laws of the house: who may import whom, how long things may be, and what nobody touches."""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"agentops_otel": ROOT / "agentops_otel", "agentops_otel_instrumentors": ROOT / "instrumentors"}
FACE, INSTRUMENTORS = PACKAGES

ALL = None
TABLE: dict[str, set[str] | None] = {
    "conventions": set(),
    "configuration": {"conventions"},
    "faults": set(),
    "host": set(),
    "engine": {"conventions", "faults"},
    "accounting": {"conventions"},
    "store": {"accounting", "conventions"},
    "sessions": {"accounting", "conventions", "configuration", "faults"},
    "server": {"store", "accounting", "conventions"},
    "redaction": {"accounting", "conventions", "faults"},
    "spool": {"store"},
    "otlp": {"accounting", "conventions", "spool"},
    "delivery": {"accounting", "sessions", "faults", "redaction"},
    "receivers": {"accounting", "conventions", "configuration", "store", "faults", "otlp", "spool"},
    "pipeline": {
        "sessions", "store", "accounting", "conventions", "configuration", "faults", "delivery", "receivers", "host",
        "redaction", "engine",
    },
    "summary": {"pipeline", "sessions", "store", "receivers"},
    "client": {
        "pipeline", "summary", "delivery", "receivers", "sessions", "engine", "store", "accounting", "conventions",
        "configuration", "faults", "host",
    },
    "diagnosis": {"client", "engine", "pipeline", "store"},
    "functions": {"client", "diagnosis", "sessions", "configuration", "conventions"},
    "validation": {"client", "sessions", "accounting"},
    FACE: {"functions", "client", "sessions", "configuration", "validation"},
    "autorun": {"functions", "client", "configuration", "diagnosis", "sessions"},
    "langchain": {"functions", "client"},
    "demo": {FACE},
    "testing": {"accounting", "client", "configuration", "conventions", "sessions"},
    "web": {"client", "conventions", "sessions"},
    "cli": ALL,
    "__main__": {"cli"},
}  # fmt: skip
"""Whom each room of the package may import; every room may import itself, and none but the cli may import all."""


@dataclass(frozen=True)
class Source:
    """One file of ours."""

    module: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def room(self) -> str:
        return room_of(self.module)

    @cached_property
    def imports(self) -> list[str]:
        """Everything that is imported, in its full name, also where only type checkers import it."""
        return list(imported(self.tree, self.module))

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


def sources() -> Iterator[Source]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield Source(".".join((package, *parts)).removesuffix(".__init__"), path)


def imported(tree: ast.AST, module: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """The room that a module, or something in it, belongs to."""
    package, _, rest = name.partition(".")
    if package != FACE:
        return package
    room = rest.partition(".")[0]
    return room if room in ROOMS else FACE


ROOMS = {path.stem for path in PACKAGES[FACE].iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
ROOMS -= {"__init__", "__pycache__"}
SOURCES = list(sources())
MODULES = {source.module for source in SOURCES}
each = pytest.mark.parametrize("source", SOURCES, ids=str)


# --- Imports ---------------------------------------------------------------------------------------------


def test_every_room_has_a_row():
    assert set(TABLE) == ROOMS | {FACE}


@each
def test_imports_follow_the_table(source):
    if source.room == INSTRUMENTORS:
        return
    allowed = TABLE[source.room]
    found = {room_of(name) for name in source.imports if name.startswith(FACE)} - {source.room}
    assert INSTRUMENTORS not in found
    assert allowed is ALL or found <= allowed


@pytest.mark.parametrize("source", [source for source in SOURCES if source.room == INSTRUMENTORS], ids=str)
def test_instrumentors_see_the_face_of_the_engine_and_the_model(source):
    for name in source.imports:
        if name.startswith(f"{FACE}."):
            module = name if name in MODULES else name.rpartition(".")[0]
            assert module in {f"{FACE}.engine", f"{FACE}.conventions.model", f"{FACE}.conventions.names"}, name
        elif name.startswith(INSTRUMENTORS):
            assert name.split(".")[1].startswith("_"), f"{name} is another library's instrumentor"


def runtime_imports(source):
    """Modules of ours that importing this one imports."""
    tree = ast.parse(source.path.read_text(encoding="utf-8"))
    at_import = [node for node in tree.body if not is_type_checking(node)]
    for name in imported(ast.Module([node for node in at_import if is_import(node)], []), source.module):
        yield name if name in MODULES else name.rpartition(".")[0]


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def is_import(node):
    return isinstance(node, (ast.Import, ast.ImportFrom))


def circle(edges):
    """A way from a node back to itself, if there is one."""
    seen: set[str] = set()
    for start in edges:
        if start in seen:
            continue
        way: list[str] = []
        ends = [iter([start])]
        while ends:
            step = next(ends[-1], None)
            if step is None:
                ends.pop()
                if way:
                    seen.add(way.pop())
            elif step in way:
                return [*way[way.index(step) :], step]
            elif step not in seen:
                way.append(step)
                ends.append(iter(edges.get(step, ())))
    return None


def test_no_module_imports_itself_in_a_circle():
    edges = {source.module: set(runtime_imports(source)) & MODULES - {source.module} for source in SOURCES}
    assert circle(edges) is None


def test_no_room_imports_itself_in_a_circle():
    edges: dict[str, set[str]] = {}
    for source in SOURCES:
        rooms = {room_of(name) for name in source.imports if name.startswith(FACE)}
        edges.setdefault(source.room, set()).update(rooms - {source.room})
    assert circle(edges) is None


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) in (["b", "c", "b"], ["c", "b", "c"])
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) is None


# --- Size and names --------------------------------------------------------------------------------------

LINES, FUNCTION_LINES = 400, 60
SHELVES = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools", "base_utils"}


@each
def test_no_file_is_too_long(source):
    assert len(source.path.read_text(encoding="utf-8").splitlines()) <= LINES


@each
def test_no_function_is_too_long(source):
    functions = [node for node in ast.walk(source.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


@each
def test_no_file_is_a_shelf_for_anything(source):
    assert source.path.stem.strip("_") not in SHELVES


@each
def test_a_module_says_what_it_is_in_its_first_line(source):
    first = (ast.get_docstring(source.tree) or "").partition("\n")[0]
    assert first.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", first), "one sentence"


# --- What nobody touches ---------------------------------------------------------------------------------

FOREIGN = {"opentelemetry", "openai", "anthropic", "wrapt", "genai_prices", "httpx", "starlette", "uvicorn", "click"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


@each
def test_no_private_module_or_name_of_others_is_imported(source):
    for name in source.imports:
        if name.partition(".")[0] in FOREIGN:
            assert not [part for part in name.split(".") if is_private(part)], name


def defined_by_us() -> set[str]:
    """Every private name that our sources define: fields, methods, functions, slots, module variables."""
    found: set[str] = set()
    for node in itertools.chain.from_iterable(ast.walk(source.tree) for source in SOURCES):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__slots__"]:
            found.update(ast.literal_eval(node.value))
    return {name for name in found if is_private(name)}


def is_own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def private_uses(tree: ast.AST) -> Iterator[str]:
    """Private attributes that are read or set on anything, by name or through getattr and its like."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.endswith("attr"):
            for argument in node.args[1:2]:
                if isinstance(argument, ast.Constant) and is_private(str(argument.value)):
                    yield str(argument.value)


OURS = defined_by_us()


@each
def test_no_private_attribute_of_others_is_touched(source):
    assert set(private_uses(source.tree)) - OURS == set()


def test_a_private_attribute_would_be_found():
    tree = ast.parse("span._context; getattr(tracer, '_span_processor'); self._name; x.__dict__")
    assert sorted(private_uses(tree)) == ["_context", "_name", "_span_processor"]


# --- State -----------------------------------------------------------------------------------------------


def test_there_is_one_client():
    made = [
        (source.module, ast.unparse(node))
        for source in SOURCES
        for node in source.tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func).rpartition(".")[2] == "Client"
    ]
    assert made == [(f"{FACE}.client", "default = Client()")]


@each
def test_no_module_variable_is_ever_assigned_anew(source):
    assert not [node for node in ast.walk(source.tree) if isinstance(node, ast.Global)]


# --- Instrumentors ---------------------------------------------------------------------------------------


def instrumentors() -> Iterator[tuple[str, str]]:
    """(import name of the library, "module:Class") of every instrumentor in the tree."""
    for source in SOURCES:
        if source.room != INSTRUMENTORS or source.path.stem.startswith("_"):
            continue
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Instrumentor"):
                told = {
                    ast.unparse(target): item.value
                    for item in node.body
                    if isinstance(item, ast.Assign)
                    for target in item.targets
                }
                yield ast.literal_eval(told["library"]), f"{source.module}:{node.name}"


def test_every_instrumentor_has_an_entry_point():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = dict(instrumentors())
    assert found
    assert project["entry-points"]["agentops_otel_instrumentor"] == found


def test_every_file_of_the_instrumentors_has_one():
    files = {source.module for source in SOURCES if source.room == INSTRUMENTORS and source.path.stem[0] != "_"}
    assert files == {place.partition(":")[0] for _, place in instrumentors()}


# --- Scripts ---------------------------------------------------------------------------------------------


def test_scripts_in_python_without_an_ending_are_checked_as_the_package_is():
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]
    found = {f"scripts/{path.name}" for path in scripts if path.read_bytes().startswith(b"#!/usr/bin/env python3\n")}
    assert found
    assert set(ruff["extend-include"]) == found

"""Packaging: the wheel holds the tree, no more and no less, and works where nothing else of ours is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "agentops_otel": "agentops_otel",
    "agentops_otel_instrumentors": "instrumentors",
    "agentops_otel_pytest": "pytest_plugin",
}
CORE = {
    "click",
    "genai-prices",
    "opentelemetry-api",
    "opentelemetry-exporter-otlp",
    "opentelemetry-sdk",
    "wrapt",
}
BUILD = """
import sys
from setuptools import build_meta
print(build_meta.build_{kind}(sys.argv[1]))
"""


def python(*arguments, cwd, **environment):
    """Run another Python in this directory; its stdout."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tree():
    """The files of the packages, by their names in a wheel."""
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The sources that are built from, without anything that an earlier build left behind."""
    place = tmp_path_factory.mktemp("sources")
    for name in ["pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"]:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place / name)
    for folder in PACKAGES.values():
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.fixture(scope="module")
def wheel(copy, tmp_path_factory):
    """The wheel, built with what is installed and without a network."""
    place = tmp_path_factory.mktemp("wheel")
    return place / python("-c", BUILD.format(kind="wheel"), place, cwd=copy).splitlines()[-1]


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel, names):
    (name,) = [name for name in names if name.endswith(".dist-info/METADATA")]
    with zipfile.ZipFile(wheel) as archive:
        return message_from_string(archive.read(name).decode())


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A directory that the wheel is unpacked into."""
    place = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def test_the_wheel_holds_the_tree(names):
    assert {name for name in names if ".dist-info/" not in name} == tree()


def test_types_are_told(names):
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_the_licence_goes_with_it(names, metadata):
    assert [name for name in names if name.endswith("LICENSE")]
    assert metadata["License-Expression"] == "Apache-2.0"


def test_it_needs_six_others(metadata):
    required = [told for told in metadata.get_all("Requires-Dist") if "extra ==" not in told]
    assert sorted(re.match(r"[\w.-]+", told)[0] for told in required) == sorted(CORE)


def test_no_dependency_is_pinned(metadata):
    pinned = [told for told in metadata.get_all("Requires-Dist") if "==" in told.partition(";")[0]]
    assert pinned == []


IMPORTED = """
import sys
import agentops_otel, agentops_otel.store, agentops_otel.engine
import agentops_otel_instrumentors
for package in (agentops_otel, agentops_otel_instrumentors):
    assert package.__file__.startswith(sys.argv[1]), package.__file__
session = agentops_otel.init(store=sys.argv[2], log_summary=False)
session.record(agentops_otel.ActionEvent(action_type="unpacked"))
print(agentops_otel.end_session("Success"))
"""


def test_it_works_from_the_wheel(installed, tmp_path):
    told = python("-c", IMPORTED, installed, tmp_path / "sessions.db", cwd=tmp_path, PYTHONPATH=str(installed))
    assert told.strip() == "0.00"


ENTRY_POINTS = """
import sys
from importlib.metadata import Distribution
found = next(iter(Distribution.discover(name="agentops_otel", path=[sys.argv[1]])))
for point in found.entry_points:
    found = point.load()
    print(point.group, point.name, callable(found) or hasattr(found, "pytest_addoption"))
"""


def test_entry_points_can_be_loaded(installed, tmp_path):
    told = python("-c", ENTRY_POINTS, installed, cwd=tmp_path, PYTHONPATH=str(installed))
    lines = set(told.splitlines())
    assert all(line.endswith(" True") for line in lines)
    assert {
        "agentops_otel_instrumentor anthropic True",
        "agentops_otel_instrumentor openai True",
        "console_scripts agentops-otel True",
    } <= lines


def test_the_command_works_from_the_wheel(installed, tmp_path):
    told = python("-m", "agentops_otel", "--help", cwd=tmp_path, PYTHONPATH=str(installed))
    assert "sessions" in told


def test_the_source_archive_builds_the_same_wheel(copy, names, tmp_path):
    archive = tmp_path / python("-c", BUILD.format(kind="sdist"), tmp_path, cwd=copy).splitlines()[-1]
    shutil.unpack_archive(archive, tmp_path)
    unpacked = tmp_path / archive.name.removesuffix(".tar.gz")
    again = tmp_path / python("-c", BUILD.format(kind="wheel"), tmp_path, cwd=unpacked).splitlines()[-1]
    with zipfile.ZipFile(again) as wheel:
        assert set(wheel.namelist()) == names

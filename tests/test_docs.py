"""Every code block of the documentation runs, in its page's order and in one directory, against a provider on loopback."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import agentops_otel
from agentops_otel.configuration import _VARIABLES
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it along

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SHOWN = {"text", "diff", "toml", "ini", "yaml", "dockerfile", "html"}
"""Languages of what is shown, not run."""
LASTING = ("agentops-otel serve", "agentops-otel sessions tail")
KEY = "11111111-2222-3333-4444-555555555555"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@dataclass(frozen=True)
class Block:
    language: str
    title: str | None
    text: str
    line: int


def blocks(page):
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        title = re.search(r'title="([^"]+)"', found[3])
        body = re.sub(rf"^{found[1]}", "", found[4], flags=re.MULTILINE)
        yield Block(found[2], title and title[1], body, text.count("\n", 0, found.start()) + 1)


def answer(request):
    """What any provider of the documentation says."""
    asked = request.body or {}
    if request.path.endswith("/chat/completions"):
        said = bodies.chat("Hello! The Nile, says Egypt.", model=asked["model"])
        return Answer.sse(streams.chat_chunks(said)) if asked.get("stream") else Answer.json(said)
    if request.path.endswith("/messages"):
        said = bodies.message("It counts to zero, bows.", model=asked["model"])
        return Answer.sse(streams.message_events(said)) if asked.get("stream") else Answer.json(said)
    if request.path.endswith("/embeddings"):
        return Answer.json(bodies.embeddings(dimensions=8))
    return bodies.openai_error(404)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Reader:
    """Someone who types all that a page says."""

    def __init__(self, place, provider):
        self.place, self.lasting = place, []
        shims = place / ".bin"
        shims.mkdir()
        for name, command in (("agentops-otel", "-m agentops_otel"), ("python", "")):
            shim = shims / name
            shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {command} "$@"\n', encoding="utf-8")
            shim.chmod(0o755)
        self.ports = {"4318": str(free_port()), "4317": str(free_port())}
        dropped = ("AGENTOPS_", "OTEL_", "OPENAI_", "ANTHROPIC_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)} | {
            "AGENTOPS_STORE": str(place / "sessions.db"),
            "AGENTOPS_STRICT": "1",
            "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": provider.anthropic_url,
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": provider.openai_url,
            "NO_PROXY": "127.0.0.1",
            "PATH": os.pathsep.join((str(shims), str(Path(sys.executable).parent), os.environ["PATH"])),
        }

    def told(self, text):
        for usual, free in self.ports.items():
            text = text.replace(usual, free)
        return text

    def read(self, block):
        if block.language == "python":
            file = self.place / (block.title or "block.py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(self.told(block.text), encoding="utf-8")
            if block.title is None:
                self.run([sys.executable, str(file)])
        elif block.language == "sh":
            typed = "".join(line for line in self.typed(block.text) if not self.kept_apart(line))
            self.run(["bash", "-euo", "pipefail", "-c", self.told(typed)])
        elif block.title == "pyproject.toml":
            self.install(tomllib.loads(block.text)["project"])
        elif block.language == "json":
            json.loads(block.text)
        else:
            assert block.language in SHOWN, f"say what language it is in: {sorted(SHOWN)} are not run"

    @staticmethod
    def typed(text):
        """Commands, each whole, without what is said about them."""
        return [f"{line}\n" for line in text.replace("\\\n", " ").splitlines() if line.strip() and line[0] != "#"]

    def kept_apart(self, line):
        """Whether a command is no matter of this directory: it is looked at, or runs beside the others."""
        words = shlex.split(line, comments=True)
        if words[:2] == ["pip", "install"]:
            for name in words[2:]:
                package, _, extra = name.rstrip("]").partition("[")
                assert (
                    package != "agentops_otel"
                    or not extra
                    or set(extra.split(",")) <= set(PROJECT["optional-dependencies"])
                )
            return True
        if words[0] == "make":
            targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
            assert set(words[1:2]) <= set(targets)
            return True
        if line.startswith(LASTING):
            if words[1] == "serve":
                words[2:2] = ["--port", self.ports["4318"], "--grpc-port", self.ports["4317"]]
            self.lasting.append(
                subprocess.Popen(words, cwd=self.place, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            )
            if words[1] == "serve":
                self.wait()
            return True
        return False

    def install(self, project):
        """As pip would have it known: programs of this directory find its entry points."""
        known = self.place / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        known.mkdir()
        told = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (known / "METADATA").write_text(told, encoding="utf-8")
        groups = project["entry-points"].items()
        points = (
            f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in told.items()) for group, told in groups
        )
        (known / "entry_points.txt").write_text("\n".join(points), encoding="utf-8")

    def wait(self):
        address, end = f"http://127.0.0.1:{self.ports['4318']}/health", time.monotonic() + 30
        while time.monotonic() < end and self.lasting[-1].poll() is None:
            try:
                urllib.request.urlopen(address, timeout=1).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.1)
            else:
                return
        pytest.fail(f"no server: {self.lasting[-1].stderr.read()}")

    def run(self, command):
        done = subprocess.run(
            command, cwd=self.place, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr

    def close(self):
        for process in self.lasting:
            process.terminate()
            process.wait(20)
            process.stderr.close()


@contextmanager
def reader(place):
    with Provider(answer) as provider, ExitStack() as stack:
        made = Reader(place, provider)
        stack.callback(made.close)
        yield made
        assert provider.unanswered == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_all_code_of_a_page_runs(page, tmp_path):
    with reader(tmp_path) as reading:
        for block in blocks(page):
            try:
                reading.read(block)
            except (AssertionError, ValueError) as error:
                pytest.fail(f"{page.name}, line {block.line}: {error}")


WRONG = [
    ("```python\nimport nobody\n```", "ModuleNotFoundError"),
    ("```sh\nagentops-otel nothing\n```", "No such command"),
    ("```sh\npip install 'agentops_otel[nothing]'\n```", "assert"),
    ("```sh\nmake nothing\n```", "assert"),
    ("```json\n{\n```", "Expecting"),
    ("```\nwhat is this\n```", "say what language it is in"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_code_that_does_not_run_would_be_found(text, said, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"{text}\n", encoding="utf-8")
    (block,) = blocks(page)
    with reader(tmp_path) as reading, pytest.raises((AssertionError, ValueError), match=said):
        reading.read(block)


# --- What has to be told ---------------------------------------------------------------------------------


def test_every_public_name_is_in_the_reference():
    told = re.findall(
        r"^::: agentops_otel\.(\w+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(told) == sorted(agentops_otel.__all__)


def test_every_variable_is_in_the_settings():
    told = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert [name for name in _VARIABLES if f"`{name}`" not in told] == []


# --- The site --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation, built as `make docs` builds it."""
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return place


def test_the_site_has_a_page_for_each_library(site):
    libraries = PROJECT["entry-points"]["agentops_otel_instrumentor"]
    for library in libraries:
        assert (site / "integrations" / library / "index.html").exists(), library


def test_the_site_has_the_docstrings(site):
    api = (site / "api" / "index.html").read_text(encoding="utf-8")
    for name in agentops_otel.__all__:
        assert f'id="agentops_otel.{name}"' in api, name
    assert "/v2/sessions/{session_id}/export" in (site / "server" / "index.html").read_text(encoding="utf-8")


def test_the_site_takes_nothing_from_elsewhere(site):
    loaded = re.compile(
        r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|<link\b[^>]*\bhref=["']?(?:https?:)?//"""
    )
    for page in site.rglob("*.html"):
        assert not loaded.search(page.read_text(encoding="utf-8")), page
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import\s+)[\"']?https?://", style.read_text(encoding="utf-8")), style

"""Pages of the documentation that are made while it is built: one for each library, REST, what stands in the root."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

from agentops_otel.engine import Registry
from agentops_otel.server.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parent.parent
REST_MARK = "<!-- the paths of the API -->"
ROW = re.compile(r"^\| ([\w.]+) \| `([^`]*)` \| ([^|]*) \| (.*) \|$", re.MULTILINE)
ADDRESS = "http://127.0.0.1:4318"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here."""
    coverage = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    made = {
        "contributing.md": rooted("CONTRIBUTING.md"),
        "changes.md": rooted("CHANGELOG.md"),
        "integrations/index.md": coverage_page(coverage),
        **{f"integrations/{name}.md": text for name, text in library_pages(coverage)},
    }
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The paths of the REST API, where a page asks for them."""
    return markdown.replace(REST_MARK, rest()) if REST_MARK in markdown else markdown


def rooted(name: str) -> str:
    """A file of the root, with its links as seen from the documentation."""
    return (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")


def coverage_page(coverage: str) -> str:
    """The table of all libraries, each linked to its page."""
    return ROW.sub(lambda row: row[0].replace(f"| {row[1]} |", f"| [{row[1]}]({row[1]}.md) |", 1), coverage)


def library_pages(coverage: str) -> Iterator[tuple[str, str]]:
    """(name, text) of each library's page: what its instrumentor says, and its row of the coverage."""
    registry = Registry()
    rows = {row[1]: row for row in ROW.finditer(coverage)}
    for library in sorted(registry.known()):
        instrumentor = registry.instrumentor_of(library)
        about = (sys.modules[instrumentor.__module__].__doc__ or "").partition("\n")[0]
        package = instrumentor.distribution or re.sub(r"[._]", "-", library)
        row = rows[library]
        yes = ("sync", "async", "streams")
        kinds = [kind for kind, told in zip(yes, row[4].split("|"), strict=False) if told.strip()]
        lines = [
            f"# {library}",
            about,
            "```sh",
            f"pip install agentops_otel {package}",
            "```",
            "No more is to be done: after `agentops_otel.init()`, or under `agentops-otel run`, calls are captured.",
            "| | |\n|---|---|",
        ]
        facts = [
            ("tested versions", f"`{instrumentor.requires}`"),
            ("operations", row[3]),
            ("how it is called", ", ".join(kinds)),
            (
                "recordings replayed",
                row[4].split("|")[-1].strip() or "none; its own tests speak to a server on loopback",
            ),
            ("switched off by", f"`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={library}`"),
        ]
        lines[-1] += "".join(f"\n| {name} | {told} |" for name, told in facts)
        targets = [*instrumentor.targets]
        if targets:
            lines += ["## What is watched", "\n".join(f"- `{target.replace(':', '.')}`" for target in targets)]
        yield library, "\n\n".join(lines).replace("```sh\n\n", "```sh\n").replace("\n\n```\n", "\n```\n") + "\n"


def rest() -> str:
    """A table of paths for each tag, from the document that the server itself gives out."""
    described = document(ADDRESS)
    lines = ["| | path | what it answers |", "|---|---|---|"]
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            if isinstance(told, dict) and method in {"get", "post", "put", "patch", "delete"}:
                lines.append(f"| {method.upper()} | `{path}` | {told.get('summary', '')} |")
    return "\n".join(lines)

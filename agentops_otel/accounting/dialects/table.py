"""Dialect: how one emitter names what the conventions name otherwise, as tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agentops_otel.conventions import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentops_otel.accounting.record import SpanRecord

Attributes = dict[str, Any]

LLM: Final = {names.SPAN_KIND: names.KIND_LLM}
CHAT: Final = {**LLM, names.OPERATION_NAME: names.CHAT}
COMPLETION: Final = {**LLM, names.OPERATION_NAME: names.TEXT_COMPLETION}
EMBEDDINGS: Final = {**LLM, names.OPERATION_NAME: names.EMBEDDINGS}
AGENT: Final = {names.SPAN_KIND: names.KIND_AGENT, names.OPERATION_NAME: names.INVOKE_AGENT}
TOOL: Final = {names.SPAN_KIND: names.KIND_TOOL, names.OPERATION_NAME: names.EXECUTE_TOOL}
WORKFLOW: Final = {names.SPAN_KIND: names.KIND_WORKFLOW}
TASK: Final = {names.SPAN_KIND: names.KIND_TASK}
GUARDRAIL: Final = {names.SPAN_KIND: names.KIND_GUARDRAIL}
RETRIEVAL: Final = {names.OPERATION_NAME: "retrieval"}

_PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "azure-openai": "azure.ai.openai",
    "az.ai.openai": "azure.ai.openai",
    "az.ai.inference": "azure.ai.inference",
    "aws": "aws.bedrock",
    "bedrock": "aws.bedrock",
    "amazon-bedrock": "aws.bedrock",
    "google": "gcp.gen_ai",
    "gemini": "gcp.gemini",
    "google-gla": "gcp.gemini",
    "google.generative-ai": "gcp.gemini",
    "google_genai": "gcp.gen_ai",
    "vertexai": "gcp.vertex_ai",
    "vertex_ai": "gcp.vertex_ai",
    "google-vertex": "gcp.vertex_ai",
    "google.vertex": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
    "moonshot": "moonshot_ai",
    "moonshotai": "moonshot_ai",
    "watsonx": "ibm.watsonx.ai",
}
"""Providers by the names that emitters have for them, where the conventions have another."""
_NO_PROVIDERS: Final = frozenset({"strands-agents"})
"""Frameworks that name themselves where their provider belongs."""


def _nothing(_: Any) -> Attributes:
    return {}


@dataclass(frozen=True)
class Dialect:
    """What one emitter says, and how.

    `marks` are attributes of which every span of it has one, `events` names of span events that tell it as well.
    `renamed` has the current name of each of its own; of several that mean the same the first counts.
    `kinds` says for the values of some attributes what kind of span that makes it. `reader` tells what no table
    can, such as messages; `corrector` the figures that it is known to print otherwise under current names, read
    from names of its own alone.
    """

    marks: frozenset[str]
    renamed: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    events: frozenset[str] = frozenset()
    reader: Callable[[SpanRecord], Attributes] = _nothing
    corrector: Callable[[Mapping[str, Any]], Attributes] = _nothing

    def speaks(self, record: SpanRecord) -> bool:
        """Whether a span is told in this dialect."""
        if not self.marks.isdisjoint(record.attributes):
            return True
        return bool(self.events) and any(event.get("name") in self.events for event in record.events)

    def read(self, record: SpanRecord) -> Attributes:
        """What it says of a span, in current names."""
        attributes = record.attributes
        said: Attributes = {}
        for name, values in self.kinds.items():
            told = attributes.get(name)
            if isinstance(told, str) and told in values:
                said = {**values[told], **said}
        for name, current in self.renamed.items():
            value = attributes.get(name)
            if value is not None and value != "" and current not in said:
                if current == names.PROVIDER_NAME:
                    value = provider(value)
                    if isinstance(value, str) and value in _NO_PROVIDERS:
                        continue
                said[current] = value
        for name, value in self.reader(record).items():
            said.setdefault(name, value)
        return said

    def correct(self, attributes: Mapping[str, Any]) -> Attributes:
        """Current names under which it prints something else, and what belongs there."""
        return self.corrector(attributes)


def provider(value: Any) -> Any:
    """A provider by its name in the conventions, however it is spelled; as it is where they have none."""
    if not isinstance(value, str):
        return value
    told = value.strip().lower()
    # Emitters print the service behind the dot: openai.chat, anthropic.messages, google.generative-ai.
    known = _PROVIDERS.get(told) or _PROVIDERS.get(told.partition(".")[0])
    if known is not None:
        return known
    return told.partition(".")[0] if told.startswith(("openai.", "anthropic.", "cohere.", "groq.")) else told or value


def count(value: Any) -> int | None:
    """A whole number of tokens, zero or more; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value >= 0 and value < 2**63 and value == int(value) else None


def parsed(value: Any) -> Any:
    """What a JSON text holds; anything else, and text that is none, as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[", '"')):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def entries(value: Any) -> dict[str, Any]:
    """The value if it is a dict, else an empty one."""
    return value if isinstance(value, dict) else {}


def tree(attributes: Mapping[str, Any], prefix: str) -> Any:
    """What was flattened under `prefix` (`gen_ai.prompt.` of `gen_ai.prompt.0.role`), as dicts and lists.

    Numbers between dots make lists, in their order and without their gaps. Where a name is both a value and the
    beginning of other names, the value is left out.
    """
    top: dict[str, Any] = {}
    for name, value in attributes.items():
        if not name.startswith(prefix):
            continue
        *path, last = name[len(prefix) :].split(".", _DEPTH)
        place = top
        for step in path:
            below = place.get(step)
            if not isinstance(below, dict):
                below = place[step] = {}
            place = below
        if not isinstance(place.get(last), dict):
            place[last] = value
    return _listed(top)


_DEPTH: Final = 16
_DIGITS: Final = 6


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(step.isascii() and step.isdecimal() and len(step) <= _DIGITS for step in node):
        return [_listed(node[step]) for step in sorted(node, key=int)]
    return {step: _listed(below) for step, below in node.items()}

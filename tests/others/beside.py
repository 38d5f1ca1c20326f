"""One program with our sessions and another tool in it, set up in either order, and what each of them saw."""

from __future__ import annotations

import json
from typing import Any

from programs import run, stored

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

ORDERS = ["theirs first", "ours first"]
_PROGRAM = """
import json
import warnings

warnings.simplefilter("ignore")  # those of other tools are their own affair
{first}
{second}
import openai

client = openai.OpenAI()


def ask(stream):
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "x"}}], stream=stream)
    stream and list(answer)


with theirs("around"):
    session = agentops.start_session()
    ask(False)
    with theirs("within"):
        ask(True)
    agentops.end_session("Success")
with theirs("after"):
    pass
agentops.flush()
print(json.dumps(seen()))
"""


def _answer(request: Any) -> Answer:
    if "chat/completions" not in request.path:
        return Answer.json({})
    body = bodies.chat("hi", usage=bodies.chat_usage(1000, 100))
    return Answer.sse(streams.chat_chunks(body)) if request.body.get("stream") else Answer.json(body)


class Beside:
    """`seen` is what the other tool saw: (name, trace id, span id) of its spans; `row` and `records` are our session."""

    def __init__(self, tmp_path: Any, theirs: str, order: str, settings: str = "", **env: str) -> None:
        ours = (
            f"import agentops_otel as agentops\nagentops.init(auto_start_session=False, log_summary=False, {settings})"
        )
        first, second = (theirs, ours) if order == ORDERS[0] else (ours, theirs)
        with Provider({"/v1/chat/completions": _answer}) as provider:
            self.out, self.err = run(
                _PROGRAM.format(first=first, second=second), tmp_path, provider, PYTHONWARNINGS="ignore", **env
            )
        self.seen = [tuple(item) for item in json.loads(self.out.strip().splitlines()[-1])]
        ((self.row, self.records),) = stored(tmp_path)

    @property
    def names(self) -> list[str]:
        """The names of the spans that the other tool saw."""
        return [item[0] for item in self.seen]

    def check(self) -> None:
        """Our session has both calls once, with their cost; it is a trace of its own, and nobody saw a span twice."""
        assert (self.row.llm_calls, self.row.errors, self.row.end_state) == (2, 0, "Success")
        assert str(self.row.cost.normalize()) == "0.00042"
        (root,) = [record for record in self.records if record.is_session]
        assert root.parent_id is None
        assert root.trace_id == self.row.session_id.replace("-", "")
        ids = [item[1:] for item in self.seen]
        assert len(ids) == len(set(ids)), "a span came twice"
        for name in ("around", "within", "after"):
            assert self.names.count(name) == 1, self.names

    def linked(self) -> None:
        """The session names the span that it was started under."""
        (root,) = [record for record in self.records if record.is_session]
        (around,) = [item for item in self.seen if item[0] == "around"]
        assert [(link["trace_id"], link["span_id"]) for link in root.links] == [around[1:]]
        assert root.trace_id != around[1]

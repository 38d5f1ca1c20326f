"""The transcript of a session: nothing told twice, every call with its result; as turns, as Markdown, as one HTML file."""

from __future__ import annotations

import html.parser
import json
import re

import pytest
from recorded_sessions import CHART, HOSTILE, Run, assistant, calls, hostile, patient, says
from span_records import SESSION, failed, llm, root, span, tool

from agentops_otel.conventions import names
from agentops_otel.server.content import messages_of
from agentops_otel.server.page import blocks
from agentops_otel.server.page.transcript import turns

NOW = 1_795_000_000 * 10**9


def said(messages=(), answered=(), **more):
    told = {names.INPUT_MESSAGES: json.dumps(list(messages)), names.OUTPUT_MESSAGES: json.dumps(list(answered))}
    return llm(attributes={names.SPAN_KIND: names.KIND_LLM, **told, **more.pop("attributes", {})}, **more)


def test_turns_tell_what_is_new_and_how_much_was_repeated():
    told = turns(assistant(1, NOW).records)
    assert [(turn.node.kind, turn.node.name) for turn in told] == [
        ("agent", "desk"), ("llm", "chat claude-sonnet-4-6"), ("llm", "chat claude-sonnet-4-6"), ("agent", "refunds"),
        ("tool", "pay_back"), ("tool", "pay_back"), ("llm", "chat gpt-4o"), ("llm", "chat shop-mini"),
    ]  # fmt: skip
    first, second = told[1], told[2]
    assert (len(first.said), first.repeated, len(first.system)) == (1, 0, 1)
    assert (second.said, second.repeated) == ([], 2)
    (result,) = first.results.values()
    assert (result["value"], result["seconds"], result["error"]) == ({"state": "lost", "carrier": "north"}, 0.75, None)


def test_agents_that_run_beside_each_other_keep_their_turns():
    told = [(len(turn.node.lasts), turn.node.name) for turn in turns(patient(1, NOW).records)]
    assert told[2:6] == [(1, "policy"), (2, "chat claude-sonnet-4-6"), (1, "history"), (2, "chat claude-sonnet-4-6")]


@pytest.mark.parametrize("name", [{names.TOOL_CALL_ID: "call_1"}, {}])
def test_a_tool_stands_where_it_was_called(name):
    run = {names.TOOL_CALL_ARGUMENTS: '{"b": 2, "a": 1}', names.TOOL_CALL_RESULT: '"done"', **name}
    asked = said((), [says("assistant", calls("search", "call_1", a=1, b=2))])
    told = turns([root(), asked, tool(attributes=run, start=2.0, end=3.0)])
    assert [turn.node.kind for turn in told] == ["llm"]
    assert told[0].results["call_1"]["value"] == "done"


def test_a_tool_that_failed_says_so_at_its_call():
    asked = said((), [says("assistant", calls("search", "call_1"))])
    ran = failed(tool(attributes={names.TOOL_CALL_ID: "call_1"}, start=2.0, end=3.0), "no such page")
    assert turns([root(), asked, ran])[0].results["call_1"]["error"] == "ValueError: no such page"


@pytest.mark.parametrize(
    ("arguments", "begin"), [('{"a": 2}', 2.0), ('{"a": 1}', -1.0)], ids=["other arguments", "before the call"]
)
def test_another_run_of_a_tool_is_a_turn_of_its_own(arguments, begin):
    ran = tool(attributes={names.TOOL_CALL_ARGUMENTS: arguments}, start=begin, end=begin + 0.5)
    told = turns([root(), said((), [says("assistant", calls("search", "call_1", a=1))]), ran])
    assert sorted(turn.node.kind for turn in told) == ["llm", "tool"]


def test_a_result_that_only_a_message_tells_stands_at_its_call_alone():
    asked = said((), [says("assistant", calls("search", "call_1"))])
    answer = says("tool", {"type": "tool_call_response", "id": "call_1", "response": "found"})
    first, second = turns([root(), asked, said([answer], start=2.0)])
    assert first.results["call_1"]["value"] == "found"
    assert second.said == []


@pytest.mark.parametrize(
    ("value", "roles"),
    [
        ("", []), (None, []), ("no JSON", ["text"]), ('"a text"', ["text"]), ("[1, null]", ["text", "text"]),
        ('{"role": "user"}', ["user"]), ([{"role": "user"}], ["user"]), ("[[[", ["text"]),
    ],
)  # fmt: skip
def test_messages_are_read_whatever_stands_there(value, roles):
    assert [message["role"] for message in messages_of(value)] == roles


@pytest.mark.parametrize(
    "message",
    [
        {"role": 3, "parts": 7}, {"parts": [None, 1, {}]}, {"parts": [{"type": "tool_call", "id": [1]}]},
        {"parts": [{"type": "tool_call_response", "id": {}}]}, {"parts": [{"type": "blob", "content": 4}]}, {"content": {"deep": []}},
        {"parts": [{"type": "server_tool_call", "server_tool_call": 4}]}, {"parts": [{"type": "text", "content": None}]},
        {"parts": [{"type": "server_tool_call_response"}]}, {"parts": [{"type": ["odd"]}]}, {},
    ],
)  # fmt: skip
async def test_messages_of_any_shape_are_told_in_every_form(asked, store, message):
    store.insert([root(), said([message], [message]), span(attributes={names.SPAN_KIND: names.KIND_TOOL})])
    for form in ("json", "markdown", "html"):
        assert (await asked(f"/v2/sessions/{SESSION}/transcript?format={form}")).status_code == 200


async def test_turns_are_answered_by_windows(asked, store):
    run = assistant(1, NOW)
    store.insert(run.records)
    path = f"/v2/sessions/{run.session}/transcript"
    whole = (await asked(f"{path}?format=json")).json()
    some = (await asked(f"{path}?format=json&from=3&limit=2")).json()
    assert (whole["total"], some["total"], some["from"]) == (8, 8, 3)
    assert some["turns"] == whole["turns"][3:5]
    assert whole["turns"][1]["span"]["figures"]["cost"] == "0.0027"
    for query in ("from=-1", "limit=0", "x=1", "format=pdf"):
        assert (await asked(f"{path}?{query}")).status_code == 400, query
    assert (await asked("/v2/sessions/none/transcript?format=json")).status_code == 404


async def test_a_transcript_grows_with_its_session(asked, store):
    store.insert([root(), said([says("user", "one")])])
    path = f"/v2/sessions/{SESSION}/transcript?format=json"
    assert (await asked(path)).json()["total"] == 1
    store.insert([said([says("user", "two")])])
    assert (await asked(path)).json()["total"] == 2


# --- Markdown -----------------------------------------------------------------------------------------------


async def exported(asked, store, run, form):
    store.insert(run.records)
    return await asked(f"/v2/sessions/{run.session}/transcript?format={form}")


async def test_markdown_tells_the_whole_conversation(asked, store):
    answer = await exported(asked, store, assistant(1, NOW), "markdown")
    assert answer.headers["content-type"].startswith("text/markdown")
    for told in (
        "# shop\\-assistant",
        "- End state: Success (The order was refunded in full\\.)",
        "- Cost: $0.0094+?",
        "- Tokens: 5,170 in, of which 3,940 cached; 380 out",
        "## agent: refunds (4.3s)",
        "Where is my order 4711? It was due on Monday.",
        "Call of find\\_order:",
        '"carrier": "north"',
        "(2 messages from above)",
        "TimeoutError: the bank did not answer within 0.5 s",
    ):
        assert told in answer.text, told
    assert answer.text.count("Where is my order 4711?") == 1


LIVE = re.compile(r"[<>\[\]!]|javascript:|\b(?:https?|ftp)://")


async def test_nothing_that_was_said_is_markup_in_markdown(asked, store):
    text = (await exported(asked, store, hostile(1, NOW), "markdown")).text
    outside = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", text)
    outside = re.sub(r"\\.", "", outside)
    assert LIVE.findall(outside) == []
    assert HOSTILE in text


@pytest.mark.parametrize("text", ["```\n# out", "a\n`````\nb", "````", "```text", ""])
async def test_no_text_gets_out_of_its_fence(asked, store, text):
    run = Run(5, NOW)
    run.root(1)
    run.llm(0, 1, "gpt-4o", (1, 0, 1), 0.1, [says("user", text, "end")])
    told = (await exported(asked, store, run, "markdown")).text
    inside = re.findall(r"(?ms)^(`{3,})text\n(.*?)\n\1$", told)
    assert [block for _, block in inside] == ([text] if text else []) + ["end"]


# --- One HTML file ------------------------------------------------------------------------------------------


class Elements(html.parser.HTMLParser):
    """Every element with its attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


async def test_the_html_file_holds_all_and_loads_nothing(asked, store):
    answer = await exported(asked, store, patient(1, NOW), "html")
    assert answer.headers["content-disposition"] == "attachment"
    assert "sandbox" in answer.headers["content-security-policy"]
    page = Elements(answer.text)
    assert {tag for tag, _ in page.found} & {"script", "link", "iframe", "object", "form", "a"} == set()
    sources = [told["src"] for _, told in page.found if "src" in told]
    assert sources == [f"data:image/png;base64,{CHART}"]
    policy = next(told["content"] for tag, told in page.found if told.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    for told in ("claims-desk", "Is this damage covered?", "Dear Ms Brandt", "ask_person", "atlas", "1h 1m", "$0.03"):
        assert told in page.text, told
    assert len([told for _, told in page.found if told.get("class") == "row"]) == len(patient(1, NOW).records)
    styles = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)[1]
    assert "url(" not in styles
    assert "@import" not in styles


async def test_hostile_text_stays_text_in_the_html_file(asked, store):
    answer = await exported(asked, store, hostile(1, NOW), "html")
    page = Elements(answer.text)
    assert not any(name.startswith("on") for _, told in page.found for name in told)
    assert {tag for tag, _ in page.found} & {"script", "a", "svg"} == set()
    assert HOSTILE in page.text
    assert {told["src"][:22] for _, told in page.found if "src" in told} == {"data:image/png;base64,"}


@pytest.mark.parametrize("form", ["markdown", "html"])
async def test_odd_sessions_are_written_too(asked, store, form):
    store.insert([span("lost", {names.SPAN_KIND: names.KIND_TOOL}, end=None, parent_id="b" * 16), failed(llm(None))])
    assert "lost" in (await asked(f"/v2/sessions/{SESSION}/transcript?format={form}")).text


# --- Figures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "unpriced", "told"),
    [
        (None, 0, "?"), ("0", 0, "$0.00"), ("0.00", 2, "$0.00+?"), ("0.000823", 0, "$0.00082"), ("0.00936", 1, "$0.0094+?"),
        ("0.00996", 0, "$0.01"), ("1.005", 0, "$1.00"), ("1234.5", 0, "$1,234.50"), (0.25, 0, "$0.25"), ("much", 0, "?"), ("nan", 0, "?"),
    ],
)  # fmt: skip
def test_costs_have_two_digits_that_count(cost, unpriced, told):
    assert blocks.money(cost, unpriced) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "-"), (0, "0ms"), (0.0001, "<1ms"), (0.0126, "13ms"), (4.23, "4.2s"), (59.96, "1m 0s"), (185, "3m 5s"),
     (7800, "2h 10m"), (273600, "3d 4h")],
)  # fmt: skip
def test_times_are_short(seconds, told):
    assert blocks.duration(seconds) == told


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0"), (950, "950"), (12400, "12.4k"), (3_100_000, "3.1M"), (2 * 10**9, "2G")]
)
def test_counts_are_short(number, told):
    assert blocks.count(number) == told

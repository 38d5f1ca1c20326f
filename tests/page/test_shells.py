"""The shells and files of the page: what they let in, what they load, and what they show without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recorded_sessions import HOSTILE, assistant, hostile

from agentops_otel.conventions import names
from agentops_otel.server import page
from agentops_otel.server.page.routes import POLICY

ROOM = Path(page.__file__).parent
FILES = sorted(path for folder in ("static", "templates") for path in (ROOM / folder).iterdir())
STATIC = [path for path in FILES if path.parent.name == "static"]
KEY = "01234567-89ab-cdef-0123-456789abcdef"
NOW = 1_795_000_000 * 10**9
SHELLS = [
    "/sessions",
    "/analytics",
    "/compare",
    "/s/0af76519-16cd-43dd-8448-eb211c80319c",
    "/s/any/of/them/00f067aa0ba902b7",
]
each_shell = pytest.mark.parametrize("path", SHELLS)
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@each_shell
async def test_a_shell_lets_in_nothing_from_elsewhere(asked, path):
    answer = await asked(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in POLICY
    assert not re.search("unsafe|https?:|[*]", POLICY)


@each_shell
async def test_a_shell_has_no_script_or_style_in_it(asked, path):
    text = (await asked(path)).text
    assert re.findall(r"<script(?![^>]* src=)", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", text) == []


@each_shell
async def test_all_that_a_shell_loads_is_served(asked, path):
    text = (await asked(path)).text
    loaded = re.findall(r"(?:src|href)=\"(/page/[^\"]+)\"", text)
    assert len(loaded) > 5
    for address in loaded:
        answer = await asked(address)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache"), address


@each_file
def test_no_file_names_another_site(path):
    found = re.findall(r"(?:https?:)?//[\w-]+\.[\w.-]+", path.read_text(encoding="utf-8"))
    assert [address for address in found if address != "http://www.w3.org"] == []


@each_file
def test_no_file_makes_markup_out_of_text(path):
    told = path.read_text(encoding="utf-8")
    assert (
        re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\|\s*safe|DOMParser", told
        )
        == []
    )


@pytest.mark.parametrize("path", STATIC, ids=lambda path: path.name)
async def test_a_file_has_its_type_and_is_asked_for_again_in_vain(asked, path):
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    answer = await asked(f"/page/{path.name}")
    assert answer.headers["content-type"].partition(";")[0] == types[path.suffix]
    again = await asked(f"/page/{path.name}", **{"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", [path for path in STATIC if path.suffix == ".js"], ids=lambda path: path.name)
def test_a_module_imports_what_is_there(path):
    for name in re.findall(r"(?:from|import) \"\./([\w.]+)\"", path.read_text(encoding="utf-8")):
        assert (path.parent / name).is_file(), name


@pytest.mark.parametrize("name", ["nothing.js", "../routes.py", "%2e%2e/routes.py", "..%2froutes.py", ""])
async def test_nothing_else_is_served(asked, name):
    assert (await asked(f"/page/{name}")).status_code == 404


async def test_all_files_of_all_views_are_small_over_the_wire(asked):
    answers = [await asked(f"/page/{path.name}", **{"accept-encoding": "gzip"}) for path in STATIC]
    assert [answer.text for answer in answers] == [path.read_text(encoding="utf-8") for path in STATIC]
    assert sum(answer.num_bytes_downloaded for answer in answers) < 75_000


# --- Without scripts ----------------------------------------------------------------------------------------


async def test_the_list_is_there_without_scripts(asked, store):
    store.insert(assistant(1, NOW).records)
    text = (await asked("/sessions")).text
    for told in (
        "Success: The order was refunded in full.",
        "shop-assistant",
        "0.00936 and 1 without a known price",
        "checkout, eu",
    ):
        assert told in text


async def test_the_list_without_scripts_takes_filters_and_pages(asked, store):
    for number in range(1, 4):
        store.insert(assistant(number, NOW + number).records)
    assert "shop-assistant" not in (await asked("/sessions?end_state=Failure")).text
    text = (await asked("/sessions?limit=2&tag=eu")).text
    assert text.count("shop-assistant") == 2
    following = re.search(r"href=\"(/sessions\?[^\"]+)\">Older", text)[1].replace("&amp;", "&")
    assert (await asked(following)).text.count("shop-assistant") == 1


@pytest.mark.parametrize("query", ["min_cost=much", "cursor=%00", "nothing=1", "limit=0"])
async def test_a_filter_that_cannot_be_read_is_told(asked, store, query):
    store.insert(assistant(1, NOW).records)
    answer = await asked(f"/sessions?{query}")
    assert answer.status_code == 200
    assert "shop-assistant" not in answer.text
    assert re.search(r"<p>\w+", answer.text)


async def test_hostile_text_is_escaped(asked, store):
    store.insert(hostile(1, NOW).records)
    for path in ("/sessions", f"/s/{HOSTILE.replace('/', '%2F')}"):
        text = (await asked(path)).text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


async def test_an_empty_store_says_what_to_do(asked):
    assert "agentops-otel demo" in (await asked("/sessions")).text


KINDS_OF_USAGE = {
    *(
        value
        for value in vars(names).values()
        if isinstance(value, str) and re.fullmatch(r"gen_ai\.usage\..*_tokens", value)
    ),
    names.CACHE_WRITE_1H_TOKENS,
    names.WEB_SEARCHES,
    names.SEARCH_UNITS,
    names.AUDIO_SECONDS,
    names.INNER_USAGE,
    names.FETCHED,
}


@pytest.mark.parametrize("name", sorted(KINDS_OF_USAGE))
def test_a_span_is_shown_with_usage_of_every_kind(name):
    assert f'"{name}"' in (ROOM / "static" / "detail.js").read_text(encoding="utf-8")


# --- To whom ------------------------------------------------------------------------------------------------


@each_shell
async def test_shells_need_no_key_and_tell_nothing_then(asked, store, path):
    store.insert(assistant(1, NOW).records)
    answer = await asked(path, keys=[KEY])
    assert answer.status_code == 200
    assert "shop-assistant" not in answer.text


async def test_what_is_in_a_session_needs_the_key(asked, store):
    run = assistant(1, NOW)
    store.insert(run.records)
    path = f"/v2/sessions/{run.session}/outline"
    assert (await asked(path, keys=[KEY])).status_code == 401
    assert (await asked(path, keys=[KEY], **{"X-Agentops-Api-Key": KEY})).status_code == 200


@pytest.mark.parametrize(
    ("accept", "told"), [("text/html,*/*", (307, "/sessions")), ("*/*", (200, None)), ("application/json", (200, None))]
)
async def test_a_browser_is_shown_the_page_and_a_program_the_first_words(asked, accept, told):
    answer = await asked("/", accept=accept)
    assert (answer.status_code, answer.headers.get("location")) == told

"""What the page does beyond showing, in a real Chromium: columns, facets, ranges, folding, paths, windows, comparing, exports."""

from __future__ import annotations

import json
import re
import time

import pytest
from browsers import settled, show
from playwright.sync_api import expect
from recorded_sessions import assistant, fortnight, hostile, large, patient

from agentops_otel.store.sqlite import SQLiteStore

ASSISTANT, PATIENT, LONG = (f"00000000-0000-0000-0000-{number:012x}" for number in (1, 64, 900))
ROWS = ".sessions tbody tr"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("views") / "sessions.db")
    for run in (*fortnight(), large(900, time.time_ns() - 10**13, 1500)):
        store.insert(run.records)
    yield store
    store.close()


@pytest.fixture
def opened(tab, served, shown):
    addresses = []

    def open_(place):
        addresses.append(addresses[-1] if addresses else served(shown))
        return show(tab(), addresses[-1] + place)

    return open_


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


# --- The list -----------------------------------------------------------------------------------------------


def test_columns_are_chosen_and_stay_chosen(opened):
    page = opened("/sessions")
    head = lambda title: page.locator(".sessions thead").get_by_text(title, exact=True)  # noqa: E731
    expect(head("Project")).to_have_count(0)
    page.locator(".filters .menu summary").click()
    for title in ("Project", "Cost"):
        page.locator(".choices label").filter(has_text=re.compile(f"^{title}$")).click()
    expect(head("Project")).to_be_visible()
    expect(head("Cost")).to_have_count(0)
    page.reload()
    settled(page)
    expect(head("Project")).to_be_visible()
    expect(head("Cost")).to_have_count(0)
    page.set_viewport_size({"width": 1024, "height": 768})
    expect(head("Project")).to_be_visible()
    page.locator(".filters .menu summary").click()
    page.get_by_role("button", name="As at first").click()
    expect(head("Cost")).to_be_visible()
    expect(head("Project")).to_have_count(0)


def test_a_wide_screen_shows_all_that_is_told(tab, served, shown):
    page = show(tab("light", 1900, 900), served(shown) + "/sessions")
    titles = [title.strip(" ↓") for title in page.locator(".sessions thead th").all_inner_texts()]
    assert titles == ["End state", "Session", "First input", "Started", "Duration", "Cost", "Tokens", "LLM", "Tools", "Actions",
                      "Errors", "Models", "Tags", "Host"]  # fmt: skip
    visible = page.locator(".sessions thead th").evaluate_all(
        "(heads) => heads.every((head) => head.checkVisibility())"
    )
    assert visible


@pytest.mark.parametrize("name", ["start", "duration", "cost", "tokens", "llm_calls", "errors"])
def test_columns_sort_both_ways(opened, name):
    page = opened("/sessions")
    head = page.locator(f".sessions thead button[data-sort='{name}']")
    for order in ("desc", "asc"):
        if not (name == "start" and order == "desc"):
            head.click()
            expect(page).to_have_url(re.compile(f"sort={name}&order={order}"))
        asked = f"fetch('/v2/sessions?sort={name}&order={order}').then((answer) => answer.json()).then((rows) => rows.map(({{ id }}) => id))"
        expected = page.evaluate(asked)
        expect(page.locator(ROWS).first).to_have_attribute("data-id", expected[0])
        assert page.locator(ROWS).evaluate_all("(rows) => rows.map((row) => row.dataset.id)") == expected


@pytest.mark.parametrize(
    ("facet", "value", "parameter"),
    [
        ("Model", "gpt-4.1", "model=gpt-4.1"),
        ("Provider", "anthropic", "provider=anthropic"),
        ("Tag", "finance", "tag=finance"),
        ("Error", "openai.RateLimitError", "error_type=openai.RateLimitError"),
        ("Host", "atlas", "host=atlas"),
        ("Time", "24h", "since=24h"),
    ],
)
def test_a_facet_filters_and_stands_in_the_address(opened, facet, value, parameter):
    page = opened("/sessions")
    choice = page.locator(f"select[aria-label='{facet}']")
    choice.select_option(value)
    expect(page).to_have_url(re.compile(re.escape(parameter)))
    asked = "(asked) => fetch('/v2/sessions?' + asked).then((answer) => answer.json()).then((rows) => rows.map(({ id }) => id))"
    expected = page.evaluate(asked, parameter)
    assert expected
    expect(page.locator(ROWS)).to_have_count(len(expected))
    assert page.locator(ROWS).evaluate_all("(rows) => rows.map((row) => row.dataset.id)") == expected
    choice.select_option("")
    expect(page).not_to_have_url(re.compile(re.escape(parameter)))


@pytest.mark.parametrize("state", ["Success", "Failure", "Indeterminate"])
def test_end_states_are_a_click_away(opened, state):
    page = opened("/sessions")
    page.locator(f".segments button[data-state='{state}']").click()
    expect(page).to_have_url(re.compile(f"end_state={state}"))
    expect(page.locator(f"{ROWS} .state:not([data-state='{state}'])")).to_have_count(0)
    expect(page.locator(f"{ROWS} .state").first).to_have_text(state)
    page.go_back()
    expect(page).to_have_url(re.compile("/sessions$"))
    expect(page.locator(ROWS)).to_have_count(50)


def test_ranges_are_typed_and_words_say_the_same(opened):
    page = opened("/sessions")
    page.locator(".ranges summary").click()
    page.locator("#bound-min_cost").fill("0.2")
    press(page, "Tab")
    expect(page).to_have_url(re.compile(r"min_cost=0\.2"))
    expect(page.locator("#search")).to_have_value("cost>0.2")
    page.locator("#search").fill("host:atlas duration>30s")
    page.locator("#search").press("Enter")
    expect(page).to_have_url(re.compile("host=atlas.*min_duration=30|min_duration=30.*host=atlas"))
    expect(page.locator("#bound-min_duration")).to_have_value("30")


def test_first_inputs_stand_in_the_list(opened):
    inputs = opened("/sessions").locator(".sessions .input")
    expect(inputs.filter(has_text="Where is my order 4711? It was due on Monday.")).to_have_count(1)
    expect(inputs.filter(has_text="Is this damage covered?")).to_have_count(1)


def test_two_chosen_sessions_are_compared(opened):
    page = opened("/sessions")
    press(page, "j", "c", "j", "c")
    page.locator(".picked a").click()
    expect(page).to_have_url(re.compile("/compare"))
    expect(page.locator(".deltas thead a")).to_have_count(2)


# --- The waterfall ------------------------------------------------------------------------------------------


def stroke(page, name):
    return page.locator(".row").filter(has=page.locator(".name").get_by_text(name, exact=True)).locator(".stroke")


def test_idle_times_are_folded_until_asked_for(opened):
    page = opened(f"/s/{PATIENT}")
    expect(page.locator(".toggle[aria-pressed='true']")).to_have_text("1h 0m idle, folded")
    expect(page.locator(".gaps .gap")).to_have_count(1)
    folded = stroke(page, "policy").bounding_box()["width"]
    press(page, "h")
    expect(page.locator(".gaps .gap")).to_have_count(0)
    settled(page)
    assert stroke(page, "policy").bounding_box()["width"] < folded / 20
    press(page, "h")
    expect(page.locator(".gaps .gap")).to_have_count(1)
    settled(page)
    assert stroke(page, "policy").bounding_box()["width"] == pytest.approx(folded)
    expect(page.locator(".ticks")).to_contain_text("1:00:5")


def test_the_critical_path_stands_out(opened):
    page = opened(f"/s/{PATIENT}")
    expect(stroke(page, "policy")).to_have_css("opacity", "1")
    press(page, "c")
    expect(stroke(page, "policy")).to_have_css("opacity", "0.22")  # history ended later
    expect(stroke(page, "history")).to_have_css("opacity", "1")
    press(page, "c")
    expect(stroke(page, "policy")).to_have_css("opacity", "1")


def test_arrows_fold_wherever_the_focus_is(opened):
    page = opened(f"/s/{ASSISTANT}")
    press(page, "j", "j")
    expect(page.locator(".detail h2")).to_have_text("desk")
    press(page, "ArrowLeft")
    expect(page.locator(".row")).to_have_count(2)
    expect(page.locator(".more-below")).to_have_text("+8")
    press(page, "ArrowRight")
    expect(page.locator(".row")).to_have_count(10)


def test_windows_arrive_where_one_scrolls_and_folding_reaches_all(opened):
    page = opened(f"/s/{LONG}")
    tree = page.locator(".waterfall .rows")
    tree.evaluate("(rows) => { rows.scrollTop = rows.scrollHeight; }")
    expect(page.locator("#row-1499")).to_be_visible()
    expect(page.locator(".row.waiting")).to_have_count(0)
    first = page.locator(".row").first
    page.get_by_role("button", name="Fold all (f)", exact=True).click()
    expect(first).to_have_attribute("aria-setsize", "31")
    page.get_by_role("button", name="Unfold all (u)", exact=True).click()
    expect(first).to_have_attribute("aria-setsize", "1500")
    tree.focus()
    press(page, "Home")
    expect(page.locator("#row-0")).to_have_attribute("aria-selected", "true")


def test_a_frame_makes_few_rows_and_all_come(opened):
    page = opened(f"/s/{LONG}")
    page.locator(".waterfall .rows").evaluate("(rows) => { rows.scrollTop = 9600; }")
    expect(page.locator("#row-300")).to_be_visible()
    expect(page.locator("#row-315")).to_be_visible()
    shown = page.locator(".row").evaluate_all("(rows) => rows.map((row) => Number(row.id.slice(4)))")
    expect(page.locator(f"#row-{300 - 8}")).to_be_attached()
    shown = page.locator(".row").evaluate_all("(rows) => rows.map((row) => Number(row.id.slice(4)))")
    assert shown == list(range(shown[0], shown[0] + len(shown))), "in their order, none missing"


def test_a_span_far_down_opens_under_its_address(opened, shown):
    span = shown.spans(LONG)[1300].span_id
    page = opened(f"/s/{LONG}/{span}")
    expect(page.locator(".row[aria-selected='true']")).to_be_visible()
    assert page.url.endswith(span)
    expect(page.locator(".detail h2")).to_have_text(re.compile("."))


def test_a_transcript_of_many_turns_grows_when_asked(opened):
    page = opened(f"/s/{LONG}#view=transcript")
    turns = page.locator("#panel-transcript .turn")
    expect(turns).to_have_count(100)
    page.locator("#panel-transcript .after button").click()
    expect(turns).to_have_count(200)


def test_header_tiles_tell_of_the_run_and_its_video(opened):
    page = opened(f"/s/{ASSISTANT}")
    for part in ("Ran on", "atlas", "Python 3.12.4, Linux 6.8", "Video", "example.com"):
        expect(page.locator(".session-head .tiles")).to_contain_text(part)
    expect(page.locator(".tiles a")).to_have_attribute("href", "https://example.com/run.webm")


def test_a_picture_of_a_message_is_shown(opened):
    picture = opened(f"/s/{PATIENT}#view=transcript").locator("img.picture").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("naturalWidth", 96)


# --- Comparing, exports, analytics --------------------------------------------------------------------------


def test_a_comparison_tells_deltas_and_where_they_part(opened):
    page = opened(f"/compare?a={ASSISTANT}&b={PATIENT}")
    for part in ("They part at step 1", "another step", "shop-assistant", "claims-desk", "+1h 1m"):
        expect(page.locator(".compare")).to_contain_text(part)
    expect(page.locator(".turn[data-step='parting']")).to_have_count(2)
    page.get_by_role("button", name="Change sides").click()
    expect(page.locator(".compare")).to_contain_text("\u22121h 1m")
    assert f"a={PATIENT}" in page.url


def test_a_session_is_not_another_than_itself(opened):
    expect(opened(f"/compare?a={PATIENT}&b={PATIENT}").locator(".compare")).to_contain_text("They never part")


@pytest.mark.parametrize(
    ("title", "end", "holds"),
    [
        ("One HTML file, offline", "html", "<!doctype html>"),
        ("Transcript, Markdown", "md", "# claims"),
        ("Export, JSON", "json", '"statistics"'),
        ("Spans, OTLP JSON", "otlp.json", "resourceSpans"),
        ("Spans, JSON lines", "jsonl", '"span_id"'),
        ("Spans, CSV", "csv", "trace_id,span_id"),
    ],
)
def test_every_export_is_a_file(opened, tmp_path, title, end, holds):
    page = opened(f"/s/{PATIENT}")
    page.locator(".session-head .menu summary").click()
    with page.expect_download() as downloading:
        page.get_by_role("button", name=title).click()
    assert downloading.value.suggested_filename == f"session-{PATIENT[:8]}.{end}"
    path = tmp_path / "kept"
    downloading.value.save_as(path)
    assert holds in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_html_file_opens_without_a_server(tab, tmp_path, served, store, number):
    run = (assistant(1, time.time_ns()), hostile(2, time.time_ns()), patient(3, time.time_ns()))[number]
    store.insert(run.records)
    page = show(tab(), served(store) + "/sessions")
    asked = "(id) => fetch(`/v2/sessions/${id}/transcript?format=html`).then((answer) => answer.text())"
    path = tmp_path / "session.html"
    path.write_text(page.evaluate(asked, run.session), encoding="utf-8")
    page.goto(path.as_uri())
    assert "owned" not in page.title().replace(run.resource["service.name"], "")
    expect(page.locator(".row")).to_have_count(len(run.records))
    expect(page.locator(".transcript")).to_have_text(re.compile("."))
    loaded = "performance.getEntriesByType('resource').map(({ name }) => name.slice(0, 5))"
    assert set(page.evaluate(loaded)) <= {"data:"}


def test_analytics_measure_times_agents_and_errors(opened, tmp_path):
    page = opened("/analytics")
    card = lambda name: page.locator(f"[data-card='{name}']")  # noqa: E731
    expect(card("times")).to_contain_text("gpt-4.1")
    card("times").locator("select").first.select_option("duration")
    expect(card("times")).to_contain_text("finance")
    card("times").locator("select").nth(1).select_option("end_state")
    expect(card("times")).to_contain_text("Indeterminate")
    card("spread").locator("select").select_option("cost")
    expect(card("spread")).to_contain_text("$")
    expect(card("agents")).to_contain_text("refunds")
    expect(card("errors")).to_contain_text("openai.RateLimitError")
    card("errors").locator("summary").click()
    with page.expect_download() as downloading:
        card("errors").get_by_role("button", name="Download CSV").click()
    assert downloading.value.suggested_filename == "errors-by-type.csv"
    path = tmp_path / "errors.csv"
    downloading.value.save_as(path)
    assert path.read_text(encoding="utf-8").startswith("error,errors,sessions,rate")


def test_every_chart_has_its_csv(opened):
    page = opened("/analytics")
    expect(page.locator("[data-card='times']")).to_contain_text("gpt-4.1")
    names = set()
    for card in page.locator(".analytics .card").all():
        card.locator("summary").click()
        with page.expect_download() as downloading:
            card.get_by_role("button", name="Download CSV").click()
        names.add(downloading.value.suggested_filename)
    assert len(names) == 11
    assert all(name.endswith(".csv") for name in names)


@pytest.mark.parametrize("place", ["/sessions", f"/s/{ASSISTANT}", "/analytics", f"/compare?a={ASSISTANT}&b={PATIENT}"])
def test_the_first_paint_is_small_over_the_wire(opened, place):
    sizes = "performance.getEntries().filter(({ transferSize }) => transferSize).map(({ name, transferSize }) => [name, transferSize])"
    told = opened(place).evaluate(sizes)
    assert len(told) > 10
    assert sum(size for _, size in told) < 150_000, json.dumps(told)

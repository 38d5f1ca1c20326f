"""The page in a real Chromium: every view and key, live rows, hostile text, keys, ten thousand spans."""

from __future__ import annotations

import time

import pytest
from browsers import chromium, paint, settled
from recorded_sessions import HOSTILE, Run, assistant, fortnight, hostile, large
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from agentops_otel.conventions import names
from agentops_otel.store.sqlite import SQLiteStore

KEY = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def opened(browser, served, store):
    """Open a place of a server over `store`; whatever the browser complained about fails the test."""
    addresses = []

    def open_(place, keys=(), seconds=20):
        addresses.append(addresses[-1] if addresses else served(store, keys))
        paint(browser, "light")
        browser.get("about:blank")
        browser.get(addresses[-1] + place)
        if not keys:
            settled(browser, seconds)
        return browser

    browser.get_log("browser")
    yield open_
    complaints = [
        entry["message"]
        for entry in browser.get_log("browser")
        if "401" not in entry["message"] and "404" not in entry["message"]
    ]
    browser.get("about:blank")
    assert complaints == []


def texts(driver, selector):
    return [element.text for element in driver.find_elements(By.CSS_SELECTOR, selector)]


def press(driver, *keys):
    driver.switch_to.active_element.send_keys(*keys)


def until(driver, true, seconds=10):
    return WebDriverWait(driver, seconds, poll_frequency=0.05).until(lambda _: true())


@pytest.fixture
def recorded(store):
    run = assistant(1, time.time_ns() - 10**12)
    store.insert(run.records)
    return run


# --- The list -----------------------------------------------------------------------------------------------


def test_a_row_tells_of_its_session(opened, recorded):
    driver = opened("/sessions")
    (row,) = texts(driver, ".sessions tbody tr")
    for told in (
        "Success",
        "shop-assistant",
        "The order was refunded in full.",
        "9.4s",
        "$0.0094+?",
        "5.2k → 380",
        "3.9k cached",
        "checkout",
        "Where is my order 4711?",
    ):
        assert told in row


@pytest.mark.parametrize(
    "query",
    ["", "?end_state=Failure", "?tag=batch", "?model=gpt-4.1&end_state=Success", "?min_cost=0.5", "?text=refunded"],
)
def test_filters_are_in_the_address(opened, store, query):
    for run in fortnight()[:20]:
        store.insert(run.records)
    driver = opened(f"/sessions{query}")
    expected = [row["id"] for row in store_rows(driver, query)]
    assert 0 < len(expected) < 20 or query == ""
    assert [
        row.get_attribute("data-id") for row in driver.find_elements(By.CSS_SELECTOR, ".sessions tbody tr")
    ] == expected


def test_a_search_without_an_answer_can_be_undone(opened, recorded):
    driver = opened("/sessions?text=nowhere")
    assert texts(driver, ".empty h2") == ["No session is like that"]
    driver.find_element(By.CSS_SELECTOR, ".empty button").click()
    until(driver, lambda: len(texts(driver, ".sessions tbody tr")) == 1)


def store_rows(driver, query):
    """What the API itself answers to the same question."""
    return driver.execute_async_script(
        "fetch('/v2/sessions' + arguments[0]).then((answer) => answer.json()).then(arguments[1])", query
    )


def test_words_of_the_search_become_filters(opened, recorded):
    driver = opened("/sessions")
    press(driver, "/")
    press(driver, "order cost>0.001 duration<1m tag:eu", Keys.ENTER)
    until(driver, lambda: "min_cost" in driver.current_url)
    query = driver.current_url.partition("?")[2]
    assert sorted(query.split("&")) == ["max_duration=60", "min_cost=0.001", "tag=eu", "text=order"]
    settled(driver)
    assert len(driver.find_elements(By.CSS_SELECTOR, ".sessions tbody tr")) == 1
    driver.find_element(By.CSS_SELECTOR, ".chip").click()
    until(driver, lambda: "min_cost" not in driver.current_url)


def test_rows_are_walked_and_opened_by_keys(opened, store):
    for number in (1, 2, 3):
        store.insert(assistant(number, time.time_ns() - number * 10**12).records)
    driver = opened("/sessions")
    press(driver, "j", "j", "k", "j", Keys.ENTER)
    until(driver, lambda: driver.current_url.endswith("/s/00000000-0000-0000-0000-000000000002"))


def test_older_sessions_are_a_click_away(opened, store):
    for number in range(1, 56):
        store.insert(assistant(number, time.time_ns() - number * 10**12).records)
    driver = opened("/sessions")
    assert len(driver.find_elements(By.CSS_SELECTOR, ".sessions tbody tr")) == 50
    driver.find_element(By.CSS_SELECTOR, ".after button").click()
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, ".sessions tbody tr")) == 55)


def test_sessions_arrive_and_change_by_themselves(opened, store, recorded):
    driver = opened("/sessions")
    until(driver, lambda: texts(driver, "#live") == ["Live"])
    run = Run(9, time.time_ns())
    run.root(2, "Failure", "It rained.")
    store.insert(run.records)
    until(driver, lambda: "It rained." in texts(driver, ".sessions tbody tr")[0])
    run.llm(0, 1, "gpt-4o", (10, 0, 5), 0.25)
    store.insert(run.records[1:])
    until(driver, lambda: "$0.25" in texts(driver, ".sessions tbody tr")[0])
    store.delete(run.session)
    until(driver, lambda: len(texts(driver, ".sessions tbody tr")) == 1)


def test_an_empty_store_says_what_to_do(opened):
    driver = opened("/sessions")
    assert "agentops-otel demo" in driver.find_element(By.CSS_SELECTOR, ".empty").text


# --- A session ----------------------------------------------------------------------------------------------


def test_the_waterfall_shows_every_span_in_its_place(opened, recorded):
    driver = opened(f"/s/{recorded.session}")
    rows = driver.find_elements(By.CSS_SELECTOR, ".row")
    assert [(row.get_attribute("aria-level"), row.find_element(By.CSS_SELECTOR, ".name").text) for row in rows[:4]] == [
        ("1", "session"), ("2", "desk"), ("3", "chat claude-sonnet-4-6"), ("3", "find_order")]  # fmt: skip
    assert texts(driver, ".row .cost")[-1] == "?"
    assert len(driver.find_elements(By.CSS_SELECTOR, ".first")) == 3


def test_the_tiles_say_how_it_ended_and_what_it_cost(opened, recorded):
    told = opened(f"/s/{recorded.session}").find_element(By.CSS_SELECTOR, ".session-head").text
    for part in (
        "Success",
        "The order was refunded in full.",
        "$0.0094+?",
        "1 call without a known price",
        "9.4s",
        "5.2k",
        "3.9k cached",
        "160 reasoning",
        "checkout",
    ):
        assert part in told


def test_a_span_opens_under_its_own_address(opened, recorded):
    driver = opened(f"/s/{recorded.session}/0000000000000009")
    told = driver.find_element(By.CSS_SELECTOR, ".detail").text
    for part in (
        "chat gpt-4o",
        "by genai-prices@0.2.3",
        "$0.0026",
        "First chunk",
        "Temperature",
        "640",
        "Your order was lost on its way.",
    ):
        assert part in told


def test_a_cost_that_is_not_known_says_why(opened, recorded):
    driver = opened(f"/s/{recorded.session}/000000000000000a")
    assert "No price is known for shop-mini" in driver.find_element(By.CSS_SELECTOR, ".detail").text


def test_spans_are_walked_folded_and_closed_by_keys(opened, recorded):
    driver = opened(f"/s/{recorded.session}")
    shown = lambda: texts(driver, ".detail h2")  # noqa: E731
    press(driver, "j", "j", "j")
    until(driver, lambda: shown() == ["chat claude-sonnet-4-6"])
    press(driver, "e")
    until(driver, lambda: "TimeoutError" in driver.find_element(By.CSS_SELECTOR, ".detail").text)
    press(driver, Keys.ESCAPE)
    until(driver, lambda: not driver.find_element(By.CSS_SELECTOR, ".detail").is_displayed())
    tree = driver.find_element(By.CSS_SELECTOR, ".rows")
    tree.send_keys(Keys.HOME, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, ".row")) == 2)
    tree.send_keys(Keys.ARROW_RIGHT)
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, ".row")) == len(recorded.records))


def test_zooming_in_moves_the_ticks_and_zero_goes_back(opened, recorded):
    driver = opened(f"/s/{recorded.session}")
    whole = texts(driver, ".ticks span")
    press(driver, "+")
    assert texts(driver, ".ticks span") != whole
    press(driver, "0")
    assert texts(driver, ".ticks span") == whole


def test_the_transcript_joins_calls_with_results_and_tells_nothing_twice(opened, recorded):
    driver = opened(f"/s/{recorded.session}")
    press(driver, "t")
    until(driver, lambda: texts(driver, "#panel-transcript .turn"))
    told = driver.find_element(By.CSS_SELECTOR, "#panel-transcript").text
    assert told.count("Where is my order 4711?") == 1
    assert told.count('"carrier": "north"') == 1
    assert "2 messages from above" in told
    assert "Lost by the carrier" not in told, "reasoning is folded"
    assert len(driver.find_elements(By.CSS_SELECTOR, "#panel-transcript details.reasoning")) == 1


@pytest.mark.parametrize(("key", "told"), [("x", "TimeoutError"), ("i", "cpython 3.12.4"), ("r", "resourceSpans")])
def test_each_view_has_a_key(opened, recorded, key, told):
    driver = opened(f"/s/{recorded.session}")
    press(driver, key)
    until(driver, lambda: told in driver.find_element(By.CSS_SELECTOR, "[role=tabpanel]:not([hidden])").text)


def test_raw_json_is_searched(opened, recorded):
    driver = opened(f"/s/{recorded.session}#view=raw")
    press(driver, "/")
    press(driver, "the bank did not", Keys.ENTER)
    found = until(driver, lambda: texts(driver, ".line[data-found]"))
    assert "the bank did not answer" in found[0]


def test_a_running_session_grows_and_ends_while_it_is_looked_at(opened, store):
    run = Run(5, time.time_ns())
    run.root(None)
    store.insert(run.records)
    driver = opened(f"/s/{run.session}")
    until(driver, lambda: texts(driver, "#live") == ["Live"])
    run.llm(0, 1, "gpt-4o", (10, 0, 5), 0.25)
    store.insert(run.records[1:])
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, ".row")) == 2)
    ended = Run(5, run.start)
    ended.root(3, "Success", "Done at last.")
    store.insert(ended.records)
    until(driver, lambda: "Done at last." in driver.find_element(By.CSS_SELECTOR, ".session-head").text)


def test_a_session_that_is_not_here_says_so(opened):
    assert "This session is not here" in opened("/s/none").find_element(By.CSS_SELECTOR, "main").text


@pytest.mark.parametrize("place", ["/s/%E0", "/s/"])
def test_an_address_that_is_none_says_so(opened, place):
    told = opened(place).find_element(By.CSS_SELECTOR, "main").text
    assert "cannot be shown" in told or "is not here" in told


def test_the_list_of_keys_opens_and_closes(opened, recorded):
    driver = opened(f"/s/{recorded.session}")
    press(driver, "?")
    until(driver, lambda: "Next error" in "".join(texts(driver, "dialog")))
    press(driver, Keys.ESCAPE)
    until(driver, lambda: not driver.find_elements(By.CSS_SELECTOR, "dialog"))


# --- Whatever comes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    ["", "#view=transcript", "#view=errors", "#view=details", "#view=raw", "/0000000000000002", "/0000000000000003"],
)
def test_hostile_text_stays_text(opened, store, view):
    run = hostile(1, time.time_ns())
    store.insert(run.records)
    driver = opened(f"/s/{run.session}{view}")
    time.sleep(0.2)
    assert "owned" not in driver.title.replace(HOSTILE, "")
    assert (
        driver.find_elements(By.CSS_SELECTOR, "main script, main [onerror], main img[src='x'], a[href^='javascript']")
        == []
    )
    pictures = [image.get_attribute("src")[:22] for image in driver.find_elements(By.CSS_SELECTOR, "main img")]
    assert set(pictures) <= {"data:image/png;base64,"}


@pytest.mark.parametrize("place", ["/sessions", "/analytics"])
def test_hostile_text_stays_text_in_lists(opened, store, place):
    store.insert(hostile(1, time.time_ns()).records)
    driver = opened(place)
    assert "owned" not in driver.title
    assert driver.find_elements(By.CSS_SELECTOR, "main script, main img") == []


def test_a_session_without_a_root_and_with_odd_parents_is_shown(opened, store):
    run = Run(3, time.time_ns())
    run.span("lost", 0, 1, {names.SPAN_KIND: names.KIND_TOOL}, parent="b" * 16)
    run.span("a", 1, 2, parent="0" * 15 + "3")
    run.span("b", 1, 2, parent="0" * 15 + "2")
    store.insert(run.records)
    driver = opened(f"/s/{run.session}")
    assert len(driver.find_elements(By.CSS_SELECTOR, ".row")) == 3
    assert "No session span has arrived" in "".join(texts(driver, ".notice"))
    assert "parent not received" in "".join(texts(driver, ".mark"))


def test_a_message_of_a_million_characters_is_cut_until_asked_for(opened, store):
    run = Run(4, time.time_ns())
    run.root(1)
    run.llm(
        0, 1, "gpt-4o", (10, 0, 5), 0.25, [{"role": "user", "parts": [{"type": "text", "content": "so " * 333_333}]}]
    )
    store.insert(run.records)
    driver = opened(f"/s/{run.session}/0000000000000002")
    assert driver.execute_script("return document.body.textContent.length") < 100_000
    driver.find_element(By.CSS_SELECTOR, ".detail .more").click()
    assert driver.execute_script("return document.body.textContent.length") > 900_000


def test_the_key_is_asked_for_until_it_is_right_and_kept_in_the_tab(opened, recorded):
    driver = opened("/sessions", keys=[KEY])
    driver.execute_script("sessionStorage.clear()")
    driver.refresh()
    for told in ("wrong", KEY):
        field = until(driver, lambda: driver.find_elements(By.ID, "key"))[0]
        field.send_keys(told, Keys.ENTER)
        until(driver, lambda old=field: old not in driver.find_elements(By.ID, "key"))
    settled(driver)
    assert len(driver.find_elements(By.CSS_SELECTOR, ".sessions tbody tr")) == 1
    until(driver, lambda: texts(driver, "#live") == ["Live"])
    driver.get(driver.current_url.replace("/sessions", f"/s/{recorded.session}"))
    settled(driver)
    assert driver.find_elements(By.CSS_SELECTOR, ".row")
    driver.execute_script("sessionStorage.clear()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_the_systems_until_others_are_chosen(opened, recorded, scheme):
    driver = opened("/sessions")
    paint(driver, scheme)
    ground = lambda: driver.execute_script("return getComputedStyle(document.body).backgroundColor")  # noqa: E731
    colours = {"light": "rgb(247, 247, 250)", "dark": "rgb(14, 15, 19)"}
    assert ground() == colours[scheme]
    driver.find_element(By.ID, "theme").click()
    assert ground() == colours["light"]
    driver.find_element(By.ID, "theme").click()
    driver.refresh()
    settled(driver)
    assert ground() == colours["dark"]
    driver.find_element(By.ID, "theme").click()
    assert ground() == colours[scheme]


# --- Analytics ----------------------------------------------------------------------------------------------


def test_the_analytics_add_up_and_have_tables(opened, store):
    for run in fortnight()[:20]:
        store.insert(run.records)
    driver = opened("/analytics")
    assert texts(driver, ".tiles .tile dd")[1].split("\n")[0] == "20"
    assert len(driver.find_elements(By.CSS_SELECTOR, ".analytics .card")) == 11
    for summary in driver.find_elements(By.CSS_SELECTOR, ".analytics summary"):
        summary.click()
    assert all(texts(driver, ".figures tbody"))
    driver.execute_script("scrollTo(0, 0)")
    driver.find_element(By.XPATH, "//button[.='All time']").click()
    until(driver, lambda: "since=" in driver.current_url)


# --- Size ---------------------------------------------------------------------------------------------------

NODES = 3000


@pytest.fixture(scope="module")
def long_store(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("large") / "sessions.db")
    for number, spans in ((1, 100), (2, 10_000)):
        store.insert(large(number, time.time_ns() - 10**13, spans).records)
    yield store
    store.close()


def test_ten_thousand_spans_are_few_nodes_wherever_one_scrolls(browser, served, long_store):
    address = served(long_store)
    paint(browser, "light")
    browser.get(f"{address}/s/00000000-0000-0000-0000-000000000002")
    settled(browser, 60)
    count = "return document.querySelectorAll('*').length"
    assert "10,000" in texts(browser, ".tiles .tile dd")
    assert browser.execute_script(count) < NODES
    for part in (0.3, 0.7, 1):
        browser.execute_script(
            "const rows = document.querySelector('.waterfall .rows'); rows.scrollTop = rows.scrollHeight * arguments[0]",
            part,
        )
        settled(browser)
        assert browser.execute_script(count) < NODES
        assert browser.find_elements(By.CSS_SELECTOR, ".row")
    browser.find_element(By.CSS_SELECTOR, ".rows").send_keys(Keys.END)
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#row-9999[aria-selected='true']"), 30)

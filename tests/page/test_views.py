"""What the page does beyond showing, in a real Chromium: columns, facets, ranges, folding, paths, windows, comparing, exports."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from browsers import chromium, paint, settled
from recorded_sessions import assistant, fortnight, hostile, large, patient
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from agentops_otel.store.sqlite import SQLiteStore

ASSISTANT, PATIENT, LONG = (f"00000000-0000-0000-0000-{number:012x}" for number in (1, 64, 900))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium() as driver:
        driver.downloads = tmp_path_factory.mktemp("downloads")
        told = {"behavior": "allow", "downloadPath": str(driver.downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", told)
        yield driver


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    store = SQLiteStore(tmp_path_factory.mktemp("views") / "sessions.db")
    for run in (*fortnight(), large(900, time.time_ns() - 10**13, 1500)):
        store.insert(run.records)
    yield store
    store.close()


@pytest.fixture
def opened(browser, served, shown):
    addresses = []

    def open_(place, *size):
        addresses.append(addresses[-1] if addresses else served(shown))
        paint(browser, "light", *size)
        browser.get("about:blank")
        browser.get(addresses[-1] + place)
        settled(browser, 30)
        return browser

    browser.get_log("browser")
    yield open_
    complaints = [entry["message"] for entry in browser.get_log("browser") if "404" not in entry["message"]]
    browser.execute_script("localStorage.clear()")
    browser.get("about:blank")
    assert complaints == []


def texts(driver, selector):
    return [element.text for element in driver.find_elements(By.CSS_SELECTOR, selector)]


def press(driver, *keys):
    driver.switch_to.active_element.send_keys(*keys)


def until(driver, true, seconds=15):
    return WebDriverWait(driver, seconds, poll_frequency=0.05).until(lambda _: true())


def one(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


# --- The list -----------------------------------------------------------------------------------------------


def test_columns_are_chosen_and_stay_chosen(opened):
    driver = opened("/sessions")
    heads = lambda: [told for told in texts(driver, ".sessions thead th") if told]  # noqa: E731
    assert "Project" not in heads()
    one(driver, ".filters .menu summary").click()
    for title in ("Project", "Cost"):
        driver.find_element(By.XPATH, f"//div[@class='choices']//label[.='{title}']").click()
    until(driver, lambda: "Project" in heads() and "Cost" not in heads())
    driver.refresh()
    settled(driver)
    assert "Project" in heads()
    assert "Cost" not in heads()
    one(driver, ".filters .menu summary").click()
    driver.find_element(By.XPATH, "//button[.='As at first']").click()
    until(driver, lambda: "Cost" in heads() and "Project" not in heads())


def listed(driver):
    return [row.get_attribute("data-id") for row in driver.find_elements(By.CSS_SELECTOR, ".sessions tbody tr")]


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
    driver = opened("/sessions")
    Select(one(driver, f"select[aria-label='{facet}']")).select_by_value(value)
    until(driver, lambda: parameter in driver.current_url)
    settled(driver)
    asked = "fetch('/v2/sessions?' + arguments[0]).then((answer) => answer.json()).then((rows) => arguments[1](rows.map(({ id }) => id)))"
    expected = driver.execute_async_script(asked, parameter)
    until(driver, lambda: listed(driver) == expected)
    assert expected
    Select(one(driver, f"select[aria-label='{facet}']")).select_by_value("")
    until(driver, lambda: parameter not in driver.current_url)


def test_ranges_are_typed_and_words_say_the_same(opened):
    driver = opened("/sessions")
    one(driver, ".ranges summary").click()
    one(driver, "#bound-min_cost").send_keys("0.2", Keys.TAB)
    until(driver, lambda: "min_cost=0.2" in driver.current_url)
    assert one(driver, "#search").get_attribute("value") == "cost>0.2"
    search = one(driver, "#search")
    search.clear()
    search.send_keys("host:atlas duration>30s", Keys.ENTER)
    until(driver, lambda: "host=atlas" in driver.current_url and "min_duration=30" in driver.current_url)
    assert one(driver, "#bound-min_duration").get_attribute("value") == "30"


def test_first_inputs_stand_in_the_list(opened):
    told = texts(opened("/sessions"), ".sessions .input")
    assert "Where is my order 4711? It was due on Monday." in told
    assert "Is this damage covered?" in told


def test_two_chosen_sessions_are_compared(opened):
    driver = opened("/sessions")
    press(driver, "j", "c", "j", "c")
    until(driver, lambda: texts(driver, ".picked a") == ["Compare"])
    one(driver, ".picked a").click()
    until(driver, lambda: "/compare?" in driver.current_url)
    settled(driver)
    assert len(texts(driver, ".deltas thead a")) == 2


# --- The waterfall ------------------------------------------------------------------------------------------


def width(driver, name):
    found = f"//div[@class='row'][.//span[@class='name' and .='{name}']]//span[@class='stroke']"
    return driver.find_element(By.XPATH, found).rect["width"]


def test_idle_times_are_folded_until_asked_for(opened):
    driver = opened(f"/s/{PATIENT}")
    button = one(driver, ".toggle[aria-pressed='true']")
    assert button.text == "1h 0m idle, folded"
    folded = width(driver, "policy")
    assert len(driver.find_elements(By.CSS_SELECTOR, ".lane .gap")) > 0
    press(driver, "h")
    assert width(driver, "policy") < folded / 20
    assert driver.find_elements(By.CSS_SELECTOR, ".lane .gap") == []
    press(driver, "h")
    assert width(driver, "policy") == pytest.approx(folded)
    assert "1:00:5" in " ".join(texts(driver, ".ticks span"))


def test_the_critical_path_stands_out(opened):
    driver = opened(f"/s/{PATIENT}")
    shade = lambda name: driver.find_element(  # noqa: E731
        By.XPATH, f"//div[@class='row'][.//span[@class='name' and .='{name}']]//span[@class='stroke']"
    ).value_of_css_property("opacity")
    assert shade("policy") == shade("history") == "1"
    press(driver, "c")
    assert float(shade("policy")) < 0.5, "history ended later"
    assert shade("history") == "1"
    press(driver, "c")
    assert shade("policy") == "1"


def test_arrows_fold_wherever_the_focus_is(opened):
    driver = opened(f"/s/{ASSISTANT}")
    rows = lambda: len(driver.find_elements(By.CSS_SELECTOR, ".row"))  # noqa: E731
    press(driver, "j", "j", Keys.ARROW_LEFT)
    until(driver, lambda: rows() == 2)
    assert "+8" in one(driver, ".more-below").text
    press(driver, Keys.ARROW_RIGHT)
    until(driver, lambda: rows() == 10)


def test_windows_arrive_where_one_scrolls_and_folding_reaches_all(opened):
    driver = opened(f"/s/{LONG}")
    scroll = "const rows = document.querySelector('.waterfall .rows'); rows.scrollTop = rows.scrollHeight"
    driver.execute_script(scroll)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#row-1499"))
    assert driver.find_elements(By.CSS_SELECTOR, ".row.waiting") == []
    one(driver, "[aria-label='Fold all']").click()
    until(driver, lambda: one(driver, ".row").get_attribute("aria-setsize") == "31")
    one(driver, "[aria-label='Unfold all']").click()
    until(driver, lambda: one(driver, ".row").get_attribute("aria-setsize") == "1500")
    one(driver, ".rows").send_keys(Keys.HOME)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#row-0[aria-selected='true']"))


def test_a_span_far_down_opens_under_its_address(opened, shown):
    span = shown.spans(LONG)[1300].span_id
    driver = opened(f"/s/{LONG}/{span}")
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, ".row[aria-selected='true']"))
    assert driver.current_url.endswith(span)
    assert one(driver, ".detail h2").text


def test_a_transcript_of_many_turns_grows_when_asked(opened):
    driver = opened(f"/s/{LONG}#view=transcript")
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, "#panel-transcript .turn")) == 100)
    one(driver, "#panel-transcript .after button").click()
    until(driver, lambda: len(driver.find_elements(By.CSS_SELECTOR, "#panel-transcript .turn")) == 200)


def test_header_tiles_tell_of_the_run_and_its_video(opened):
    told = one(opened(f"/s/{ASSISTANT}"), ".session-head .tiles").text
    for part in ("Ran on", "atlas", "Python 3.12.4, Linux 6.8", "Video", "example.com"):
        assert part in told
    assert one(opened(f"/s/{ASSISTANT}"), ".tiles a").get_attribute("href") == "https://example.com/run.webm"


def test_a_picture_of_a_message_is_shown(opened):
    driver = opened(f"/s/{PATIENT}#view=transcript")
    picture = until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "img.picture"))[0]
    driver.execute_script("arguments[0].scrollIntoView()", picture)
    until(driver, lambda: driver.execute_script("return arguments[0].naturalWidth", picture) == 96)


# --- Comparing, exports, analytics --------------------------------------------------------------------------


def test_a_comparison_tells_deltas_and_where_they_part(opened):
    driver = opened(f"/compare?a={ASSISTANT}&b={PATIENT}")
    told = one(driver, ".compare").text
    for part in ("They part at step 1", "another step", "shop-assistant", "claims-desk", "+1h 1m"):
        assert part in told
    assert len(driver.find_elements(By.CSS_SELECTOR, ".turn[data-step='parting']")) == 2
    one(driver, "[aria-label='Change sides']").click()
    until(driver, lambda: "\u22121h 1m" in one(driver, ".compare").text)
    assert f"a={PATIENT}" in driver.current_url


def test_a_session_is_not_another_than_itself(opened):
    assert "They never part" in one(opened(f"/compare?a={PATIENT}&b={PATIENT}"), ".compare").text


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
def test_every_export_is_a_file(opened, title, end, holds):
    driver = opened(f"/s/{PATIENT}")
    one(driver, ".session-head .menu summary").click()
    driver.find_element(By.XPATH, f"//button[.='{title}']").click()
    path = Path(driver.downloads) / f"session-{PATIENT[:8]}.{end}"
    until(driver, path.is_file)
    assert holds in path.read_text(encoding="utf-8")
    path.unlink()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_html_file_opens_without_a_server(browser, tmp_path, served, store, number):
    run = (assistant(1, time.time_ns()), hostile(2, time.time_ns()), patient(3, time.time_ns()))[number]
    store.insert(run.records)
    server = served(store)
    address = f"{server}/v2/sessions/{run.session}/transcript?format=html"
    path = tmp_path / "session.html"
    browser.get(server + "/sessions")
    text = browser.execute_async_script(
        "fetch(arguments[0]).then((answer) => answer.text()).then(arguments[1])", address
    )
    path.write_text(text, encoding="utf-8")
    browser.get_log("browser")
    browser.get(path.as_uri())
    assert "owned" not in browser.title.replace(run.resource["service.name"], "")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".row")) == len(run.records)
    assert browser.find_element(By.CSS_SELECTOR, ".transcript").text
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map(({ name }) => name.slice(0, 5))"
    )
    assert set(loaded) <= {"data:"}
    assert browser.get_log("browser") == []
    browser.get("about:blank")


def test_analytics_measure_times_agents_and_errors(opened):
    driver = opened("/analytics")
    card = lambda name: one(driver, f"[data-card='{name}']")  # noqa: E731
    until(driver, lambda: "gpt-4.1" in card("times").text)
    Select(card("times").find_element(By.CSS_SELECTOR, "select")).select_by_value("duration")
    until(driver, lambda: "finance" in card("times").text)
    Select(card("times").find_elements(By.CSS_SELECTOR, "select")[1]).select_by_value("end_state")
    until(driver, lambda: "Indeterminate" in card("times").text)
    Select(card("spread").find_element(By.CSS_SELECTOR, "select")).select_by_value("cost")
    until(driver, lambda: "$" in card("spread").text)
    assert "refunds" in card("agents").text
    assert "openai.RateLimitError" in card("errors").text
    card("errors").find_element(By.CSS_SELECTOR, "summary").click()
    card("errors").find_element(By.XPATH, ".//button[.='Download CSV']").click()
    path = Path(driver.downloads) / "errors-by-type.csv"
    until(driver, path.is_file)
    assert path.read_text(encoding="utf-8").startswith("error,errors,sessions,rate")


def test_the_first_paint_is_small_over_the_wire(opened):
    driver = opened("/sessions")
    sizes = "return performance.getEntries().filter(({ transferSize }) => transferSize).map(({ name, transferSize }) => [name, transferSize])"
    told = driver.execute_script(sizes)
    assert len(told) > 10
    assert sum(size for _, size in told) < 150_000, json.dumps(told)

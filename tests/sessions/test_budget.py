"""Budgets: what happens before the call that would be one too many, and that nothing happens before any other."""

from __future__ import annotations

import asyncio
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import openai
import pytest
from programs import run, stored

from agentops_otel import BudgetExceededError, Configuration, ConfigurationError
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider


def _answer(request):
    body = bodies.chat("hi", model=request.body["model"], usage=bodies.chat_usage(1000, 100))
    return Answer.sse(streams.chat_chunks(body)) if request.body.get("stream") else Answer.json(body)


COST = Decimal("0.00021")
"""What each of these calls costs with gpt-4o-mini."""


@pytest.fixture(scope="module")
def provider():
    with Provider({"/v1/chat/completions": _answer}) as made:
        yield made


@pytest.fixture
def ask(provider):
    client = openai.OpenAI(base_url=provider.openai_url, api_key="x", max_retries=0)

    def once(model="gpt-4o-mini", **settings):
        return client.chat.completions.create(model=model, messages=[], **settings)

    yield once
    client.close()


@pytest.fixture
def with_budget(make_watched):
    def make(**settings):
        watched = make_watched(**settings)
        watched.client.pipeline.processor.prices.load()  # as a program that has run for a while
        return watched

    return make


def test_calls_beyond_the_limit_are_refused(with_budget, ask, provider):
    watched = with_budget(max_llm_calls=2, on_exceed="raise")
    before = len(provider.requests)
    ask()
    ask()
    for _ in range(2):
        with pytest.raises(BudgetExceededError, match=r"max_llm_calls is 2") as caught:
            ask()
        assert caught.value.session_id == watched.session.session_id
    assert len(provider.requests) - before == len(watched.spans) == 2


@pytest.mark.parametrize(("most", "made"), [("0", 0), (COST / 2, 1), (COST, 1), (float(COST * 2), 2), ("0.0005", 3)])
def test_costs_beyond_the_limit_are_refused(with_budget, ask, most, made):
    watched = with_budget(max_cost=most, on_exceed="raise")
    for _ in range(made):
        ask()
    with pytest.raises(BudgetExceededError, match=r"max_cost"):
        ask()
    assert watched.session.token_cost == COST * made


def test_streams_count_when_they_end(with_budget, ask):
    with_budget(max_cost=COST, on_exceed="raise")
    stream = ask(stream=True, stream_options={"include_usage": True})
    ask(model="gpt-4o-mini").choices  # noqa: B018 - the stream has not cost anything yet
    list(stream)
    with pytest.raises(BudgetExceededError):
        ask()


async def test_asynchronous_calls(with_budget, provider):
    watched = with_budget(max_llm_calls=3, on_exceed="raise")
    async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="x") as client:

        async def once():
            return await client.chat.completions.create(model="gpt-4o-mini", messages=[])

        answers = await asyncio.gather(*(once() for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, BudgetExceededError) for answer in answers) == 5
    assert len(watched.spans) == 3


def test_no_call_comes_through_beside_another(with_budget, ask):
    watched = with_budget(max_llm_calls=10, on_exceed="raise")
    gate = threading.Barrier(8)

    def several():
        gate.wait()
        refused = 0
        for _ in range(5):
            try:
                ask()
            except BudgetExceededError:
                refused += 1
        return refused

    with ThreadPoolExecutor(8) as pool:
        refused = sum(future.result() for future in [pool.submit(several) for _ in range(8)])
    assert (refused, len(watched.spans)) == (30, 10)


def test_a_warning_comes_once_and_the_calls_go_on(with_budget, ask, caplog):
    watched = with_budget(max_llm_calls=1)
    for _ in range(4):
        ask()
    assert len(watched.spans) == 4
    assert caplog.text.count("has used up its budget, and goes on: max_llm_calls is 1") == 1


def test_a_function_is_called_once(with_budget, ask):
    told = []
    watched = with_budget(max_cost="0.0001", on_exceed=lambda *given: told.append(given))
    for _ in range(3):
        ask()
    assert told == [(watched.session, "$0.00021 of max_cost $0.0001 is spent")]


def test_a_function_that_fails_harms_nobody(with_budget, ask, caplog):
    watched = with_budget(max_llm_calls=0, on_exceed=lambda *_: 1 / 0)
    ask()
    ask()
    assert len(watched.spans) == 2
    assert caplog.text.count("on_exceed failed; the call goes on") == 1


def test_a_function_may_stop_the_calls(with_budget, ask):
    def stop(session, reason):
        raise BudgetExceededError(session.session_id, f"enough, {reason}")

    watched = with_budget(max_llm_calls=0, on_exceed=stop)
    for _ in range(2):
        with pytest.raises(BudgetExceededError, match="enough, max_llm_calls is 0"):
            ask()
    assert watched.spans == []


def test_a_budget_is_the_sessions_own(with_budget, ask):
    watched = with_budget(max_llm_calls=1, on_exceed="raise")
    ask()
    other = watched.client.start_session()
    ask()
    with pytest.raises(BudgetExceededError):
        ask()
    other.end_session("Success")
    free = watched.client.start_session(config=Configuration(log_summary=False))
    for _ in range(3):
        ask()
    assert free.get_analytics()["LLM calls"] == 3
    free.end_session("Success")


def test_where_no_session_is_nothing_is_asked(with_budget, ask):
    watched = with_budget(max_llm_calls=0, on_exceed="raise")
    watched.session.end_session("Success")
    assert ask().choices


def test_a_model_without_a_price_is_told_of(with_budget, ask, caplog):
    with_budget(max_cost=1, on_exceed="raise")
    ask(model="nobody-knows-this")
    ask(model="nobody-knows-this")
    assert caplog.text.count("max_cost does not see calls of models without a known price") == 1


def test_without_a_budget_nothing_is_asked(watched, ask):
    ask()
    assert watched.client.recorder.ask is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_cost", "much"),
        ("max_cost", -1),
        ("max_cost", float("nan")),
        ("max_cost", "inf"),
        ("max_cost", True),
        ("max_cost", [1]),
        ("max_llm_calls", -1),
        ("max_llm_calls", 1.5),
        ("max_llm_calls", True),
        ("on_exceed", "shout"),
        ("on_exceed", 3),
    ],
)
def test_what_is_no_budget(setting, value):
    with pytest.raises(ConfigurationError, match=setting):
        Configuration.read(**{setting: value})


def test_it_comes_from_the_environment(monkeypatch):
    for name, value in {"MAX_COST": "2.50", "MAX_LLM_CALLS": "50", "ON_EXCEED": "raise"}.items():
        monkeypatch.setenv(f"AGENTOPS_{name}", value)
    told = Configuration.read()
    assert (told.max_cost, told.max_llm_calls, told.on_exceed) == (Decimal("2.50"), 50, "raise")


def test_the_error_can_be_pickled():
    again = pickle.loads(pickle.dumps(BudgetExceededError("an id", "a reason")))
    assert (again.session_id, again.reason, str(again)) == (
        "an id",
        "a reason",
        "the session an id has used up its budget: a reason",
    )


def test_a_program_that_is_stopped(tmp_path, provider):
    """From its first call on, whose price is loaded while it waits."""
    program = """
        import agentops_otel as agentops, openai
        agentops.init(max_llm_calls=3, on_exceed="raise")
        client = openai.OpenAI()
        while True:
            client.chat.completions.create(model="gpt-4o-mini", messages=[])
    """
    _, err = run(program, tmp_path, provider, code=1)
    assert "BudgetExceededError: the session " in err
    ((row, records),) = stored(tmp_path)
    assert (row.end_state, row.llm_calls, len(records)) == ("Failure", 3, 4)
    assert row.end_state_reason.startswith("BudgetExceededError: ")

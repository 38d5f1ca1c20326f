"""Serverless: everything is delivered before the function returns, and never later than its time allows."""

from __future__ import annotations

import pytest

from agentops_otel import functions
from agentops_otel.web import serverless


class Context:
    """That of AWS Lambda, as far as it is asked."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self):
        if isinstance(self.milliseconds, Exception):
            raise self.milliseconds
        return self.milliseconds


@pytest.fixture
def flushed(monkeypatch):
    """The seconds that each delivery was given."""
    told = []
    flush = functions.client.flush
    monkeypatch.setattr(functions.client, "flush", lambda seconds=None: told.append(seconds) or flush(seconds))
    return told


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (({}, Context(60_000)), 2.0),
        (({}, Context(1_500)), 1.0),
        (({}, Context(100)), 0.0),
        (({}, None), 2.0),
        ((), 2.0),
    ],
)
def test_delivery_takes_what_is_left_of_the_time(captured_sessions, flushed, given, seconds):
    @serverless
    def lambda_function(*given):
        return len(given)

    assert lambda_function(*given) == len(given)
    assert flushed == [seconds]
    assert (captured_sessions.only.end_state, captured_sessions.only.name) == ("Success", "lambda_function")


def test_it_is_delivered_when_it_returns(captured_sessions):
    @serverless(tags=["nightly"])
    def function(event, context):
        functions.record(functions.import_module("agentops_otel").ActionEvent(action_type="worked"))

    function({}, Context(60_000))
    ended = [record.name for record in captured_sessions._records if record.end_time]
    assert sorted(ended) == ["action worked", "function"]


@pytest.mark.parametrize(
    ("result", "state", "reason"),
    [
        ({"statusCode": 200}, "Success", None),
        ({"statusCode": 404}, "Indeterminate", "HTTP 404"),
        ({"statusCode": 502, "body": ""}, "Failure", "HTTP 502"),
        ({"statusCode": "no"}, "Success", None),
        (None, "Success", None),
    ],
)
async def test_the_end_state_is_that_of_the_result(captured_sessions, result, state, reason):
    assert serverless(lambda event: result)({}) is result
    assert (captured_sessions[0].end_state, captured_sessions[0].end_state_reason) == (state, reason)

    @serverless
    async def function(event):
        return result

    assert await function({}) is result
    assert (captured_sessions[1].end_state, captured_sessions[1].end_state_reason) == (state, reason)


def test_what_it_raises_is_raised(captured_sessions, flushed):
    error = ValueError("no")

    @serverless(seconds=1)
    def function():
        raise error

    with pytest.raises(ValueError) as caught:
        function()
    assert caught.value is error
    assert captured_sessions.only.end_state_reason == "ValueError: no"
    assert flushed[0] == 1


def test_a_context_that_fails_harms_nobody(captured_sessions, monkeypatch):
    monkeypatch.setattr(functions.client.faults, "strict", False)
    assert serverless(lambda event, context: 1)({}, Context(ValueError("no"))) == 1
    assert captured_sessions.only.end_state == "Success"
    functions.client.faults.counts.clear()

"""Metrics: the conventions' histograms and counters of real calls, and nothing for who does not listen."""

from __future__ import annotations

import json
import subprocess
import sys

import anthropic
import openai
import pytest
from conftest import SHARED
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader, Sum

from agentops_otel.conventions import names
from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

PREFIX = "gen_ai.client.inference."
USAGE, SPREAD = f"{PREFIX}usage.", f"{PREFIX}operation."
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
UNITS = {
    "gen_ai.client.operation.duration": ("s", SECONDS),
    f"{PREFIX}duration": ("s", SECONDS),
    f"{PREFIX}time_to_first_chunk": ("s", SECONDS),
    f"{SPREAD}input_tokens": ("{token}", TOKENS),
    f"{SPREAD}output_tokens": ("{token}", TOKENS),
    f"{USAGE}input_tokens": ("{token}", None),
    f"{USAGE}output_tokens": ("{token}", None),
    f"{USAGE}cache_read.input_tokens": ("{token}", None),
    f"{USAGE}cache_write.input_tokens": ("{token}", None),
    f"{USAGE}reasoning.output_tokens": ("{token}", None),
}
MODALITY = "gen_ai.token.modality"
HI = [{"role": "user", "content": "hi"}]


class Meter:
    """What a reader of metrics sees."""

    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider(metric_readers=[self.reader])

    def read(self):
        """Everything measured: {name: metric}."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        assert {scope.scope.name for scope in scopes} == {"agentops_otel"}
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self):
        """{(name, modality): (how much, attributes)}; how much is a sum, of histograms a count and a sum."""
        found = {}
        for name, metric in self.read().items():
            for point in metric.data.data_points:
                told = dict(point.attributes)
                much = (point.count, point.sum) if isinstance(metric.data, Histogram) else point.value
                found[name, told.pop(MODALITY, None)] = (much, told)
        return found

    def amounts(self):
        """{name: {modality: tokens}} of the counters, without the prefix."""
        amounts = {}
        for (name, modality), (much, _) in self.points().items():
            if name.startswith(USAGE):
                amounts.setdefault(name.removeprefix(USAGE), {})[modality] = much
        return amounts


@pytest.fixture
def meter(monkeypatch, make_watched):
    """The metrics of a client whose program has a MeterProvider."""
    made = Meter()
    monkeypatch.setattr(api, "get_meter_provider", lambda: made.provider)
    monkeypatch.setattr(api, "get_meter", made.provider.get_meter)
    make_watched()
    return made


@pytest.fixture
def ask():
    """Call a provider that gives this answer: `ask(answer, lambda gpt, claude: ...)`; the port is returned."""

    def ask(answer, call):
        with (
            Provider([answer]) as provider,
            openai.OpenAI(api_key="none", base_url=provider.openai_url, max_retries=0) as gpt,
            anthropic.Anthropic(api_key="none", base_url=provider.anthropic_url, max_retries=0) as claude,
        ):
            call(gpt, claude)
            return int(provider.url.rpartition(":")[2])

    return ask


def chat(gpt, _):
    gpt.chat.completions.create(model="gpt-4o-mini", messages=HI)


def stream(gpt, _):
    list(gpt.chat.completions.create(model="gpt-4o-mini", messages=HI, stream=True))


def refused(gpt, _):
    with pytest.raises(openai.RateLimitError):
        chat(gpt, _)


def message(_, claude):
    claude.messages.create(model="claude-sonnet-4-6", messages=HI, max_tokens=10)


def embed(gpt, _):
    gpt.embeddings.create(model="text-embedding-3-small", input="hi")


def common(port, model="gpt-4o-mini", answered=bodies.CHAT_MODEL, provider="openai", operation="chat"):
    told = {
        names.OPERATION_NAME: operation,
        names.PROVIDER_NAME: provider,
        names.REQUEST_MODEL: model,
        names.RESPONSE_MODEL: answered,
        names.SERVER_ADDRESS: "127.0.0.1",
        names.SERVER_PORT: port,
    }
    return {name: value for name, value in told.items() if value is not None}


HELLO = bodies.chat("Hello!", usage=bodies.chat_usage(100, 50, cached_tokens=40, reasoning_tokens=20))
COUNTED = {
    "input_tokens": {"text": 100},
    "output_tokens": {"text": 50},
    "cache_read.input_tokens": {"unknown": 40},
    "reasoning.output_tokens": {"unknown": 20},
}


def test_a_call(meter, ask):
    port = ask(Answer.json(HELLO), chat)
    points = meter.points()
    assert meter.amounts() == COUNTED
    assert {name for name, _ in points} == {
        f"{PREFIX}duration",
        f"{SPREAD}input_tokens",
        f"{SPREAD}output_tokens",
        *(USAGE + name for name in COUNTED),
    }
    assert all(told == common(port) for _, told in points.values())
    assert points[f"{SPREAD}input_tokens", None][0] == (1, 100)
    assert points[f"{SPREAD}output_tokens", None][0] == (1, 50)
    count, seconds = points[f"{PREFIX}duration", None][0]
    assert count == 1
    assert 0 < seconds < 30


def test_a_stream(meter, ask):
    port = ask(Answer.sse(streams.chat_chunks(HELLO), delay=0.01), stream)
    points = meter.points()
    assert meter.amounts() == COUNTED
    (count, first), told = points[f"{PREFIX}time_to_first_chunk", None]
    assert count == 1
    assert told == common(port)
    assert 0.01 <= first < points[f"{PREFIX}duration", None][0][1]


def test_a_stream_without_usage(meter, ask):
    ask(Answer.sse(streams.chat_chunks(HELLO, include_usage=False)), stream)
    assert meter.amounts() == {"input_tokens": {"unknown": 0}, "output_tokens": {"unknown": 0}}
    assert f"{SPREAD}input_tokens" not in meter.read()
    assert f"{PREFIX}time_to_first_chunk" in meter.read()


def test_a_failed_call(meter, ask):
    port = ask(bodies.openai_error(429), refused)
    points = meter.points()
    failed = {**common(port, answered=None), names.ERROR_TYPE: "openai.RateLimitError"}
    assert points[f"{PREFIX}duration", None][1] == failed
    assert meter.amounts() == {"input_tokens": {"unknown": 0}, "output_tokens": {"unknown": 0}}
    assert points[f"{USAGE}input_tokens", "unknown"][1] == common(port, answered=None)
    assert set(meter.read()) == {f"{PREFIX}duration", f"{USAGE}input_tokens", f"{USAGE}output_tokens"}


def test_a_message_whose_provider_tells_no_modality(meter, ask):
    usage = bodies.message_usage(10, 5, cache_read=30, cache_5m=12, cache_1h=8)
    port = ask(Answer.json(bodies.message("Bonjour!", usage=usage)), message)
    assert meter.amounts() == {
        "input_tokens": {"unknown": 60},
        "output_tokens": {"unknown": 5},
        "cache_read.input_tokens": {"unknown": 30},
        "cache_write.input_tokens": {"unknown": 20},
    }
    expected = common(port, "claude-sonnet-4-6", bodies.MESSAGE_MODEL, "anthropic")
    assert meter.points()[f"{PREFIX}duration", None][1] == expected


def test_modalities_are_told_apart(meter, ask):
    body = bodies.chat("Hello!", usage=bodies.chat_usage(100, 50, cached_tokens=40))
    body["usage"]["prompt_tokens_details"]["audio_tokens"] = 70
    body["usage"]["completion_tokens_details"]["audio_tokens"] = 50
    ask(Answer.json(body), chat)
    amounts = meter.amounts()
    assert amounts["input_tokens"] == {"text": 30, "audio": 70}
    assert amounts["output_tokens"] == {"audio": 50}
    assert meter.points()[f"{SPREAD}input_tokens", None][0] == (1, 100)


def test_more_audio_than_there_is(meter, ask):
    body = bodies.chat("Hello!", usage=bodies.chat_usage(100, 50))
    body["usage"]["prompt_tokens_details"]["audio_tokens"] = 101
    ask(Answer.json(body), chat)
    assert meter.amounts()["input_tokens"] == {"unknown": 100}


def test_embeddings_have_a_duration_only(meter, ask):
    port = ask(Answer.json(bodies.embeddings()), embed)
    ((name, _), ((count, _), told)), *others = meter.points().items()
    assert (name, count, others) == ("gen_ai.client.operation.duration", 1, [])
    assert told == common(port, "text-embedding-3-small", bodies.EMBEDDING_MODEL, operation="embeddings")


def test_calls_add_up(meter, ask):
    for _ in range(3):
        with Provider([Answer.json(HELLO)]) as provider:
            client = openai.OpenAI(api_key="none", base_url=provider.openai_url, max_retries=0)
            with client:
                chat(client, None)
    counted = [point.value for point in meter.read()[f"{USAGE}input_tokens"].data.data_points]
    assert sum(counted) == 300


def test_names_units_and_buckets(meter, ask):
    ask(Answer.sse(streams.chat_chunks(HELLO)), stream)
    ask(Answer.json(bodies.message("x", usage=bodies.message_usage(cache_5m=5))), message)
    ask(Answer.json(bodies.embeddings()), embed)
    measured = meter.read()
    assert set(measured) == set(UNITS)
    for name, metric in measured.items():
        unit, buckets = UNITS[name]
        assert metric.unit == unit
        if buckets is None:
            assert isinstance(metric.data, Sum)
            assert metric.data.is_monotonic
        else:
            assert isinstance(metric.data, Histogram)
            assert metric.data.data_points[0].explicit_bounds == pytest.approx(buckets)


SPEC_FILE = SHARED / "conventions" / "spec.json"


@pytest.mark.skipif(not SPEC_FILE.exists(), reason="the conventions as data are not in this checkout")
def test_the_list_above_is_that_of_the_conventions():
    told = json.loads(SPEC_FILE.read_text(encoding="utf-8"))["metrics"]
    found = {name: (told[name]["unit"], told[name]["buckets"] and tuple(told[name]["buckets"])) for name in UNITS}
    assert found == UNITS


# --- Nobody listens --------------------------------------------------------------------------------------

UNHEARD = """
import sys
import agentops_otel as agentops
from agentops_otel.engine.metrics import Metrics
import openai
from agentops_otel.demo import bodies
from agentops_otel.demo.provider import Answer, Provider

recorded = []
Metrics.record = lambda self, *told: recorded.append(told)
if "listen" in sys.argv:
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    metrics.set_meter_provider(MeterProvider())
assert Metrics.wanted() == ("listen" in sys.argv)

agentops.init(log_summary=False, store=sys.argv[1])
with Provider([Answer.json(bodies.chat("Hello!"))]) as provider:
    client = openai.OpenAI(api_key="none", base_url=provider.openai_url)
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
agentops.end_session("Success")
assert ("opentelemetry.sdk.metrics" in sys.modules) == ("listen" in sys.argv)
print(len(recorded))
"""


@pytest.mark.parametrize(("listening", "recorded"), [([], "0"), (["listen"], "1")], ids=["nobody", "somebody"])
def test_who_listens(tmp_path, listening, recorded):
    done = subprocess.run(
        [sys.executable, "-c", UNHEARD, str(tmp_path / "sessions.db"), *listening],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip()) == (0, recorded), done.stderr

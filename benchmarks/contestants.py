"""Who is measured: nobody, the least that a span can cost, this package, and the others that are installed."""

from __future__ import annotations

import importlib
import json
from contextlib import contextmanager, nullcontext

import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from agentops_otel.client import Client
from agentops_otel.configuration import Configuration


class Drop(SpanExporter):
    """An exporter that reads what it is given and forgets it."""

    def export(self, spans):
        for span in spans:
            dict(span.attributes)
        return SpanExportResult.SUCCESS


class DropRecords:
    """The same for records."""

    name = "nowhere"

    def deliver(self, records):
        for record in records:
            dict(record.attributes)
        return True

    def close(self):
        pass

    def after_fork(self):
        pass


class Bare:
    """Nobody."""

    name = "bare"

    def __init__(self, content):
        pass

    def on(self):
        """Begin to watch."""

    def settle(self):
        """Have everything delivered."""

    def off(self):
        """Watch no more."""

    def step(self, kind, name):
        """A span around a block of the program."""
        return nullcontext()

    def close(self):
        """Leave the process as it was."""


class WithSpans(Bare):
    """Has a provider of OpenTelemetry's own SDK."""

    def __init__(self, content):
        self.content = content
        # Big enough for a gather of 200: nothing is dropped, or less would be measured.
        self.provider = TracerProvider()
        self.provider.add_span_processor(BatchSpanProcessor(Drop(), max_queue_size=16_384))
        self.tracer = self.provider.get_tracer("by hand")

    def settle(self):
        self.provider.force_flush()

    def step(self, kind, name):
        return self.tracer.start_as_current_span(name)

    def close(self):
        self.provider.shutdown()


class Floor(WithSpans):
    """One span of the SDK by hand for each call, with as many attributes; with content, the JSON of the messages."""

    name = "floor"
    _ATTRIBUTES = {f"gen_ai.request.setting_{number}": number for number in range(13)} | {"gen_ai.request.model": "m"}

    def __init__(self, content):
        super().__init__(content)
        self._bare = openai.OpenAI.request, openai.AsyncOpenAI.request

    def on(self):
        sync, asynchronous = self._bare
        start = self._start

        def request(client, cast_to, options, **rest):
            span = start(options)
            answer = sync(client, cast_to, options, **rest)
            span.end()
            return answer

        async def arequest(client, cast_to, options, **rest):
            span = start(options)
            answer = await asynchronous(client, cast_to, options, **rest)
            span.end()
            return answer

        openai.OpenAI.request, openai.AsyncOpenAI.request = request, arequest

    def _start(self, options):
        told = dict(self._ATTRIBUTES)
        if self.content:
            body = options.json_data
            told["gen_ai.input.messages"] = json.dumps(body.get("messages") or body.get("input"))
        return self.tracer.start_span("chat m", kind=SpanKind.CLIENT, attributes=told)

    def off(self):
        openai.OpenAI.request, openai.AsyncOpenAI.request = self._bare


class Ours(Bare):
    """This package, with a session, costs and tallies."""

    name = "agentops-otel"

    def __init__(self, content):
        self.client = Client([DropRecords()])
        settings = Configuration.read(isolated=True, capture_content=content, log_summary=False)
        self.session = self.client.init(settings)
        self.recorder = self.client._recorder
        self.client.registry.uninstrument()
        self.running = self.client.decorators._running

    def on(self):
        self.client.registry.instrument(self.recorder)

    def settle(self):
        self.client.flush(10)

    def off(self):
        self.client.registry.uninstrument()

    def step(self, kind, name):
        return self.running(kind, _nothing, {"name": name}, (), {})

    def close(self):
        self.session.end_session("Success")
        self.client.shut_down()


def _nothing():
    pass


class Instrumentation(WithSpans):
    """An instrumentor after OpenTelemetry's pattern; `settings(content)` are its arguments."""

    target = ""
    on_content: dict = {}  # noqa: RUF012
    off_content: dict = {}  # noqa: RUF012

    def __init__(self, content):
        super().__init__(content)
        module, _, name = self.target.partition(":")
        self.instrumentor = getattr(importlib.import_module(module), name)()

    def on(self):
        self.instrumentor.instrument(tracer_provider=self.provider)

    def off(self):
        self.instrumentor.uninstrument()


class OpenLLMetry(Instrumentation):
    """OpenLLMetry's instrumentation of OpenAI."""

    name = "openllmetry"
    target = "opentelemetry.instrumentation.openai:OpenAIInstrumentor"

    def __init__(self, content):
        import os  # noqa: PLC0415

        os.environ["TRACELOOP_TRACE_CONTENT"] = str(content).lower()
        super().__init__(content)


class OpenInference(Instrumentation):
    """Phoenix's instrumentation of OpenAI."""

    name = "openinference"
    target = "openinference.instrumentation.openai:OpenAIInstrumentor"

    def on(self):
        from openinference.instrumentation import TraceConfig  # noqa: PLC0415

        config = TraceConfig(hide_inputs=not self.content, hide_outputs=not self.content)
        self.instrumentor.instrument(tracer_provider=self.provider, config=config)


class GenAI(Instrumentation):
    """OpenTelemetry's own instrumentation of OpenAI."""

    name = "otel-genai"
    target = "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor"

    def __init__(self, content):
        import os  # noqa: PLC0415

        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
        os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY" if content else "NO_CONTENT"
        super().__init__(content)


class Logfire(WithSpans):
    """Logfire, which always records content."""

    name = "logfire"

    def __init__(self, content):
        super().__init__(content)
        import logfire  # noqa: PLC0415

        batch = BatchSpanProcessor(Drop(), max_queue_size=16_384)
        self.provider.add_span_processor(batch)
        self.batch = batch
        self.logfire = logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[batch])
        self.patched = None

    def on(self):
        self.patched = self.logfire.instrument_openai(openai.OpenAI), self.logfire.instrument_openai(openai.AsyncOpenAI)

    def settle(self):
        self.batch.force_flush()

    def off(self):
        for patched in self.patched:
            with patched:
                pass

    def step(self, kind, name):
        return self.logfire.span(name)


PEERS = (GenAI, OpenLLMetry, OpenInference, Logfire)


@contextmanager
def entered(contestant):
    """The contestant at work."""
    contestant.on()
    try:
        yield
        contestant.settle()
    finally:
        contestant.off()

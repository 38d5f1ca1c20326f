"""OpenAI, and every provider that is spoken to through its client."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import wrapt
from agentops_otel_instrumentors import _openai_realtime as realtime
from agentops_otel_instrumentors._openai_providers import PROVIDERS, local
from agentops_otel_instrumentors._openai_routes import ROUTES
from agentops_otel_instrumentors._stainless import StainlessInstrumentor

from agentops_otel.engine import read

if TYPE_CHECKING:
    from agentops_otel.engine import Operation, Recorder


class OpenAIInstrumentor(StainlessInstrumentor):
    """openai: chat, responses, completions, embeddings, images, audio, moderations, and what is said in realtime."""

    library = "openai"
    requires = ">=1.99,<4"
    provider = "openai"
    targets: ClassVar = {"openai:OpenAI.request": None, "openai:AsyncOpenAI.request": None}
    faces: ClassVar = (
        "openai.resources.chat:Completions.create",
        "openai.resources.chat:AsyncCompletions.create",
        "openai.resources.responses:Responses.create",
        "openai.resources.responses:AsyncResponses.create",
    )
    routes: ClassVar = ROUTES
    providers: ClassVar = PROVIDERS
    clouds: ClassVar = {"AzureOpenAI": "azure.ai.openai", "BedrockOpenAI": "aws.bedrock"}

    def __init__(self) -> None:
        super().__init__()
        self._talks = realtime.Talks()
        self._awaits_realtime = False

    @classmethod
    def operations(cls) -> list[Operation]:
        """The kinds of calls that are captured."""
        return [*super().operations(), realtime.RESPONSE]

    def instrument(self, recorder: Recorder) -> None:
        """As any other; httpx2 is imported now, if it is installed. Connections are wrapped once they are imported.

        openai 2 looks for it while it builds a request, and fails where another thread is importing it just then, as
        ours does with the prices.
        """
        with suppress(ImportError):
            import_module("httpx2")
        super().instrument(recorder)
        for module in realtime.MODULES:
            if not self._awaits_realtime:
                wrapt.register_post_import_hook(self._realtime_imported, module)
            elif module in sys.modules:
                self._realtime_imported(sys.modules[module])
        self._awaits_realtime = True

    def answered(self, error: BaseException) -> Any:
        """The completion that `parse` could not parse, cut off by its length or a filter: it is billed all the same."""
        return read(error, "completion")

    def _provider(self, client: Any, host: str) -> str:
        return local(host, client.base_url.port) or super()._provider(client, host)

    def _realtime_imported(self, module: Any) -> None:
        if self.recorder is None or f"{module.__name__}:RealtimeConnection.parse_event" in self.found:
            return
        for kind in ("", "Async"):
            makers = f"{module.__name__}:{kind}RealtimeConnectionManager"
            connections = f"{module.__name__}:{kind}RealtimeConnection"
            self._try(f"{makers}.__init__", lambda _: self._maker)
            for name in ("__enter__", "enter") if not kind else ("__aenter__", "enter"):
                self._try(f"{makers}.{name}", lambda _: self._opens)
            self._try(f"{connections}.parse_event", lambda _: self._received)
            self._try(f"{connections}.close", lambda _: self._closes)

    def _maker(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        recorder = self.recorder
        if recorder is not None and "client" in kwargs:
            recorder.guarded("realtime", dict, self._about_to_connect, instance, kwargs["client"])
        return wrapped(*args, **kwargs)

    def _about_to_connect(self, maker: Any, client: Any) -> None:
        self._talks.made(maker, self.server(client, {}))

    def _opens(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        opened = wrapped(*args, **kwargs)
        return self._opens_later(instance, opened) if inspect.iscoroutine(opened) else self._opened(instance, opened)

    async def _opens_later(self, maker: Any, opening: Any) -> Any:
        return self._opened(maker, await opening)

    def _opened(self, maker: Any, connection: Any) -> Any:
        recorder = self.recorder
        if recorder is not None:
            recorder.guarded("realtime", dict, self._talks.opened, recorder, maker, connection, self.library)
        return connection

    def _received(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        event = wrapped(*args, **kwargs)
        if self.recorder is not None:
            self.recorder.guarded("realtime", dict, self._talks.received, instance, event)
        return event

    def _closes(self, wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if self.recorder is not None:
            self.recorder.guarded("realtime", dict, self._talks.closed, instance)
        return wrapped(*args, **kwargs)

"""LangChain's callbacks by hand, under the original's names, for where nothing is instrumented by itself."""

from __future__ import annotations

from typing import Any

from agentops_otel import functions
from agentops_otel.client import default as client

_Callbacks: Any = client.registry.found_beside("langchain_core", "callbacks_class")()


class LangchainCallbackHandler(_Callbacks):  # type: ignore[misc] # LangChain's own class is below it
    """Give it to a chain, an agent or a model: `callbacks=[LangchainCallbackHandler()]`.

    Only needed with `instrument_llm_calls=False`, or where langchain_core is disabled; beside the automatic
    callbacks nothing is recorded twice. It starts a session with these settings, unless one is open.
    """

    def __init__(
        self,
        api_key: str | None = None,
        endpoint: str | None = None,
        max_wait_time: int | None = None,
        max_queue_size: int | None = None,
        default_tags: Any = None,
    ) -> None:
        if not client.sessions:
            functions.init(api_key, None, endpoint, max_wait_time, max_queue_size, default_tags=default_tags)
        super().__init__(lambda: client.recorder)

    @property
    def current_session_ids(self) -> list[str]:
        """The ids of the open sessions."""
        return [session.session_id for session in client.sessions]


class AsyncLangchainCallbackHandler(LangchainCallbackHandler):
    """The same, for asynchronous chains; the other one serves those, too."""

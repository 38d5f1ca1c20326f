"""Django: a session for each request of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings

from agentops_otel.client import default as client
from agentops_otel.sessions.inheritance import within
from agentops_otel.web.visits import KEY, Rules, Visit
from agentops_otel.web.wsgi import VISIT, Body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class SessionMiddleware:
    """Runs each request in a session: `"agentops_otel.web.django.SessionMiddleware"` first in MIDDLEWARE.

    It serves sync and async sites alike. `request.agentops_session` is the session; it ends with the answer, a
    streamed one with its last part. `AGENTOPS_SESSIONS = {"exclude": [...], "only": [...], "tags": ..., "join": ...}`
    in the settings says which requests have one, as for `WSGIMiddleware`.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response
        self.rules = Rules(**getattr(settings, "AGENTOPS_SESSIONS", {}))
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        """Answer one request."""
        visit = self._opened(request)
        if iscoroutinefunction(self.get_response):
            return self.get_response(request) if visit is None else self._answer_async(request, visit)
        if visit is None:
            return self.get_response(request)
        with within(visit.session.context):
            try:
                response = self.get_response(request)
            except BaseException as error:
                visit.fail(error)
                raise
        return _watched(visit, request, response)

    async def _answer_async(self, request: Any, visit: Visit) -> Any:
        with within(visit.session.context):
            try:
                response = await self.get_response(request)
            except BaseException as error:
                visit.fail(error)
                raise
        return _watched(visit, request, response)

    def process_exception(self, request: Any, exception: Exception) -> None:
        """Note what a view raised, which Django answers for."""
        visit = request.META.get(VISIT)
        if visit is not None:
            visit.error = exception

    def _opened(self, request: Any) -> Visit | None:
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            visit = self.rules.open(request.method, request.path, headers)
            if visit is not None:
                request.META[KEY], request.META[VISIT] = visit.session, visit
                request.agentops_session = visit.session
            return visit
        except Exception as error:
            client.faults.note("web.django", error)
            return None


def _watched(visit: Visit, request: Any, response: Any) -> Any:
    """The answer: what is streamed of it is part of the session."""
    try:
        visit.status = response.status_code
        match = getattr(request, "resolver_match", None)
        visit.route = f"/{match.route}" if match is not None and match.route is not None else None
        if not getattr(response, "streaming", False):
            visit.is_complete = True
            visit.end()
        elif getattr(response, "is_async", False):
            response.streaming_content = _parts(visit, response.streaming_content)
        else:
            response.streaming_content = Body(response.streaming_content, visit)
    except Exception as error:
        client.faults.note("web.django", error)
    return response


async def _parts(visit: Visit, content: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The parts of an answer, each made in the session."""
    try:
        while True:
            with within(visit.session.context):
                try:
                    part = await content.__anext__()
                except StopAsyncIteration:
                    break
            yield part
        visit.is_complete = True
    except GeneratorExit:
        visit.is_gone = True
        raise
    except BaseException as error:
        visit.error = error
        raise
    finally:
        visit.end()

"""WSGI: a session for each request of any WSGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentops_otel.client import default as client
from agentops_otel.sessions.inheritance import within
from agentops_otel.web.visits import HEALTH, KEY, Rules, Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Environ = dict[str, Any]
    Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

VISIT = "agentops_otel.visit"


class WSGIMiddleware:
    """Runs each request in a session of its own, named after its method and path: `app = WSGIMiddleware(app)`.

    The session ends with the last byte of the answer: Success, Failure for an exception or a status of 5xx,
    Indeterminate for 4xx and for an answer that is not read to its end. Within, `environ["agentops_otel.session"]`
    is the session. `exclude`, `only`, `tags` and `join` are explained at `Rules`.
    """

    def __init__(
        self,
        app: Application,
        *,
        only: Sequence[str] = ("*",),
        exclude: Sequence[str] = HEALTH,
        tags: Any = None,
        join: bool = False,
    ) -> None:
        self.app = app
        self.rules = Rules(only=only, exclude=exclude, tags=tags, join=join)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        visit = self._opened(environ)
        if visit is None:
            return self.app(environ, start_response)

        def started(status: str, headers: Any, *exc_info: Any) -> Any:
            _note_status(visit, status)
            return start_response(status, headers, *exc_info)

        try:
            with within(visit.session.context):
                body = self.app(environ, started)
        except BaseException as error:
            visit.fail(error)
            raise
        return self._watched(visit, environ, body)

    def _opened(self, environ: Environ) -> Visit | None:
        try:
            path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
            visit = self.rules.open(
                environ["REQUEST_METHOD"], path.encode("latin-1").decode(errors="replace"), _headers(environ)
            )
            if visit is not None:
                environ[KEY], environ[VISIT] = visit.session, visit
            return visit
        except Exception as error:
            client.faults.note("web.wsgi", error)
            return None

    @staticmethod
    def _watched(visit: Visit, environ: Environ, body: Iterable[bytes]) -> Iterable[bytes]:
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            # All that there is to say is said, and servers look at what kind of thing it is.
            visit.is_complete = True
            visit.end()
            return body
        return Body(body, visit)


class Body:
    """What an application answers, watched: each part is made in the session, and the session ends with the last."""

    def __init__(self, body: Iterable[Any], visit: Visit) -> None:
        self._body = body
        self._parts: Iterator[Any] | None = None
        self._visit = visit

    def __iter__(self) -> Iterator[Any]:
        """Itself: an answer is read once."""
        return self

    def __next__(self) -> Any:
        """The next part."""
        visit = self._visit
        try:
            with within(visit.session.context):
                if self._parts is None:
                    self._parts = iter(self._body)
                return next(self._parts)
        except StopIteration:
            visit.is_complete = True
            visit.end()
            raise
        except BaseException as error:
            visit.fail(error)
            raise

    def close(self) -> None:
        """The server is done with it, at its end or before."""
        visit = self._visit
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                with within(visit.session.context):
                    close()
        except BaseException as error:
            visit.fail(error)
            raise
        visit.is_gone = not visit.is_complete
        visit.end()


def _note_status(visit: Visit, status: Any) -> None:
    code = str(status).partition(" ")[0]
    visit.status = int(code) if code.isdecimal() else None


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    return {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}

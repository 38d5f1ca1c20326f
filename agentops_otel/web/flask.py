"""Flask: a session for each request of an application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import got_request_exception, request, request_started

from agentops_otel.client import default as client
from agentops_otel.web.wsgi import VISIT, WSGIMiddleware

if TYPE_CHECKING:
    from flask import Flask


class Sessions:
    """Runs each request of a Flask application in a session: `Sessions(app)`, or `init_app` later.

    It is `WSGIMiddleware` around `app.wsgi_app`, which knows the rule of the URL and the exception behind a 500, too.
    Settings are those of the middleware.
    """

    def __init__(self, app: Flask | None = None, **settings: Any) -> None:
        self.settings = settings
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put it around this application, once."""
        if isinstance(app.wsgi_app, WSGIMiddleware):
            return
        replaceable: Any = app  # as Flask's documentation says, but not its types
        replaceable.wsgi_app = WSGIMiddleware(app.wsgi_app, **self.settings)
        request_started.connect(self._started, app)
        got_request_exception.connect(self._failed, app)

    # Signals hold their listeners weakly: these need none of an instance's life.

    @staticmethod
    def _started(sender: Any, **_: Any) -> None:
        del sender
        try:
            visit = request.environ.get(VISIT)
            if visit is not None and request.url_rule is not None:
                visit.route = request.url_rule.rule
        except Exception as error:
            client.faults.note("web.flask", error)

    @staticmethod
    def _failed(sender: Any, exception: BaseException | None = None, **_: Any) -> None:
        del sender
        try:
            visit = request.environ.get(VISIT)
            if visit is not None:
                visit.error = exception
        except Exception as error:
            client.faults.note("web.flask", error)

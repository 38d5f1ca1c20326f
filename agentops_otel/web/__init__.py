"""Web: a session for each request of a web application, whatever it is written with, and for each call of a function.

`fastapi`, `flask` and `django` are modules of their own, imported where those are installed.
"""

from agentops_otel.web.asgi import ASGIMiddleware
from agentops_otel.web.serverless import serverless
from agentops_otel.web.visits import HEALTH
from agentops_otel.web.wsgi import WSGIMiddleware

__all__ = ["HEALTH", "ASGIMiddleware", "WSGIMiddleware", "serverless"]

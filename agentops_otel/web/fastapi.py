"""FastAPI: a session for the routes that depend on it."""

from __future__ import annotations

from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI reads annotations

from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads annotations

from agentops_otel.sessions.session import Session  # noqa: TC001 - FastAPI reads annotations
from agentops_otel.web.visits import KEY, Rules

_RULES = Rules(exclude=())


async def agent_session(connection: HTTPConnection) -> AsyncIterator[Session | None]:
    """The session of this request: `session: Annotated[Session, Depends(agent_session)]`.

    Where `ASGIMiddleware` has begun one it is that one; else one begins here, and ends when the request is done:
    Success, or Failure where the route raised. An HTTPException counts by its status: 4xx is Indeterminate.
    From FastAPI 0.118 on a streamed answer is still part of it.
    """
    running = connection.scope.get(KEY)
    if running is not None:
        yield running
        return
    headers = {name: value for name, value in connection.headers.items()}  # noqa: C416 - of its own kind
    path = getattr(connection.scope.get("route"), "path", None) or connection.url.path
    visit = _RULES.open(connection.scope.get("method", "WEBSOCKET"), path, headers)
    if visit is None:
        yield None
        return
    visit.session.activate()
    try:
        yield visit.session
    except BaseException as error:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            visit.status = status
            visit.end()
        else:
            visit.fail(error)
        raise
    else:
        visit.status, visit.is_complete = 200, True
        visit.end()
    finally:
        visit.session.deactivate()

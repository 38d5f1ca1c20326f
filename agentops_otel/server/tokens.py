"""The exchange of a key for a token, which programs of AgentOps 0.4 begin with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agentops_otel.server.gate import peer_of
from agentops_otel.server.wire import IntakeError
from agentops_otel.store.keys import DEFAULT_PROJECT

if TYPE_CHECKING:
    from starlette.requests import Request

    from agentops_otel.server.keys import Keys

_LONGEST: Final = 10_000


def routes(keys: Keys) -> list[Route]:
    """`POST /v3/auth/token`: `{"api_key"}` becomes `{"token", "project_id", "project_prem_status"}`.

    The token is the key itself, taken as a bearer: it ends with the key, and is known wherever the key is.
    """

    async def exchange(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LONGEST:
                raise IntakeError('send {"api_key": "YOUR_KEY"} and nothing else', 413)
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = None
        key = told.get("api_key") if isinstance(told, dict) else None
        if not isinstance(key, str):
            raise IntakeError('send {"api_key": "YOUR_KEY"} as JSON', 400)
        project = keys.admit(key, peer_of(request.scope))
        return JSONResponse({"token": key, "project_id": project or DEFAULT_PROJECT, "project_prem_status": "free"})

    return [Route("/v3/auth/token", exchange, methods=["POST"], name="token")]

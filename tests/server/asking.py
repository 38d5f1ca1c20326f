"""Requests to the application, for tests."""

from __future__ import annotations

import httpx
from otlp_requests import PROTOBUF

KEY, OTHER_KEY = "01234567-89ab-cdef-0123-456789abcdef", "11111111-89ab-cdef-0123-456789abcdef"


def asker(app):
    """Ask the application one thing: `await ask("GET", "/", headers={...})`."""

    async def ask(method, path, **options):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:4318") as client:
            return await client.request(method, path, **options)

    return ask


def posted(body, content_type=PROTOBUF, **headers):
    """The options of a request that sends this."""
    return {"content": body, "headers": {"content-type": content_type, **headers}}

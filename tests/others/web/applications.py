"""The same small application, written with each framework: it asks a model, streams, fails, and refuses."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import django
from asgiref.sync import async_to_sync  # noqa: F401 - Django needs it loaded before threads
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from flask import Flask, Response, abort
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from agentops_otel import functions
from agentops_otel.web import ASGIMiddleware
from agentops_otel.web.fastapi import agent_session
from agentops_otel.web.flask import Sessions


def ask(name: str) -> None:
    """Stands for a model call: a span in the session of the context."""
    with functions.client.pipeline.tracer.start_as_current_span(name):
        pass


def parts(number: str) -> Any:
    for index in range(3):
        time.sleep(0.01)
        ask(f"part {number}")
        yield f"{index}".encode()


async def parts_async(number: str) -> Any:
    for index in range(3):
        await asyncio.sleep(0.01)
        ask(f"part {number}")
        yield f"{index}".encode()


def _routes(app: FastAPI) -> FastAPI:
    @app.get("/chat/{number}")
    async def chat(number: str):
        await asyncio.sleep(0.01)
        ask(number)
        return number

    @app.get("/sync/{number}")
    def sync(number: str):
        ask(number)
        return number

    @app.get("/stream/{number}")
    async def stream(number: str):
        ask(number)
        return StreamingResponse(parts_async(number))

    @app.get("/stream-sync/{number}")
    def stream_sync(number: str):
        ask(number)
        return StreamingResponse(parts(number))

    @app.get("/fails/{number}")
    async def fails(number: str):
        ask(number)
        raise ValueError("no")

    @app.get("/refuses/{number}")
    async def refuses(number: str):
        ask(number)
        raise HTTPException(418)

    @app.get("/health")
    async def health():
        return "well"

    return app


def fastapi() -> Any:
    app = _routes(FastAPI())
    app.add_middleware(ASGIMiddleware)
    return app


def fastapi_dependency() -> Any:
    return _routes(FastAPI(dependencies=[Depends(agent_session)]))


def fastapi_both() -> Any:
    app = FastAPI()
    app.add_middleware(ASGIMiddleware)

    @app.get("/chat/{number}")
    async def chat(number: str, session: Annotated[Any, Depends(agent_session)]):
        ask(number)
        session.add_tags(["asked"])
        return session.session_id

    return app


def starlette() -> Any:
    async def chat(request):
        ask(request.path_params["number"])
        return PlainTextResponse("x")

    def sync(request):
        ask(request.path_params["number"])
        return PlainTextResponse("x")

    async def stream(request):
        ask(request.path_params["number"])
        from starlette.responses import StreamingResponse as Streaming  # noqa: PLC0415

        return Streaming(parts_async(request.path_params["number"]))

    async def fails(request):
        ask(request.path_params["number"])
        raise ValueError("no")

    async def refuses(request):
        ask(request.path_params["number"])
        raise StarletteHTTPException(418)

    async def health(request):
        return PlainTextResponse("well")

    views = {"chat": chat, "sync": sync, "stream": stream, "fails": fails, "refuses": refuses}
    routes = [Route(f"/{name}/{{number}}", view) for name, view in views.items()]
    app = Starlette(routes=[*routes, Route("/health", health)])
    app.add_middleware(ASGIMiddleware)
    return app


def flask() -> Any:
    app = Flask("app")
    Sessions(app)

    @app.get("/chat/<number>")
    def chat(number):
        ask(number)
        return number

    @app.get("/stream/<number>")
    def stream(number):
        ask(number)
        return Response(parts(number))

    @app.get("/fails/<number>")
    def fails(number):
        ask(number)
        raise ValueError("no")

    @app.get("/refuses/<number>")
    def refuses(number):
        ask(number)
        abort(418)

    @app.get("/health")
    def health():
        return "well"

    return app


def _chat(request, number):
    ask(number)
    return HttpResponse(number)


async def _chat_async(request, number):
    await asyncio.sleep(0.01)
    ask(number)
    return HttpResponse(number)


def _stream(request, number):
    ask(number)
    return StreamingHttpResponse(parts(number))


async def _stream_async(request, number):
    ask(number)
    return StreamingHttpResponse(parts_async(number))


def _fails(request, number):
    ask(number)
    raise ValueError("no")


def _refuses(request, number):
    ask(number)
    return HttpResponse("x", status=418)


urlpatterns = [
    path("chat/<str:number>", _chat),
    path("sync/<str:number>", _chat),
    path("async/<str:number>", _chat_async),
    path("stream/<str:number>", _stream),
    path("stream-async/<str:number>", _stream_async),
    path("fails/<str:number>", _fails),
    path("refuses/<str:number>", _refuses),
    path("health", lambda _: HttpResponse("well")),
]


def _configured() -> None:
    if not settings.configured:
        settings.configure(
            DEBUG=False,
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=__name__,
            SECRET_KEY="x",
            MIDDLEWARE=["agentops_otel.web.django.SessionMiddleware"],
            LOGGING_CONFIG=None,
        )
        django.setup()


def django_wsgi() -> Any:
    _configured()
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - after the settings

    return get_wsgi_application()


def django_asgi() -> Any:
    _configured()
    from django.core.asgi import get_asgi_application  # noqa: PLC0415 - after the settings

    return get_asgi_application()

"""ASGI: a request is a session, whatever the application does, and the application sees what it would see without."""

from __future__ import annotations

import asyncio
import threading

import pytest

import agentops_otel
from agentops_otel.web import ASGIMiddleware
from agentops_otel.web.visits import KEY, Visit

START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}


def _start(status):
    return {**START, "status": status}


def _body(text=b"", *, more=False):
    return {"type": "http.response.body", "body": text, "more_body": more}


class Server:
    """What stands around an application: it gives these messages and keeps what is sent."""

    def __init__(self, *incoming):
        self.incoming = list(incoming) or [{"type": "http.request", "body": b"", "more_body": False}]
        self.sent = []

    async def receive(self):
        return self.incoming.pop(0)

    async def send(self, message):
        self.sent.append(message)

    async def run(self, app, path="/chat", method="POST", headers=(), **scope):
        told = {"type": "http", "method": method, "path": path, "headers": list(headers), **scope}
        await app(told, self.receive, self.send)
        return told


@pytest.fixture
def answer(ask):
    def make(*messages, **scope):
        async def app(told, receive, send):
            told.update(scope)
            ask()
            for message in messages:
                if isinstance(message, BaseException):
                    raise message
                await send(message)

        return app

    return make


class Route:
    path = "/chat/{id}"


OUTCOMES = [
    ([_start(200), _body(b"x")], "Success", None),
    ([_start(302), _body()], "Success", None),
    ([_start(404), _body()], "Indeterminate", "HTTP 404"),
    ([_start(503), _body()], "Failure", "HTTP 503"),
    ([_start(200), _body(b"a", more=True), _body(b"b", more=True), _body()], "Success", None),
    ([_start(200), {"type": "http.response.pathsend", "path": "/x"}], "Success", None),
    ([_start(200), _body(b"a", more=True)], "Success", None),
    ([], "Failure", "no answer"),
    ([{"type": "something new"}, _start(200), _body()], "Success", None),
]


@pytest.mark.parametrize(("messages", "state", "reason"), OUTCOMES)
async def test_the_end_state_is_that_of_the_answer(captured_sessions, answer, messages, state, reason):
    server = Server()
    await server.run(ASGIMiddleware(answer(*messages)))
    session = captured_sessions.only
    assert (session.end_state, session.end_state_reason, session.name) == (state, reason, "POST /chat")
    assert [span.name for span in session.spans] == ["asked"]
    assert server.sent == messages


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (ValueError("no"), "Failure", "ValueError: no"),
        (ValueError(), "Failure", "ValueError"),
        (asyncio.CancelledError(), "Indeterminate", "CancelledError"),
    ],
)
@pytest.mark.parametrize("before", [[], [START], [START, _body(b"x", more=True)]])
async def test_what_it_raises_is_raised(captured_sessions, answer, error, state, reason, before):
    with pytest.raises(type(error)) as caught:
        await Server().run(ASGIMiddleware(answer(*before, error)))
    assert caught.value is error
    assert (captured_sessions.only.end_state, captured_sessions.only.end_state_reason) == (state, reason)


async def test_an_error_after_the_last_byte_changes_nothing(captured_sessions, answer):
    with pytest.raises(ValueError, match="late"):
        await Server().run(ASGIMiddleware(answer(START, _body(), ValueError("late"))))
    assert captured_sessions.only.end_state == "Success"


async def test_a_session_ends_with_the_last_byte(captured_sessions, ask):
    async def app(scope, receive, send):
        session = scope[KEY]
        await send(START)
        await send(_body(b"x", more=True))
        ask("between")
        assert session.is_running
        await send(_body(b"y"))
        assert not session.is_running
        ask("late")  # as background tasks do

    await Server().run(ASGIMiddleware(app))
    (first, *_) = captured_sessions
    assert {span.name for span in first.spans} >= {"between"}
    assert len(captured_sessions) == 1


async def test_a_client_that_goes_away(captured_sessions, ask):
    async def app(scope, receive, send):
        await send(START)
        await send(_body(b"x", more=True))
        while (await receive())["type"] != "http.disconnect":
            ask()

    await Server({"type": "http.request"}, {"type": "http.disconnect"}).run(ASGIMiddleware(app))
    assert (captured_sessions.only.end_state, captured_sessions.only.end_state_reason) == (
        "Indeterminate",
        "the client has gone",
    )


async def test_a_client_that_goes_away_after_the_answer(captured_sessions, ask):
    async def app(scope, receive, send):
        await send(START)
        await send(_body(b"x"))
        await receive()

    await Server({"type": "http.disconnect"}).run(ASGIMiddleware(app))
    assert captured_sessions.only.end_state == "Success"


async def test_the_name_is_that_of_the_route(captured_sessions, answer):
    await Server().run(ASGIMiddleware(answer(START, _body(), route=Route())), path="/chat/7")
    assert captured_sessions.only.name == "POST /chat/{id}"


async def test_what_is_told_of_the_request(captured_sessions, answer):
    def root(captured):
        captured.all  # noqa: B018 - it delivers what waits
        return next(record for record in captured._records if record.is_session and record.end_time)

    await Server().run(ASGIMiddleware(answer(_start(404), _body(), route=Route())), path="/chat/7")
    told = root(captured_sessions).attributes
    assert {name: told[name] for name in told if name.startswith(("http.", "url."))} == {
        "http.request.method": "POST",
        "url.path": "/chat/7",
        "http.route": "/chat/{id}",
        "http.response.status_code": 404,
    }


@pytest.mark.parametrize("path", ["/health", "/healthz", "/health/db", "/metrics", "/ping"])
async def test_paths_that_watch_over_a_service_are_no_sessions(captured_sessions, answer, path):
    server = Server()
    await server.run(ASGIMiddleware(answer(START, _body())), path=path)
    assert (len(captured_sessions), server.sent) == (0, [START, _body()])


@pytest.mark.parametrize(
    ("settings", "path", "wanted"),
    [
        ({"exclude": ()}, "/health", True),
        ({"exclude": ["/static/*"]}, "/static/a/b.js", False),
        ({"only": ["/chat", "/agents/*"]}, "/agents/1", True),
        ({"only": ["/chat", "/agents/*"]}, "/chats", False),
        ({"only": ["*"], "exclude": ["*"]}, "/", False),
    ],
)
async def test_which_requests_are_sessions(captured_sessions, answer, settings, path, wanted):
    await Server().run(ASGIMiddleware(answer(START, _body()), **settings), path=path)
    assert len(captured_sessions) == wanted


async def test_tags(captured_sessions, answer):
    await Server().run(ASGIMiddleware(answer(START, _body()), tags=["web"]))
    assert captured_sessions.only.tags == ("web",)


async def test_an_application_may_end_its_session(captured_sessions):
    async def app(scope, receive, send):
        agentops_otel.add_tags(["mine"])
        agentops_otel.end_session("Failure", "not what was asked for")
        await send(START)
        await send(_body())

    await Server().run(ASGIMiddleware(app))
    session = captured_sessions.only
    assert (session.end_state, session.end_state_reason, session.tags) == (
        "Failure",
        "not what was asked for",
        ("mine",),
    )


async def test_requests_at_the_same_time_are_apart(captured_sessions, ask):
    async def app(scope, receive, send):
        for _ in range(3):
            await asyncio.sleep(0)
            ask(scope["path"])
            await asyncio.create_task(_asked_in_task(ask, scope["path"]))
        await send(START)
        await send(_body())

    await asyncio.gather(*(Server().run(ASGIMiddleware(app), path=f"/{number}") for number in range(50)))
    assert len(captured_sessions) == 50
    for session in captured_sessions:
        assert {span.name for span in session.spans} == {session.name.removeprefix("POST ")}
        assert len(session.spans) == 6


async def _asked_in_task(ask, name):
    ask(name)


async def test_nothing_is_left_current(captured_sessions, answer):
    await Server().run(ASGIMiddleware(answer(START, _body())))
    assert agentops_otel.functions.client.current(quiet=True) is None


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACED = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())


async def test_a_request_of_somebody_elses_trace_is_linked_to_it(captured_sessions, answer):
    await Server().run(ASGIMiddleware(answer(START, _body())), headers=[TRACED])
    assert captured_sessions.only.end_state == "Success"
    root = next(record for record in captured_sessions._records if record.is_session and record.end_time)
    assert [(link["trace_id"], link["span_id"]) for link in root.links] == [(TRACE, SPAN)]
    assert root.trace_id != TRACE
    assert root.parent_id is None


BAGGAGE = (b"baggage", b"agentops.session.id=0af76519-16cd-43dd-8448-eb211c80319c")


async def test_a_session_is_joined_only_where_that_is_allowed(captured_sessions, answer):
    await Server().run(ASGIMiddleware(answer(START, _body())), headers=[TRACED, BAGGAGE])
    assert captured_sessions.only.session_id.replace("-", "") != TRACE
    await Server().run(ASGIMiddleware(answer(START, _body()), join=True), headers=[TRACED, BAGGAGE])
    joined = captured_sessions[1]
    assert joined.session_id.replace("-", "") == TRACE
    assert [span.parent_id for span in joined.spans] == [SPAN]
    assert joined.end_state is None, "whoever began it ends it"


@pytest.mark.parametrize(
    "headers", [[(b"traceparent", b"nonsense")], [(b"\xff", b"\xff")], [(b"baggage", b"agentops.session.id=no")]]
)
async def test_headers_that_say_nothing(captured_sessions, answer, headers):
    await Server().run(ASGIMiddleware(answer(START, _body()), join=True), headers=headers)
    assert captured_sessions.only.end_state == "Success"


@pytest.mark.parametrize("scope", [{"type": "lifespan"}, {"type": "something.new"}])
async def test_what_is_no_request_passes(captured_sessions, scope):
    seen = []

    async def app(told, receive, send):
        seen.append((told, receive, send))

    server = Server()
    await ASGIMiddleware(app)(scope, server.receive, server.send)
    assert seen == [(scope, server.receive, server.send)]
    assert len(captured_sessions) == 0


SOCKETS = [
    ("left well", [], {"type": "websocket.disconnect", "code": 1000}, ("Success", None)),
    ("left in haste", [], {"type": "websocket.disconnect", "code": 1006}, ("Indeterminate", "the client has gone")),
    ("closed", [{"type": "websocket.close", "code": 1000}], None, ("Success", None)),
    ("failed", [{"type": "websocket.close", "code": 1011}], None, ("Failure", "HTTP 500")),
]


@pytest.mark.parametrize(("sent", "received", "outcome"), [row[1:] for row in SOCKETS], ids=[row[0] for row in SOCKETS])
async def test_websockets(captured_sessions, ask, sent, received, outcome):
    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})
        ask()
        for message in sent:
            await send(message)
        if received:
            await receive()

    server = Server(received)
    scope = {"type": "websocket", "path": "/ws", "headers": []}
    await ASGIMiddleware(app)(scope, server.receive, server.send)
    session = captured_sessions.only
    assert (session.end_state, session.end_state_reason) == outcome
    assert session.name == "WEBSOCKET /ws"


async def test_a_websocket_that_is_refused(captured_sessions, answer):
    scope = {"type": "websocket", "path": "/ws", "headers": []}
    server = Server()
    await ASGIMiddleware(answer({"type": "websocket.close", "code": 1000}))(scope, server.receive, server.send)
    assert captured_sessions.only.end_state_reason == "HTTP 403"


async def test_the_loop_is_not_kept_waiting(captured_sessions, answer, monkeypatch):
    """Ending a session may load prices: on a thread."""
    threads = []
    end = Visit.end
    monkeypatch.setattr(Visit, "end", lambda visit: (threads.append(threading.current_thread()), end(visit)))
    await Server().run(ASGIMiddleware(answer(START, _body())))
    assert threads
    assert threading.main_thread() not in threads

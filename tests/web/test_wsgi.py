"""WSGI: a request is a session that ends with the last byte, and the server gets what the application gave."""

from __future__ import annotations

from wsgiref.util import FileWrapper, setup_testing_defaults

import pytest

import agentops_otel
from agentops_otel.web import WSGIMiddleware
from agentops_otel.web.visits import KEY


def call(app, path="/chat", **environ):
    told = {"PATH_INFO": path, "REQUEST_METHOD": "POST", **environ}
    setup_testing_defaults(told)
    started = []
    return app(told, lambda *given: started.append(given)), started


def answering(body, status="200 OK", ask=None):
    def app(environ, start_response):
        if ask is not None:
            ask()
        start_response(status, [("a", "b")])
        return body

    return app


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("200 OK", "Success", None),
        ("204 ", "Success", None),
        ("404 Not Found", "Indeterminate", "HTTP 404"),
        ("500 Oh", "Failure", "HTTP 500"),
    ],
)
@pytest.mark.parametrize("kind", [list, tuple])
def test_a_whole_answer_ends_the_session_at_once(captured_sessions, ask, status, state, reason, kind):
    body = kind([b"x"])
    given, started = call(WSGIMiddleware(answering(body, status, ask)))
    assert given is body
    assert started == [(status, [("a", "b")])]
    session = captured_sessions.only
    assert (session.end_state, session.end_state_reason, session.name) == (state, reason, "POST /chat")
    assert [span.name for span in session.spans] == ["asked"]


def test_a_streamed_answer_ends_it_with_its_last_part(captured_sessions, ask):
    def app(environ, start_response):
        start_response("200 OK", [])
        for part in (b"a", b"b"):
            ask(part.decode())
            yield part

    given, _ = call(WSGIMiddleware(app))
    assert next(given) == b"a"
    assert captured_sessions.only.end_state is None
    assert agentops_otel.functions.client.current(quiet=True) is not None  # the only one
    assert list(given) == [b"b"]
    assert captured_sessions.only.end_state == "Success"
    assert [span.name for span in captured_sessions.only.spans] == ["a", "b"]
    given.close()
    assert len(captured_sessions) == 1


def test_an_answer_that_is_not_read_to_its_end(captured_sessions):
    closed = []

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    given, _ = call(WSGIMiddleware(app))
    next(given)
    given.close()
    assert closed == [True]
    assert (captured_sessions.only.end_state, captured_sessions.only.end_state_reason) == (
        "Indeterminate",
        "the client has gone",
    )


@pytest.mark.parametrize("when", ["before", "amid"])
def test_what_it_raises_is_raised(captured_sessions, when):
    error = ValueError("no")

    def amid():
        yield b"a"
        raise error

    def app(environ, start_response):
        if when == "before":
            raise error
        start_response("200 OK", [])
        return amid()

    with pytest.raises(ValueError) as caught:
        list(call(WSGIMiddleware(app))[0])
    assert caught.value is error
    assert captured_sessions.only.end_state_reason == "ValueError: no"


def test_a_file_stays_what_the_server_knows(captured_sessions, tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with (tmp_path / "x").open("rb") as file:
        wrapped = FileWrapper(file)
        given, _ = call(WSGIMiddleware(answering(wrapped)), **{"wsgi.file_wrapper": FileWrapper})
        assert given is wrapped
    assert captured_sessions.only.end_state == "Success"


def test_two_answers_read_in_turns_are_apart(captured_sessions, ask):
    def app(environ, start_response):
        start_response("200 OK", [])
        for _ in range(3):
            ask(environ["PATH_INFO"])
            yield b"x"

    made = WSGIMiddleware(app)
    answers = [call(made, f"/{number}")[0] for number in range(2)]
    for _ in range(3):
        for given in answers:
            next(given)
    for given in answers:
        given.close()
    for session in captured_sessions:
        assert [span.name for span in session.spans] == [session.name.removeprefix("POST ")] * 3


def test_the_session_is_in_the_environ(captured_sessions):
    def app(environ, start_response):
        environ[KEY].add_tags(["mine"])
        return answering([b""])(environ, start_response)

    call(WSGIMiddleware(app, tags="web"))
    assert captured_sessions.only.tags == ("web", "mine")


def test_paths_that_are_left_out(captured_sessions):
    body = iter([b"x"])
    assert call(WSGIMiddleware(answering(body)), "/healthz")[0] is body
    assert call(WSGIMiddleware(answering(body), only=["/a/*"]), "/b")[0] is body
    assert len(captured_sessions) == 0


@pytest.mark.parametrize("status", ["OK", ""])
def test_a_status_that_is_none(captured_sessions, status):
    _, started = call(WSGIMiddleware(answering([b""], status)))
    assert started[0][0] == status
    assert captured_sessions.only.end_state_reason == "no answer"


def test_a_path_in_no_encoding(captured_sessions):
    call(WSGIMiddleware(answering([b""])), "/caf\xe9")
    assert captured_sessions.only.name == "POST /caf�"


def test_start_response_gets_what_it_is_given(captured_sessions):
    seen = []

    def app(environ, start_response):
        write = start_response("500 Oh", [], (ValueError, ValueError("x"), None))
        write(b"x")
        return [b""]

    told = {"PATH_INFO": "/", "REQUEST_METHOD": "GET"}
    WSGIMiddleware(app)(told, lambda *given: seen.append(given) or seen.append)
    assert seen[0][2][0] is ValueError
    assert seen[1] == b"x"

"""Web frameworks with their servers: a request is a session from its first line to its last byte."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import applications
import httpx
import pytest
import servers

pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")

APPLICATIONS = {
    "fastapi": (applications.fastapi, servers.asgi),
    "fastapi dependency": (applications.fastapi_dependency, servers.asgi),
    "starlette": (applications.starlette, servers.asgi),
    "flask": (applications.flask, servers.wsgi),
    "django wsgi": (applications.django_wsgi, servers.wsgi),
    "django asgi": (applications.django_asgi, servers.asgi),
}
VIEWS = {
    "fastapi": ["chat", "sync", "stream", "stream-sync"],
    "fastapi dependency": ["chat", "sync", "stream", "stream-sync"],
    "starlette": ["chat", "sync", "stream"],
    "flask": ["chat", "stream"],
    "django wsgi": ["chat", "async", "stream"],
    "django asgi": ["chat", "sync", "async", "stream", "stream-async"],
}


def ended(captured, number=1):
    """That many sessions once all of them have ended: a session does so after its last byte has been sent."""
    for _ in range(200):
        found = captured.all
        if len(found) == number and all(session.end_state for session in found):
            return found
        time.sleep(0.05)
    raise AssertionError(captured)


@pytest.fixture(params=APPLICATIONS)
def name(request):
    return request.param


@pytest.fixture
def url(name, captured_sessions):
    make, serve = APPLICATIONS[name]
    with serve(make()) as told:
        yield told


def test_each_request_is_a_session(url, name, captured_sessions):
    views = VIEWS[name]
    with httpx.Client(base_url=url, timeout=30) as client:
        for number, view in enumerate(views):
            assert client.get(f"/{view}/{number}").status_code == 200
    for number, (view, session) in enumerate(zip(views, ended(captured_sessions, len(views)), strict=True)):
        assert session.end_state == "Success", session
        assert session.name.startswith(f"GET /{view}/")
        told = [span.name for span in session.spans]
        assert told == [str(number)] + ([f"part {number}"] * 3 if "stream" in view else [])


def test_requests_at_the_same_time_are_apart(url, name, captured_sessions):
    views = VIEWS[name]
    paths = [f"/{view}/{view}{number}" for number in range(6) for view in views]
    barrier = threading.Barrier(4)

    def fetch(some):
        with httpx.Client(base_url=url, timeout=30) as client:
            barrier.wait()
            assert [client.get(path).status_code for path in some] == [200] * len(some)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fetch, [paths[index::4] for index in range(4)]))
    for session in ended(captured_sessions, len(paths)):
        (number,) = {span.name.removeprefix("part ") for span in session.spans}
        assert session.end_state == "Success"
        paths.remove(f"/{number.rstrip('0123456789')}/{number}")
    assert paths == []


def test_what_a_view_raises_is_a_failure(url, captured_sessions):
    assert httpx.get(f"{url}/fails/1").status_code == 500
    (session,) = ended(captured_sessions)
    assert (session.end_state, session.end_state_reason) == ("Failure", "ValueError: no")
    assert [span.name for span in session.spans] == ["1"]


def test_what_a_view_refuses_is_no_failure(url, captured_sessions):
    assert httpx.get(f"{url}/refuses/1").status_code == 418
    (session,) = ended(captured_sessions)
    assert (session.end_state, session.end_state_reason) == ("Indeterminate", "HTTP 418")


def test_a_client_that_leaves_amid_the_answer(url, name, captured_sessions):
    with httpx.stream("GET", f"{url}/stream/1") as answer:
        next(answer.iter_raw())
    (session,) = ended(captured_sessions)
    # Whether anybody notices before the last part is the server's affair; what is said must be one of these.
    assert (session.end_state, session.end_state_reason) in {
        ("Success", None),
        ("Indeterminate", "the client has gone"),
        ("Indeterminate", "CancelledError"),
    }, session


@pytest.mark.parametrize("name", ["fastapi", "starlette", "flask", "django wsgi", "django asgi"], indirect=True)
def test_health_is_no_session(url, captured_sessions):
    assert httpx.get(f"{url}/health").status_code == 200
    assert len(captured_sessions) == 0


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("fastapi", "GET /chat/{number}"),
        ("fastapi dependency", "GET /chat/{number}"),
        ("flask", "GET /chat/<number>"),
        ("django wsgi", "GET /chat/<str:number>"),
    ],
    indirect=["name"],
)
def test_the_name_is_that_of_the_route(url, captured_sessions, route):
    httpx.get(f"{url}/chat/7")
    assert ended(captured_sessions)[0].name == route


def test_the_dependency_finds_the_session_of_the_middleware(captured_sessions):
    with servers.asgi(applications.fastapi_both()) as url:
        told = httpx.get(f"{url}/chat/1").json()
    (session,) = ended(captured_sessions)
    assert (session.session_id, session.tags, session.end_state) == (told, ("asked",), "Success")

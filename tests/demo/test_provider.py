"""Provider: the wire, the script and the end of it, with real clients and bare connections."""

from __future__ import annotations

import gc
import http.client
import itertools
import threading
import time
from contextlib import closing

import anthropic
import openai
import pytest

from agentops_otel.demo import bodies, streams
from agentops_otel.demo.provider import Answer, Provider

ASK = [{"role": "user", "content": "Where to?"}]
CHAT = {"model": "gpt-4o-mini", "messages": ASK}
MESSAGE = {"model": "claude-sonnet-4-6", "messages": ASK, "max_tokens": 100}


def openai_client(provider, kind=openai.OpenAI, **options):
    return kind(api_key="none", base_url=provider.openai_url, **options)


def anthropic_client(provider, kind=anthropic.Anthropic, **options):
    return kind(api_key="none", base_url=provider.anthropic_url, **options)


# --- The wire --------------------------------------------------------------------------------------


def connect(provider):
    return closing(http.client.HTTPConnection("127.0.0.1", int(provider.url.rsplit(":")[-1])))


def get(connection, path="/"):
    connection.request("GET", path)
    response = connection.getresponse()
    return response, response.read()


def test_requests_are_kept():
    with Provider([Answer.json(bodies.chat("Hi"))]) as provider, openai_client(provider) as client:
        client.chat.completions.create(**CHAT, extra_query={"a": "1"})
    (request,) = provider.requests
    assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", "a=1")
    assert request.headers["authorization"] == "Bearer none"
    assert request.body == CHAT
    assert provider.unanswered == []


@pytest.mark.parametrize("cut", [0, 2, 7])
def test_a_stream_can_break(cut):
    chunks = streams.chat_chunks(bodies.chat("One two three four."))
    seen = []
    # Which error a broken stream is told as has changed between versions of the client.
    with (
        Provider([Answer.sse(chunks, cut=cut)]) as provider,
        openai_client(provider) as client,
        pytest.raises(Exception, match=r"(?i)peer closed|incomplete|connection error"),
    ):
        seen.extend(client.chat.completions.create(**CHAT, stream=True))
    assert len(seen) == cut


def test_a_connection_can_drop_before_the_answer():
    with (
        Provider([Answer(cut=0)]) as provider,
        openai_client(provider, max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(**CHAT)


def test_a_slow_answer_times_out():
    answer = Answer(body="{}", delay=60)
    with (
        Provider([answer]) as provider,
        openai_client(provider, max_retries=0, timeout=0.1) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        client.chat.completions.create(**CHAT)


def test_chunks_arrive_one_by_one():
    second = threading.Event()

    def chunks():
        yield b"data: 1\n\n"
        assert second.wait(10)
        yield b"data: 2\n\n"

    with Provider([Answer(chunks=chunks())]) as provider, connect(provider) as connection:
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.readline() == b"data: 1\n"
        second.set()
        assert response.read() == b"\ndata: 2\n\n"


def test_a_reader_that_leaves_is_no_fault(capfd):
    endless = Answer(chunks=itertools.repeat(b"data: x\n\n" * 1000))
    with Provider([endless, Answer(body="next")]) as provider:
        with connect(provider) as connection:
            connection.request("GET", "/")
            with connection.getresponse() as response:
                response.read(100)
        with connect(provider) as connection:
            assert get(connection)[1] == b"next"
    assert capfd.readouterr() == ("", "")


def test_a_recorded_answer_is_replayed_as_it_was():
    headers = {"Content-Type": "text/event-stream", "x-request-id": "req_1", "content-length": "3"}
    answer = Answer(status=529, headers=headers, body="data: one\n\n")
    with Provider([answer]) as provider, connect(provider) as connection:
        response, body = get(connection)
    assert (response.status, body) == (529, b"data: one\n\n")
    assert sorted(response.headers.keys()) == ["content-length", "content-type", "x-request-id"]


def test_one_connection_carries_many_requests():
    with Provider(itertools.repeat(Answer(body="ok"))) as provider, connect(provider) as connection:
        ports = set()
        for _ in range(3):
            assert get(connection)[1] == b"ok"
            ports.add(connection.sock.getsockname()[1])
    assert len(ports) == 1


def test_a_request_in_chunks_is_read():
    with Provider(itertools.repeat(Answer(body="ok"))) as provider, connect(provider) as connection:
        connection.request("POST", "/", body=iter([b'{"a":', b" 1}"]), encode_chunked=True)
        assert connection.getresponse().read() == b"ok"
        assert get(connection)[1] == b"ok"
    assert [request.body for request in provider.requests] == [{"a": 1}, None]


# --- The script ------------------------------------------------------------------------------------


def test_an_exhausted_script_says_so_and_is_not_asked_again():
    with Provider([Answer.json(bodies.chat("Only one."))]) as provider, openai_client(provider) as client:
        client.chat.completions.create(**CHAT)
        with pytest.raises(openai.InternalServerError, match=r"exhausted.*POST /v1/chat/completions"):
            client.chat.completions.create(**CHAT)
    assert len(provider.requests) == 2
    assert [request.path for request in provider.unanswered] == ["/v1/chat/completions"]


def test_a_script_for_each_path():
    answers = {
        "/v1/messages": [Answer.json(bodies.message("From Anthropic."))],
        "/v1/chat/completions": lambda request: Answer.json(bodies.chat(request.body["model"])),
    }
    with Provider(answers) as provider:
        with openai_client(provider) as client:
            for _ in range(2):
                completion = client.chat.completions.create(**CHAT)
                assert completion.choices[0].message.content == "gpt-4o-mini"
            with pytest.raises(openai.InternalServerError, match="no answers for this path"):
                client.embeddings.create(model="text-embedding-3-small", input="a")
        with anthropic_client(provider) as client:
            assert client.messages.create(**MESSAGE).content[0].text == "From Anthropic."
            with pytest.raises(anthropic.InternalServerError, match="exhausted"):
                client.messages.create(**MESSAGE)
    assert [request.path for request in provider.unanswered] == ["/v1/embeddings", "/v1/messages"]


def test_a_script_that_fails_says_how():
    with Provider(lambda request: 1 / 0) as provider, connect(provider) as connection:
        response, body = get(connection, "/x")
    assert response.status == 500
    assert b"the script failed: ZeroDivisionError" in body
    assert b"(GET /x)" in body


def test_each_answer_is_given_once_to_many_clients():
    texts = [str(number) for number in range(40)]
    seen = []

    def ask():
        with connect(provider) as connection:
            seen.extend(get(connection)[1].decode() for _ in range(5))

    with Provider(Answer(body=text) for text in texts) as provider:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(seen, key=int) == texts


# --- The end ---------------------------------------------------------------------------------------


def ours():
    return [thread for thread in threading.enumerate() if thread.name.startswith("provider")]


def test_it_ends_at_once_with_open_connections_and_answers_under_way():
    provider = Provider([Answer(body="ok"), Answer(body="late", delay=60)]).start()
    with connect(provider) as idle, connect(provider) as waiting, connect(provider) as late:
        assert get(idle)[1] == b"ok"
        waiting.request("GET", "/")
        while len(provider.requests) < 2:
            time.sleep(0.001)
        begun = time.monotonic()
        provider.close()
        assert time.monotonic() - begun < 1
        assert ours() == []
        with pytest.raises(ConnectionRefusedError):
            late.request("GET", "/")
    gc.collect()  # a socket left open would warn here, and a warning is an error


def test_it_starts_once_and_closes_once():
    provider = Provider([])
    with pytest.raises(RuntimeError, match="not running"):
        provider.openai_url  # noqa: B018 - reading it is the test
    with provider:
        assert provider.start() is provider
        assert len(ours()) == 1
    provider.close()
    assert ours() == []


def test_addresses():
    with Provider([]) as provider:
        assert provider.openai_url == provider.url + "/v1"
        assert provider.anthropic_url == provider.url
        assert provider.url.startswith("http://127.0.0.1:")

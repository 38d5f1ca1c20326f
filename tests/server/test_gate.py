"""The gate: who is let in, with which key, from where."""

from __future__ import annotations

import hmac
import json

import pytest
from otlp_requests import JSON, PROTOBUF, protobuf_request
from server.asking import KEY, OTHER_KEY, asker, posted
from span_records import SESSION, llm, root

from agentops_otel.server.app import make_app
from agentops_otel.server.keys import Allowance, Keys
from agentops_otel.server.wire import IntakeError
from agentops_otel.store.keys import KeyFile

UNKNOWN = "ffffffff-ffff-ffff-ffff-ffffffffffff"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"X-Agentops-Api-Key": KEY}, 200),
        ({"x-agentops-api-key": OTHER_KEY}, 200),
        ({}, 401),
        ({"X-Agentops-Api-Key": ""}, 401),
        ({"X-Agentops-Api-Key": KEY[:-1]}, 401),
        ({"X-Agentops-Api-Key": KEY + "0"}, 401),
        ({"X-Agentops-Api-Key": "é".encode()}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"Authorization": f"bearer  {KEY}"}, 200),
        ({"Authorization": f"Bearer {KEY[1:]}"}, 401),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": f"Bearer {KEY}", "X-Agentops-Api-Key": KEY[1:]}, 401),
        ({"X-Agentops-Api-Key": KEY * 30_000}, 401),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/traces"),
        ("GET", "/v2/sessions"),
        ("GET", f"/v2/sessions/{SESSION}/stats"),
        ("GET", f"/v2/sessions/{SESSION}/export"),
    ],
)
async def test_keys(store, method, path, given, status):
    store.insert([root()])
    ask = asker(make_app(store, (OTHER_KEY, KEY)))
    answer = await ask(method, path, headers={"content-type": PROTOBUF, **given})
    assert answer.status_code == status
    if status == 401:
        assert "an accepted key is needed in the header X-Agentops-Api-Key" in answer.text
        assert KEY[1:] not in answer.text


@pytest.mark.parametrize("given", [KEY, OTHER_KEY, UNKNOWN, KEY[:-1] + "0", "x", "é", ""])
def test_35_each_key_is_compared_in_a_time_that_tells_nothing(monkeypatch, given):
    """Counted, for a difference of nanoseconds is not to be seen on a busy machine: digests, all of them, whole."""
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return hmac_compare(one, other)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr("hmac.compare_digest", compare)
    keys = Keys((KEY, OTHER_KEY))
    if given in (KEY, OTHER_KEY):
        assert keys.admit(given)
    else:
        with pytest.raises(IntakeError):
            keys.admit(given)
    assert len(compared) == 2
    assert len(set(compared)) == 1
    assert len(set(compared[0])) == 1


async def test_who_has_no_key_does_not_learn_what_is_there(store):
    store.insert([root()])
    ask = asker(make_app(store, (KEY,)))
    answers = [await ask("GET", path) for path in (f"/v2/sessions/{SESSION}/stats", f"/v2/sessions/{UNKNOWN}/stats")]
    answers.append(await ask("GET", "/nothing"))
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}


@pytest.mark.parametrize(
    ("host", "hosts", "status"),
    [
        ("localhost", (), 200),
        ("LocalHost:4318", (), 200),
        ("127.0.0.1:99", (), 200),
        ("[::1]", (), 200),
        ("[::1]:4318", (), 200),
        ("evil.example", (), 403),
        ("evil.example:4318", (), 403),
        ("localhost.evil.example", (), 403),
        ("localhost@evil.example", (), 403),
        ("127.0.0.1.evil.example", (), 403),
        ("[::1].evil.example", (), 403),
        ("[::2]", (), 403),
        ("0.0.0.0:4318", (), 403),
        ("", (), 403),
        ("box.example:4318", ("Box.example",), 200),
        ("[fe80::1]:4318", ("[fe80::1]",), 200),
        ("localhost", ("box.example",), 200),
        ("evil.example", ("box.example",), 403),
        ("any.example", ("*",), 200),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/v2/sessions"), ("POST", "/v1/traces")])
async def test_hosts(store, method, path, host, hosts, status):
    headers = {"host": host, "content-type": PROTOBUF}
    answer = await asker(make_app(store, hosts=hosts))(method, path, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:4318"}, 200),
        ({"origin": "http://localhost:4318", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://localhost"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://[oops"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_writes_of_other_sites(store, asked, headers, status):
    answer = await asked("POST", "/v1/traces", **posted(protobuf_request(root()), **headers))
    assert answer.status_code == status
    assert bool(store.sessions()) == (status == 200)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/v2/sessions"), ("GET", "/nothing"), ("OPTIONS", "/v1/traces")]
)
async def test_no_other_site_may_read(asked, method, path):
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    answer = await asked(method, path, headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


# --- Keys of a file, and their projects ---------------------------------------------------------------------


class Clock:
    """A clock that the test turns."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.001
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def file(tmp_path):
    return KeyFile(tmp_path / "sessions.db")


async def test_what_is_sent_with_a_key_belongs_to_its_project(store, file):
    one, other = file.add("one").text, file.add("other").text
    ask = asker(make_app(store, Keys(file=file)))
    body = protobuf_request(root(resource={"agentops.project.id": "somebody else's", "service.name": "s"}))
    for key, status in ((one, 200), (UNKNOWN, 401), (other, 200)):
        answer = await ask("POST", "/v1/traces", **posted(body, **{"x-agentops-api-key": key}))
        assert answer.status_code == status
    for project in ("one", "other"):
        (record,) = store.spans(SESSION, project)
        assert record.resource == {"agentops.project.id": project, "service.name": "s"}
    assert store.session(SESSION, "somebody else's") is None


async def test_without_keys_all_of_it_is_one_project(store, asked):
    """Else the spans of a service that names no project would be kept apart from the session that they are part of."""
    sent = protobuf_request(root(resource={"agentops.project.id": "mine"}), llm())
    await asked("POST", "/v1/traces", **posted(sent))
    row = store.session(SESSION)
    assert (row.project_id, row.llm_calls) == ("default", 1)


def test_keys_are_made_and_removed_while_the_server_runs(file, clock):
    keys = Keys(file=file, clock=clock)
    assert (keys.are_needed, keys.admit(None)) == (False, None)
    made = file.add("one")
    clock.now += 1
    assert keys.admit(made.text) == "one"
    with pytest.raises(IntakeError, match="keys add"):
        keys.admit(None)
    file.remove(made.key.id)
    clock.now += 1
    assert keys.admit(None) is None


def test_where_a_key_is_required_removing_the_last_one_opens_nothing(file, clock):
    keys = Keys(file=file, required=True, clock=clock)
    assert keys.are_needed
    for key in (None, "", UNKNOWN):
        with pytest.raises(IntakeError) as raised:
            keys.admit(key)
        assert raised.value.status == 401


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "keys": [{"id": 5}]}', '{"version": 2}']
)
def test_a_file_that_cannot_be_read_lets_nobody_in(file, clock, text):
    key = file.add().text
    keys = Keys(file=file, clock=clock)
    assert keys.admit(key) == "default"
    file.path.write_text(text)
    clock.now += 1
    for _ in range(3):
        with pytest.raises(IntakeError) as raised:
            keys.admit(key)
        assert raised.value.status == 503


async def test_too_many_wrong_keys_are_told_to_wait_and_right_ones_are_not(store):
    ask = asker(make_app(store, (KEY,)))
    answers = [await ask("GET", "/v2/sessions", headers={"x-agentops-api-key": UNKNOWN}) for _ in range(40)]
    assert [answer.status_code for answer in answers] == [401] * 30 + [429] * 10
    assert int(answers[-1].headers["retry-after"]) > 0
    assert answers[-1].json()["error"]["code"] == "too_many_requests"
    assert (await ask("GET", "/v2/sessions", headers={"x-agentops-api-key": KEY})).status_code == 200
    assert (await ask("GET", "/v2/sessions")).status_code == 401, "no key is no wrong key"


def test_the_allowance_comes_back(clock):
    allowance = Allowance(clock)
    used = [allowance.use("a") for _ in range(Allowance.BURST + 1)]
    assert used[:-1] == [None] * Allowance.BURST
    assert used[-1] == 2
    assert allowance.use("b") is None
    clock.now += 2
    assert (allowance.use("a"), allowance.use("a")) == (None, 2)
    clock.now += 1000
    assert [allowance.use("a") for _ in range(Allowance.BURST)] == [None] * Allowance.BURST


def test_no_more_peers_are_remembered_than_a_thousand(clock):
    allowance = Allowance(clock)
    for number in range(5 * Allowance.PEERS):
        allowance.use(str(number))
    assert len(allowance._full) == Allowance.PEERS


@pytest.mark.parametrize(
    ("path", "content_type", "is_status"),
    [("/v1/traces", PROTOBUF, True), ("/v1/logs", JSON, True), ("/v2/sessions", JSON, False)],
)
async def test_refusals_have_the_form_that_their_reader_knows(store, path, content_type, is_status):
    answer = await asker(make_app(store, (KEY,)))("POST", path, **posted(b"", content_type))
    assert (answer.status_code, answer.headers["content-type"]) == (401, content_type if is_status else JSON)
    if content_type == JSON:
        told = json.loads(answer.content)
        assert set(told) == ({"code", "message"} if is_status else {"error"})


# --- The exchange of the original ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "body", "status", "told"),
    [
        ((), {"api_key": "anything"}, 200, {"token": "anything", "project_id": "default"}),
        ((KEY,), {"api_key": KEY}, 200, {"token": KEY, "project_id": "default"}),
        ((KEY,), {"api_key": OTHER_KEY}, 401, {}),
        ((KEY,), {"api_key": 5}, 400, {}),
        ((KEY,), {}, 400, {}),
        ((KEY,), [], 400, {}),
        ((KEY,), {"api_key": "x" * 20_000}, 413, {}),
    ],
)
async def test_a_key_is_exchanged_for_a_token(store, keys, body, status, told):
    ask = asker(make_app(store, keys))
    answer = await ask("POST", "/v3/auth/token", json=body)
    assert answer.status_code == status
    assert told.items() <= answer.json().items()
    if status == 200:
        headers = {"authorization": f"Bearer {answer.json()['token']}"}
        assert (await ask("GET", "/v2/sessions", headers=headers)).status_code == 200

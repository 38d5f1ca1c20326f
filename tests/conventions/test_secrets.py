"""What counts as a secret, what does not, and that looking for it takes no longer the worse the text is."""

from __future__ import annotations

import json
import time

import pytest

from agentops_otel.conventions import secrets

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA75\n+x/y==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("sk-proj-abc123DEF456ghi789", "[secret]"),
        ("Incorrect API key provided: sk-ab****************3456.", "Incorrect API key provided: [secret]."),
        ("key sk-ant-api03-a_b-c1d2e3f4g5 is wrong", "key [secret] is wrong"),
        ("gsk_abcdefgh12345678", "[secret]"),
        ("sk_live_abcdefgh12345678", "[secret]"),
        ("Authorization: Bearer abc.def123-x", "Authorization: Bearer [secret]"),
        ("authorization: basic dXNlcjpwYXNz=", "authorization: basic [secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "aws_secret_access_key = [secret]"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[secret]"),
        ("ghp_0123456789abcdefghij0123456789abcdef", "[secret]"),
        ("hf_abcdefghijklmnopqrstuvwxyz", "[secret]"),
        ("xoxb-123456789012-abcdefghijkl", "[secret]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[secret]"),
        (f"before {PEM} after", "before [secret] after"),
        ("postgres://user:hunter2@db:5432/x", "postgres://user:[secret]@db:5432/x"),
        ('{"api_key": "0123456789abcdef0123"}', '{"api_key": "[secret]"}'),
        ("x-api-key: 0123456789abcdef0123", "x-api-key: [secret]"),
        ('{"a":"{\\"apiKey\\":\\"0123456789abcdef0\\"}"}', '{"a":"{\\"apiKey\\":\\"[secret]\\"}"}'),
    ],
)
def test_a_secret_is_masked(text, scrubbed):
    assert secrets.scrub(text) == scrubbed
    assert secrets.scrub(scrubbed) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a task-based approach to risk-management",
        "key-value-store-benchmark, pk-something-else, sk-learn-contributors",
        "Basic understanding of bearer certificates",
        "The api_key: see the documentation",
        "https://example.com:8080/path?x=1",
        "mail me@example.com or http://example.com/@me",
        "-----BEGIN PUBLIC KEY-----",
        "eyJ is how JSON begins in base64",
        "gpt-4o-mini claude-sonnet-4-6 chatcmpl-abc123def456 call_0123456789abcdef msg_0123456789",
    ],
)
def test_what_is_none_is_left_as_it_is(text):
    assert secrets.scrub(text) is text


@pytest.mark.parametrize(
    "secret", [PEM, "-----BEGIN PRIVATE KEY-----\nMIIcut", "sk-abcdef123456", "a://b:c@d", "Bearer 12345678"]
)
def test_json_stays_json(secret):
    text = json.dumps([{"role": "user", "content": f"it is {secret}"}, {"role": "assistant", "content": "fine"}])
    first, second = json.loads(secrets.scrub(text))
    assert secret not in first["content"]
    assert second == {"role": "assistant", "content": "fine"}


@pytest.mark.parametrize(
    "piece",
    ["eyJ", "-eyJ", "sk-", "sk-a", "a sk-*", "://", "://a:", "://a:b", "-----BEGIN PRIVATE KEY-----", "Bearer ", "Bearer a",
     "api_key:", "api_key: a", "AKIA", "secret_access_key=", "AIza", "ghp_", "eyJaaaaaaaa.", "key-", "basic a."],
)  # fmt: skip
def test_no_text_takes_long(piece):
    """Fault 42: a text of 2 MB that is made of beginnings of secrets."""
    text = piece * (2_000_000 // len(piece))
    begin = time.process_time()
    secrets.scrub(text)
    assert time.process_time() - begin < 5


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost:4318", "http://localhost:4318"),
        ("https://me:pass@host:1/v1/traces?api_key=x#y", "https://host:1/v1/traces"),
        ("https://a:b@c@host/", "https://host/"),
        ("host:4317", "host:4317"),
        ("me:pass@host:4317?x=1", "host:4317"),
        ("http://[::1:4318/", "http://[secret]"),
    ],
)
def test_a_url_is_shown_without_what_is_secret_in_it(url, shown):
    assert secrets.shown(url) == shown

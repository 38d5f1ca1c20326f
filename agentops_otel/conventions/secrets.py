"""What secrets look like in a text, in one table, and the text without them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

MASK: Final = "[secret]"

# Each pattern begins where a run of its characters begins and is bounded, so that it reads a text once,
# whatever the text is; none takes a quote, so that JSON stays JSON. A digit is asked for where words of a
# language would fit otherwise: "key-value-store" is none, "sk-learn" neither.
SHAPES: Final[tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]] = (
    (
        "API keys of model providers",
        ("sk-", "pk-", "rk-", "sk_", "pk_", "rk_", "gsk_", "gsk-", "xai-", "key-"),
        re.compile(r"(?<![\w*-])(?:sk|pk|rk|gsk|xai|key)[-_](?=[\w*-]{0,200}?[\d*])[\w*-]{8,}"),
    ),
    (
        "tokens of services",
        ("hf_", "r8_", "nvapi-", "pplx-", "tvly-", "lsv2_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_",
         "glpat-", "xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "pypi-", "npm_"),
        re.compile(
            r"(?<![\w-])(?:hf|r8|nvapi|pplx|tvly|lsv2|gh[opsur]|github_pat|glpat|xox[abeprs]|pypi|npm)[-_][\w-]{16,}"
        ),
    ),
    ("keys of Google", ("AIza",), re.compile(r"(?<![\w-])AIza[\w-]{30,}")),
    ("keys of AWS", ("AKIA", "ASIA", "ABIA", "ACCA"), re.compile(r"(?<!\w)A(?:KI|SI|BI|CC)A[A-Z0-9]{12,}")),
    (
        "secret keys of AWS",
        ("secret_access_key", "SecretAccessKey", "SECRET_ACCESS_KEY", "secretAccessKey"),
        re.compile(r"(?i)(?<=secret)(_?access_?key\W{1,6})[\w/+=]{40}"),
    ),
    (
        "what a header of authorization carries",
        ("Bearer", "bearer", "BEARER", "Basic ", "basic ", "BASIC "),
        re.compile(r"(?i)\b((?:bearer|basic)[ \t]{1,8})(?=[\w.~+/=*-]{0,400}?[\d*=])[\w.~+/=*-]{6,}"),
    ),
    (
        "keys by the name that they are sent under",
        ("api-key", "api_key", "apikey", "API-KEY", "API_KEY", "APIKEY", "Api-Key", "Api_Key", "apiKey", "ApiKey",
         "APIKey"),
        re.compile(
            r"(?i)(?<=api)([-_]?key\\?[\"']?[ \t]{0,3}[:=][ \t]{0,3}\\?[\"']?)(?=[\w.~+/*-]{0,200}?\d)[\w.~+/*-]{16,}"
        ),
    ),
    ("JSON web tokens", ("eyJ",), re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")),
    (
        "private keys",
        ("PRIVATE KEY-----",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[^-\"]|-(?!----)){0,20000}(?:-----END [A-Z ]{0,40}KEY-----)?"
        ),
    ),
    (
        "passwords in URLs",
        ("://",),
        re.compile(r"(?<=:/)(/[^\s/@:\"'\\]{0,256}:)[^\s/@\"'\\]{1,256}(?=@)"),
    ),
)  # fmt: skip
"""Name of the shape, the words without which it cannot be in a text, its pattern; a first group is kept."""


def scrub(text: str) -> str:
    """The text with `[secret]` for everything that has the shape of a secret; the same object if nothing has."""
    for _, words, pattern in SHAPES:
        if any(word in text for word in words):
            text = pattern.sub(_masked, text)
    return text


def _masked(match: re.Match[str]) -> str:
    return f"{match[1]}{MASK}" if match.re.groups else MASK


def shown(url: str) -> str:
    """The URL as it may be shown and kept: without user, password, query and fragment."""
    if "://" not in url:
        return url.rpartition("@")[2].partition("?")[0].partition("#")[0]
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://{MASK}"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

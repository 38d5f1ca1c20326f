"""What secrets look like in a text, in one table, and the text without them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        ("ecret_access_key", "ecretAccessKey", "ECRET_ACCESS_KEY"),
        re.compile(r"(?i)(?<=secret)(_?access_?key\W{1,6})[\w/+=]{40}"),
    ),
    (
        "what a header of authorization carries",
        ("earer", "EARER", "asic ", "ASIC "),
        re.compile(r"(?i)\b((?:bearer|basic)[ \t]{1,8})(?=[\w.~+/=*-]{0,400}?[\d*=])[\w.~+/=*-]{6,}"),
    ),
    (
        "keys by the name that they are sent under",
        ("api-key", "api_key", "API-KEY", "API_KEY", "Api-Key", "Api_Key", "pikey", "piKey", "PIKEY", "PIKey"),
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


_COMMON: Final = b" \t\n\"',.;()[]{}?!\\0134567abcdehijnoqrstuw"
"""What most of a text is made of. It may be left out of a text and of a word alike: what holds the word still does."""
_SIGNS: Final = b"-_:ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _essence(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").translate(None, _COMMON)


def _any_of(words: Iterable[bytes]) -> re.Pattern[bytes]:
    """A pattern that finds any of these by a sign in it, for signs are few; those of no word cost nothing."""
    by_sign: dict[bytes, list[bytes]] = {}
    for word in words:
        place = next(word.index(sign) for sign in _SIGNS if sign in word)
        before, sign, after = word[:place], word[place : place + 1], word[place + 1 :]
        behind = b"(?<=" + re.escape(before + sign) + b")" if before else b""
        by_sign.setdefault(re.escape(sign), []).append(behind + re.escape(after))
    return re.compile(b"|".join(sign + b"(?:" + b"|".join(told) + b")" for sign, told in by_sign.items()))


_WORDS: Final = {word: _essence(word) for _, words, _ in SHAPES for word in words}
_QUICK: Final = _any_of(sorted({told for told in _WORDS.values() if not set(told).isdisjoint(_SIGNS)}))
_SIGNLESS: Final = [word for word, told in _WORDS.items() if set(told).isdisjoint(_SIGNS)]


def is_suspect(text: str) -> bool:
    """Whether the text may hold a secret: False for nearly all, and that soon. `scrub` looks closer."""
    return _QUICK.search(_essence(text)) is not None or any(word in text for word in _SIGNLESS)


def scrub(text: str) -> str:
    """The text with `[secret]` for everything that has the shape of a secret; the same object if nothing has."""
    if not is_suspect(text):
        return text
    essence = _essence(text)
    for _, words, pattern in SHAPES:
        if any(_WORDS[word] in essence and word in text for word in words):
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

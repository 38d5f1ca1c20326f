"""Plain: any value as JSON that a span can carry, whatever the value is."""

from __future__ import annotations

import enum
import json
import sys
import threading
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from agentops_otel.conventions import plain
from agentops_otel.conventions.plain import described, error_type, text, to_json


def strict(value):
    """The JSON of a value, parsed by a parser that takes no NaN; it must be sendable as UTF-8."""
    written = to_json(value)
    written.encode()

    def refuse(constant):
        raise AssertionError(constant)

    return json.loads(written, parse_constant=refuse)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError("broken")


class Broken:
    def __str__(self):
        raise RuntimeError("broken")

    __repr__ = __str__


class Endless:
    def __str__(self):
        return str(self)


@dataclass
class Point:
    x: int
    y: Any = None
    secret: str = field(default="hush", repr=False)


@dataclass
class Slots:
    __slots__ = ("x",)
    x: int


class City(BaseModel):
    name: str
    twin: Any = None
    key: SecretStr | None = None


class Undumpable(BaseModel):
    x: int = 1

    def model_dump(self, **_):
        raise RuntimeError("broken")

    def __str__(self):
        return "undumpable"


class OldSignature(BaseModel):
    x: int = 1

    def model_dump(self):
        return {"x": self.x}

    def __str__(self):
        return "old"


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - as users write them
HUGE = 10**5000
RELEASED = memoryview(b"abc")
RELEASED.release()

VALUES = [
    (None, None),
    (True, True),
    (0, 0),
    (-1.5, -1.5),
    ("text", "text"),
    ("", ""),
    ("naïve ✓", "naïve ✓"),
    (float("nan"), "nan"),
    (float("inf"), "inf"),
    (float("-inf"), "-inf"),
    (2**63 - 1, 2**63 - 1),
    (2**63, str(2**63)),
    (-(2**63), str(-(2**63))),
    (HUGE, "<int>"),
    (1e308, 1e308),
    (b"\xff\x00", "<2 bytes>"),
    (bytearray(3), "<3 bytes>"),
    (memoryview(b"abcd"), "<4 bytes>"),
    ("a\ud800b", "a?b"),
    ({"a\ud800": "\udfff"}, {"a?": "?"}),
    ((1, 2), [1, 2]),
    ([1, [2, [3]]], [1, [2, [3]]]),
    ({1}, [1]),
    (frozenset({"x"}), ["x"]),
    ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "None": "b", "(1, 2)": "c"}),
    (OrderedDict(a=1), {"a": 1}),
    (Pair(1, 2), [1, 2]),
    (Color.RED, "red"),
    (Level.HIGH, 3),
    (Name("name"), "name"),
    ({Name("key"): 1}, {"key": 1}),
    (Decimal("1.50"), "1.50"),
    (date(2026, 11, 21), "2026-11-21"),
    (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
    (Slots(1), {"x": 1}),
    (Point, str(Point)),
    (City(name="Lisbon"), {"name": "Lisbon"}),
    ([City(name="a", twin=City(name="b"))], [{"name": "a", "twin": {"name": "b"}}]),
    (City(name="a", twin=float("nan")), {"name": "a", "twin": "nan"}),
    (City(name="a", key="topsecret"), {"name": "a", "key": "**********"}),
    (City(name="a", twin=b"\xff"), {"name": "a", "twin": "<1 bytes>"}),
    (City.model_construct(name=5), {"name": 5}),
    (Undumpable(), "undumpable"),
    (OldSignature(), "old"),
    (Broken(), "<Broken>"),
    ([1, Broken(), 2], [1, "<Broken>", 2]),
    ({Broken(): Broken()}, {"<Broken>": "<Broken>"}),
    (Endless(), "<Endless>"),
    (ValueError("x"), "x"),
    (len, str(len)),
]


@pytest.mark.parametrize(
    ("value", "expected"), VALUES, ids=[f"{n}-{type(v).__name__}" for n, (v, _) in enumerate(VALUES)]
)
def test_values(value, expected):
    assert strict(value) == expected
    assert strict({"in": [value]}) == {"in": [expected]}


def test_what_cannot_be_read_at_all():
    assert "memory" in strict(RELEASED)
    assert strict(threading.Lock()).startswith("<")


def test_a_dataclass_without_its_values():
    empty = object.__new__(Point)
    assert strict(empty) == {"x": None, "y": None}


# --- Iterators belong to the caller ----------------------------------------------------------------------


def counting():
    yield from range(3)


ITERATORS = [counting, lambda: iter([0, 1, 2]), lambda: map(int, "012"), lambda: (n for n in range(3))]


@pytest.mark.parametrize("make", ITERATORS)
@pytest.mark.parametrize(
    "within",
    [lambda it: it, lambda it: [it], lambda it: {"a": it}, lambda it: Point(1, it), lambda it: City(name="a", twin=it)],
    ids=["alone", "list", "dict", "dataclass", "pydantic"],
)
def test_iterators_are_not_read(make, within):
    iterator = make()
    assert "0, 1" not in to_json(within(iterator))
    assert list(iterator) == [0, 1, 2]


# --- Bounds ----------------------------------------------------------------------------------------------


def test_a_long_text_is_cut_and_says_so():
    told = strict("x" * 50_000_000)
    assert told == "x" * plain.TEXT_LIMIT + "…[truncated, 50000000 characters]"
    assert strict("x" * plain.TEXT_LIMIT) == "x" * plain.TEXT_LIMIT


def test_a_long_text_of_more_than_ascii_is_cut():
    assert len(text("é" * (plain.TEXT_LIMIT + 1))) < plain.TEXT_LIMIT + 50
    assert text("\ud800" * (plain.TEXT_LIMIT + 1)).startswith("???")


def test_depth_is_bounded():
    deep: Any = "end"
    for _ in range(5000):
        deep = [deep]
    told = strict(deep)
    for _ in range(plain.DEPTH_LIMIT):
        (told,) = told
    assert told == "…"


def test_depth_is_bounded_in_objects_too():
    point = Point(0)
    for number in range(5000):
        point = Point(number, point)
    assert len(to_json(point)) < 2000


def test_what_is_just_deep_enough_is_whole():
    deep: Any = "end"
    for _ in range(plain.DEPTH_LIMIT):
        deep = [deep]
    assert strict(deep) == deep


def cycles():
    itself: list[Any] = []
    itself.append(itself)
    told: dict[str, Any] = {}
    told["told"] = told
    point = Point(1)
    point.y = point
    city = City(name="a")
    city.twin = city
    return [itself, told, point, city]


@pytest.mark.parametrize("value", cycles(), ids=["list", "dict", "dataclass", "pydantic"])
def test_cycles_end(value):
    strict(value)
    assert len(to_json(value)) < 2000


def test_values_that_hold_each_other_many_times_over_end():
    many: Any = "laugh"
    for _ in range(20):
        many = [many] * 20
    assert len(to_json(many)) < plain.SIZE_LIMIT


def test_the_whole_is_bounded():
    big = ["x" * 900_000] * 100
    assert len(to_json(big)) < 1.2 * plain.SIZE_LIMIT
    assert len(to_json({str(n) + "k" * 900_000: 1 for n in range(30)})) < 1.2 * plain.SIZE_LIMIT
    assert strict(big)[-1] == "…[truncated, 100 items]"


def test_many_items_are_cut_and_say_so():
    told = strict(list(range(20_000)))
    assert told[:3] == [0, 1, 2]
    assert told[-1] == "…[truncated, 20000 items]"
    assert len(told) == 10_001
    assert strict({n: n for n in range(20_000)})["…"] == "[truncated, 20000 items]"
    assert len(strict(set(range(10_000)))) == 10_000


def test_the_original_stays_as_it_is():
    original = {"a": [1, {"b": (2, "\ud800")}]}
    plain.plain(original)
    assert original == {"a": [1, {"b": (2, "\ud800")}]}


def test_a_dict_that_changes_meanwhile():
    class Growing:
        def __str__(self):
            told[len(told)] = 1
            return "growing"

    told: dict[Any, Any] = {0: Growing()}
    assert isinstance(strict(told), str)


# --- Whatever it is --------------------------------------------------------------------------------------

SURROGATES = st.text(st.characters(), max_size=20)  # with lone surrogates
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    SURROGATES,
    st.binary(max_size=10),
    st.decimals(),
    st.dates(),
    st.uuids(),
    st.complex_numbers(),
    st.builds(Broken),
    st.builds(Endless),
    st.builds(counting),
    st.builds(lambda: HUGE),
    st.builds(lambda: RELEASED),
    st.sampled_from([Color.RED, Point]),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(SURROGATES, st.integers(), st.none()), inner, max_size=5),
        st.builds(Point, st.integers(), inner),
        st.builds(City, name=st.text(max_size=5), twin=inner),
    ),
    max_leaves=25,
)


@settings(deadline=None)
@given(ANYTHING)
def test_it_is_always_json(value):
    strict(value)


@given(ANYTHING)
def test_who_writes_it_makes_no_difference(value):
    assert "pydantic_core" in sys.modules
    here = to_json(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "pydantic_core")
        elsewhere = to_json(value)
    assert json.loads(here) == json.loads(elsewhere)
    assert here == elsewhere or any(sign in here for sign in ("e", "E")), "only long floats are written otherwise"


@given(SURROGATES)
def test_texts_are_always_sendable(value):
    told = text(value)
    assert told.encode().decode() == told
    assert len(told) == len(value)


@pytest.mark.parametrize(("value", "expected"), [("x", "x"), (5, "5"), (Broken(), "<Broken>"), ("\ud800", "?")])
def test_described(value, expected):
    assert described(value) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError(), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (json.JSONDecodeError("x", "", 0), "json.decoder.JSONDecodeError"),
    ],
)
def test_error_type(error, expected):
    assert error_type(error) == expected

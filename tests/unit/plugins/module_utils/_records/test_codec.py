# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON in and out: the same bytes from both libraries, and one kind of error."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records import codec

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@contextlib.contextmanager
def library(*, orjson: bool) -> Any:
    """Only the standard library, or orjson where it is installed."""
    before = codec.HAS_ORJSON
    codec.HAS_ORJSON = before and orjson
    try:
        yield
    finally:
        codec.HAS_ORJSON = before


@pytest.mark.parametrize(
    ("version", "fits"),
    [("3.9.14", False), ("3.9.15", True), ("3.10.0", True), ("4.0.0rc1", True), ("2.99.99", False), ("", False),
     ("3.9", False), ("nonsense", False)],
)  # fmt: skip
def test_an_orjson_that_crashes_at_deep_nesting_is_not_used(version: str, fits: bool) -> None:
    assert codec.orjson_fits(version) is fits


def test_deep_nesting_is_one_kind_of_error() -> None:
    for wanted in (False, True):
        with library(orjson=wanted), pytest.raises(ValueError):
            codec.loads(b"[" * 200_000)


both = pytest.mark.parametrize("orjson", [False, True], ids=["json", "orjson"])


@both
@given(value=VALUES)
def test_what_is_written_is_read_back(orjson: bool, value: Any) -> None:
    with library(orjson=orjson):
        assert codec.loads(codec.dumps(value)) == value


@given(VALUES)
def test_both_libraries_write_data_that_the_other_reads(value: Any) -> None:
    with library(orjson=False):
        plain = codec.dumps(value)
    with library(orjson=True):
        fast = codec.dumps(value)
        assert codec.loads(plain) == codec.loads(fast) == value


@pytest.mark.parametrize("value", [{"a": [1, "ä", None, True]}, "line\u2028", 0.1, 9.8, 1e16, 2**70, "\ud800", "\x7f"])
def test_both_libraries_write_the_same_bytes(value: Any) -> None:
    same_bytes(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(-0.001, 0.001) | st.integers(-(2**70), 2**70))
def test_both_libraries_write_and_read_numbers_alike(value: float) -> None:
    same_bytes({"number": [value, f"e-{value}"]})
    data = codec.dumps(value)
    read = []
    for orjson in (False, True):
        with library(orjson=orjson):
            read.append(codec.loads(data))
    assert read == [value, value]
    assert type(read[0]) is type(read[1])


def same_bytes(value: Any) -> None:
    for write in (codec.dumps, codec.dumps_sorted):
        with library(orjson=False):
            plain = write(value)
        with library(orjson=True):
            assert write(value) == plain


@both
@given(data=st.binary() | st.text().map(str.encode))
def test_no_bytes_break_the_reader(orjson: bool, data: bytes) -> None:
    with library(orjson=orjson), contextlib.suppress(ValueError):
        codec.loads(data)


@both
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a": 1} {"b": 2}',
        b"NaN",
        b"[Infinity]",
        b"\xff\xfe",
        b'"\xc3\x28"',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1e999",
        b'{"a": -1e999}',
    ],
    ids=["nothing", "half", "two", "nan", "infinity", "bom", "utf-8", "deep list", "deep object", "huge", "low"],
)
def test_what_is_not_one_json_document_is_a_value_error(orjson: bool, data: bytes) -> None:
    with library(orjson=orjson), pytest.raises(ValueError):
        codec.loads(data)


@both
def test_a_lone_surrogate_is_read_and_written_as_a_question_mark(orjson: bool) -> None:
    with library(orjson=orjson):
        assert codec.loads(b'"a\\ud800b"') == "a\ud800b"
        assert codec.dumps("a\ud800b") == b'"a?b"'


@both
def test_a_line_is_one_line_whatever_is_in_it(orjson: bool) -> None:
    with library(orjson=orjson):
        line = codec.dump_line({"text": "one\ntwo\r\u2028", "number": math.pi})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["text"] == "one\ntwo\r\u2028"


LONG = "12345678901234567890123456789012345678"
"""More digits than 64 bits have; Edgecast's ids are such texts."""
EXACT = [
    int(LONG),
    [-int(LONG), LONG],
    {"a": LONG, "b": {"c": [int(LONG)]}},
    {f"key {LONG}": 1, "b": int(LONG)},
    [f'a\\" {LONG}, ', int(LONG), f"\\ {LONG}"],
    [10**18, 10**19, -(2**63), 2**63, 2**64],
]


@both
@pytest.mark.parametrize("value", EXACT)
def test_long_numbers_keep_every_digit(orjson: bool, value: Any) -> None:
    with library(orjson=orjson):
        for data in (codec.dumps(value), json.dumps(value, indent=1).encode(), json.dumps([1, value, 2]).encode()):
            found = codec.loads(data)
            assert found in (value, [1, value, 2])
            assert json.loads(data) == found


TEXTS = [
    {"Event ID": LONG},
    {LONG: [LONG, f"{LONG}x", f"x{LONG}"]},
    [f"id: {LONG} ,", f', "{LONG}", ', f"[{LONG}]", f"\\{LONG}\\", f'\\"{LONG}\\"', f"-{LONG}"],
    {"url": f"https://shop.example/{LONG}?a={LONG}&b=:{LONG}"},
]


@pytest.mark.parametrize("value", TEXTS)
def test_long_digits_in_a_text_do_not_keep_a_page_from_the_fast_reader(value: Any) -> None:
    data = json.dumps(value).encode()
    assert not codec._has_long_number(data)
    assert codec.loads(data) == value


@given(VALUES, st.integers(10**18, 10**40), st.text('"\\\\,: []{}-0123456789e.', max_size=40))
def test_a_long_number_is_never_missed(value: Any, number: int, text: str) -> None:
    with library(orjson=True):
        document = [text, value, {text + "1" * 20: number, "b": [text, -number, text]}]
        assert codec.loads(json.dumps(document).encode()) == document


def test_looking_for_long_numbers_takes_time_in_proportion_to_the_data() -> None:
    digits = b"9" * 20
    for hostile in (b'"' + digits + b' \\"' * 200_000, b'"' * 400_000 + digits, (b'",' + digits) * 40_000):
        codec._has_long_number(hostile)


def test_a_uuid_that_reads_like_a_small_number_is_written_by_the_fast_writer() -> None:
    assert not codec._differs(b'{"id":"19a2105c-5081e-4f01-aa1d-556cb62c228e","b":"1e-7"}')
    assert codec._differs(b'{"b":-1.2345678901234567e-7}')
    assert codec._differs(b"[1e-7,2]")
    assert codec._differs(b"1e-7")


@pytest.mark.parametrize("orjson", [True, False])
def test_an_object_with_a_key_twice_is_refused_where_it_decides(orjson: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "HAS_ORJSON", orjson and codec.HAS_ORJSON)
    once = {"a": [{"b": 1}, {"b": 2}], "c": "\u00e9 \ud800", "d": 1e-7, "e": 10**20, "f": {"a": None}}
    for data in (
        codec.dumps(once),
        codec.dump_line(once),
        json.dumps(once).encode(),
        json.dumps(once, indent=1).encode(),
    ):
        assert codec.loads_unique(data) == codec.loads(data)
    for text in (
        '{"a":1,"a":2}',
        '{"a": 1, "a": 1}',
        '[{"x":{"a":1,"b":2,"a":3}}]',
        '{"a":1,"\\u0061":2}',
        ' {"a":1,"a":1} ',
        '{"":1,"":2}',
    ):
        with pytest.raises(codec.RepeatedKey, match="twice in one mapping"):
            codec.loads_unique(text.encode())
    for text in ("", "{", "NaN", "[" * 100_000, '{"a":1}{"a":1}'):
        with pytest.raises(ValueError):
            codec.loads_unique(text.encode())

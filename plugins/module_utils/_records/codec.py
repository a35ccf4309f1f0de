# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes JSON with ``orjson`` when it is installed, else with the standard library; both give the same bytes.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import json
import math
import re
import typing as t

ORJSON_SINCE = (3, 9, 15)
"""Older versions crash with a segmentation fault on a deeply nested document (CVE-2024-27454)."""


def orjson_fits(version: str) -> bool:
    """Whether this version of orjson is safe for hostile documents; False for a version that cannot be parsed."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return found is not None and tuple(map(int, found.groups())) >= ORJSON_SINCE


try:
    import orjson
except ImportError:
    HAS_ORJSON = False
else:
    HAS_ORJSON = orjson_fits(str(getattr(orjson, "__version__", "")))


_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_LONG = b"0" * 19
"""Integers with fewer digits fit in 64 bits, whatever their sign."""
_DIGITS = re.compile(rb"0+")
_MAY_PRECEDE = frozenset(b" \t\r\n:,[-+.eE")
"""Bytes that can precede the digits of a number. Inside a string, anything can precede and follow digits."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string, or one that is cut off. Each byte of a document is examined once."""

_SMALL_NUMBER = re.compile(rb"(?:\A|[:,\[])-?[0-9](?:\.[0-9]+)?e-[0-9]")
"""The beginning of a number such as 1e-7, in compact JSON."""
_LONGEST_FLOAT = 24
"""Characters before the exponent, including the one before the number."""


def _refuse_constant(word: str) -> t.NoReturn:
    raise ValueError(f"{word} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def loads(data: bytes) -> t.Any:
    """Parse one JSON document.

    Raises:
        ValueError: the data is not one whole JSON document in UTF-8, or is nested too deeply.
    """
    # orjson turns integers beyond 64 bits into floats, so an id would lose its last digits.
    if HAS_ORJSON and not _has_long_number(data):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            # orjson refuses lone surrogates, which occur in recorded attack traffic; the standard library reads them.
            pass
    try:
        return json.loads(data, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error


class RepeatedKey(ValueError):
    """An object has a key twice, so that what it says depends on who reads it."""


def unique_object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """An object of JSON, as an ``object_pairs_hook``.

    Raises:
        RepeatedKey: a key is there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _value in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RepeatedKey(f"the key {twice!r} twice in one mapping")
    return found


def loads_unique(data: bytes) -> t.Any:
    """As :func:`loads`, for what decides about something.

    Raises:
        RepeatedKey: an object has a key twice. Readers take the first of them, or the last.
        ValueError: as :func:`loads`.
    """
    value = loads(data)
    # What is written as we write it has no key twice. Only another form is read once more, which takes longer.
    if not HAS_ORJSON or dumps(value) != data.strip():
        try:
            json.loads(data, object_pairs_hook=unique_object)
        except RecursionError as error:
            raise ValueError("the document is nested too deeply") from error
    return value


def _has_long_number(data: bytes) -> bool:
    """Whether a document may contain a number of 19 digits or more. Digits in strings, such as ids, do not count."""
    zeros = data.translate(_ZEROS)
    start = zeros.find(_LONG)
    while start >= 0:
        end = _end_of_digits(zeros, start)
        # Most ids fill their string, so checking the neighbouring bytes is enough.
        inside = zeros[end : end + 1] == b'"' or (start > 0 and zeros[start - 1] not in _MAY_PRECEDE)
        if not inside:
            return _LONG in _STRING.sub(b"", zeros)
        start = zeros.find(_LONG, end)
    return False


def _end_of_digits(zeros: bytes, start: int) -> int:
    found = _DIGITS.match(zeros, start)
    return start if found is None else found.end()


def dumps(value: t.Any) -> bytes:
    """Return a value as compact UTF-8 JSON; characters that are not valid Unicode are replaced by ``?``."""
    if HAS_ORJSON:
        try:
            data = orjson.dumps(value)
        except orjson.JSONEncodeError:
            # The standard library can write lone surrogates and integers beyond 64 bits.
            pass
        else:
            if not _differs(data):
                return data
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def _differs(data: bytes) -> bool:
    """Whether the standard library may write other bytes: the data contains a small number, or similar text."""
    # The search first, because this runs for every record; the expression then, because one UUID in ten contains "e-".
    place = data.find(b"e-")
    while place > 0:
        if _SMALL_NUMBER.search(data, max(0, place - _LONGEST_FLOAT), place + 6):
            return True
        place = data.find(b"e-", place + 2)
    return b"0.0000" in data


def dumps_sorted(value: t.Any) -> bytes:
    """Return :func:`dumps` with the keys of every object sorted: the same bytes for the same value, for hashing."""
    if HAS_ORJSON:
        try:
            data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:
            pass
        else:
            if not _differs(data):
                return data
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)
    return text.encode("utf-8", "replace")


def dump_line(value: t.Any) -> bytes:
    """Return a value as a line of NDJSON, newline included."""
    return dumps(value) + b"\n"

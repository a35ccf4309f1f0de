# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON in and out: ``orjson`` when it is there, the standard library otherwise, with the same bytes from both.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import json
import math
import typing as t

try:
    import orjson
except ImportError:
    HAS_ORJSON = False
else:
    HAS_ORJSON = True


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
    if HAS_ORJSON:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            # orjson refuses lone surrogates, which occur in recorded attack traffic; the standard library decides.
            pass
    try:
        return json.loads(data, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error


def dumps(value: t.Any) -> bytes:
    """One value as compact UTF-8 JSON; text that is not valid Unicode has its bad characters replaced by ``?``."""
    if HAS_ORJSON:
        try:
            return orjson.dumps(value)
        except orjson.JSONEncodeError:
            # Lone surrogates, or integers beyond 64 bits; the standard library copes with both.
            pass
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def dumps_sorted(value: t.Any) -> bytes:
    """As :func:`dumps`, with the keys of every object in order: the same bytes for the same value, for hashing."""
    if HAS_ORJSON:
        try:
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:
            pass
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)
    return text.encode("utf-8", "replace")


def dump_line(value: t.Any) -> bytes:
    """One value as a line of NDJSON, newline included."""
    return dumps(value) + b"\n"

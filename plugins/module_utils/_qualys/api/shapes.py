# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The irregular shapes of Qualys' JSON, made regular (docs/vendors/qualys_was.md 3.2).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import typing as t

SOURCE = "qualys"
"""The name of the service in records."""

Raw = dict[str, t.Any]


def truth(value: t.Any) -> bool | None:
    """A boolean, which Qualys writes as text; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


_DOUBLE = re.compile(r"\s*([+-]?[0-9]+)\.0+\s*")
"""A whole number that was written as a double, such as ``12345670.0``."""


def number(value: t.Any) -> int | None:
    """A whole number, which Qualys writes as a number, also a double, or as text."""
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        double = _DOUBLE.fullmatch(value) if isinstance(value, str) else None
        return int(double[1]) if double else None


def decimal(value: t.Any) -> float | None:
    """A finite decimal number, which Qualys writes as a number or as text."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def score(value: t.Any) -> float | None:
    """A number that may have decimals, such as a score; a whole one has none, however it is written."""
    whole = number(value)
    if whole is not None:
        return whole
    found = decimal(value)
    return int(found) if found is not None and found.is_integer() else found


def text(value: t.Any) -> str | None:
    """A text; also the text of an element with attributes, which is an object with ``value``."""
    # Nearly every value is a text already, and this runs a few dozen times for each record.
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = value.get("value")
        if isinstance(value, str):
            return value
    if value is None or isinstance(value, (list, dict)):
        return None
    return word_of(value)


def word_of(value: t.Any) -> str:
    """A value as text, in which a whole number has no decimals, although it came as a double."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def items(collection: t.Any, wrapper: str = "list") -> list[t.Any]:
    """What a collection holds, without the wrappers.

    A collection is ``{"count": 2, "list": [{"Tag": {...}}, {"Tag": {...}}]}``; of scalars ``{"list": [79]}``; an
    empty one has no list, and a single item may stand without one.
    """
    if not isinstance(collection, dict):
        return []
    found = collection.get(wrapper)
    if found is None:
        return []
    return [_unwrapped(item) for item in (found if isinstance(found, list) else [found])]


def _unwrapped(item: t.Any) -> t.Any:
    # An element name starts with a capital letter, a property of an element does not.
    if isinstance(item, dict) and len(item) == 1:
        (name,) = item
        if name[:1].isupper():
            return item[name]
    return item


def decoded(value: t.Any) -> str | None:
    """Base64 text, padding optional.

    A text that is not base64 stands for itself. So does one whose decoding is not UTF-8: words such as ``username`` are
    base64 too, of bytes that nobody meant.
    """
    encoded = text(value)
    data = _bytes_in(encoded)
    try:
        return encoded if data is None else data.decode("utf-8")
    except UnicodeDecodeError:
        return encoded


def decoded_loosely(value: t.Any) -> str | None:
    """As :func:`decoded`, but bytes that are not UTF-8 become replacement characters."""
    encoded = text(value)
    data = _bytes_in(encoded)
    return encoded if data is None else data.decode("utf-8", "replace")


def _bytes_in(encoded: str | None) -> bytes | None:
    """What base64 stands for; None for a text that is not base64."""
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def user_name(user: t.Any) -> str | None:
    """How a user is called: user name, else id."""
    if not isinstance(user, dict):
        return None
    return text(user.get("username")) or text(user.get("id"))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions that read the irregular values of Qualys' JSON (docs/vendors/qualys_was.md 3.2).

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
    """Return a boolean, which Qualys may write as text; None for any other value."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


_DOUBLE = re.compile(r"\s*([+-]?[0-9]+)\.0+\s*")
"""A whole number as text with decimals, such as ``12345670.0``."""


def number(value: t.Any) -> int | None:
    """Return a whole number, which Qualys writes as an integer, a double or text; None for any other value."""
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        double = _DOUBLE.fullmatch(value) if isinstance(value, str) else None
        return int(double[1]) if double else None


def decimal(value: t.Any) -> float | None:
    """Return a finite number, which Qualys writes as a number or as text; None for any other value."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def score(value: t.Any) -> float | None:
    """Return a number that may have decimals, such as a score; an int if it is whole, and None for any other value."""
    whole = number(value)
    if whole is not None:
        return whole
    found = decimal(value)
    return int(found) if found is not None and found.is_integer() else found


def text(value: t.Any) -> str | None:
    """Return a value as text; None if it has none. The text of an element with attributes is in its ``value``."""
    # Nearly every value is a str, and this runs a few dozen times for each record.
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
    """Return a scalar as text. A whole number has no decimals, even if Qualys sent a double."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def items(collection: t.Any, wrapper: str = "list") -> list[t.Any]:
    """Return the items of a collection, without their wrappers.

    A collection is ``{"count": 2, "list": [{"Tag": {...}}, {"Tag": {...}}]}``, or ``{"list": [79]}`` for scalars. An
    empty one has no list, and a single item may come without a list around it.
    """
    if not isinstance(collection, dict):
        return []
    found = collection.get(wrapper)
    if found is None:
        return []
    return [_unwrapped(item) for item in (found if isinstance(found, list) else [found])]


def _unwrapped(item: t.Any) -> t.Any:
    # Element names start with a capital letter, properties do not.
    if isinstance(item, dict) and len(item) == 1:
        (name,) = item
        if name[:1].isupper():
            return item[name]
    return item


def decoded(value: t.Any) -> str | None:
    """Decode base64 text, with or without padding.

    Text that is not base64 is returned unchanged. So is text whose decoded bytes are not UTF-8: plain words such as
    ``username`` are valid base64 too.
    """
    encoded = text(value)
    data = _bytes_in(encoded)
    try:
        return encoded if data is None else data.decode("utf-8")
    except UnicodeDecodeError:
        return encoded


def decoded_loosely(value: t.Any) -> str | None:
    """Decode as :func:`decoded` does, but replace bytes that are not UTF-8 with replacement characters."""
    encoded = text(value)
    data = _bytes_in(encoded)
    return encoded if data is None else data.decode("utf-8", "replace")


def _bytes_in(encoded: str | None) -> bytes | None:
    """Return the decoded bytes; None for text that is not base64."""
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def user_name(user: t.Any) -> str | None:
    """Return the user name of a user, else the id; None if there is neither."""
    if not isinstance(user, dict):
        return None
    return text(user.get("username")) or text(user.get("id"))

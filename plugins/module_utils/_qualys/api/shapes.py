# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The irregular shapes of Qualys' JSON, made regular (docs/vendors/qualys_was.md 3.2).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import binascii
import math
import typing as t

Raw = dict[str, t.Any]


def truth(value: t.Any) -> bool | None:
    """A boolean, which Qualys writes as text; None for anything else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def number(value: t.Any) -> int | None:
    """A whole number, which Qualys writes as a number or as text."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def decimal(value: t.Any) -> float | None:
    """A finite decimal number, which Qualys writes as a number or as text."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def text(value: t.Any) -> str | None:
    """A text; also the text of an element with attributes, which is an object with ``value``."""
    # Nearly every value is a text already, and this runs a few dozen times for each record.
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = value.get("value")
        if isinstance(value, str):
            return value
    return None if value is None or isinstance(value, (list, dict)) else str(value)


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
    """Base64 text, padding optional; a text that is not base64 stands for itself."""
    encoded = text(value)
    if not encoded:
        return encoded
    try:
        data = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return encoded
    return data.decode("utf-8", "replace")


def user_name(user: t.Any) -> str | None:
    """How a user is called: user name, else id."""
    if not isinstance(user, dict):
        return None
    return text(user.get("username")) or text(user.get("id"))

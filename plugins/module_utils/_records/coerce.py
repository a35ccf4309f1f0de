# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts values of parsed JSON, whose type cannot be relied on, to the types of a record. Nothing here raises.

This module is private to the collection and may change at any time.

A vendor may write a number as text in one answer and as a number in the next, and a file may have been edited. A value
that cannot be converted becomes None (or empty), so that the caller decides what an unknown value means.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

LONGEST = 4096
"""Characters of a :func:`bounded` text."""
_DIGITS = 32
LARGEST = 2**53
"""Numbers from here on are implausible, and JSON readers do not agree on them."""

_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,16}\s*")
_TRUTH = {"true": True, "false": False}


def text(value: t.Any) -> str | None:
    """A text, or a number as text; None for null, an empty text and anything else."""
    # Nearly every value is a text, and this runs for dozens of values of each of a million records.
    if value.__class__ is str:
        return value or None
    if value is None or isinstance(value, (bool, dict, list)):
        return None
    return str(value) or None


def bounded(value: t.Any) -> str | None:
    """Like :func:`text`, with a limited length: for names and ids, whose length a file must not decide.

    A longer text is cut and ends in a hash of the whole, so that two texts that differ only at the end stay different.
    Applying the function to its result changes nothing.
    """
    word = text(value)
    if word is None or len(word) <= LONGEST:
        return word
    digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{word[: LONGEST - _DIGITS - 1]}~{digest}"


def texts(value: t.Any) -> list[str]:
    """The texts of a list, without items that are not text. A value that is not a list counts as a list of one."""
    return [found for item in (value if isinstance(value, list) else [value]) if (found := text(item)) is not None]


def whole(value: t.Any) -> int | None:
    """A whole number, also from text or with a zero fraction; None for anything else."""
    if value.__class__ is int:
        found: int = value
    elif isinstance(value, str):
        if _WHOLE.fullmatch(value) is None:
            return None
        found = int(value)
    elif isinstance(value, float) and value.is_integer():
        found = int(value)
    else:
        return None
    return found if -LARGEST < found < LARGEST else None


def number(value: t.Any) -> float | None:
    """A number as it is; None for anything else, and for numbers that are out of range, infinities included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if abs(value) < LARGEST else None


def score(value: t.Any) -> float | None:
    """A number that may have decimals; a whole one is a whole number, also where it is written as text."""
    found = whole(value)
    return number(value) if found is None else found


def truth(value: t.Any) -> bool | None:
    """A boolean, also from text; None for anything else."""
    if isinstance(value, bool):
        return value
    return _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None


def items(value: t.Any) -> list[t.Any]:
    """The list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def mapping(value: t.Any) -> dict[str, t.Any]:
    """The object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How text that an attacker may have written is shown: visible escapes, clipping, ages and labels.

This module is private to the collection and may change at any time.

The rules here hold for every format; each writer adds the escaping of its own format on top.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import typing as t

from .._base.log_text import HIDDEN
from .._records import times

HOUR = datetime.timedelta(hours=1)

_HIDDEN = re.compile(f"[{HIDDEN}]")
_HIDDEN_IN_BLOCK = re.compile(_HIDDEN.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in _NAMED:
        return _NAMED[character]
    number = ord(character)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def visible(text: str) -> str:
    """The text on one line, with everything invisible or line-breaking written as an escape such as ``\\x1b``."""
    # isprintable() is false for a few harmless characters too; the expression then decides.
    if text.isprintable():
        return text
    return _HIDDEN.sub(_escape, text)


def visible_block(text: str) -> str:
    """As :func:`visible`, but line feeds and tabs stay: for evidence, which is read as it was sent."""
    return _HIDDEN_IN_BLOCK.sub(_escape, text.replace("\r\n", "\n"))


def json_text(value: t.Any) -> str:
    """A value as compact ASCII JSON in which no CI system finds a command: ``##vso[`` occurs only in strings."""
    return without_commands(_ENCODE(value))


# json.dumps would make an encoder for each of millions of values.
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def without_commands(encoded: str) -> str:
    """JSON in which no CI system finds a command."""
    # A number sign occurs only inside strings, where this is the same text.
    return encoded.replace("##", "#\\u0023") if "##" in encoded else encoded


_CLIPPED = re.compile(r"… \[(\d{1,12}) more characters\]\Z")


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters of the text, with the number of those cut off, also by an earlier call."""
    if len(text) <= limit:
        return text
    left = len(text) - limit
    earlier = _CLIPPED.search(text)
    if earlier and earlier.start() >= limit:
        left = earlier.start() - limit + int(earlier[1])
    return f"{text[:limit]}… [{left} more characters]"


def line(text: str | None, limit: int = 0) -> str:
    """One visible line of a value that may be missing; ``limit`` 0 does not clip."""
    if not text:
        return ""
    if limit and len(text) > limit:
        text = clip(text, limit)
    # As in visible(): this is called for each text of each finding, by each format.
    return text if text.isprintable() else _HIDDEN.sub(_escape, text)


read_time = functools.lru_cache(maxsize=65536)(times.read_time)
"""See :func:`.times.read_time`; cached, because a report reads most times more than once."""


def whole_seconds(value: str | None) -> str | None:
    """The time as ``YYYY-MM-DDTHH:MM:SSZ``, or None when the value is not a time."""
    moment = read_time(value)
    return None if moment is None else f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def age_in_days(first_seen: str | None, now: str | None) -> int | None:
    """Whole days from ``first_seen`` to ``now``; 0 when it lies in the future, None when either is unknown."""
    start, end = read_time(first_seen), read_time(now)
    if start is None or end is None:
        return None
    return max(0, (end - start).days)


def readable_time(value: str | None) -> str:
    """A time for people: ``2026-11-20 09:12 UTC``. A value that is not a time is shown as it is."""
    moment = read_time(value)
    if moment is None:
        return line(value, 40) or "not known"
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes") + " UTC"


def readable_date(value: str | None) -> str:
    """The day of a time, or an empty text."""
    moment = read_time(value)
    return line(value, 40) if moment is None else moment.date().isoformat()


def number(value: float) -> str:
    """A count with thousands separators."""
    return f"{value:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 finding``, ``2 findings``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times and durations: parsed in one place and written in one form (UTC, ISO-8601, ``Z``, fractions only if given).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import re

_CANONICAL = re.compile(
    r"(?!0000)[0-9]{4}-"
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
)
"""Matches times that are certainly canonical; 29 February has to be checked with the calendar."""

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def utc_text(moment: dt.datetime) -> str:
    """Return an aware time as ``YYYY-MM-DDTHH:MM:SSZ``; fractions are kept."""
    moment = moment.astimezone(dt.UTC)
    return moment.isoformat().replace("+00:00", "Z")


def utc_now() -> dt.datetime:
    """The current time, UTC."""
    return dt.datetime.now(dt.UTC)


def now_text() -> str:
    """The current time, UTC, to the second."""
    return utc_text(utc_now().replace(microsecond=0))


def parse_time(text: str) -> dt.datetime:
    """Parse an ISO-8601 date or time to an aware UTC time; a time without a zone is UTC.

    Raises:
        ValueError: the text is not an ISO-8601 date or time, or is outside of the years 1 to 9999 in UTC.
    """
    moment = dt.datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is outside of the calendar") from error


def read_time(value: object) -> dt.datetime | None:
    """A time of a record, parsed with :func:`parse_time`; None when it is missing or not a time."""
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def canonical_time(text: str | None) -> str | None:
    """Return a vendor's time in canonical form; None for None and for a text that is not a time."""
    if not text:
        return None
    # Nearly every vendor time is canonical already, and this runs several times for each record.
    if _CANONICAL.fullmatch(text):
        return text
    try:
        return utc_text(parse_time(text))
    except ValueError:
        return None


def parse_duration(text: str) -> float:
    """Parse a duration such as ``90s``, ``15m``, ``12h``, ``7d`` or ``2w`` to seconds.

    Raises:
        ValueError: the text is not a number with one of the units s, m, h, d, w.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration: give a number with s, m, h, d or w, such as 7d")
    return float(match.group(1)) * _UNIT_SECONDS[match.group(2)]

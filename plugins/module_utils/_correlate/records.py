# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts rows of the join to match records.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt

from .._records.files.duck import Row
from .._records.model import SCHEMA, Match, MatchClass
from .._records.times import utc_text


def match_of(row: Row) -> Match:
    """Return the match record for a row of :func:`join.rows`."""
    source, own_id, unique_id, _severity, family, host_events, events, stopped = row[:8]
    first, last, by_parameter, scanner, ids, addresses = row[8:]
    return {
        "record": "match",
        "schema": SCHEMA,
        "finding": {"source": source, "id": own_id, "unique_id": unique_id},
        "class": class_of(events, stopped, scanner=scanner),
        "outcome": None
        if scanner or not events
        else "blocked"
        if stopped == events
        else "mixed"
        if stopped
        else "allowed",
        "strength": None if not events else "parameter" if by_parameter else "path",
        "family": family or None,
        "events": {"count": events, "first": _time(first), "last": _time(last), "ids": list(ids or [])},
        "sources": list(addresses or []),
        "host_events": max(0, host_events),
    }


def class_of(events: int, stopped: int, *, scanner: bool) -> MatchClass:
    """The class of a finding by its events: any event that was not stopped makes it attacked."""
    if not events:
        return "unobserved"
    if scanner:
        return "scanner_only"
    return "blocked" if stopped == events else "attacked_not_blocked"


def _time(moment: dt.datetime | None) -> str | None:
    return None if moment is None else utc_text(moment.replace(tzinfo=dt.UTC))

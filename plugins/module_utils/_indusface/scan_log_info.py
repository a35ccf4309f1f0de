# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs of a day or a range of days, with their findings (docs/vendors/indusface_was.md 3, 7).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from .._base.errors import OptionError
from .._records.model import Finding, Scan
from .._records.query import Query
from .._records.result import Result
from .client import Days, IndusfaceClient
from .normalise import ScanLogNormaliser
from .rows import Row, alert_keys, log_day_of, scan_key, scan_rows_of

Options = t.Mapping[str, t.Any]


def run(params: Options, client: IndusfaceClient, check_mode: bool) -> Result:
    """Logic of ``indusface_scan_log_info``. It only reads, so check mode makes no difference."""
    query = Query(params.get("query"))
    days = asked_days(params)
    limit = params.get("limit")
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1, not {limit}.")
    found, messages, outside = _read(client, days, chunk_days(params))
    shown = found[:limit]
    normaliser = ScanLogNormaliser(keep_sensitive=params["sensitive"] == "keep", include_raw=params["include_raw"])
    scans: list[Scan] = [normaliser.scan(row) for row in shown]
    findings: list[Finding] = [normaliser.finding(row, alert) for row in shown for _key, alert in alert_keys(row)]
    values = {
        "scan_logs": scans,
        "findings": query(findings),
        "total": len(found),
        "truncated": len(shown) < len(found),
        "messages": messages,
        "unknown_values": dict(normaliser.unknown),
    }
    return Result(values=values, warnings=outside_warning(outside))


def _read(client: IndusfaceClient, days: Days, chunk: int) -> tuple[list[Row], list[str], int]:
    """Return the scan logs of the days, oldest first, the vendor's messages, and how many were of other days."""
    found: dict[str, Row] = {}
    messages: dict[str, None] = {}
    outside = 0
    for part in chunks(days, chunk):
        answer = client.scan_logs(part)
        if answer.message:
            messages[answer.message] = None
        for row in scan_rows_of(answer.rows):
            day = log_day_of(row.fields.get("ScanDate"))
            # Whether the bounds are inclusive is not documented, so the days are looked at here too.
            if day is not None and day not in part:
                outside += 1
            else:
                found[scan_key(row)] = row
    return list(found.values()), list(messages), outside


def outside_warning(outside: int) -> list[str]:
    """A warning about scan logs of days that were not requested."""
    if not outside:
        return []
    return [f"Indusface sent {outside} scan logs of days that were not asked for; they were left out."]


def asked_days(params: Options) -> Days:
    """Return the days that ``date``, or ``from_date`` and ``to_date``, name; both bounds are included.

    Raises:
        OptionError: a value is not a day, or the days are in the wrong order.
    """
    if params.get("date"):
        day = _day(params["date"], "date")
        return Days(day, day)
    first, last = _day(params["from_date"], "from_date"), _day(params["to_date"], "to_date")
    if first > last:
        raise OptionError(f"from_date ({first}) is after to_date ({last}).", hint="Both days are included.")
    return Days(first, last)


def _day(text: str, option: str) -> dt.date:
    day = log_day_of(text.strip())
    if day is None:
        raise OptionError(f"{option}: {text!r} is not a day.", hint="Give YYYY-MM-DD, such as 2026-03-14.")
    return day


def chunk_days(params: Options) -> int:
    """Return how many days one call requests.

    Raises:
        OptionError: it is less than one or more than 366.
    """
    chunk = params.get("chunk_days")
    if chunk is None:
        return 1
    if not 1 <= chunk <= 366:
        raise OptionError(f"chunk_days must be from 1 to 366, not {chunk}.")
    return int(chunk)


def chunks(days: Days, size: int) -> t.Iterator[Days]:
    """Divide the days into parts of at most ``size`` days, oldest first."""
    first = days.first
    while True:
        last = first + dt.timedelta(days=min(size - 1, (days.last - first).days))
        yield Days(first, last)
        if last == days.last:
            return
        first = last + dt.timedelta(days=1)

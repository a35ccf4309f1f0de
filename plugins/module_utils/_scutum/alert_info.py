# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defence logs: a listing, or one log with its request and response (docs/vendors/scutum_waf.md 3).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import typing as t

from .._base.errors import OptionError
from .._records.model import Event
from .._records.query import Query
from .._records.result import Result
from .._records.times import utc_now, utc_text
from .client import AlertQuery, ScutumClient
from .fields import parse, whole_second
from .listing import pages
from .normalise import AlertNormaliser

RETENTION = dt.timedelta(days=365)
"""Scutum keeps the logs of the past year (docs/vendors/scutum_waf.md 5)."""

Options = t.Mapping[str, t.Any]


def run(
    params: Options, client: ScutumClient, check_mode: bool, clock: t.Callable[[], dt.datetime] = utc_now
) -> Result:
    """Logic of ``scutum_alert_info``. It only reads, so check mode makes no difference."""
    query = Query(params.get("query"))
    normaliser = AlertNormaliser(
        client.connection.host,
        client.connection.id,
        keep_sensitive=params["sensitive"] == "keep",
        include_raw=params["include_raw"],
    )
    if params.get("log_id"):
        raw = client.detail(params["log_id"])
        alert = normaliser.event(raw, "read") if raw is not None else None
        return _result([alert] if alert else [], normaliser, query, alert=alert, truncated=False)
    warnings: list[str] = []
    listing = _listing(params, clock(), warnings)
    events, truncated = _read(client, listing, _limit(params), normaliser)
    result = _result(events, normaliser, query, alert=None, truncated=truncated)
    result.warnings += warnings
    return result


def _read(
    client: ScutumClient, listing: AlertQuery, limit: int | None, normaliser: AlertNormaliser
) -> tuple[list[Event], bool]:
    """Return the alerts in the order of the listing, and whether there are more than the limit."""
    events: dict[str, Event] = {}
    for number, page in enumerate(pages(client, listing)):
        for place, raw in enumerate(page.rows):
            event = normaliser.event(raw)
            # After an expired marker, some logs repeat; a log without an id is always kept.
            key = event["id"] or f"{number}/{place}"
            if limit is not None and len(events) >= limit and key not in events:
                return list(events.values()), True
            events.setdefault(key, event)
        if limit is not None and len(events) >= limit:
            # Calls are scarce: none is spent on a page that is not needed.
            return list(events.values()), page.marker is not None
    return list(events.values()), False


def _limit(params: Options) -> int | None:
    limit = params.get("limit")
    if limit is not None and limit < 1:
        raise OptionError(f"limit must be at least 1, not {limit}.")
    return t.cast("int | None", limit)


def _listing(params: Options, now: dt.datetime, warnings: list[str]) -> AlertQuery:
    start = parse(params["from"], "from") if params.get("from") else None
    end = parse(params["to"], "to") if params.get("to") else whole_second(now)
    oldest = whole_second(now) - RETENTION
    if start is not None and end <= oldest:
        raise OptionError(
            f"to ({utc_text(end)}) is more than a year ago, and Scutum keeps the logs of the past year.",
            hint=f"The kept logs begin at {utc_text(oldest)}.",
        )
    if start is not None and start < oldest:
        warnings.append(
            "from is more than a year ago. Scutum keeps the logs of the past year,"
            f" so reading begins at {utc_text(oldest)}."
        )
        start = oldest
    if start is not None and start >= end:
        raise OptionError(
            f"from ({utc_text(start)}) is not before to ({utc_text(end)}).",
            hint="from is inclusive and to is exclusive; times without an offset are Japan time.",
        )
    return AlertQuery(order=params["time_order"], start=start, end=end, ip=checked_address(params.get("ip")))


def checked_address(ip: str | None) -> str | None:
    """Return an address in the form that Scutum compares.

    Raises:
        OptionError: it is a network, has a wildcard, or is not an address.
    """
    if not ip:
        return None
    try:
        ipaddress.ip_address(ip)
    except ValueError:
        raise OptionError(
            f"ip: {ip!r} is not an address.", hint="Scutum takes one address, without mask or wildcard."
        ) from None
    return ip


def _result(
    events: list[Event], normaliser: AlertNormaliser, query: Query, *, alert: Event | None, truncated: bool
) -> Result:
    values = {
        "alerts": query(events),
        "alert": alert,
        # Scutum announces no total, so it is known only when everything was read.
        "total": None if truncated else len(events),
        "truncated": truncated,
        "unknown_values": dict(normaliser.unknown),
    }
    return Result(values=values)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries events: those of a span of time, one page, one event, or the list of fields.

This module is private to the collection and may change at any time.

See docs/vendors/edgecast_waf.md 3.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import OptionError
from .._records.query import Query
from .._records.result import Result
from .._records.times import parse_time, utc_text
from .._vendor.client import Raw
from .client import MAX_PAGE_SIZE, Bounds, EdgecastClient, EventPage, Filters, check_filters
from .fields import event_id_of
from .listing import read_pages
from .normalise import EventNormaliser

Options = t.Mapping[str, t.Any]

_DAY = dt.timedelta(days=1)


@dataclasses.dataclass
class _FoundEvents:
    """What was read; ``total`` is None when the service does not say how many events match."""

    events: list[Raw] = dataclasses.field(default_factory=list)
    total: int | None = 0
    truncated: bool = False
    pages: int | None = None
    bounds: Bounds | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)


def run(params: Options, client: EdgecastClient, check_mode: bool) -> Result:
    """Logic of ``edgecast_waf_event_info``. It only reads, so check mode makes no difference."""
    query = Query(params.get("query"))
    normaliser = EventNormaliser(
        keep_sensitive=params["sensitive"] == "keep", include_raw=params["include_raw"], raw_as=lambda raw: raw
    )
    _check(params)
    fields: list[Raw] = []
    if params["fields"]:
        fields, found = client.fields(), _FoundEvents()
    elif params.get("event_id") is not None:
        found = _one(client, params["event_id"])
    else:
        found = _span(params, client)
    span = found.bounds
    return Result(
        values={
            "events": query([normaliser.event(raw) for raw in found.events]),
            "fields": fields,
            "total": found.total,
            "truncated": found.truncated,
            "pages": found.pages,
            "time_from": utc_text(span.start) if span else None,
            "time_to": utc_text(span.end) if span else None,
            "unknown_values": dict(sorted(normaliser.unknown.items())),
        },
        warnings=found.warnings,
    )


def _check(params: Options) -> None:
    limit, page, page_size = (params.get(name) for name in ("limit", "page", "page_size"))
    if limit is not None and limit < 0:
        raise OptionError("limit must not be negative.")
    if page is not None and page < 1:
        raise OptionError("page must be 1 or more.")
    if page_size is not None and not 1 <= page_size <= MAX_PAGE_SIZE:
        raise OptionError(f"page_size must be 1 to {MAX_PAGE_SIZE}, not {page_size}.")


def _one(client: EdgecastClient, event_id: str) -> _FoundEvents:
    if not event_id.strip():
        raise OptionError("event_id is empty.", hint="Give details.event_id of an event, or its id.")
    raw = client.event(event_id.strip())
    return _FoundEvents([raw] if raw else [], 1 if raw else 0)


def _span(params: Options, client: EdgecastClient) -> _FoundEvents:
    bounds = bounds_of(params.get("start_time"), params.get("end_time"), dt.datetime.now(dt.UTC))
    filters = check_filters(params.get("event_filters"))
    page_size = params.get("page_size") or MAX_PAGE_SIZE
    if params.get("page") is not None:
        return _page(client, bounds, filters, params["page"], page_size)
    found = _FoundEvents(bounds=bounds)
    seen: set[str] = set()
    limit = params.get("limit")
    for events in read_pages(client, bounds, filters, page_size, warnings=found.warnings):
        for raw in events:
            key = event_id_of(raw)
            if key in seen:
                continue
            if limit is not None and len(found.events) >= limit:
                found.truncated = True
                break
            seen.add(key)
            found.events.append(raw)
        if found.truncated:
            break
    found.total = len(found.events)
    if found.truncated:
        # The service counts the events of a span, but not those that match filters.
        found.total = None if filters else client.count(bounds)
    return found


def _page(client: EdgecastClient, bounds: Bounds, filters: Filters, number: int, page_size: int) -> _FoundEvents:
    page = client.page(bounds, filters, number, page_size)
    found = _FoundEvents(page.events, pages=page.page_of, bounds=_reported(page, bounds))
    found.truncated = page.page_of > 1
    if page.page_of <= 1:
        found.total = len(page.events) if number == 1 else None
    elif number == page.page_of:
        found.total = (number - 1) * page_size + len(page.events)
    else:
        found.total = None
    if found.total is None and not filters:
        found.total = client.count(bounds)
    return found


def _reported(page: EventPage, asked: Bounds) -> Bounds:
    """The span of time that the service says it looked at; what was asked for where it says nothing."""
    try:
        start, end = (
            default if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
            for seconds, default in ((page.time_from, asked.start), (page.time_to, asked.end))
        )
    except (ValueError, OverflowError, OSError):
        return asked
    return Bounds(start, end)


def bounds_of(start_time: str | None, end_time: str | None, now: dt.datetime) -> Bounds:
    """Return the span of time that the options describe; by default the 24 hours before now, frozen.

    Raises:
        OptionError: only one of the two is given, one is not a time, or they are in the wrong order.
    """
    if not start_time and not end_time:
        end = now.replace(microsecond=0)
        return Bounds(end - _DAY, end)
    if not start_time or not end_time:
        raise OptionError(
            "start_time and end_time go together.", hint="Give both; without either, the last 24 hours are meant."
        )
    start, end = _moment("start_time", start_time), _moment("end_time", end_time)
    if end.microsecond:
        end += dt.timedelta(seconds=1)
    start, end = start.replace(microsecond=0), end.replace(microsecond=0)
    if start >= end:
        raise OptionError("start_time must be before end_time.")
    return Bounds(start, end)


def _moment(name: str, written: str) -> dt.datetime:
    try:
        return parse_time(written)
    except ValueError:
        raise OptionError(
            f"{name}: {written!r} is not a time.", hint="Give a UTC date or time such as 2026-01-31T08:00:00."
        ) from None

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of a listing, from the first to the last (docs/vendors/scutum_waf.md 6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import BadResponse, IncompleteRead, VendorError
from .._vendor.client import Raw
from .client import AlertPage, AlertQuery, ScutumClient
from .fields import log_time

MAX_PAGES = 10_000
"""Ten million logs. A listing that has not ended by then never will."""
MAX_RESTARTS = 3
"""How often a listing may be restarted from the same place."""
_EXPIRED = frozenset({"400", "404", "410", "422"})
"""Statuses with which a marker may be refused. The vendor does not document how long a marker is valid."""


def pages(client: ScutumClient, listing: AlertQuery) -> t.Iterator[AlertPage]:
    """Every log of the listing, page by page. After an expired marker, logs may come twice.

    Raises:
        BadResponse: the marker repeats, or the listing does not end.
        IncompleteRead: a page lacked logs, twice.
        PerimeterError: a call failed.
    """
    restarts, read = 0, 0
    marker: str | None = None
    last: dt.datetime | None = None
    seen: set[str] = set()
    while read < MAX_PAGES:
        try:
            page = _whole_page(client, listing, marker)
        except VendorError as error:
            if marker is None or error.code not in _EXPIRED or restarts == MAX_RESTARTS:
                raise
            moved = _from_there(listing, last)
            restarts = restarts + 1 if moved == listing else 0
            listing, marker, seen = moved, None, set()
            continue
        read += 1
        yield page
        last = _last_time(page.rows) or last
        marker = page.marker
        if marker is None:
            return
        if marker in seen:
            raise BadResponse(
                "Scutum gave the same next_marker twice, so the listing would not end.",
                hint="Nothing of this window was kept. Try again later.",
            )
        seen.add(marker)
    raise BadResponse(f"Scutum's listing did not end within {MAX_PAGES} pages.", hint="Ask for a shorter time.")


def _whole_page(client: ScutumClient, listing: AlertQuery, marker: str | None) -> AlertPage:
    """A page with as many logs as its ``count`` says; when it lacks some it is asked for once more."""
    for _attempt in range(2):
        page = client.page(listing, marker)
        if page.whole:
            return page
    raise IncompleteRead(
        "Scutum's count differs from the number of logs in the page, twice.", hint="Try again later.", code="count"
    )


def _from_there(listing: AlertQuery, last: dt.datetime | None) -> AlertQuery:
    """The rest of a listing, from the last log that was read: its second is read again, as others may share it."""
    if last is None:
        return listing
    last = last.replace(microsecond=0)
    if listing.order == "asc":
        return dataclasses.replace(listing, start=last)
    return dataclasses.replace(listing, end=min(listing.end, last + dt.timedelta(seconds=1)))


def _last_time(rows: list[Raw]) -> dt.datetime | None:
    return log_time(rows[-1].get("ts")) if rows else None

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the open findings of each application by severity, without storing findings.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t
from collections import Counter, defaultdict

from ..._base.errors import IncompleteRead
from ..._reconcile.apply import every
from ..api.client import MAX_PAGE, QualysClient
from ..api.criteria import Criterion
from ..api.listing import IDS_PER_SEARCH, IdWindow, Listing, ListingTally
from ..api.shapes import Raw, number, text, truth
from .finding_fields import SEVERITY_LEVELS

OPEN = ("NEW", "ACTIVE", "REOPENED", "RETESTING")
"""The statuses of open findings. Information-gathered findings have no status, and are not counted."""
# A search does not accept the status RETESTING, so the criteria exclude the other statuses instead.
_OPEN_CRITERIA: tuple[Criterion, ...] = (
    {"field": "type", "operator": "IN", "value": "VULNERABILITY,SENSITIVE_CONTENT"},
    {"field": "status", "operator": "NOT EQUALS", "value": "FIXED"},
    {"field": "status", "operator": "NOT EQUALS", "value": "PROTECTED"},
)


def count_severities(client: QualysClient, ids: t.Sequence[int] | None) -> dict[int, Counter[str]]:
    """Return the number of open findings of each application, by severity.

    Args:
        client: the account.
        ids: ids of the applications; None for all.

    Raises:
        IncompleteRead: Qualys sent another number of findings than it announced, in two attempts.
    """
    parts = [None] if ids is None else [ids[at : at + IDS_PER_SEARCH] for at in range(0, len(ids), IDS_PER_SEARCH)]
    total: dict[int, Counter[str]] = defaultdict(Counter)
    for part in parts:
        chosen: Criterion = {"field": "webApp.id", "operator": "IN", "value": ",".join(map(str, part or ()))}
        criteria = [*_OPEN_CRITERIA, *([] if part is None else [chosen])]
        listing = Listing(client, "finding", criteria, MAX_PAGE)
        for (webapp, severity), count in _count(listing).items():
            total[webapp][severity] += count
    return total


def _count(listing: Listing) -> Counter[tuple[int, str]]:
    """Count window by window, so that only a few pages of findings are in memory."""
    tally = ListingTally(listing.client.count(listing.resource, listing.criteria))

    def window_counts(window: IdWindow) -> tuple[int, Counter[tuple[int, str]]]:
        found: Counter[tuple[int, str]] = Counter()
        records = 0
        for page in listing.pages(window, tally):
            records += len(page)
            found.update(pair for raw in page if (pair := _webapp_and_severity(raw)) is not None)
        return records, found

    for _attempt in range(2):
        windows = listing.windows(tally.announced_before)
        counted = every(windows, window_counts, workers=listing.client.workers)
        if listing.settled(tally, sum(records for records, _found in counted)):
            return sum((found for _records, found in counted), Counter())
        tally.start_again()
    raise IncompleteRead(
        f"Qualys announced {tally.announced_after} findings and sent {tally.records}, twice.",
        hint="Run again when no scan is changing them.",
    )


def _webapp_and_severity(raw: Raw) -> tuple[int, str] | None:
    """Return the application and the severity of a finding; None if it is not counted."""
    webapp = raw.get("webApp")
    webapp_id = number(webapp.get("id")) if isinstance(webapp, dict) else None
    severity = SEVERITY_LEVELS.get(text(raw.get("severity")) or "")
    counts = text(raw.get("status")) in OPEN and not truth(raw.get("isIgnored"))
    return (webapp_id, severity) if counts and webapp_id is not None and severity is not None else None

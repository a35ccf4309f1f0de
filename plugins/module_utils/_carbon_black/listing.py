# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row that matches, however many there are (docs/vendors/carbon_black.md 6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import IncompleteRead
from .._records.times import utc_text
from .client import MAX_ROWS, CarbonBlackClient, Raw
from .criteria import SCAN_TIME, Criteria, absolute

OLDEST_FIRST = ({"field": SCAN_TIME, "order": "ASC"},)
PAGE_ROWS = 1000
_SECOND = dt.timedelta(seconds=1)
_HALF = dt.timedelta(milliseconds=500)

Key = tuple[t.Any, ...]


def key_of(row: Raw) -> Key:
    """Identity of a row, which has no id: tag, digest, time and source (docs/vendors/carbon_black.md 7.1)."""
    return tuple(str(row.get(name) or "") for name in ("full_tag", "manifest_digest", "scan_time", "source"))


@dataclasses.dataclass(frozen=True)
class Search:
    """What is asked, without its span of time."""

    criteria: Criteria
    text: str | None = None
    sort: t.Sequence[dict[str, str]] = OLDEST_FIRST
    rows: int = PAGE_ROWS

    def body(self, start: int, span: tuple[dt.datetime, dt.datetime] | None = None) -> Raw:
        """The body of one request; ``rows`` is always sent, as the service's own default is 20."""
        criteria = dict(self.criteria)
        if span is not None:
            criteria[SCAN_TIME] = absolute(*span)
        body: Raw = {"criteria": criteria} if criteria else {}
        if self.text:
            body["query"] = self.text
        return {**body, "start": start, "rows": self.rows, "sort": list(self.sort)}


def read_span(client: CarbonBlackClient, search: Search, start: dt.datetime, end: dt.datetime) -> t.Iterator[list[Raw]]:
    """Every row of a span of time, oldest first. A row may come more than once.

    A span with 10,000 rows or more is read in halves. They meet between two seconds, and rows have times in whole
    seconds: so it does not matter whether the service's bounds are inclusive.

    Raises:
        IncompleteRead: a single second has 10,000 rows or more, or the rows do not fit ``num_found``, twice.
    """
    first = client.search(search.body(0, (start, end)))
    if first.num_found >= MAX_ROWS:
        middle = _between(start, end)
        if middle is None:
            second = utc_text(end.replace(microsecond=0))
            raise IncompleteRead(
                f"{first.num_found} rows or more were scanned in the second of {second}: more than the service shows.",
                hint="Narrow the criteria, by registries or repositories.",
            )
        yield from read_span(client, search, start, middle)
        yield from read_span(client, search, middle, end)
        return
    yield from _read_pages(client, search, (start, end), first.rows, first.num_found)


def _between(start: dt.datetime, end: dt.datetime) -> dt.datetime | None:
    """A moment between two seconds, near the middle; None when there is at most one second left."""
    middle = (start + (end - start) / 2).replace(microsecond=0) + _HALF
    if end - start <= _SECOND:
        return None
    if not start < middle < end:
        middle -= _SECOND
    return middle if start < middle < end else None


class _Pass(t.NamedTuple):
    """What one way through the pages came to."""

    keys: set[Key]
    rows: int
    num_found: int
    steady: bool


def _read_pages(
    client: CarbonBlackClient,
    search: Search,
    span: tuple[dt.datetime, dt.datetime],
    rows: list[Raw],
    num_found: int,
) -> t.Iterator[list[Raw]]:
    once = yield from _one_pass(client, search, span, rows, num_found)
    # Rows that are equal in all that identifies them are collapsed. On several pages they may be a shift as well: rows
    # of one second have no order of their own, so at the border of two pages one may come twice and another never.
    several = once.rows > len(rows)
    if once.steady and once.rows == once.num_found and (not several or len(once.keys) == once.rows):
        return
    # On one page there is no border, and there are fewer rows than a page can hold.
    search = dataclasses.replace(search, rows=MAX_ROWS)
    first = client.search(search.body(0, span))
    again = yield from _one_pass(client, search, span, first.rows, first.num_found)
    if again.rows < again.num_found and len(once.keys | again.keys) < again.num_found:
        raise IncompleteRead(
            f"Carbon Black Cloud announced {again.num_found} rows and sent {again.rows}, twice.",
            hint="Try again: rows appear or vanish while they are read.",
        )


def _one_pass(
    client: CarbonBlackClient,
    search: Search,
    span: tuple[dt.datetime, dt.datetime],
    rows: list[Raw],
    num_found: int,
) -> t.Generator[list[Raw], None, _Pass]:
    keys: set[Key] = set()
    announced = {num_found}
    offset = 0
    while rows:
        keys.update(map(key_of, rows))
        offset += len(rows)
        yield rows
        if offset >= min(num_found, MAX_ROWS):
            break
        page = client.search(dataclasses.replace(search, rows=min(search.rows, MAX_ROWS - offset)).body(offset, span))
        rows, num_found = page.rows, page.num_found
        announced.add(num_found)
    return _Pass(keys, offset, num_found, len(announced) == 1)

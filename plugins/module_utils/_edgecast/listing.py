# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every event of a span of time, page by page (sheet section 3).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from .._http.errors import IncompleteRead
from .._records.codec import dumps_sorted
from .client import MAX_PAGE_SIZE, Bounds, EdgecastClient, Page, Raw
from .filters import Filters

MAX_PAGES = 50
"""A span with more pages is read in halves: the longer the paging, the likelier it shifts."""

_NARROW = dt.timedelta(seconds=3)
"""A span that is not read in halves any more: with the overlap, the halves would be no shorter."""
_OVERLAP = dt.timedelta(seconds=1)
"""Whether bounds are inclusive is not certain, so halves overlap by one second; whoever reads them goes by id."""


def id_of(raw: Raw) -> str:
    """Identity of an event: ``id``, else ``Event ID``, else its content."""
    for name in ("id", "Event ID"):
        value = raw.get(name)
        if value and isinstance(value, (str, int)):
            return str(value)
    return dumps_sorted(raw).decode("utf-8", "replace")


def read_pages(
    client: EdgecastClient, bounds: Bounds, filters: Filters, page_size: int = MAX_PAGE_SIZE
) -> t.Iterator[list[Raw]]:
    """Every event of a span. One may come more than once.

    Pages are read one after the other. When events arrive or vanish meanwhile the pages shift, and all are read once
    more.

    Raises:
        IncompleteRead: the number of events does not fit the announced pages, twice.
    """
    first = client.page(bounds, filters, 1, page_size)
    width = bounds.end - bounds.start
    if first.page_of > MAX_PAGES and width > _NARROW:
        middle = bounds.start + dt.timedelta(seconds=int(width.total_seconds()) // 2)
        yield from read_pages(client, Bounds(middle - _OVERLAP, bounds.end), filters, page_size)
        yield from read_pages(client, Bounds(bounds.start, middle), filters, page_size)
        return
    yield from _read_span(client, bounds, filters, page_size, first)


def _read_span(
    client: EdgecastClient, bounds: Bounds, filters: Filters, page_size: int, first: Page | None
) -> t.Iterator[list[Raw]]:
    once = yield from _one_pass(client, bounds, filters, page_size, first)
    if once.steady and _fits(len(once.ids), once.page_of, page_size):
        return
    again = yield from _one_pass(client, bounds, filters, page_size, None)
    if not any(_fits(len(ids), again.page_of, page_size) for ids in (again.ids, once.ids | again.ids)):
        raise IncompleteRead(
            f"Edgecast announced {again.page_of} pages of {page_size} and sent {len(again.ids)} events, twice.",
            hint="Try again: events arrive or vanish while they are read.",
        )


class _Pass(t.NamedTuple):
    """What one way through the pages came to."""

    ids: set[int]
    page_of: int
    steady: bool


def _one_pass(
    client: EdgecastClient, bounds: Bounds, filters: Filters, page_size: int, first: Page | None
) -> t.Generator[list[Raw], None, _Pass]:
    # Numbers instead of texts: fifty pages of ids would be megabytes for each span that is read.
    ids: set[int] = set()
    announced: set[int] = set()
    number = 0
    while True:
        number += 1
        page = first or client.page(bounds, filters, number, page_size)
        first = None
        announced.add(page.page_of)
        before = len(ids)
        if page.number == number:
            ids.update(hash(id_of(raw)) for raw in page.events)
            yield page.events
        # Nothing new: there is nothing, it is another page than the one that was asked for, or the pages moved by more
        # than their size. Which of them, the count will show.
        if len(ids) == before or number >= page.page_of:
            return _Pass(ids, page.page_of, len(announced) == 1)


def _fits(events: int, page_of: int, page_size: int) -> bool:
    """Whether so many events make so many pages. There may be no page, or one, when there are no events."""
    return max(0, page_of - 1) * page_size < events <= page_of * page_size or (events == 0 and page_of <= 1)

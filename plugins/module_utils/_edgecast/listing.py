# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every event of a span of time, page by page (docs/vendors/edgecast_waf.md 6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import IncompleteRead, VendorError
from .._records.times import utc_text
from .client import MAX_PAGE_SIZE, Bounds, EdgecastClient, EventPage, Filters, Read

MAX_PAGES = 50
"""A span with more pages is read in parts: the longer the paging takes, the more likely the pages shift."""

_NARROW = dt.timedelta(seconds=3)
"""A span of this length is not halved again: with the overlap, the halves would be no shorter."""
_OVERLAP = dt.timedelta(seconds=1)
"""Bounds may be exclusive, so halves overlap by one second; readers drop repeated events by id."""


@dataclasses.dataclass(frozen=True)
class Question:
    """The parameters of a listing, with a frozen span of time.

    Attributes:
        bounds: the span.
        filters: field name to the values that match.
        page_size: 1 to 1000.
        reader: makes the reader for a page with the given number.
    """

    bounds: Bounds
    filters: Filters
    page_size: int = MAX_PAGE_SIZE
    reader: t.Callable[[int], Read] | None = None

    def page(self, client: EdgecastClient, number: int) -> EventPage:
        """Request a page."""
        if self.reader is None:
            return client.page(self.bounds, self.filters, number, self.page_size)
        return client.page(self.bounds, self.filters, number, self.page_size, read=self.reader(number))


def read_pages(
    client: EdgecastClient,
    bounds: Bounds,
    filters: Filters,
    page_size: int = MAX_PAGE_SIZE,
    *,
    warnings: list[str] | None = None,
) -> t.Iterator[list[t.Any]]:
    """Yield every event of a span, in halves where it is dense. An event may repeat; see :func:`read_span`.

    Args:
        client: the account.
        bounds: the span.
        filters: field name to the values that match.
        page_size: 1 to 1000.
        warnings: receives warnings for the user.

    Raises:
        IncompleteRead: the pages shifted in both readings, or the number of events does not match the announced pages.
    """
    question = Question(bounds, filters, page_size)
    first = question.page(client, 1)
    width = bounds.end - bounds.start
    if first.page_of > MAX_PAGES and width > _NARROW:
        middle = bounds.start + dt.timedelta(seconds=int(width.total_seconds()) // 2)
        later, earlier = Bounds(middle - _OVERLAP, bounds.end), Bounds(bounds.start, middle)
        yield from read_pages(client, later, filters, page_size, warnings=warnings)
        yield from read_pages(client, earlier, filters, page_size, warnings=warnings)
        return
    yield from read_span(client, question, first, warnings)


def read_span(
    client: EdgecastClient, question: Question, first: EventPage, warnings: list[str] | None = None
) -> t.Iterator[list[t.Any]]:
    """Yield every event of a span. An event may repeat.

    Pages are read in sequence, and all of them a second time if they shifted: when the number of pages changed, an
    event of one page came again on another, a page before the last was not full, or the events do not match the pages.
    If a few events vanish from pages that were already read, and the number of pages stays the same, only the second
    reading detects it, by comparison with the first. The service drops only events that are more than 30 days old,
    which the collector does not request.

    Args:
        client: the account.
        question: the parameters of the listing.
        first: its first page.
        warnings: receives warnings for the user.

    Raises:
        IncompleteRead: the pages shifted in both readings, or the number of events does not match the announced pages.
    """
    warning = yield from _read_span(client, question, first)
    if warning is not None and warnings is not None:
        warnings.append(warning)


def _read_span(
    client: EdgecastClient, question: Question, first: EventPage
) -> t.Generator[list[t.Any], None, str | None]:
    """The pages of a span, then a warning, or None."""
    size, bounds = question.page_size, question.bounds
    span = f"{utc_text(bounds.start)} to {utc_text(bounds.end)}"
    once = yield from _one_pass(client, question, first)
    if once.whole and once.steady and _fits(once.events, once.page_of, size):
        return None
    if once.understated and once.steady:
        # There were more pages after the announced end, up to a short one: no page shifted, and none is missing.
        return (
            f"Edgecast announced {once.page_of} pages of {size} for {span}, and sent {once.events} events: reading"
            " continued until a page was not full."
        )
    again = yield from _one_pass(client, question, None)
    same = again.ids == once.ids and again.events == once.events > len(once.ids)
    if same and again.whole and _fits(again.events, again.page_of, size):
        # A shift does not repeat itself exactly, so the service does have several events with one id.
        return (
            f"Edgecast sent {again.events} events but only {len(again.ids)} ids for {span}, twice: several events share"
            " an id."
        )
    # New events push others to later pages, which repeats but hides none. With fewer events, some may have been missed.
    arrived = again.whole and again.events >= len(once.ids)
    if not arrived or not any(_fits(len(ids), again.page_of, size) for ids in (again.ids, once.ids | again.ids)):
        raise IncompleteRead(
            f"Edgecast announced {again.page_of} pages of {size} and sent {len(again.ids)} events, twice.",
            hint="Try again: events arrive or vanish while they are read.",
        )
    return None


class _EventPass(t.NamedTuple):
    """What one way through the pages came to.

    Attributes:
        ids: numbers in place of the ids.
        events: number of events sent, repeats included.
        page_of: number of pages announced at the end.
        whole: no page before the last was short, every page was the requested one, and the number of pages did not
        fall. steady: the number of pages did not change, and no event of one page came again on another.
        understated: there were more pages than announced.
    """

    ids: set[int]
    events: int
    page_of: int
    whole: bool
    steady: bool
    understated: bool


def _one_pass(
    client: EdgecastClient, question: Question, first: EventPage | None
) -> t.Generator[list[t.Any], None, _EventPass]:
    ids: set[int] = set()
    announced: list[int] = []
    events = number = 0
    whole = steady = full = True
    while True:
        number += 1
        page = first or question.page(client, number)
        first = None
        announced.append(page.page_of)
        before = len(ids)
        if page.number == number:
            own = page.ids()
            ids |= own
            steady = steady and len(ids) - before == len(own)
            full = len(page.events) >= question.page_size
            whole = whole and (full or number >= page.page_of)
            events += len(page.events)
            yield page.events
        else:
            whole = full = False
        # Nothing new: there are no events, this is not the requested page, or the pages shifted by more than their
        # size. The count will show which.
        if len(ids) == before or number >= page.page_of:
            break
    more = (yield from _beyond(client, question, number, ids)) if full and len(ids) > before else 0
    whole = whole and announced == sorted(announced)
    return _EventPass(ids, events + more, page.page_of, whole, steady and len(set(announced)) == 1, more > 0)


def _beyond(
    client: EdgecastClient, question: Question, number: int, ids: set[int]
) -> t.Generator[list[t.Any], None, int]:
    """Yield the pages after the last announced one if that was full, until a page is short.

    The service's answer for a page that does not exist is not documented; whatever it is, it has no new event.

    Returns:
        The number of events.
    """
    events = 0
    while True:
        number += 1
        try:
            page = question.page(client, number)
        except VendorError:
            return events
        own = page.ids()
        if page.number != number or own <= ids:
            return events
        ids |= own
        events += len(page.events)
        yield page.events
        if len(page.events) < question.page_size:
            return events


def _fits(events: int, page_of: int, page_size: int) -> bool:
    """Whether this number of events fits this number of pages. Without events, there may be no page or one."""
    return max(0, page_of - 1) * page_size < events <= page_of * page_size or (events == 0 and page_of <= 1)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event log as a stream for the collector (docs/vendors/edgecast_waf.md 5, 6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import math
import typing as t

from .._base.errors import BadResponse
from .._records.codec import loads
from .._records.result import Result
from .._records.times import utc_now
from .._spool.disk.source import SLICE_PAGES, Dense, Identity, SpoolEntry, Timing, Window
from .._vendor.client import Raw
from .._vendor.crew import Crew
from .._vendor.log_source import LogSource, Options, export
from .._vendor.normaliser import raw_text
from .client import Bounds, EdgecastClient, EventPage, Filters, Read, check_filters, page_of
from .fields import event_content_of
from .listing import MAX_PAGES, Question, read_span
from .normalise import SOURCE, EventNormaliser, event_time_of

WINDOWS_AT_WORK = 1.5
"""Windows in progress for each connection: while the page of one becomes records, the next page of another is on its
way. More windows would hold more pages in memory."""

RETENTION = dt.timedelta(days=30)
"""How long events are kept (docs/vendors/edgecast_waf.md 5)."""
WIDEST = RETENTION
"""The span of a window before the volume is known."""

_SECOND = dt.timedelta(seconds=1)


class EncodedEntries(list[SpoolEntry]):
    """The entries of a page, with their lines, and what was unknown in them."""

    unknown: collections.Counter[str]


@dataclasses.dataclass(frozen=True)
class PageMaker:
    """Converts the bytes of a page to entries with their lines: all the work of an export besides waiting.

    Attributes:
        keep_sensitive: whether passwords, card data and credentials are kept.
        include_raw: whether the vendor's object is added.
    """

    keep_sensitive: bool
    include_raw: bool

    def page(self, asked: tuple[int, dt.datetime], body: bytes) -> EventPage | None:
        """The page.

        Args:
            asked: the number of the requested page, and the time for events that have none.
            body: the answer.

        Returns:
            None when the answer is not a page.
        """
        number, default = asked
        try:
            page = page_of(loads(body), number)
        except (ValueError, BadResponse):
            return None
        own = page.ids()
        normaliser = self.normaliser()
        entries = EncodedEntries(
            entry._replace(record=entry.line()) for entry in _entries(normaliser, page.events, default)
        )
        entries.unknown = normaliser.unknown
        return dataclasses.replace(page, events=entries, own=own)

    def normaliser(self) -> EventNormaliser:
        """A normaliser for one page, or for one window."""
        return EventNormaliser(keep_sensitive=self.keep_sensitive, include_raw=self.include_raw, raw_as=raw_text)


class EdgecastEvents(LogSource[EdgecastClient]):
    """The stream: events of one account under one set of filters.

    Attributes:
        crew: makes the entries in worker processes once it has been entered.
    """

    def __init__(self, params: Options, client: EdgecastClient) -> None:
        self._filters: Filters = check_filters(params.get("event_filters"))
        self._maker = PageMaker(params["sensitive"] == "keep", params["include_raw"])
        self.crew = Crew(self._maker.page)
        identity = Identity(
            source=SOURCE,
            account=client.connection.account_number,
            stream="events",
            parameters={
                "event_filters": self._filters,
                "sensitive": params["sensitive"],
                "include_raw": params["include_raw"],
            },
        )
        timing = Timing(
            lag=dt.timedelta(minutes=2),
            overlap=dt.timedelta(minutes=5),
            window=WIDEST,
            retention=RETENTION,
            parallel=math.ceil(client.workers * WINDOWS_AT_WORK),
        )
        super().__init__(client, identity, timing)

    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        """Every event of the window, and of a second around it: whether the bounds are inclusive is not certain."""
        start = window.start.replace(microsecond=0) - _SECOND
        end = window.end.replace(microsecond=0) + _SECOND * (2 if window.end.microsecond else 1)
        normaliser = self._maker.normaliser()
        question = Question(Bounds(start, end), self._filters, reader=self._reader(window.start))
        try:
            for events in self._read(question, window):
                if isinstance(events, EncodedEntries):
                    self.take_unknown(events.unknown)
                    yield events
                else:
                    yield _entries(normaliser, events, window.start)
        finally:
            self.take_unknown(normaliser.unknown)

    def _reader(self, default: dt.datetime) -> t.Callable[[int], Read] | None:
        """Return the reader that makes pages in worker processes; None if there are no workers."""
        if not self.crew.size:
            return None
        return lambda number: lambda body: self.crew.do((number, default), body)

    def _read(self, question: Question, window: Window) -> t.Iterator[list[t.Any]]:
        """Yield the pages of a window. It is dense when it has more pages than should be read in sequence.

        A part of a dense window may have more than intended, so that bursts of events are not divided endlessly.
        """
        can_be_cut = window.end - window.start > _SECOND
        most = MAX_PAGES if window.cut else SLICE_PAGES
        first = question.page(self.client, 1)
        if first.page_of > most and can_be_cut:
            raise Dense(math.ceil(first.page_of / SLICE_PAGES))
        for number, events in enumerate(read_span(self.client, question, first, self.warnings)):
            # The service may have announced too few pages. Twice the limit allows for two readings.
            if number >= 2 * max(most, first.page_of) and can_be_cut:
                raise Dense(SLICE_PAGES)
            yield events


def _entries(normaliser: EventNormaliser, events: list[Raw], default: dt.datetime) -> list[SpoolEntry]:
    """A page's events, each let go as soon as it is an entry: four pages at work would else be held twice."""
    page: list[t.Any] = events
    for place, raw in enumerate(page):
        # An event without a time stands at the start of the window that brought it.
        moment = event_time_of(raw)
        record = normaliser.event(raw, moment)
        page[place] = SpoolEntry(record["id"], moment or default, event_content_of(raw), record)
    return page


def run(
    params: Options, client: EdgecastClient, check_mode: bool, clock: t.Callable[[], dt.datetime] = utc_now
) -> Result:
    """Logic of ``edgecast_waf_event_export``."""
    source = EdgecastEvents(params, client)
    with source.crew:
        return export(params, source, check_mode, clock)

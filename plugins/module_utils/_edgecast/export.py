# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event log as a stream for the collector (docs/vendors/edgecast_waf.md 5, 6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import math
import typing as t

from .._records.result import Result
from .._records.times import utc_now
from .._spool.disk.source import SLICE_PAGES, Dense, Entry, Identity, Timing, Window
from .._vendor.client import Raw
from .._vendor.log_source import LogSource, Options, export
from .._vendor.normaliser import raw_text
from .client import Bounds, EdgecastClient, Filters, check_filters
from .fields import content_of
from .listing import MAX_PAGES, Question, read_span
from .normalise import SOURCE, EventNormaliser, time_of

WINDOWS_AT_WORK = 1.5
"""For each connection: while one window's page becomes records, the next page of another is on its way. More would hold
more pages in memory."""

RETENTION = dt.timedelta(days=30)
"""How long events are kept (docs/vendors/edgecast_waf.md 5)."""
WIDEST = RETENTION
"""The span of a window before anything is known about it."""

_SECOND = dt.timedelta(seconds=1)


class EdgecastEvents(LogSource[EdgecastClient]):
    """The stream: events of one account under one set of filters."""

    def __init__(self, params: Options, client: EdgecastClient) -> None:
        self._filters: Filters = check_filters(params.get("event_filters"))
        self._keep = params["sensitive"] == "keep"
        self._include_raw = params["include_raw"]
        identity = Identity(
            source=SOURCE,
            account=client.connection.account_number,
            stream="events",
            parameters={
                "event_filters": self._filters,
                "sensitive": params["sensitive"],
                "include_raw": self._include_raw,
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

    def pages(self, window: Window) -> t.Iterator[list[Entry]]:
        """Every event of the window, and of a second around it: whether the bounds are inclusive is not certain."""
        start = window.start.replace(microsecond=0) - _SECOND
        end = window.end.replace(microsecond=0) + _SECOND * (2 if window.end.microsecond else 1)
        normaliser = EventNormaliser(keep_sensitive=self._keep, include_raw=self._include_raw, raw_as=raw_text)
        try:
            for events in self._read(Question(Bounds(start, end), self._filters), window):
                yield _entries(normaliser, events, window.start)
        finally:
            self.take_unknown(normaliser.unknown)

    def _read(self, question: Question, window: Window) -> t.Iterator[list[Raw]]:
        """The pages of a window; it is dense when there are more than are to be read one after the other.

        A part of a dense window may have more than was aimed at: events that come in bursts are not cut for ever.
        """
        can_be_cut = window.end - window.start > _SECOND
        most = MAX_PAGES if window.cut else SLICE_PAGES
        first = question.page(self.client, 1)
        if first.page_of > most and can_be_cut:
            raise Dense(math.ceil(first.page_of / SLICE_PAGES))
        for number, events in enumerate(read_span(self.client, question, first, self.warnings)):
            # The service may have announced less than there is. Twice as many are two readings.
            if number >= 2 * max(most, first.page_of) and can_be_cut:
                raise Dense(SLICE_PAGES)
            yield events


def _entries(normaliser: EventNormaliser, events: list[Raw], default: dt.datetime) -> list[Entry]:
    """A page's events, each let go as soon as it is an entry: four pages at work would else be held twice."""
    page: list[t.Any] = events
    for place, raw in enumerate(page):
        # An event without a time stands at the start of the window that brought it.
        moment = time_of(raw)
        record = normaliser.event(raw, moment)
        page[place] = Entry(record["id"], moment or default, content_of(raw), record)
    return page


def run(
    params: Options, client: EdgecastClient, check_mode: bool, clock: t.Callable[[], dt.datetime] = utc_now
) -> Result:
    """Logic of ``edgecast_waf_event_export``."""
    return export(params, EdgecastEvents(params, client), check_mode, clock)

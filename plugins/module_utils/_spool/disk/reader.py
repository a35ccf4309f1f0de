# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one window into segments, without the records that are already known.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading
import typing as t

from ..._base.errors import PerimeterError
from .keys import KeyState, KeyTable, content_digest, key_digest
from .segment import Writer
from .source import SLICE_PAGES, Enriching, Source, SpoolEntry, Window

Pages = t.Iterator[list[SpoolEntry]]

_DAY = dt.timedelta(days=1)
_SECOND = dt.timedelta(seconds=1)
_HELD = 20_000
"""Records of one second that are held in memory until it is certain that there are no more."""


Fresh = tuple[SpoolEntry, bool]
"""A record to be written, and whether its key was known with another content."""


@dataclasses.dataclass
class WindowTally:
    """Counts of records. ``seen`` counts the records of the window, each of which is new, changed or a duplicate.

    ``days`` counts the records, new and changed, that were written to each day and are not committed yet.
    """

    windows: int = 0
    pages: int = 0
    seen: int = 0
    new: int = 0
    changed: int = 0
    duplicate: int = 0
    outside: int = 0
    oldest: dt.datetime | None = None
    newest: dt.datetime | None = None
    days: dict[dt.date, list[int]] = dataclasses.field(default_factory=dict)

    def count(self, day: dt.date, *, changed: bool) -> None:
        """Count a record that was written to a day. It counts as new or changed when the day is committed."""
        self.days.setdefault(day, [0, 0])[changed] += 1

    def taken(self, until: dt.datetime | None) -> WindowTally:
        """Take out what belongs to a slice up to a time; None for everything."""
        slice_ = dataclasses.replace(self, days={})
        ready = [day for day in self.days if until is None or dt.datetime.combine(day, dt.time(), dt.UTC) < until]
        for day in ready:
            new, changed = self.days.pop(day)
            slice_.new += new
            slice_.changed += changed
        for name in ("windows", "pages", "seen", "duplicate", "outside"):
            setattr(self, name, 0)
        return slice_

    def add(self, other: WindowTally) -> None:
        """Add the counts of another window."""
        for name in ("windows", "pages", "seen", "new", "changed", "duplicate", "outside"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.span(other.oldest)
        self.span(other.newest)

    def span(self, moment: dt.datetime | None) -> None:
        """Include a record's time in the span."""
        if moment is not None:
            self.oldest = moment if self.oldest is None else min(self.oldest, moment)
            self.newest = moment if self.newest is None else max(self.newest, moment)


@dataclasses.dataclass
class StagedWindow:
    """A window, or a slice of one, that was read and is not committed yet.

    Attributes:
        window: its span.
        writer: its segments.
        keys: its pairs whose records can come again.
        tally: its counts.
        whole: whether the window was read to its end; otherwise the writer may hold more than the slice.
        disordered: whether records arrived out of the order of their times, although the source promises that order.
        error: why the window could not be read, if that does not end the run; then nothing of it is staged.
    """

    window: Window
    writer: Writer
    keys: KeyTable
    tally: WindowTally
    whole: bool = True
    disordered: bool = False
    error: PerimeterError | None = None

    def commit(self, until: dt.datetime) -> list[str]:
        """Rename the segments; see :meth:`Writer.commit`."""
        return self.writer.commit(until, whole=self.whole)


class Stopped(Exception):
    """The run is ending, so the window is abandoned."""


RememberFrom = t.Callable[[dt.datetime], dt.datetime]
"""Returns the time from which records can come again, once everything up to a time is read."""


class WindowReader:
    """Reads one window.

    Args:
        window: only its records are written; others belong to other windows.
        known: returns the pairs that were written before. It is called after the first page arrived, because a dense
            window returns none.
        remember_from: returns which records can come again.
        writer: writes the new records; unused in check mode.
        source: the source.
        check_mode: True to write nothing.
    """

    def __init__(
        self,
        window: Window,
        known: t.Callable[[], t.Sequence[KeyTable]],
        remember_from: RememberFrom,
        writer: Writer,
        source: Source,
        *,
        check_mode: bool = False,
    ) -> None:
        self._window = window
        self._load_known = known
        self._known: t.Sequence[KeyTable] | None = None
        self._remember_from = remember_from
        self._writer = writer
        self._check_mode = check_mode
        self._source = source if isinstance(source, Enriching) and not check_mode else None
        self._one_day = window.start.date() == (window.end - dt.timedelta(microseconds=1)).date()
        self._keys = KeyTable()
        self._undated = KeyTable()
        self._tally = WindowTally(windows=1)
        self._order = _TimeOrder(window.start) if source.timing.ascending else None
        # What is older cannot come again, so its time is not needed.
        self._noted_from = window.start if self._order else remember_from(window.end)

    def slices(self, pages: Pages, stop: threading.Event) -> t.Iterator[StagedWindow]:
        """Read every page and write its new records; yield what can be committed.

        A window without an order yields itself at the end. The next page is read after the slice was committed.

        Raises:
            Dense: the window has to be read in parts. All of it was discarded.
            PerimeterError: the window could not be read or written completely. What was not committed is discarded.
        """
        try:
            for page in self._kept_at_a_fault(pages):
                if isinstance(page, StagedWindow):
                    yield page
                    continue
                self._take(page)
                if stop.is_set():
                    raise Stopped
                until = self._order.border() if self._order else None
                if until is not None:
                    yield self._slice(until)
            if self._order:
                self._write(self._order.rest())
            self._keys.update(self._undated)
            yield self._staged(self._window.end, self._keys, whole=True)
        except BaseException:
            self._writer.discard()
            raise

    def _kept_at_a_fault(self, pages: Pages) -> t.Iterator[list[SpoolEntry] | StagedWindow]:
        """The pages; before an error is raised, what is complete in the order of time is yielded as a slice."""
        while True:
            try:
                page = next(pages, None)
            except PerimeterError:
                if self._order and (until := self._order.complete_until()) is not None:
                    yield self._slice(until)
                raise
            if page is None:
                return
            yield page

    def _take(self, page: list[SpoolEntry]) -> None:
        self._tally.pages += 1
        fresh = self._fresh(page)
        if fresh and self._source:
            enriched = self._source.enrich([entry for entry, _changed in fresh])
            fresh = [(entry, changed) for entry, (_entry, changed) in zip(enriched, fresh, strict=True)]
        if self._order:
            fresh = self._order.ready(page, fresh, self._window)
            if self._order.disordered:
                self._writer.from_start()
        self._write(fresh)

    def _fresh(self, page: list[SpoolEntry]) -> list[Fresh]:
        """Return the records of a page that have to be written."""
        start, end, noted_from, put = self._window.start, self._window.end, self._noted_from, self._keys.put
        tables = self._known = self._load_known() if self._known is None else self._known
        fresh: list[Fresh] = []
        seen, tally, last = 0, self._tally, int(end.timestamp()) - 1
        for entry in page:
            time = entry.time
            if not start <= time < end:
                continue
            seen += 1
            key, content = key_digest(entry.key), content_digest(entry.content)
            if time == start:
                # This may be a record without a time, which gets the start of every window that returns it.
                self._undated.put(key, content, last)
            own = put(key, content, int(time.timestamp()) if time >= noted_from else 0)
            known = own if own is KeyState.PAIR else _strongest(own, tables, key, content)
            if known is KeyState.PAIR:
                tally.duplicate += 1
            else:
                fresh.append((entry, known is KeyState.KEY))
        tally.seen += seen
        tally.outside += len(page) - seen
        if seen:
            times = [entry.time for entry in page if start <= entry.time < end]
            tally.span(min(times))
            tally.span(max(times))
        return fresh

    def _write(self, fresh: list[Fresh]) -> None:
        """Count and write records. They are counted by day, because a record counts in the slice that commits it."""
        lines: dict[dt.date, list[bytes]] = {}
        one_day = self._window.start.date() if self._one_day else None
        for entry, changed in fresh:
            day = one_day or entry.time.astimezone(dt.UTC).date()
            self._tally.count(day, changed=changed)
            if not self._check_mode:
                lines.setdefault(day, []).append(entry.line())
        for day, of_day in lines.items():
            self._writer.write(day, b"".join(of_day))

    def _slice(self, until: dt.datetime) -> StagedWindow:
        """What is complete up to a time."""
        moment = int(until.timestamp())
        keys = KeyTable()
        for key, content, time in self._keys.entries():
            if time < moment:
                keys.put(key, content, time)
        keys.update(self._undated)
        staged = self._staged(until, keys, whole=False)
        # By then the position contains the pairs of the slice that can come again.
        self._keys = self._keys.since(int(self._remember_from(until).timestamp()))
        return staged

    def _staged(self, until: dt.datetime, keys: KeyTable, *, whole: bool) -> StagedWindow:
        disordered = self._order is not None and self._order.disordered
        window = Window(self._window.start, until, self._window.cut)
        return StagedWindow(window, self._writer, keys, self._tally.taken(None if whole else until), whole, disordered)


def _strongest(known: KeyState, tables: t.Sequence[KeyTable], key: int, content: int) -> KeyState:
    """The most that is known of a pair."""
    for table in tables:
        found = table.look(key, content)
        if found is KeyState.PAIR:
            return found
        if found is KeyState.KEY:
            known = found
    return known


class _TimeOrder:
    """Up to when a window is complete whose records come in the order of their times.

    Args:
        start: the start of the window.
    """

    def __init__(self, start: dt.datetime) -> None:
        self._committed = start
        self._start = start
        self._newest = start
        self._written = start - _SECOND
        self._held: list[Fresh] = []
        self._pages = 0
        self.disordered = False

    @property
    def _second(self) -> dt.datetime:
        """The second of the newest record: more records of it may follow."""
        return self._newest.replace(microsecond=0)

    def ready(self, page: list[SpoolEntry], fresh: list[Fresh], window: Window) -> list[Fresh]:
        """Return what can be written: the records of the newest second are held until a later one comes."""
        self._pages += 1
        # A record at the very start may have no time, so it says nothing about the order.
        if any(self._start < entry.time < self._second for entry, _changed in fresh):
            self.disordered = True
        self._newest = max((entry.time for entry in page if entry.time < window.end), default=self._newest)
        self._newest = max(self._newest, self._committed)
        held = self._held + fresh
        if len(held) > _HELD:
            self._held = []
            self._written = max(self._written, self._newest)
            return held
        self._held = [item for item in held if item[0].time >= self._second]
        return [item for item in held if item[0].time < self._second]

    def rest(self) -> list[Fresh]:
        """Return the records still held, at the end of the window."""
        held, self._held = self._held, []
        return held

    def complete_until(self) -> dt.datetime | None:
        """Return the time up to which everything has arrived; None if it has not moved."""
        until = self._second
        if self.disordered or until <= max(self._committed, self._written):
            return None
        self._committed = until
        return until

    def border(self) -> dt.datetime | None:
        """Return where to commit, if there are enough pages: at midnight if possible, so that days stay whole."""
        if self._pages < SLICE_PAGES:
            return None
        before = self._committed
        until = self.complete_until()
        if until is None:
            return None
        self._pages = 0
        midnight = until.replace(hour=0, minute=0, second=0)
        self._committed = midnight if midnight > before else until
        return self._committed

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads windows in parallel, each into its own segments, without records that are known already.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import datetime as dt
import threading
import typing as t

from ..._base.errors import PerimeterError
from ..._records.codec import dump_line
from .keys import KeyTable, content_digest, key_digest
from .segment import Writer
from .source import Enriching, Entry, Source, Window

Pages = t.Iterator[list[Entry]]


@dataclasses.dataclass
class Tally:
    """Counts of records. ``seen`` counts the records of the window, each of which is new, changed or a duplicate."""

    windows: int = 0
    pages: int = 0
    seen: int = 0
    new: int = 0
    changed: int = 0
    duplicate: int = 0
    outside: int = 0
    oldest: dt.datetime | None = None
    newest: dt.datetime | None = None

    def add(self, other: Tally) -> None:
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
class Staged:
    """A window that was read completely and is not committed yet."""

    window: Window
    writer: Writer
    keys: KeyTable
    tally: Tally
    error: PerimeterError | None = None
    """Why the window could not be read, where that does not end the run; then nothing of it is staged."""


class Stopped(Exception):
    """The run ends, so the window is abandoned."""


class WindowReader:
    """Reads one window.

    Args:
        window: only its records are written; others belong to other windows.
        known: keys that were written before, the newest table first.
        remember_from: records before this time cannot come again, so their time is not stored.
        writer: writes the new records; None in check mode.
        source: the source, for :class:`Enriching`.
    """

    def __init__(
        self, window: Window, known: t.Sequence[KeyTable], remember_from: dt.datetime, writer: Writer, source: Source
    ) -> None:
        self._window = window
        self._known = known
        self._remember_from = remember_from
        self._writer = writer
        self._source = source if isinstance(source, Enriching) else None
        self._keys = KeyTable()
        self._turned: dict[int, set[int]] = {}
        self._one_day = window.start.date() == (window.end - dt.timedelta(microseconds=1)).date()
        self.tally = Tally(windows=1)

    def read(self, pages: Pages, *, check_mode: bool, stop: threading.Event) -> Staged:
        """Read every page, and write its new records.

        Raises:
            PerimeterError: the window could not be read or written completely. Nothing of it remains.
        """
        try:
            for page in pages:
                self.tally.pages += 1
                fresh = self._fresh(page)
                if fresh and not check_mode:
                    self._write(self._source.enrich(fresh) if self._source else fresh)
                if stop.is_set():
                    raise Stopped
        except BaseException:
            self._writer.discard()
            raise
        return Staged(self._window, self._writer, self._keys, self.tally)

    def _fresh(self, page: list[Entry]) -> list[Entry]:
        """Return the records of a page that have to be written."""
        start, end, remember_from, put = self._window.start, self._window.end, self._remember_from, self._keys.put
        fresh, seen, tally, last = [], 0, self.tally, int(end.timestamp()) - 1
        for entry in page:
            time = entry.time
            if not start <= time < end:
                continue
            seen += 1
            key, content = key_digest(entry.key), content_digest(entry.content)
            noted = int(time.timestamp()) if time >= remember_from else 0
            if time == start:  # perhaps a record without a time, which gets the start of every window that returns it
                noted = last
            before = put(key, content, noted)
            if before is None:
                before = self._before(key)
                if before is None:
                    tally.new += 1
                    fresh.append(entry)
                    continue
            if before == content or self._turned_back(key, before, content):
                tally.duplicate += 1
            else:
                tally.changed += 1
                fresh.append(entry)
        tally.seen += seen
        tally.outside += len(page) - seen
        if seen:
            times = [entry.time for entry in page if start <= entry.time < end]
            tally.span(min(times))
            tally.span(max(times))
        return fresh

    def _before(self, key: int) -> int | None:
        for table in self._known:
            content = table.get(key)
            if content is not None:
                return content
        return None

    def _turned_back(self, key: int, before: int, content: int) -> bool:
        """Whether the key had this content before ``before``: an outdated copy of a row that changed meanwhile."""
        contents = self._turned.setdefault(key, {before})
        if content in contents:
            self._keys.put(key, before, 0)
            return True
        contents.add(content)
        return False

    def _write(self, entries: list[Entry]) -> None:
        lines: dict[dt.date, list[bytes]] = {}
        if self._one_day:
            day_lines = lines[self._window.start.date()] = []
            for entry in entries:
                day_lines.append(_line(entry))
        else:
            for entry in entries:
                lines.setdefault(entry.time.astimezone(dt.UTC).date(), []).append(_line(entry))
        for day, of_day in lines.items():
            self._writer.write(day, b"".join(of_day))


def _line(entry: Entry) -> bytes:
    record = entry.record
    record["key"] = entry.key
    record["content"] = entry.content
    return dump_line(record)


def in_order(
    windows: t.Sequence[Window], read: t.Callable[[Window], Staged], *, parallel: int, stop: threading.Event
) -> t.Generator[Staged, None, None]:
    """Read windows, ``parallel`` at a time, and yield them strictly in order.

    At most twice as many are read ahead. When the iterator is closed, or a window fails, windows that were read ahead
    are discarded.

    Raises:
        PerimeterError: a window failed; earlier windows were yielded.
    """
    if parallel <= 1 or len(windows) == 1:
        for window in windows:
            yield read(window)
        return
    ahead: collections.deque[concurrent.futures.Future[Staged]] = collections.deque()
    left = iter(windows)
    with concurrent.futures.ThreadPoolExecutor(max_workers=parallel) as pool:
        try:
            while True:
                for window in left:
                    ahead.append(pool.submit(read, window))
                    if len(ahead) >= 2 * parallel:
                        break
                if not ahead:
                    return
                yield ahead.popleft().result()
        finally:
            stop.set()
            for future in ahead:
                if not future.cancel():
                    future.add_done_callback(_throw_away)


def _throw_away(future: concurrent.futures.Future[Staged]) -> None:
    try:
        future.result().writer.discard()
    except (Stopped, PerimeterError):
        pass  # the window cleaned up itself
    except Exception:  # noqa: BLE001, S110 - the error that ends the run is another one, and is being raised
        pass

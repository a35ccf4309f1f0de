# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows read side by side, each into segments of its own, without what is known already.

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
    """What was seen. ``seen`` are records of the window, and each is new, changed or a duplicate."""

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
        """Count another window."""
        for name in ("windows", "pages", "seen", "new", "changed", "duplicate", "outside"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.span(other.oldest)
        self.span(other.newest)

    def span(self, moment: dt.datetime | None) -> None:
        """Take note of a record's time."""
        if moment is not None:
            self.oldest = moment if self.oldest is None else min(self.oldest, moment)
            self.newest = moment if self.newest is None else max(self.newest, moment)


@dataclasses.dataclass
class Staged:
    """A window that was read to its end and is not committed yet."""

    window: Window
    writer: Writer
    keys: KeyTable
    tally: Tally


class Stopped(Exception):
    """The run ends, so this window is given up."""


class WindowReader:
    """Reads one window.

    Args:
        window: which records count: those of other times are left to the windows that own them.
        known: tables of what was written before, the newest first.
        remember_from: records of before this cannot come again, so their time is not noted.
        writer: where new records go; None in check mode.
        source: whose records they are, for :class:`Enriching`.
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
        """Every page into the writer.

        Raises:
            PerimeterError: the window could not be read or written to its end. Nothing of it is left.
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
        """What of a page is to be written."""
        start, end, remember_from, put = self._window.start, self._window.end, self._remember_from, self._keys.put
        fresh, seen, tally, last = [], 0, self.tally, int(end.timestamp()) - 1
        for entry in page:
            time = entry.time
            if not start <= time < end:
                continue
            seen += 1
            key, content = key_digest(entry.key), content_digest(entry.content)
            noted = int(time.timestamp()) if time >= remember_from else 0
            if time == start:  # perhaps a record without a time, which stands at the start of every window it is in
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
        """Whether this content was there before ``before``: a stale copy of a row that changed while it was read."""
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
    """Read windows, ``parallel`` at a time, and hand them over strictly in their order.

    No more than twice as many are read ahead of the one that is due. When this iterator is closed, or a window fails,
    what was read ahead is thrown away.

    Raises:
        PerimeterError: a window failed; those before it were handed over.
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
        pass  # it cleaned up itself
    except Exception:  # noqa: BLE001, S110 - the error that ends the run is another one, and is being raised
        pass

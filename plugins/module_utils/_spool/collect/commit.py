# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all runs share: reading and committing windows, the service's clock, and the result.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import itertools
import pathlib
import threading
import typing as t

from ..._base.errors import (
    BadResponse,
    IncompleteRead,
    PerimeterError,
    RequestTimeout,
    ResponseTooLarge,
    ServerFault,
    VendorError,
)
from ..._records.result import Result
from ..._records.times import utc_text
from ..disk.files import write_failed
from ..disk.kept import Kept, write_kept
from ..disk.keys import KeyTable
from ..disk.options import Options
from ..disk.position import PositionFile
from ..disk.reader import Pages, Staged, Stopped, Tally, WindowReader, in_order
from ..disk.segment import Writer
from ..disk.source import Source, Window
from .plan import DAY, floor

FAILED_BY_ITSELF = (BadResponse, IncompleteRead, RequestTimeout, ResponseTooLarge, ServerFault, VendorError)
"""Errors that may be about one window alone; credentials, limits and connections concern all of them."""
CLOCK_TOLERANCE = dt.timedelta(seconds=60)
"""Clocks that differ by more are worth a warning (docs/vendors/log_collection.md 2.1)."""


@dataclasses.dataclass
class Head:
    """A window whose first page was read already, to learn the service's time before the other requests."""

    window: Window
    pages: Pages


@dataclasses.dataclass
class Run:
    """One run: its inputs, and its results so far."""

    options: Options
    source: Source
    state: pathlib.Path
    place: PositionFile
    check_mode: bool
    clock: t.Callable[[], dt.datetime]
    tally: Tally = dataclasses.field(default_factory=Tally)
    segments: list[str] = dataclasses.field(default_factory=list)
    gaps: list[dict[str, str]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    gaps_written: int = 0
    adopted: int = 0
    removed: int = 0
    error: PerimeterError | None = None
    kept: Kept | None = None

    def keep(self, kept: Kept) -> None:
        """Replace the directory's memory; not in check mode.

        Raises:
            FileError: the file cannot be written.
        """
        self.kept = kept
        if self.check_mode:
            return
        try:
            write_kept(self.options.dest, kept, mode=self.options.mode)
        except OSError as error:
            raise write_failed(self.options.dest, error) from error

    def first_page(self, window: Window) -> Head:
        """Request the first page of a window.

        Raises:
            PerimeterError: the page could not be read.
        """
        pages = iter(self.source.pages(window))
        try:
            first = [page for page in [next(pages, None)] if page is not None]
        except PerimeterError:
            self.service_now()  # different clocks may be the cause
            raise
        return Head(window, itertools.chain(first, pages))

    def service_now(self) -> dt.datetime:
        """Return the earlier of our clock and the newest answer's; warn once when they differ."""
        own, theirs = self.clock(), self.source.server_time()
        if theirs is None:
            return own
        ahead = own - theirs
        if abs(ahead) > CLOCK_TOLERANCE:
            text = (
                f"The clock of this machine is {abs(ahead) // dt.timedelta(seconds=1)} seconds"
                f" {'ahead of' if ahead > dt.timedelta() else 'behind'} that of the service; the earlier one counts."
            )
            if not any("The clock of this machine" in warning for warning in self.warnings):
                self.warnings.append(text)
        return min(own, theirs)

    def read(
        self,
        planned: t.Sequence[Window],
        head: Head | None,
        known: t.Callable[[Window], t.Sequence[KeyTable]],
        remember_from: t.Callable[[Window], dt.datetime],
        commit: t.Callable[[Staged], None],
        *,
        tell_failed: bool = False,
    ) -> None:
        """Read windows and commit them in order.

        Args:
            planned: the windows.
            head: the window whose first page was read already.
            known: returns the keys that were written before, for a window.
            remember_from: returns the time from which records of a window can come again.
            commit: commits a window.
            tell_failed: hand a window that failed by itself to ``commit`` too, with its error.

        Raises:
            PerimeterError: a window failed; earlier windows are committed.
        """
        stop = threading.Event()

        def read(window: Window) -> Staged:
            if stop.is_set():
                raise Stopped
            # The head's window may have been shortened meanwhile, so compare its start only.
            pages = head.pages if head and head.window.start == window.start else iter(self.source.pages(window))
            writer = Writer(window, self.options, self.kept)
            reader = WindowReader(window, known(window), remember_from(window), writer, self.source)
            try:
                return reader.read(pages, check_mode=self.check_mode, stop=stop)
            except FAILED_BY_ITSELF as error:
                if not tell_failed:
                    raise
                return Staged(window, writer, KeyTable(), Tally(), error)

        with contextlib.closing(in_order(planned, read, parallel=self.options.timing.parallel, stop=stop)) as windows:
            for staged in windows:
                try:
                    commit(staged)
                finally:
                    staged.writer.discard()

    def commit_segments(self, staged: Staged, until: dt.datetime) -> list[str]:
        """Rename a window's segments to their names, and count its records; in check mode there are no segments.

        Raises:
            FileError: a segment could not be written.
        """
        names = staged.writer.commit(until)
        self.segments += names
        # From here on the records are durable, even if the position cannot be written.
        self.tally.add(staged.tally)
        return names

    def retained_from(self, now: dt.datetime) -> dt.datetime | None:
        """Return the midnight before which days are removed, or None to keep all."""
        days = self.options.retain_days
        return None if days is None else floor(now - days * DAY, DAY)

    def result(self, position: dt.datetime | None) -> Result:
        """Return the result for the module."""
        tally = self.tally
        records = tally.new + tally.changed
        return Result(
            changed=bool(records or self.gaps_written),
            values={
                "records": records,
                "duplicates": tally.duplicate,
                "changed_rows": tally.changed,
                "gaps": self.gaps,
                "segments": self.segments,
                "position": None if position is None else utc_text(position),
                "complete": self.error is None,
                "stats": {
                    "windows": tally.windows,
                    "pages": tally.pages,
                    "seen": tally.seen,
                    "new": tally.new,
                    "duplicate": tally.duplicate,
                    "outside": tally.outside,
                    "oldest": None if tally.oldest is None else utc_text(tally.oldest),
                    "newest": None if tally.newest is None else utc_text(tally.newest),
                    "gaps": len(self.gaps),
                    "adopted": self.adopted,
                    "removed": self.removed,
                },
            },
            warnings=self.warnings,
            error=self.error,
        )

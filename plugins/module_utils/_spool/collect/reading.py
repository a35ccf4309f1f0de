# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads planned windows and passes the staged data to a keeper, which knows what was written and commits.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import itertools
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
from ..disk.keys import KeyTable
from ..disk.reader import Pages, StagedWindow, Stopped, WindowReader, WindowTally
from ..disk.segment import Writer
from ..disk.source import Dense, Window
from .job import CollectJob
from .order import in_order
from .report import RunReport

FAILED_BY_ITSELF = (BadResponse, IncompleteRead, RequestTimeout, ResponseTooLarge, ServerFault, VendorError)
"""Errors that may concern one window only; credentials, limits and connections concern all windows."""
WIDE = dt.timedelta(hours=1)
"""A longer window that fails by itself is read in parts, so that the gap is no longer than necessary."""
_PARTS = 8
CLOCK_TOLERANCE = dt.timedelta(seconds=60)
"""A larger difference between the clocks causes a warning (docs/vendors/log_collection.md 2.1)."""


@dataclasses.dataclass
class Head:
    """A window whose first page was read ahead, to learn the service's time before the other requests."""

    window: Window
    pages: Pages


class Keeper(t.Protocol):
    """Knows what was written, and commits."""

    def known(self, window: Window) -> t.Sequence[KeyTable]:
        """Return the pairs already written, for a window."""

    def remember_from(self, until: dt.datetime) -> dt.datetime:
        """Return the time from which records can come again, once everything up to ``until`` is read."""

    def commit(self, staged: StagedWindow) -> None:
        """Commit a window or a slice of one. They come strictly in order."""


class Reading:
    """The reading of one run."""

    def __init__(self, job: CollectJob, report: RunReport) -> None:
        self._job = job
        self._report = report

    def first_page(self, window: Window) -> Head:
        """Request the first page of a window.

        Raises:
            PerimeterError: the page could not be read.
        """
        pages = iter(self._job.source.pages(window))
        try:
            first = [page for page in [next(pages, None)] if page is not None]
        except Dense as dense:
            return Head(window, _raising(dense))
        except PerimeterError:
            self.service_now()  # a difference between the clocks may be the cause
            raise
        return Head(window, itertools.chain(first, pages))

    def service_now(self) -> dt.datetime:
        """Return the earlier of our time and that of the newest answer; warn once if the clocks differ."""
        own, theirs = self._job.clock(), self._job.source.server_time()
        if theirs is None:
            return own
        ahead = own - theirs
        if abs(ahead) > CLOCK_TOLERANCE and not any("The clock of this" in text for text in self._report.warnings):
            self._report.warn(
                f"The clock of this machine is {abs(ahead) // dt.timedelta(seconds=1)} seconds"
                f" {'ahead of' if ahead > dt.timedelta() else 'behind'} that of the service; the earlier one counts."
            )
        return min(own, theirs)

    def read(self, planned: t.Sequence[Window], head: Head | None, keeper: Keeper, *, leave_gaps: bool = False) -> None:
        """Read windows and commit them in order.

        Args:
            planned: the windows.
            head: the window whose first page was read ahead.
            keeper: commits the staged data.
            leave_gaps: pass a window that failed by itself to the keeper too, with its error.

        Raises:
            PerimeterError: a window failed; everything before it is committed.
        """
        job, stop, heads = self._job, threading.Event(), [head] if head else []

        def read(window: Window) -> t.Iterator[StagedWindow]:
            if stop.is_set():
                raise Stopped
            # The head's window may have been shortened since, so compare only its start.
            taken = heads.pop() if heads and not window.cut and heads[0].window.start == window.start else None
            pages = taken.pages if taken else iter(job.source.pages(window))
            writer = Writer(window, job.options, job.kept.kept)
            known = functools.partial(keeper.known, window)
            reader = WindowReader(window, known, keeper.remember_from, writer, job.source, check_mode=job.check_mode)
            slices = reader.slices(pages, stop)
            yield from self._narrowed(window, writer, slices) if leave_gaps else slices

        with contextlib.closing(in_order(planned, read, job.timing, stop)) as slices:
            for staged in slices:
                try:
                    keeper.commit(staged)
                finally:
                    if staged.whole:
                        staged.writer.discard()

    def _narrowed(self, window: Window, writer: Writer, slices: t.Iterator[StagedWindow]) -> t.Iterator[StagedWindow]:
        """The slices of a window. A wide one that fails by itself is cut, and a short one is handed on as failed."""
        reached = window.start
        try:
            for staged in slices:
                yield staged
                reached = staged.window.end
        except FAILED_BY_ITSELF as error:
            rest = Window(reached, window.end)
            if is_wide(rest) and rest.end - rest.start > self._job.timing.granularity:
                raise Dense(_PARTS, reached) from None
            yield StagedWindow(rest, writer, KeyTable(), WindowTally(), error=error)


def is_wide(window: Window) -> bool:
    """Whether a window is divided when it fails by itself."""
    return window.end - window.start > WIDE


def _raising(error: Exception | None) -> Pages:
    """The pages of a window that is known to be dense: raises the error."""
    if error:
        raise error
    yield []

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads past times again: ``sweep`` after an ordinary run, ``backfill`` instead of one.

This module is private to the collection and may change at any time.

Neither moves the position, and both compare each window with the segments of its time. So they can be repeated, and a
crash costs only time.
"""

from __future__ import annotations

import datetime as dt

from ..._base.errors import PerimeterError
from ..._records.result import Result
from ..._records.times import utc_text
from ..disk.files import write_failed
from ..disk.kept import Kept
from ..disk.keys import KeyTable
from ..disk.position import Position
from ..disk.reader import StagedWindow
from ..disk.source import Window
from ..disk.stream import write_stream
from .adopt import keys_on_disk
from .begin import FoundStream, new_stream
from .job import CollectJob
from .plan import ceil, cut, horizon, oldest, reread_from, windows
from .reading import Reading
from .report import RunReport


class _Again:
    """The keeper for times that are read again: it compares with the segments and moves no position.

    Attributes:
        end: the end of the span to read.
        reached: the time up to which the span was committed; None if nothing was.
    """

    def __init__(self, job: CollectJob, report: RunReport, end: dt.datetime) -> None:
        self._job = job
        self._report = report
        self.end = end
        self.reached: dt.datetime | None = None

    def known(self, window: Window) -> list[KeyTable]:
        """Return the pairs on the disk.

        Not those of the position: a backfill may have written newer contents since, and files may have been removed.
        """
        return [keys_on_disk(self._job.options.dest, window, self._job.timing)]

    def remember_from(self, until: dt.datetime) -> dt.datetime:
        """Return the time itself, because the windows do not overlap."""
        return until

    def commit(self, staged: StagedWindow) -> None:
        """Commit a window or a slice of one."""
        self.reached = min(staged.window.end, self.end)
        self._report.committed(staged, self.reached)


def sweep(job: CollectJob, report: RunReport, position: Position, was: dt.datetime, now: dt.datetime) -> None:
    """Read the time between ``sweep`` and ``overlap`` before the position that the run began with.

    Raises:
        PerimeterError: a window failed; earlier windows are committed.
    """
    timing = job.timing
    limits = [was - (job.options.sweep or dt.timedelta()), position.origin]
    limits += [limit for limit in (oldest(now, timing), job.retained_from(now)) if limit is not None]
    # Days that retain_days removed cannot be compared, so their records would be written again.
    start, end = ceil(max(limits), timing.granularity), reread_from(was, position.origin, timing)
    Reading(job, report).read(windows(start, start, end, timing), None, _Again(job, report, end))


def backfill(job: CollectJob, found: FoundStream, report: RunReport, span: Window) -> Result:
    """Read the span that the user gave.

    Args:
        job: the run.
        found: what is on the disk, checked.
        report: collects the results of the run.
        span: the span to read.

    Raises:
        FileError: the directory cannot be written.
    """
    options, position = job.options, found.position
    if found.held is None and not job.check_mode:
        stream = new_stream(job.source.identity, position.owner if position else None)
        if found.kept is None:
            job.kept.replace(Kept())  # otherwise the next run would take the segments for those of a lost position
        try:
            write_stream(options.dest, stream, mode=options.mode)
        except OSError as error:
            raise write_failed(options.dest, error) from error
    try:
        _backfill(job, report, span, position)
    except PerimeterError as error:
        report.error = error
    return report.result(position.committed_until if position else None)


def _backfill(job: CollectJob, report: RunReport, span: Window, position: Position | None) -> None:
    timing = job.timing
    now = job.clock()
    start, end = span.start, _end(job, report, span.end, position, now)
    edge = oldest(now, timing)
    if edge is not None and edge > start:
        report.gap(start, min(edge, span.end), "older than what the service keeps")
        start = edge
    planned = windows(start, start, end, timing)
    reading = Reading(job, report)
    head = reading.first_page(planned[0]) if planned else None
    if head:
        end = min(end, horizon(reading.service_now(), timing))
        planned = cut(planned, end, timing)
    keeper = _Again(job, report, end)
    try:
        reading.read(planned, head, keeper)
    except PerimeterError:
        if keeper.reached is not None:
            report.warn(f"backfill came up to {utc_text(keeper.reached)}: set from to this time to continue.")
        raise


def _end(
    job: CollectJob, report: RunReport, end: dt.datetime, position: Position | None, now: dt.datetime
) -> dt.datetime:
    """Return the end of a backfill: time after the position, or younger than the lag, is left to ordinary runs."""
    limit, why = horizon(now, job.timing), "records still arrive there"
    if position is not None and position.generation and position.committed_until < limit:
        limit, why = position.committed_until, "later times are left to ordinary runs"
    if end <= limit:
        return end
    report.warn(f"backfill ends at {utc_text(limit)}, not at {utc_text(end)}: {why}.")
    return limit

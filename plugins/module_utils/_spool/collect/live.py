# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ordinary run: reads everything since the position.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from ..._base.errors import PerimeterError, RateLimited
from ..._records.result import Result
from ..._records.times import utc_text
from ..disk.files import write_failed
from ..disk.kept import Kept
from ..disk.keys import KeyTable
from ..disk.retain import remove_old
from ..disk.source import Window
from ..disk.stream import stream_id, write_stream
from . import sweep
from .adopt import adopt, damaged, set_back
from .begin import Beginning, FoundStream, begin, first_start
from .job import CollectJob
from .plan import SECOND, cut, floor, horizon, oldest, reread_from, windows
from .progress import Progress
from .reading import CLOCK_TOLERANCE, FAILED_BY_ITSELF, Head, Reading, is_wide
from .report import RunReport


@dataclasses.dataclass
class _WindowPlan:
    """The windows to request. ``lost`` is an earlier span that will never be read, with the reason."""

    end: dt.datetime
    windows: list[Window]
    probe: Window | None
    lost: tuple[dt.datetime, str] | None


class Live:
    """One ordinary run.

    Args:
        job: the run.
        found: what is on the disk, checked.
        report: collects the results of the run.
    """

    def __init__(self, job: CollectJob, found: FoundStream, report: RunReport) -> None:
        self._job = job
        self._now = job.clock()
        self._beginning: Beginning = begin(job, found, self._now)
        self._position = self._beginning.position
        self._report = report
        self._reading = Reading(job, self._report)
        self._progress = Progress(job, self._report, self._position)

    def collect(self) -> Result:
        """Run. An error after the start is returned in the result, with what was committed before it."""
        self._start()
        was = self._position.committed_until
        report, job = self._report, self._job
        try:
            self._read_up_to_a_limit(was)
            if job.options.sweep is not None and not report.paused:
                self._sweep_up_to_a_limit(was)
        except PerimeterError as error:
            report.error = error
        else:
            self._retain()
        return report.result(self._position.committed_until)

    def _start(self) -> None:
        """Adopt what an earlier run left behind, and create the stream's files."""
        job, position, beginning = self._job, self._position, self._beginning
        dest, report = job.options.dest, self._report
        if beginning.warning:
            report.warn(beginning.warning)
        for warning in damaged(position, dest):
            report.warn(warning)
        adopted, gone = adopt(position, dest, job.timing)
        report.adopted = len(adopted)
        if gone:
            report.warn(
                f"{len(gone)} recently written files of {dest} are missing, {gone[0]} among them."
                " Their records are not read again: use backfill if they are needed."
            )
        ahead = position.committed_until
        if ahead > self._now + CLOCK_TOLERANCE:
            set_back(position, dest, self._now, job.timing)
            report.warn(
                f"The position {utc_text(ahead)} is in the future: the clock is or was wrong. It was set back to"
                f" {utc_text(position.committed_until)}, the time that the segments prove, and later times are read"
                " again; nothing is written twice."
            )
        if job.check_mode:
            return
        if beginning.first or beginning.warning or adopted or ahead != position.committed_until:
            job.place.write(position)
        if beginning.unmarked:
            try:
                write_stream(dest, beginning.stream, mode=job.options.mode)
            except OSError as error:
                raise write_failed(dest, error) from error

    def _read_up_to_a_limit(self, was: dt.datetime) -> None:
        """Read. A limit of calls or of waiting ends the run without an error if there was some progress."""
        try:
            self._read()
        except RateLimited as error:
            if self._position.committed_until <= was:
                raise
            self._report.paused = True
            self._report.warn(
                f"{error.message} The stream is read up to {utc_text(self._position.committed_until)}, and the next run"
                " continues from there."
            )

    def _sweep_up_to_a_limit(self, was: dt.datetime) -> None:
        """Read older times again. The new records are stored by then, so a limit ends the run without an error."""
        try:
            sweep.sweep(self._job, self._report, self._position, was, self._now)
        except RateLimited as error:
            self._report.paused = True
            self._report.warn(f"{error.message} Not all of the older times were read again.")

    def _read(self) -> None:
        plan = self._plan(self._now)
        asked = plan.probe or (plan.windows[0] if plan.windows else None)
        head = self._head(asked, plan) if asked else None
        now = min(self._now, self._reading.service_now()) if head else self._now
        if head and self._now - now > CLOCK_TOLERANCE:
            # Our clock is far ahead, so the plan covers times in the future.
            head, self._now = None, now
            plan = self._plan(now)
        plan.end = min(plan.end, horizon(now, self._job.timing))
        planned = cut(plan.windows, plan.end, self._job.timing)
        if plan.lost:
            self._progress.skip(*plan.lost)
        if self._beginning.first:
            self._start_at(min(self._position.committed_until, plan.end))
        if plan.probe:
            self._progress.begin()
            self._progress.move(self._position.committed_until, KeyTable(), [])
        self._progress.end = plan.end
        self._reading.read(planned, None if plan.probe else head, self._progress, leave_gaps=self._leaves_gaps)
        self._progress.check_gaps()

    @property
    def _leaves_gaps(self) -> bool:
        return self._job.options.on_failed_window == "gap"

    def _head(self, asked: Window, plan: _WindowPlan) -> Head | None:
        """Read the first page of the run; None when that failed and may become a gap.

        Raises:
            PerimeterError: the page could not be read.
        """
        try:
            return self._reading.first_page(asked)
        except FAILED_BY_ITSELF:
            if not self._leaves_gaps or (len(plan.windows) < 2 and not is_wide(asked)):
                raise
            return None

    def _plan(self, now: dt.datetime) -> _WindowPlan:
        position, timing = self._position, self._job.timing
        end, edge = horizon(now, timing), oldest(now, timing)
        if self._beginning.first:
            self._correct_start(now, edge)
        committed, lost = position.committed_until, None
        if self._beginning.skip and end > committed:
            lost = (end, "the position was lost, and first_run is now")
        elif edge is not None and edge > committed:
            lost = (edge, "older than what the service keeps")
        start = reread_from(committed, position.origin, timing)
        if edge is not None:
            start = max(start, edge)
        if lost:
            start = floor(max(start, lost[0]), timing.granularity)
        planned = windows(start, lost[0] if lost else committed, end, timing)
        # Without any window, a first run would succeed even with wrong credentials or a wrong clock.
        unproven = not planned and (self._beginning.first or self._beginning.skip)
        return _WindowPlan(end, planned, Window(end - SECOND, end) if unproven else None, lost)

    def _correct_start(self, now: dt.datetime, edge: dt.datetime | None) -> None:
        """Set the start by ``first_run`` while nothing was committed; the start of an earlier attempt is kept."""
        start = self._position.committed_until
        if self._job.options.first_run != "fail":
            start = min(start, first_start(self._job.options, now))
        if edge is not None:
            start = max(start, edge)
        self._start_at(start)

    def _start_at(self, start: dt.datetime) -> None:
        position = self._position
        position.committed_until = position.origin = start
        position.keys_since = max(start, self._beginning.known_until or start)

    def _retain(self) -> None:
        job, report, position = self._job, self._report, self._position
        before = job.retained_from(self._now)
        if before is None or job.check_mode:
            return
        # Segments of times that will be read again are needed, whatever their age.
        before = min(before, reread_from(position.committed_until, position.origin, job.timing))
        stream = stream_id(job.options.dest) or ""
        kept = job.kept.kept or Kept()
        found = remove_old(job.options, job.state, stream, before.date(), kept, position.committed_until)
        report.removed = len(found.removed)
        if found.problem:
            report.warn(found.problem)
        if found.waiting:
            report.warn(
                f"retain_days: {len(found.waiting)} old files stay, because they are not yet delivered to"
                f" {', '.join(found.lagging)}."
            )

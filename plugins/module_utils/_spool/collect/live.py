# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ordinary run: reads everything since the position, and moves the position.

This module is private to the collection and may change at any time.

For each window, first the segments are written, each durable before its rename, and then the position. After a crash
between the two, the next run adopts the segments that the position does not know before it sends any request.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt

from ..._base.errors import PerimeterError
from ..._records.codec import dump_line
from ..._records.model import SCHEMA, Gap
from ..._records.result import Result
from ..._records.times import utc_text
from ..disk.files import window_of, write_failed
from ..disk.kept import Kept, read_kept
from ..disk.keys import KeyTable
from ..disk.reader import Staged
from ..disk.retain import remove_old
from ..disk.segment import Writer
from ..disk.source import Window, content_hash
from ..disk.stream import stream_id, write_stream
from . import sweep
from .adopt import adopt, keys_on_disk, set_back, upper_of
from .begin import Beginning, begin, first_start
from .commit import CLOCK_TOLERANCE, FAILED_BY_ITSELF, Head, Run
from .plan import SECOND, cut, floor, horizon, oldest, reread_from, windows


@dataclasses.dataclass
class _Plan:
    """The windows to request. ``lost`` is an earlier span that will never be read, with the reason."""

    end: dt.datetime
    windows: list[Window]
    probe: Window | None
    lost: tuple[dt.datetime, str] | None


class Live:
    """One ordinary run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._options = run.options
        self._timing = run.options.timing
        now = run.clock()
        run.kept = read_kept(run.options.dest)
        self._beginning: Beginning = begin(run.place, run.options, run.source.identity, now, run.kept)
        self._position = self._beginning.position
        self._now = now
        self._was = self._position.committed_until

    def collect(self) -> Result:
        """Run. An error after the start is in the result, with what was committed before it."""
        self._start()
        self._was = self._position.committed_until
        try:
            self._read()
            if self._options.sweep is not None:
                sweep.sweep(self._run, self._position, self._was, self._now)
        except PerimeterError as error:
            self._run.error = error
        else:
            self._retain()
        return self._run.result(self._position.committed_until)

    def _start(self) -> None:
        """Adopt what an earlier run left behind, and create the stream's files."""
        run, position, beginning = self._run, self._position, self._beginning
        if beginning.warning:
            run.warnings.append(beginning.warning)
        adopted, gone = adopt(position, self._options.dest, self._timing)
        run.adopted = len(adopted)
        if gone:
            run.warnings.append(
                f"{len(gone)} files of {self._options.dest} are gone that were written lately, {gone[0]} among them."
                " Their records are not read again: use backfill if they are needed."
            )
        ahead = position.committed_until
        if ahead > self._now + CLOCK_TOLERANCE:
            set_back(position, self._options.dest, self._now, self._timing)
            run.warnings.append(
                f"The position {utc_text(ahead)} is in the future: the clock is or was wrong. It was set back to"
                f" {utc_text(position.committed_until)}, as far as the segments prove, and what follows is read again;"
                " nothing is written twice."
            )
        if run.check_mode:
            return
        if beginning.first or beginning.warning or adopted or ahead != position.committed_until:
            run.place.write(position)
        if beginning.unmarked:
            try:
                write_stream(self._options.dest, beginning.stream, mode=self._options.mode)
            except OSError as error:
                raise write_failed(self._options.dest, error) from error

    def _read(self) -> None:
        plan = self._plan(self._now)
        asked = plan.probe or (plan.windows[0] if plan.windows else None)
        head = self._head(asked, plan) if asked else None
        now = min(self._now, self._run.service_now()) if head else self._now
        if head and self._now - now > CLOCK_TOLERANCE:
            # Our clock is far ahead, so the plan was made for times in the future.
            head, self._now = None, now
            plan = self._plan(now)
        plan.end = min(plan.end, horizon(now, self._timing))
        planned = cut(plan.windows, plan.end, self._timing)
        if plan.lost:
            self._write_gap(*plan.lost)
        if self._beginning.first:
            self._start_at(min(self._position.committed_until, plan.end))
        if plan.probe:
            self._begin_live()
            self._moved(self._position.committed_until, KeyTable(), [])
        self._windows(planned, None if plan.probe else head, plan.end)

    def _head(self, asked: Window, plan: _Plan) -> Head | None:
        """Read the first page of the run; None when that failed and may become a gap.

        Raises:
            PerimeterError: the page could not be read.
        """
        try:
            return self._run.first_page(asked)
        except FAILED_BY_ITSELF:
            if self._options.on_failed_window == "stop" or len(plan.windows) < 2:
                raise
            return None

    def _plan(self, now: dt.datetime) -> _Plan:
        position, timing = self._position, self._timing
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
        # Without any window, a first run would succeed with wrong credentials and a wrong clock.
        unproven = not planned and (self._beginning.first or self._beginning.skip)
        return _Plan(end, planned, Window(end - SECOND, end) if unproven else None, lost)

    def _correct_start(self, now: dt.datetime, edge: dt.datetime | None) -> None:
        """Set the start by ``first_run`` while nothing was committed; the start of an earlier attempt is kept."""
        position = self._position
        start = position.committed_until
        if self._options.first_run != "fail":
            start = min(start, first_start(self._options, now))
        if edge is not None:
            start = max(start, edge)
        self._start_at(start)

    def _start_at(self, start: dt.datetime) -> None:
        position = self._position
        position.committed_until = position.origin = start
        position.keys_since = max(start, self._beginning.known_until or start)

    def _begin_live(self) -> None:
        """Store that there was an ordinary run, before anything of it is committed."""
        kept = self._run.kept
        if kept is None or kept.until is None:
            self._run.keep(dataclasses.replace(kept or Kept(), until=self._position.committed_until))

    def _windows(self, planned: list[Window], head: Head | None, end: dt.datetime) -> None:
        failed: list[tuple[dt.datetime, PerimeterError]] = []

        def commit(staged: Staged) -> None:
            until = min(staged.window.end, end)
            if staged.error is not None:
                failed.append((until, staged.error))
                return
            # Only now is it known that the service is not down altogether.
            for bound, error in failed:
                self._write_gap(bound, f"it could not be read: {error.message.rstrip('.')}")
            failed.clear()
            self._begin_live()
            names = self._run.commit_segments(staged, until)
            self._moved(until, staged.keys, names)

        def remember_from(window: Window) -> dt.datetime:
            return reread_from(min(window.end, end), self._position.origin, self._timing)

        gaps = self._options.on_failed_window == "gap"
        self._run.read(planned, head, self._known, remember_from, commit, tell_failed=gaps)
        if failed:
            raise failed[0][1]

    def _known(self, window: Window) -> list[KeyTable]:
        seen = self._position.seen
        if window.start >= self._position.keys_since:
            return [seen]
        # The segments first: a newer one may have replaced what was adopted from an older one.
        return [keys_on_disk(self._options.dest, window, self._timing), seen]

    def _moved(self, until: dt.datetime, keys: KeyTable, names: list[str]) -> None:
        """Move the position, and drop keys that cannot come again."""
        position, timing = self._position, self._timing
        position.committed_until = max(position.committed_until, until)
        since = reread_from(position.committed_until, position.origin, timing)
        moment = int(since.timestamp())
        # A new table each time: windows that are being read still use the previous one.
        seen = position.seen.since(moment)
        seen.update(keys, moment)
        position.seen = seen
        position.keys_since = max(position.keys_since, since)
        spans = {name: window_of(name.rpartition("/")[2]) for name in [*position.tail, *names]}
        position.tail = [name for name, span in spans.items() if span and upper_of(span, timing) > since]
        position.generation += 1
        if not self._run.check_mode:
            self._run.place.write(position)

    def _write_gap(self, end: dt.datetime, reason: str) -> None:
        """Record a lost span in the stream and in the position, and continue after it."""
        position, identity = self._position, self._run.source.identity
        start = position.committed_until
        gap: Gap = {
            "record": "gap",
            "schema": SCHEMA,
            "source": identity.source,
            "stream": identity.stream,
            "from": utc_text(start),
            "to": utc_text(end),
            "reason": reason,
        }
        told = {"from": gap["from"], "to": gap["to"], "reason": reason}
        names: list[str] = []
        self._begin_live()
        if not self._run.check_mode:
            writer = Writer(Window(end, end), self._options, self._run.kept)
            with contextlib.ExitStack() as stack:
                stack.callback(writer.discard)
                line = dict(gap) | {"key": f"gap:{gap['from']}", "content": content_hash(told)}
                writer.write(end.date(), dump_line(line))
                names = writer.commit(end)
        position.gaps.append(told)
        self._run.gaps.append(told)
        self._run.gaps_written += 1
        self._run.segments += names
        self._run.warnings.append(f"Nothing was read from {gap['from']} to {gap['to']}: {reason}.")
        self._moved(end, KeyTable(), names)

    def _retain(self) -> None:
        before = self._run.retained_from(self._now)
        if before is None or self._run.check_mode:
            return
        # Segments of times that are read again are needed, whatever their age.
        before = min(before, reread_from(self._position.committed_until, self._position.origin, self._timing))
        stream = stream_id(self._options.dest) or ""
        kept, until = self._run.kept or Kept(), self._position.committed_until
        found = remove_old(self._options, self._run.state, stream, before.date(), kept, until)
        self._run.removed = len(found.removed)
        if found.problem:
            self._run.warnings.append(found.problem)
        if found.waiting:
            self._run.warnings.append(
                f"retain_days: {len(found.waiting)} old files stay, as they are not delivered yet to"
                f" {', '.join(found.lagging)}."
            )

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads older time again: ``sweep`` after an ordinary run, ``backfill`` instead of one.

This module is private to the collection and may change at any time.

Neither moves the position, and both compare each window with the segments of its time. So they can be repeated, and a
crash only costs time.
"""

from __future__ import annotations

import datetime as dt

from ..._base.errors import PerimeterError
from ..._records.result import Result
from ..._records.times import utc_text
from ..disk.files import list_segments, write_failed
from ..disk.kept import Kept, read_kept
from ..disk.keys import KeyTable
from ..disk.position import Position
from ..disk.reader import Staged
from ..disk.source import Window
from ..disk.stream import Stream, write_stream
from .adopt import keys_on_disk
from .begin import check_owner, held_stream, new_stream
from .commit import Head, Run
from .plan import ceil, cut, horizon, oldest, reread_from, windows


def sweep(run: Run, position: Position, was: dt.datetime, now: dt.datetime) -> None:
    """Read the time between ``sweep`` and ``overlap`` before the position that the run began with.

    Raises:
        PerimeterError: a window failed; earlier windows are committed.
    """
    timing = run.options.timing
    limits = [was - (run.options.sweep or dt.timedelta()), position.origin]
    limits += [limit for limit in (oldest(now, timing), run.retained_from(now)) if limit is not None]
    # Days that retain_days removed cannot be compared, and would be written again.
    start, end = ceil(max(limits), timing.granularity), reread_from(was, position.origin, timing)
    _read_again(run, windows(start, start, end, timing), None, end)


def _read_again(run: Run, planned: list[Window], head: Head | None, end: dt.datetime) -> None:
    timing = run.options.timing

    def known(window: Window) -> list[KeyTable]:
        # Not the position's keys: a backfill may have written newer content since, and files may have been removed.
        return [keys_on_disk(run.options.dest, window, timing)]

    def remember_from(window: Window) -> dt.datetime:
        return window.end

    def commit(staged: Staged) -> None:
        run.commit_segments(staged, min(staged.window.end, end))

    run.read(planned, head, known, remember_from, commit)


def check_backfill(run: Run) -> tuple[Stream | None, Position | None]:
    """Return the directory's hidden file and the position. Writes nothing.

    Raises:
        StateError: position and directory do not belong together.
    """
    options, place = run.options, run.place
    run.kept = read_kept(options.dest)
    held = held_stream(options.dest, run.source.identity)
    position = place.read()
    if position is not None:
        fresh = position.generation == 0 and not list_segments(options.dest)
        check_owner(place, options.dest, position, held, fresh=fresh)
    return held, position


def backfill(run: Run, span: Window) -> Result:
    """Read the span that the user gave.

    Raises:
        StateError: position and directory do not belong together.
        FileError: the directory cannot be written.
    """
    options = run.options
    held, position = check_backfill(run)
    if held is None and not run.check_mode:
        stream = new_stream(run.source.identity, position.owner if position else None)
        if run.kept is None:
            run.keep(Kept())  # or the next run would take the segments for those of a lost position
        try:
            write_stream(options.dest, stream, mode=options.mode)
        except OSError as error:
            raise write_failed(options.dest, error) from error
    try:
        _backfill(run, span, position)
    except PerimeterError as error:
        run.error = error
    return run.result(position.committed_until if position else None)


def _backfill(run: Run, span: Window, position: Position | None) -> None:
    timing = run.options.timing
    now = run.clock()
    start, end = span.start, _end(run, span.end, position, now)
    edge = oldest(now, timing)
    if edge is not None and edge > start:
        gap_end = min(edge, span.end)
        reason = "older than what the service keeps"
        run.gaps.append({"from": utc_text(start), "to": utc_text(gap_end), "reason": reason})
        run.warnings.append(f"Nothing was read from {utc_text(start)} to {utc_text(gap_end)}: {reason}.")
        start = edge
    planned = windows(start, start, end, timing)
    head = run.first_page(planned[0]) if planned else None
    if head:
        end = min(end, horizon(run.service_now(), timing))
        planned = cut(planned, end, timing)
    _read_again(run, planned, head, end)


def _end(run: Run, end: dt.datetime, position: Position | None, now: dt.datetime) -> dt.datetime:
    """Return the end of a backfill: time after the position, or younger than the lag, is left to ordinary runs."""
    limit, why = horizon(now, run.options.timing), "records still arrive there"
    if position is not None and position.generation and position.committed_until < limit:
        limit, why = position.committed_until, "what is after the position belongs to the ordinary run"
    if end <= limit:
        return end
    run.warnings.append(f"backfill ends at {utc_text(limit)}, not at {utc_text(end)}: {why}.")
    return limit

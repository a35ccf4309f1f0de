# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides where a run begins: whether position and directory belong together, and what to do without a position.

This module is private to the collection and may change at any time.

The rules, which the documentation of ``first_run`` repeats:

- Position and directory must have the same owner, else the run is refused.
- Without a position it is unknown up to when the stream was collected. ``fail`` refuses to run.
- ``lookback`` begins that long before now. If the directory has segments, it begins no later than their end, and each
  window is compared with them, so that nothing is written twice.
- ``now`` begins now. If the stream was collected before, the time in between is recorded as a gap.
- If only a backfill has written to the directory, the next ordinary run is a first run.
- What ``retain_days`` removed is never requested again.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib

from ..._base.errors import StateError
from ..._records.times import utc_text
from ..disk.files import Segment, list_segments
from ..disk.kept import Kept, not_before
from ..disk.options import Options
from ..disk.position import Position, PositionFile
from ..disk.source import Identity
from ..disk.stream import Stream, check_same, describe, identity_hash, new_owner, read_stream
from .adopt import upper
from .plan import SECOND, floor, horizon, oldest

_OTHER = "Give the directory of before, or give this stream a state_dir of its own."
_LOST = "If it is gone for good, say with first_run where to begin: lookback writes nothing twice."


@dataclasses.dataclass
class Beginning:
    """Where a run begins.

    Attributes:
        position: the position; not stored yet if ``first``.
        stream: the content of the directory's hidden file, which still has to be written if ``unmarked``.
        first: whether no window was ever committed, so that the start may still be corrected.
        unmarked: whether the directory has no hidden file yet.
        warning: a warning for the user, or None.
        known_until: a backfill wrote segments with records before this time; None if there are none.
        skip: whether the time from the position until now is skipped, as the position was lost and ``first_run`` is
            ``now``.
    """

    position: Position
    stream: Stream
    first: bool
    unmarked: bool
    warning: str | None = None
    skip: bool = False
    known_until: dt.datetime | None = None


def held_stream(dest: pathlib.Path, identity: Identity) -> Stream | None:
    """Return the content of the directory's hidden file, or None if it has neither that file nor segments.

    Raises:
        StateError: the directory belongs to another stream, or has segments of an unknown one.
    """
    held = read_stream(dest)
    if held is not None:
        check_same(dest, held, identity)
    elif list_segments(dest):
        raise StateError(
            f"dest: {dest} holds segments, but its file .stream.json is missing; nothing was touched.",
            hint="Restore that file, or give each stream a directory of its own.",
        )
    return held


def new_stream(identity: Identity, owner: str | None = None) -> Stream:
    """Return the content of a directory's hidden file for a stream."""
    return Stream(identity_hash(identity), owner or new_owner(), describe(identity))


def begin(
    place: PositionFile, options: Options, identity: Identity, now: dt.datetime, kept: Kept | None = None
) -> Beginning:
    """Return where to begin. Writes nothing.

    Args:
        place: the position.
        options: the checked options, with the stream's directory.
        identity: the stream.
        now: the present, UTC.
        kept: the directory's memory.

    Raises:
        StateError: there is no position and ``first_run`` is ``fail``, or the position belongs to another directory.
    """
    position = place.read()
    held = held_stream(options.dest, identity)
    segments = list_segments(options.dest)
    if position is None:
        return _lost(place, options, now, held or new_stream(identity), segments, kept) or _first(
            place, options, now, held, new_stream(identity), segments
        )
    position.origin = not_before(position.origin, kept)
    fresh = position.generation == 0 and not segments
    check_owner(place, options.dest, position, held, fresh=fresh)
    return Beginning(position, held or new_stream(identity, position.owner), fresh, held is None)


def check_owner(
    place: PositionFile, dest: pathlib.Path, position: Position, held: Stream | None, *, fresh: bool
) -> None:
    """Refuse a position and a directory that do not belong together; ``fresh``: neither exists yet.

    Raises:
        StateError: they do not belong together.
    """
    if held is None and not fresh:
        raise StateError(
            f"dest: {dest} is not the directory that the position {place.path} belongs to; nothing was touched.",
            hint=_OTHER,
        )
    if held is not None and held.owner != position.owner:
        raise StateError(
            f"dest: {dest} has another owner than the position {place.path}; nothing was touched.",
            hint=_OTHER,
        )


def first_start(options: Options, now: dt.datetime) -> dt.datetime:
    """Return the start of a stream without records."""
    end = horizon(now, options.timing)
    if options.first_run == "now":
        return end
    start = floor(now - options.lookback, SECOND)
    edge = oldest(now, options.timing)
    return min(end, start if edge is None else max(start, edge))


def _first(
    place: PositionFile,
    options: Options,
    now: dt.datetime,
    held: Stream | None,
    stream: Stream,
    segments: list[Segment],
) -> Beginning:
    """The beginning of a stream that was never collected, although a backfill may have written segments."""
    if options.first_run == "fail":
        raise StateError(
            f"There is no position {place.path}, and first_run is fail.",
            hint="For the first run of a stream, set first_run to lookback or now. If it is not the first, check that"
            " state_dir and dest are the ones of before.",
        )
    start = first_start(options, now)
    known_until = max((upper(segment, options.timing) for segment in segments), default=None)
    position = Position((held or stream).owner, start, start, max(start, known_until or start))
    return Beginning(position, held or stream, True, held is None, known_until=known_until)


def _lost(
    place: PositionFile,
    options: Options,
    now: dt.datetime,
    stream: Stream,
    segments: list[Segment],
    kept: Kept | None,
) -> Beginning | None:
    """The beginning of a stream that was collected before and lost its position; None for others."""
    until = kept.until if kept else None
    if until is None and (kept is not None or not segments):
        return None
    ends = [segment.window.end for segment in segments] + ([until] if until else [])
    last = max(ends)
    found = f"{options.dest} was collected up to {utc_text(last)} at least"
    if segments:
        found = f"{options.dest} holds records up to {utc_text(last)}"
    if options.first_run == "fail":
        raise StateError(
            f"The position {place.path} is missing although {found}; nothing was touched.",
            hint=f"Check that state_dir is the one of before, on a volume that outlives each run. {_LOST}",
        )
    committed = not_before(last if options.first_run == "now" else min(first_start(options, now), last), kept)
    first = min((segment.window.start for segment in segments), default=committed)
    position = Position(
        stream.owner,
        committed_until=committed,
        origin=not_before(min(first, committed), kept),
        # Up to the end of the segments, each window is compared with them, as not all keys fit into memory.
        keys_since=max((upper(segment, options.timing) for segment in segments), default=committed),
        tail=[segment.name for segment in segments],
    )
    warning = (
        f"The position {place.path} was missing although {found}. It was begun anew at {utc_text(committed)}, as"
        f" first_run is {options.first_run}."
    )
    return Beginning(position, stream, False, False, warning, skip=options.first_run == "now")

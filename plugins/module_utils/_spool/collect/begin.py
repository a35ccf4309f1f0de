# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run begins: whether position and directory belong together, and what to do when there is no position.

This module is private to the collection and may change at any time.

The rules, which the documentation of ``first_run`` repeats:

- Position and directory name the same owner, else the run refuses.
- Without a position nobody knows up to when the stream was collected. ``fail`` refuses.
- ``lookback`` begins that long before now. When the directory holds segments, it begins no later than where they end,
  and each window is compared with what they hold, so that nothing is written twice.
- ``now`` begins now. When the directory was collected before, the time between then and now is a gap, told as such.
- A directory that only a backfill wrote to was never collected, so the first run in it is a first run.
- Nothing that ``retain_days`` removed is ever asked for again.
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
        position: the position, in memory only as yet when ``first``.
        stream: what the directory's hidden file says, or has to say when ``unmarked``.
        first: no window was ever committed, so the start may still be corrected.
        unmarked: the directory has no hidden file yet.
        warning: what the user should know, or None.
        known_until: segments that a backfill wrote hold records of before this; None when there are none.
        skip: the time from the position until now is given up, as the position was lost and ``first_run`` is ``now``.
    """

    position: Position
    stream: Stream
    first: bool
    unmarked: bool
    warning: str | None = None
    skip: bool = False
    known_until: dt.datetime | None = None


def held_stream(dest: pathlib.Path, identity: Identity) -> Stream | None:
    """What the directory says that it holds, when that is this stream or nothing.

    Raises:
        StateError: it holds another stream, or segments of nobody knows which.
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
    """A directory's hidden file for a stream."""
    return Stream(identity_hash(identity), owner or new_owner(), describe(identity))


def begin(
    place: PositionFile, options: Options, identity: Identity, now: dt.datetime, kept: Kept | None = None
) -> Beginning:
    """Find out where to begin; writes nothing.

    Args:
        place: the position.
        options: where the stream stands.
        identity: the stream.
        now: the present, UTC.
        kept: what the directory remembers.

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
    """Refuse a position and a directory that do not belong together; ``fresh`` if neither holds anything yet.

    Raises:
        StateError: they do not.
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
    """Where a stream begins that has no records yet."""
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
    """Nothing was ever collected, although a backfill may have written segments."""
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
    """The directory was collected before, so its position is lost; None when it was not."""
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
        # Until the segments end, each window is compared with what they hold, as not all keys fit into memory.
        keys_since=max((upper(segment, options.timing) for segment in segments), default=committed),
        tail=[segment.name for segment in segments],
    )
    warning = (
        f"The position {place.path} was missing although {found}. It was begun anew at {utc_text(committed)}, as"
        f" first_run is {options.first_run}."
    )
    return Beginning(position, stream, False, False, warning, skip=options.first_run == "now")

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
- Times whose segments ``retain_days`` removed are never requested again.
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
from ..disk.position import Position
from ..disk.source import Identity
from ..disk.stream import Stream, check_directory, check_owner, describe, identity_hash, new_owner, read_stream_document
from .adopt import upper
from .job import CollectJob
from .plan import SECOND, floor, horizon, oldest

_LOST = "If it is lost, choose with first_run where to begin: lookback writes nothing twice."


@dataclasses.dataclass
class Beginning:
    """Where a run begins.

    Attributes:
        position: the position; not stored yet if ``first``.
        stream: the content of the directory's hidden file, which must still be written if ``unmarked``.
        first: whether no window was ever committed, so that the start may still be corrected.
        unmarked: whether the directory has no hidden file yet.
        warning: a warning for the user, or None.
        known_until: a backfill wrote segments with records before this time; None if there are none.
        skip: whether the time from the position until now is skipped, because the position was lost and ``first_run``
            is ``now``.
    """

    position: Position
    stream: Stream
    first: bool
    unmarked: bool
    warning: str | None = None
    skip: bool = False
    known_until: dt.datetime | None = None


@dataclasses.dataclass(frozen=True)
class FoundStream:
    """What was found of a stream on the disk.

    Attributes:
        position: the position, or None.
        held: the content of the directory's hidden file, or None.
        segments: the segments, in the order in which they were written.
        kept: the directory's memory, or None.
    """

    position: Position | None
    held: Stream | None
    segments: list[Segment]
    kept: Kept | None

    @property
    def fresh(self) -> bool:
        """Whether nothing was ever committed, neither to the position nor to the directory."""
        return (self.position is None or self.position.generation == 0) and not self.segments

    @property
    def collected_until(self) -> dt.datetime | None:
        """The time up to which an ordinary run certainly read, without a position; None if there was no such run."""
        until = self.kept.until if self.kept else None
        if until is None and (self.kept is not None or not self.segments):
            return None
        return max([segment.window.end for segment in self.segments] + ([until] if until else []))


def look(job: CollectJob) -> FoundStream:
    """Read what is there of a stream. Writes nothing.

    Raises:
        StateError: a file is damaged, or was written by another release.
        FileError: the directory cannot be read.
    """
    dest = job.options.dest
    return FoundStream(job.place.read(), read_stream_document(dest), list_segments(dest), job.kept.read())


def check(job: CollectJob, found: FoundStream) -> None:
    """Refuse what cannot be continued. Writes nothing, and may be called before anything is created.

    Raises:
        StateError: position and directory do not belong together, or to this stream, or there is no position and
            ``first_run`` is ``fail``.
    """
    dest, path = job.options.dest, job.place.path
    check_directory(dest, found.held, job.source.identity, has_segments=bool(found.segments))
    if found.position is not None:
        check_owner(dest, found.held, found.position.owner, known_as=f"the position {path}", fresh=found.fresh)
    elif job.options.first_run == "fail" and job.options.backfill is None:
        if (last := found.collected_until) is not None:
            raise StateError(
                f"The position {path} is missing although {_described(dest, found, last)}; nothing was changed.",
                hint=f"Check that state_dir is the same as before, on a volume that outlives each run. {_LOST}",
            )
        raise StateError(
            f"There is no position {path}, and first_run is fail.",
            hint="For the first run of a stream, set first_run to lookback or now. If it is not the first, check that"
            " state_dir and dest are the same as before.",
        )


def _described(dest: pathlib.Path, found: FoundStream, last: dt.datetime) -> str:
    if found.segments:
        return f"{dest} holds records up to {utc_text(last)}"
    return f"{dest} was collected up to {utc_text(last)} at least"


def new_stream(identity: Identity, owner: str | None = None) -> Stream:
    """Return the content of a directory's hidden file for a stream."""
    return Stream(identity_hash(identity), owner or new_owner(), describe(identity))


def begin(job: CollectJob, found: FoundStream, now: dt.datetime) -> Beginning:
    """Return where to begin, for something that passed :func:`check`. Writes nothing.

    Args:
        job: the run.
        found: the files of the stream.
        now: the current time, UTC.
    """
    position, held = found.position, found.held
    if position is None:
        stream = held or new_stream(job.source.identity)
        last = found.collected_until
        return _first(job, found, stream, now) if last is None else _lost(job, found, stream, last, now)
    position.origin = not_before(position.origin, found.kept)
    stream = held or new_stream(job.source.identity, position.owner)
    return Beginning(position, stream, found.fresh, held is None)


def first_start(options: Options, now: dt.datetime) -> dt.datetime:
    """Return the start of a stream without records."""
    end = horizon(now, options.timing)
    if options.first_run == "now":
        return end
    start = floor(now - options.lookback, SECOND)
    edge = oldest(now, options.timing)
    return min(end, start if edge is None else max(start, edge))


def _first(job: CollectJob, found: FoundStream, stream: Stream, now: dt.datetime) -> Beginning:
    """The beginning of a stream that was never collected, although a backfill may have written segments."""
    start = first_start(job.options, now)
    known_until = max((upper(segment, job.timing) for segment in found.segments), default=None)
    position = Position(stream.owner, start, start, max(start, known_until or start))
    return Beginning(position, stream, True, found.held is None, known_until=known_until)


def _lost(job: CollectJob, found: FoundStream, stream: Stream, last: dt.datetime, now: dt.datetime) -> Beginning:
    """The beginning of a stream that was collected before, and lost its position."""
    options = job.options
    skip = options.first_run == "now"
    committed = not_before(last if skip else min(first_start(options, now), last), found.kept)
    first = min((segment.window.start for segment in found.segments), default=committed)
    position = Position(
        stream.owner,
        committed_until=committed,
        origin=not_before(min(first, committed), found.kept),
        # Up to the end of the segments, each window is compared with them, because not all keys fit into memory.
        keys_since=max((upper(segment, job.timing) for segment in found.segments), default=committed),
        tail=[segment.name for segment in found.segments],
    )
    warning = (
        f"The position {job.place.path} was missing although {_described(options.dest, found, last)}. The stream was"
        f" restarted at {utc_text(committed)}, because first_run is {options.first_run}."
    )
    return Beginning(position, stream, False, False, warning, skip=skip)

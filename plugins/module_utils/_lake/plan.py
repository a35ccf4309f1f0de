# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides what to do with one day of a feed: nothing, write it, or add to the rows in the lake.

This module is private to the collection and may change at any time.

A day is built from its NDJSON, which is the source of truth. Once segments of it were removed from the stream, it is
never rebuilt from the rest: late records are then added to the rows in the lake.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import FileError
from .._records.times import read_time
from .feeds import SNAPSHOT, Feed, Piece
from .folder import WHOLE, Content, HeldFile

NEW, LATE, REBUILD, REPAIR = "new", "late", "rebuild", "damaged"
UNCHANGED, OPEN, EXPIRED, KEPT, OLDER = "unchanged", "open", "expired", "kept", "older"


@dataclasses.dataclass
class DayPlan:
    """What to do with one day of a feed.

    Attributes:
        reason: why the day is written, or why not.
        pieces: the files to read; empty if nothing is to be done.
        segments: the descriptions of all segments that the day then consists of.
        merge: whether the rows in the lake are kept, and those of the files are added.
    """

    reason: str
    pieces: list[Piece] = dataclasses.field(default_factory=list)
    segments: list[Content] = dataclasses.field(default_factory=list)
    merge: bool = False

    @property
    def writes(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.pieces)


def plan_day(feed: Feed, day: dt.date, held: t.Sequence[HeldFile], *, rebuild: bool) -> DayPlan:
    """Decide about a day.

    Args:
        feed: the feed.
        day: the day.
        held: its files in the lake, examined.
        rebuild: whether to write it even if nothing has changed.

    Raises:
        FileError: a file is damaged and cannot be rebuilt, or a segment cannot be read.
    """
    pieces = feed.days.get(day, [])
    harmed = [item for item in held if item.state != WHOLE]
    if feed.origin == SNAPSHOT and _is_older(feed, held):
        return DayPlan(OLDER)
    names = _Names(held)
    here = [(piece, names.describe(piece)) for piece in pieces]
    present = {_key(told) for _piece, told in here}
    everywhere, anywhere = names.in_all(), names.in_any()
    gone = set() if feed.origin == SNAPSHOT else anywhere - present
    if harmed:
        _check_repair(feed, day, harmed, gone)
        return DayPlan(REPAIR, pieces, [told for _piece, told in here])
    fresh = [(piece, told) for piece, told in here if _key(told) not in everywhere]
    if gone:
        added = [piece for piece, _told in fresh]
        kept = [told for told in names.recorded() if _key(told) not in present]
        return DayPlan(
            LATE if added else KEPT if rebuild else UNCHANGED, added, kept + [told for _p, told in here], True
        )
    if not pieces:
        return DayPlan(KEPT if rebuild else UNCHANGED)
    if fresh or rebuild:
        return DayPlan(LATE if held and fresh else REBUILD if held else NEW, pieces, [told for _piece, told in here])
    return DayPlan(UNCHANGED)


def _is_older(feed: Feed, held: t.Sequence[HeldFile]) -> bool:
    """Whether the lake has a later snapshot of the same day."""
    ours = read_time(feed.as_of)
    theirs = [read_time(item.entry.get("as_of")) for item in held if item.state == WHOLE]
    return ours is not None and any(ours < moment for moment in theirs if moment)


def _check_repair(feed: Feed, day: dt.date, harmed: t.Sequence[HeldFile], gone: t.Collection[tuple[str, str]]) -> None:
    """Refuse to rebuild a damaged file if segments that it was built from are missing."""
    unknown = any(not item.entry for item in harmed) and feed.removed_before and day < feed.removed_before
    if gone or unknown or not feed.days.get(day):
        raise FileError(
            f"dest: {harmed[0].path} is {harmed[0].state}, and {feed.label} no longer has everything that it was built"
            " from.",
            hint="Restore the file from a backup. All other days were processed.",
        )


def _key(told: Content) -> tuple[str, str]:
    return str(told["name"]), str(told["sha256"])


class _Names:
    """The segments from which the files in the lake were built.

    Args:
        held: those files. Each lists all segments of its day, so a missing file counts as one without segments.
    """

    def __init__(self, held: t.Sequence[HeldFile]) -> None:
        self._lists = [item.segments for item in held]
        pairs = {tuple(pair) for item in held for pair in item.entry.get("pairs", ())}
        if pairs - {item.pair for item in held}:
            self._lists.append([])
        self._by_name: dict[str, list[Content]] = {}
        for told in self.recorded():
            self._by_name.setdefault(str(told["name"]), []).append(told)

    def recorded(self) -> list[Content]:
        """Each segment once, in order."""
        return list({_key(told): told for listed in self._lists for told in listed}.values())

    def in_any(self) -> set[tuple[str, str]]:
        """The segments in any of the files."""
        return {_key(told) for listed in self._lists for told in listed}

    def in_all(self) -> set[tuple[str, str]]:
        """The segments in all of the files."""
        sets = [{_key(told) for told in listed} for listed in self._lists]
        return set.intersection(*sets) if sets else set()

    def describe(self, piece: Piece) -> Content:
        """The manifest entry of a file on disk. The file is read only if no manifest has its size and time."""
        for told in self._by_name.get(piece.name, ()):
            if (told.get("bytes"), told.get("mtime_ns")) == (piece.bytes, piece.mtime_ns):
                return told
        return piece.described()

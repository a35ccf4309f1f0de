# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads segments back from the disk: which keys they contain, and how far an interrupted run came.

This module is private to the collection and may change at any time.

Windows are committed in order, so a segment that begins at or before the position and ends after it proves that
everything up to its end was read. A segment that begins later proves nothing, but its keys are adopted as well.
"""

from __future__ import annotations

import datetime as dt
import pathlib
import typing as t

from ..._base.errors import FileError
from ..._records.codec import loads
from ..._records.files.ndjson import Unreadable, read_lines
from ..._records.times import parse_time, utc_text
from ..disk.files import Segment, list_segments, size_of, window_of
from ..disk.keys import KeyTable, content_digest, key_digest
from ..disk.position import Position
from ..disk.source import Timing, Window
from .plan import SECOND, ceil, horizon, oldest, reread_from


def segment_records(dest: pathlib.Path, name: str) -> t.Iterator[dict[str, t.Any]]:
    """The records of a segment.

    Raises:
        FileError: the segment cannot be read, or is damaged.
    """
    path = dest / name
    try:
        for _number, line in read_lines(path):
            record = loads(line)
            if not isinstance(record, dict):
                raise ValueError("a line is not a record")
            yield record
    except (Unreadable, ValueError) as error:
        why = error if isinstance(error, Unreadable) else "it is damaged"
        raise FileError(
            f"dest: the segment {path} cannot be read: {why}.",
            hint="It is needed to know what was written. Restore it, or move it away to have its records read again.",
        ) from error


def keys_on_disk(dest: pathlib.Path, window: Window, timing: Timing) -> KeyTable:
    """Return the keys of all segments that may contain records of a window.

    Raises:
        FileError: a segment cannot be read.
    """
    table = KeyTable()
    for segment in _touching(dest, window.start, window.end, timing):
        _take_keys(segment_records(dest, segment.name), table, 0)
    return table


def _touching(dest: pathlib.Path, start: dt.datetime, end: dt.datetime | None, timing: Timing) -> list[Segment]:
    until = end.date() if end else None
    return [
        segment
        for segment in list_segments(dest, since=start.date(), until=until)
        if upper(segment, timing) > start and (end is None or segment.window.start < end)
    ]


def upper(segment: Segment, timing: Timing) -> dt.datetime:
    """Return a time later than every record of a segment, even if the day in its name was not over at the time."""
    return upper_of(segment.window, timing)


def upper_of(window: Window, timing: Timing) -> dt.datetime:
    """Return the same for the window in a segment's name."""
    return ceil(max(window.end, window.start + SECOND), timing.granularity)


def _take_keys(lines: t.Iterator[dict[str, t.Any]], table: KeyTable, time: int) -> list[dict[str, t.Any]]:
    gaps = []
    for record in lines:
        key, content = record.get("key"), record.get("content")
        if isinstance(key, str) and isinstance(content, str):
            table.put(key_digest(key), content_digest(content), time)
        if record.get("record") == "gap":
            gaps.append(record)
    return gaps


def adopt(position: Position, dest: pathlib.Path, timing: Timing) -> tuple[list[str], list[str]]:
    """Adopt segments that are newer than the position: add their keys, and move the position to their end.

    Returns:
        Names of the adopted segments, and of those that the position lists but that no longer exist.

    Raises:
        FileError: a segment cannot be read.
    """
    since = reread_from(position.committed_until, position.origin, timing)
    present = _touching(dest, since, None, timing)
    told = set(position.tail)
    fresh = [segment for segment in present if segment.name not in told]
    for segment in fresh:
        # The lines do not contain the time that the source gave them, so all keys are kept as long as the latest one.
        kept_until = int((upper(segment, timing) - SECOND).timestamp())
        for gap in _take_keys(segment_records(dest, segment.name), position.seen, kept_until):
            _take_gap(position, gap)
        if segment.window.start <= position.committed_until < segment.window.end:
            position.committed_until = segment.window.end
    gone = [name for name in position.tail if not (dest / name).exists()]
    position.tail = sorted(segment.name for segment in present)
    position.note_sizes({segment.name: size_of(dest / segment.name) for segment in fresh})
    return [segment.name for segment in fresh], gone


def damaged(position: Position, dest: pathlib.Path) -> list[str]:
    """Return a warning for each of the newest segments whose size differs from the one it was written with."""
    warnings = []
    for name, size in position.sizes.items():
        now, span = size_of(dest / name), window_of(name.rpartition("/")[2])
        if now is None or now == size or span is None:
            continue
        end = max(span.end, span.start + SECOND)
        warnings.append(
            f"{dest / name} is damaged: it has {now} bytes, and had {size} when it was written. Move it away, and read"
            f" its time again: backfill from {utc_text(span.start)} to {utc_text(end)}."
        )
    return warnings


def set_back(position: Position, dest: pathlib.Path, now: dt.datetime, timing: Timing) -> None:
    """Move a position that is in the future back to what the segments prove.

    While the clock was ahead, windows were committed before they were over. The records of a segment are not younger
    than its file, whatever the clock showed, and windows are committed in order. So everything before the start of the
    newest segment was complete when it was read; later times may not be.

    Raises:
        FileError: the directory cannot be read.
    """
    segments = list_segments(dest)
    end, edge = horizon(now, timing), oldest(now, timing)
    # The segment of a gap record has no span, and only shows that nothing was read.
    starts = [item.window.start for item in segments if item.window.start < min(item.window.end, end)]
    proven = min(max([position.origin, *starts]), end)
    if edge is not None:
        proven = min(max(proven, edge), end)
    position.committed_until = proven
    position.origin = min(position.origin, proven)
    # From here on, the source can return more records again than there are keys in memory.
    position.keys_since = max([proven, *(upper(item, timing) for item in segments)])
    since = reread_from(proven, position.origin, timing)
    position.tail = sorted(item.name for item in _touching(dest, since, None, timing))


def _take_gap(position: Position, gap: dict[str, t.Any]) -> None:
    try:
        start, end = parse_time(gap["from"]), parse_time(gap["to"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    if start <= position.committed_until < end:
        position.committed_until = end
        position.gaps.append({"from": gap["from"], "to": gap["to"], "reason": str(gap.get("reason"))})

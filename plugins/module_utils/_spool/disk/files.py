# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream's directory: checks on it, and the names in it.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import re
import shutil
import stat
import tempfile

from ..._base.errors import FileError
from ..._base.files import mode_of, reason, sync_directory, unwritable
from .options import Options
from .source import Window

TEMPORARY = ".segment-"
"""Prefix of temporary names. Query engines do not read such files, and they can always be deleted."""

_COMPACT = "%Y%m%dT%H%M%SZ"
_TIME = r"(\d{8}T(?:[01]\d|2[0-3])\d{4}Z)"
_NAME = re.compile(rf"{_TIME}-{_TIME}(?:-([1-9]\d*))?\.ndjson(?:\.gz)?", re.ASCII)
_FOLDER = re.compile(r"dt=(\d{4}-\d{2}-\d{2})")


@dataclasses.dataclass(frozen=True)
class Segment:
    """A segment on the disk.

    Attributes:
        written: when it was committed, in nanoseconds since 1970.
        name: path relative to the stream's directory.
        window: the span in its name.
        number: its number among the segments of its window, from one.
    """

    written: int
    name: str
    window: Window
    number: int


def day_folder(day: dt.date) -> str:
    """Return the name of a day's folder."""
    return f"dt={day.isoformat()}"


def segment_name(window: Window, number: int, *, compress: bool) -> str:
    """Return the name of the ``number``-th segment of a window, without its folder."""
    again = f"-{number}" if number > 1 else ""
    suffix = ".ndjson.gz" if compress else ".ndjson"
    return f"{window.start.strftime(_COMPACT)}-{window.end.strftime(_COMPACT)}{again}{suffix}"


def folder_day_of(name: str) -> dt.date | None:
    """Return the day of a folder, or None if it is not the folder of a day."""
    match = _FOLDER.fullmatch(name)
    try:
        return dt.date.fromisoformat(match.group(1)) if match else None
    except ValueError:
        return None


def list_segments(dest: pathlib.Path, *, since: dt.date | None = None, until: dt.date | None = None) -> list[Segment]:
    """Return all segments of the given days (both inclusive), in the order in which they were written.

    Raises:
        FileError: the directory cannot be read.
    """
    found = []
    try:
        for folder in _entries(dest):
            day = folder_day_of(folder.name)
            if day is None or (since and day < since) or (until and day > until) or not folder.is_dir():
                continue
            for item in _entries(folder.path):
                window = window_of(item.name)
                if window and item.is_file():
                    name = f"{folder.name}/{item.name}"
                    found.append(Segment(item.stat().st_mtime_ns, name, window, number_of(item.name)))
    except OSError as error:
        raise FileError(f"dest: {dest} cannot be read: {reason(error)}.") from error
    return _in_order(found)


def _in_order(found: list[Segment]) -> list[Segment]:
    """Sort by commit time, and within a window by number, which a copy of the directory preserves."""
    ordered = sorted(found, key=lambda item: (item.written, item.window.end, item.window.start, item.number, item.name))
    places: dict[Window, list[int]] = collections.defaultdict(list)
    for place, segment in enumerate(ordered):
        places[segment.window].append(place)
    result = list(ordered)
    for of_window in places.values():
        segments = sorted((ordered[place] for place in of_window), key=lambda item: item.number)
        for place, segment in zip(of_window, segments, strict=True):
            result[place] = segment
    return result


def _entries(folder: str | pathlib.Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def window_of(name: str) -> Window | None:
    """Return the span in a segment's name, or None if the file is not a segment."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        # For directories with thousands of segments: strptime takes many times as long.
        start, end = (dt.datetime.fromisoformat(text) for text in match.groups()[:2])
    except ValueError:
        return None
    return Window(start, end)


def number_of(name: str) -> int:
    """Return the number in a segment's name, from one; the name may be a path."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    return int(match.group(3) or 1) if match else 1


def size_of(path: pathlib.Path) -> int | None:
    """Return the size of a file in bytes, or None if there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def check_dest(dest: pathlib.Path) -> None:
    """Refuse a directory that cannot be written. Creates nothing.

    Raises:
        FileError: the path is not a directory or cannot be written, or is missing and its parent is not a directory.
    """
    there = _usable_mode_of(dest)
    if there is None and dest.is_symlink():
        raise FileError(f"dest: {dest} is a dangling symbolic link.", hint="Create what it leads to, or remove it.")
    if there is not None and not stat.S_ISDIR(there):
        raise FileError(f"dest: {dest} is not a directory.", hint="Give a directory for this stream alone.")
    nearest = dest
    while (mode := _usable_mode_of(nearest)) is None and nearest != nearest.parent:
        nearest = nearest.parent
    if mode is not None and not stat.S_ISDIR(mode):
        raise FileError(f"dest: {nearest} is not a directory.", hint="Choose another path.")
    if why := unwritable(nearest):
        raise FileError(
            f"dest: cannot write in {nearest}: {why}.",
            hint="Choose another path, or give this user write permission there.",
        )


def _usable_mode_of(path: pathlib.Path) -> int | None:
    try:
        return mode_of(path)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise FileError(f"dest: {path} cannot be used: {why}.", hint="Choose another path.") from error


def make_dest(options: Options) -> None:
    """Create the stream's directory if it is missing, and check that it can be written.

    Raises:
        FileError: it cannot be created, or cannot be written.
    """
    dest = options.dest
    try:
        if not dest.is_dir():
            dest.parent.mkdir(parents=True, exist_ok=True)
            make_stream_folder(dest, options)
        with tempfile.TemporaryFile(dir=dest):
            pass
    except OSError as error:
        raise write_failed(dest, error) from error


def make_stream_folder(folder: pathlib.Path, options: Options) -> None:
    """Create a directory durably with the permissions of the options; an existing one stays unchanged.

    Raises:
        OSError: the directory cannot be created.
        FileError: the name belongs to something else.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FileError(
            f"dest: {folder} is a link, or not a directory.", hint="Move it away: the collector makes a new one."
        )
    if folder.is_dir():
        return
    folder.mkdir()
    # The permissions must not depend on the umask. Set the group first, because changing it may clear mode bits.
    if options.group is not None:
        os.chown(folder, -1, options.group)
    folder.chmod(options.folder_mode)
    sync_directory(folder.parent)


def remove_temporary_files(folder: pathlib.Path, prefixes: tuple[str, ...]) -> int:
    """Remove temporary files of killed runs, which begin with these prefixes; returns their number.

    Raises:
        FileError: a file cannot be removed.
    """
    count = 0
    try:
        for item in _entries(folder):
            if item.name.startswith(prefixes) and item.name.endswith(".tmp") and item.is_file(follow_symlinks=False):
                os.unlink(item.path)
                count += 1
    except OSError as error:
        raise write_failed(folder, error) from error
    return count


def write_failed(path: pathlib.Path, error: OSError) -> FileError:
    """Return the error for a failed write, with the free space of the disk."""
    folder = path if path.is_dir() else path.parent
    room = ""
    with contextlib.suppress(OSError):
        room = f"There are {shutil.disk_usage(folder).free // (1 << 20)} MiB free in {folder}. "
    return FileError(
        f"dest: writing {path} failed: {reason(error)}.",
        hint=f"{room}Everything written before is complete, and the next run continues from there.",
    )

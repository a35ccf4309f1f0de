# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the segments of one window under temporary names, and commits them by renaming.

This module is private to the collection and may change at any time.

A window that crosses midnight becomes one segment for each day. All are durable before the first is renamed, and
earlier days are renamed first, so the segments are complete up to some time at any moment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import pathlib
import tempfile
import time
import typing as t
import zlib

from ..._base.files import sync_directory
from .files import TEMPORARY, day_folder, make_stream_folder, segment_name, write_failed
from .kept import Kept
from .options import Options
from .source import Window

_GZIP_LEVEL = 6
_BUFFER = 1 << 16
_DAY = dt.timedelta(days=1)
_OPEN = 32
"""Days whose files are open at the same time; a window of a year would exceed a process's limit of open files."""


class _DayPart:
    """The segment of one day under its temporary name."""

    def __init__(self, options: Options) -> None:
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=".tmp", dir=options.dest)
        self.path = pathlib.Path(name)
        self.file: t.BinaryIO = os.fdopen(descriptor, "wb", buffering=_BUFFER)
        self._compress = options.compress
        self._deflate = self._compressor()
        try:
            if options.group is not None:
                os.fchown(descriptor, -1, options.group)
            os.fchmod(descriptor, options.mode)
        except OSError:
            self.discard()
            raise

    def _compressor(self) -> t.Any:
        # wbits 31 makes zlib write a gzip header without time and name: same data, same bytes.
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31) if self._compress else None

    def write(self, lines: bytes) -> None:
        if self.file.closed:
            # A gzip file may have several members, one after the other.
            self.file, self._deflate = self.path.open("ab", buffering=_BUFFER), self._compressor()
        self.file.write(self._deflate.compress(lines) if self._deflate else lines)

    def finish(self) -> None:
        """Make the written data durable, still under the temporary name, and close the file."""
        if self.file.closed:
            return
        if self._deflate:
            self.file.write(self._deflate.flush())
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


class Writer:
    """Writes the segments of one window. Used by one thread at a time; creates nothing before the first line.

    Args:
        window: the span that is being read.
        options: directory, compression and permissions.
        kept: the directory's memory of removed names, which must not be used again.
    """

    def __init__(self, window: Window, options: Options, kept: Kept | None = None) -> None:
        self._window = window
        self._from = window.start
        self._options = options
        self._kept = kept or Kept()
        self._parts: dict[dt.date, _DayPart] = {}

    def write(self, day: dt.date, lines: bytes) -> None:
        """Append whole lines to a day.

        Raises:
            FileError: the write failed, for example because the disk is full.
        """
        try:
            part = self._parts.get(day)
            if part is None or part.file.closed:
                self._rest()
            part = part or _DayPart(self._options)
            self._parts.pop(day, None)
            self._parts[day] = part  # keeps the parts in the order of their last use
            part.write(lines)
        except OSError as error:
            raise write_failed(self._options.dest, error) from error

    def _rest(self) -> None:
        """Close the file of the day that was least recently written, if too many are open."""
        working = [part for part in self._parts.values() if not part.file.closed]
        if len(working) >= _OPEN:
            working[0].finish()

    def from_start(self) -> None:
        """Use the start of the window in the names of later segments, whatever part of it was committed before."""
        self._from = self._window.start

    def commit(self, until: dt.datetime, *, whole: bool = True) -> list[str]:
        """Rename the segments to their final names, durably.

        Args:
            until: the time up to which the window counts as read; it is part of the name.
            whole: False to keep the days from ``until`` on, because more will be written to them.

        Returns:
            The names, relative to the stream's directory.

        Raises:
            FileError: the write failed. Segments that were already renamed stay, and are complete.
        """
        names = []
        days = sorted(day for day in self._parts if whole or _midnight(day) < until)
        try:
            for day in days:
                self._parts[day].finish()
            for day in days:
                names.append(self._name(day, until))
                self._parts.pop(day)
        except OSError as error:
            raise write_failed(self._options.dest, error) from error
        finally:
            if whole:
                self.discard()
        self._from = until
        return names

    def _name(self, day: dt.date, until: dt.datetime) -> str:
        dest, path = self._options.dest, self._parts[day].path
        folder = dest / day_folder(day)
        make_stream_folder(folder, self._options)
        midnight = _midnight(day)
        start = max(self._from, midnight)
        if start >= midnight + _DAY:  # out of order: any time of that day
            start = midnight
        span = Window(start, max(start, min(until, midnight + _DAY)))
        name = _free_name(folder, span, self._kept.first_number(day), compress=self._options.compress)
        # Readers sort by these times, and a changed row must come after the row that it replaces.
        moment = time.time_ns()
        os.utime(path, ns=(moment, moment))
        os.replace(path, folder / name)
        sync_directory(folder)
        return f"{folder.name}/{name}"

    def discard(self) -> None:
        """Delete what was not committed."""
        for part in self._parts.values():
            part.discard()
        self._parts.clear()


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _free_name(folder: pathlib.Path, span: Window, number: int, *, compress: bool) -> str:
    while any((folder / segment_name(span, number, compress=kind)).exists() for kind in (False, True)):
        number += 1
    return segment_name(span, number, compress=compress)

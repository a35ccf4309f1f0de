# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The segments of one window: written under temporary names, and committed by renaming them.

This module is private to the collection and may change at any time.

A window that crosses midnight becomes one segment for each day. All are on the disk before the first is renamed, and
the earlier day is renamed first: so what is there at any instant is all there is before some point of time.
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
from .files import TEMPORARY, day_folder, make_folder, segment_name, write_failed
from .kept import Kept
from .options import Options
from .source import Window

_GZIP_LEVEL = 6
_BUFFER = 1 << 16
_DAY = dt.timedelta(days=1)


class _Part:
    """One day's share under its temporary name."""

    def __init__(self, options: Options) -> None:
        descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=".tmp", dir=options.dest)
        self.path = pathlib.Path(name)
        self.file: t.BinaryIO = os.fdopen(descriptor, "wb", buffering=_BUFFER)
        # wbits 31 asks zlib for a gzip header, which then holds no time and no name: same data, same bytes.
        self._deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31) if options.compress else None
        try:
            if options.group is not None:
                os.fchown(descriptor, -1, options.group)
            os.fchmod(descriptor, options.mode)
        except OSError:
            self.discard()
            raise

    def write(self, lines: bytes) -> None:
        self.file.write(self._deflate.compress(lines) if self._deflate else lines)

    def finish(self) -> None:
        """Everything on the disk, under the temporary name still."""
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
    """The segments of one window. Used by one thread at a time; nothing is created before the first line.

    Args:
        window: the span that is being read.
        options: where and how to write.
        kept: which names were removed, and are not given again.
    """

    def __init__(self, window: Window, options: Options, kept: Kept | None = None) -> None:
        self._window = window
        self._options = options
        self._kept = kept or Kept()
        self._parts: dict[dt.date, _Part] = {}

    def write(self, day: dt.date, lines: bytes) -> None:
        """Append whole lines to a day.

        Raises:
            FileError: the disk is full, or failed.
        """
        try:
            part = self._parts.get(day)
            if part is None:
                part = self._parts[day] = _Part(self._options)
            part.write(lines)
        except OSError as error:
            raise write_failed(self._options.dest, error) from error

    def commit(self, until: dt.datetime) -> list[str]:
        """Give the segments their names, durably.

        Args:
            until: up to when the window counts as read; it stands in the name.

        Returns:
            The names, relative to the stream's directory.

        Raises:
            FileError: the disk is full, or failed. Segments that were renamed before stay, and are whole.
        """
        names = []
        try:
            for part in self._parts.values():
                part.finish()
            for day in sorted(self._parts):
                names.append(self._name(day, until))
        except OSError as error:
            raise write_failed(self._options.dest, error) from error
        finally:
            self.discard()
        return names

    def _name(self, day: dt.date, until: dt.datetime) -> str:
        dest, path = self._options.dest, self._parts[day].path
        folder = dest / day_folder(day)
        make_folder(folder, self._options)
        midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
        start = max(self._window.start, midnight)
        span = Window(start, max(start, min(until, midnight + _DAY)))
        name = _free_name(folder, span, self._kept.first_number(day), compress=self._options.compress)
        # The order of commits is the order of these times: a changed row is read after the row that it replaces.
        moment = time.time_ns()
        os.utime(path, ns=(moment, moment))
        os.replace(path, folder / name)
        sync_directory(folder)
        return f"{folder.name}/{name}"

    def discard(self) -> None:
        """Remove what was not committed."""
        for part in self._parts.values():
            part.discard()
        self._parts.clear()


def _free_name(folder: pathlib.Path, span: Window, number: int, *, compress: bool) -> str:
    while any((folder / segment_name(span, number, compress=kind)).exists() for kind in (False, True)):
        number += 1
    return segment_name(span, number, compress=compress)

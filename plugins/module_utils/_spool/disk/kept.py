# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory's memory: facts that its segments do not show, in the hidden file ``.kept.json``.

This module is private to the collection and may change at any time.

It is stored in the directory and not under ``state_dir``, because it must survive the loss of the position:

- records that ``retain_days`` removed must not come back as new through a longer ``overlap``, a ``sweep`` or a
  ``lookback``. Only a ``backfill``, which the user requests explicitly, may bring them back;
- the name of a removed segment is never used again, because deliveries have recorded it as delivered;
- whether there was an ordinary run, and how far it certainly came: a backfill alone does not lead to a gap.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from ..._records.times import parse_time, utc_text
from ..._state.document import StateDocument
from .files import write_failed
from .options import Options
from .stream import RESTORE_STREAM

KEPT_FILE = ".kept.json"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Kept:
    """The content of the hidden file.

    Attributes:
        removed_before: days before this one were removed; None if none was.
        highest: the highest number of a removed segment.
        until: the time that ordinary runs have reached at least, UTC; None if there was no such run.
    """

    removed_before: dt.date | None = None
    highest: int = 0
    until: dt.datetime | None = None

    @property
    def start(self) -> dt.datetime | None:
        """The time before which nothing is requested again, UTC; None if nothing was removed."""
        day = self.removed_before
        return None if day is None else dt.datetime.combine(day, dt.time(), dt.UTC)

    def first_number(self, day: dt.date) -> int:
        """Return the lowest number that a new segment of a day may have."""
        return self.highest + 1 if self.removed_before and day < self.removed_before else 1


def not_before(moment: dt.datetime, kept: Kept | None) -> dt.datetime:
    """Return a time, or the end of the removed days if that is later."""
    start = kept.start if kept else None
    return moment if start is None else max(moment, start)


def read_kept(dest: pathlib.Path) -> Kept | None:
    """Return the directory's memory, or None if it has no such file.

    Raises:
        StateError: the file cannot be read, is damaged, or was written by a newer release.
    """
    return _document(dest).read(_parsed)


def write_kept(dest: pathlib.Path, kept: Kept, *, mode: int) -> None:
    """Replace the file durably.

    Raises:
        OSError: the file cannot be written.
    """
    content = {
        "removed_before": kept.removed_before.isoformat() if kept.removed_before else None,
        "highest": kept.highest,
        "until": utc_text(kept.until) if kept.until else None,
    }
    _document(dest).replace(content, mode=mode)


def _document(dest: pathlib.Path) -> StateDocument:
    return StateDocument(dest / KEPT_FILE, VERSION, restore=RESTORE_STREAM)


def _parsed(content: dict[str, t.Any]) -> Kept:
    day, until = content["removed_before"], content["until"]
    return Kept(
        None if day is None else dt.date.fromisoformat(day),
        int(content["highest"]),
        None if until is None else parse_time(until),
    )


class KeptFile:
    """The directory's memory, and its file.

    Args:
        options: directory and permissions.
        check_mode: True to write nothing.

    Attributes:
        kept: the memory as last read or replaced; None if there is none.
    """

    def __init__(self, options: Options, *, check_mode: bool) -> None:
        self._options = options
        self._check_mode = check_mode
        self.kept: Kept | None = None

    def read(self) -> Kept | None:
        """Read the memory again.

        Raises:
            StateError: the file cannot be read, is damaged, or was written by a newer release.
        """
        self.kept = read_kept(self._options.dest)
        return self.kept

    def replace(self, kept: Kept) -> None:
        """Replace the memory and, unless in check mode, its file.

        Raises:
            FileError: the file cannot be written.
        """
        self.kept = kept
        if self._check_mode:
            return
        try:
            write_kept(self._options.dest, kept, mode=self._options.mode)
        except OSError as error:
            raise write_failed(self._options.dest, error) from error

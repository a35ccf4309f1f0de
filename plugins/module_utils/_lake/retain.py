# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes old days from the lake.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib

from .._base.errors import FileError, OptionError
from .._base.files import reason, sync_directory
from .folder import MANIFEST, day_folders

LONGEST = 36_500
"""A hundred years, in days; the limit of the streams' option of the same name too."""


def retained_from(days: int | None, today: dt.date) -> dt.date | None:
    """Return the day before which days are removed, or None to keep all.

    Raises:
        OptionError: the number is out of range.
    """
    if days is None:
        return None
    if not 1 <= days <= LONGEST:
        raise OptionError(
            f"retain_days must be from 1 to {LONGEST}, not {days}.", hint="Leave it out to keep all days."
        )
    return today - dt.timedelta(days=days)


def old_folders(dest: pathlib.Path, before: dt.date | None) -> list[pathlib.Path]:
    """The folders of all days before a given one, of all streams and snapshots.

    Raises:
        FileError: the lake cannot be read.
    """
    return [] if before is None else [folder for _pair, day, folder in day_folders(dest) if day < before]


def remove(folders: list[pathlib.Path]) -> None:
    """Remove the lake's files in these folders, and each folder that is empty afterwards.

    Raises:
        FileError: a file cannot be removed.
    """
    for folder in folders:
        try:
            for path in [*folder.glob("data-*.parquet"), folder / MANIFEST]:
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the folder contains something else
                folder.rmdir()
            sync_directory(folder.parent)
        except OSError as error:
            raise FileError(f"retain_days: an old file in {folder} could not be removed: {reason(error)}.") from error

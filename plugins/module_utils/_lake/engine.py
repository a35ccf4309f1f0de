# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database that builds a day, and the error messages for insufficient resources.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

from .._records.files.duck import MEMORY, Engine, Told, open_duck

_TOLD: Told = {
    "OutOfMemoryException": (
        f"dest: a day needs more than {MEMORY} of memory, or more space on the disk of dest.",
        "Free some space. The previous content of the lake is intact, and the next run continues.",
    ),
    "IOException": (
        "dest: DuckDB cannot read or write a file of a day.",
        "Check the free space on the disk of dest, and that nothing removes segments at the same time.",
    ),
}


@contextlib.contextmanager
def engine(temporary: pathlib.Path, folders: t.Iterable[pathlib.Path]) -> t.Iterator[Engine]:
    """Open an empty database that may use these folders and no others.

    Args:
        temporary: an existing private folder for data that does not fit in memory.
        folders: further folders that are read and written.

    Raises:
        MissingLibrary: DuckDB is not installed, or too old.
    """
    # Of two rows with the same key the later one wins, so rows must keep the order of the segments.
    with open_duck(temporary, folders, keep_order=True) as connection:
        yield Engine(connection, _TOLD)

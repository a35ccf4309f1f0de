# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database in which a day is built, and what the user is told when the machine has too little for it.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

from .._records.files.duck import MEMORY, Engine, Told, open_duck

_TOLD: Told = {
    "OutOfMemoryException": (
        f"dest: a day needs more than {MEMORY} of memory, or more room on the disk of dest.",
        "Free some room. What the lake had before is whole, and the next run goes on.",
    ),
    "IOException": (
        "dest: DuckDB cannot read or write a file of a day.",
        "Check the room on the disk of dest, and that nothing removes segments at the same time.",
    ),
}


@contextlib.contextmanager
def engine(temporary: pathlib.Path, folders: t.Iterable[pathlib.Path]) -> t.Iterator[Engine]:
    """An empty database, which may use these folders and no others.

    Args:
        temporary: an existing private folder for what does not fit in memory.
        folders: what is read and written beside it.

    Raises:
        MissingLibrary: DuckDB is not installed, or too old.
    """
    # Of two rows with one key the later one counts, so rows have to keep the order of the segments.
    with open_duck(temporary, folders, keep_order=True) as connection:
        yield Engine(connection, _TOLD)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statements for DuckDB, whose own error texts never come out: they may quote a record.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

from .._base.errors import FileError
from .._records.files.duck import MEMORY, open_duck

try:
    import duckdb
except ImportError:
    # Nothing is run without it: open_duck checks first.
    _ERRORS: tuple[type[Exception], ...] = ()
else:
    _ERRORS = (duckdb.Error,)

Rows = list[tuple[t.Any, ...]]
_PART = 10_000


class Refused(Exception):
    """DuckDB refused a statement because of what it read. The text is the kind of its error only."""


class Engine:
    """A database in memory.

    Args:
        connection: to DuckDB.
    """

    def __init__(self, connection: t.Any) -> None:
        self._connection = connection

    def run(self, statement: str, parameters: t.Sequence[t.Any] = ()) -> Rows:
        """Run a statement, and return all its rows.

        Raises:
            Refused: DuckDB did not run it to its end, because of the data.
            FileError: memory or disk do not suffice, or a file cannot be read or written.
        """
        with _refused():
            found: Rows = self._connection.execute(statement, list(parameters)).fetchall()
            return found

    def stream(self, statement: str, parameters: t.Sequence[t.Any] = ()) -> t.Iterator[Rows]:
        """Run a statement, and yield its rows in parts; raises as :meth:`run`."""
        with _refused():
            cursor = self._connection.execute(statement, list(parameters))
            while rows := cursor.fetchmany(_PART):
                yield rows


@contextlib.contextmanager
def _refused() -> t.Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        kind = type(error).__name__
        if kind == "OutOfMemoryException":
            raise FileError(
                f"dest: a day needs more than {MEMORY} of memory, or more room on the disk of dest.",
                hint="Free some room. What the lake had before is whole, and the next run goes on.",
            ) from None
        if kind == "IOException":
            raise FileError(
                "dest: DuckDB cannot read or write a file of a day.",
                hint="Check the room on the disk of dest, and that nothing removes segments at the same time.",
            ) from None
        raise Refused(kind) from None


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
        yield Engine(connection)

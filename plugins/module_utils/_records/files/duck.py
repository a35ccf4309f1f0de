# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DuckDB in memory, restricted to what it needs: a memory limit, its own temporary folder, named files only.

This module is private to the collection and may change at any time.

It runs inside the module's process and reads files that contain attacks. So it loads no extension, makes no connection,
keeps no database file, and can neither read nor write outside the folders that the caller names.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import traceback
import typing as t

from ..._base.errors import FileError, MissingLibrary, PerimeterError
from ..codec import dump_line

try:
    import duckdb
except ImportError:
    HAS_DUCKDB = False
    DUCKDB_IMPORT_ERROR = traceback.format_exc()
    # Nothing runs without duckdb: open_duck checks first.
    _ERRORS: tuple[type[Exception], ...] = ()
else:
    HAS_DUCKDB = True
    DUCKDB_IMPORT_ERROR = ""
    _ERRORS = (duckdb.Error,)

DUCKDB_SINCE = (1, 5)
LIBRARY = "duckdb >= 1.5"
MEMORY = "256MiB"
"""Memory that DuckDB may use before it spills to the temporary folder. The process needs about 100 MiB on top."""
_MOST_THREADS = 4
_PART = 10_000
"""Rows that are fetched at once."""
LONGEST_LINE = 16 << 20
"""Maximum bytes of one line of NDJSON."""

Connection = t.Any
"""A ``duckdb.DuckDBPyConnection``. The package is optional, so its types are not always available."""
Row = tuple[t.Any, ...]


class Refused(Exception):
    """DuckDB failed on a statement. The text is only the type of its error, because its message may quote a record."""


Told = t.Mapping[str, tuple[str, str]]
"""Kinds of DuckDB's errors, such as ``IOException``, each with a sentence and a hint for the user."""


class Engine:
    """Runs statements on a connection.

    Args:
        connection: from :func:`open_duck`.
        told: the caller's messages for types of errors that are not caused by the data. :func:`open_duck` raises the
            error for lack of memory unless it is listed here.
    """

    def __init__(self, connection: Connection, told: Told | None = None) -> None:
        self._connection = connection
        self._told = told or {}

    def run(self, statement: str, parameters: t.Sequence[t.Any] = ()) -> list[Row]:
        """Run a statement, and return all its rows.

        Raises:
            Refused: DuckDB could not complete it, for example because a file is damaged.
            FileError: it failed with an error for which the caller gave a message.
        """
        with _refused(self._told):
            found: list[Row] = self._connection.execute(statement, list(parameters)).fetchall()
            return found

    def stream(self, statement: str, parameters: t.Sequence[t.Any] = ()) -> t.Iterator[list[Row]]:
        """Run a statement, and yield its rows in parts. No other may run meanwhile. Raises errors like :meth:`run`."""
        with _refused(self._told):
            cursor = self._connection.execute(statement, list(parameters))
            while rows := cursor.fetchmany(_PART):
                yield rows


@contextlib.contextmanager
def _refused(told: Told) -> t.Iterator[None]:
    try:
        yield
    except _ERRORS as error:
        kind = type(error).__name__
        if kind in told:
            sentence, hint = told[kind]
            raise FileError(sentence, hint=hint) from None
        if isinstance(error, duckdb.OutOfMemoryException):
            raise
        raise Refused(kind) from None


def open_private(path: pathlib.Path) -> t.BinaryIO:
    """Create a file in a working folder that only its owner can read."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")


def ndjson_source(path: pathlib.Path, columns: t.Mapping[str, str]) -> str:
    """NDJSON of our own as what stands in a FROM clause.

    Args:
        path: the file.
        columns: the type of each column.
    """
    types = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items())
    return (
        f"read_json({quoted(path)}, format = 'newline_delimited', compression = 'none', columns = {{{types}}},"
        f" maximum_object_size = {LONGEST_LINE})"
    )


def derive_table(
    engine: Engine,
    path: pathlib.Path,
    table: str,
    given: t.Mapping[str, tuple[str, str]],
    found: t.Sequence[str],
    derive: t.Callable[[Row], t.Sequence[str | None]],
    rows_of: str,
) -> None:
    """Make a temporary table of distinct values, and of the values that Python derives from each of them.

    They are passed through a file, because DuckDB inserts single rows slowly.

    Args:
        engine: the database.
        path: a file in a working folder, which exists only during the call.
        table: the name of the table.
        given: the columns that Python derives from, each with its expression and its type.
        found: the columns that it derives, which are texts.
        derive: maps a row of ``given`` to one of ``found``.
        rows_of: the source of ``given``, as written in a FROM clause.
    """
    names = (*given, *found)
    values = ", ".join(f"{value} AS {column}" for column, (value, _type) in given.items())
    with open_private(path) as file:
        for rows in engine.stream(f"SELECT DISTINCT {values} FROM {rows_of}"):
            file.writelines(dump_line(dict(zip(names, (*row, *derive(row)), strict=True))) for row in rows)
    types = {column: kind for column, (_value, kind) in given.items()} | dict.fromkeys(found, "VARCHAR")
    engine.run(f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM {ndjson_source(path, types)}")
    path.unlink()


def check_library() -> None:
    """Check that DuckDB can be used.

    Raises:
        MissingLibrary: it is not installed, or too old.
    """
    if not HAS_DUCKDB:
        raise MissingLibrary(LIBRARY, DUCKDB_IMPORT_ERROR)
    version = str(getattr(duckdb, "__version__", ""))
    found = re.match(r"([0-9]+)\.([0-9]+)", version)
    if found is None or (int(found[1]), int(found[2])) < DUCKDB_SINCE:
        raise MissingLibrary(LIBRARY, f"duckdb {version} is installed, which is too old.")


def quoted(value: object) -> str:
    """A value as an SQL literal, for places that allow no parameter, such as paths and settings."""
    return "'" + str(value).replace("'", "''") + "'"


@contextlib.contextmanager
def open_duck(
    temporary: pathlib.Path,
    folders: t.Iterable[pathlib.Path] = (),
    *,
    files: t.Iterable[pathlib.Path] = (),
    memory: str = MEMORY,
    keep_order: bool = False,
) -> t.Iterator[Connection]:
    """Open an empty database in memory.

    Args:
        temporary: an existing private folder for data that does not fit in memory; DuckDB may read and write in it.
        folders: further folders in which it may read and write, at any depth.
        files: single files that it may read and write.
        memory: in DuckDB's notation, such as ``256MiB``.
        keep_order: whether rows without ORDER BY keep the order in which they were read, which costs memory.

    Raises:
        MissingLibrary: DuckDB is not installed, or too old.
        FileError: the memory or the temporary folder is too small, or a file cannot be read or written. Code inside the
            block may raise it too. A ``duckdb.Error`` of another type passes through.
    """
    check_library()
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "threads": _threads(),
        "temp_directory": str(temporary),
        "preserve_insertion_order": keep_order,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,
    }
    with _house_errors(), contextlib.closing(duckdb.connect(":memory:", config=settings)) as connection:
        allowed = [f"{folder.absolute()}{os.sep}" for folder in (temporary, *folders)]
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET allowed_directories = [{', '.join(map(quoted, allowed))}]")
        connection.execute(f"SET allowed_paths = [{', '.join(quoted(file.absolute()) for file in files)}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _threads() -> int:
    return max(1, min(len(os.sched_getaffinity(0)), _MOST_THREADS))


@contextlib.contextmanager
def _house_errors() -> t.Iterator[None]:
    """Translate those errors of DuckDB that users can act on. Its own messages quote data, so they are left out."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise _no_room() from error
    except duckdb.IOException as error:
        raise FileError(
            "DuckDB cannot read or write a file that it needs.",
            hint="Check the free space on the disk, and that each file is whole and may be read.",
        ) from error


def _no_room() -> PerimeterError:
    return FileError(
        "DuckDB has too little memory, and too little space in its temporary folder.",
        hint="Free some space on the disk, or give less data at once.",
    )

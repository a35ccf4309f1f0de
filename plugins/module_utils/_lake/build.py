# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds one day of a feed as Parquet files: reads it, keeps the newest content of each key, sorts and compresses.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import typing as t

from .._base.errors import FileError
from .._records.codec import dump_line, loads
from .._records.files.duck import LONGEST_LINE, MEMORY, Engine, Refused, Row, Told, open_duck
from .._records.files.ndjson import Unreadable, read_lines
from .._records.model import SCHEMA
from .columns import ADDED, KINDS, RecordKind, members
from .derive import add_event_columns
from .feeds import STREAM, Feed, Piece
from .folder import METADATA, Content, Pair

ROW_GROUP = 40_960
"""Rows that a thread holds before it compresses them. Few, because a row of events takes a kilobyte or more."""
_SOURCE = "coalesce(source, finding ->> '$.source')"
USUAL_LINE = 1 << 20
"""Maximum bytes of a line in the first attempt. DuckDB has buffers of twice that for each thread, so the second attempt
alone uses LONGEST_LINE."""
_TOLD: Told = {
    "OutOfMemoryException": (
        f"dest: a day needs more than {MEMORY} of memory, or more space on the disk of dest.",
        "Free disk space. The previous content of the lake is intact, and the next run continues.",
    ),
    "IOException": (
        "dest: DuckDB cannot read or write a file of a day.",
        "Check the free space on the disk of dest, and that nothing removes segments at the same time.",
    ),
}


@contextlib.contextmanager
def open_engine(temporary: pathlib.Path, folders: t.Iterable[pathlib.Path]) -> t.Iterator[Engine]:
    """Open an empty database to build days in. It can use only the given folders.

    Args:
        temporary: an existing private folder for data that does not fit in memory.
        folders: the other folders that it reads and writes.

    Raises:
        MissingLibrary: DuckDB is not installed, or too old.
    """
    # Of two rows with the same key the later one counts, so rows have to keep the order of the segments.
    with open_duck(temporary, folders, keep_order=True) as connection:
        yield Engine(connection, _TOLD)


class Day:
    """The NDJSON files of one day, as a source of rows.

    Args:
        engine: the database.
        feed: the feed.
        pieces: the files.
        work: a folder for temporary files; None in check mode.
    """

    def __init__(self, engine: Engine, feed: Feed, pieces: t.Sequence[Piece], work: pathlib.Path) -> None:
        self._engine = engine
        self._feed = feed
        self._work = work
        self._paths = [piece.path for piece in pieces]
        self._line = USUAL_LINE
        self.unknown: list[str] = []
        if feed.record is not None:
            path = work / "snapshot.ndjson"
            path.write_bytes(dump_line(feed.record))
            self._paths.append(path)

    def pairs(self) -> list[Pair]:
        """Return the kinds of records and their sources. Kinds that the lake does not support go to ``unknown``.

        Raises:
            FileError: a file is damaged, or was written by a newer release.
        """
        try:
            found = self._kinds()
        except Refused:
            self._mend()
            self._line = LONGEST_LINE
            found = self._kinds()
        if any(schema != str(SCHEMA) for _record, _source, schema in found):
            raise FileError(
                f"{self._feed.label} has records of another version than {SCHEMA}.",
                hint="Use the release that wrote it.",
            )
        self.unknown = sorted({str(record) for record, _source, _schema in found if record not in KINDS})
        return [(record, source or "unknown") for record, source, _schema in found if record in KINDS]

    def _kinds(self) -> list[Row]:
        read = {"record": "VARCHAR", "source": "VARCHAR", "schema": "VARCHAR", "finding": "JSON"}
        statement = f"SELECT DISTINCT record, {_SOURCE}, schema FROM {self._reading(read)} ORDER BY ALL"
        return self._engine.run(statement, [self._names()])

    def _reading(self, read: t.Mapping[str, str]) -> str:
        """The expression that reads the lines in a FROM clause; its parameter is the list of file names."""
        columns = ", ".join(f"'{member}': '{type_}'" for member, type_ in read.items())
        return (
            f"read_json(?, columns = {{{columns}}}, format = 'newline_delimited', maximum_object_size = {self._line})"
        )

    def _names(self) -> list[str]:
        return [str(path) for path in self._paths]

    def _mend(self) -> None:
        """Copy files that DuckDB refuses but our own reader accepts, for example because of half a surrogate pair.

        Raises:
            FileError: a line is not a record.
        """
        for number, path in enumerate(self._paths):
            copy = self._work / f"copy-{number}.ndjson"
            place = 0
            try:
                with open(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                    for number_of_line, line in read_lines(path):
                        place = number_of_line
                        if len(line) > LONGEST_LINE:
                            raise ValueError("too long")
                        record = loads(line)
                        if not isinstance(record, dict):
                            raise ValueError("no object")
                        file.write(dump_line(record))
            except (Unreadable, ValueError, RecursionError) as error:
                words = (
                    str(error)
                    if isinstance(error, Unreadable)
                    else f"line {place} is damaged, or longer than {LONGEST_LINE >> 20} MiB"
                )
                raise FileError(
                    f"{path} cannot be read: {words}.",
                    hint="Restore the file, or move it away and collect its span again.",
                ) from error
            self._paths[number] = copy

    def write(self, pair: Pair, target: pathlib.Path, entry: Content, old: pathlib.Path | None) -> None:
        """Write the records of a pair to a Parquet file.

        Args:
            pair: record and source.
            target: the file.
            entry: the description for its metadata.
            old: a file whose rows are kept, except those for whose key there is newer content.

        Raises:
            FileError: the disk is full, or there is not enough memory.
            Refused: DuckDB failed to read a file.
        """
        kind = KINDS[pair[0]]
        self._load(kind, pair)
        fresh = self._newest(kind)
        columns = ", ".join(f'"{name}"' for name in kind.names)
        rows = f"SELECT {columns} FROM {fresh}"
        parameters = []
        if old is not None:
            rows += (
                f" UNION ALL BY NAME SELECT {columns} FROM read_parquet(?, hive_partitioning = false) kept"
                " WHERE NOT EXISTS (SELECT 1 FROM loaded WHERE loaded.key = kept.key)"
            )
            parameters.append(str(old))
        order = ", ".join(f'"{name}" NULLS LAST' for name in kind.order)
        metadata = "'" + json.dumps(entry).replace("'", "''") + "'"
        place = "'" + str(target).replace("'", "''") + "'"
        self._engine.run(
            f"COPY ({rows} ORDER BY {order}) TO {place} (FORMAT parquet, COMPRESSION zstd,"
            f" ROW_GROUP_SIZE {ROW_GROUP}, KV_METADATA {{{METADATA}: {metadata}}})",
            parameters,
        )
        for table in ("loaded", "places", "attacks", "newest"):
            self._engine.run(f"DROP TABLE IF EXISTS {table}")

    def _load(self, kind: RecordKind, pair: Pair) -> None:
        """Read the records of a pair into the table ``loaded``, in their order."""
        read = {"record": "VARCHAR", "source": "VARCHAR", "finding": "JSON", **members(kind)}
        added = {"lake_stream": self._feed.id, "lake_origin": self._feed.origin, "lake_as_of": self._feed.as_of}
        values = [f'TRY_CAST(? AS {column.type}) AS "{column.name}"' for column in ADDED]
        values += [f'{column.value} AS "{column.name}"' for column in kind.columns]
        self._engine.run(
            f"CREATE OR REPLACE TEMP TABLE loaded AS SELECT {', '.join(values)}"
            f" FROM {self._reading(read)} WHERE record = ? AND coalesce({_SOURCE}, 'unknown') = ?",
            [*(added[column.name] for column in ADDED), self._names(), *pair],
        )

    def _newest(self, kind: RecordKind) -> str:
        """Return the FROM expression for the newest content of each key, with the derived columns."""
        table = "loaded"
        if kind.derived:
            table = add_event_columns(self._engine, table, self._work)
        else:
            table = "(SELECT *, rowid AS place FROM loaded)"
        if self._feed.origin != STREAM:
            # Two findings with the same key are two findings.
            return f"{table} fresh"
        rows, keys = self._engine.run("SELECT count(key), count(DISTINCT key) FROM loaded")[0]
        if rows == keys:
            return f"{table} fresh"
        self._engine.run(
            "CREATE OR REPLACE TEMP TABLE newest AS SELECT max(rowid) AS place FROM loaded"
            " GROUP BY key, CASE WHEN key IS NULL THEN rowid END"
        )
        return f"{table} fresh SEMI JOIN newest USING (place)"


@contextlib.contextmanager
def emptied(work: pathlib.Path) -> t.Iterator[None]:
    """Remove the files that a day leaves in a folder."""
    try:
        yield
    finally:
        for path in work.glob("*"):
            if path.is_file():
                path.unlink(missing_ok=True)

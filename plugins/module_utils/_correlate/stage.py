# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the files of events into a few columns of Parquet in the working folder, and refuses damaged files.

This module is private to the collection and may change at any time.

Every problem of an input is found here, with the name of its file; the join later reads only these columns. DuckDB
reads the files itself. A file that it refuses is read line by line: either it contains something that JSON allows and
DuckDB does not, or it is damaged, and then the message names the line.
"""

from __future__ import annotations

import collections
import pathlib
import typing as t

from .._base.errors import FileError
from .._base.log_text import short
from .._records.codec import dump_line
from .._records.coerce import items, mapping, text, texts
from .._records.files.duck import Engine, Refused, quoted
from .._records.files.ndjson import Unreadable, read_lines
from .._records.files.snapshot_reader import BadLine, record_of
from .._records.model import STOPPED
from .._records.times import utc_text
from .inputs import CorrelationInputs, File
from .job import CorrelationJob

_TEXTS = (
    *("record", "schema", "source", "id", "time", "action", "client_ip", "host", "url", "path", "user_agent"),
    *("message", "stream", "from", "to", "reason"),
)
_RULE = ("rule_id", "matched_on", "message")
_READ = {
    **dict.fromkeys(_TEXTS, "VARCHAR"),
    "categories": "VARCHAR[]",
    "rule_ids": "VARCHAR[]",
    "sub_events": f"STRUCT({', '.join(f'{name} VARCHAR' for name in _RULE)})[]",
}
PATTERNS = "*?["
"""Characters that DuckDB treats as patterns in paths."""
_SPAN = "BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31'"
"""The range of Python's calendar."""
_STOPPED = f"coalesce(action IN ({', '.join(map(quoted, sorted(STOPPED)))}), false)"
_NUMBER = "regexp_replace({}, '/[0-9]+(/|$)', '/0\\1', 'g')"
_PATH = _NUMBER.format(_NUMBER.format("path"))
"""The path with each number replaced by 0, which leaves its template unchanged and makes one path of a thousand. Twice,
because two consecutive numbers share a slash."""
_LACKS = "coalesce(host, '') = '' OR coalesce(path, '') = ''"
"""Condition for taking the place from the URL; there are far more URLs than hosts and paths."""
_ROWS = 20_000
"""Rows of a row group; DuckDB holds one for each thread."""
_LAKE = ("id", "time", "action", "client_ip", "user_agent", "host", "path_template", "parameter", "attack_family")
_AGAIN = "Collect its span once more, or restore the file."

EVENT_COLUMNS: dict[str, str] = {
    "order": "BIGINT",
    "source": "VARCHAR",
    "id": "VARCHAR",
    "time": "TIMESTAMP",
    "stopped": "BOOLEAN",
    **dict.fromkeys(("client_ip", "user_agent", "place", "kind"), "VARCHAR"),
    **dict.fromkeys(("host", "path_template", "parameter", "attack_family"), "VARCHAR"),
}
"""The columns of the view ``staged``. From NDJSON, ``place`` and ``kind`` are JSON, from which the last four are
derived later; from a lake, those two are missing."""


class Stage:
    """Stages the inputs of a run in its working folder."""

    def __init__(self, engine: Engine, job: CorrelationJob, work: pathlib.Path) -> None:
        self._engine = engine
        self._job = job
        self._work = work
        self._staged: list[pathlib.Path] = []
        self._since = "" if job.since is None else f"TIMESTAMP {quoted(utc_text(job.since)[:-1])}"
        engine.run("CREATE TABLE gaps (source VARCHAR, stream VARCHAR, start VARCHAR, until VARCHAR, reason VARCHAR)")

    def read(self, inputs: CorrelationInputs) -> None:
        """Make the view ``staged`` and the table ``gaps``.

        Raises:
            FileError: a file cannot be read, or contains something else.
        """
        by_kind: dict[str, list[File]] = collections.defaultdict(list)
        for file in inputs.files:
            by_kind[file.kind].append(file)
        for kind in ("plain", "gzip"):
            if by_kind[kind]:
                self._each(by_kind[kind], self._lines)
        if by_kind["parquet"]:
            self._each(by_kind["parquet"], self._parquet)
        if inputs.gaps:
            self._each(inputs.gaps, self._lake_gaps)
        empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in EVENT_COLUMNS.items())
        rows = f"SELECT {empty}, NULL::VARCHAR AS record LIMIT 0"
        if self._staged:
            names = ", ".join(quoted(path) for path in self._staged)
            rows = f"({rows}) UNION ALL BY NAME SELECT * FROM read_parquet([{names}], union_by_name = true)"
        columns = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
        self._engine.run(f"CREATE VIEW staged AS SELECT {columns} FROM ({rows}) WHERE record = 'event'")

    def _each(self, files: list[File], read: t.Callable[[list[File]], None]) -> None:
        """Read files together; if that fails, one by one, to find the faulty one."""
        try:
            read(files)
        except Refused:
            for file in files:
                try:
                    read([file])
                except Refused as error:
                    self._second_look(file, error, read)

    def _second_look(self, file: File, error: Refused, read: t.Callable[[list[File]], None]) -> None:
        if file.kind == "parquet":
            raise FileError(
                f"events: {file.path} is not an intact Parquet file of the lake.",
                hint="Build that day of the lake again.",
            ) from error
        clean = self._work / f"clean-{file.order}.ndjson"
        _copy(file.path, clean)
        try:
            read([File(clean, file.order, "plain")])
        except Refused as again:
            raise FileError(f"events: {file.path} cannot be read.", hint=_AGAIN) from again
        finally:
            clean.unlink(missing_ok=True)

    def _target(self, rows: str) -> pathlib.Path:
        """Write rows to a new file, which counts only if this succeeds."""
        path = self._work / f"staged-{len(self._staged)}.parquet"
        path.unlink(missing_ok=True)
        self._engine.run(f"COPY ({rows}) TO {quoted(path)} (FORMAT parquet, ROW_GROUP_SIZE {_ROWS})")
        return path

    def _named(self, files: list[File]) -> None:
        self._engine.run("CREATE OR REPLACE TABLE files (name VARCHAR, of VARCHAR, position BIGINT)")
        for start in range(0, len(files), 500):
            rows = ", ".join(
                f"({quoted(self._path(file))}, {quoted(_source_of(file.path))}, {file.order})"
                for file in files[start : start + 500]
            )
            self._engine.run(f"INSERT INTO files VALUES {rows}")

    def _path(self, file: File) -> pathlib.Path:
        """The path by which DuckDB reads a file: a link, if the name has characters that DuckDB treats as patterns."""
        if not any(sign in str(file.path) for sign in PATTERNS):
            return file.path
        link = self._work / f"input-{file.order}"
        if not link.is_symlink():
            link.symlink_to(file.path)
        return link

    def _lines(self, files: list[File]) -> None:
        self._named(files)
        names = ", ".join(quoted(self._path(file)) for file in files)
        packing = "gzip" if files[0].kind == "gzip" else "none"
        columns = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in _READ.items())
        raw = (
            f"read_json([{names}], format = 'newline_delimited', compression = '{packing}', columns = {{{columns}}},"
            " filename = 'file_name')"
        )
        path = self._target(f"""
            SELECT files.position AS "order", record, schema, {_text("source")} AS source, {_text("id")} AS id,
                {_time('"time"')} AS time, {_STOPPED} AS stopped, client_ip, user_agent,
                to_json([host, {_PATH}, CASE WHEN {_LACKS} THEN url END])::VARCHAR AS place,
                to_json(struct_pack(categories := categories, rule_ids := rule_ids, message := message,
                    sub_events := sub_events))::VARCHAR AS kind,
                stream, "from" AS start, "to" AS until, reason
            FROM {raw} JOIN files ON files.name = file_name
            {self._where(_time('"time"'), "record IS DISTINCT FROM 'event'")}
        """)
        self._check(path, {file.order: file.path for file in files})
        self._engine.run(f"""
            INSERT INTO gaps SELECT source, stream, start, until, reason FROM read_parquet({quoted(path)})
            WHERE record = 'gap'
        """)
        self._staged.append(path)

    def _check(self, path: pathlib.Path, names: t.Mapping[int, pathlib.Path]) -> None:
        """Refuse files that contain anything but events and gaps of this version."""
        found = self._engine.run(f"""
            SELECT DISTINCT "order", record, schema FROM read_parquet({quoted(path)})
            WHERE record NOT IN ('event', 'gap') OR record IS NULL OR schema IS DISTINCT FROM '1' ORDER BY ALL LIMIT 1
        """)
        for order, record, schema in found:
            if record is None or schema != "1":
                # Raises an error with the line number.
                _copy(names[order], None)
            kind = short(str(record), 40)
            raise FileError(
                f"events: {names[order]} holds records of kind {kind}, not events.",
                hint="Give the events of web firewalls.",
            )

    def _parquet(self, files: list[File]) -> None:
        self._named(files)
        names = ", ".join(quoted(self._path(file)) for file in files)
        columns = ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in _LAKE if name != "time")
        path = self._target(f"""
            SELECT files.position AS "order", coalesce(nullif(files.of, ''), 'unknown') AS source, id,
                {_time('"time"')} AS time, {_STOPPED} AS stopped,
                client_ip, user_agent, coalesce(host, '') AS host, coalesce(path_template, '') AS path_template,
                coalesce(parameter, '') AS parameter, coalesce(attack_family, '') AS attack_family, 'event' AS record
            FROM (SELECT {columns}, "time", file_name FROM read_parquet([{names}], filename = 'file_name',
                hive_partitioning = false, union_by_name = true))
            JOIN files ON files.name = file_name
            {self._where(_time('"time"'), "false")}
        """)
        self._staged.append(path)

    def _lake_gaps(self, files: list[File]) -> None:
        self._named(files)
        names = ", ".join(quoted(self._path(file)) for file in files)
        self._engine.run(f"""
            INSERT INTO gaps SELECT files.of, stream, strftime(from_time, '%Y-%m-%dT%H:%M:%SZ'),
                strftime(to_time, '%Y-%m-%dT%H:%M:%SZ'), reason
            FROM read_parquet([{names}], filename = 'file_name', hive_partitioning = false)
            JOIN files ON files.name = file_name
        """)

    def _where(self, time: str, other: str) -> str:
        # An event without a time may be from any time.
        return f"WHERE {other} OR {time} IS NULL OR {time} >= {self._since}" if self._since else ""


def _text(name: str) -> str:
    return f"coalesce({name}, '')"


def _time(column: str) -> str:
    moment = f"(TRY_CAST({column} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')"
    return f"CASE WHEN {moment} {_SPAN} THEN {moment} END"


def _source_of(path: pathlib.Path) -> str:
    return next((part.removeprefix("source=") for part in path.parts if part.startswith("source=")), "")


def _copy(path: pathlib.Path, target: pathlib.Path | None) -> None:
    """Copy the needed members of each record, with the types that DuckDB expects; without a target, only check lines.

    Raises:
        FileError: the file cannot be read, or a line is not a record of this version.
    """
    try:
        with (target or pathlib.Path("/dev/null")).open("wb") as file:
            for number, line in read_lines(path):
                file.write(dump_line(_plain(_record(path, number, line))))
    except Unreadable as error:
        raise FileError(f"events: {path} cannot be read: {error}.", hint=_AGAIN) from error


def _record(path: pathlib.Path, number: int, line: bytes) -> dict[str, t.Any]:
    try:
        return record_of(line)
    except BadLine as error:
        raise FileError(f"events: line {number} of {path} {error}.", hint=_AGAIN) from error


def _plain(record: dict[str, t.Any]) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {name: text(record.get(name)) for name in _TEXTS}
    for name in ("categories", "rule_ids"):
        found[name] = texts(record.get(name) or [])
    found["sub_events"] = [
        {name: text(mapping(item).get(name)) for name in _RULE} for item in items(record.get("sub_events"))
    ]
    return found

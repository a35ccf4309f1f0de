# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of the store, and the migration steps from one version to the next.

This module is private to the collection and may change at any time.

A step is never edited after its release: a change of the tables is a new step at the end. A new store runs all steps,
and an older one the steps that it lacks, in the transaction of the run that needs them.
"""

from __future__ import annotations

import typing as t

from .._base.errors import StateError
from .._records.times import now_text

try:
    import sqlalchemy
    from sqlalchemy.dialects import postgresql, sqlite
except ImportError:
    # The engine reports that the package is missing; nothing here runs without an engine.
    pass

Table = t.Any
Connection = t.Any
PREFIX = "perimeter_"
KEY = 32
"""Characters of a key. It is a hash, because a vendor's id may be longer than an index allows."""


class Tables:
    """The tables that this release reads and writes. ``incoming`` and ``staged`` disappear with the connection."""

    def __init__(self) -> None:
        data = sqlalchemy.MetaData()
        self.store = _table(data, "history", _text("name", primary_key=True), _text("value"))
        self.runs = _table(
            data,
            "runs",
            _number("number", primary_key=True),
            _text("run_id", unique=True, nullable=False),
            *(_text(name, nullable=False) for name in ("digest", "at", "changes", "open")),
        )
        self.sources = _table(
            data,
            "sources",
            _key(),
            *(_text(name) for name in ("source", "account", "filters", "finished")),
            _number("run"),
        )
        self.findings = _table(
            data,
            "findings",
            _key(),
            *_finding_columns(),
            *(_text(name) for name in ("first_seen", "opened_at")),
            _number("first_run"),
            _number("last_run"),
        )
        self.observations = _table(
            data,
            "observations",
            _number("run", primary_key=True),
            _key(),
            *(_text(name) for name in ("change", "state", "severity")),
            sqlalchemy.Column("seconds_open", sqlalchemy.Float),
        )
        of_estate = (("scans", SCAN), ("webapps", WEBAPP), ("auth_records", AUTH_RECORD))
        self.estate = {
            name: _table(
                data, name, _key(), *map(_text, columns), _text("content"), _number("first_run"), _number("last_run")
            )
            for name, columns in of_estate
        }
        self.incoming = sqlalchemy.Table(
            f"{PREFIX}incoming",
            sqlalchemy.MetaData(),
            _text("record", primary_key=True),
            sqlalchemy.Column("identity", sqlalchemy.String(KEY)),
            sqlalchemy.Column("key", sqlalchemy.String(KEY)),
            *_finding_columns(),
            *(_text(name) for name in ("first_seen", "fixed_at", "seen")),
            prefixes=["TEMPORARY"],
        )
        self.staged = sqlalchemy.Table(
            f"{PREFIX}staged",
            sqlalchemy.MetaData(),
            _text("kind", primary_key=True),
            _key(),
            _text("content"),
            _text("row"),
            prefixes=["TEMPORARY"],
        )


SCAN = ("source", "id", "name", "kind", "app_id", "app_name", "time", "ended", "status", "end_reason", "conclusive",
        "counts", "malware")  # fmt: skip
WEBAPP = ("source", "id", "name", "url", "risk_score", "tags")
AUTH_RECORD = ("source", "id", "name", "type")
COLUMNS = ("source", "finding_id", "unique_id", "fingerprint", "rule_id", "title", "kind", "severity", "state",
           "app_id", "app_name", "cvss_score", "view", "content")  # fmt: skip
"""The stored columns of a finding."""


def _finding_columns() -> t.Iterator[t.Any]:
    return map(_text, COLUMNS)


def _table(data: t.Any, name: str, *columns: t.Any) -> Table:
    return sqlalchemy.Table(PREFIX + name, data, *columns)


def _text(name: str, **also: t.Any) -> t.Any:
    return sqlalchemy.Column(name, sqlalchemy.Text, **also)


def _number(name: str, **also: t.Any) -> t.Any:
    return sqlalchemy.Column(name, sqlalchemy.Integer, autoincrement=False, **also)


def _key() -> t.Any:
    return sqlalchemy.Column("key", sqlalchemy.String(KEY), primary_key=True)


def _make_findings(connection: Connection) -> None:
    """Version 1: runs, and findings with their changes."""
    tables = Tables()
    for table in (tables.runs, tables.sources, tables.findings, tables.observations):
        table.create(connection)


def _make_estate(connection: Connection) -> None:
    """Version 2: scans, applications and authentication records, and an index of open findings."""
    tables = Tables()
    for table in tables.estate.values():
        table.create(connection)
    findings = tables.findings
    sqlalchemy.Index(f"{PREFIX}findings_open", findings.c.state, findings.c.severity).create(connection)


STEPS: tuple[t.Callable[[Connection], None], ...] = (_make_findings, _make_estate)
VERSION = len(STEPS)


def version_of(connection: Connection, address: str) -> int | None:
    """Return the version of the store; None if it does not exist yet.

    Args:
        connection: a connection to the database.
        address: the address of the database, for messages.

    Raises:
        StateError: the version is newer than this release, or cannot be read.
    """
    table = Tables().store
    looking = sqlalchemy.inspect(connection)
    if not looking.has_table(table.name):
        return None
    if {"name", "value"} - {column["name"] for column in looking.get_columns(table.name)}:
        raise StateError(
            f"database_url: the table {table.name} in {address} belongs to another application; nothing was changed.",
            hint="Use another database.",
        )
    told = connection.execute(sqlalchemy.select(table.c.value).where(table.c.name == "version")).scalar()
    if not isinstance(told, str) or not told.isdecimal() or not 0 < int(told) < 10**6:
        raise StateError(f"database_url: the store in {address} has no valid version; nothing was changed.")
    if int(told) > VERSION:
        raise StateError(
            f"database_url: the store in {address} has version {int(told)}, and this release knows {VERSION};"
            " nothing was changed.",
            hint="Use the release that wrote it, or a newer one.",
        )
    return int(told)


def migrate(connection: Connection, present: int | None) -> None:
    """Run the migration steps that a store lacks.

    Args:
        connection: a connection to the database, in a transaction.
        present: the version of the store; None if it does not exist yet.
    """
    if present == VERSION:
        return
    table = Tables().store
    if present is None:
        table.create(connection)
        connection.execute(
            table.insert(), [{"name": "created", "value": now_text()}, {"name": "version", "value": "0"}]
        )
    for step in STEPS[present or 0 :]:
        step(connection)
    connection.execute(table.update().where(table.c.name == "version").values(value=str(VERSION)))


def upsert(connection: Connection, table: Table, *, newer: str | None = None, least: str | None = None) -> t.Any:
    """Return the statement that inserts a row, or replaces the one with its key.

    Args:
        connection: determines the SQL dialect.
        table: the table.
        newer: a column; a row replaces the existing one only if its value here is not smaller.
        least: a column that always keeps the smaller value.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(table)
    given, keys = insert.excluded, [column.name for column in table.primary_key]
    values = {column.name: given[column.name] for column in table.c if column.name not in keys}
    if newer is not None:
        counts = given[newer] >= table.c[newer]
        values = {name: sqlalchemy.case((counts, value), else_=table.c[name]) for name, value in values.items()}
    if least is not None:
        old, new = table.c[least], given[least]
        values[least] = sqlalchemy.case((new < old, new), else_=sqlalchemy.func.coalesce(old, new))
    return insert.on_conflict_do_update(index_elements=keys, set_=values)


def write(connection: Connection, statement: t.Any, rows: t.Sequence[t.Mapping[str, t.Any]]) -> None:
    """Execute a statement for each of many rows, which must all have the same columns.

    The statement is compiled once, and its parameters go to the driver unchanged: texts and numbers do not need
    SQLAlchemy's processing of each value, which takes longer than the database.
    """
    if not rows:
        return
    compiled = statement.compile(dialect=connection.dialect, column_keys=list(rows[0]))
    names = compiled.positiontup
    parameters = rows if names is None else [tuple([row[name] for name in names]) for row in rows]
    connection.exec_driver_sql(str(compiled), parameters)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivers to a table in SQLite or PostgreSQL, with one row for each content of each record, exactly once.

This module is private to the collection and may change at any time.

A batch is one transaction. A row is identified by its key and the hash of its content. An existing row is a duplicate,
so a batch that is sent again after a crash changes nothing, and two rows of a vendor that share a key do not keep
replacing each other. ``version`` counts the contents of a key in the order of their arrival, and a view shows the
newest content of each key.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import typing as t

from .._base.errors import PerimeterError, TransportError, VendorError
from .._database.engine import file_of, make_engine, make_private, need_sqlalchemy
from .._database.errors import name_of, words_for
from .._records.times import parse_time
from .sink import BatchOutcome, Record, halved, number_option
from .view import view

try:
    import sqlalchemy
    from sqlalchemy.dialects import postgresql, sqlite
except ImportError:
    # make_engine() reports that the package is missing.
    pass

DEFAULT_TABLE = "perimeter_records"
_OPTION = "sink_options.database_url"
_NUL = "\x00"
_CHUNK = 1000
"""Rows of one statement, with nine parameters each. SQLite and PostgreSQL allow some ten thousand parameters."""
NEWEST = "_newest"
"""Suffix of the name of the view with the newest contents."""
Row = dict[str, t.Any]


class Sql:
    """One table.

    Sink options: ``database_url`` in SQLAlchemy's form, ``table``, ``schema`` (PostgreSQL only).
    """

    kind = "sql"

    def __init__(self, options: t.Mapping[str, t.Any], connection: t.Mapping[str, t.Any]) -> None:
        need_sqlalchemy()
        self._engine, address = make_engine(options.get("database_url"), connection, _OPTION)
        self._table = _table(options.get("table") or DEFAULT_TABLE, options.get("schema"))
        self.target = f"{address}#{self._table.fullname}"
        self.batch_records = number_option(options, "batch_records", 1000, 1)
        self.batch_bytes = 16 << 20
        self._stats = {"transactions": 0}
        self._ready = False
        self.taken = False

    def send(self, batch: t.Sequence[Record]) -> BatchOutcome:
        """One transaction."""
        rows = [_row(record) for record in batch]
        if not self._ready:
            make_private(file_of(self._engine.url), _OPTION)
        try:
            with self._engine.begin() as connection:
                if not self._ready:
                    self._make(connection)
                outcome = self._store(connection, rows)
        except (sqlalchemy.exc.DataError, sqlalchemy.exc.IntegrityError, UnicodeError) as error:
            # Half a surrogate pair cannot be encoded, which the drivers report with Python's own errors.
            return halved(self.send, batch, _poison(error))
        except sqlalchemy.exc.DBAPIError as error:
            raise self._failed(error) from None
        except sqlalchemy.exc.StatementError as error:
            return halved(self.send, batch, _poison(error))
        self._ready = True
        self.taken = self.taken or bool(outcome.delivered)
        self._stats["transactions"] += 1
        return outcome

    def _make(self, connection: t.Any) -> None:
        """Create the table and its view if they are missing.

        Raises:
            VendorError: the table exists, but does not have our columns.
        """
        table = self._table
        looking = sqlalchemy.inspect(connection)
        if looking.has_table(table.name, schema=table.schema):
            present = {column["name"] for column in looking.get_columns(table.name, schema=table.schema)}
            if missing := sorted(set(table.c.keys()) - present):
                raise VendorError(
                    f"sql: the table of {self.target} has no column {', '.join(missing)}.",
                    hint="Name another table in sink_options.table; it is created if it is missing.",
                )
        table.create(connection, checkfirst=True)
        name = table.name + NEWEST
        if name not in looking.get_view_names(schema=table.schema):
            # The user may be allowed to write to an existing table but not to create a view.
            with contextlib.suppress(sqlalchemy.exc.DBAPIError), connection.begin_nested():
                connection.exec_driver_sql(_view(table, name, self._engine.dialect))

    def _store(self, connection: t.Any, rows: t.Sequence[Row]) -> BatchOutcome:
        table = self._table
        known: dict[str, dict[str, int]] = {}
        columns = sqlalchemy.select(table.c.delivery_id, table.c.content, table.c.version)
        for chunk in _chunks(rows):
            found = columns.where(table.c.delivery_id.in_([row["delivery_id"] for row in chunk]))
            for identity, content, version in connection.execute(found):
                known.setdefault(identity, {})[content] = version
        outcome = BatchOutcome()
        wanted: list[Row] = []
        for row in rows:
            versions = known.setdefault(row["delivery_id"], {})
            if row["content"] in versions:
                outcome.duplicate += 1
                continue
            outcome.delivered += 1
            versions[row["content"]] = max(versions.values(), default=0) + 1
            wanted.append(row | {"version": versions[row["content"]]})
        for chunk in _chunks(wanted):
            connection.execute(self._insert(chunk))
        return outcome

    def _insert(self, rows: t.Sequence[Row]) -> t.Any:
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        # Another run, with a state directory of its own, may have inserted the rows in the meantime.
        return (
            dialect.insert(self._table).values(rows).on_conflict_do_nothing(index_elements=["delivery_id", "content"])
        )

    def _failed(self, error: Exception) -> PerimeterError:
        return TransportError(
            f"sql: {self.target} failed ({words_for(error)}).",
            hint="Check sink_options.database_url and the rights of its user. Nothing is lost: the next run continues.",
        )

    def stats(self) -> dict[str, t.Any]:
        """Number of transactions."""
        return dict(self._stats)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _chunks(rows: t.Sequence[Row]) -> t.Iterator[t.Sequence[Row]]:
    return (rows[place : place + _CHUNK] for place in range(0, len(rows), _CHUNK))


def _table(name: str, schema: str | None) -> t.Any:
    document = sqlalchemy.JSON().with_variant(postgresql.JSONB(), "postgresql")
    column, text = sqlalchemy.Column, sqlalchemy.Text
    return sqlalchemy.Table(
        name,
        sqlalchemy.MetaData(),
        column("delivery_id", sqlalchemy.String(32), primary_key=True),
        column("content", text, primary_key=True),
        column("version", sqlalchemy.Integer, nullable=False),
        column("record", text, nullable=False, index=True),
        column("source", text),
        column("record_key", text),
        column("time", sqlalchemy.DateTime(timezone=True), index=True),
        column("document", document, nullable=False),
        column("segment", text, nullable=False),
        schema=schema,
    )


def _view(table: t.Any, name: str, dialect: t.Any) -> str:
    """Return the statement that creates the view: the latest content of each key."""
    other = table.alias("newer")
    # Equal numbers can only come from two concurrent runs with separate state directories.
    later = sqlalchemy.or_(
        other.c.version > table.c.version,
        sqlalchemy.and_(other.c.version == table.c.version, other.c.content > table.c.content),
    )
    newer = sqlalchemy.exists().where(other.c.delivery_id == table.c.delivery_id).where(later)
    query = sqlalchemy.select(table).where(~newer).compile(dialect=dialect)
    quoted = dialect.identifier_preparer.format_table(sqlalchemy.table(name, schema=table.schema))
    return f"CREATE VIEW {quoted} AS {query}"


def _row(record: Record) -> Row:
    document, seen = record.document, view(record.document)
    return {
        "delivery_id": record.id,
        "content": record.content,
        "record": str(document["record"]),
        "source": _text(document.get("source")),
        "record_key": _text(document.get("key")),
        "time": _moment(seen.get("time") or seen.get("last_seen") or seen.get("from")),
        "document": _storable(document),
        "segment": record.segment,
    }


def _text(value: t.Any) -> str | None:
    return None if value is None else str(value).replace(_NUL, "\ufffd")


def _moment(value: t.Any) -> dt.datetime | None:
    try:
        return parse_time(str(value)) if value else None
    except ValueError:
        return None


def _storable(value: t.Any) -> t.Any:
    """The document with U+FFFD in place of the character that PostgreSQL's JSON type does not accept."""
    if isinstance(value, str):
        return value.replace(_NUL, "\ufffd")
    if isinstance(value, dict):
        return {str(_storable(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def _poison(error: Exception) -> VendorError:
    return VendorError(f"the database refused it ({name_of(error)})")

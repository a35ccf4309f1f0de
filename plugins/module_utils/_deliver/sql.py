# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table in SQLite or PostgreSQL, one row for each record, exactly once by key.

This module is private to the collection and may change at any time.

A batch is one transaction. A record that is there with the same content is a duplicate; with other content, the row is
replaced. So a batch that comes again after a crash changes nothing, and a row that returns to an earlier content does
so here too.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import ssl
import traceback
import typing as t

from .._base.errors import MissingLibrary, OptionError, PerimeterError, TransportError, VendorError
from .._base.files import PRIVATE
from .._http.settings import check_readable, environment_ca, is_loopback
from .._records.times import parse_time
from .sink import Outcome, Record, halved, number_option

try:
    import sqlalchemy
    from sqlalchemy.dialects import postgresql, sqlite
except ImportError:
    HAS_SQLALCHEMY = False
    SQLALCHEMY_IMPORT_ERROR = traceback.format_exc()
else:
    HAS_SQLALCHEMY = True
    SQLALCHEMY_IMPORT_ERROR = ""

DEFAULT_TABLE = "perimeter_records"
_NUL = "\x00"
_CHUNK = 1000
"""Rows of one statement: eight parameters each, and SQLite and PostgreSQL take some ten thousand."""
Row = dict[str, t.Any]


class Sql:
    """One table.

    Sink options: ``database_url`` as SQLAlchemy takes it, ``table``, ``schema`` (of PostgreSQL).
    """

    kind = "sql"

    def __init__(self, options: t.Mapping[str, t.Any], connection: t.Mapping[str, t.Any]) -> None:
        if not HAS_SQLALCHEMY:
            raise MissingLibrary("sqlalchemy", SQLALCHEMY_IMPORT_ERROR)
        self._engine = _engine(options.get("database_url"), connection)
        self._table = _table(options.get("table") or DEFAULT_TABLE, options.get("schema"))
        self.target = f"{_address(self._engine.url)}#{self._table.fullname}"
        self.batch_records = number_option(options, "batch_records", 1000, 1)
        self.batch_bytes = 16 << 20
        self._stats = {"transactions": 0}
        self._ready = False
        self.taken = False

    def send(self, batch: t.Sequence[Record]) -> Outcome:
        """One transaction."""
        rows = [_row(record) for record in batch]
        if not self._ready:
            _make_private(self._engine.url)
        try:
            with self._engine.begin() as connection:
                if not self._ready:
                    self._table.create(connection, checkfirst=True)
                outcome = self._store(connection, rows)
        except (sqlalchemy.exc.DataError, sqlalchemy.exc.IntegrityError) as error:
            return halved(self.send, batch, _poison(error))
        except sqlalchemy.exc.DBAPIError as error:
            raise self._failed(error) from None
        except sqlalchemy.exc.StatementError as error:
            return halved(self.send, batch, _poison(error))
        self._ready = True
        self.taken = self.taken or bool(outcome.delivered)
        self._stats["transactions"] += 1
        return outcome

    def _store(self, connection: t.Any, rows: t.Sequence[Row]) -> Outcome:
        table = self._table
        known: dict[str, str] = {}
        for chunk in _chunks(rows):
            ids = [row["delivery_id"] for row in chunk]
            found = sqlalchemy.select(table.c.delivery_id, table.c.content).where(table.c.delivery_id.in_(ids))
            known.update(connection.execute(found).all())
        outcome = Outcome()
        wanted: dict[str, Row] = {}
        for row in rows:
            identity = row["delivery_id"]
            if known.get(identity) == row["content"]:
                outcome.duplicate += 1
                continue
            outcome.delivered += 1
            known[identity] = row["content"]
            wanted[identity] = row
        for chunk in _chunks(list(wanted.values())):
            connection.execute(self._upsert(chunk))
        return outcome

    def _upsert(self, rows: t.Sequence[Row]) -> t.Any:
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(self._table).values(rows)
        replaced = {name: insert.excluded[name] for name in rows[0] if name != "delivery_id"}
        return insert.on_conflict_do_update(index_elements=["delivery_id"], set_=replaced)

    def _failed(self, error: Exception) -> PerimeterError:
        return TransportError(
            f"sql: {self.target} failed ({_words(error)}).",
            hint="Check sink_options.database_url and the rights of its user. Nothing is lost: the next run goes on.",
        )

    def stats(self) -> dict[str, t.Any]:
        """How many transactions there were."""
        return dict(self._stats)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _engine(url: str | None, connection: t.Mapping[str, t.Any]) -> t.Any:
    if not url:
        raise OptionError(
            "sink_options.database_url is missing.",
            hint="For example sqlite:////srv/events.db or postgresql://host/db.",
        )
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        raise OptionError("sink_options.database_url is not a database URL.") from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise OptionError(f"sink_options.database_url: {backend} is not supported.", hint="Use sqlite or postgresql.")
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    arguments = _tls_of(parsed, connection) if backend == "postgresql" else {}
    try:
        # A pool would keep one connection; and a connection that the server has dropped meanwhile is noticed first.
        return sqlalchemy.create_engine(parsed, pool_pre_ping=True, hide_parameters=True, connect_args=arguments)
    except ImportError:
        raise MissingLibrary("psycopg", traceback.format_exc()) from None


def _tls_of(url: t.Any, connection: t.Mapping[str, t.Any]) -> dict[str, str]:
    """How PostgreSQL is to be spoken to; what the URL says itself stays, and a socket of this machine needs nothing.

    Raises:
        OptionError: the file of CAs cannot be read.
    """
    host = str(url.host or url.query.get("host") or os.environ.get("PGHOST") or "")
    if "sslmode" in url.query or connection.get("allow_http") or not host or host.startswith("/") or is_loopback(host):
        return {}
    if connection.get("validate_certs") is False:
        return {"sslmode": "require"}
    wanted = {"sslmode": "verify-full"}
    ca = _authorities(connection)
    if ca and "sslrootcert" not in url.query:
        wanted["sslrootcert"] = ca
    return wanted


def _authorities(connection: t.Mapping[str, t.Any]) -> str | None:
    """The file of CAs that counts; None leaves libpq its own choice."""
    given = connection.get("ca_path")
    if given:
        check_readable("ca_path", str(given))
        return str(given)
    if os.environ.get("PGSSLROOTCERT"):
        return None
    named = environment_ca()
    path = named[1] if named else ssl.get_default_verify_paths().cafile
    return path if path and os.path.isfile(path) else None


def _make_private(url: t.Any) -> None:
    """Create a missing SQLite file so that only its owner reads it; a file that is there keeps its permissions."""
    path = url.database
    if url.get_backend_name() != "sqlite" or not path or path == ":memory:" or path.startswith("file:"):
        return
    # What cannot be created here cannot be opened either, and SQLite then tells so.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))


def _chunks(rows: t.Sequence[Row]) -> t.Iterator[t.Sequence[Row]]:
    return (rows[place : place + _CHUNK] for place in range(0, len(rows), _CHUNK))


def _address(url: t.Any) -> str:
    """Where the database is, without user, password and parameters."""
    bare = sqlalchemy.URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
    return str(bare.render_as_string())


def _table(name: str, schema: str | None) -> t.Any:
    document = sqlalchemy.JSON().with_variant(postgresql.JSONB(), "postgresql")
    column, text = sqlalchemy.Column, sqlalchemy.Text
    return sqlalchemy.Table(
        name,
        sqlalchemy.MetaData(),
        column("delivery_id", sqlalchemy.String(32), primary_key=True),
        column("content", text, nullable=False),
        column("record", text, nullable=False, index=True),
        column("source", text),
        column("record_key", text),
        column("time", sqlalchemy.DateTime(timezone=True), index=True),
        column("document", document, nullable=False),
        column("segment", text, nullable=False),
        schema=schema,
    )


def _row(record: Record) -> Row:
    document = record.document
    return {
        "delivery_id": record.id,
        "content": record.content,
        "record": str(document["record"]),
        "source": _text(document.get("source")),
        "record_key": _text(document.get("key")),
        "time": _moment(document.get("time") or document.get("last_seen") or document.get("from")),
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
    """The document without the character that PostgreSQL's JSON cannot hold; U+FFFD stands for it."""
    if isinstance(value, str):
        return value.replace(_NUL, "\ufffd")
    if isinstance(value, dict):
        return {str(_storable(name)): _storable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def _poison(error: Exception) -> VendorError:
    return VendorError(f"the database refused it ({_words(error)})")


def _words(error: Exception) -> str:
    """What kind of error it was. Its text may quote the record, or the connection's parameters."""
    original = getattr(error, "orig", None)
    return type(original or error).__name__

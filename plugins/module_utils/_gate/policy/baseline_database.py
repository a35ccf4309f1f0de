# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores baselines in a database, for users who cannot store them in a branch: one row for each name.

This module is private to the collection and may change at any time.

Each row counts its changes in ``generation``. If the number has changed since a run read the row, another run was
faster: the update is refused, and the findings are judged again by the new baseline. Only runs that may update the
baseline write anything, so that findings that are gone in a proposed change do not affect the main branch.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import typing as t

from ..._base.errors import FileError, OptionError, StateError, TransportError
from ..._base.files import check_writable
from ..._base.log_text import short
from ..._database.engine import make_engine, make_private
from ..._database.errors import words_for
from ..._database.transactions import begin_ourselves, exclusive
from ..._records.identity import AppKey
from ..._records.policy.documents import Document, parse
from ..._records.times import now_text
from .baseline import Baseline, Moved, Places, has_news, marks_of, read_marks, renewed
from .schemas import BASELINE
from .validate import validate

try:
    import sqlalchemy
    from sqlalchemy.dialects import postgresql, sqlite
except ImportError:
    # make_engine() reports the missing library.
    pass

OPTION = "database_url"
TABLE = "perimeter_baselines"
_LOCK = 0x7065_7269_6261_7365
"""Number of the advisory lock of PostgreSQL."""
_WAIT = 60
"""Seconds to wait for the lock of another run."""
_NAME = 200
_COLUMNS = ("name", "generation", "moved", "run_id", "content", "gone")


class BaselineDatabase:
    """The baseline with a name.

    Args:
        url: URL of the database, in the form of SQLAlchemy.
        name: the name of the baseline, unique in the database.

    Raises:
        OptionError: the URL or the name cannot be used.
        MissingLibrary: sqlalchemy or psycopg is not installed.
    """

    shared = True

    def __init__(self, url: str, name: str) -> None:
        if not name.isprintable() or len(name) > _NAME:
            raise OptionError(
                f"baseline_name is invalid: {short(name, 60)!r}.",
                hint=f"Give at most {_NAME} printable characters, such as the name of the repository and its branch.",
            )
        self._name = name
        self._engine, self._address = make_engine(url, {}, OPTION, sqlite={"timeout": _WAIT})
        begin_ourselves(self._engine)
        self._path = _path_of(self._engine.url)

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """The SQLite file; none for PostgreSQL."""
        return () if self._path is None else (self._path,)

    def load(self) -> Baseline:
        """See :class:`.baseline.BaselineKeeper`. Read access is enough."""
        if self._is_absent():
            return Baseline()
        with self._connected() as connection, connection.begin():
            return self._read(connection) if self._is_made(connection) else Baseline()

    def check(self, *, create: bool) -> None:
        """See :class:`.baseline.BaselineKeeper`. Writes a row and rolls it back."""
        if self._is_absent() and not create:
            self._check_folder()
            return
        with self._writing() as (connection, transaction):
            self._put(connection, 0, content="")
            transaction.rollback()

    def note(self, baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> None:
        """See :class:`.baseline.BaselineKeeper`."""
        if not has_news(baseline, gone):
            return
        with self._writing() as (connection, _transaction):
            # Another run may have marked findings or changed the baseline since this run read it.
            newest = self._read(connection)
            if newest.exists and has_news(newest, gone):
                table, marks = _table(), marks_of(newest, gone).decode()
                change = table.update().where(table.c.name == self._name)
                connection.execute(change.values(generation=newest.generation + 1, gone=marks))

    def save(self, baseline: Baseline, content: dict[str, t.Any]) -> bool:
        """See :class:`.baseline.BaselineKeeper`."""
        data = renewed(baseline, content)
        with self._writing() as (connection, _transaction):
            # Also if nothing would change, because this run has not been judged by the notes of the other run.
            if self._read(connection).generation != baseline.generation:
                raise Moved(
                    f"baseline: other runs changed {self._name} while the gate was running.",
                    hint="Run the gate again.",
                )
            if data is not None:
                values = {"content": data.decode(), "gone": None, "moved": now_text(), "run_id": content["run_id"]}
                self._put(connection, baseline.generation + 1, **values)
        return data is not None

    def told(self, baseline: Baseline) -> dict[str, t.Any]:
        """See :class:`.baseline.BaselineKeeper`."""
        return {"path": None, "database": self._address, "name": self._name, "generation": baseline.generation}

    # The database

    def _is_absent(self) -> bool:
        return self._path is not None and not os.path.lexists(self._path)

    def _check_folder(self) -> None:
        folder = t.cast(pathlib.Path, self._path).absolute().parent
        if not folder.is_dir():
            raise FileError(f"{OPTION}: the directory {folder} does not exist.", hint="Create it first.")
        check_writable(folder, OPTION)

    @contextlib.contextmanager
    def _connected(self) -> t.Iterator[t.Any]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sqlalchemy.exc.DBAPIError as error:
            raise TransportError(
                f"{OPTION}: {self._address} failed ({words_for(error)}).",
                hint="Check the database, and the rights of its user. The baseline was not changed.",
            ) from None
        finally:
            self._engine.dispose()

    @contextlib.contextmanager
    def _writing(self) -> t.Iterator[tuple[t.Any, t.Any]]:
        """Open an exclusive transaction, and create the table if it is missing."""
        if self._path is not None:
            if self._is_absent():
                self._check_folder()
            make_private(str(self._path), OPTION)
        with self._connected() as connection, exclusive(connection, _LOCK, _WAIT) as transaction:
            if not self._is_made(connection):
                _table().create(connection)
            yield connection, transaction

    def _is_made(self, connection: t.Any) -> bool:
        """Whether the table exists.

        Raises:
            StateError: another application has a table with this name.
        """
        looking = sqlalchemy.inspect(connection)
        if not looking.has_table(TABLE):
            return False
        if set(_COLUMNS) - {column["name"] for column in looking.get_columns(TABLE)}:
            raise StateError(
                f"{OPTION}: the table {TABLE} in {self._address} belongs to another application; nothing was changed.",
                hint="Use another database.",
            )
        return True

    def _read(self, connection: t.Any) -> Baseline:
        table = _table()
        wanted = sqlalchemy.select(table.c.generation, table.c.content, table.c.gone).where(table.c.name == self._name)
        row = connection.execute(wanted).first()
        if row is None:
            return Baseline()
        document = self._document(row.content, "baseline.json")
        validate(document.data, BASELINE, "baseline")
        marks = self._document(row.gone, "baseline.json.gone.json").data if row.gone is not None else None
        gone = {} if marks is None else read_marks(marks, document.sha256, f"what is stored as {self._name}")
        return Baseline(document, gone, int(row.generation))

    def _document(self, stored: t.Any, called: str) -> Document:
        content = str(stored).encode("utf-8", "surrogateescape")
        data = parse(content, "baseline", pathlib.Path(f"{self._name}#{called}"))
        return Document("baseline", None, data, hashlib.sha256(content).hexdigest())

    def _put(self, connection: t.Any, generation: int, **values: t.Any) -> None:
        """Insert or update the row."""
        table = _table()
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        given = {"generation": generation, **values}
        insert = dialect.insert(table).values(name=self._name, **given)
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=given))


def _path_of(url: t.Any) -> pathlib.Path | None:
    """Return the path of the SQLite file; None for PostgreSQL.

    Raises:
        OptionError: the path is not absolute, so another run might not find the baseline and treat it as missing.
    """
    if url.get_backend_name() != "sqlite":
        return None
    path = str(url.database or "")
    if not path.startswith("/"):
        raise OptionError(
            f"{OPTION} does not name a SQLite file by its absolute path.",
            hint="Write it with four slashes, such as sqlite:////srv/gate.db.",
        )
    return pathlib.Path(path)


def _table() -> t.Any:
    column, text = sqlalchemy.Column, sqlalchemy.Text
    return sqlalchemy.Table(
        TABLE,
        sqlalchemy.MetaData(),
        column("name", text, primary_key=True),
        column("generation", sqlalchemy.BigInteger, nullable=False),
        column("moved", text),
        column("run_id", text),
        column("content", text, nullable=False),
        column("gone", text),
    )

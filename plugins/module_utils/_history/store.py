# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of the store. It verifies that the database is a store, and lets one run at a time use it.

This module is private to the collection and may change at any time.

Everything that a run writes is one transaction, so a killed run leaves the store unchanged. Another run waits until it
is over.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import typing as t

from .._base.errors import TransportError
from .._database.engine import file_of, make_engine, make_private, need_sqlalchemy
from .._database.errors import words_for
from .._database.transactions import begin_ourselves, exclusive
from .._state.directory import state_directory
from .schema import Tables, migrate, version_of

try:
    import sqlalchemy
except ImportError:
    # The engine reports that the package is missing.
    pass

OPTION = "database_url"
VARIABLE = "PERIMETER_DATABASE_URL"
FILE = "history.db"
"""The store's file under the state directory, if no URL is given."""
_LOCK = 0x7065_7269_6D65_7472
"""The id of the advisory lock in PostgreSQL: the letters of the project's name."""
_WAIT = 60
"""Seconds to wait for another run if the task sets no time."""
Options = t.Mapping[str, t.Any]


def url_of(params: Options, environ: t.Mapping[str, str]) -> str | None:
    """The URL from the task or the environment; an empty one counts as unset."""
    return params.get(OPTION) or environ.get(VARIABLE) or None


class Store:
    """One database. A context manager, which closes its connections.

    Args:
        params: the options of the task.
        check_mode: True to create nothing; a store that does not exist yet is simulated in memory.

    Raises:
        OptionError: the URL cannot be used.
        StateError: the state directory cannot be used.
        MissingLibrary: a package is not installed.
    """

    def __init__(self, params: Options, *, check_mode: bool) -> None:
        need_sqlalchemy()
        self.check_mode = check_mode
        self._wait = int(params.get("timeout") or _WAIT)
        url = url_of(params, os.environ) or self._default(params)
        self._engine, self.address = self._open(url, params)
        self._path = file_of(self._engine.url)
        if check_mode and self._path is not None and not os.path.lexists(self._path):
            self._engine.dispose()
            self._engine, _memory = self._open("sqlite://", params)
            self._path = None
        begin_ourselves(self._engine)

    def _default(self, params: Options) -> str:
        folder = state_directory(params.get("state_dir"), os.environ, create=not self.check_mode)
        return str(sqlalchemy.URL.create("sqlite", database=str(pathlib.Path(folder).absolute() / FILE)))

    def _open(self, url: str, params: Options) -> tuple[t.Any, str]:
        return make_engine(url, params, OPTION, sqlite={"timeout": self._wait})

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_details: object) -> None:
        self._engine.dispose()

    @contextlib.contextmanager
    def connected(self) -> t.Iterator[t.Any]:
        """A connection for the whole run. Incoming data is staged in a temporary table of this connection.

        Raises:
            TransportError: the database failed. Nothing of the run was recorded.
            StateError: the store has a newer version, or the table belongs to another application.
        """
        make_private(self._path, OPTION)
        try:
            with self._engine.connect() as connection:
                with connection.begin():
                    version_of(connection, self.address)
                yield connection
        except sqlalchemy.exc.DBAPIError as error:
            raise self._failed(error) from None

    @contextlib.contextmanager
    def transaction(self, connection: t.Any) -> t.Iterator[Tables]:
        """The transaction of a run, which excludes other runs. In check mode it is rolled back.

        Raises:
            StateError: as in :meth:`connected`, if another run has changed the store meanwhile.
        """
        with exclusive(connection, _LOCK, self._wait) as transaction:
            migrate(connection, version_of(connection, self.address))
            yield Tables()
            if self.check_mode:
                transaction.rollback()

    def _failed(self, error: Exception) -> TransportError:
        return TransportError(
            f"{OPTION}: {self.address} failed ({words_for(error)}).",
            hint="Nothing of this run was recorded. Check the database, and the rights of its user.",
        )

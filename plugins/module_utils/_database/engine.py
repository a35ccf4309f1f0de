# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The URL of a database as an engine of SQLAlchemy: SQLite, or PostgreSQL through psycopg.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import os
import traceback
import typing as t

from .._base.errors import FileError, MissingLibrary, OptionError
from .._base.files import PRIVATE
from .postgresql import PostgresqlParameters

try:
    import sqlalchemy
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
except ImportError:
    HAS_SQLALCHEMY = False
    SQLALCHEMY_IMPORT_ERROR = traceback.format_exc()
else:
    HAS_SQLALCHEMY = True
    SQLALCHEMY_IMPORT_ERROR = ""

Options = t.Mapping[str, t.Any]


def need_sqlalchemy() -> None:
    """Refuse to go on without SQLAlchemy.

    Raises:
        MissingLibrary: it is not installed.
    """
    if not HAS_SQLALCHEMY:
        raise MissingLibrary("sqlalchemy", SQLALCHEMY_IMPORT_ERROR)


def make_engine(url: str | None, connection: Options, option: str, sqlite: Options | None = None) -> tuple[t.Any, str]:
    """The engine, and where it goes, without credentials. Nothing is opened yet.

    Args:
        url: the URL as SQLAlchemy takes it.
        connection: the connection options of the task.
        option: what the URL is called in messages.
        sqlite: arguments for the driver of SQLite.

    Raises:
        OptionError: the URL is missing, or is not one that can be used.
        MissingLibrary: sqlalchemy or psycopg is not installed.
    """
    need_sqlalchemy()
    if not url:
        raise OptionError(f"{option} is missing.", hint="For example sqlite:////srv/events.db or postgresql://host/db.")
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise OptionError(f"{option} is not a database URL.") from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise OptionError(f"{option}: {backend} is not supported.", hint="Use sqlite or postgresql.")
    arguments = dict(sqlite or {}) if backend == "sqlite" else {}
    address = f"sqlite:///{parsed.database or ''}"
    if backend == "postgresql":
        if parsed.drivername not in ("postgresql", "postgresql+psycopg"):
            raise OptionError(f"{option}: {parsed.drivername} is not supported.", hint="Use postgresql.")
        parsed = parsed.set(drivername="postgresql+psycopg")
        place = parameters_of(parsed, option)
        address, arguments = place.address(), place.arguments(parsed.query, connection)
    try:
        # A pool would keep one connection; and a connection that the server has dropped meanwhile is noticed first.
        engine = sqlalchemy.create_engine(parsed, pool_pre_ping=True, hide_parameters=True, connect_args=arguments)
    except ImportError:
        raise MissingLibrary("psycopg", traceback.format_exc()) from None
    return engine, address


def parameters_of(url: t.Any, option: str) -> PostgresqlParameters:
    """What libpq makes of a URL.

    Raises:
        OptionError: it is not one that can be used.
    """
    dialect: t.Any = PGDialect_psycopg
    try:
        _positional, given = dialect().create_connect_args(url)
    except sqlalchemy.exc.ArgumentError:
        raise OptionError(
            f"{option} names several hosts in a way that is not understood.",
            hint="For example postgresql:///waf?host=one:5432&host=two:5432.",
        ) from None
    return PostgresqlParameters(given, option)


def file_of(url: t.Any) -> str | None:
    """The file of a SQLite database; None for another one, and for one in memory."""
    path = url.database
    if url.get_backend_name() != "sqlite" or not path or path == ":memory:":
        return None
    return str(path).removeprefix("file:").partition("?")[0] or None if path.startswith("file:") else str(path)


def make_private(path: str | None, option: str) -> None:
    """Create a missing SQLite file so that only its owner reads it; a file that is there keeps its permissions.

    Args:
        path: the file; None for a database that has none.
        option: the option that it is from, for messages.

    Raises:
        FileError: a symbolic link has its name, which SQLite would follow.
    """
    if path is None:
        return
    if os.path.islink(path):
        raise FileError(f"{option}: {path} is a symbolic link.", hint="Give the path of the file itself.")
    # What cannot be created here cannot be opened either, and SQLite then tells so.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE))

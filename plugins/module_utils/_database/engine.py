# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creates an SQLAlchemy engine from a database URL: SQLite, or PostgreSQL through psycopg.

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
    """Check that SQLAlchemy is installed.

    Raises:
        MissingLibrary: it is not installed.
    """
    if not HAS_SQLALCHEMY:
        raise MissingLibrary("sqlalchemy", SQLALCHEMY_IMPORT_ERROR)


def make_engine(url: str | None, connection: Options, option: str, sqlite: Options | None = None) -> tuple[t.Any, str]:
    """Return the engine, and its address without credentials. Nothing is opened yet.

    Args:
        url: the URL in SQLAlchemy's form.
        connection: the connection options of the task.
        option: the name of the URL in messages.
        sqlite: arguments for the SQLite driver.

    Raises:
        OptionError: the URL is missing or invalid.
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
        # pool_pre_ping: the pool keeps one connection, and detects if the server has closed it in the meantime.
        engine = sqlalchemy.create_engine(parsed, pool_pre_ping=True, hide_parameters=True, connect_args=arguments)
    except ImportError:
        raise MissingLibrary("psycopg", traceback.format_exc()) from None
    return engine, address


def parameters_of(url: t.Any, option: str) -> PostgresqlParameters:
    """Return the parameters that libpq derives from a URL.

    Raises:
        OptionError: the URL is invalid.
    """
    dialect: t.Any = PGDialect_psycopg
    try:
        _positional, given = dialect().create_connect_args(url)
    except sqlalchemy.exc.ArgumentError:
        raise OptionError(
            f"{option} names several hosts in a form that is not supported.",
            hint="For example postgresql:///waf?host=one:5432&host=two:5432.",
        ) from None
    return PostgresqlParameters(given, option)


def file_of(url: t.Any) -> str | None:
    """The file of an SQLite database; None for other databases, and for one in memory."""
    path = url.database
    if url.get_backend_name() != "sqlite" or not path or path == ":memory:":
        return None
    return str(path).removeprefix("file:").partition("?")[0] or None if path.startswith("file:") else str(path)


def make_private(path: str | None, option: str) -> None:
    """Create a missing SQLite file readable only by its owner; an existing file keeps its permissions.

    Args:
        path: the file; None for a database without one.
        option: the option that names it, for messages.

    Raises:
        FileError: it is a symbolic link, which SQLite would follow.
    """
    if path is None:
        return
    if os.path.islink(path):
        raise FileError(f"{option}: {path} is a symbolic link.", hint="Give the path of the file itself.")
    # A file that cannot be created here cannot be opened either, and then SQLite reports the error.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE))

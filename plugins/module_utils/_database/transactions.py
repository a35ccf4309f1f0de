# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions that no other program shares, in SQLite and in PostgreSQL.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import typing as t

try:
    import sqlalchemy
except ImportError:
    # The engine says that it is missing.
    pass

_OPTION = "perimeter_lock"


def begin_ourselves(engine: t.Any) -> None:
    """Leave the begin of a transaction to us.

    The driver of SQLite would begin one only before the first change, and so read what another one replaces.
    """
    if engine.dialect.name == "sqlite":
        sqlalchemy.event.listen(engine, "connect", _leave_transactions_to_us)
        sqlalchemy.event.listen(engine, "begin", _begin)


@contextlib.contextmanager
def exclusive(connection: t.Any, lock: int, wait: int) -> t.Iterator[t.Any]:
    """A transaction that no other one with the same lock shares.

    Args:
        connection: of an engine that :func:`begin_ourselves` was called for.
        lock: the advisory lock of PostgreSQL; SQLite locks the whole file.
        wait: seconds to wait for the lock of PostgreSQL; the engine has those of SQLite.
    """
    with connection.execution_options(**{_OPTION: True}).begin() as transaction:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{wait}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")
        yield transaction


def _leave_transactions_to_us(driver: t.Any, _record: t.Any) -> None:
    driver.isolation_level = None


def _begin(connection: t.Any) -> None:
    locked = connection.get_execution_options().get(_OPTION)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if locked else "BEGIN")

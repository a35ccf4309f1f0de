# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclusive transactions in SQLite and PostgreSQL.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import typing as t

try:
    import sqlalchemy
except ImportError:
    # The engine reports that the package is missing.
    pass

_OPTION = "perimeter_lock"


def begin_ourselves(engine: t.Any) -> None:
    """Begin the transactions of an engine here, and not in the driver of SQLite.

    The driver would begin a transaction only before the first change, so data that was read before could be outdated.
    """
    if engine.dialect.name == "sqlite":
        sqlalchemy.event.listen(engine, "connect", _leave_transactions_to_us)
        sqlalchemy.event.listen(engine, "begin", _begin)


@contextlib.contextmanager
def exclusive(connection: t.Any, lock: int, wait: int) -> t.Iterator[t.Any]:
    """Open a transaction that excludes all others with the same lock.

    Args:
        connection: a connection of an engine that was passed to :func:`begin_ourselves`.
        lock: number of the advisory lock of PostgreSQL; SQLite locks the whole file.
        wait: seconds to wait for the lock of PostgreSQL; for SQLite the engine sets them.
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

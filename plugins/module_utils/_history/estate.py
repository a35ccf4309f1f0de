# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans, applications and authentication records: stores the newest of each, and the runs in which it changed.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._records.codec import dumps, loads
from .findings import PAGE, batched
from .inputs import Fold, estate_of
from .rows import Row
from .schema import Tables, upsert, write

try:
    import sqlalchemy
except ImportError:
    # The engine reports that the package is missing.
    pass

Connection = t.Any


def stage(connection: Connection, given: t.Mapping[str, t.Sequence[t.Any]]) -> dict[str, Fold]:
    """Read all records into the table ``staged``, and return a hash for each kind.

    Args:
        connection: a connection to the database, before the transaction of the run.
        given: the records, by the name of their option.
    """
    staged = Tables().staged
    insert = upsert(connection, staged)
    folds: dict[str, Fold] = {}
    with connection.begin():
        staged.create(connection)
        for option, items in given.items():
            folds[option] = Fold()
            for page in batched(_staged(option, row) for row in estate_of(option, items, folds[option])):
                write(connection, insert, page)
    return folds


def _staged(option: str, row: Row) -> Row:
    return {"kind": option, "key": row["key"], "content": row["content"], "row": dumps(row).decode()}


def record(connection: Connection, tables: Tables, number: int) -> dict[str, int]:
    """Record the differences, and return how many records of each kind were new or changed.

    Args:
        connection: a connection to the database, in the transaction of the run.
        tables: its tables.
        number: number of the run.
    """
    written = {}
    for kind, table in tables.estate.items():
        written[kind] = sum(_write(connection, table, page, number) for page in _differing(connection, tables, kind))
    return written


def _differing(connection: Connection, tables: Tables, kind: str) -> t.Iterator[t.Sequence[t.Any]]:
    staged, known = tables.staged, tables.estate[kind]
    query = (
        sqlalchemy.select(staged.c.key, staged.c.row, known.c.first_run)
        .select_from(staged.outerjoin(known, known.c.key == staged.c.key))
        .where(
            staged.c.kind == kind,
            sqlalchemy.or_(known.c.key.is_(None), known.c.content != staged.c.content),
        )
    )
    last = ""
    while page := connection.execute(query.where(staged.c.key > last).order_by(staged.c.key).limit(PAGE)).all():
        yield page
        last = page[-1].key


def _write(connection: Connection, table: t.Any, page: t.Sequence[t.Any], number: int) -> int:
    rows = [
        loads(row.encode()) | {"first_run": number if first is None else first, "last_run": number}
        for _key, row, first in page
    ]
    write(connection, upsert(connection, table), rows)
    return len(rows)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that a snapshot or a stream belongs to this store: the same account, and not older than recorded data.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._base.errors import FileError, StateError
from .._base.log_text import short
from .._records.times import parse_time
from .inputs import FindingSource
from .rows import hashed, storable
from .schema import Tables, upsert

try:
    import sqlalchemy
except ImportError:
    # The engine reports that the package is missing.
    pass

Row = t.Mapping[str, t.Any]
_FUTURE = 300.0
"""Seconds by which a snapshot may be ahead of the clock."""
_ANOTHER = (
    "Use a separate database for each account, with database_url. Start a new one if all applications were replaced."
)


class Origins:
    """The snapshots and streams that were recorded in the store.

    Args:
        connection: a connection to the database, in the transaction of the run.
        tables: its tables.
    """

    def __init__(self, connection: t.Any, tables: Tables) -> None:
        self._connection = connection
        self._tables = tables

    def check(self, sources: t.Iterable[FindingSource], at: str) -> None:
        """Refuse sources that do not belong to this store.

        Args:
            sources: the sources, after they were read.
            at: the time of the run.

        Raises:
            StateError: a source belongs to another account.
            FileError: a source is older than recorded data, or from the future.
        """
        table = self._tables.sources
        for source in sources:
            query = sqlalchemy.select(table).where(table.c.source == source.source)
            known = [dict(row) for row in self._connection.execute(query).mappings()]
            _check_account(source, known)
            if source.manifest is not None and source.present:
                self._check_applications(source)
            if source.finished is not None:
                _check_age(source, source.finished, known, at)

    def _check_applications(self, source: FindingSource) -> None:
        table = self._tables.findings
        query = sqlalchemy.select(table.c.app_id, table.c.app_name).distinct()
        told = query.where(table.c.source == source.source, table.c.app_id.is_not(None))
        held = {(source.source, app_id): name for app_id, name in self._connection.execute(told)}
        # The absence of an application that the snapshot's filters exclude proves nothing.
        shown = [app for app, name in held.items() if source.would_show(app, name, source.view)]
        if held and len(shown) == len(held) and not held.keys() & source.present.keys():
            raise StateError(
                f"findings: {source.path} has none of the applications that the store knows of"
                f" {short(source.source, 40)} ({len(held)}), but {len(source.present)} others, so it belongs to another"
                " account. Nothing was recorded.",
                hint=_ANOTHER,
            )

    def remember(self, sources: t.Iterable[FindingSource], number: int) -> None:
        """Store which sources were recorded in a run."""
        rows = {
            _key(source): {
                "key": _key(source),
                "source": storable(source.source),
                "account": None if source.account is None else storable(source.account),
                "filters": storable(source.filters),
                "finished": source.finished,
                "run": number,
            }
            for source in sources
        }
        if rows:
            self._connection.execute(upsert(self._connection, self._tables.sources), list(rows.values()))


def _check_account(source: FindingSource, known: t.Iterable[Row]) -> None:
    accounts = {row["account"] for row in known if row["account"]}
    if source.account and accounts and storable(source.account) not in accounts:
        raise StateError(
            f"findings: {source.path} belongs to the account {short(source.account, 80)}, but the store holds"
            f" {short(min(accounts), 80)}. Nothing was recorded.",
            hint=_ANOTHER,
        )


def _check_age(source: FindingSource, finished: str, known: t.Iterable[Row], at: str) -> None:
    made = f"findings: {source.path} was made at {finished}"
    if (parse_time(finished) - parse_time(at)).total_seconds() > _FUTURE:
        raise FileError(f"{made}, which is in the future: a clock is wrong.", hint="Nothing was recorded.")
    newest = next((row["finished"] for row in known if row["key"] == _key(source)), None)
    if newest and parse_time(newest) > parse_time(finished):
        raise FileError(
            f"{made}, but a newer one, made at {newest}, is already recorded.",
            hint="Export the snapshot again. Nothing was recorded.",
        )


def _key(source: FindingSource) -> str:
    return hashed(source.source, source.filters)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares findings with those in the store. The shared rules decide what changed, and each change is recorded once.

This module is private to the collection and may change at any time.

Incoming findings are staged in a temporary table, so memory stays flat whatever their number; then the pairs that
differ are read page by page.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from .._records.changes import CHANGES, Keys, Sighting, what_changed
from .._records.times import read_time, utc_text
from .inputs import FindingSource, findings_of
from .rows import Row, hashed
from .schema import COLUMNS, Tables, upsert, write

try:
    import sqlalchemy
except ImportError:
    # The engine reports that the package is missing.
    pass

Connection = t.Any
PAGE = 2000
"""Maximum number of rows in memory."""
GONE = "gone"
"""The state of a finding that was open, and that its source no longer shows."""


def stage(connection: Connection, sources: t.Iterable[FindingSource]) -> int:
    """Read all findings into the table ``incoming``, and return their number. One in several files counts once.

    Args:
        connection: a connection to the database, before the transaction of the run.
        sources: the sources, the oldest first.
    """
    incoming = Tables().incoming
    insert = upsert(connection, incoming, newer="seen", least="first_seen")
    with connection.begin():
        incoming.create(connection)
        for source in sources:
            for page in batched(findings_of(source)):
                write(connection, insert, page)
        _number(connection, incoming)
        sqlalchemy.Index(f"{incoming.name}_key", incoming.c.key).create(connection)
        return int(connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(incoming)).scalar() or 0)


def batched(rows: t.Iterable[Row], size: int = PAGE) -> t.Iterator[list[Row]]:
    """Yield the rows in lists of limited length."""
    left = iter(rows)
    while page := list(itertools.islice(left, size)):
        yield page


def _number(connection: Connection, incoming: t.Any) -> None:
    """Give findings that share an identity keys of their own, in a stable order, so that all of them count."""
    shared = sqlalchemy.select(incoming.c.identity).group_by(incoming.c.identity).having(sqlalchemy.func.count() > 1)
    query = sqlalchemy.select(incoming.c.identity, incoming.c.record).where(incoming.c.identity.in_(shared))
    found = connection.execute(query.order_by(incoming.c.identity, incoming.c.finding_id, incoming.c.record)).all()
    bind = sqlalchemy.bindparam
    update = incoming.update().where(incoming.c.record == bind("which")).values(key=bind("known_as"))
    keys = Keys()
    numbered = [(keys.key(identity), identity, record) for identity, record in found]
    for page in batched(
        {"which": record, "known_as": hashed(key)} for key, identity, record in numbered if key != identity
    ):
        connection.execute(update, page)


@dataclasses.dataclass
class HistoryTally:
    """The numbers of changes, and of recorded observations, in a run."""

    counts: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(CHANGES, 0))
    written: int = 0


class Recorder:
    """Records the staged findings in one transaction.

    Args:
        connection: a connection to the database, in the transaction of the run.
        tables: its tables.
        number: number of the run.
        at: time of the run.
    """

    def __init__(self, connection: Connection, tables: Tables, number: int, at: str) -> None:
        self._connection = connection
        self._tables = tables
        self._number = number
        self._at = at
        self.tally = HistoryTally()

    def record(self, sources: t.Sequence[FindingSource]) -> HistoryTally:
        """Record the changes of the staged findings, and the findings that are gone from complete snapshots."""
        for page in self._pages(self._differing(), self._tables.incoming.c.key):
            self._take([dict(row) for row in page])
        snapshots = [source for source in sources if source.manifest is not None]
        for page in self._pages(self._missing(snapshots), self._tables.findings.c.key):
            self._miss([dict(row) for row in page], snapshots)
        return self.tally

    def _pages(self, query: t.Any, key: t.Any) -> t.Iterator[t.Sequence[t.Any]]:
        last = ""
        while page := self._connection.execute(query.where(key > last).order_by(key).limit(PAGE)).mappings().all():
            yield page
            last = page[-1]["key"]

    def _differing(self) -> t.Any:
        """Select staged findings that are unknown to the store or differ from it."""
        incoming, known = self._tables.incoming, self._tables.findings
        told = [known.c[name].label(f"known_{name}") for name in ("key", *_KNOWN)]
        differs = [known.c[name] != incoming.c[name] for name in ("state", "severity", "content", "view")]
        return (
            sqlalchemy.select(incoming, *told)
            .select_from(incoming.outerjoin(known, known.c.key == incoming.c.key))
            .where(sqlalchemy.or_(known.c.key.is_(None), *differs))
        )

    def _missing(self, snapshots: t.Sequence[FindingSource]) -> t.Any:
        """Select open findings of the sources of these snapshots that are not staged."""
        incoming, known = self._tables.incoming, self._tables.findings
        return sqlalchemy.select(known).where(
            known.c.source.in_({snapshot.source for snapshot in snapshots}),
            known.c.state == "open",
            ~sqlalchemy.exists().where(incoming.c.key == known.c.key),
        )

    def _take(self, page: list[Row]) -> None:
        fresh: list[Row] = []
        moved: list[Row] = []
        noted: list[Row] = []
        for row in page:
            before, now = _before(row), Sighting(row["state"], row["severity"], row["content"])
            change = what_changed(before, now)
            seen = self._sighting(row, change)
            (fresh if row["known_key"] is None else moved).append(seen)
            if row["known_key"] is None or (row["known_state"], row["known_severity"], row["known_content"]) != now:
                noted.append(self._observation(row, change, self._seconds_open(row, change)))
            if change:
                self.tally.counts[change] += 1
        self._write(fresh, moved, noted)

    def _sighting(self, row: Row, change: str) -> Row:
        """The row for the store."""
        first = self._first_seen(row)
        opened = row["known_opened_at"] or first
        if change in ("reopened", "reactivated"):
            opened = self._at
        elif change == "new":
            # A finding that was gone before counts as open since this run.
            opened = first if row["known_key"] is None else self._at
        return {
            "key": row["key"],
            **{name: row[name] for name in COLUMNS},
            "first_seen": first,
            "opened_at": opened,
            "first_run": self._number if row["known_first_run"] is None else row["known_first_run"],
            "last_run": self._number,
        }

    def _first_seen(self, row: Row) -> str:
        """The earliest known time; the time of the run if no source states one in the past."""
        told = [row["known_first_seen"], row["first_seen"] or row["seen"]]
        moments = [moment for moment in map(read_time, told) if moment is not None]
        first = min(moments, default=None)
        at = read_time(self._at)
        return self._at if first is None or at is None or first > at else utc_text(first)

    def _seconds_open(self, row: Row, change: str) -> float | None:
        """How long a finding that is now fixed was open; None if unknown."""
        if row["state"] != "fixed" or change not in ("", "fixed") or row["known_state"] == "fixed":
            return None
        if row["known_key"] is None and not (row["first_seen"] and row["fixed_at"]):
            return None
        opened = read_time(row["known_opened_at"] or row["first_seen"])
        closed = read_time(row["fixed_at"]) or read_time(row["seen"])
        if opened is None:
            return None
        if closed is None or closed < opened:
            closed = read_time(self._at) if row["known_key"] is not None else None
        return None if closed is None else max(0.0, (closed - opened).total_seconds())

    def _miss(self, page: list[Row], snapshots: t.Sequence[FindingSource]) -> None:
        moved: list[Row] = []
        noted: list[Row] = []
        for row in page:
            app = row["source"], row["app_id"] or f"name:{row['app_name'] or ''}"
            if not any(snapshot.would_show(app, row["app_name"], row["view"]) for snapshot in snapshots):
                continue
            change = what_changed(Sighting(row["state"], row["severity"], row["content"]), None)
            moved.append(row | {"state": GONE, "last_run": self._number})
            noted.append(self._observation(row | {"state": GONE}, change, None))
            self.tally.counts[change] += 1
        self._write([], moved, noted)

    def _observation(self, row: Row, change: str, seconds_open: float | None) -> Row:
        return {
            "run": self._number,
            "key": row["key"],
            "change": change,
            "state": row["state"],
            "severity": row["severity"],
            "seconds_open": seconds_open,
        }

    def _write(self, fresh: list[Row], moved: list[Row], noted: list[Row]) -> None:
        findings = self._tables.findings
        write(self._connection, findings.insert(), fresh)
        write(self._connection, upsert(self._connection, findings), moved)
        write(self._connection, self._tables.observations.insert(), noted)
        self.tally.written += len(noted)


_KNOWN = ("state", "severity", "content", "first_seen", "opened_at", "first_run")
"""The columns of a known finding that are compared."""


def _before(row: Row) -> Sighting | None:
    """The previous sighting of a finding; None if it is new to the store, or was gone."""
    if row["known_key"] is None or row["known_state"] == GONE:
        return None
    return Sighting(row["known_state"], row["known_severity"], row["known_content"])

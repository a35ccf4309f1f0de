# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the store: open findings, the trend, time to fix, and the SLA.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import array
import statistics
import typing as t

from .._records.changes import CHANGES
from .._records.codec import loads
from .._records.model import SEVERITIES
from .._records.times import parse_time
from .schema import Tables
from .sla import DAY, SlaClock, SlaPolicy

try:
    import sqlalchemy
except ImportError:
    # The engine reports that the package is missing.
    pass

Connection = t.Any
TREND = 400
"""Runs in the trend: the newest ones."""
ROWS = 1000
"""Rows of the time to fix: those with the most fixes."""
App = tuple[str, t.Optional[str], t.Optional[str]]
"""Source, id, and the name if there is no id: an application that was renamed remains the same."""
Group = tuple[t.Optional[str], t.Optional[App]]
_FETCH = 5000


def open_counts(connection: Connection, tables: Tables) -> dict[str, int]:
    """Number of open findings, by severity."""
    findings = tables.findings
    query = (
        sqlalchemy.select(findings.c.severity, sqlalchemy.func.count())
        .where(findings.c.state == "open")
        .group_by(findings.c.severity)
    )
    return dict.fromkeys(SEVERITIES, 0) | {severity: int(count) for severity, count in connection.execute(query)}


def trend(connection: Connection, tables: Tables) -> list[dict[str, t.Any]]:
    """One entry for each run, the oldest first."""
    runs = tables.runs
    newest = connection.execute(sqlalchemy.select(runs).order_by(runs.c.number.desc()).limit(TREND)).mappings().all()
    return [_entry(run) for run in reversed(newest)]


def _entry(run: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    changes = loads(run["changes"].encode())
    counted = {name: changes.get(name, 0) for name in ("new", "fixed", "reopened", "escalated")}
    return {"run_id": run["run_id"], "at": run["at"], "open": _open_of(run), **counted}


def _open_of(run: t.Mapping[str, t.Any]) -> dict[str, int]:
    return {**dict.fromkeys(SEVERITIES, 0), **loads(run["open"].encode())}


def changes_of(run: t.Mapping[str, t.Any]) -> dict[str, int]:
    """The changes in a run, with every kind of change as a key."""
    return {**dict.fromkeys(CHANGES, 0), **loads(run["changes"].encode())}


def time_to_fix(connection: Connection, tables: Tables) -> list[dict[str, t.Any]]:
    """Mean and median days to fix: overall, by severity, by application, and by both."""
    noted, findings = tables.observations, tables.findings
    query = (
        sqlalchemy.select(noted.c.severity, noted.c.seconds_open, *_app(findings))
        .select_from(noted.join(findings, findings.c.key == noted.c.key))
        .where(noted.c.seconds_open.is_not(None))
    )
    groups: dict[Group, array.array[float]] = {}
    for severity, seconds, source, app_id, app_name in connection.execute(query).yield_per(_FETCH):
        app = source, app_id, None if app_id else app_name
        for group in ((None, None), (severity, None), (None, app), (severity, app)):
            groups.setdefault(group, array.array("d")).append(seconds / DAY)
    names = _names(connection, tables) if groups else {}
    chosen = sorted(groups, key=lambda group: (group != (None, None), -len(groups[group]), _order(group)))[:ROWS]
    return [_row(group, groups[group], names) for group in sorted(chosen, key=_order)]


def _app(findings: t.Any) -> tuple[t.Any, ...]:
    return findings.c.source, findings.c.app_id, findings.c.app_name


def _names(connection: Connection, tables: Tables) -> dict[App, str | None]:
    """The newest name of each application."""
    findings = tables.findings
    newest = sqlalchemy.func.max(findings.c.last_run).label("newest")
    query = sqlalchemy.select(*_app(findings), newest).group_by(*_app(findings)).order_by(newest, findings.c.app_name)
    rows = connection.execute(query.where(findings.c.app_id.is_not(None)))
    return {(source, app, None): name for source, app, name, _newest in rows}


def _order(group: Group) -> tuple[int, tuple[str, ...], int]:
    severity, app = group
    rank = -1 if severity is None else SEVERITIES.index(t.cast(t.Any, severity))
    return int(app is not None), tuple(word or "" for word in app or ()), rank


def _row(group: Group, days: array.array[float], names: t.Mapping[App, str | None]) -> dict[str, t.Any]:
    severity, app = group
    shown = None if app is None else {"id": app[1], "name": names.get(app, app[2])}
    return {
        "severity": severity,
        "application": shown,
        "count": len(days),
        "mean_days": round(statistics.fmean(days), 2),
        "median_days": round(statistics.median(days), 2),
    }


def sla_standing(
    connection: Connection, tables: Tables, policy: SlaPolicy, at: str, horizon: tuple[str, float] | None
) -> dict[str, t.Any]:
    """Return which findings are overdue, and which will be by the end of the horizon.

    Args:
        connection: to the database.
        tables: its tables.
        policy: the SLA.
        at: the current time.
        horizon: the duration as given, and its seconds.
    """
    clock = SlaClock(policy, parse_time(at), horizon and horizon[1])
    if policy.base or policy.overrides:
        findings = tables.findings
        query = sqlalchemy.select(findings).where(findings.c.state == "open")
        for row in connection.execute(query).yield_per(_FETCH).mappings():
            clock.take(row)
    return clock.as_data(horizon and horizon[0])

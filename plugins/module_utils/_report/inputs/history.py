# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the history of the findings that the module ``history`` wrote to a file: trend, due dates, times to a fix.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ..._base.errors import FileError
from ..._records.coerce import bounded, items, mapping, number, whole
from ..._records.files.ndjson import Unreadable, read_documents
from ..._records.model import SEVERITIES
from .. import text

SCHEMA = 1
_POINTS = 400
_DUE = 100
_ROWS = 500
_HINT = "Give the file that the module history wrote to its dest."


class TrendPoint(t.NamedTuple):
    """The open findings of one run, and what changed in it. ``at`` is UTC, ISO-8601 with ``Z``."""

    at: str
    open: dict[str, int]
    new: int
    fixed: int
    reopened: int
    escalated: int

    @property
    def risks(self) -> int:
        """The number of open risks; as everywhere, a finding with the severity info is not a risk."""
        return sum(self.open.values()) - self.open["info"]


class DueItem(t.NamedTuple):
    """A finding that is, or soon will be, past its due date."""

    title: str
    severity: str
    application_id: str | None
    application: str
    unique_id: str | None
    id: str | None
    source: str
    first_seen: str | None
    due_at: str | None


class TimeToFix(t.NamedTuple):
    """How long fixes took, for one severity or application; for all findings when both are None."""

    severity: str | None
    application: str | None
    fixed: int
    mean_days: float | None
    median_days: float | None


@dataclasses.dataclass(frozen=True)
class HistoryView:
    """A history. ``policy`` has the days for which a finding may stay open, by severity."""

    at: str
    run_id: str
    counts: dict[str, int]
    trend: tuple[TrendPoint, ...]
    times_to_fix: tuple[TimeToFix, ...]
    policy: dict[str, float]
    horizon: str | None
    breached_total: int
    due_total: int
    by_severity: dict[str, tuple[int, int]]
    breached: tuple[DueItem, ...]
    due: tuple[DueItem, ...]

    @property
    def with_policy(self) -> bool:
        """Whether findings have due dates."""
        return bool(self.policy)

    def as_dict(self) -> dict[str, t.Any]:
        """The history as plain data, for the JSON report."""
        shown = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("trend", "times_to_fix", "breached", "due"):
            shown[name] = [item._asdict() for item in shown[name]]
        return shown


def read_history(path: pathlib.Path) -> HistoryView:
    """Read a history.

    Raises:
        FileError: the file cannot be read, or is not a history of this version.
    """
    try:
        documents = read_documents(path)
    except Unreadable as error:
        raise FileError(f"history: {path} cannot be read: {error}.", hint=_HINT) from error
    whole_document = documents[0] if len(documents) == 1 else None
    if not isinstance(whole_document, dict) or whole_document.get("kind") != "history":
        raise FileError(f"history: {path} is not the history of findings.", hint=_HINT)
    if whole_document.get("schema") != SCHEMA:
        raise FileError(f"history: {path} has a schema other than {SCHEMA}.", hint="Update this collection.")
    return _view(whole_document)


def _view(document: dict[str, t.Any]) -> HistoryView:
    sla = mapping(document.get("sla"))
    days = {name: number(value) for name, value in mapping(sla.get("policy")).items() if name in SEVERITIES}
    points = (_point(mapping(item)) for item in items(document.get("trend"))[-_POINTS:])
    by_severity = mapping(sla.get("by_severity"))
    return HistoryView(
        at=text.whole_seconds(bounded(document.get("at"))) or "",
        run_id=text.line(bounded(document.get("run_id")), 200),
        counts={name: _count(value) for name, value in list(mapping(document.get("counts")).items())[:20]},
        trend=tuple(sorted((point for point in points if point.at), key=lambda point: point.at)),
        times_to_fix=tuple(_time_to_fix(mapping(item)) for item in items(document.get("time_to_fix"))[:_ROWS]),
        policy={name: value for name, value in days.items() if value is not None},
        horizon=text.line(bounded(sla.get("horizon")), 20) or None,
        breached_total=_count(sla.get("breached_total")),
        due_total=_count(sla.get("due_total")),
        by_severity={
            name: (
                _count(mapping(by_severity.get(name)).get("breached")),
                _count(mapping(by_severity.get(name)).get("due")),
            )
            for name in SEVERITIES
            if name in by_severity
        },
        breached=tuple(_due(mapping(item)) for item in items(sla.get("breached"))[:_DUE]),
        due=tuple(_due(mapping(item)) for item in items(sla.get("due"))[:_DUE]),
    )


def _count(value: t.Any) -> int:
    return max(whole(value) or 0, 0)


def _point(item: dict[str, t.Any]) -> TrendPoint:
    counts = mapping(item.get("open"))
    return TrendPoint(
        text.whole_seconds(bounded(item.get("at"))) or "",
        {name: _count(counts.get(name)) for name in SEVERITIES},
        *(_count(item.get(name)) for name in ("new", "fixed", "reopened", "escalated")),
    )


def _severity(value: t.Any) -> str:
    return value if isinstance(value, str) and value in SEVERITIES else "unknown"


def _due(item: dict[str, t.Any]) -> DueItem:
    asset = mapping(item.get("asset"))
    application = bounded(asset.get("name")) or bounded(asset.get("id")) or "(application not named)"
    return DueItem(
        title=text.clip(bounded(item.get("title")) or "(no title)", 500),
        severity=_severity(item.get("severity")),
        application_id=bounded(asset.get("id")),
        application=text.clip(application, 300),
        unique_id=bounded(item.get("unique_id")),
        id=bounded(item.get("id")),
        source=bounded(item.get("source")) or "unknown",
        first_seen=text.whole_seconds(bounded(item.get("first_seen"))),
        due_at=text.whole_seconds(bounded(item.get("due_at"))),
    )


def _time_to_fix(item: dict[str, t.Any]) -> TimeToFix:
    severity, application = item.get("severity"), mapping(item.get("application"))
    name = bounded(application.get("name")) or bounded(application.get("id"))
    return TimeToFix(
        severity=None if severity is None else _severity(severity),
        application=None if name is None else text.clip(name, 300),
        fixed=_count(item.get("count")),
        mean_days=number(item.get("mean_days")),
        median_days=number(item.get("median_days")),
    )

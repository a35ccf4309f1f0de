# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads snapshots of findings as a stream, and checks them against their manifests.

This module is private to the collection and may change at any time.

A file is judged only with its manifest. Errors in the content of a file are never raised: they become problems of that
snapshot, and the applications in it are then inconclusive.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from ..._base.log_text import short
from ..._records.coerce import bounded, items, mapping
from ..._records.files.claims import claim_faults, content_faults, manifest_problem
from ..._records.files.ndjson import Unreadable
from ..._records.files.snapshot_reader import BadLine, BadManifest, SnapshotLines, read_manifest, record_of
from ..._records.files.snapshot_scope import covers
from ..._records.files.types import mistyped_finding
from ..._records.identity import AppKey
from ..._records.times import read_time
from .facts import Facts, Record, facts_of


@dataclasses.dataclass
class Snapshot:
    """One snapshot file. ``problems`` are pairs of a code and a sentence; with any of them, the file proves nothing."""

    path: pathlib.Path
    manifest: Record | None = None
    problems: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    records: int = 0
    gaps: int = 0
    apps: dict[AppKey, str | None] = dataclasses.field(default_factory=dict)
    sha256: str | None = None

    @property
    def source(self) -> str | None:
        """The source that the manifest names."""
        return bounded(self.manifest.get("source")) if self.manifest else None

    @property
    def filters(self) -> list[Record]:
        """The filters that the manifest names."""
        return [mapping(item) for item in items((self.manifest or {}).get("filters"))]

    def time(self, name: str) -> dt.datetime | None:
        """Return ``started`` or ``finished`` of the manifest; None if it is missing or invalid."""
        return read_time((self.manifest or {}).get(name))

    def covers(self, app: AppKey, name: str | None) -> bool:
        """Whether the snapshot would hold the findings of an application if there were any."""
        return covers(self.manifest or {}, self.apps, app, name)

    def problem(self, code: str, message: str) -> None:
        """Add a problem, with which the snapshot proves nothing."""
        self.problems.append((code, f"{self.path.name}: {message}"))


def open_snapshot(path: pathlib.Path) -> Snapshot:
    """Return a snapshot with its manifest. Its findings are not read yet."""
    snapshot = Snapshot(path)
    try:
        snapshot.manifest = read_manifest(path)
    except BadManifest as error:
        snapshot.problem(*manifest_problem(path, error))
    else:
        for code, words in claim_faults(snapshot.manifest):
            snapshot.problem(code, words)
    return snapshot


def read_findings(snapshot: Snapshot) -> t.Iterator[Facts]:
    """Yield the findings of a snapshot, and add the problems of the file to the snapshot."""
    lines = SnapshotLines(snapshot.path)
    try:
        for number, line in lines:
            facts = _finding(snapshot, number, line)
            if facts is not None:
                snapshot.apps.setdefault(facts.app, facts.app_name)
                yield facts
    except Unreadable as error:
        if error.missing:
            snapshot.problem("findings_missing", "the file does not exist")
        else:
            snapshot.problem("findings_unreadable", f"it cannot be read: {error}")
    else:
        snapshot.sha256 = lines.sha256
        _check_content(snapshot, lines)
    finally:
        snapshot.records = lines.records


def _finding(snapshot: Snapshot, number: int, line: bytes) -> Facts | None:
    # Reported once, because in a file of another kind every line has this problem.
    said = any(code == "findings_unreadable" for code, _message in snapshot.problems)
    try:
        record = record_of(line)
    except BadLine:
        if not said:
            snapshot.problem("findings_unreadable", f"line {number} is not a record of this version")
        return None
    if record["record"] == "finding":
        wrong = mistyped_finding(record)
        if wrong is not None and not any(code == "findings_mistyped" for code, _message in snapshot.problems):
            snapshot.problem("findings_mistyped", f"line {number} has a value of the wrong type in {wrong}")
        return facts_of(record)
    if record["record"] == "gap":
        snapshot.gaps += 1
    elif not said:
        kind = short(str(record["record"]), 40)
        snapshot.problem("findings_unreadable", f"line {number} is a record of kind {kind}, not a finding")
    return None


def _check_content(snapshot: Snapshot, lines: SnapshotLines) -> None:
    if snapshot.gaps:
        snapshot.problem("incomplete", f"it holds {snapshot.gaps} gap records: data is missing")
    if snapshot.manifest is None:
        return
    for code, words in content_faults(snapshot.manifest, lines):
        snapshot.problem(code, words)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the open findings of complete snapshots, with their join columns, to a file for DuckDB.

This module is private to the collection and may change at any time.

A missing finding would look as if nobody had attacked it, so a snapshot that does not prove its completeness is
refused.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from .._base.errors import FileError
from .._base.log_text import short
from .._records.attack_families import finding_columns
from .._records.codec import dump_line
from .._records.coerce import bounded, mapping
from .._records.files.claims import file_faults, manifest_problem, whole_faults
from .._records.files.ndjson import Unreadable
from .._records.files.snapshot_reader import BadLine, BadManifest, SnapshotLines, read_manifest, record_of
from .._records.identity import finding_digest
from .._records.model import SEVERITIES
from .._records.times import read_time

Record = dict[str, t.Any]

COLUMNS: dict[str, str] = {
    "n": "BIGINT",
    **dict.fromkeys(
        ("source", "id", "unique_id", "severity", "host", "path_template", "parameter", "family"), "VARCHAR"
    ),
}
"""Columns of the file that :func:`write_findings` writes, with their types in DuckDB."""

_AGAIN = "Export the findings again, completely."


@dataclasses.dataclass
class Counts:
    """Counts of the findings that were read.

    Attributes:
        read: lines of the snapshots.
        fixed: findings that are fixed, and have no match.
        repeated: findings that a newer snapshot already contained.
        without_place: open findings without a host or a path, which no event can match.
        without_family: open findings whose attack family is unknown.
    """

    read: int = 0
    fixed: int = 0
    repeated: int = 0
    open: int = 0
    without_place: int = 0
    without_family: int = 0


def write_findings(paths: t.Iterable[pathlib.Path], target: t.BinaryIO) -> Counts:
    """Write the open findings of snapshots, one per line.

    Raises:
        FileError: a snapshot cannot be read, is not complete, or does not match its manifest.
        OSError: the target cannot be written.
    """
    manifests = [(path, _manifest(path)) for path in paths]
    earliest = dt.datetime.min.replace(tzinfo=dt.UTC)
    # Newest first, because the later export decides about a finding.
    manifests.sort(key=lambda item: (read_time(item[1].get("finished")) or earliest, str(item[0])), reverse=True)
    counts = Counts()
    seen: dict[bytes, int] = {}
    for number, (path, manifest) in enumerate(manifests):
        for finding in _read(path, manifest):
            counts.read += 1
            identified = finding.get("id") or finding.get("unique_id")
            # Twice in one file means two findings: neither may hide behind the identity of the other.
            if identified and seen.setdefault(finding_digest(_named(finding)), number) != number:
                counts.repeated += 1
            elif _is_fixed(finding):
                counts.fixed += 1
            else:
                target.write(dump_line(_line(finding, counts)))
    return counts


def _named(finding: Record) -> Record:
    return {name: finding.get(name) for name in ("source", "id", "unique_id", "fingerprint", "asset")}


def _line(finding: Record, counts: Counts) -> Record:
    columns = finding_columns(finding)
    severity = finding.get("severity")
    counts.open += 1
    counts.without_place += not (columns.host and columns.path_template)
    counts.without_family += not columns.attack_family
    return {
        "n": counts.open,
        "source": bounded(finding.get("source")) or "unknown",
        "id": bounded(finding.get("id")),
        "unique_id": bounded(finding.get("unique_id")),
        "severity": severity if severity in SEVERITIES else "unknown",
        "host": columns.host,
        "path_template": columns.path_template,
        "parameter": columns.parameter,
        "family": columns.attack_family,
    }


def _is_fixed(finding: Record) -> bool:
    """Whether a finding is fixed. One that was seen after it was fixed is not, nor is one of unknown status."""
    if finding.get("status") != "fixed":
        return False
    seen, fixed = read_time(finding.get("last_seen")), read_time(finding.get("fixed_at"))
    return seen is None or fixed is None or seen <= fixed


def _manifest(path: pathlib.Path) -> Record:
    try:
        manifest = read_manifest(path)
    except BadManifest as error:
        raise _refused(path, manifest_problem(path, error)[1]) from error
    for _code, words in whole_faults(manifest):
        raise _refused(path, words)
    return manifest


def _read(path: pathlib.Path, manifest: Record) -> t.Iterator[Record]:
    lines = SnapshotLines(path)
    try:
        for number, line in lines:
            yield _finding(path, number, line)
    except Unreadable as error:
        raise _refused(path, f"it cannot be read: {error}") from error
    for _code, words in file_faults(manifest, lines):
        raise _refused(path, words)


def _refused(path: pathlib.Path, words: str) -> FileError:
    return FileError(f"findings: {path} cannot be correlated: {words}.", hint=_AGAIN)


def _finding(path: pathlib.Path, number: int, line: bytes) -> Record:
    try:
        record = record_of(line)
    except BadLine as error:
        raise _refused(path, f"line {number} {error}") from error
    if record["record"] == "gap":
        raise _refused(path, "it has a gap, so it is not complete")
    if record["record"] != "finding":
        kind = short(str(record["record"]), 40)
        raise _refused(path, f"line {number} is not a finding but a record of kind {kind}")
    record["asset"] = mapping(record.get("asset"))
    return record

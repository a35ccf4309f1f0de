# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that a run compares: its scope, when it was made, and its findings one by one.

This module is private to the collection and may change at any time.

A finding that is missing from a snapshot counts as gone, so only complete snapshots are compared. Any fault of the file
or its manifest ends the run before something is written.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
import typing as t

from .._base.errors import FileError
from .._records.coerce import bounded, items, text
from .._records.files.claims import claim_faults, content_faults, manifest_problem
from .._records.files.ndjson import Unreadable
from .._records.files.snapshot_reader import BadLine, BadManifest, Record, SnapshotLines, read_manifest, record_of
from .._records.times import parse_time, utc_text
from .._spool.disk.source import Identity

STREAM = "finding_changes"
_AGAIN = "Nothing was written. Export the snapshot again, without since, and check that it is complete."
_TEXTS = ("source", "kind", "severity", "status")
_IDS = ("id", "unique_id", "fingerprint")


@dataclasses.dataclass(frozen=True)
class CheckedSnapshot:
    """A snapshot whose manifest was checked. The file itself is checked by :meth:`findings`, while it is read.

    Attributes:
        path: the file.
        manifest: its manifest.
        finished: when it was made, UTC.
        identity: identity of the stream of its changes. Another source, account, scope or level of detail is another
            stream.
    """

    path: pathlib.Path
    manifest: Record
    finished: dt.datetime
    identity: Identity

    @property
    def at(self) -> str:
        """When it was made, as text."""
        return utc_text(self.finished)

    @property
    def sha256(self) -> str:
        """Hash of the file, as stated in its manifest."""
        return str(self.manifest.get("sha256"))

    def findings(self) -> t.Iterator[Record]:
        """Yield the findings in the order of the file.

        Raises:
            FileError: the file cannot be read, does not match its manifest, or contains something other than findings.
                It may be raised after the last finding.
        """
        lines = SnapshotLines(self.path)
        try:
            for number, line in lines:
                yield self._finding(number, line)
        except Unreadable as error:
            raise _refused(self.path, f"it cannot be read: {error}") from error
        for _code, words in content_faults(self.manifest, lines):
            raise _refused(self.path, words)

    def _finding(self, number: int, line: bytes) -> Record:
        try:
            record = record_of(line)
        except BadLine as error:
            raise _refused(self.path, f"line {number} {error}") from error
        if record["record"] == "gap":
            raise _refused(self.path, "it holds gap records: data is missing")
        if record["record"] != "finding":
            raise _refused(self.path, f"line {number} is not a finding")
        wrong = _mistyped(record)
        if wrong is not None:
            raise _refused(self.path, f"line {number} has no usable {wrong}")
        return record


def open_snapshot(path: pathlib.Path) -> CheckedSnapshot:
    """Return a snapshot, its findings still unread.

    Raises:
        FileError: its manifest is missing or damaged, or does not cover all findings of its scope.
    """
    try:
        manifest = read_manifest(path)
    except BadManifest as error:
        raise _refused(path, manifest_problem(path, error)[1]) from error
    for _code, words in claim_faults(manifest):
        raise _refused(path, words)
    return CheckedSnapshot(path, manifest, parse_time(manifest["finished"]), _identity(manifest))


def _identity(manifest: Record) -> Identity:
    filters = sorted(json.dumps(item, sort_keys=True, default=str) for item in items(manifest["filters"]))
    parameters = {"filters": [json.loads(item) for item in filters], "detail": text(manifest.get("detail"))}
    return Identity(
        source=bounded(manifest["source"]) or "",
        account=bounded(manifest.get("account")) or "",
        stream=STREAM,
        parameters=parameters,
    )


def _mistyped(record: Record) -> str | None:
    """The first member that is needed for the comparison and has a wrong type; None if there is none."""
    for name in _TEXTS:
        if not isinstance(record.get(name), str):
            return name
    for name in _IDS:
        if name not in record or not isinstance(record[name], (str, int, type(None))):
            return name
    if not isinstance(record.get("asset"), dict):
        return "asset"
    return None if isinstance(record.get("ignored", 0), (dict, type(None))) else "ignored"


def _refused(path: pathlib.Path, words: str) -> FileError:
    return FileError(f"findings: {path} cannot be compared: {words}.", hint=_AGAIN)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading snapshots of findings as a stream, and what their manifests prove.

This module is private to the collection and may change at any time.

A file is judged only with its manifest. Nothing here raises for what a file holds: whatever is wrong becomes a problem
of that snapshot, and the applications in it are then inconclusive.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import gzip
import hashlib
import io
import pathlib
import typing as t
import zlib

from ..._base.files import reason
from ..._base.log_text import short
from ..._records import codec
from ..._records.model import SCHEMA
from ..._records.snapshot import manifest_path
from ..._records.times import parse_time
from .facts import AppKey, Facts, Record, facts_of, items, mapping, text

_LINE_LIMIT = 64 << 20
_MANIFEST_LIMIT = 64 << 20
UNCOUNTED_SOURCES = ("indusface",)
"""Sources whose announced totals never match their lists, so that a comparison would prove nothing."""


@dataclasses.dataclass
class Snapshot:
    """One file. ``problems`` are pairs of a code and a sentence: with any of them, its findings prove nothing."""

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
        return text(self.manifest.get("source")) if self.manifest else None

    @property
    def filters(self) -> list[Record]:
        """The filters that the manifest names."""
        return [mapping(item) for item in items((self.manifest or {}).get("filters"))]

    def time(self, name: str) -> dt.datetime | None:
        """``started`` or ``finished`` of the manifest."""
        return moment((self.manifest or {}).get(name))

    def problem(self, code: str, message: str) -> None:
        """Note that the snapshot proves nothing, and why."""
        self.problems.append((code, f"{self.path.name}: {message}"))


def moment(value: t.Any) -> dt.datetime | None:
    """A time of a record; None for what is not one."""
    if not isinstance(value, str):
        return None
    try:
        return parse_time(value)
    except ValueError:
        return None


def open_snapshot(path: pathlib.Path) -> Snapshot:
    """A snapshot with its manifest, its findings still unread."""
    snapshot = Snapshot(path)
    place = manifest_path(path)
    try:
        with place.open("rb") as file:
            manifest = codec.loads(file.read(_MANIFEST_LIMIT))
    except FileNotFoundError:
        snapshot.problem("manifest_missing", "there is no manifest beside it, so nobody can tell what it covers")
        return snapshot
    except OSError as error:
        snapshot.problem("manifest_missing", f"its manifest cannot be read: {reason(error)}")
        return snapshot
    except (ValueError, RecursionError):
        snapshot.problem("manifest_damaged", "its manifest is not JSON")
        return snapshot
    if not isinstance(manifest, dict) or manifest.get("record") != "manifest" or manifest.get("schema") != SCHEMA:
        snapshot.problem("manifest_damaged", "what stands beside it is not a manifest of this version")
        return snapshot
    snapshot.manifest = manifest
    _check_claims(snapshot, manifest)
    return snapshot


def _check_claims(snapshot: Snapshot, manifest: Record) -> None:
    if manifest.get("stream") != "findings":
        snapshot.problem("manifest_damaged", f"it holds {short(str(manifest.get('stream')), 40)}, not findings")
    if manifest.get("complete") is not True:
        snapshot.problem("incomplete", "its manifest says that it is not complete")
    if manifest.get("since") is not None:
        snapshot.problem("incomplete", "it holds only what changed since a time, not everything")
    if snapshot.source is None:
        snapshot.problem("manifest_damaged", "its manifest names no source")
    if not isinstance(manifest.get("filters"), list):
        snapshot.problem("manifest_damaged", "its manifest does not say which filters were used")
    started, finished = snapshot.time("started"), snapshot.time("finished")
    if started is None or finished is None:
        snapshot.problem("manifest_damaged", "its manifest does not say when it was made")
    elif started > finished:
        snapshot.problem("manifest_damaged", "its manifest says that it was finished before it was begun")


def read_findings(snapshot: Snapshot) -> t.Iterator[Facts]:
    """The findings of a snapshot, one by one; what is wrong with the file is noted on the way."""
    digest = hashlib.sha256()
    try:
        with snapshot.path.open("rb") as raw:
            for row in _lines(raw, digest):
                facts = _finding(snapshot, row)
                if facts is not None:
                    snapshot.apps.setdefault(facts.app, facts.app_name)
                    yield facts
    except FileNotFoundError:
        snapshot.problem("findings_missing", "the file does not exist")
    except OSError as error:
        words = reason(error) if error.strerror else "the compressed data is damaged"
        snapshot.problem("findings_unreadable", f"it cannot be read: {words}")
    except (EOFError, zlib.error, ValueError):
        snapshot.problem("findings_unreadable", "the compressed data is damaged")
    else:
        snapshot.sha256 = digest.hexdigest()
        _check_content(snapshot)


def _finding(snapshot: Snapshot, row: bytes) -> Facts | None:
    snapshot.records += 1
    try:
        record = codec.loads(row)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA or "record" not in record:
        # Said once: a file of another kind has this on every line.
        if not any(code == "findings_unreadable" for code, _message in snapshot.problems):
            snapshot.problem("findings_unreadable", f"line {snapshot.records} is not a record of this version")
        return None
    if record["record"] == "finding":
        return facts_of(record)
    if record["record"] == "gap":
        snapshot.gaps += 1
    elif not any(code == "findings_unreadable" for code, _message in snapshot.problems):
        kind = short(str(record["record"]), 40)
        snapshot.problem("findings_unreadable", f"line {snapshot.records} is no finding, but a record of kind {kind}")
    return None


def _check_content(snapshot: Snapshot) -> None:
    manifest = snapshot.manifest
    if snapshot.gaps:
        snapshot.problem("incomplete", f"it holds {snapshot.gaps} gap records: data is missing")
    if manifest is None:
        return
    if manifest.get("sha256") != snapshot.sha256:
        snapshot.problem("findings_changed", "its SHA-256 is not the one that its manifest states")
    if manifest.get("records") != snapshot.records:
        stated = short(str(manifest.get("records")), 20)
        snapshot.problem("count_mismatch", f"it holds {snapshot.records} records, and its manifest states {stated}")
    counted = not (snapshot.source or "").startswith(UNCOUNTED_SOURCES)
    if counted and manifest.get("announced_after") != snapshot.records:
        announced = short(str(manifest.get("announced_after")), 20)
        snapshot.problem("count_mismatch", f"{announced} findings were announced and {snapshot.records} are in it")


class _HashingReader(io.RawIOBase):
    """Passes bytes through and hashes them, so that a file is read only once."""

    def __init__(self, raw: t.BinaryIO, digest: t.Any) -> None:
        self._raw = raw
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        data = self._raw.read(len(buffer))
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)


def _lines(raw: t.BinaryIO, digest: t.Any) -> t.Iterator[bytes]:
    """The lines of a plain or gzip file; told apart by the first two bytes, not by the name."""
    buffered = io.BufferedReader(_HashingReader(raw, digest), 1 << 20)
    stream: t.Any = buffered
    with contextlib.ExitStack() as stack:
        if buffered.peek(2)[:2] == b"\x1f\x8b":
            stream = stack.enter_context(gzip.GzipFile(fileobj=t.cast(t.BinaryIO, buffered)))
        while row := stream.readline(_LINE_LIMIT):
            if row.strip():
                yield row

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of the lake: closed days of streams, and snapshots, each with its files.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
import pathlib
import typing as t

from .._base.errors import FileError, OptionError
from .._base.files import reason, sha256_of
from .._records.codec import dumps_sorted
from .._records.files.claims import manifest_problem
from .._records.files.ndjson import Unreadable, read_lines
from .._records.files.snapshot_reader import BadLine, BadManifest, read_manifest, record_of
from .._records.model import SCHEMA
from .._records.times import read_time, utc_text
from .._spool.disk.files import list_segments
from .._spool.disk.kept import read_kept
from .._spool.disk.stream import read_stream_document, stream_id

STREAM, SNAPSHOT = "stream", "snapshot"
_STREAM = "matches"
"""The stream name of matches in the manifest that correlate writes."""
MATCHES = "correlate"
"""The source name of match snapshots."""


@dataclasses.dataclass
class Piece:
    """A file with records: a segment or a snapshot.

    Attributes:
        path: its path.
        name: its name within its stream.
        bytes: its size.
        mtime_ns: when it was written, in nanoseconds since 1970.
        expected: the SHA-256 in its manifest; None if there is none.
    """

    path: pathlib.Path
    name: str
    bytes: int
    mtime_ns: int
    expected: str | None = None
    _sha256: str | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the file; the first call reads the file for it.

        Raises:
            FileError: it cannot be read, or does not match its manifest.
        """
        if self._sha256 is None:
            try:
                self._sha256 = sha256_of(self.path)
            except OSError as error:
                raise _unreadable(self.path, reason(error)) from error
            if self.expected not in (None, self._sha256):
                raise FileError(
                    f"snapshots: {self.path} is not the file that its manifest describes.",
                    hint="It was changed or damaged after it was written: export it again.",
                )
        return self._sha256

    def described(self) -> dict[str, t.Any]:
        """The description of the file in a manifest of the lake."""
        return {"name": self.name, "bytes": self.bytes, "mtime_ns": self.mtime_ns, "sha256": self.sha256}


@dataclasses.dataclass
class Feed:
    """A stream or a snapshot.

    Attributes:
        id: 16 hexadecimal digits, the same for a stream in every run; part of the names of its files.
        origin: ``stream`` or ``snapshot``.
        label: its path, for results and messages.
        about: the identity as plain data.
        days: its files by day, in the order in which they were written.
        removed_before: segments of days before this one were removed from the stream; None if none were.
        as_of: when a snapshot was taken, UTC; None for a stream.
        record: a record that describes a snapshot; None for a stream.
    """

    id: str
    origin: str
    label: str
    about: dict[str, t.Any]
    days: dict[dt.date, list[Piece]] = dataclasses.field(default_factory=dict)
    removed_before: dt.date | None = None
    as_of: str | None = None
    record: dict[str, t.Any] | None = None


def feeds_of(streams: t.Sequence[str], snapshots: t.Sequence[str]) -> tuple[list[Feed], list[FileError]]:
    """Return all feeds that the options name. Several directories of the same stream form one feed.

    Returns:
        The feeds, and the errors of unusable snapshots, which do not keep other feeds out of the lake.

    Raises:
        OptionError: a path is not what the option requires.
        FileError: a stream cannot be read.
        StateError: the file that identifies the stream of a directory is damaged.
    """
    failed: list[FileError] = []
    found: dict[str, Feed] = {}
    for path in dict.fromkeys(map(_absolute, streams)):
        feed = _stream(path)
        held = found.setdefault(feed.id, feed)
        if held is not feed:
            _join(held, feed)
    for path in dict.fromkeys(map(_absolute, snapshots)):
        try:
            feed = _snapshot(path)
        except FileError as error:
            failed.append(error)
            continue
        if feed.id in found:
            raise OptionError(
                f"snapshots: {path} and {found[feed.id].label} have the same name, source and filters.",
                hint="Each would replace the other in the lake: give one of the files another name.",
            )
        found[feed.id] = feed
    return list(found.values()), failed


def _absolute(path: str) -> pathlib.Path:
    return pathlib.Path(os.path.expanduser(path)).absolute()


def _id(*identity: t.Any) -> str:
    return hashlib.sha256(dumps_sorted(list(identity))).hexdigest()[:16]


def _stream(path: pathlib.Path) -> Feed:
    if not path.is_dir():
        raise OptionError(f"streams: {path} is not a directory.", hint="Give the dest of an export module.")
    identity, held, kept = stream_id(path), read_stream_document(path), read_kept(path)
    if identity is None or held is None:
        raise OptionError(
            f"streams: nothing was ever collected in {path}.", hint="Give the dest of an export module that has run."
        )
    about = {name: held.about.get(name) for name in ("source", "stream", "account")}
    feed = Feed(_id(STREAM, identity), STREAM, str(path), about, removed_before=kept.removed_before if kept else None)
    for segment in list_segments(path):
        day = dt.date.fromisoformat(segment.name[3:13])
        try:
            size = (path / segment.name).stat().st_size
        except OSError as error:
            raise _unreadable(path / segment.name, reason(error)) from error
        feed.days.setdefault(day, []).append(Piece(path / segment.name, segment.name, size, segment.written))
    return feed


def _join(feed: Feed, other: Feed) -> None:
    """Add the files of another directory of the same stream."""
    for day, pieces in other.days.items():
        feed.days[day] = sorted([*feed.days.get(day, []), *pieces], key=lambda piece: piece.mtime_ns)
    removed = [day for day in (feed.removed_before, other.removed_before) if day]
    feed.removed_before = max(removed, default=None)


def _snapshot(path: pathlib.Path) -> Feed:
    try:
        told = path.stat()
    except OSError as error:
        raise FileError(f"snapshots: {path} cannot be read: {reason(error)}.", hint="Export it first.") from error
    try:
        manifest = read_manifest(path)
    except BadManifest as error:
        if error.kind != "missing" or _first_record(path) not in ("match", ""):
            raise FileError(
                f"snapshots: {path}: {manifest_problem(path, error)[1]}.",
                hint="Give a file of an export module with the manifest beside it, or one of the correlate module.",
            ) from error
        manifest = _of_matches(path, told)
    if manifest.get("stream") == _STREAM:
        # The manifest has the time of the last run of correlate, which may be later than the last change of the file.
        manifest = _of_matches(path, told)
    taken = read_time(manifest.get("finished"))
    source = manifest.get("source")
    if taken is None or not isinstance(source, str) or not manifest.get("complete"):
        raise FileError(
            f"snapshots: {path} is not a complete snapshot, according to its manifest.",
            hint="A snapshot that lacks findings would make them look fixed: export it again, without since.",
        )
    identity = [manifest.get(name) for name in ("source", "stream", "filters", "detail")]
    record = {name: manifest.get(name) for name in ("stream", "started", "finished", "records", "assets", "filters")}
    about = {"source": source, "stream": manifest.get("stream"), "file": path.name}
    feed = Feed(_id(SNAPSHOT, *identity, path.name), SNAPSHOT, str(path), about, as_of=utc_text(taken))
    feed.record = {"record": "snapshot", "schema": SCHEMA, "source": source, "file": path.name, **record}
    feed.days[taken.date()] = [Piece(path, path.name, told.st_size, told.st_mtime_ns, manifest.get("sha256"))]
    return feed


def _first_record(path: pathlib.Path) -> str:
    """The kind of the first record in a file; empty for an empty file.

    Raises:
        FileError: the file cannot be read.
    """
    try:
        for _number, line in read_lines(path):
            return str(record_of(line)["record"])
    except (Unreadable, BadLine) as error:
        raise _unreadable(path, str(error)) from error
    return ""


def _of_matches(path: pathlib.Path, told: os.stat_result) -> dict[str, t.Any]:
    """A substitute for the manifest of a file of matches that has none; its time is that of the last change."""
    moment = dt.datetime.fromtimestamp(told.st_mtime_ns // 1_000_000_000, dt.UTC)
    return {"source": MATCHES, "stream": _STREAM, "finished": utc_text(moment), "complete": True}


def _unreadable(path: pathlib.Path, words: str) -> FileError:
    return FileError(f"{path} cannot be read: {words}.", hint="Restore the file. All other days were processed.")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a run: snapshots, streams and records, read line by line, and a hash of everything.

This module is private to the collection and may change at any time.

A snapshot has to be complete, because findings that are missing from it count as gone. A stream only adds: the newest
sighting of a finding counts, and a finding that is not seen keeps its state.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import typing as t

from .._base.errors import FileError, OptionError
from .._base.log_text import short
from .._records.codec import dumps_sorted
from .._records.coerce import bounded
from .._records.files.claims import claim_faults, content_faults, manifest_problem
from .._records.files.ndjson import Unreadable, read_documents, read_lines
from .._records.files.snapshot_reader import BadLine, BadManifest, SnapshotLines, read_manifest, record_of
from .._records.files.snapshot_scope import covers, filters_of
from .._records.identity import AppKey
from .._records.model import SCHEMA
from .._records.times import canonical_time
from .._spool.disk.files import list_segments
from .._spool.disk.stream import read_stream_document
from .rows import (
    BadRecord,
    Record,
    Row,
    auth_record_row,
    finding_app,
    finding_row,
    hashed,
    scan_row,
    view_of,
    webapp_row,
)

_AGAIN = "Export the snapshot again. Nothing was recorded."
_KINDS: dict[str, tuple[str, t.Callable[[Record], Row]]] = {
    "scans": ("scan", scan_row),
    "webapps": ("webapp", webapp_row),
    "auth_records": ("auth_record", auth_record_row),
}
"""For each option, the kind of its records, and the function that converts them to rows."""
OPTIONS = ("findings", *_KINDS)


class Fold:
    """A hash of records that does not depend on their order."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, data: bytes) -> None:
        """Add one record."""
        self._sum += int.from_bytes(hashlib.blake2b(data, digest_size=16).digest(), "big")

    def text(self) -> str:
        """The hash so far."""
        return f"{self._sum % (1 << 128):032x}"


@dataclasses.dataclass
class FindingSource:
    """One snapshot or stream of findings.

    Attributes:
        path: the file or the directory.
        source: the source of its findings.
        account: the account, if known.
        manifest: the manifest of a snapshot; None for a stream.
        view: hash of what it leaves out, see :func:`view_of`.
        digest: hash of its content, after it was read.
        present: its applications with their names, after it was read.
        gaps: number of gaps in a stream.
    """

    path: pathlib.Path
    source: str
    account: str | None = None
    manifest: Record | None = None
    view: str = ""
    digest: str = ""
    present: dict[AppKey, str | None] = dataclasses.field(default_factory=dict)
    gaps: int = 0

    @property
    def finished(self) -> str | None:
        """When a snapshot was made; None for a stream."""
        told = (self.manifest or {}).get("finished")
        return canonical_time(told if isinstance(told, str) else None)

    @property
    def filters(self) -> str:
        """The filters of a snapshot in canonical form; for a stream, a fixed text in their place."""
        if self.manifest is None:
            return "stream"
        told = ([field, how, sorted(values), name] for field, how, values, name in filters_of(self.manifest))
        return dumps_sorted(sorted(told)).decode()

    def would_show(self, app: AppKey, name: str | None, view: str) -> bool:
        """Whether it would contain a finding that still exists: its application is covered, and nothing hides it."""
        if self.manifest is None or self.view not in ("", view):
            return False
        return covers(self.manifest, self.present, app, name)


def open_sources(paths: t.Iterable[str]) -> list[FindingSource]:
    """Return the streams, and then the snapshots with the oldest first. None of them is read yet.

    Raises:
        FileError: one is not complete, or is neither a snapshot nor a stream.
    """
    found = [_open(pathlib.Path(path).expanduser()) for path in paths]
    return sorted(found, key=lambda item: (item.finished or "", str(item.path)))


def _open(path: pathlib.Path) -> FindingSource:
    if path.is_dir():
        held = read_stream_document(path)
        if held is None:
            raise FileError(
                f"findings: nothing was ever collected in {path}.", hint="Give the dest of an export module."
            )
        return FindingSource(path, str(held.about.get("source")), bounded(held.about.get("account")))
    try:
        manifest = read_manifest(path)
    except BadManifest as error:
        raise FileError(f"findings: {path}: {manifest_problem(path, error)[1]}.", hint=_AGAIN) from error
    for _code, words in claim_faults(manifest):
        raise FileError(f"findings: {path}: {words}.", hint=_AGAIN)
    source = bounded(manifest.get("source")) or ""
    return FindingSource(path, source, bounded(manifest.get("account")), manifest, view_of(filters_of(manifest)))


def findings_of(source: FindingSource) -> t.Iterator[Row]:
    """Yield the findings of a snapshot or a stream as rows. After the last one, its digest and applications are set.

    Raises:
        FileError: it cannot be read to its end, or does not match its manifest.
    """
    yield from _of_stream(source) if source.manifest is None else _of_snapshot(source, source.manifest)


def _of_snapshot(source: FindingSource, manifest: Record) -> t.Iterator[Row]:
    lines, path = SnapshotLines(source.path), source.path
    finished = source.finished or ""
    try:
        for number, line in lines:
            record = _record(line, number, path)
            if record["record"] != "gap":
                # If a finding is in several snapshots, the newest one is right.
                yield _row(source, record, number, path) | {"seen": finished}
            source.gaps += record["record"] == "gap"
    except Unreadable as error:
        raise FileError(f"findings: {path} cannot be read: {error}.", hint=_AGAIN) from error
    if source.gaps:
        raise FileError(f"findings: {path}: it holds {source.gaps} gap records: data is missing.", hint=_AGAIN)
    for _code, words in content_faults(manifest, lines):
        raise FileError(f"findings: {path}: {words}.", hint=_AGAIN)
    source.digest = lines.sha256 or ""


def _of_stream(source: FindingSource) -> t.Iterator[Row]:
    fold = Fold()
    for number, line, path in _stream_lines(source.path, "findings"):
        record = _record(line, number, path)
        if record["record"] == "finding":
            fold.add(line)
            yield _row(source, record, number, path)
        source.gaps += record["record"] == "gap"
    source.digest = fold.text()


def _stream_lines(root: pathlib.Path, option: str) -> t.Iterator[tuple[int, bytes, pathlib.Path]]:
    for segment in list_segments(root):
        path = root / segment.name
        try:
            for number, line in read_lines(path):
                yield number, line, path
        except Unreadable as error:
            raise FileError(f"{option}: {path} cannot be read: {error}.") from error


def _record(line: bytes, number: int, path: pathlib.Path) -> dict[str, t.Any]:
    try:
        return record_of(line)
    except BadLine as error:
        raise FileError(f"findings: line {number} of {path} is not a record of this version.", hint=_AGAIN) from error


def _row(source: FindingSource, record: Record, number: int, path: pathlib.Path) -> Row:
    if record["record"] != "finding":
        kind = short(str(record["record"]), 40)
        raise FileError(f"findings: line {number} of {path} is not a finding but a record of kind {kind}.", hint=_AGAIN)
    if bounded(record.get("source")) != source.source:
        raise FileError(
            f"findings: line {number} of {path} is a finding of {short(str(record.get('source')), 40)}, but the others"
            f" are of {short(source.source, 40)}.",
            hint=_AGAIN,
        )
    app, name = finding_app(record)
    source.present.setdefault(app, name)
    try:
        return finding_row(record, source.view, exact=source.manifest is not None)
    except BadRecord as error:
        raise FileError(f"findings: line {number} of {path} {error}.", hint=_AGAIN) from error


def estate_of(option: str, given: t.Iterable[t.Any], fold: Fold) -> t.Iterator[Row]:
    """Yield the records of an option as rows.

    Args:
        option: scans, webapps or auth_records.
        given: records, paths of JSON or NDJSON files, and directories of streams, of which only matching records count.
        fold: receives the records, to hash them.

    Raises:
        FileError: a file cannot be read, or contains something else.
        OptionError: an item is neither a record nor a path.
    """
    kind, make = _KINDS[option]
    for index, item in enumerate(given):
        if not isinstance(item, (str, dict)) or not item:
            raise OptionError(f"{option}[{index}] is neither a record nor a path.", hint="Give one of them.")
        where = item if isinstance(item, str) else f"{option}[{index}]"
        for record in [item] if isinstance(item, dict) else _records(option, pathlib.Path(item).expanduser()):
            if not isinstance(record, dict) or not _is_ours(record, kind):
                raise FileError(f"{option}: {where} contains something that is not a record of this version.")
            if record.get("record", kind) != kind:
                continue
            try:
                row = make(record)
            except BadRecord as error:
                raise FileError(f"{option}: a record in {where} {error}.") from error
            fold.add(dumps_sorted(row))
            yield row


def _is_ours(record: Record, kind: str) -> bool:
    """Whether a record has this kind. Results of information modules have no version; records in files do."""
    return bool(record.get("schema", None if kind == "scan" else SCHEMA) == SCHEMA)


def _records(option: str, path: pathlib.Path) -> t.Iterator[t.Any]:
    if path.is_dir():
        for number, line, file in _stream_lines(path, option):
            yield _record(line, number, file)
        return
    try:
        yield from read_documents(path)
    except Unreadable as error:
        raise FileError(f"{option}: {path} cannot be read: {error}.") from error


def digest_of(sources: t.Iterable[FindingSource], folds: t.Mapping[str, Fold]) -> str:
    """Return one hash of all inputs of a run, which does not depend on their order."""
    parts = sorted(f"{item.source} {item.account} {item.filters} {item.digest}" for item in sources)
    return hashed(*parts, *(f"{name} {fold.text()}" for name, fold in sorted(folds.items())))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads snapshots of findings into an ordered store that does not hold them in memory.

This module is private to the collection and may change at any time.

Each snapshot is read once, as a stream. The findings go to an unnamed temporary file; memory holds only the position
and the sort key of each. The manifest beside a snapshot is checked against what was read.
"""

from __future__ import annotations

import array
import contextlib
import hashlib
import itertools
import json
import operator
import os
import pathlib
import tempfile
import typing as t

from ..._base.errors import FileError
from ..._base.files import reason
from ..._records import codec
from ..._records.coerce import bounded, items, mapping, number, score, whole
from ..._records.files.claims import file_faults, manifest_problem
from ..._records.files.ndjson import Unreadable, stream_files
from ..._records.files.snapshot_reader import BadLine, BadManifest, SnapshotLines, read_manifest, record_of
from ..._records.model import SCHEMA, Asset, Evidence, Finding, Ignored, Manifest, Owasp, Wasc
from .. import text
from . import model
from .records import Gaps

_NEWER = "It was written by a newer version of this collection: update, or export again."
_AGAIN = "Export the snapshot again."
_LINE_PROBLEMS = {
    "json": ("is not JSON", _AGAIN),
    "record": ("is not a record of this collection", "Give files written by a finding_export module."),
    "version": (f"has a schema other than {SCHEMA}", _NEWER),
}


def _clipped(value: t.Any) -> str | None:
    """Text of limited length; None for a missing or empty value."""
    if value is None or value == "":
        return None
    # Nearly every value ends here, and there are millions of them.
    if isinstance(value, str) and len(value) <= model.FIELD_CHARACTERS:
        return value
    if not isinstance(value, str):
        value = json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value)
    return text.clip(value, model.FIELD_CHARACTERS)


def _flag(value: t.Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(value: t.Any, allowed: t.Container[str]) -> t.Any:
    return value if isinstance(value, str) and value in allowed else "unknown"


def _asset(value: t.Any) -> Asset:
    asset = mapping(value)
    own_id, name = bounded(asset.get("id")), asset.get("name")
    return Asset(
        id=own_id,
        # Without an id the name is the identity, which is not clipped like a text.
        name=_clipped(name) if own_id else bounded(name),
        url=_clipped(asset.get("url")),
        tags=[tag for tag in map(_clipped, items(asset.get("tags"))[:100]) if tag],
    )


def _ignored(value: t.Any) -> Ignored | None:
    if value is None or value is False:
        return None
    ignored = mapping(value)
    return Ignored(
        reason=_clipped(ignored.get("reason")),
        by=_clipped(ignored.get("by")),
        at=_clipped(ignored.get("at")),
        until=_clipped(ignored.get("until")),
        comment=_clipped(ignored.get("comment")),
    )


def _category(value: t.Any) -> dict[str, t.Any]:
    item = mapping(value)
    return {"code": whole(item.get("code")), "name": _clipped(item.get("name")), "url": _clipped(item.get("url"))}


def _evidence(value: t.Any) -> Evidence:
    item = mapping(value)
    shown: dict[str, t.Any] = {}
    for field in ("payload", "method", "url", "headers", "body", "response", "result"):
        content = item.get(field)
        shown[field] = text.clip(content, model.EVIDENCE_CHARACTERS) if isinstance(content, str) else _clipped(content)
    shown["authenticated"] = _flag(item.get("authenticated"))
    return t.cast(Evidence, shown)


def as_finding(raw: t.Mapping[str, t.Any]) -> Finding:
    """A finding in which every key is present and has its type, whatever the file contained.

    Unknown words become ``unknown`` (and are counted later), long texts are clipped, ``raw`` is dropped.
    """
    get = raw.get
    return Finding(
        record="finding",
        schema=SCHEMA,
        source=bounded(get("source")) or "unknown",
        id=bounded(get("id")) or "",
        unique_id=bounded(get("unique_id")),
        rule_id=_clipped(get("rule_id")),
        title=_clipped(get("title")),
        kind=_one_of(get("kind"), model.KINDS),
        severity=_one_of(get("severity"), model.SEVERITY_RANK),
        severity_native=_clipped(get("severity_native")),
        original_severity=_clipped(get("original_severity")),
        cvss_score=number(get("cvss_score")),
        cvss_vector=_clipped(get("cvss_vector")),
        detection_score=score(get("detection_score")),
        status=_one_of(get("status"), model.STATUS_RANK),
        ignored=_ignored(get("ignored")),
        asset=_asset(get("asset")),
        url=_clipped(get("url")),
        method=_clipped(get("method")),
        parameter=_clipped(get("parameter")),
        first_seen=_clipped(get("first_seen")),
        last_seen=_clipped(get("last_seen")),
        last_tested=_clipped(get("last_tested")),
        fixed_at=_clipped(get("fixed_at")),
        times_seen=whole(get("times_seen")),
        cwe=[code for code in map(whole, items(get("cwe"))[:100]) if code is not None],
        owasp=[t.cast(Owasp, _category(item)) for item in items(get("owasp"))[:20]],
        wasc=[t.cast(Wasc, _category(item)) for item in items(get("wasc"))[:20]],
        group=_clipped(get("group")),
        finding_type=_clipped(get("finding_type")),
        potential=_flag(get("potential")),
        external_ref=_clipped(get("external_ref")),
        patch=_clipped(get("patch")),
        ssl=mapping(get("ssl")) or None,
        evidence=[_evidence(item) for item in items(get("evidence"))[: model.EVIDENCE_ITEMS]],
        fingerprint=bounded(get("fingerprint")) or "",
    )


def sort_key(finding: Finding) -> str:
    """Worst severity, then application, then title; the rest only makes the order unambiguous."""
    parts = (
        chr(0x30 + model.SEVERITY_RANK[finding["severity"]]),
        model.application_label(finding).casefold()[:200],
        model.title_label(finding).casefold()[:200],
        (finding["url"] or "")[:200],
        (finding["parameter"] or "")[:100],
        finding["source"],
        finding["id"],
        finding["fingerprint"],
    )
    return "\0".join(parts)


class FindingList(list[Finding]):
    """Findings in memory, in report order: for filters and tests."""

    def __init__(self, findings: t.Iterable[t.Mapping[str, t.Any]]) -> None:
        by_key = operator.itemgetter(0)
        keyed = sorted(((sort_key(finding), finding) for finding in map(as_finding, findings)), key=by_key)
        super().__init__()
        for _key, group in itertools.groupby(keyed, key=by_key):
            equal = [finding for _same, finding in group]
            # Equal keys are rare, and writing a finding as JSON takes longer than everything else here.
            self.extend(sorted(equal, key=json.dumps) if len(equal) > 1 else equal)

    def encoded(self) -> t.Iterator[tuple[Finding, str]]:
        """Each finding with its compact ASCII JSON."""
        for finding in self:
            yield finding, _json(finding)


class FindingStore:
    """Findings on disk, in report order; see :func:`open_store`."""

    def __init__(self, file: t.BinaryIO) -> None:
        self._file = file
        self._starts = array.array("Q")
        self._sizes = array.array("Q")
        self._keys: list[str] = []
        self._order = array.array("Q")
        self._positions: dict[bytes, int] = {}
        self._end = 0
        self.duplicates = 0

    def add(self, finding: Finding, *, again: bool = False) -> None:
        """Append one finding. The same record from a later file replaces the earlier one.

        Args:
            finding: the finding.
            again: True when a finding may occur more than once, as in a stream; it is not counted as a duplicate.
        """
        data = _json(finding).encode("ascii")
        self._file.write(data)
        position = self._positions.setdefault(_digest(finding), len(self._starts))
        if position < len(self._starts):
            self.duplicates += not again
        else:
            self._starts.append(0)
            self._sizes.append(0)
            self._keys.append("")
        self._starts[position], self._sizes[position], self._keys[position] = self._end, len(data), sort_key(finding)
        self._end += len(data)

    def seal(self) -> None:
        """Sort; no finding can be added afterwards."""
        self._file.flush()
        keys = self._keys
        self._order = array.array("Q", sorted(range(len(keys)), key=lambda position: (keys[position], position)))
        self._keys = []
        self._positions = {}

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> t.Iterator[Finding]:
        return map(codec.loads, self._stored())

    def encoded(self) -> t.Iterator[tuple[Finding, str]]:
        """Each finding with its compact ASCII JSON, which is how it is stored."""
        for data in self._stored():
            yield codec.loads(data), data.decode("ascii")

    def _stored(self) -> t.Iterator[bytes]:
        descriptor = self._file.fileno()
        for position in self._order:
            yield os.pread(descriptor, self._sizes[position], self._starts[position])


def _json(finding: Finding) -> str:
    # Not the codec of the collection, which replaces lone surrogates: a report shows them.
    return _ENCODE(finding)


_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _digest(finding: Finding) -> bytes:
    identity = (finding["source"], finding["id"], finding["unique_id"], finding["fingerprint"], finding["asset"]["id"])
    return hashlib.blake2b(repr(identity).encode("utf-8", "replace"), digest_size=12).digest()


class SnapshotReader:
    """Reads snapshot files into a store, and collects their manifests, gaps and times."""

    def __init__(self, store: FindingStore) -> None:
        self.store = store
        self.files: list[model.SourceFile] = []
        self.other_records = 0
        self.gaps = Gaps()
        self._times: list[str] = []

    @property
    def generated(self) -> str:
        """The time of the data: the newest end of a snapshot, or newest test where there is no manifest."""
        return max(self._times, default="")

    def read(self, path: pathlib.Path) -> None:
        """Read one NDJSON file, plain or gzip, with its manifest; or a stream, whose newest record of a finding counts.

        Raises:
            FileError: the file cannot be read, is not NDJSON, has another schema, or differs from its manifest.
        """
        if path.is_dir():
            self._read_stream(path)
            return
        manifest = _manifest_of(path)
        lines = SnapshotLines(path)
        newest = ""
        try:
            for number, line in lines:
                newest = max(newest, self._take(path, number, line))
        except Unreadable as error:
            raise FileError(f"findings: cannot read {path}: {error}.", hint=_AGAIN) from error
        if manifest is not None:
            _check_manifest(path, manifest, lines)
            newest = text.whole_seconds(manifest.get("finished")) or newest
        self._times.append(newest)
        self.files.append(
            model.SourceFile(name=path.name, sha256=lines.sha256 or "", records=lines.records, manifest=manifest)
        )

    def _read_stream(self, root: pathlib.Path) -> None:
        digest, records, newest = hashlib.sha256(), 0, ""
        try:
            for path in stream_files(root):
                lines = SnapshotLines(path)
                for number, line in lines:
                    newest = max(newest, self._take(path, number, line, stream=True))
                digest.update((lines.sha256 or "").encode())
                records += lines.records
        except Unreadable as error:
            raise FileError(f"findings: cannot read {root}: {error}.", hint=_AGAIN) from error
        self._times.append(newest)
        self.files.append(
            model.SourceFile(name=root.name, sha256=digest.hexdigest(), records=records, manifest=None, stream=True)
        )

    def _take(self, path: pathlib.Path, number: int, row: bytes, *, stream: bool = False) -> str:
        """Store the finding of one line. Returns the time of its last test, or an empty text."""
        try:
            record = record_of(row)
        except BadLine as error:
            words, hint = _LINE_PROBLEMS[error.kind]
            raise FileError(f"findings: line {number} of {path} {words}.", hint=hint) from error
        if record["record"] != "finding":
            # The stream of a scanner contains its scans, too.
            self.other_records += not stream
            if record["record"] == "gap":
                self.gaps.add(record)
            return ""
        finding = as_finding(record)
        self.store.add(finding, again=stream)
        return text.whole_seconds(finding["last_tested"]) or ""


def _manifest_of(path: pathlib.Path) -> Manifest | None:
    try:
        return _whole_manifest(read_manifest(path))
    except BadManifest as error:
        if error.kind == "missing":
            return None
        hint = _NEWER if error.kind == "version" else _AGAIN
        raise FileError(f"findings: {path}: {manifest_problem(path, error)[1]}.", hint=hint) from error


def _whole_manifest(raw: dict[str, t.Any]) -> Manifest:
    """The manifest with every key that a report uses, so that a hand-made one cannot break a writer."""
    defaults: dict[str, t.Any] = {"source": "unknown", "filters": [], "assets": [], "unknown_values": {}, "since": None}
    found: dict[str, t.Any] = defaults | {key: value for key, value in raw.items() if value is not None}
    for name in ("started", "finished"):
        found[name] = text.whole_seconds(_clipped(found.get(name))) or ""
    found["source"] = _clipped(found["source"]) or "unknown"
    found["filters"] = [item for item in items(found["filters"]) if isinstance(item, dict)]
    found["assets"] = [item for item in map(_clipped, items(found["assets"])) if item]
    found["complete"] = found.get("complete") is True
    for name in ("announced_before", "announced_after"):
        found[name] = whole(found.get(name)) or 0
    found["unknown_values"] = {
        str(name): count for name, count in mapping(found["unknown_values"]).items() if isinstance(count, int)
    }
    return t.cast(Manifest, found)


def _check_manifest(path: pathlib.Path, manifest: Manifest, lines: SnapshotLines) -> None:
    for _code, words in file_faults(manifest, lines):
        hint = "The file and its manifest do not belong together: export the snapshot again."
        raise FileError(f"findings: {path}: {words}.", hint=hint)


@contextlib.contextmanager
def open_store() -> t.Iterator[FindingStore]:
    """A store that exists until the report is written.

    Raises:
        FileError: the temporary file cannot be written.
    """
    try:
        # Unnamed: nothing is left behind even when the process is killed.
        with tempfile.TemporaryFile(buffering=1 << 20) as file:
            yield FindingStore(t.cast(t.BinaryIO, file))
    except OSError as error:
        raise FileError(
            f"Temporary data in {tempfile.gettempdir()} failed: {reason(error)}.",
            hint="Set TMPDIR to a directory with room for a copy of the findings.",
        ) from error

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading snapshots of findings into an ordered store that does not hold them in memory.

This module is private to the collection and may change at any time.

Each snapshot is read once, as a stream. The findings go to an unnamed temporary file; memory keeps only where each one
stands and how it sorts. The manifest beside a snapshot is checked against what was really read.
"""

from __future__ import annotations

import array
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import tempfile
import typing as t
import zlib

from ..._base.errors import FileError
from ..._base.files import reason
from ..._records import codec
from ..._records.model import SCHEMA, Asset, Evidence, Finding, Ignored, Manifest, Owasp, Wasc
from ..._records.snapshot import manifest_path
from .. import text
from . import model

_LINE_LIMIT = 64 << 20
_MANIFEST_LIMIT = 64 << 20
_NEWER = "It was written by a newer version of this collection: update, or export again."


def _text(value: t.Any) -> str | None:
    """Text of limited length; None for nothing."""
    if value is None or value == "":
        return None
    # Nearly every value ends here, and there are millions of them.
    if isinstance(value, str) and len(value) <= model.FIELD_CHARACTERS:
        return value
    if not isinstance(value, str):
        value = json.dumps(value) if isinstance(value, (dict, list, bool)) else str(value)
    return text.clip(value, model.FIELD_CHARACTERS)


def _number(value: t.Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # An infinity or a number that is none cannot be written as JSON.
    return value if abs(value) < 1e15 else None


def _whole(value: t.Any) -> int | None:
    checked = _number(value)
    return None if checked is None else int(checked)


def _object(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _items(value: t.Any) -> list[t.Any]:
    return value if isinstance(value, list) else []


def _flag(value: t.Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(value: t.Any, allowed: t.Container[str]) -> t.Any:
    return value if isinstance(value, str) and value in allowed else "unknown"


def _asset(value: t.Any) -> Asset:
    asset = _object(value)
    return Asset(
        id=_text(asset.get("id")),
        name=_text(asset.get("name")),
        url=_text(asset.get("url")),
        tags=[tag for tag in map(_text, _items(asset.get("tags"))[:100]) if tag],
    )


def _ignored(value: t.Any) -> Ignored | None:
    if value is None or value is False:
        return None
    ignored = _object(value)
    return Ignored(
        reason=_text(ignored.get("reason")),
        by=_text(ignored.get("by")),
        at=_text(ignored.get("at")),
        until=_text(ignored.get("until")),
        comment=_text(ignored.get("comment")),
    )


def _category(value: t.Any) -> dict[str, t.Any]:
    item = _object(value)
    return {"code": _whole(item.get("code")), "name": _text(item.get("name")), "url": _text(item.get("url"))}


def _evidence(value: t.Any) -> Evidence:
    item = _object(value)
    shown: dict[str, t.Any] = {}
    for field in ("payload", "method", "url", "headers", "body", "response", "result"):
        content = item.get(field)
        shown[field] = text.clip(content, model.EVIDENCE_CHARACTERS) if isinstance(content, str) else _text(content)
    shown["authenticated"] = _flag(item.get("authenticated"))
    return t.cast(Evidence, shown)


def as_finding(raw: t.Mapping[str, t.Any]) -> Finding:
    """A finding whose every key is there and has its type, whatever a file in between did to it.

    Unknown words become ``unknown`` (and are counted later), long texts are clipped, ``raw`` is dropped.
    """
    get = raw.get
    return Finding(
        record="finding",
        schema=SCHEMA,
        source=_text(get("source")) or "unknown",
        id=_text(get("id")) or "",
        unique_id=_text(get("unique_id")),
        rule_id=_text(get("rule_id")),
        title=_text(get("title")),
        kind=_one_of(get("kind"), model.KINDS),
        severity=_one_of(get("severity"), model.SEVERITY_RANK),
        severity_native=_text(get("severity_native")),
        original_severity=_text(get("original_severity")),
        cvss_score=_number(get("cvss_score")),
        cvss_vector=_text(get("cvss_vector")),
        detection_score=_whole(get("detection_score")),
        status=_one_of(get("status"), model.STATUS_RANK),
        ignored=_ignored(get("ignored")),
        asset=_asset(get("asset")),
        url=_text(get("url")),
        method=_text(get("method")),
        parameter=_text(get("parameter")),
        first_seen=_text(get("first_seen")),
        last_seen=_text(get("last_seen")),
        last_tested=_text(get("last_tested")),
        fixed_at=_text(get("fixed_at")),
        times_seen=_whole(get("times_seen")),
        cwe=[number for number in map(_whole, _items(get("cwe"))[:100]) if number is not None],
        owasp=[t.cast(Owasp, _category(item)) for item in _items(get("owasp"))[:20]],
        wasc=[t.cast(Wasc, _category(item)) for item in _items(get("wasc"))[:20]],
        group=_text(get("group")),
        finding_type=_text(get("finding_type")),
        potential=_flag(get("potential")),
        external_ref=_text(get("external_ref")),
        patch=_text(get("patch")),
        ssl=_object(get("ssl")) or None,
        evidence=[_evidence(item) for item in _items(get("evidence"))[: model.EVIDENCE_ITEMS]],
        fingerprint=_text(get("fingerprint")) or "",
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
        super().__init__(sorted(map(as_finding, findings), key=lambda item: (sort_key(item), json.dumps(item))))


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

    def add(self, finding: Finding) -> None:
        """Append one finding. The same record from a later file replaces the earlier one."""
        # Not the codec of the collection: that one replaces lone surrogates, and a report shows them.
        data = json.dumps(finding, separators=(",", ":")).encode("ascii")
        self._file.write(data)
        position = self._positions.setdefault(_digest(finding), len(self._starts))
        if position < len(self._starts):
            self.duplicates += 1
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
        descriptor = self._file.fileno()
        for position in self._order:
            yield codec.loads(os.pread(descriptor, self._sizes[position], self._starts[position]))


def _digest(finding: Finding) -> bytes:
    identity = (finding["source"], finding["id"], finding["unique_id"], finding["fingerprint"], finding["asset"]["id"])
    return hashlib.blake2b(repr(identity).encode("utf-8", "replace"), digest_size=12).digest()


class SnapshotReader:
    """Reads snapshot files into a store and collects what has to be said about them."""

    def __init__(self, store: FindingStore) -> None:
        self.store = store
        self.files: list[model.SourceFile] = []
        self.other_records = 0
        self.gaps = 0
        self._times: list[str] = []

    @property
    def generated(self) -> str:
        """The time of the data: the newest end of a snapshot, or newest test where there is no manifest."""
        return max(self._times, default="")

    def read(self, path: pathlib.Path) -> None:
        """Read one NDJSON file, plain or gzip, with its manifest.

        Raises:
            FileError: unreadable, damaged, not NDJSON, from a newer version, or not what its manifest says.
        """
        manifest = _read_manifest(path)
        digest = hashlib.sha256()
        records, newest = 0, ""
        try:
            with path.open("rb") as raw:
                for number, row in enumerate(_lines(raw, digest), 1):
                    records += 1
                    newest = max(newest, self._take(path, number, row))
        except (OSError, EOFError, zlib.error) as error:
            words = reason(error) if isinstance(error, OSError) and error.strerror else "the compressed data is damaged"
            raise FileError(f"findings: cannot read {path}: {words}.", hint="Export the snapshot again.") from error
        if manifest is not None:
            _check_manifest(path, manifest, digest.hexdigest(), records)
            newest = text.canonical_time(manifest.get("finished")) or newest
        self._times.append(newest)
        self.files.append(
            model.SourceFile(name=path.name, sha256=digest.hexdigest(), records=records, manifest=manifest)
        )

    def _take(self, path: pathlib.Path, number: int, row: bytes) -> str:
        """Store the finding of one line; its newest time, or empty."""
        try:
            record = codec.loads(row)
        except (ValueError, RecursionError) as error:
            raise FileError(
                f"findings: line {number} of {path} is not JSON.", hint="Export the snapshot again."
            ) from error
        if not isinstance(record, dict) or "record" not in record:
            raise FileError(
                f"findings: line {number} of {path} is not a record of this collection.",
                hint="Give files written by a finding_export module.",
            )
        if record.get("schema") != SCHEMA:
            raise FileError(f"findings: line {number} of {path} has a schema other than {SCHEMA}.", hint=_NEWER)
        if record["record"] != "finding":
            self.other_records += 1
            self.gaps += record["record"] == "gap"
            return ""
        finding = as_finding(record)
        self.store.add(finding)
        return text.canonical_time(finding["last_tested"]) or ""


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
    stream: t.BinaryIO = io.BufferedReader(_HashingReader(raw, digest), 1 << 20)
    magic = t.cast(io.BufferedReader, stream).peek(2)[:2]
    if magic == b"\x1f\x8b":
        stream = t.cast(t.BinaryIO, gzip.GzipFile(fileobj=stream))
    while row := stream.readline(_LINE_LIMIT):
        if row.strip():
            yield row


def _read_manifest(path: pathlib.Path) -> Manifest | None:
    place = manifest_path(path)
    try:
        with place.open("rb") as file:
            manifest = codec.loads(file.read(_MANIFEST_LIMIT))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"findings: cannot read {place}: {reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"findings: the manifest {place} is not JSON.", hint="Export the snapshot again.") from error
    if not isinstance(manifest, dict) or manifest.get("record") != "manifest":
        raise FileError(f"findings: {place} is not the manifest of a snapshot.", hint="Export the snapshot again.")
    if manifest.get("schema") != SCHEMA:
        raise FileError(f"findings: the manifest {place} has a schema other than {SCHEMA}.", hint=_NEWER)
    return _whole_manifest(manifest)


def _whole_manifest(raw: dict[str, t.Any]) -> Manifest:
    """The manifest with every key that a report uses, so that a hand-made one cannot break a writer."""
    defaults: dict[str, t.Any] = {"source": "unknown", "filters": [], "assets": [], "unknown_values": {}, "since": None}
    whole: dict[str, t.Any] = defaults | {key: value for key, value in raw.items() if value is not None}
    for name in ("started", "finished"):
        whole[name] = text.canonical_time(_text(whole.get(name))) or ""
    whole["source"] = _text(whole["source"]) or "unknown"
    whole["filters"] = [item for item in _items(whole["filters"]) if isinstance(item, dict)]
    whole["assets"] = [item for item in map(_text, _items(whole["assets"])) if item]
    whole["complete"] = whole.get("complete") is True
    for name in ("announced_before", "announced_after"):
        whole[name] = _whole(whole.get(name)) or 0
    whole["unknown_values"] = {
        str(name): count for name, count in _object(whole["unknown_values"]).items() if isinstance(count, int)
    }
    return t.cast(Manifest, whole)


def _check_manifest(path: pathlib.Path, manifest: Manifest, sha256: str, records: int) -> None:
    hint = "The file and its manifest do not belong together: export the snapshot again."
    if manifest.get("sha256") != sha256:
        raise FileError(f"findings: {path} does not have the SHA-256 that its manifest states.", hint=hint)
    if manifest.get("records") != records:
        raise FileError(
            f"findings: {path} holds {records} records, and its manifest states {manifest.get('records')}.", hint=hint
        )


@contextlib.contextmanager
def open_store() -> t.Iterator[FindingStore]:
    """A store for as long as the report is being written.

    Raises:
        FileError: there is no room for temporary data.
    """
    try:
        # Unnamed: nothing is left behind even when the process is killed.
        with tempfile.TemporaryFile(buffering=1 << 20) as file:
            yield FindingStore(t.cast(t.BinaryIO, file))
    except OSError as error:
        raise FileError(
            f"Temporary data in {tempfile.gettempdir()} failed: {reason(error)}.",
            hint="Set TMPDIR to a directory with room for the findings once more.",
        ) from error

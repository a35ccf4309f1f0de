# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a snapshot of findings: its manifest, its lines, and whether the two match.

This module is private to the collection and may change at any time.

The callers decide what a fault means: a gate records it and goes on, and a report refuses the file.
"""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

from ..._base.files import reason
from .. import codec
from ..model import SCHEMA
from .ndjson import LINE_LIMIT, read_lines
from .snapshot import manifest_path

Record = dict[str, t.Any]
_LINE_PROBLEMS = {
    "json": "is not JSON",
    "record": "is not a record of this collection",
    "version": f"has a schema other than {SCHEMA}",
}


class BadManifest(Exception):
    """A manifest proves nothing. ``kind`` says why; the text is the operating system's, if there is one.

    ``kind`` is missing, unreadable, damaged (not JSON), foreign (something else) or version (another schema).
    """

    def __init__(self, kind: str, words: str = "") -> None:
        super().__init__(words)
        self.kind = kind


class BadLine(Exception):
    """A line is no record. ``kind`` is json, record (something else) or version (another schema).

    Its text is the end of a sentence about the line.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(_LINE_PROBLEMS[kind])
        self.kind = kind


def read_manifest(path: pathlib.Path) -> Record:
    """Read the manifest beside a snapshot. Only its kind and its version are checked.

    Raises:
        BadManifest: there is no usable manifest.
    """
    try:
        with manifest_path(path).open("rb") as file:
            manifest = codec.loads_unique(file.read(LINE_LIMIT))
    except FileNotFoundError as error:
        raise BadManifest("missing") from error
    except OSError as error:
        raise BadManifest("unreadable", reason(error)) from error
    except (ValueError, RecursionError) as error:
        raise BadManifest("damaged") from error
    if not isinstance(manifest, dict) or manifest.get("record") != "manifest":
        raise BadManifest("foreign")
    if manifest.get("schema") != SCHEMA:
        raise BadManifest("version")
    return manifest


def record_of(line: bytes) -> Record:
    """Parse the record of a line.

    Raises:
        BadLine: it is not a record of this version.
    """
    try:
        record = codec.loads_unique(line)
    except (ValueError, RecursionError) as error:
        raise BadLine("json") from error
    if not isinstance(record, dict) or "record" not in record:
        raise BadLine("record")
    if record.get("schema") != SCHEMA:
        raise BadLine("version")
    return record


class SnapshotLines:
    """One pass over a snapshot, from its first line to its last.

    Attributes:
        records: number of lines read so far.
        sha256: hash of the whole file; None until it has been read to its end.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.records = 0
        self.sha256: str | None = None

    def __iter__(self) -> t.Iterator[tuple[int, bytes]]:
        """Yield the lines with their numbers.

        Raises:
            Unreadable: the file cannot be read to its end.
        """
        digest = hashlib.sha256()
        for number, line in read_lines(self._path, digest):
            self.records += 1
            yield number, line
        self.sha256 = digest.hexdigest()

    def fits(self, manifest: t.Mapping[str, t.Any]) -> tuple[bool, bool]:
        """Whether the bytes, and the number of records, match the manifest."""
        return manifest.get("sha256") == self.sha256, manifest.get("records") == self.records

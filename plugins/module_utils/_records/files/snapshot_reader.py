# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a snapshot of findings: its manifest, its lines, and whether the two belong together.

This module is private to the collection and may change at any time.

Nothing here decides what a fault means: a gate takes note of it and goes on, and a report refuses the file.
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
    """A manifest proves nothing. ``kind`` says why, and the text is the operating system's where there is one.

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
    """The manifest beside a snapshot. Nothing but its kind and its version is checked.

    Raises:
        BadManifest: there is none that can be used.
    """
    try:
        with manifest_path(path).open("rb") as file:
            manifest = codec.loads(file.read(LINE_LIMIT))
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
    """The record of a line.

    Raises:
        BadLine: it is none of this version.
    """
    try:
        record = codec.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine("json") from error
    if not isinstance(record, dict) or "record" not in record:
        raise BadLine("record")
    if record.get("schema") != SCHEMA:
        raise BadLine("version")
    return record


class SnapshotLines:
    """One reading of a snapshot, from its first line to its last.

    Attributes:
        records: how many lines were read so far.
        sha256: of the whole file; None until it was read to its end.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.records = 0
        self.sha256: str | None = None

    def __iter__(self) -> t.Iterator[tuple[int, bytes]]:
        """The lines with their numbers.

        Raises:
            Unreadable: the file cannot be read to its end.
        """
        digest = hashlib.sha256()
        for number, line in read_lines(self._path, digest):
            self.records += 1
            yield number, line
        self.sha256 = digest.hexdigest()

    def fits(self, manifest: t.Mapping[str, t.Any]) -> tuple[bool, bool]:
        """Whether the bytes, and the number of records, are those that the manifest states."""
        return manifest.get("sha256") == self.sha256, manifest.get("records") == self.records

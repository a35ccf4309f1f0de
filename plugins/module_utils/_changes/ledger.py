# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: the content of the previous snapshot on disk, one line for each finding and application.

This module is private to the collection and may change at any time.

For each finding it has the key, the state, the severity and a hash of the content. An open finding is itself stored
too, without its evidence, because nothing else describes it once it is gone from the next snapshot. Findings are not
held in memory.

A ledger is one file of compressed NDJSON, which is written once and never changed.
"""

from __future__ import annotations

import hashlib
import pathlib
import typing as t
import zlib

from .._base.errors import StateError
from .._base.files import PRIVATE, StagedFile, reason
from .._records.codec import dump_line, loads
from .._records.files.ndjson import Unreadable, read_lines
from .._records.files.snapshot_reader import Record

RESTORE = "Restore it from a backup. If there is none, remove the file of the state; initial then decides what is new."
FINDING, WEBAPP = "finding", "webapp"
_LEFT_OUT = ("evidence", "raw", "details")
_GZIP_LEVEL = 1
"""The fastest level: the text is repetitive, and written in each run."""


class LedgerFinding(t.NamedTuple):
    """A finding as the comparison sees it. ``line`` is where the ledger has it; 0 for one of this run."""

    state: str
    severity: str
    content: str
    line: int = 0


class LedgerWebapp(t.NamedTuple):
    """An application of the ledger."""

    content: str
    record: Record


class Ledger(t.NamedTuple):
    """The path of a ledger, and the expected content of its file."""

    path: pathlib.Path
    sha256: str

    def read(self) -> tuple[dict[str, LedgerFinding], dict[str, LedgerWebapp]]:
        """Return the findings and applications by their keys.

        Raises:
            StateError: the file is missing or damaged.
        """
        findings: dict[str, LedgerFinding] = {}
        webapps: dict[str, LedgerWebapp] = {}
        digest = hashlib.sha256()
        try:
            for number, line in read_lines(self.path, digest):
                kind, key, *rest = loads(line)
                if kind == WEBAPP:
                    webapps[key] = LedgerWebapp(*rest)
                else:
                    state, severity, content, _finding = rest
                    findings[key] = LedgerFinding(state, severity, content, number)
            if digest.hexdigest() != self.sha256:
                raise ValueError("other bytes")
        except (Unreadable, ValueError, TypeError) as error:
            raise self._damaged(error) from error
        return findings, webapps

    def findings(self, wanted: t.Container[int]) -> t.Iterator[tuple[str, Record]]:
        """Yield key and finding of the given lines.

        Raises:
            StateError: the file cannot be read.
        """
        try:
            for number, line in read_lines(self.path):
                if number in wanted:
                    item = loads(line)
                    yield item[1], item[-1]
        except (Unreadable, ValueError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> StateError:
        why = f"cannot be read: {error}" if isinstance(error, Unreadable) else "is damaged"
        return StateError(f"The state {self.path} {why}; nothing was changed.", hint=RESTORE)


class LedgerWriter:
    """A ledger that is being written. A context manager: without :meth:`commit`, the file is removed.

    Args:
        path: the file; None writes nothing, for check mode.

    Raises:
        StateError: the file cannot be written.
    """

    def __init__(self, path: pathlib.Path | None) -> None:
        self._path = path
        self._digest = hashlib.sha256()
        self._deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
        try:
            self._staged = StagedFile(path, mode=PRIVATE) if path else None
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(self, *_details: object) -> None:
        if self._staged is not None:
            self._staged.discard()

    def finding(self, key: str, seen: LedgerFinding, finding: Record) -> None:
        """Write a finding."""
        kept = None
        if seen.state == "open":
            kept = {name: value for name, value in finding.items() if name not in _LEFT_OUT} | {"evidence": []}
        self._write([FINDING, key, seen.state, seen.severity, seen.content, kept])

    def webapp(self, key: str, webapp: LedgerWebapp) -> None:
        """Write an application."""
        self._write([WEBAPP, key, *webapp])

    def commit(self) -> Ledger | None:
        """Make the file durable, and return the ledger; None in check mode."""
        if self._staged is None or self._path is None:
            return None
        try:
            self._put(self._deflate.flush())
            self._staged.commit()
        except OSError as error:
            raise self._failed(error) from error
        return Ledger(self._path, self._digest.hexdigest())

    def _write(self, item: list[t.Any]) -> None:
        if self._staged is not None:
            try:
                self._put(self._deflate.compress(dump_line(item)))
            except OSError as error:
                raise self._failed(error) from error

    def _put(self, data: bytes) -> None:
        if self._staged is not None:
            self._digest.update(data)
            self._staged.file.write(data)

    def _failed(self, error: OSError) -> StateError:
        return StateError(
            f"The state {self._path} cannot be written: {reason(error)}.",
            hint="Nothing was written to dest. Give a state_dir with free space that this user can write to.",
        )

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot: one NDJSON file that is replaced as a whole, with a manifest that describes it.

This module is private to the collection and may change at any time.

Windows of a listing are read in parallel, so each writes a part of its own, and the parts are joined in order at the
end. Memory stays flat, and the same data always gives the same bytes.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import pathlib
import shutil
import tempfile
import threading
import typing as t
import zlib

from ..._base.errors import FileError
from ..._base.files import StagedFile, check_target, reason, remove_leftovers, sha256_of, sync_directory
from ..model import Manifest

MANIFEST_SUFFIX = ".manifest.json"
_CHUNK = 1 << 20
_GZIP_LEVEL = 6


def manifest_path(dest: pathlib.Path) -> pathlib.Path:
    """The path of a snapshot's manifest."""
    return dest.with_name(dest.name + MANIFEST_SUFFIX)


class SnapshotPart:
    """One window's share of the file. Used by one thread at a time."""

    def __init__(self, dest: pathlib.Path, *, compress: bool) -> None:
        self._dest = dest
        # The file has no name, so nothing remains when the process is killed.
        self._file: t.BinaryIO = tempfile.TemporaryFile(dir=dest.parent)  # noqa: SIM115 (closed by discard)
        # A gzip file may have several members, so parts that were compressed separately can be joined.
        # wbits 31 makes zlib write a gzip header without time and name: same data, same bytes.
        self._deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31) if compress else None
        self.records = 0

    def write(self, lines: bytes, records: int) -> None:
        """Append whole lines.

        Raises:
            FileError: the write failed, for example because the disk is full.
        """
        if not lines:
            return  # an unfinished gzip member would damage the parts that follow
        self.records += records
        self._put(self._deflate.compress(lines) if self._deflate else lines)

    def finish(self) -> t.BinaryIO:
        """Finish the part, and return its file at the beginning."""
        if self._deflate and self.records:
            self._put(self._deflate.flush())
        try:
            self._file.seek(0)
        except OSError as error:
            raise _write_failed(self._dest, error) from error
        return self._file

    def discard(self) -> None:
        """Delete the part."""
        with contextlib.suppress(OSError):  # closing retries a write that failed because the disk is full
            self._file.close()

    def _put(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _write_failed(self._dest, error) from error


class SnapshotWriter:
    """A snapshot that is being written. A context manager: without :meth:`commit`, ``dest`` stays unchanged.

    Raises:
        FileError: ``dest`` cannot be written; raised before anything else is done.
    """

    def __init__(self, dest: pathlib.Path, *, compress: bool, option: str = "dest") -> None:
        check_target(dest, option)
        check_target(manifest_path(dest), option)
        self.dest = dest
        self.compress = compress
        self._parts: dict[int, SnapshotPart] = {}
        self._lock = threading.Lock()
        self._joined: StagedFile | None = None

    def tidy(self) -> None:
        """Remove temporary files that a killed run left beside both files; not for check mode."""
        for path in (self.dest, manifest_path(self.dest)):
            remove_leftovers(path)

    def __enter__(self) -> SnapshotWriter:
        return self

    def __exit__(self, *_details: object) -> None:
        for part in self._parts.values():
            part.discard()
        if self._joined is not None:
            self._joined.discard()

    def part(self, index: int) -> SnapshotPart:
        """Return the part for window ``index``; parts are joined in the order of their index."""
        with self._lock:
            if index not in self._parts:
                try:
                    self._parts[index] = SnapshotPart(self.dest, compress=self.compress)
                except OSError as error:
                    raise _write_failed(self.dest, error) from error
            return self._parts[index]

    def restart(self) -> None:
        """Delete all parts, to read everything again."""
        for part in self._parts.values():
            part.discard()
        self._parts.clear()

    @property
    def records(self) -> int:
        """The number of records in the parts so far."""
        return sum(part.records for part in self._parts.values())

    def seal(self) -> tuple[str, int]:
        """Join the parts under a temporary name.

        Returns:
            SHA-256 and size in bytes of the file.
        """
        digest = hashlib.sha256()
        try:
            self._joined = StagedFile(self.dest)
            for _index, part in sorted(self._parts.items()):
                _append(part.finish(), self._joined.file, digest.update)
                part.discard()
            if self.compress and not self.records:
                _write(self._joined.file, gzip.compress(b"", mtime=0), digest.update)
            self._joined.close()
            size = self._joined.path.stat().st_size
        except OSError as error:
            raise _write_failed(self.dest, error) from error
        return digest.hexdigest(), size

    def would_change(self, sha256: str) -> bool:
        """Whether ``dest`` differs from the sealed file, does not exist, or cannot be read."""
        try:
            return sha256_of(self.dest) != sha256
        except OSError:
            return True

    def commit(self, manifest: Manifest) -> None:
        """Write the manifest under a temporary name, then rename both files.

        A crash between the two leaves a manifest with the wrong SHA-256, which every reader refuses.

        Raises:
            FileError: the message says whether ``dest`` was replaced.
        """
        if self._joined is None:
            raise ValueError("commit before seal")
        with contextlib.ExitStack() as stack:
            try:
                staged = StagedFile(manifest_path(self.dest))
                stack.callback(staged.discard)
                staged.file.write(json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n")
                staged.close()
                self._joined.rename()
            except OSError as error:
                raise _write_failed(self.dest, error) from error
            try:
                staged.rename()
                sync_directory(self.dest.parent)
            except OSError as error:
                raise _half_done(self.dest, error) from error


def _append(source: t.BinaryIO, target: t.BinaryIO, update: t.Callable[[bytes], None]) -> None:
    while chunk := source.read(_CHUNK):
        _write(target, chunk, update)


def _write(target: t.BinaryIO, chunk: bytes, update: t.Callable[[bytes], None]) -> None:
    target.write(chunk)
    update(chunk)


def _write_failed(dest: pathlib.Path, error: OSError) -> FileError:
    free = shutil.disk_usage(dest.parent).free if dest.parent.is_dir() else 0
    return FileError(
        f"dest: writing {dest} failed: {reason(error)}.",
        hint=f"There are {free // (1 << 20)} MiB free in {dest.parent}. An existing file is unchanged.",
    )


def _half_done(dest: pathlib.Path, error: OSError) -> FileError:
    return FileError(
        f"dest: {dest} was replaced, but writing {manifest_path(dest).name} beside it failed: {reason(error)}.",
        hint="Until both fit, readers refuse the file. Run the task again.",
    )

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several output files that appear together or not at all.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import io
import os
import pathlib
import secrets
import time
import typing as t

from .._base.errors import FileError
from .._base.files import StagedFile, check_target, reason, remove_leftovers, sha256_of, sync_directory
from .figures.rows import Unwritable
from .inputs.model import ReportInput
from .writers import write_all


class Written(t.TypedDict):
    """One output. ``bytes`` and ``sha256`` describe the file on disk; in check mode, the one that a run would write."""

    format: str
    path: str
    bytes: int
    sha256: str
    changed: bool


class _OutputFile(io.RawIOBase):
    """Counts and hashes bytes and writes them to a file; in check mode, it writes nothing."""

    def __init__(self, file: t.BinaryIO | None) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0

    def write(self, data: t.Any, /) -> int:
        self._digest.update(data)
        self.bytes += len(data)
        if self._file is not None:
            self._file.write(data)
        return len(data)

    def sha256(self) -> str:
        return self._digest.hexdigest()


class Outputs:
    """The files of one report, under temporary names until :meth:`commit`. Use as a context manager."""

    def __init__(self, targets: t.Mapping[str, pathlib.Path]) -> None:
        self._targets = targets
        self._staged: list[tuple[str, StagedFile]] = []
        for name, path in targets.items():
            check_target(path, f"outputs.{name}")

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *_details: object) -> None:
        for _name, staged in self._staged:
            staged.discard()

    def render(self, report: ReportInput, *, check_mode: bool) -> list[Written]:
        """Write every format to a temporary file beside its target; in check mode, write nothing.

        Returns:
            The outputs, in the order of the targets.

        Raises:
            FileError: a file cannot be written; no target was touched.
        """
        sinks = {name: self._sink(name, path, check_mode) for name, path in self._targets.items()}
        try:
            write_all(report, {name: t.cast(t.BinaryIO, sink) for name, sink in sinks.items()})
        except Unwritable as error:
            raise _failed(error.name, self._targets[error.name], error.error) from error
        for name, staged in self._staged:
            try:
                staged.close()
            except OSError as error:
                raise _failed(name, self._targets[name], error) from error
        return [_written(name, path, sinks[name]) for name, path in self._targets.items()]

    def _sink(self, name: str, path: pathlib.Path, check_mode: bool) -> _OutputFile:
        if check_mode:
            return _OutputFile(None)
        remove_leftovers(path)
        _remove_backups(path)
        try:
            staged = StagedFile(path)
        except OSError as error:
            raise _failed(name, path, error) from error
        self._staged.append((name, staged))
        return _OutputFile(staged.file)

    def commit(self, written: t.Iterable[Written]) -> None:
        """Rename the files that differ over their targets; when one rename fails, undo the others.

        Raises:
            FileError: a rename failed; the hint names the targets that stay replaced, if any.
        """
        changed = {item["format"] for item in written if item["changed"]}
        done: list[_Replaced] = []
        for name, staged in self._staged:
            if name not in changed:
                continue
            replaced = _Replaced(name, staged.target)
            try:
                os.replace(staged.path, staged.target)
            except OSError as error:
                replaced.forget()
                left = [earlier.name for earlier in reversed(done) if not earlier.take_back()]
                raise _failed(name, staged.target, error, left[::-1]) from error
            done.append(replaced)
        self._settle(done)

    def _settle(self, done: t.Iterable[_Replaced]) -> None:
        """Make the renames durable, then remove the backups."""
        for directory in {replaced.target.parent for replaced in done}:
            # Some network file systems cannot sync a directory; the files themselves are synced.
            with contextlib.suppress(OSError):
                sync_directory(directory)
        for replaced in done:
            replaced.forget()


def _written(name: str, path: pathlib.Path, sink: _OutputFile) -> Written:
    try:
        changed = not path.is_file() or sha256_of(path) != sink.sha256()
    except OSError as error:
        raise _failed(name, path, error) from error
    return Written(format=name, path=str(path), bytes=sink.bytes, sha256=sink.sha256(), changed=changed)


_RUN = secrets.token_hex(6)
_KEPT = 60.0
"""Seconds for which a backup may belong to another run that is replacing its files right now."""


def _remove_backups(target: pathlib.Path) -> None:
    """Remove backups that a killed run left behind; one that cannot be removed stays."""
    with contextlib.suppress(OSError):
        for path in target.parent.glob(f".{glob.escape(target.name[:100])}.{'[0-9a-f]' * 12}.old"):
            # Making a link does not change the modification time, only the change time of the inode.
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_ctime >= _KEPT:
                    path.unlink()


class _Replaced:
    """A target that is about to be replaced, with a hard link to its old content as the backup."""

    def __init__(self, name: str, target: pathlib.Path) -> None:
        self.name = name
        self.target = target
        self._backup = target.with_name(f".{target.name[:100]}.{_RUN}.old")
        self._existed = target.exists()
        if self._existed:
            # Without hard links each rename is still atomic, but not all of them together.
            with contextlib.suppress(OSError):
                os.link(target, self._backup)

    def take_back(self) -> bool:
        """Restore the old target; False when that is not possible."""
        try:
            if self._existed:
                os.replace(self._backup, self.target)
            else:
                self.target.unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def forget(self) -> None:
        """Remove the backup."""
        with contextlib.suppress(OSError):
            self._backup.unlink(missing_ok=True)


def _failed(name: str, path: pathlib.Path, error: OSError, left: t.Sequence[str] = ()) -> FileError:
    kept = "No output was changed." if not left else f"Already replaced: {', '.join(left)}."
    return FileError(
        f"outputs.{name}: writing {path} failed: {reason(error)}.",
        hint=f"{kept} Make room or choose another path, and run the task again.",
    )

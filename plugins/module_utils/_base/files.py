# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written completely or not at all, and private unless asked otherwise.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import pathlib
import shutil
import stat
import tempfile
import time
import typing as t

from .errors import FileError

PRIVATE = 0o600
_SUFFIX = ".tmp"
_FOLDER = ".work"
_MADE = 60.0
"""Seconds after which an unlocked folder counts as abandoned."""
_CHUNK = 1 << 20
_BUFFER = 1 << 16
"""Bytes of the write buffer. It is small because many files may be staged at once; larger writes bypass it."""


def reason(error: OSError) -> str:
    """The operating system's text for an error, without the path, which the caller names itself."""
    if error.errno == errno.ELOOP:
        # What O_NOFOLLOW reports for any link.
        return "it is a symbolic link"
    return (error.strerror or type(error).__name__).lower()


def read_unlinked(path: pathlib.Path) -> bytes:
    """Read a file, and refuse a symbolic link, which anybody who can write to the directory may have planted.

    Raises:
        OSError: it cannot be read, or is a link.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return file.read()


def unwritable(folder: pathlib.Path) -> str | None:
    """Why nothing can be created in a folder, in a few words; None when something can be. Creates nothing."""
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    try:
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    except OSError:
        read_only = 0
    return "its file system is mounted read-only" if read_only else "permission denied"


def sync_directory(directory: pathlib.Path) -> None:
    """Make a rename in this directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: pathlib.Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_target(path: pathlib.Path, option: str) -> None:
    """Refuse a target that cannot be written, before any work is done.

    Raises:
        FileError: the directory is missing or not writable, or the path is not a file that can be replaced. The
            message names ``option``.
    """
    directory = path.parent
    try:
        there, around, link = mode_of(path), mode_of(directory), path.is_symlink()
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise FileError(f"{option}: {path} cannot be used: {why}.", hint="Choose another path.") from error
    if link:
        # A link would be replaced by a file; following it would let its creator choose where we write.
        raise FileError(f"{option}: {path} is a symbolic link.", hint="Give the path of the file itself.")
    if there is not None and stat.S_ISDIR(there):
        raise FileError(f"{option}: {path} is a directory.", hint="Give the path of a file.")
    if around is None or not stat.S_ISDIR(around):
        raise FileError(f"{option}: the directory {directory} does not exist.", hint="Create it first.")
    if there is not None and not stat.S_ISREG(there):
        raise FileError(f"{option}: {path} is not a regular file.", hint="Give the path of a file.")
    check_writable(directory, option)


def check_writable(directory: pathlib.Path, option: str) -> None:
    """Refuse a directory in which no file can be created. The file made to test it is anonymous and vanishes at once.

    Raises:
        FileError: names ``option``.
    """
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise FileError(
            f"{option}: cannot write in {directory}: {reason(error)}.",
            hint="Choose another path, or give this user write permission there.",
        ) from error


def mode_of(path: pathlib.Path) -> int | None:
    """The type and the permissions of a file, links followed; None when there is nothing.

    Raises:
        OSError, ValueError: the path cannot be used.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _prefix(target: pathlib.Path) -> str:
    return f".{target.name[:100]}."


def remove_leftovers(target: pathlib.Path, older_than: float = 60.0) -> None:
    """Remove temporary files that a killed process left beside a target. Files that cannot be removed stay.

    Args:
        target: the file that they were to become.
        older_than: seconds since they were last written. A file that a running process holds is never removed.
    """
    pattern = f"{glob.escape(_prefix(target))}????????{_SUFFIX}"
    with contextlib.suppress(OSError):
        for path in target.parent.glob(pattern):
            with (
                contextlib.suppress(OSError),
                open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file,
            ):
                if time.time() - os.fstat(file.fileno()).st_mtime >= older_than:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)


class StagedFile:
    """A file under a temporary name beside its target, until it is committed.

    The temporary name starts with a dot, so that engines which read whole directories never see it.
    """

    def __init__(self, target: pathlib.Path, *, mode: int | None = None) -> None:
        """
        Args:
            target: the file's path after :meth:`commit`.
            mode: permissions; None keeps those of an existing target and makes a new one private.
        """
        self.target = target
        descriptor, name = tempfile.mkstemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
        self.path = pathlib.Path(name)
        # Locked until it is closed, so that no other process mistakes it for a leftover of a killed one.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.file: t.BinaryIO = os.fdopen(descriptor, "w+b", buffering=_BUFFER)
        try:
            os.fchmod(descriptor, _mode_for(target) if mode is None else mode)
        except OSError:
            self.discard()
            raise

    def close(self) -> None:
        """Flush to the disk and close; the target is still untouched."""
        if not self.file.closed:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def commit(self) -> None:
        """Rename over the target. The rename is what makes the file exist."""
        self.rename()
        sync_directory(self.target.parent)

    def rename(self) -> None:
        """Rename like :meth:`commit`, but leave it to the caller to make it durable with ``sync_directory``."""
        self.close()
        os.replace(self.path, self.target)

    def discard(self) -> None:
        """Remove the temporary file; harmless after a commit."""
        with contextlib.suppress(OSError):
            self.file.close()
        self.path.unlink(missing_ok=True)


def _mode_for(target: pathlib.Path) -> int:
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        return PRIVATE


@contextlib.contextmanager
def working_folder(target: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """Yield a private folder beside a target for unfinished data, and remove it at the end.

    Folders left behind by killed processes are removed first; the folder of a running process is locked.

    Raises:
        OSError: it cannot be made.
    """
    for left in target.parent.glob(f"{glob.escape(_prefix(target))}????????{_FOLDER}"):
        with contextlib.suppress(OSError), _held(left):
            # A folder is made before it is locked, so a new one may not have its lock yet.
            if time.time() - left.stat().st_mtime >= _MADE:
                shutil.rmtree(left, ignore_errors=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=_prefix(target), suffix=_FOLDER, dir=target.parent))
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: pathlib.Path) -> t.Iterator[None]:
    """Hold the lock of a folder. Raises OSError if it is not a folder, or another process holds the lock."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def replace_file(target: pathlib.Path, *, mode: int | None = None) -> t.Iterator[t.BinaryIO]:
    """Yield a file that replaces ``target`` if the block ends without an error."""
    staged = StagedFile(target, mode=mode)
    try:
        yield staged.file
        staged.commit()
    finally:
        staged.discard()

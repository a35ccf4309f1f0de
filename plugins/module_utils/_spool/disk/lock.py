# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time for each stream and each directory.

This module is private to the collection and may change at any time.

The locks are advisory and belong to the process: the system releases them however the process ends, so none is stale.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import typing as t

from ..._base.errors import StateError
from ..._base.files import PRIVATE, reason

LOCK_FILE = ".lock"
"""The lock file in a stream's directory."""


@contextlib.contextmanager
def locked(path: pathlib.Path, doing: str, *, create: bool = True) -> t.Iterator[None]:
    """Hold a lock file.

    Args:
        path: the lock file.
        doing: what the other run does, for the message, such as ``collects this stream``.
        create: False to ignore a missing lock file and not create one.

    Raises:
        StateError: another run holds the lock, or the file cannot be created.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0) | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
    except OSError as error:
        if not create:
            # Check mode may read where it must not write, so it runs without this lock.
            yield
            return
        raise StateError(
            f"The lock {path} cannot be opened: {reason(error)}.", hint="This user must be able to write it."
        ) from error
    try:
        _take(descriptor, path, doing)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: pathlib.Path, doing: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StateError(f"Another run {doing} now.", hint="Wait until it has ended. Nothing was changed.") from None
    except OSError as error:
        raise StateError(
            f"The lock {path} cannot be held: {reason(error)}.",
            hint="Put state_dir and dest on file systems that support advisory locks.",
        ) from error

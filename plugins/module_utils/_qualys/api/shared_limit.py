# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits the concurrent requests of one account across many jobs (docs/vendors/qualys_was.md 5).

This module is private to the collection and may change at any time.

The limit is a number of places. A job takes a place by locking a file in a directory that all jobs share. The operating
system releases the lock however the process ends, so a killed job leaves no place occupied. A pause that Qualys asked
for is a file whose modification time is the end of the pause.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import random
import stat
import time
import typing as t

from ..._base.errors import StateError
from ..._base.files import PRIVATE, reason
from ..._http.governor import WaitBudget

POLL = 0.05
"""Average seconds between two attempts to get a place."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_HINT = "Give a directory that this user can write to, on a file system with advisory locks."


class LockDirectory:
    """The places of one account, in a directory.

    Args:
        folder: the directory that all jobs of the account share; it is created if it is missing.
        account: identifies the account.
        places: the maximum number of concurrent requests of all jobs.

    Raises:
        StateError: the directory cannot be used, or everybody can write to it.
    """

    def __init__(self, folder: pathlib.Path, account: str, places: int) -> None:
        _check(folder)
        name = hashlib.sha256(account.encode("utf-8", "replace")).hexdigest()[:16]
        self._places = [folder / f"{name}.{number}.lock" for number in range(places)]
        self._pause = folder / f"{name}.pause"

    @contextlib.contextmanager
    def place(self, budget: WaitBudget) -> t.Iterator[None]:
        """Hold a place. Waiting for a free place does not count against the budget; waiting for a pause to end does.

        Raises:
            RateLimited: the budget does not cover the pause.
            StateError: the directory cannot be used any more.
            PerimeterError: the run was stopped with this error.
        """
        held = self._free_place()
        while held is None or (left := self._paused()) > 0:
            if held is None:
                budget.idle(POLL * (0.5 + random.random()))  # noqa: S311 (no secret)
            else:
                _give_back(held)
                budget.wait(left, reason="Another job of this account was asked to slow down")
            held = self._free_place()
        try:
            yield
        finally:
            _give_back(held)

    def pause(self, seconds: float) -> None:
        """Let no job start a request for some seconds, unless a longer pause is already set."""
        if seconds <= self._paused():
            return
        end = time.time() + seconds
        try:
            os.close(os.open(self._pause, _FLAGS, PRIVATE))
            os.utime(self._pause, (end, end))
        except OSError as error:
            raise _unusable(self._pause, error) from error

    def _paused(self) -> float:
        try:
            return self._pause.stat().st_mtime - time.time()
        except FileNotFoundError:
            return 0.0
        except OSError as error:
            raise _unusable(self._pause, error) from error

    def _free_place(self) -> int | None:
        # In random order, so that jobs do not all try the same place first.
        for path in random.sample(self._places, len(self._places)):
            descriptor = _open(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            except OSError as error:
                os.close(descriptor)
                raise _unusable(path, error) from error
            else:
                return descriptor
        return None


def _open(path: pathlib.Path) -> int:
    try:
        return os.open(path, _FLAGS, PRIVATE)
    except OSError as error:
        raise _unusable(path, error) from error


def _give_back(descriptor: int) -> None:
    # A process that was forked in the meantime has the file open too, so closing it here would not release the lock.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _check(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = folder.stat()
    except OSError as error:
        raise _unusable(folder, error) from error
    if told.st_mode & stat.S_IWOTH:
        raise StateError(
            f"shared_limit: everybody can write to {folder}, and could block every job.",
            hint="Remove the write permission for others (chmod o-w).",
        )


def _unusable(path: pathlib.Path, error: OSError) -> StateError:
    return StateError(f"shared_limit: {path} cannot be used: {reason(error)}.", hint=_HINT)

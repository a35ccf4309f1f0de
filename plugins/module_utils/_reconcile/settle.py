# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a write that may or may not have happened: read the state instead of repeating the write.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import time
import typing as t

from .._base.errors import AmbiguousWrite, BadResponse, PerimeterError, RateLimited, TransportError, VendorError

T = t.TypeVar("T")
DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each read. A write that the server accepted becomes visible well within their sum."""

_NO_ANSWER = (TransportError, BadResponse, RateLimited, VendorError)
"""Errors of a read that say nothing about the write."""


def settle(
    what: str,
    look: t.Callable[[], T | None],
    cause: TransportError,
    *,
    sleep: t.Callable[[float], None] = time.sleep,
) -> T:
    """Read the state until it shows that the write happened.

    Args:
        what: the write, for messages, such as ``create of web application "shop"``.
        look: reads the state; returns what it found when the write is visible, else None.
        cause: the failure after which it is unknown whether the write happened.
        sleep: waits some seconds within the time budget of the run, such as ``HttpSession.wait``. When the budget is
            used up, the state is read once more.

    Raises:
        AmbiguousWrite: the write did not become visible, or the state could not be read. An error of the read is part
            of its message, because the open outcome of the write matters more.
    """
    trouble: PerimeterError | None = None
    for delay in DELAYS:
        ended = _paused(sleep, delay)
        if ended is not None and not isinstance(ended, RateLimited):
            # The run was stopped: it sends no more requests.
            trouble = ended
            break
        try:
            found = look()
        except _NO_ANSWER as error:
            trouble = error
        else:
            trouble = None
            if found is not None:
                return found
        if ended is not None:
            break
    looked = f" The last attempt to check it failed too: {trouble.message}" if trouble is not None else ""
    raise AmbiguousWrite(
        f"The {what} may or may not have happened: {cause.message}{looked}",
        hint="The write was not repeated. Run the task again: it reads the present state first.",
    ) from cause


def watch(look: t.Callable[[], T], shows: t.Callable[[T], bool], *, sleep: t.Callable[[float], None] = time.sleep) -> T:
    """Read the state until it shows a write that the vendor reported as done, and return the state that was read last.

    Args:
        look: reads the state.
        shows: returns whether the write is visible in the state.
        sleep: as for :func:`settle`.

    Raises:
        PerimeterError: the state could not be read.
    """
    found = look()
    for delay in DELAYS:
        if shows(found) or _paused(sleep, delay) is not None:
            break
        found = look()
    return found


def after_refusal(refused: VendorError, look: t.Callable[[], T]) -> T:
    """Read the state after the vendor refused a write, because the state may already be as desired.

    Args:
        refused: the vendor's answer to the write.
        look: reads the state.

    Raises:
        VendorError: ``refused``, if the read fails too: it describes what is wrong with the write.
    """
    try:
        return look()
    except PerimeterError:
        raise refused from None


def _paused(sleep: t.Callable[[float], None], seconds: float) -> PerimeterError | None:
    """Sleep, and return the error if the run has no time left or was stopped."""
    try:
        sleep(seconds)
    except PerimeterError as error:
        return error
    return None

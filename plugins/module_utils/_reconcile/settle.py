# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a write that may or may not have happened: look, do not repeat.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import time
import typing as t

from .._base.errors import AmbiguousWrite, BadResponse, PerimeterError, RateLimited, TransportError, VendorError

T = t.TypeVar("T")
DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between looks: a write that the server had accepted is visible well within their sum."""

_NO_ANSWER = (TransportError, BadResponse, RateLimited, VendorError)
"""Errors of a look that say nothing about the write."""


def settle(
    what: str,
    look: t.Callable[[], T | None],
    cause: TransportError,
    *,
    sleep: t.Callable[[float], None] = time.sleep,
) -> T:
    """Poll the state until it shows that the write happened.

    Args:
        what: the write, as a message calls it, such as ``create of web application "shop"``.
        look: reads the state; returns what it found once the write is visible, else None.
        cause: the failure that left the write in doubt.
        sleep: waits on the budget of the run, such as ``HttpSession.wait``. When that is used up, one look is left.

    Raises:
        AmbiguousWrite: the write did not become visible, or nobody could look: that is what the user has to know, and
            not which trouble the looking met.
    """
    trouble: PerimeterError | None = None
    for delay in DELAYS:
        ended = _paused(sleep, delay)
        if ended is not None and not isinstance(ended, RateLimited):
            # The run was stopped: no request of it is answered any more.
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
    looked = f" The last look at it failed too: {trouble.message}" if trouble is not None else ""
    raise AmbiguousWrite(
        f"The {what} may or may not have happened: {cause.message}{looked}",
        hint="Nothing was repeated. Run the task again: it reads the present state first.",
    ) from cause


def _paused(sleep: t.Callable[[float], None], seconds: float) -> PerimeterError | None:
    """Sleep; the error when the run has no time left, or was stopped."""
    try:
        sleep(seconds)
    except PerimeterError as error:
        return error
    return None

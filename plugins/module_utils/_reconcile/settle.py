# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a write that may or may not have happened: look, do not repeat.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from .._http.errors import AmbiguousWrite, BadResponse, TransportError

T = t.TypeVar("T")
DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between looks: a write that the server had accepted is visible well within their sum."""


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

    Raises:
        AmbiguousWrite: the write did not become visible.
    """
    for delay in DELAYS:
        sleep(delay)
        with contextlib.suppress(TransportError, BadResponse):
            found = look()
            if found is not None:
                return found
    raise AmbiguousWrite(
        f"The {what} may or may not have happened: {cause.message}",
        hint="Nothing was repeated. Run the task again: it reads the present state first.",
    ) from cause

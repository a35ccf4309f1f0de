# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters of a session.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import threading

from .governor import WaitBudget


class Stats:
    """Counters of a session; thread-safe.

    ``requests`` counts attempts, ``retries`` those that were not the first of their request, ``bytes`` the body bytes
    received (before decompression), ``connections`` the connections opened. ``clock_offset`` is how many seconds the
    server's clock is ahead of ours according to its newest answer, or None when that answer has no time.
    """

    def __init__(self, budget: WaitBudget) -> None:
        self._lock = threading.Lock()
        self._budget = budget
        self._begun = budget.clock()
        self.requests = 0
        self.retries = 0
        self.bytes = 0
        self.connections = 0
        self.clock_offset: int | None = None

    def add(self, *, requests: int = 0, retries: int = 0, received: int = 0, connections: int = 0) -> None:
        """Add to the counters."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.bytes += received
            self.connections += connections

    def compare_clocks(self, theirs: dt.datetime | None) -> None:
        """Record the server time of an answer; None for an answer without a time."""
        if theirs is not None:
            self.clock_offset = round((theirs - dt.datetime.now(dt.UTC)).total_seconds())

    @property
    def waited(self) -> float:
        """Seconds in which at least one thread waited."""
        return self._budget.waited

    def to_dict(self) -> dict[str, int | float]:
        """Return the counters as plain data; ``waited`` and ``elapsed`` (since the session was made) are in seconds.

        ``waits`` counts how often a thread had to wait. ``clock_offset`` is left out when it is not known.
        """
        offset = {} if self.clock_offset is None else {"clock_offset": self.clock_offset}
        with self._lock:
            return offset | {
                "requests": self.requests,
                "retries": self.retries,
                "waits": self._budget.waits,
                "waited": round(self._budget.waited, 3),
                "bytes": self.bytes,
                "connections": self.connections,
                "elapsed": round(self._budget.clock() - self._begun, 3),
            }

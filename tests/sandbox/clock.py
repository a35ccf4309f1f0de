# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's time: fixed at the seed date by default, so that ages in tests never drift."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

SEED_DATE = datetime(2026, 11, 1, tzinfo=UTC)


class Clock:
    """Virtual time moves one second with each write; real time is the machine's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset = timedelta()
        self.real = False

    def advance(self, seconds: float = 1.0) -> None:
        """Move virtual time forward."""
        with self._lock:
            self._offset += timedelta(seconds=seconds)

    def reset(self) -> None:
        """Back to the seed date."""
        with self._lock:
            self._offset = timedelta()

    def now(self) -> datetime:
        """The current time, UTC, without fraction."""
        if self.real:
            return datetime.now(UTC).replace(microsecond=0)
        return (SEED_DATE + self._offset).replace(microsecond=0)

    def stamp(self) -> str:
        """The current time as the vendors write it: ``YYYY-MM-DDTHH:MM:SSZ``."""
        return self.now().strftime("%Y-%m-%dT%H:%M:%SZ")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process in which time stands still, except that waiting takes the time that it asks for, at once.

``stop`` comes before any other import: much code keeps ``time.monotonic`` or ``datetime`` under a name of its own.
"""

from __future__ import annotations

import datetime as real
import random
import threading
import time
from typing import Any

NOW = "2026-11-20T12:00:00Z"
_START = real.datetime.fromisoformat(NOW)
_RealDatetime, _RealDate = real.datetime, real.date


class _Hands:
    """How far the clock was moved on since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seconds = 0.0

    def move(self, seconds: float) -> None:
        with self._lock:
            self.seconds += max(seconds, 0.0)


_HANDS = _Hands()


def _present() -> real.datetime:
    return _START + real.timedelta(seconds=_HANDS.seconds)


class _SameKind(type):
    """What C code makes is of the real class, and counts as one of these."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])


class _Datetime(_RealDatetime, metaclass=_SameKind):
    """A datetime whose present does not pass."""

    @classmethod
    def now(cls, tz: real.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(_present().timestamp(), tz)

    @classmethod
    def today(cls) -> Any:
        return cls.now()

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(real.UTC).replace(tzinfo=None)


class _Date(_RealDate, metaclass=_SameKind):
    """A date whose present does not pass."""

    @classmethod
    def today(cls) -> Any:
        return cls.fromordinal(_present().toordinal())


_WAIT = threading.Event.wait


def _wait(self: threading.Event, timeout: float | None = None) -> bool:
    """A pause that can be ended early. A timer's is real, as it watches over something that takes real time."""
    if timeout is None or isinstance(threading.current_thread(), threading.Timer):
        return _WAIT(self, timeout)
    if not self.is_set():
        _HANDS.move(timeout)
    return self.is_set()


def stop() -> None:
    """Stop the clocks of this process, and let nothing depend on chance."""
    real.datetime, real.date = _Datetime, _Date  # type: ignore[misc]
    time.time = lambda: _present().timestamp()
    time.time_ns = lambda: round(_present().timestamp() * 1_000_000) * 1000
    time.monotonic = lambda: 1000.0 + _HANDS.seconds
    time.monotonic_ns = lambda: round((1000.0 + _HANDS.seconds) * 1_000_000_000)
    time.perf_counter = time.monotonic
    time.sleep = _HANDS.move  # type: ignore[assignment]
    threading.Event.wait = _wait  # type: ignore[method-assign]
    random.random = lambda: 0.5


def move(seconds: float) -> None:
    """Move the clock on by hand."""
    _HANDS.move(seconds)


def back_to_start() -> None:
    """Each case begins at the same moment."""
    _HANDS.seconds = 0.0

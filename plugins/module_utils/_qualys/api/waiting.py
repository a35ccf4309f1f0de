# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for slow operations at Qualys, such as a scan, with one wall-clock budget for all steps of a task.

This module is private to the collection and may change at any time.

The budget covers the time until the operation ends. The waits between retries of a single request have their own
budget, ``max_wait`` in ``_http``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import random
import time
import typing as t

from ..._base.errors import (
    AuthenticationFailed,
    BadResponse,
    OptionError,
    PerimeterError,
    RateLimited,
    TransportError,
    VendorError,
)
from ..._records.times import parse_duration

T = t.TypeVar("T")

JITTER = 0.2
"""Random share of an interval, so that pipelines that started together do not poll together."""

FIRST_LOOK = 5.0
"""Seconds until the second poll of an operation that may end soon. Later intervals are longer."""
_GROWTH = 1.5

_HOPELESS = frozenset(
    {
        "UNAUTHORIZED",
        "UNAUTHORIZED_DESTINATION_APPS",
        "EVALUATION_EXPIRED",
        "OPERATION_NOT_SUPPORTED",
        "INVALID_URL",
        "INVALID_API_VERSION",
    }
)
"""Error codes that a later poll will get too."""


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclasses.dataclass(frozen=True)
class PollTiming:
    """Clock, sleep and random numbers, which tests replace.

    Attributes:
        clock: returns monotonic seconds.
        sleep: sleeps for some seconds.
        draw: returns a random number in the range 0 <= x < 1.
        now: returns this machine's UTC time, which is used if the server does not send its own.
    """

    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep
    draw: t.Callable[[], float] = random.random
    now: t.Callable[[], dt.datetime] = _utc_now


def seconds_of(option: str, written: str, *, positive: bool = False) -> float:
    """Return a duration in seconds.

    Args:
        option: name of the option, for messages.
        written: the duration, such as ``30s``.
        positive: whether zero is refused.

    Raises:
        OptionError: the text is not a duration, or the duration is zero and ``positive`` is set.
    """
    try:
        seconds = parse_duration(str(written))
    except ValueError as error:
        raise OptionError(f"{option}: {error}.") from None
    if positive and seconds <= 0:
        raise OptionError(f"{option}: {written!r} must be longer than zero.", hint="Give a duration such as 30s.")
    return seconds


class Budget:
    """The wall-clock time that a task may wait for an operation.

    Args:
        seconds: the budget, which starts to run at once.
        interval: seconds between two polls.
        timing: clock, sleep and random numbers.
        first: seconds between the first two polls. Each later interval is 1.5 times as long, up to ``interval``. None
            for equal intervals.
    """

    def __init__(self, seconds: float, interval: float, timing: PollTiming, *, first: float | None = None) -> None:
        self.seconds = seconds
        self._interval = interval
        self._first = interval if first is None else min(first, interval)
        self._timing = timing
        self._end = timing.clock() + seconds

    @property
    def left(self) -> float:
        """The seconds that are left, at least 0."""
        return max(0.0, self._end - self._timing.clock())

    def pause(self, looks: int = 0) -> bool:
        """Sleep until the next poll is due or the budget ends.

        Args:
            looks: the number of pauses that the caller has made. Several callers may share a budget.

        Returns:
            Whether to poll again. The last poll happens when the budget ends, not an interval earlier.
        """
        left = self.left
        if left <= 0:
            return False
        spread = 1 - JITTER / 2 + JITTER * self._timing.draw()
        self._timing.sleep(min(left, min(self._interval, self._first * _GROWTH ** min(looks, 50)) * spread))
        return True

    def sleep(self, seconds: float) -> None:
        """Sleep for a pause that is not between two polls. It counts against the budget, and ends with it."""
        self._timing.sleep(min(seconds, self.left))


@dataclasses.dataclass
class Looks(t.Generic[T]):
    """The result of polling.

    Attributes:
        done: what the last poll returned; None if the budget ended first.
        failures: the number of polls that failed.
        last_error: the error of the last poll, if that one failed.
    """

    done: T | None = None
    failures: int = 0
    last_error: PerimeterError | None = None


def passing(error: PerimeterError) -> bool:
    """Return whether a later poll may succeed after this error."""
    if isinstance(error, AuthenticationFailed):
        return False
    if isinstance(error, VendorError):
        return error.code not in _HOPELESS
    return isinstance(error, (TransportError, BadResponse, RateLimited))


def look_until(budget: Budget, look: t.Callable[[], T | None]) -> Looks[T]:
    """Poll until the result is there or the budget is used up. The first poll happens at once.

    A failed poll is neither an end nor a success: polling continues.

    Args:
        budget: the time budget.
        look: polls once; returns the result, or None as long as there is none.

    Raises:
        PerimeterError: an error that later polls would get too, such as refused credentials.
    """
    looks: Looks[T] = Looks()
    for pauses in itertools.count():
        try:
            looks.done = look()
            looks.last_error = None
        except PerimeterError as error:
            if not passing(error):
                raise
            looks.failures += 1
            looks.last_error = error
        if looks.done is not None or not budget.pause(pauses):
            break
    return looks

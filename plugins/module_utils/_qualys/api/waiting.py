# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what takes its time at Qualys: one wall-clock budget for all steps of a task.

This module is private to the collection and may change at any time.

The budget is about the work that is waited for. The pauses between tries of one request have a budget of their own,
``max_wait``, in ``_http``.
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
"""Share of an interval that is random, so that many pipelines which started together do not ask together."""

FIRST_LOOK = 5.0
"""Seconds after which something that may be done soon is looked at again; the pauses grow from there."""
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
"""Refusals that no later look will change."""


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclasses.dataclass(frozen=True)
class PollTiming:
    """Clock, sleep and chance; tests put their own in their place.

    Attributes:
        clock: monotonic seconds.
        sleep: sleeps for seconds.
        draw: a random number of at least 0 and less than 1.
        now: this machine's time, for when the server does not tell its own.
    """

    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep
    draw: t.Callable[[], float] = random.random
    now: t.Callable[[], dt.datetime] = _utc_now


def seconds_of(option: str, written: str, *, positive: bool = False) -> float:
    """A duration option in seconds.

    Raises:
        OptionError: it is not a duration, or zero where that makes no sense.
    """
    try:
        seconds = parse_duration(str(written))
    except ValueError as error:
        raise OptionError(f"{option}: {error}.") from None
    if positive and seconds <= 0:
        raise OptionError(f"{option}: {written!r} is no time at all.", hint="Give a duration such as 30s.")
    return seconds


class Budget:
    """The wall-clock time that a task may take until what it waits for is done.

    Args:
        seconds: the budget; it starts to run at once.
        interval: seconds between two looks.
        timing: clock, sleep and chance.
        first: seconds between the first two looks; each further pause is half as long again, up to ``interval``. None
            for the same pause from the beginning.
    """

    def __init__(self, seconds: float, interval: float, timing: PollTiming, *, first: float | None = None) -> None:
        self.seconds = seconds
        self._interval = interval
        self._first = interval if first is None else min(first, interval)
        self._timing = timing
        self._end = timing.clock() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._end - self._timing.clock())

    def pause(self, looks: int = 0) -> bool:
        """Sleep until the next look is due, or the budget ends.

        Args:
            looks: how many pauses the caller has made. Several callers may share a budget.

        Returns:
            Whether there is to be another look. The last one happens when the budget ends, not an interval before.
        """
        left = self.left
        if left <= 0:
            return False
        spread = 1 - JITTER / 2 + JITTER * self._timing.draw()
        self._timing.sleep(min(left, min(self._interval, self._first * _GROWTH ** min(looks, 50)) * spread))
        return True

    def sleep(self, seconds: float) -> None:
        """Sleep, for pauses that are not between two looks; they use up the budget too, and end with it."""
        self._timing.sleep(min(seconds, self.left))


@dataclasses.dataclass
class Looks(t.Generic[T]):
    """What came of looking again and again.

    Attributes:
        done: what was waited for; None when the budget ended before.
        failures: how many looks failed.
        last_error: the error of the last look, if that one failed.
    """

    done: T | None = None
    failures: int = 0
    last_error: PerimeterError | None = None


def passing(error: PerimeterError) -> bool:
    """Whether a later look may succeed after this error."""
    if isinstance(error, AuthenticationFailed):
        return False
    if isinstance(error, VendorError):
        return error.code not in _HOPELESS
    return isinstance(error, (TransportError, BadResponse, RateLimited))


def look_until(budget: Budget, look: t.Callable[[], T | None]) -> Looks[T]:
    """Look, and look again, until there is something or the budget is used up.

    A look that fails is neither an end nor a success: the next one tells. The first look is made at once.

    Args:
        budget: how long.
        look: what was waited for, or None as long as it is not there.

    Raises:
        PerimeterError: an error that no later look will change, such as refused credentials.
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

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests may be in flight, how fast they may start, and how long a run may wait in all.

This module is private to the collection and may change at any time.

One ``WaitBudget`` belongs to one run. All threads and all sessions that share a governor share its budget and its stop
switch: stopping the run wakes every thread that waits.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import typing as t
from collections import deque

from .._base.errors import PerimeterError, RateLimited
from .retry import backoff

RAISE_AFTER = 20
"""Number of consecutive answers without throttling after which one more request may be in flight."""
WINDOW_MARGIN = 0.25
"""Seconds added to a rate window: the server counts requests as they arrive, and delays vary on the way."""

_SLACK = 1e-6


class WaitBudget:
    """The wall-clock time that a run may spend waiting, and the switch that ends all waiting.

    Time is counted once, however many threads wait: four threads that wait during the same minute use one minute. A
    wait that is longer than the rest of the budget is refused before it begins.

    Args:
        max_wait: the budget in seconds.
        clock: monotonic seconds.
        sleep: replaces the real sleep in tests. The real one ends early when the run is stopped.
    """

    def __init__(
        self,
        max_wait: float,
        *,
        clock: t.Callable[[], float] = time.monotonic,
        sleep: t.Callable[[float], object] | None = None,
    ) -> None:
        self.max_wait = max_wait
        self.clock = clock
        self._stopped = threading.Event()
        self._sleep = self._stopped.wait if sleep is None else sleep
        self._error: PerimeterError | None = None
        self._lock = threading.Lock()
        self.waits = 0
        self._waiters = 0
        self._since = 0.0
        self._spent = 0.0
        self._listeners: list[t.Callable[[], None]] = []

    @property
    def waited(self) -> float:
        """Seconds in which at least one thread waited, up to now."""
        with self._lock:
            return self._used()

    @property
    def left(self) -> float:
        """Seconds that may still be waited."""
        return max(0.0, self.max_wait - self.waited)

    def _used(self) -> float:
        return self._spent + (self.clock() - self._since if self._waiters else 0.0)

    def wait(self, seconds: float, *, reason: str = "") -> None:
        """Wait, unless the budget is too small.

        Args:
            seconds: how long.
            reason: why, for the message.

        Raises:
            RateLimited: less than ``seconds`` is left of the budget.
            PerimeterError: what the run was stopped with, before or during the wait.
        """
        self.check()
        self._enter(seconds, reason)
        try:
            self._sleep(seconds)
        finally:
            self._leave()
        self.check()

    def idle(self, seconds: float) -> None:
        """Wait for other clients of this account. This does not use the budget.

        Raises:
            PerimeterError: what the run was stopped with, before or during the wait.
        """
        self.check()
        self._sleep(seconds)
        self.check()

    def _enter(self, seconds: float, reason: str) -> None:
        with self._lock:
            used = self._used()
            if used + seconds > self.max_wait + _SLACK:
                raise self._refusal(seconds, used, reason)
            if not self._waiters:
                self._since = self.clock()
            self._waiters += 1
            self.waits += 1

    def _leave(self) -> None:
        with self._lock:
            self._waiters -= 1
            if not self._waiters:
                self._spent += self.clock() - self._since

    def _refusal(self, seconds: float, used: float, reason: str) -> RateLimited:
        who = reason or "The service asks to slow down"
        return RateLimited(
            f"{who}: another wait of {seconds:.0f} seconds is due, but {used:.0f} of the {self.max_wait:.0f} seconds"
            " that max_wait allows have been spent waiting.",
            hint="Raise max_wait, lower max_connections, or run when fewer clients use this account.",
        )

    def stop(self, error: PerimeterError) -> None:
        """End the run with ``error``: every request that waits or starts later raises it.

        Only the first error counts.
        """
        with self._lock:
            if self._error is None:
                self._error = error
            listeners = list(self._listeners)
        self._stopped.set()
        for listener in listeners:
            listener()

    def check(self) -> None:
        """Raise the error that the run was stopped with, if there is one."""
        if self._error is not None:
            # The traceback belongs to the thread that failed first, and would grow with each raise.
            raise self._error.with_traceback(None)

    @property
    def stopped(self) -> PerimeterError | None:
        """The error that the run was stopped with, or None."""
        return self._error

    def on_stop(self, listener: t.Callable[[], None]) -> None:
        """Call ``listener`` when the run is stopped. It must not block."""
        with self._lock:
            self._listeners.append(listener)


class SharedPlaces(t.Protocol):
    """State that several runs share: places for requests, and pauses."""

    def place(self, budget: WaitBudget) -> t.ContextManager[None]:
        """Hold a place. Waits for a free one, and for the end of a pause."""

    def pause(self, seconds: float) -> None:
        """Keep every run from starting a request for this many seconds."""


class Governor:
    """Admission of requests: a limit of concurrency that adapts to the service, an optional rate, and pauses.

    Args:
        max_concurrency: highest number of requests in flight that the vendor allows.
        calls: highest number of requests started within ``per_seconds``, or None.
        per_seconds: length of that window in seconds; it slides.
        budget: the waiting budget of the run. A session gives its own to a governor that has none.
        draw: random number in [0, 1) for jitter.
        shared: state that this run shares with others, or None.
    """

    def __init__(
        self,
        max_concurrency: int,
        *,
        calls: int | None = None,
        per_seconds: float | None = None,
        budget: WaitBudget | None = None,
        draw: t.Callable[[], float] = random.random,
        shared: SharedPlaces | None = None,
    ) -> None:
        if max_concurrency < 1 or (calls is None) != (per_seconds is None) or (calls is not None and calls < 1):
            raise ValueError("max_concurrency and calls must be at least 1; calls and per_seconds go together")
        self.max_concurrency = max_concurrency
        self.concurrency = max_concurrency
        self._calls = calls
        self._window = 0.0 if per_seconds is None else per_seconds + WINDOW_MARGIN
        self._started: deque[float] = deque()
        self._draw = draw
        self._condition = threading.Condition()
        self._in_flight = 0
        self._calm = 0
        self._strikes = 0
        self._paused_until = -float("inf")
        self._reason = ""
        self._shared = shared
        self.budget = budget
        if budget is not None:
            budget.on_stop(self._wake)

    def attach(self, budget: WaitBudget, max_concurrency: int) -> WaitBudget:
        """Use ``budget`` unless there is one, lower the ceiling to ``max_concurrency``, return the budget in use."""
        with self._condition:
            self.max_concurrency = min(self.max_concurrency, max_concurrency)
            self.concurrency = min(self.concurrency, self.max_concurrency)
            if self.budget is None:
                self.budget = budget
                budget.on_stop(self._wake)
            return self.budget

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def due_in(self) -> float:
        """Seconds until pauses and the rate allow the next request."""
        with self._condition:
            return max(0.0, self._due(self._now())[0])

    def room(self) -> int | None:
        """How many requests may start before one has to wait for the rate; None without a rate."""
        with self._condition:
            if self._calls is None:
                return None
            now = self._now()
            return self._calls - sum(1 for started in self._started if started + self._window > now)

    def clear_in(self) -> float:
        """Seconds until the oldest request leaves the rate window, and the service has room for one more."""
        with self._condition:
            return self._started[0] + self._window - self._now() if self._started else self._window

    @contextlib.contextmanager
    def slot(self) -> t.Iterator[None]:
        """Take the right to have one request in flight, and release it at the end of the block.

        Waiting for a free place is not counted. Waiting for the end of a pause, or for the rate, uses the budget.

        Raises:
            RateLimited: the budget does not cover the wait.
            PerimeterError: what the run was stopped with.
        """
        budget = self._acquire()
        try:
            with contextlib.nullcontext() if self._shared is None else self._shared.place(budget):
                yield
        finally:
            with self._condition:
                self._in_flight -= 1
                self._condition.notify()

    def _acquire(self) -> WaitBudget:
        budget = self.budget
        if budget is None:
            raise ValueError("a governor needs a budget before its first slot")
        while True:
            with self._condition:
                due = self._admit(budget)
            if due is None:
                return budget
            budget.wait(due[0], reason=due[1])

    def _admit(self, budget: WaitBudget) -> tuple[float, str] | None:
        """Take a place, or return the seconds to wait and the reason. The caller holds the lock."""
        while True:
            budget.check()
            due = self._due(budget.clock())
            if due[0] > 0:
                # A thread that cannot start wakes the next one, which would not learn of the pause otherwise.
                self._condition.notify()
                return due
            if self._in_flight < self.concurrency:
                self._in_flight += 1
                if self._calls is not None:
                    self._started.append(budget.clock())
                return None
            self._condition.wait()

    def _due(self, now: float) -> tuple[float, str]:
        pause = self._paused_until - now
        if self._calls is None:
            return pause, self._reason
        # Added as below and not subtracted: a difference may round the other way, and a start would never expire.
        while self._started and self._started[0] + self._window <= now:
            self._started.popleft()
        if len(self._started) < self._calls:
            return pause, self._reason
        window = self._started[0] + self._window - now
        if pause > window:
            return pause, self._reason
        return window, f"No more than {self._calls} requests in {self._window - WINDOW_MARGIN:g} seconds are allowed"

    def throttled(self, wait: float | None = None, *, reason: str = "") -> None:
        """Halve the concurrency and start no request for a while, because the service asked to slow down.

        Requests that were in flight together are refused together. That is one event, so the concurrency is halved
        once.

        Args:
            wait: seconds that the service asks for, or None for our own growing back-off.
            reason: why, for the message when the budget is used up.
        """
        with self._condition:
            now = self._now()
            if now >= self._paused_until:
                self.concurrency = max(1, self.concurrency // 2)
                self._strikes += 1
            pause = self._pause(wait)
            self._calm = 0
            self._paused_until = max(self._paused_until, now + pause)
            self._reason = reason
        if self._shared is not None:
            self._shared.pause(pause)

    def _pause(self, wait: float | None) -> float:
        # A service that asks for 0 seconds would be called in a loop, so there is always a pause of our own.
        if not wait or wait <= 0:
            return backoff(self._strikes - 1, draw=self._draw)
        return wait + self._draw() * min(1.0, wait / 10)

    def succeeded(self) -> None:
        """Count an answer without throttling; after enough of them, allow one more request in flight."""
        if self._calm_ceiling():
            return
        with self._condition:
            self._strikes = 0
            self._calm += 1
            if self._calm >= RAISE_AFTER and self.concurrency < self.max_concurrency:
                self._calm = 0
                self.concurrency += 1
                self._condition.notify()

    def _calm_ceiling(self) -> bool:
        """Whether there is nothing to raise or reset. This is nearly always true, and avoids taking the lock."""
        return self.concurrency >= self.max_concurrency and not self._strikes

    def _now(self) -> float:
        return time.monotonic() if self.budget is None else self.budget.clock()

    def __repr__(self) -> str:
        return f"Governor(concurrency={self.concurrency}/{self.max_concurrency}, in_flight={self._in_flight})"

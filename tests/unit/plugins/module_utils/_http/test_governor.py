# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Concurrency, rate, pauses, and the one budget behind all waiting."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import RateLimited, TransportError
from ansible_collections.appsec.perimeter.plugins.module_utils._http.governor import (
    RAISE_AFTER,
    WINDOW_MARGIN,
    Governor,
    WaitBudget,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import HttpSession
from ansible_collections.appsec.perimeter.plugins.module_utils._http.settings import HttpSettings

from .conftest import MakeSession
from .servers import FakeTime, Server, reply


def governor(fake: FakeTime, concurrency: int = 8, max_wait: float = 1e6, **kwargs: float) -> Governor:
    budget = WaitBudget(max_wait, clock=fake.clock, sleep=fake.sleep)
    return Governor(concurrency, budget=budget, draw=lambda: 0.0, **kwargs)  # type: ignore[arg-type]


def test_throttling_halves_and_calm_raises(fake: FakeTime) -> None:
    subject = governor(fake, 8)
    for expected in (4, 2, 1, 1):
        subject.throttled(10)
        assert subject.concurrency == expected
        with subject.slot():
            pass
    assert fake.slept == [10, 10, 10, 10]
    for expected in range(2, 9):
        for _turn in range(RAISE_AFTER):
            subject.succeeded()
        assert subject.concurrency == expected
    subject.succeeded()
    assert subject.concurrency == 8
    assert repr(subject) == "Governor(concurrency=8/8, in_flight=0)"


def test_requests_refused_together_halve_once(fake: FakeTime) -> None:
    subject = governor(fake, 8)
    for wait in (10, 30, 20, None):
        subject.throttled(wait)
    assert subject.concurrency == 4
    with subject.slot():
        assert fake.slept == [30]


def test_pauses_without_a_wait_grow_until_it_is_calm(fake: FakeTime) -> None:
    subject = governor(fake)
    for _turn in range(3):
        subject.throttled()
        with subject.slot():
            pass
    subject.succeeded()
    subject.throttled(0)
    with subject.slot():
        pass
    assert fake.slept == [0.5, 1, 2, 0.5]


def test_the_window_slides(fake: FakeTime) -> None:
    subject = governor(fake, calls=3, per_seconds=100)
    starts = []
    for _turn in range(7):
        with subject.slot():
            starts.append(fake.now)
        fake.now += 10
    width = 100 + WINDOW_MARGIN
    assert [round(start - 1000, 6) for start in starts] == [0, 10, 20, width, width + 10, width + 20, 2 * width]


@settings(deadline=None, max_examples=50)
@example(gaps=[16.01693501323476, 0.0, 0.0], calls=1, per_seconds=8)
@given(st.lists(st.floats(0, 50), max_size=60), st.integers(1, 5), st.integers(1, 60))
def test_no_window_ever_holds_too_many(gaps: list[float], calls: int, per_seconds: int) -> None:
    fake = FakeTime()
    subject = governor(fake, calls=calls, per_seconds=per_seconds)
    starts = []
    for gap in gaps:
        fake.now += gap
        with subject.slot():
            starts.append(fake.now)
    for first, last in zip(starts, starts[calls:], strict=False):
        assert last - first >= per_seconds


def test_the_window_draws_on_the_budget_and_says_so(fake: FakeTime) -> None:
    subject = governor(fake, calls=1, per_seconds=60, max_wait=100)
    for _turn in range(2):
        with subject.slot():
            pass
    with pytest.raises(RateLimited, match="No more than 1 requests in 60 seconds are allowed: another wait of 60 sec"):
        subject.slot().__enter__()
    subject.throttled(900, reason="https://h:443 asks to slow down (HTTP 429)")
    with pytest.raises(RateLimited, match="asks to slow down"):
        subject.slot().__enter__()


def test_a_pause_in_a_window_that_has_room(fake: FakeTime) -> None:
    subject = governor(fake, calls=5, per_seconds=60)
    subject.throttled(7)
    with subject.slot():
        assert fake.slept == [7]


def test_the_budget_says_how_much_was_waited(fake: FakeTime) -> None:
    budget = WaitBudget(10, clock=fake.clock, sleep=fake.sleep)
    budget.wait(6)
    assert (budget.waited, budget.left) == (6, 4)
    with pytest.raises(RateLimited, match="another wait of 5 seconds is due, but 6 of the 10 seconds"):
        budget.wait(5)
    budget.wait(4)
    assert budget.left == 0


def test_time_that_threads_wait_together_counts_once() -> None:
    budget = WaitBudget(10)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(budget.wait, [0.2] * 8))
    assert 0.19 < budget.waited < 1.5
    begun = budget.waited
    sleeper = threading.Thread(target=budget.wait, args=(0.2,))
    sleeper.start()
    time.sleep(0.1)
    assert budget.waited > begun + 0.05
    sleeper.join()


def test_the_first_stop_counts_and_reaches_everybody(fake: FakeTime) -> None:
    budget = WaitBudget(10, clock=fake.clock, sleep=fake.sleep)
    heard = []
    budget.on_stop(lambda: heard.append(1))
    first = TransportError("first")
    budget.check()
    budget.stop(first)
    budget.stop(TransportError("second"))
    assert budget.stopped is first
    assert len(heard) == 2
    for call in (budget.check, lambda: budget.wait(1), Governor(1, budget=budget).slot().__enter__):
        with pytest.raises(TransportError, match="first"):
            call()


def test_a_governor_takes_the_budget_of_the_first_session(fake: FakeTime, server: Server, make: MakeSession) -> None:
    shared = Governor(8)
    with pytest.raises(ValueError, match="needs a budget"):
        shared.slot().__enter__()
    shared.throttled()
    first = make(governor=shared, max_connections=3)
    second = make(governor=shared, max_connections=5)
    assert (shared.max_concurrency, shared.concurrency) == (3, 3)
    assert first._budget is second._budget is shared.budget
    error = TransportError("enough")
    first.stop(error)
    with pytest.raises(TransportError, match="enough"):
        second.request("GET", server.url, idempotent=True)
    assert server.connections == 0


def test_a_rate_holds_for_a_session(fake: FakeTime, server: Server, make: MakeSession) -> None:
    session = make(governor=Governor(4, calls=2, per_seconds=300))
    for _turn in range(5):
        session.request("GET", server.url, idempotent=True)
    assert session.stats.waited == pytest.approx(2 * (300 + WINDOW_MARGIN))


def test_threads_behind_a_pause_all_get_through(server: Server) -> None:
    server.script = [reply(), reply(429, Retry_After="0.2")]
    with HttpSession(HttpSettings(max_connections=2)) as session:
        session.request("GET", server.url, idempotent=True)
        with ThreadPoolExecutor(8) as threads:
            got = list(threads.map(lambda _n: session.request("GET", server.url, idempotent=True).status, range(8)))
    assert got == [200] * 8
    assert session.stats.retries == 1


@pytest.mark.parametrize(
    ("concurrency", "calls", "per_seconds"), [(0, None, None), (1, 0, 1.0), (1, 5, None), (1, None, 5.0)]
)
def test_nonsense_is_refused(concurrency: int, calls: int | None, per_seconds: float | None) -> None:
    with pytest.raises(ValueError):
        Governor(concurrency, calls=calls, per_seconds=per_seconds)

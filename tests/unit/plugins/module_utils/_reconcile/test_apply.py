# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many records at once, and writes whose outcome is in doubt."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousWrite,
    AuthenticationFailed,
    PerimeterError,
    RateLimited,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile import settle as settle_module
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.apply import each, every
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.settle import settle

workers = pytest.mark.parametrize("workers", [1, 4])
CAUSE = TransportError("the connection was reset")


def odd_only(number: int) -> int:
    if number % 2 == 0:
        raise VendorError(f"{number} is even")
    return number * 10


@workers
@pytest.mark.parametrize("count", [0, 1, 2, 25])
def test_results_stand_in_the_order_of_the_items(workers: int, count: int) -> None:
    assert every(range(count), lambda number: number * 2, workers=workers) == [2 * number for number in range(count)]


@workers
def test_one_failure_does_not_stop_the_others(workers: int) -> None:
    outcomes = each([1, 2, 3, 4, 5], odd_only, workers=workers)
    assert [outcome.value for outcome in outcomes] == [10, None, 30, None, 50]
    assert [str(outcome.error) for outcome in outcomes if outcome.error] == ["2 is even", "4 is even"]


@workers
@pytest.mark.parametrize("error", [AuthenticationFailed("no"), RateLimited("slow")])
def test_what_was_done_before_an_error_that_all_meet_keeps_its_result(workers: int, error: PerimeterError) -> None:
    def work(number: int) -> int:
        if number > 0:
            raise error
        return number

    outcomes = each(range(20), work, workers=workers)
    assert outcomes[0].value == 0
    assert all(outcome.error is error for outcome in outcomes[1:])


@workers
def test_reads_end_with_the_first_error(workers: int) -> None:
    with pytest.raises(VendorError, match="is even"):
        every([1, 2, 3], odd_only, workers=workers)


@workers
def test_an_unforeseen_error_is_not_swallowed(workers: int) -> None:
    with pytest.raises(ZeroDivisionError):
        each([1, 0, 2], lambda number: 1 // number, workers=workers)


def test_no_more_than_the_given_number_work_at_the_same_time() -> None:
    lock, busy, most = threading.Lock(), 0, 0
    together = threading.Barrier(3)

    def work(_number: int) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        together.wait(timeout=10)
        with lock:
            busy -= 1

    each(range(9), work, workers=3)
    assert most == 3


def test_a_write_in_doubt_is_looked_for_until_it_is_seen() -> None:
    seen = iter([None, None, "found"])
    waits: list[float] = []
    assert settle("create of x", lambda: next(seen), CAUSE, sleep=waits.append) == "found"
    assert waits == list(settle_module.DELAYS[:3])


def test_a_failing_look_is_no_answer() -> None:
    answers = iter([CAUSE, "found"])

    def look() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert settle("create of x", look, CAUSE, sleep=lambda _seconds: None) == "found"


def test_a_write_that_never_shows_is_reported_as_ambiguous_and_not_repeated() -> None:
    looks: list[int] = []
    with pytest.raises(AmbiguousWrite, match="The create of x may or may not have happened") as caught:
        settle("create of x", lambda: looks.append(1), CAUSE, sleep=lambda _seconds: None)
    assert len(looks) == len(settle_module.DELAYS)
    assert caught.value.__cause__ is CAUSE
    assert "the connection was reset" in str(caught.value)


@pytest.mark.parametrize("trouble", [RateLimited("409 for an hour"), VendorError("OTHER_ERROR"), CAUSE])
def test_a_trouble_met_while_looking_does_not_hide_the_write_in_doubt(trouble: PerimeterError) -> None:
    def look() -> None:
        raise trouble

    with pytest.raises(AmbiguousWrite, match="The create of x may or may not have happened") as caught:
        settle("create of x", look, CAUSE, sleep=lambda _seconds: None)
    assert f"The last attempt to check it failed too: {trouble.message}" in caught.value.message


def test_when_the_waiting_budget_is_used_up_there_is_one_last_look() -> None:
    looks: list[int] = []
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if len(waits) == 2:
            raise RateLimited("max_wait is used up")
        waits.append(seconds)

    with pytest.raises(AmbiguousWrite):
        settle("create of x", lambda: looks.append(1), CAUSE, sleep=sleep)
    assert (len(waits), len(looks)) == (2, 3)
    assert settle("create of x", lambda: "found", CAUSE, sleep=sleep) == "found"


def test_when_the_run_was_stopped_nobody_looks() -> None:
    looks: list[int] = []

    def sleep(_seconds: float) -> None:
        raise AuthenticationFailed("refused in another thread")

    with pytest.raises(AmbiguousWrite, match="refused in another thread"):
        settle("create of x", lambda: looks.append(1), CAUSE, sleep=sleep)
    assert looks == []


def test_refused_credentials_while_looking_are_not_hidden() -> None:
    def look() -> None:
        raise AuthenticationFailed("no")

    with pytest.raises(AuthenticationFailed):
        settle("create of x", look, CAUSE, sleep=lambda _seconds: None)

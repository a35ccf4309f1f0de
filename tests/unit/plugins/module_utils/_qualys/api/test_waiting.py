# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wall-clock budget for everything, looks that fail, and no two pipelines in step."""

from __future__ import annotations

import datetime as dt

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    NotFound,
    OptionError,
    PerimeterError,
    RateLimited,
    RedirectRefused,
    RequestTimeout,
    ServerFault,
    TlsError,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.waiting import (
    Budget,
    PollTiming,
    look_until,
    passing,
    seconds_of,
)

from ...scan_kit import Clock


def test_durations_are_a_number_with_a_unit() -> None:
    assert [seconds_of("x", text) for text in ("90s", "1.5m", "2h", "1d", "1w", "0s")] == [
        90,
        90,
        7200,
        86400,
        604800,
        0,
    ]
    for text in ("", "5", "soon", "-1s"):
        with pytest.raises(OptionError, match="wait_timeout"):
            seconds_of("wait_timeout", text)
    with pytest.raises(OptionError, match="must be longer than zero"):
        seconds_of("poll_interval", "0s", positive=True)


def test_the_last_look_happens_when_the_budget_ends() -> None:
    clock = Clock()
    budget = Budget(150, 60, clock.timing())
    looks = look_until(budget, lambda: None)
    assert (looks.done, clock.seconds, clock.slept) == (None, 150, [60, 60, 30])
    assert budget.left == 0


def test_without_time_there_is_one_look() -> None:
    clock = Clock()
    found = look_until(Budget(0, 60, clock.timing()), lambda: "there")
    assert (found.done, clock.slept) == ("there", [])


def test_intervals_vary_by_a_tenth_to_either_side() -> None:
    for draw, expected in ((0.0, 90.0), (0.5, 100.0), (0.999, 110.0)):
        clock = Clock()
        Budget(1000, 100, clock.timing(draw)).pause()
        assert clock.slept[0] == pytest.approx(expected, abs=0.1)


def test_a_look_that_fails_is_neither_an_end_nor_a_success() -> None:
    answers: list[PerimeterError | str | None] = [
        TransportError("a"),
        None,
        ServerFault("b"),
        VendorError("c", code="OTHER_ERROR"),
        "done",
    ]

    def look() -> str | None:
        answer = answers.pop(0)
        if isinstance(answer, PerimeterError):
            raise answer
        return answer

    looks = look_until(Budget(600, 60, Clock().timing()), look)
    assert (looks.done, looks.failures, looks.last_error) == ("done", 3, None)


def test_looks_that_all_fail_end_with_the_budget_and_the_last_error() -> None:
    def look() -> None:
        raise RateLimited("slow down")

    looks = look_until(Budget(60, 60, Clock().timing()), look)
    assert (looks.done, looks.failures) == (None, 2)
    assert isinstance(looks.last_error, RateLimited)


def test_which_errors_may_pass() -> None:
    for error in (
        TransportError("x"),
        RequestTimeout("x"),
        TlsError("x"),
        ServerFault("x"),
        BadResponse("x"),
        RateLimited("x"),
        NotFound("x"),
        VendorError("x", code="STILL_PROCESSING"),
        VendorError("x", code=None),
    ):
        assert passing(error)
    for error in (
        AuthenticationFailed("x"),
        RedirectRefused("x"),
        VendorError("x", code="UNAUTHORIZED"),
        VendorError("x", code="EVALUATION_EXPIRED"),
        PerimeterError("x"),
    ):
        assert not passing(error)
        with pytest.raises(type(error)):
            look_until(Budget(60, 60, Clock().timing()), _raiser(error))


def _raiser(error: PerimeterError):  # type: ignore[no-untyped-def]
    def look() -> None:
        raise error

    return look


def test_the_real_clock_is_utc() -> None:
    assert abs((PollTiming().now() - dt.datetime.now(dt.UTC)).total_seconds()) < 60


def test_the_first_looks_come_soon_and_the_later_ones_at_the_interval() -> None:
    clock = Clock()
    look_until(Budget(300, 60, clock.timing(), first=5), lambda: None)
    assert clock.slept[:8] == pytest.approx([5, 7.5, 11.25, 16.875, 25.3125, 37.96875, 56.953125, 60])
    assert clock.seconds == 300
    # A scan of ten seconds is noticed after less than fifteen.
    assert sum(clock.slept[:2]) < 15
    clock = Clock()
    look_until(Budget(1, 0.2, clock.timing(), first=5), lambda: None)
    assert clock.slept == pytest.approx([0.2] * 5, abs=1e-6)

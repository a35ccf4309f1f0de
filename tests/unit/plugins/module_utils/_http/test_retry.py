# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait headers, back-off, and the table of decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._http.response import Headers
from ansible_collections.appsec.perimeter.plugins.module_utils._http.retry import (
    ACCEPT,
    BACKOFF_BASE,
    BACKOFF_CAP,
    MAX_HEADER_WAIT,
    OK,
    RETRY,
    THROTTLED,
    NextStep,
    Rules,
    Verdict,
    backoff,
    parse_wait,
    shows_throttling,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
names = st.sampled_from(["Retry-After", "X-RateLimit-ToWait-Sec"])


def wait(**headers: str) -> float | None:
    return parse_wait(Headers((name.replace("_", "-"), value) for name, value in headers.items()), now=NOW)


@settings(deadline=None)
@given(names, st.integers(0, int(MAX_HEADER_WAIT)))
def test_seconds_are_taken(name: str, seconds: int) -> None:
    assert parse_wait(Headers([(name, f" {seconds} ")]), now=NOW) == seconds


@settings(deadline=None)
@given(st.integers(0, int(MAX_HEADER_WAIT)))
def test_dates_are_taken(seconds: int) -> None:
    later = NOW + timedelta(seconds=seconds)
    assert wait(Retry_After=format_datetime(later, usegmt=True)) == seconds
    assert wait(Retry_After=later.strftime("%d %b %Y %H:%M:%S")) == seconds


@settings(deadline=None)
@given(names, st.integers(1, 10**12))
def test_negative_past_and_absurd_waits_are_absent(name: str, seconds: int) -> None:
    assert parse_wait(Headers([(name, f"-{seconds}")]), now=NOW) is None
    assert parse_wait(Headers([(name, str(int(MAX_HEADER_WAIT) + seconds))]), now=NOW) is None
    earlier = NOW - timedelta(seconds=min(seconds, 10**9))
    assert parse_wait(Headers([(name, format_datetime(earlier))]), now=NOW) is None


@settings(deadline=None)
@given(names, st.text())
def test_no_text_breaks_the_parser(name: str, value: str) -> None:
    seconds = parse_wait(Headers([(name, value)]), now=NOW)
    assert seconds is None or 0 <= seconds <= MAX_HEADER_WAIT


@pytest.mark.parametrize(
    "value", ["", "soon", "nan", "inf", "1e3", "1_0", "\uff11", "5, 10", "+5", "0x1f", "Mon, 99 Jan 2026"]
)
def test_odd_values_are_absent(value: str) -> None:
    assert wait(Retry_After=value) is None


def test_the_longer_wait_wins() -> None:
    assert wait(Retry_After="5", X_RateLimit_ToWait_Sec="7.5") == 7.5
    assert wait(Retry_After="-5", X_RateLimit_ToWait_Sec="7") == 7
    assert wait() is None
    assert parse_wait(Headers([("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT")])) is None


@settings(deadline=None)
@given(st.integers(-5, 10**6), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_between_half_and_full(attempt: int, drawn: float) -> None:
    seconds = backoff(attempt, draw=lambda: drawn)
    full = min(BACKOFF_CAP, BACKOFF_BASE * 2 ** min(max(attempt, 0), 40))
    assert full / 2 <= seconds <= full <= BACKOFF_CAP


@settings(deadline=None)
@given(st.integers(0, 100))
def test_backoff_grows(attempt: int) -> None:
    assert backoff(attempt + 1, draw=lambda: 0.5) >= backoff(attempt, draw=lambda: 0.5)


@pytest.mark.parametrize(
    ("status", "idempotent", "verdict", "expected"),
    [
        (200, True, OK, "return"),
        (202, True, OK, "retry"),
        (202, False, OK, "return"),
        (400, True, OK, "return"),
        (401, True, OK, "auth"),
        (401, False, RETRY, "auth"),
        (401, False, ACCEPT, "return"),
        (409, True, OK, "throttle"),
        (409, False, OK, "return"),
        (409, False, THROTTLED(), "throttle"),
        (429, False, OK, "throttle"),
        (429, True, ACCEPT, "return"),
        (503, True, OK, "retry"),
        (503, False, OK, "fault"),
        (505, True, OK, "fault"),
        (520, True, ACCEPT, "return"),
        (200, True, RETRY, "retry"),
        (200, False, RETRY, "fault"),
        (200, True, THROTTLED(3), "throttle"),
    ],
)
def test_decisions(status: int, idempotent: bool, verdict: Verdict, expected: str) -> None:
    assert Rules().decide(status, Headers(), idempotent=idempotent, verdict=verdict).action == expected


def test_which_wait_a_decision_carries() -> None:
    headers = Headers([("Retry-After", "9")])
    assert Rules().decide(429, headers, idempotent=True) == NextStep("throttle", 9)
    assert Rules().decide(200, headers, idempotent=True, verdict=THROTTLED(3)) == NextStep("throttle", 3)
    assert Rules().decide(200, headers, idempotent=True, verdict=THROTTLED()) == NextStep("throttle", 9)
    assert Rules().decide(503, headers, idempotent=True) == NextStep("retry", 9)


@settings(deadline=None)
@given(st.integers(100, 599), st.booleans(), st.dictionaries(names, st.text(max_size=5)))
def test_a_write_is_only_repeated_on_evidence(status: int, evidence: bool, extra: dict[str, str]) -> None:
    headers = Headers([*extra.items(), *([("Retry-After", "1")] if evidence else [])])
    action = Rules().decide(status, headers, idempotent=False).action
    assert action != "retry"
    if action == "throttle":
        assert status == 429 or (status == 409 and shows_throttling(headers))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"Content-Type": "x"}, False),
        ({"Retry-After": "5"}, True),
        ({"Retry-After": "soon"}, False),
        ({"X-RateLimit-Limit": "300"}, True),
        ({"X-RateLimit-Remaining": "0"}, True),
        ({"X-RateLimit-Remaining": "299"}, False),
        ({"X-RateLimit-Remaining": "299", "X-RateLimit-ToWait-Sec": "3"}, True),
        ({"X-RateLimit-Remaining": "9", "X-Concurrency-Limit-Limit": "2", "X-Concurrency-Limit-Running": "2"}, True),
        ({"X-RateLimit-Remaining": "9", "X-Concurrency-Limit-Limit": "2", "X-Concurrency-Limit-Running": "1"}, False),
        ({"X-RateLimit-Remaining": "?"}, True),
    ],
)
def test_evidence_of_throttling(headers: dict[str, str], expected: bool) -> None:
    assert shows_throttling(Headers(headers.items())) is expected

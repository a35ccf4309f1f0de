# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether and when to repeat a request: pure functions without a clock, a socket or a thread.

This module is private to the collection and may change at any time.

Statuses are those of docs/vendors/qualys_was.md 4.1, the longest list of the five vendors; wait headers those of
docs/vendors/qualys_was.md 5.
"""

from __future__ import annotations

import email.utils
import random
import re
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

from .._base.errors import PerimeterError

RETRY_STATUSES: frozenset[int] = frozenset({202, 500, 501, 502, 503, 504, 520})
"""Temporary faults of a platform. 202 counts for reads only: the answer is not ready yet."""
AUTH_STATUSES: frozenset[int] = frozenset({401})

MAX_HEADER_WAIT = 86_400.0
"""Seconds. A longer wait is a mistake of the server in its clock or unit, and counts as absent."""
BACKOFF_BASE = 1.0
BACKOFF_CAP = 60.0

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?\Z")
_WAIT_HEADERS = ("retry-after", "x-ratelimit-towait-sec")
_LIMIT_HEADERS = ("x-ratelimit-", "x-concurrency-")

Action = t.Literal["return", "retry", "throttle", "fault", "auth"]


@dataclass(frozen=True)
class Verdict:
    """A vendor client's judgement of an answer, for which the status alone is not enough.

    ``OK``: the body is fine; the rules for the status still apply.
    ``ACCEPT``: return the answer to the caller, whatever its status (a 401 that only means "renew the token").
    ``RETRY``: a temporary fault; ``error`` is what to raise after the last attempt.
    ``THROTTLED``: the service asks to slow down. ``wait`` is in seconds; None means the headers' wait, else a back-off.
    """

    kind: t.Literal["ok", "accept", "retry", "throttled"]
    wait: float | None = None
    error: PerimeterError | None = None


OK = Verdict("ok")
ACCEPT = Verdict("accept")
RETRY = Verdict("retry")


def RETRY_AS(error: PerimeterError) -> Verdict:  # noqa: N802 (reads as a verdict)
    """Return ``RETRY`` with the error to raise after the last attempt."""
    return Verdict("retry", error=error)


def THROTTLED(wait: float | None = None) -> Verdict:  # noqa: N802 (reads as a verdict)
    """Return ``THROTTLED``; ``wait`` is in seconds, and None means the headers' wait, else a back-off."""
    return Verdict("throttled", wait=wait)


@dataclass(frozen=True)
class NextStep:
    """What to do with an answer; ``wait`` is what the server asks for in seconds, or None."""

    action: Action
    wait: float | None = None


@dataclass(frozen=True)
class Rules:
    """Which statuses mean what, for one session."""

    retry: frozenset[int] = RETRY_STATUSES
    auth: frozenset[int] = AUTH_STATUSES

    def decide(self, status: int, headers: t.Mapping[str, str], *, idempotent: bool, verdict: Verdict = OK) -> NextStep:
        """Decide what to do with a complete answer.

        Args:
            status: HTTP status.
            headers: answer headers; look-ups must ignore case.
            idempotent: whether the request may be repeated without harm.
            verdict: the vendor client's judgement.
        """
        if verdict.kind == "accept":
            return NextStep("return")
        if status in self.auth:
            return NextStep("auth")
        asked = parse_wait(headers)
        if verdict.kind == "throttled":
            return NextStep("throttle", asked if verdict.wait is None else verdict.wait)
        if status == 429 or (status == 409 and (idempotent or shows_throttling(headers))):
            return NextStep("throttle", asked)
        if verdict.kind == "retry":
            return NextStep("retry", asked) if idempotent else NextStep("fault")
        if status in self.retry and idempotent:
            return NextStep("retry", asked)
        return NextStep("fault" if status >= 500 else "return")


def parse_wait(headers: t.Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The longest wait in seconds that the headers ask for, or None.

    ``Retry-After`` (seconds or HTTP date) and ``X-RateLimit-ToWait-Sec`` are read. A value that is negative, in the
    past, longer than a day, or not a number counts as absent.
    """
    waits = [_seconds(headers.get(name), now) for name in _WAIT_HEADERS]
    usable = [wait for wait in waits if wait is not None and 0 <= wait <= MAX_HEADER_WAIT]
    return max(usable, default=None)


def _seconds(value: str | None, now: datetime | None) -> float | None:
    if value is None:
        return None
    value = value.strip()
    if _NUMBER.match(value):
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - (now or datetime.now(UTC))).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def shows_throttling(headers: t.Mapping[str, str]) -> bool:
    """Whether the headers of a 409 show a limit of rate or concurrency, and not a conflict of data.

    A write is repeated only on that evidence. Some services send their limits with every answer, so that each conflict
    would look like throttling. So counters that show room mean a conflict, unless the headers also ask for a wait.
    """
    if parse_wait(headers) is not None:
        return True
    if not any(name.lower().startswith(_LIMIT_HEADERS) for name in headers):
        return False
    remaining = _count(headers.get("x-ratelimit-remaining"))
    limit, running = (_count(headers.get(f"x-concurrency-limit-{word}")) for word in ("limit", "running"))
    rate_left = remaining is not None and remaining > 0
    full = limit is not None and running is not None and running >= limit
    return full or not rate_left


def _count(value: str | None) -> float | None:
    value = (value or "").strip()
    return float(value) if _NUMBER.match(value) else None


def backoff(
    attempt: int,
    *,
    base: float = BACKOFF_BASE,
    cap: float = BACKOFF_CAP,
    draw: t.Callable[[], float] = random.random,
) -> float:
    """Seconds to wait before attempt ``attempt + 2``: doubled from ``base`` to ``cap``, the upper half random.

    The fixed half prevents very short waits; the random half spreads parallel runs.
    """
    full = min(cap, base * 2.0 ** min(max(attempt, 0), 32))
    return full / 2 + draw() * full / 2

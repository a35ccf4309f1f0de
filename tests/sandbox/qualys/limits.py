# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate and concurrency limits of /qps and of the knowledge base, off unless switched on.

See docs/vendors/qualys_was.md 5, 16.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from ..switches import Switches
from ..wire import Reply

_DEFAULT_RATE = 2000
_DEFAULT_CONCURRENCY = 10
_BODY = (
    '<?xml version="1.0" encoding="UTF-8" ?>\n<SIMPLE_RETURN><RESPONSE><DATETIME>2026-11-01T00:00:00Z</DATETIME>'
    "<CODE>{code}</CODE><TEXT>{text}</TEXT></RESPONSE></SIMPLE_RETURN>"
)
_TEXTS = {
    1960: "This API cannot be run again until a running instance has finished.",
    1965: "This API cannot be run again for another while: the rate limit is reached.",
}


class Limiter:
    """Counts requests in flight and in the sliding window; ``prefix`` chooses the switches of the two limits."""

    def __init__(self, switches: Switches, prefix: str = "") -> None:
        self._switches = switches
        self._rate = f"{prefix}rate_limit"
        self._concurrency = f"{prefix}concurrency_limit"
        self._status = "" if prefix else "rate_limit_status"
        self._lock = threading.Lock()
        self._running = 0
        self._started: deque[float] = deque()
        self._blocked = 0

    def enter(self) -> Reply | None:
        """Count a request in; a reply when it is over a limit."""
        now = time.monotonic()
        with self._lock:
            self._running += 1
            self._forget_before(now - self._switches.number("rate_limit_window_s"))
            concurrency = self._switches.number(self._concurrency)
            rate = self._switches.number(self._rate)
            # Concurrency is checked before rate.
            if concurrency and self._running > concurrency:
                return self._refusal(1960, 1)
            if rate and len(self._started) >= rate:
                wait = self._switches.number("rate_limit_window_s") - (now - self._started[0])
                return self._refusal(1965, max(1, int(wait + 0.999)))
            self._blocked = 0
            self._started.append(now)
        return None

    def reset(self) -> None:
        """Forget the window; requests in flight stay counted."""
        with self._lock:
            self._started.clear()
            self._blocked = 0

    def leave(self) -> None:
        """Count a request out."""
        with self._lock:
            self._running -= 1

    def _forget_before(self, moment: float) -> None:
        while self._started and self._started[0] < moment:
            self._started.popleft()

    def _refusal(self, code: int, wait: int) -> Reply:
        self._blocked += 1
        headers = self._headers()
        mode = self._switches["rate_limit_to_wait"]
        if mode == "always" or (mode == "second" and self._blocked > 1):
            headers["X-RateLimit-ToWait-Sec"] = str(wait)
        status = self._switches.number(self._status) if self._status else 409
        return Reply(status, [_BODY.format(code=code, text=_TEXTS[code]).encode()], "text/xml", headers)

    def _headers(self) -> dict[str, str]:
        rate = self._switches.number(self._rate) or _DEFAULT_RATE
        concurrency = self._switches.number(self._concurrency) or _DEFAULT_CONCURRENCY
        return {
            "X-RateLimit-Limit": str(rate),
            "X-RateLimit-Window-Sec": self._switches["rate_limit_window_s"],
            "X-RateLimit-Remaining": str(max(0, rate - len(self._started))),
            "X-Concurrency-Limit-Limit": str(concurrency),
            "X-Concurrency-Limit-Running": str(self._running),
        }

    def headers(self) -> dict[str, str]:
        """The limit headers of a reply, when they are switched on."""
        if not self._switches.on("rate_limit_headers"):
            return {}
        with self._lock:
            return self._headers()

    def login_headers(self) -> dict[str, str]:
        """The two headers that /msp/about.php always has."""
        with self._lock:
            headers = self._headers()
        return {name: headers[name] for name in ("X-RateLimit-Limit", "X-Concurrency-Limit-Limit")}

    def all_headers(self) -> dict[str, str]:
        """All limit headers, whatever the switch says."""
        with self._lock:
            return self._headers()

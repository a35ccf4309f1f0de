# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reached the server: the numbers that tests and benchmarks assert on."""

from __future__ import annotations

import re
import threading
from collections import Counter, deque
from typing import Any

RECENT = 1000
_ID = re.compile(r"^(\d+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")


def route_of(path: str) -> str:
    """The path with ids collapsed to ``<id>`` and no trailing slash."""
    parts = path.rstrip("/").split("/")
    # The API version ("3.0") is not an id, so only whole numbers and UUIDs are collapsed.
    return "/".join("<id>" if _ID.match(part) else part for part in parts) or "/"


class Counters:
    """Thread-safe counters; requests to the control plane are never counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Everything back to zero; requests in flight stay in flight."""
        with self._lock:
            self.requests = 0
            self.by_route: Counter[str] = Counter()
            self.writes = 0
            self.writes_applied = 0
            self.failed_auth = 0
            self.connections = 0
            self.tls_failures = 0
            self.internal_errors = 0
            self.in_flight = getattr(self, "in_flight", 0)
            self.in_flight_max = 0
            self.bytes_sent = 0
            self.faults_fired: Counter[str] = Counter()
            self.recent: deque[dict[str, Any]] = deque(maxlen=RECENT)

    def connected(self) -> None:
        """A connection sent its first vendor request."""
        with self._lock:
            self.connections += 1

    def tls_failed(self) -> None:
        """A TLS handshake failed."""
        with self._lock:
            self.tls_failures += 1

    def started(self, method: str, path: str, *, write: bool) -> None:
        """A request was read completely."""
        with self._lock:
            self.requests += 1
            self.by_route[f"{method} {route_of(path)}"] += 1
            self.writes += int(write)
            self.in_flight += 1
            self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def finished(self, method: str, target: str, status: int, code: str) -> None:
        """A request was answered; status 0 means that the connection was reset instead."""
        entry = {"method": method, "path": target, "status": status, "response_code": code}
        with self._lock:
            self.in_flight -= 1
            self.recent.append(entry)

    def sent(self, size: int) -> None:
        """Bytes of head and body handed to the socket."""
        with self._lock:
            self.bytes_sent += size

    def auth_failed(self) -> None:
        """A request carried wrong credentials or none."""
        with self._lock:
            self.failed_auth += 1

    def write_applied(self) -> None:
        """A write changed the state."""
        with self._lock:
            self.writes_applied += 1

    def internal_error(self) -> None:
        """The sandbox itself failed."""
        with self._lock:
            self.internal_errors += 1

    def fault_fired(self, kind: str) -> None:
        """A fault was applied to a request."""
        with self._lock:
            self.faults_fired[kind] += 1

    def snapshot(self) -> dict[str, Any]:
        """The counters as a JSON object."""
        with self._lock:
            return {
                "requests": self.requests,
                "by_route": dict(self.by_route),
                "writes": self.writes,
                "writes_applied": self.writes_applied,
                "failed_auth": self.failed_auth,
                "connections": self.connections,
                "tls_failures": self.tls_failures,
                "internal_errors": self.internal_errors,
                "in_flight": self.in_flight,
                "in_flight_max": self.in_flight_max,
                "bytes_sent": self.bytes_sent,
                "faults_fired": dict(self.faults_fired),
                "recent": list(self.recent),
            }

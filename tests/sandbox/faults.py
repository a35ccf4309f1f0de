# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults: what goes wrong, on which requests, how often."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

# A request gets at most one fault of each group, so that two one-shot faults hit two requests.
GROUPS: dict[str, str] = {
    "slow": "delay",
    "trickle": "answer",
    "status": "answer",
    "response_code": "answer",
    "html_200": "answer",
    "xml_bomb": "answer",
    "reset": "answer",
    "reset_mid_body": "answer",
    "truncated_json": "answer",
    "redirect": "answer",
    "apply_then_reset": "answer",
    "apply_then_status": "answer",
    "half_page": "data",
    "duplicate_record": "data",
    "mutate_between_pages": "data",
    "wrong_count": "data",
}

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "slow": ("delay_ms",),
    "trickle": ("chunk_bytes", "delay_ms"),
    "status": ("status", "headers", "body"),
    "response_code": ("code", "message", "resolution"),
    "html_200": (),
    "xml_bomb": ("variant", "root"),
    "reset": (),
    "reset_mid_body": (),
    "truncated_json": (),
    "redirect": ("location", "status"),
    "apply_then_reset": (),
    "apply_then_status": ("status", "headers", "body"),
    "half_page": (),
    "duplicate_record": (),
    "mutate_between_pages": ("action", "n", "where"),
    "wrong_count": ("n",),
}

_COMMON = {"match", "kind", "times", "skip", "probability"}


class Fault:
    """One fault; ``args`` are the arguments of its kind."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        self.kind = str(description.get("kind", ""))
        if self.kind not in GROUPS:
            raise ValueError(f"unknown fault kind {self.kind!r}; known: {', '.join(sorted(GROUPS))}")
        self.group = GROUPS[self.kind]
        unknown = set(description) - _COMMON - set(ARGUMENTS[self.kind])
        if unknown:
            raise ValueError(f"fault {self.kind} does not take {', '.join(sorted(unknown))}")
        self._read_match(description.get("match") or {})
        self.times = int(description.get("times", 1))
        self.skip = int(description.get("skip", 0))
        self.probability = float(description.get("probability", 1.0))
        self.args = {name: description[name] for name in ARGUMENTS[self.kind] if name in description}

    def _read_match(self, match: Any) -> None:
        if not isinstance(match, Mapping) or set(match) - {"route", "method"}:
            raise ValueError("match takes route and method")
        self.route = str(match.get("route", ""))
        self.method = str(match.get("method", "")).upper()

    def matches(self, method: str, path: str) -> bool:
        """Whether the request is one that this fault looks at."""
        return self.route in path and self.method in ("", method)

    def fires(self, draw: Callable[[], float]) -> bool:
        """Consume one matching request and say whether the fault applies to it."""
        if self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.probability < 1.0 and draw() >= self.probability:
            return False
        if self.times > 0:
            self.times -= 1
        return True


class Faults:
    """The faults in force, in order."""

    def __init__(self, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._faults: list[Fault] = []

    def add(self, *descriptions: Mapping[str, Any], **fields: Any) -> None:
        """Add faults, each a dict as in the control plane, or one as keyword arguments."""
        new = [Fault(description) for description in descriptions]
        if fields:
            new.append(Fault(fields))
        with self._lock:
            self._faults.extend(new)

    def replace(self, descriptions: Iterable[Mapping[str, Any]]) -> None:
        """Exactly these faults from now on."""
        new = [Fault(description) for description in descriptions]
        with self._lock:
            self._faults = new

    def clear(self) -> None:
        """No faults."""
        self.replace([])

    def pending(self) -> int:
        """How many faults can still fire."""
        with self._lock:
            return sum(1 for fault in self._faults if fault.times != 0)

    def take(self, method: str, path: str) -> dict[str, Fault]:
        """The faults that apply to this request, by group."""
        taken: dict[str, Fault] = {}
        if not self._faults:
            return taken
        with self._lock:
            for fault in self._faults:
                if fault.group in taken or not fault.matches(method, path):
                    continue
                if fault.fires(self._random.random):
                    taken[fault.group] = fault
        return taken

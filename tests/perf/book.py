# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is measured, and the book in which the numbers are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    findings: int = 50_000
    fewer_findings: int = 20_000
    """Enough for each window to have several full pages: before that, memory still grows to what it needs."""
    more_findings: int = 100_000
    finding_bytes: int = 2_000
    """At least; with the evidence that comes with it, 3.0 kB on average."""
    webapps: int = 1_000
    differing: int = 100
    loop: int = 50
    latency_ms: int = 100
    rounds: int = 3
    floor_pages: int = 40
    events: int = 1_000_000
    fewer_events: int = 250_000
    sparse_days: int = 29
    """The fewer events are also spread over so many days."""
    event_rounds: int = 2


QUICK = Sizes(
    findings=1_000, fewer_findings=600, more_findings=1_200, webapps=60, differing=6, loop=3, latency_ms=5, rounds=1,
    floor_pages=4, events=5_000, fewer_events=2_500, event_rounds=1,
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line of the table. ``holds`` is None for what is only shown."""

    what: str
    measured: str
    required: str = ""
    holds: bool | None = None


@dataclass
class Bench:
    """Everything that was measured, and what it amounts to."""

    sizes: Sizes
    quick: bool
    lines: list[Finding] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)

    def show(self, what: str, shown: str) -> None:
        """A number for the record."""
        self._add(Finding(what, shown))

    def judge(self, what: str, shown: str, required: str, holds: bool, *, by_clock: bool = True) -> None:
        """A number that is required; one that depends on the clock is not judged in a quick run."""
        self._add(Finding(what, shown, required, None if by_clock and self.quick else holds))

    def _add(self, line: Finding) -> None:
        self.lines.append(line)
        required = f" (required: {line.required})" if line.required else ""
        print(f"  {line.what}: {line.measured}{required}", flush=True)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has come due since the request before: scans, retests and reports under way, ignored findings that return."""

from __future__ import annotations

from . import reports, retests, scan_machine
from .finding_writes import reactivate
from .state import State
from .world import World


class Moments:
    """Brings the state up to date at the start of each request."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._generation = -1
        self._next = ""

    def tick(self) -> None:
        """Let everything happen whose time has come."""
        state = self._world.state
        with state.lock:
            for key in sorted(state.retests):
                if key in state.findings:
                    retests.settle(self._world, state.findings[key])
            scan_machine.settle_all(self._world)
            reports.settle_all(self._world)
            self._reactivate(state)

    def _reactivate(self, state: State) -> None:
        now = self._world.now()
        if self._generation == state.findings.generation and not (self._next and self._next <= now):
            return
        dates = []
        for record in state.findings.values():
            date = record.get("reactivateDate")
            if not date or not record.get("isIgnored"):
                continue
            if date <= now:
                reactivate(record)
            else:
                dates.append(date)
        self._generation = state.findings.generation
        self._next = min(dates, default="")

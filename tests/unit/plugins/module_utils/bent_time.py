# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time that passes when somebody waits: for a client of the collection, and for the sandbox that it talks to."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import HttpSession
from tests.sandbox import Sandbox


class BentTime:
    """A wait takes no time, and moves both clocks on. ``waits`` are the seconds of each."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._offset = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        """Monotonic seconds; they pass by waiting only."""
        return self._offset

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(seconds)
        self._offset += seconds
        self._sandbox.log_clock.advance(seconds)

    @property
    def session(self) -> Callable[..., HttpSession]:
        """Makes sessions in this time."""
        return functools.partial(HttpSession, clock=self.clock, sleep=self.sleep)

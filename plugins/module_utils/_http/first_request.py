# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first request is sent alone.

This module is private to the collection and may change at any time.

Services lock an account after a few wrong passwords. Twenty threads that start together would send twenty of
them before the first refusal arrives. So all other threads wait until one request has been answered.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t

from .governor import WaitBudget


class Gate:
    """Lets one request through at a time, until one is answered without a refusal of the credentials.

    Args:
        budget: its stop switch also ends the waiting here. This waiting is not counted: it lasts as long as another
            thread's request, whose pauses are already counted.
    """

    def __init__(self, budget: WaitBudget) -> None:
        self._budget = budget
        self._condition = threading.Condition()
        self._open = False
        self._owner: int | None = None
        budget.on_stop(self._wake)

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    @contextlib.contextmanager
    def passage(self) -> t.Iterator[None]:
        """Pass through the gate, alone while it is shut. Leaving without ``open`` lets the next thread try.

        Raises:
            PerimeterError: what the run was stopped with.
        """
        alone = not self._open and self._enter()
        try:
            yield
        finally:
            if alone:
                self._leave()

    def _enter(self) -> bool:
        """Wait for this thread's turn. Returns False when there is nothing to release afterwards."""
        with self._condition:
            while True:
                self._budget.check()
                # A client may send another request while it judges an answer, to renew a token for example.
                if self._open or self._owner == threading.get_ident():
                    return False
                if self._owner is None:
                    self._owner = threading.get_ident()
                    return True
                self._condition.wait()

    def _leave(self) -> None:
        with self._condition:
            self._owner = None
            self._condition.notify()

    def open(self) -> None:
        """Open the gate for all threads: the credentials are good."""
        if not self._open:
            with self._condition:
                self._open = True
                self._condition.notify_all()

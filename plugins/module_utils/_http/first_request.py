# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first request goes alone.

This module is private to the collection and may change at any time.

Services lock an account after a few wrong passwords. Twenty threads that start together would be twenty wrong passwords
before the first refusal arrives, so nobody else sends until the credentials have proved good.
"""

from __future__ import annotations

import contextlib
import threading
import typing as t

from .governor import WaitBudget


class Gate:
    """Lets one request through at a time, until one was answered without a refusal of the credentials.

    Args:
        budget: its stop switch ends the waiting here too. The waiting itself is free of charge: it lasts as long as
            another request does, and the pauses of that one are on the budget already.
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
        """Pass, alone while the gate is shut. Leaving without ``open`` lets the next one try.

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
        """Wait for the turn of this thread. Returns False when there is nothing to give back."""
        with self._condition:
            while True:
                self._budget.check()
                # A client may send another request while it looks at an answer, to renew a token for example.
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
        """The credentials are good: from now on nobody waits here."""
        if not self._open:
            with self._condition:
                self._open = True
                self._condition.notify_all()

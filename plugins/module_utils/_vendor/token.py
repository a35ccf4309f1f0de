# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A token that is obtained by logging in: fetched when needed, and used until shortly before it expires.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import abc
import math
import threading
import time
import typing as t

from .._http.session import HttpSession

MARGIN = 60.0
"""Seconds before its expiry at which a token is no longer used, so that a long request does not outlive it."""
ASSUMED_LIFE = 600.0
"""Lifetime in seconds of a token that does not state one."""


class Token(abc.ABC):
    """The token of one run, shared by its threads.

    Attributes:
        value: the newest token; empty before the first.
        fetched: every token so far; none of them may ever be shown.
    """

    def __init__(self, http: HttpSession, *, clock: t.Callable[[], float] = time.monotonic) -> None:
        self.http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._use_until = -math.inf
        self.value = ""
        self.fetched: tuple[str, ...] = ()

    def get(self) -> str:
        """Return a token that is valid for at least a minute, or half of its lifetime if that is shorter.

        Raises:
            AuthenticationFailed: the login was refused.
            BadResponse: the answer is not a token.
        """
        with self._lock:
            if self._clock() >= self._use_until:
                asked = self._clock()
                self.value, life = self._fetch()
                self.fetched += (self.value,)
                self.http.protect(self.value)
                self._use_until = asked + life - min(MARGIN, life / 2)
            return self.value

    def forget(self, value: str) -> None:
        """Stop using this token: it was refused although it had not expired."""
        with self._lock:
            if self.value == value:
                self._use_until = -math.inf

    @abc.abstractmethod
    def _fetch(self) -> tuple[str, float]:
        """Return a new token, and for how many seconds it is valid."""

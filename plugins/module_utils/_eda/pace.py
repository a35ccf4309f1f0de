# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a source polls again, and how it reports failures: each once.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import logging
import random
import typing as t

from .._base.errors import AuthenticationFailed, PerimeterError
from .._base.masking import Mask

log = logging.getLogger("appsec.perimeter.eda")

_SPREAD = 0.1
"""Random share of a pause, so that many rulebooks do not poll in the same second."""


class Pace:
    """The pauses between polls. After a failure each is twice as long as the previous one, up to a ceiling.

    Refused credentials are tried again only after the ceiling, because each attempt may count towards a lockout.

    Args:
        name: the name of the source in messages.
        interval: seconds between two polls.
        ceiling: longest pause in seconds.
    """

    def __init__(self, name: str, interval: float, ceiling: float) -> None:
        self._name = name
        self._interval = interval
        self._ceiling = max(interval, ceiling)
        self._failures = 0
        self._said: set[str] = set()

    def well(self) -> float:
        """Record a successful poll, and return the pause after it."""
        if self._failures:
            log.warning(
                "%s: works again after %d failed attempts, and continues where it was.", self._name, self._failures
            )
        self._failures = 0
        self._said.clear()
        return self._interval

    def failed(self, error: PerimeterError, secrets: t.Iterable[str]) -> float:
        """Record a failed poll, log a new error once, and return the pause after it."""
        self._failures += 1
        refused = isinstance(error, AuthenticationFailed)
        pause = self._ceiling if refused else min(self._interval * 2.0 ** min(self._failures, 20), self._ceiling)
        pause *= 1 - _SPREAD * random.random()  # noqa: S311 (not used for security)
        if error.kind not in self._said:
            self._said.add(error.kind)
            log.error(
                "%s: %s Nothing is lost; it is tried again, at first in %.0f s, and this message is not repeated.",
                self._name,
                Mask(secrets).text(str(error)),
                pause,
            )
        return pause

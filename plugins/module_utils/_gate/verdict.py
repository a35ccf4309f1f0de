# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons of a verdict, and the error for a verdict that is not pass.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._base.errors import PerimeterError
from .._base.log_text import short
from .._records.verdicts import Word


class GateClosed(PerimeterError):
    """The verdict is not pass."""

    kind = "gate"


class Reason(t.TypedDict):
    """One reason of the verdict.

    ``application`` is the label of one application, or None for the whole run. ``rule`` is the name of the policy's
    rule that decided, or None. ``verdict`` is the verdict that this reason alone leads to; ``pass`` marks a warning.
    """

    code: str
    verdict: Word
    application: str | None
    rule: str | None
    message: str


def reason(
    code: str, verdict: Word, message: str, *, application: str | None = None, rule: str | None = None
) -> Reason:
    """Return a reason whose texts are on one line and safe in a log."""
    label = None if application is None else short(application)
    return Reason(code=code, verdict=verdict, application=label, rule=rule, message=short(message, 600))

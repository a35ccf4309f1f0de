# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reasons of a verdict, and the errors that stand for one.

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
    """Why the verdict is what it is.

    ``application`` is the label of one application, None where the whole run is meant; ``rule`` the name of the rule
    of the policy that decided, if one did. ``verdict`` is what this reason alone calls for; ``pass`` marks a warning.
    """

    code: str
    verdict: Word
    application: str | None
    rule: str | None
    message: str


def reason(
    code: str, verdict: Word, message: str, *, application: str | None = None, rule: str | None = None
) -> Reason:
    """One reason, its text on one line and harmless in a log."""
    label = None if application is None else short(application)
    return Reason(code=code, verdict=verdict, application=label, rule=rule, message=short(message, 600))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts, their codes, and the errors that stand for them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._base.errors import PerimeterError
from .._base.log_text import short

Word = t.Literal["pass", "fail", "inconclusive", "policy_error", "platform_error"]

CODES: dict[Word, int] = {"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}
"""What a CI job exits with. ``ansible-playbook`` itself knows only 2 for a failed play."""

_ORDER: tuple[Word, ...] = ("pass", "inconclusive", "fail", "policy_error", "platform_error")


class PolicyError(PerimeterError):
    """The policy, the waivers or the baseline cannot be acted on."""

    kind = "policy"


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


def worst(words: t.Iterable[Word]) -> Word:
    """The verdict of several together: one application that fails is a fail, whatever is unknown about others."""
    return max(words, key=_ORDER.index, default="pass")

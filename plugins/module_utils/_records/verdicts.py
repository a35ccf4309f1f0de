# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a verdict: what a run comes to, with its code, and what can become of a finding.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

Word = t.Literal["pass", "fail", "inconclusive", "policy_error", "platform_error"]

CODES: dict[Word, int] = {"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}
"""What a CI job exits with. ``ansible-playbook`` itself knows only 2 for a failed play."""

_MILD_FIRST: tuple[Word, ...] = ("pass", "inconclusive", "fail", "policy_error", "platform_error")

COUNTED = ("fail", "warn", "inconclusive", "no_rule", "within_limit")
"""Decisions about findings that the gate counted."""
SUPPRESSED = ("waived", "ignored", "protected")
"""Decisions about findings that are there and do not count."""
LEFT_OUT = ("excluded", "fixed")
"""Decisions about findings that are out of the question."""
DECISIONS = (*COUNTED, *SUPPRESSED, *LEFT_OUT)
"""Everything that can become of a finding, what matters most first."""


def weight(word: Word) -> int:
    """How much a verdict weighs beside others: the largest decides."""
    return _MILD_FIRST.index(word)


def worst(words: t.Iterable[Word]) -> Word:
    """The verdict of several together: one application that fails is a fail, whatever is unknown about others."""
    return max(words, key=weight, default="pass")

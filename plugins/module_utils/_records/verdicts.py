# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of a verdict: the results of a run with their codes, and the possible decisions about a finding.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

Word = t.Literal["pass", "fail", "inconclusive", "policy_error", "platform_error"]

CODES: dict[Word, int] = {"pass": 0, "fail": 10, "inconclusive": 11, "policy_error": 12, "platform_error": 20}
"""The exit code of a CI job. ``ansible-playbook`` itself returns 2 for every failed play."""

_MILD_FIRST: tuple[Word, ...] = ("pass", "inconclusive", "fail", "policy_error", "platform_error")

COUNTED = ("fail", "warn", "inconclusive", "no_rule", "within_limit")
"""Decisions about findings that the gate counted."""
SUPPRESSED = ("waived", "ignored", "protected")
"""Decisions about findings that exist but do not count."""
LEFT_OUT = ("excluded", "fixed")
"""Decisions about findings that the policy does not consider."""
DECISIONS = (*COUNTED, *SUPPRESSED, *LEFT_OUT)
"""All possible decisions about a finding, most important first."""


def weight(word: Word) -> int:
    """The weight of a verdict: the largest decides."""
    return _MILD_FIRST.index(word)


def worst(words: t.Iterable[Word]) -> Word:
    """The combined verdict of several: one application that fails is a fail, whatever is unknown about others."""
    return max(words, key=weight, default="pass")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a finding stands: whether it counts, does not count on purpose, or is out of the question.

This module is private to the collection and may change at any time.

All formats ask here, so that a finding that is waived in one of them is waived in every other. A finding that the gate
has not judged stands where the scanner's words put it: a gate that broke must not make findings vanish.
"""

from __future__ import annotations

import typing as t

from ..._records.changes import state_of
from ..._records.model import Finding
from ..._records.verdicts import COUNTED, SUPPRESSED
from .. import text
from ..inputs.gate_view import Decision
from ..inputs.model import ReportInput

_WORDS = 1000
DECISION_LABELS = {
    "fail": "Fails",
    "warn": "Warning",
    "inconclusive": "Inconclusive",
    "no_rule": "No rule",
    "within_limit": "Within limit",
    "waived": "Waived",
    "ignored": "Ignored",
    "protected": "Protected",
    "excluded": "Excluded",
    "fixed": "Fixed",
}
VERDICT_LABELS = {
    "pass": "Pass",
    "fail": "Fail",
    "inconclusive": "Inconclusive",
    "policy_error": "Policy error",
    "platform_error": "Platform error",
}


class Standing(t.NamedTuple):
    """Where a finding stands. ``why`` is set for what does not count on purpose."""

    decision: Decision | None
    counts: bool
    suppressed: bool
    why: str

    @property
    def fails(self) -> bool:
        """Whether the gate is closed because of it."""
        return self.decision is not None and self.decision.decision == "fail"


def standing_of(report: ReportInput, finding: Finding) -> Standing:
    """Where a finding stands, by the gate when it judged it, else by its state at the source."""
    state = state_of(finding)
    decision = report.gate.decision(finding) if report.gate else None
    if decision is None:
        suppressed = state in ("ignored", "protected")
        return Standing(None, state == "open", suppressed, _source_note(finding, state) if suppressed else "")
    counts = decision.decision in COUNTED and (state != "information" or decision.decision in ("fail", "warn"))
    suppressed = decision.decision in SUPPRESSED and state != "information"
    why = text.line(decision.note or decision.by or decision.decision, _WORDS) if suppressed else ""
    return Standing(decision, counts, suppressed, why)


def _source_note(finding: Finding, state: str) -> str:
    ignored = finding["ignored"]
    said = (ignored and (ignored["comment"] or ignored["reason"])) or "at its source"
    return text.line(f"{state}: {said}", _WORDS)


def decision_label(decision: Decision | None) -> str:
    """A decision in words, with what it was new by: ``Fails (new)``."""
    if decision is None:
        return ""
    words = DECISION_LABELS.get(decision.decision, text.line(decision.decision, 40))
    return f"{words} ({text.line(decision.state, 40)})" if decision.state else words


def decided_by(decision: Decision | None) -> str:
    """What decided, and what it said."""
    if decision is None:
        return ""
    return text.line(": ".join(filter(None, (decision.by, decision.note))), _WORDS)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The standing of a finding: it counts, is suppressed on purpose, or is outside of the policy.

This module is private to the collection and may change at any time.

All formats ask here, so that a finding that is waived in one of them is waived in every other. Without a decision of
the gate, the state that the scanner reports decides: a gate that failed must not make findings vanish.
"""

from __future__ import annotations

import typing as t

from ..._records.changes import state_of
from ..._records.model import Finding
from ..._records.verdicts import COUNTED, SUPPRESSED
from .. import text
from ..inputs.gate_view import DecisionView
from ..inputs.model import ReportInput

_WORDS = 1000
_EXCLUSION = "exclude"
"""The value of ``decided_by`` for an exclusion of the policy."""
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
    """The standing of a finding.

    ``suppressed``: it exists and does not count on purpose. ``left_out``: the gate excluded it. For both, ``why`` says
    what decided.
    """

    decision: DecisionView | None
    counts: bool
    suppressed: bool
    why: str
    left_out: bool = False

    @property
    def set_aside(self) -> bool:
        """Whether it is shown without being counted: in a format without it, an exclusion would look like a fix."""
        return self.suppressed or self.left_out

    @property
    def fails(self) -> bool:
        """Whether the finding fails the gate."""
        return self.decision is not None and self.decision.decision == "fail"


def standing_of(report: ReportInput, finding: Finding) -> Standing:
    """The standing of a finding: by the decision of the gate, else by its state at the source."""
    state = state_of(finding)
    decision = report.gate.decision(finding) if report.gate else None
    if decision is None:
        suppressed = state in ("ignored", "protected")
        return Standing(None, state == "open", suppressed, _source_note(finding, state) if suppressed else "")
    counts = decision.decision in COUNTED and (state != "information" or decision.decision in ("fail", "warn"))
    suppressed = decision.decision in SUPPRESSED and state != "information"
    left_out = decision.decision == "excluded" and (state != "information" or decision.by == _EXCLUSION)
    why = text.line(_why(report, finding, decision), _WORDS) if suppressed or left_out else ""
    return Standing(decision, counts, suppressed, why, left_out)


def _why(report: ReportInput, finding: Finding, decision: DecisionView) -> str:
    """What decided, in words for a reader who does not know the policy."""
    if decision.decision == "waived":
        waiver = report.gate.waiver(decision.waiver) if report.gate else None
        return _waiver_note(waiver) if waiver else decision.note or decision.by or decision.decision
    if decision.decision == "ignored":
        return _source_note(finding, "ignored")
    if decision.decision == "protected":
        return decision.note or _source_note(finding, "protected")
    if decision.by == _EXCLUSION:
        return f"excluded by the policy: {decision.note or decision.by}"
    return f"excluded: {decision.note or decision.by or decision.decision}"


def _waiver_note(waiver: t.Mapping[str, t.Any]) -> str:
    facts = (("owner", "owner"), ("until", "expires"), ("ticket", "ticket"))
    told = "".join(f", {label} {waiver[name]}" for label, name in facts if waiver.get(name))
    return f"waiver {waiver.get('id')}: {waiver.get('reason') or 'no reason given'}{told}"


def _source_note(finding: Finding, state: str) -> str:
    if state == "protected":
        return text.line(f"virtual patch {finding['patch'] or ''}".strip(), _WORDS)
    ignored = finding["ignored"]
    said = (ignored and (ignored["comment"] or ignored["reason"])) or "at its source"
    return text.line(f"{state}: {said}", _WORDS)


def decision_label(decision: DecisionView | None) -> str:
    """A decision in words, with the state of the finding: ``Fails (new)``."""
    if decision is None:
        return ""
    words = DECISION_LABELS.get(decision.decision, text.line(decision.decision, 40))
    return f"{words} ({text.line(decision.state, 40)})" if decision.state else words


def decided_by(decision: DecisionView | None) -> str:
    """The rule, waiver or option that decided, and its note."""
    if decision is None:
        return ""
    return text.line(": ".join(filter(None, (decision.by, decision.note))), _WORDS)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The next steps after a verdict that is not a pass: fix findings, add a suggested waiver, or run the gate again.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import json
import typing as t

from ..._base.log_text import short
from ..._records.verdicts import Word
from ..inputs.facts import RANKS

_WAIVED_AT_MOST = 5
"""Number of findings that the suggested waiver names. Few, because somebody takes responsibility for each of them."""
_LONGEST = 30
"""Days for which the suggested waiver is valid, unless the policy allows fewer."""
_IDENTITIES = (("unique_id", "unique_ids"), ("fingerprint", "fingerprints"), ("id", "ids"))
_OTHERWISE = {
    "inconclusive": "No conclusion is possible, with or without waivers. Fix what the reasons name, and run again.",
    "policy_error": "Correct the file or the option that the reason names, and run again.",
    "platform_error": "Not everything was judged or stored. Fix what the reason names, and run again.",
}


def next_steps(
    verdict: Word,
    today: dt.date,
    explained: t.Sequence[t.Mapping[str, t.Any]] = (),
    max_days: t.Mapping[str, int] | None = None,
) -> list[str]:
    """Return lines of advice for people; none for a pass.

    Args:
        verdict: the verdict of the run.
        today: the current UTC day.
        explained: explanations of findings, the worst first.
        max_days: for how many days a waiver may be valid, by severity.
    """
    if verdict == "pass":
        return []
    if verdict != "fail":
        return [_OTHERWISE[verdict]]
    failed = [item for item in explained if item["decision"] == "fail"]
    lines = ["Fix the findings that broke a rule, and scan again."]
    waiver = _waiver(failed, today, max_days or {})
    if waiver:
        lines.append("Or, if somebody takes responsibility for them, complete these lines and add them to the waivers:")
    return lines + waiver


def _waiver(failed: t.Sequence[t.Mapping[str, t.Any]], today: dt.date, max_days: t.Mapping[str, int]) -> list[str]:
    """Return a waiver for the worst findings as lines of YAML, an item of the list ``waivers``."""
    found = [(key, field) for field, key in _IDENTITIES if any(item[field] for item in failed)]
    if not found:
        return []
    key, field = found[0]
    named = [item for item in failed if item[field]][:_WAIVED_AT_MOST]
    words = ", ".join(_quoted(str(item[field])) for item in named)
    severity = min((item["severity"] for item in named), key=RANKS.__getitem__)
    days = min(_LONGEST, *(max_days.get(item["severity"], _LONGEST) for item in named))
    rule = short(str(named[0]["decided_by"]).removeprefix("rule:"), 80)
    return [
        f"  - id: W-{today:%Y%m%d}-1  # {severity}, {rule}",
        "    match:",
        f"      {key}: [{words}]",
        "    type: risk_accepted  # or false_positive, mitigated, not_applicable",
        "    owner: WHO ANSWERS FOR IT",
        "    reason: WHY IT MAY SHIP",
        "    ticket: TICKET",
        f"    created: {today.isoformat()}",
        f"    expires: {(today + dt.timedelta(days=days)).isoformat()}",
    ]


def _quoted(identity: str) -> str:
    """Quote a text for YAML, and escape what a CI system would read as a command in its log."""
    return json.dumps(identity).replace("#", "\\u0023").replace("::", ":\\u003a")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins the knowledge base of a scanner (what a rule means, how to fix it) to the rules that occur in the findings.

This module is private to the collection and may change at any time.

The vendor's texts are data like everything else: every writer escapes them as it escapes a title.
"""

from __future__ import annotations

import typing as t

from ..._records.files.knowledge import TEXTS, Entries, Key, cves_of, words_of
from ..._records.model import SEVERITIES, Finding
from .. import text
from . import model

TEXT_CHARACTERS = 20_000
"""How much of each text any format keeps."""
FIELDS: tuple[tuple[str, str], ...] = tuple((name, name.capitalize()) for name in TEXTS)
"""The texts of an entry and their headings, in the order in which they are shown."""


class RuleTally:
    """Counts the rules that occur in the findings, in the same pass that computes the figures."""

    def __init__(self) -> None:
        self._rules: dict[Key, model.RuleKnowledge] = {}

    def add(self, finding: Finding, state: str) -> None:
        """Count one finding. The first of a rule is its worst, as findings come worst first."""
        rule_id = finding["rule_id"]
        # Imported findings have the rule 0, which no knowledge base knows.
        if not rule_id or rule_id == "0":
            return
        key = (finding["source"], rule_id)
        rule = self._rules.get(key)
        if rule is None:
            rule = self._rules[key] = model.RuleKnowledge(
                source=finding["source"],
                rule_id=rule_id,
                title=model.title_label(finding),
                severity=finding["severity"],
                findings=0,
                open=0,
                diagnosis=None,
                consequence=None,
                solution=None,
                cves=[],
            )
        rule["findings"] += 1
        if state == "open":
            if not rule["open"]:
                rule["severity"] = finding["severity"]
            rule["open"] += 1

    def joined(self, entries: Entries) -> tuple[tuple[model.RuleKnowledge, ...], int]:
        """The rules that have an entry, those with open risks first, worst first; and the number of rules without one.

        Rules of a scanner that has no entry at all are not counted.
        """
        known = [_joined(rule, entries[key]) for key, rule in self._rules.items() if key in entries]
        sources = {source for source, _rule_id in entries}
        unknown = sum(key not in entries for key in self._rules if not sources or key[0] in sources)
        return tuple(sorted(known, key=_worst_first)), unknown


def _worst_first(rule: model.RuleKnowledge) -> tuple[t.Any, ...]:
    rank = SEVERITIES.index(rule["severity"])
    return (not rule["open"], rank, -rule["open"], -rule["findings"], rule["source"], rule["rule_id"])


def _joined(rule: model.RuleKnowledge, entry: dict[str, t.Any]) -> model.RuleKnowledge:
    found = rule.copy()
    title = entry.get("title")
    if isinstance(title, str) and title.strip():
        found["title"] = text.clip(title.strip(), model.FIELD_CHARACTERS)
    found["diagnosis"] = _clipped(entry, "diagnosis")
    found["consequence"] = _clipped(entry, "consequence")
    found["solution"] = _clipped(entry, "solution")
    found["cves"] = cves_of(entry)
    return found


def _clipped(entry: dict[str, t.Any], name: str) -> str | None:
    words = words_of(entry, name)
    return text.clip(words, TEXT_CHARACTERS) if words else None

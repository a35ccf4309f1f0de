# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the HTML report that says what the rules mean and how to fix the findings.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from .. import text
from ..figures import collect
from ..inputs import model
from ..inputs.knowledge import FIELDS
from ..inputs.model import ReportInput
from .markup import Markup, escape, h
from .sections import badge, section

RULES_AT_MOST = 400
CHARACTERS = 6000
"""Limits of the page for rules and for the characters of each text; the JSON report has more."""


def link(report: ReportInput) -> Markup:
    """The entry of the navigation; nothing without a knowledge base."""
    if report.knowledge is None:
        return Markup("")
    return h("li", None, h("a", {"href": "#remediation"}, "How to fix"))


def remediation(report: ReportInput) -> Markup:
    """One box for each rule, worst first; nothing without a knowledge base."""
    rules = report.knowledge
    if rules is None:
        return Markup("")
    heading = "What it means and how to fix it"
    if not rules:
        words = h("p", {"class": "empty"}, "The knowledge base explains none of the rules of the findings.")
        return section("remediation", heading, words)
    shown = rules[:RULES_AT_MOST]
    lead = (
        f"{text.plural(len(rules), 'rule')} of the findings, in the words of the scanner's knowledge base, worst first."
    )
    if len(rules) > len(shown):
        lead += f" Here are the first {len(shown):,}; the JSON report holds all."
    return section("remediation", heading, *map(_rule, shown), lead=lead)


def _rule(rule: model.RuleKnowledge) -> Markup:
    source, number = collect.source_label(rule["source"]), text.line(rule["rule_id"], 100)
    counts = f"{text.plural(rule['open'], 'open risk')} of {text.plural(rule['findings'], 'finding')}"
    under = h("span", {"class": "under"}, f"{source} · rule {number} · {counts}")
    title = h("span", {"class": "strong"}, text.line(rule["title"], 240))
    summary = h("summary", None, badge(rule["severity"]), " ", title, under)
    # The script finds the words for a finding by its source and rule.
    frame = {"class": "card rule", "data-rule": f"{source} {number}"}
    return h("details", frame, summary, h("div", {"class": "words"}, *_texts(rule)))


def _texts(rule: model.RuleKnowledge) -> list[Markup]:
    parts: list[Markup] = []
    for name, label in FIELDS:
        words = rule[name]  # type: ignore[literal-required]
        if words:
            shown = escape(text.clip(words, CHARACTERS), block=True)
            parts += [h("h4", None, label), h("p", {"class": "prose"}, shown)]
    if rule["cves"]:
        parts += [h("h4", None, "CVE"), h("p", {"class": "prose"}, ", ".join(rule["cves"]))]
    return parts or [h("p", {"class": "empty"}, "The entry has no text.")]

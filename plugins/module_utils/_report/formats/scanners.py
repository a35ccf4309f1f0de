# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of scanners and ids of rules for the standard formats.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from ..._records.model import Finding
from .. import text
from ..inputs import model


class Scanner(t.NamedTuple):
    """A scanner: a short id, its product name, and its vendor."""

    id: str
    product: str
    vendor: str


_KNOWN = {
    "qualys": Scanner("qualys-was", "Qualys WAS", "Qualys"),
    "indusface": Scanner("indusface-was", "Indusface WAS", "Indusface"),
    "carbon_black": Scanner("carbon-black-cloud", "Carbon Black Cloud", "Broadcom"),
}
_NOT_A_SLUG = re.compile(r"[^a-z0-9]+")


def scanner_of(source: str) -> Scanner:
    """The scanner for the ``source`` of a record. Its names are never empty, whatever the source is."""
    known = _KNOWN.get(source.removesuffix("_was"))
    if known is not None:
        return known
    shown = text.line(source, 100) or "unknown"
    return Scanner(_NOT_A_SLUG.sub("-", shown.lower()).strip("-") or "unknown", shown, "unknown")


def is_qualys(finding: Finding) -> bool:
    """Whether the rule of a finding is a QID of Qualys."""
    return finding["source"].removesuffix("_was") == "qualys" and bool(finding["rule_id"])


def rule_label(finding: Finding, limit: int = 200) -> str:
    """The rule of a finding, or its title when it has no rule."""
    return text.line(finding["rule_id"] or model.title_label(finding), limit)


def explained_rules(report: model.ReportInput) -> dict[tuple[str, str], model.RuleKnowledge]:
    """The rules that a knowledge base explains, by source and rule."""
    return {(item["source"], item["rule_id"]): item for item in report.knowledge or ()}


def rule_key(finding: Finding) -> tuple[str, str]:
    """The key of a finding in :func:`explained_rules`."""
    return finding["source"], finding["rule_id"] or ""

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects what a report shows of each application beyond its counts, while the findings are written.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import heapq
import typing as t

from ..._records.path_templates import host_of
from ..inputs import model
from ..inputs.matches import NOT_BLOCKED
from .rows import FindingRow
from .summarise import attack_score, base_score

WORST = 5
_Key = tuple[str, str]


class WorstFinding(t.NamedTuple):
    """One of the findings to fix first."""

    title: str
    severity: str
    url: str | None
    age: int | None
    attacked: bool


@dataclasses.dataclass
class ApplicationFacts:
    """What changed in one application, what to fix first, and the hosts of its findings."""

    changes: dict[str, int] = dataclasses.field(default_factory=dict)
    hosts: set[str] = dataclasses.field(default_factory=set)
    ranked: list[tuple[int, int, WorstFinding]] = dataclasses.field(default_factory=list)

    def worst(self) -> list[WorstFinding]:
        """The open findings with the highest scores."""
        return [item for _score, _order, item in sorted(self.ranked, reverse=True)]


_HOSTS = 20


class ApplicationTally:
    """Facts by application. Memory grows with their number, not with the number of findings."""

    def __init__(self) -> None:
        self._found: dict[_Key, ApplicationFacts] = {}

    def add(self, row: FindingRow) -> None:
        """Take one finding, in report order."""
        finding = row.finding
        asset = finding["asset"]
        key = (finding["source"], asset["id"] or model.application_label(finding))
        facts = self._found.get(key)
        if facts is None:
            facts = self._found[key] = ApplicationFacts()
            if host := host_of(asset["url"] or ""):
                facts.hosts.add(host)
        if row.change:
            facts.changes[row.change] = facts.changes.get(row.change, 0) + 1
        if row.state != "open":
            return
        if len(facts.hosts) < _HOSTS and (host := host_of(finding["url"] or "")):
            facts.hosts.add(host)
        attack = row.match.kind if row.match else ""
        score = base_score(finding, row.age) + attack_score(finding, attack)
        # Of two findings with the same score, the earlier one stays: report order decides.
        if len(facts.ranked) < WORST:
            heapq.heappush(facts.ranked, (score, -row.position, _worst(row, attack)))
        elif score > facts.ranked[0][0]:
            heapq.heapreplace(facts.ranked, (score, -row.position, _worst(row, attack)))

    def of(self, application: model.ApplicationSummary) -> ApplicationFacts:
        """The facts of an application of the summary."""
        key = (application["source"], application["id"] or application["name"])
        return self._found.get(key) or ApplicationFacts()


def _worst(row: FindingRow, attack: str) -> WorstFinding:
    title, url = model.title_label(row.finding), row.finding["url"]
    return WorstFinding(title[:300], row.finding["severity"], url and url[:300], row.age, attack == NOT_BLOCKED)

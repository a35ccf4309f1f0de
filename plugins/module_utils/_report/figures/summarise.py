# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes all figures of a report in one pass over the findings.

This module is private to the collection and may change at any time.

Memory grows with the number of applications and rules, not with the number of findings.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._records.changes import STATES, state_of
from ..._records.model import STATUSES, Finding
from ..._records.redaction.values import MARKER
from .. import text
from ..inputs import model, owasp
from ..inputs.knowledge import RuleTally
from ..inputs.matches import CLASSES, NOT_BLOCKED, Matches
from ..inputs.model import SeverityCounts

_Category = tuple[t.Optional[int], t.Optional[int], str]
"""Edition, number and name of an OWASP category."""
_NOT_MAPPED: _Category = (None, None, "")

TOP_RISKS = 25
IGNORED_LISTED = 200
ATTACKED_POINTS = 500
"""More than any severity gives: a finding that was attacked and not blocked comes first."""
_SEVERITY_POINTS = {"critical": 400, "high": 300, "medium": 200, "low": 100}


def age_bucket(days: int | None) -> str:
    """The age bucket of an open finding."""
    if days is None:
        return model.AGE_UNKNOWN
    return next(label for label, last in model.AGE_BUCKETS if days <= last)


def base_score(finding: Finding, days: int | None) -> int:
    """Points of a finding without those for the spread of its rule; see ``model.SCORING_RULE``."""
    cvss = finding["cvss_score"]
    if cvss is None and finding["detection_score"] is not None:
        cvss = finding["detection_score"] / 10
    points = _SEVERITY_POINTS.get(finding["severity"], 0)
    points += round(4 * min(max(cvss or 0.0, 0.0), 10.0))
    points += 15 if finding["status"] == "reopened" else 0
    points += min((days or 0) // 12, 15)
    return points + min(max(finding["times_seen"] or 0, 0), 10)


def attack_score(finding: Finding, attack: str) -> int:
    """Points for an attack that was not blocked; see ``model.SCORING_RULE``."""
    return ATTACKED_POINTS if attack == NOT_BLOCKED and finding["severity"] != "info" else 0


@dataclasses.dataclass
class _RuleSum:
    """The open findings of one rule while counting."""

    best: Finding
    score: int
    days: int | None
    findings: int = 0
    reopened: int = 0
    oldest: int | None = None
    most_seen: int | None = None
    attacked: int = 0
    blocked: int = 0
    applications: set[str] = dataclasses.field(default_factory=set)

    def total_score(self) -> int:
        return self.score + min(len(self.applications), 19)


def _larger(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return first if second is None else second
    return max(first, second)


def _quality_of(finding: Finding) -> t.Iterator[str]:
    """Names of the data-quality counters that this finding increments."""
    for field in ("severity", "status", "kind"):
        if finding[field] == "unknown":
            yield f"unknown_{field}"
    if not finding["title"]:
        yield "without_title"
    if not finding["asset"]["name"]:
        yield "without_application_name"
    if text.read_time(finding["first_seen"]) is None:
        yield "without_first_seen"
    if finding["evidence"]:
        yield "with_evidence"
        if any(_is_redacted(item) for item in finding["evidence"]):
            yield "with_redacted_evidence"


def _is_redacted(item: t.Mapping[str, t.Any]) -> bool:
    return any(isinstance(value, str) and MARKER in value for value in item.values())


class _SummaryTally:
    """The counters of one pass."""

    def __init__(self, now: str, matches: Matches | None) -> None:
        self.now = now
        self.matches = matches
        self.attacked = dict.fromkeys(CLASSES, 0) if matches else {}
        self.total = 0
        self.states = dict.fromkeys(STATES, 0)
        self.severity = model.no_counts()
        self.status: dict[str, SeverityCounts] = {status: model.no_counts() for status in STATUSES}
        self.age = {label: model.no_counts() for label, _last in model.AGE_BUCKETS}
        self.age[model.AGE_UNKNOWN] = model.no_counts()
        self.kinds = {kind: dict.fromkeys((*STATES, "total"), 0) for kind in model.KINDS}
        self.owasp: dict[_Category, SeverityCounts] = {}
        self.applications: dict[tuple[str, str], model.ApplicationSummary] = {}
        self.rules: dict[tuple[str, str, str], _RuleSum] = {}
        self.ignored: list[model.IgnoredSummary] = []
        self.ignored_by_reason: dict[str, int] = {}
        self.sources: dict[str, int] = {}
        self.quality: dict[str, int] = {}

    def add(self, finding: Finding) -> None:
        state = state_of(finding)
        self.total += 1
        self.states[state] += 1
        self.kinds[finding["kind"]][state] += 1
        self.kinds[finding["kind"]]["total"] += 1
        self.sources[finding["source"]] = self.sources.get(finding["source"], 0) + 1
        application = self._application(finding)
        application["total"] += 1
        application["states"][state] += 1
        if (finding["last_tested"] or "") > (application["last_tested"] or ""):
            application["last_tested"] = finding["last_tested"]
        if state != "information":
            self.status[finding["status"]][finding["severity"]] += 1
        if state == "open":
            self._add_open(finding, application)
        elif state == "ignored":
            self._add_ignored(finding)
        for name in _quality_of(finding):
            self.quality[name] = self.quality.get(name, 0) + 1

    def _application(self, finding: Finding) -> model.ApplicationSummary:
        asset = finding["asset"]
        key = (finding["source"], asset["id"] or model.application_label(finding))
        found = self.applications.get(key)
        if found is None:
            found = self.applications[key] = model.ApplicationSummary(
                id=asset["id"],
                name=model.application_label(finding),
                source=finding["source"],
                severity=model.no_counts(),
                open=0,
                states=dict.fromkeys(STATES, 0),
                total=0,
                oldest_days=None,
                last_tested=None,
                attacked=0,
            )
        return found

    def _add_open(self, finding: Finding, application: model.ApplicationSummary) -> None:
        severity = finding["severity"]
        days = text.age_in_days(finding["first_seen"], self.now)
        self.severity[severity] += 1
        self.age[age_bucket(days)][severity] += 1
        application["severity"][severity] += 1
        application["open"] += 1
        application["oldest_days"] = _larger(application["oldest_days"], days)
        categories = {(owasp.edition_of(item), item["code"], item["name"] or "") for item in finding["owasp"]}
        for category in categories or {_NOT_MAPPED}:
            self.owasp.setdefault(category, model.no_counts())[severity] += 1
        attack = ""
        if self.matches is not None:
            attack = self.matches.of(finding).kind
            self.attacked[attack] += 1
            application["attacked"] += attack == NOT_BLOCKED
        self._add_rule(finding, days, f"{application['source']}\0{application['id'] or application['name']}", attack)

    def _add_rule(self, finding: Finding, days: int | None, application: str, attack: str) -> None:
        # One rule is one row, whatever its titles are: Qualys reuses a QID for variants. Imported findings have no
        # rule, so the title groups them.
        rule_id = finding["rule_id"] or ""
        key = (finding["source"], rule_id, "" if rule_id not in ("", "0") else finding["title"] or "")
        score = base_score(finding, days) + attack_score(finding, attack)
        rule = self.rules.get(key)
        if rule is None:
            rule = self.rules[key] = _RuleSum(best=finding, score=score, days=days)
        elif score > rule.score:
            rule.best, rule.score, rule.days = finding, score, days
        rule.findings += 1
        rule.attacked += attack == NOT_BLOCKED
        rule.blocked += attack == "blocked"
        rule.reopened += finding["status"] == "reopened"
        rule.oldest = _larger(rule.oldest, days)
        rule.most_seen = _larger(rule.most_seen, finding["times_seen"])
        rule.applications.add(application)

    def _add_ignored(self, finding: Finding) -> None:
        ignored = finding["ignored"]
        if ignored is None:
            return
        reason = ignored["reason"] or "no reason given"
        self.ignored_by_reason[reason] = self.ignored_by_reason.get(reason, 0) + 1
        if len(self.ignored) < IGNORED_LISTED:
            self.ignored.append(
                model.IgnoredSummary(
                    title=model.title_label(finding),
                    application=model.application_label(finding),
                    severity=finding["severity"],
                    **ignored,
                )
            )

    def ranked_rules(self) -> list[model.RiskSummary]:
        ranked = sorted(self.rules.items(), key=lambda item: (-item[1].total_score(), -item[1].findings, item[0]))
        return [_risk(rule) for _key, rule in ranked[:TOP_RISKS]]

    def summary(self) -> model.Summary:
        applications = sorted(self.applications.values(), key=_worst_application_first)
        return model.Summary(
            schema=model.REPORT_SCHEMA,
            now=self.now,
            total=self.total,
            states=self.states,
            open_by_severity=self.severity,
            by_status=self.status,
            by_age=self.age,
            by_kind=self.kinds,
            by_owasp=_owasp(self.owasp),
            applications=applications,
            applications_with_findings=len(applications),
            applications_with_open=sum(1 for item in applications if item["open"]),
            top_risks=self.ranked_rules(),
            rules_with_open=len(self.rules),
            ignored=self.ignored,
            ignored_by_reason=dict(sorted(self.ignored_by_reason.items(), key=lambda item: (-item[1], item[0]))),
            sources=dict(sorted(self.sources.items())),
            quality=dict(sorted(self.quality.items())),
            attacked=self.attacked,
        )


def _risk(rule: _RuleSum) -> model.RiskSummary:
    best = rule.best
    return model.RiskSummary(
        rule_id=best["rule_id"],
        title=model.title_label(best),
        source=best["source"],
        severity=best["severity"],
        score=rule.total_score(),
        findings=rule.findings,
        applications=len(rule.applications),
        application=model.application_label(best),
        cvss_score=best["cvss_score"],
        detection_score=best["detection_score"],
        reopened=rule.reopened,
        oldest_days=rule.oldest,
        times_seen=rule.most_seen,
        attacked=rule.attacked,
        blocked=rule.blocked,
    )


def _worst_application_first(application: model.ApplicationSummary) -> tuple[t.Any, ...]:
    counts = (-application["severity"][severity] for severity in model.SEVERITY_RANK)
    names = application["name"].casefold(), application["source"], application["id"] or ""
    return (-application["attacked"], *counts, *names)


def _owasp(categories: dict[_Category, SeverityCounts]) -> list[model.OwaspSummary]:
    """Categories by edition, newest first, and number; unmapped findings come last."""

    def order(category: _Category) -> tuple[bool, int, int, str]:
        edition, code, name = category
        return (category == _NOT_MAPPED, -(edition or 0), 10**6 if code is None else code, name)

    return [
        model.OwaspSummary(
            edition=key[0], code=key[1], name=key[2], severity=categories[key], open=sum(categories[key].values())
        )
        for key in sorted(categories, key=order)
    ]


def summarise(
    findings: t.Iterable[Finding], *, now: str, rules: RuleTally | None = None, matches: Matches | None = None
) -> model.Summary:
    """Count, group and rank findings.

    Args:
        findings: in report order, so that the lists of the summary are worst first.
        now: the UTC time at which ages are computed; empty when not known, and then no age is known.
        rules: receives every finding and counts the rules.
        matches: which findings were attacked; those with an attack that was not blocked come first.

    Returns:
        The figures.
    """
    tally = _SummaryTally(now, matches)
    for finding in findings:
        tally.add(finding)
        if rules is not None:
            rules.add(finding, state_of(finding))
    return tally.summary()

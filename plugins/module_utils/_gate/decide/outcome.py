# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns figures into verdicts: for each application, for the run, and for each explanation.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import typing as t

from ..._base.log_text import short
from ..._records.coerce import bounded
from ..._records.identity import AppKey
from ..._records.policy.patterns import application_test
from ..._records.verdicts import LEFT_OUT, SUPPRESSED, Word, worst
from ..inputs.facts import RANKS, Record, label
from ..inputs.records import Problem
from ..inputs.snapshots import Snapshot
from ..policy.baseline import Places
from ..policy.policy import Policy, gaps_of
from ..policy.rules import NEW_STATES, Rule
from ..verdict import Reason, reason
from .exclusions import matches_name
from .explain import Decision
from .judge import Application, Judge
from .scope import is_running, names_asked, order_problem, scan_problems

_SCAN_SHOWN = ("id", "time", "ended", "profile")


@dataclasses.dataclass
class Judgement:
    """The result of judging all findings."""

    judge: Judge
    policy: Policy
    scans: dict[AppKey, Record]
    reasons: list[Reason]
    run_rules: dict[str, tuple[Rule, int]]
    verdicts: dict[AppKey, Word]

    @property
    def applications(self) -> list[Application]:
        """All applications, sorted by name."""
        return sorted(self.judge.applications.values(), key=lambda app: (app.label.casefold(), app.key))

    def exceeded_in_run(self) -> dict[str, Rule]:
        """Return the broken rules that count over the whole run, by name."""
        return {name: rule for name, (rule, count) in self.run_rules.items() if count > rule.limit}


def settle_scope(
    judge: Judge,
    policy: Policy,
    snapshots: t.Sequence[Snapshot],
    scans: dict[AppKey, Record],
    now: dt.datetime,
) -> list[Reason]:
    """Add the problems of each application, with any of which it allows no conclusion.

    Returns:
        Reasons for what is missing in the run as a whole.
    """
    for app in judge.applications.values():
        scan = scans.get(app.key)
        app.problems += _snapshot_problems(app, snapshots, scan)
        before = app.section.scan if app.section else None
        app.problems += scan_problems(scan, app.judged.quality, before, policy.scope.scans_required, now)
        if app.key in judge.left_out:
            app.problems.append(("name_unclear", "some of its findings name another application, and were left out"))
        if app.renamed:
            app.problems.append(("name_unclear", "it has several names, for which the policy has different rules"))
        if not app.judged.rules:
            app.problems.append(("no_rule", "the policy has no rule for this application, so everything would pass"))
        all_taken = app.taken.all_risks() if app.judged.rules else None
        if all_taken is not None and not matches_name(policy.may_exclude_all, app.key, app.name):
            words = f"exclusions left out everything that was found ({all_taken})"
            app.problems.append(("all_excluded", f"{words}; add it to may_exclude_all if that is intended"))
        if app.needs_baseline() and app.section is None and policy.missing_baseline == "inconclusive":
            app.problems.append(("baseline_missing", "the baseline knows nothing about this application"))
    return [*_strays(judge), *_missing(judge, policy, snapshots), *_unseen(judge, snapshots)]


def _strays(judge: Judge) -> t.Iterator[Reason]:
    if judge.strays:
        words = f"{_findings(judge.strays)} without an application id, which may belong to an application in scope"
        yield reason("application_unknown", "inconclusive", words)


def _unseen(judge: Judge, snapshots: t.Sequence[Snapshot]) -> t.Iterator[Reason]:
    """Warn about applications of the baseline that the snapshots cover and that do not occur in this run.

    Only a warning, because such an application may have been removed for good.
    """
    for key, section in judge.unseen_sections():
        name = bounded(section.raw.get("name"))
        if any(snapshot.covers(key, name) for snapshot in snapshots):
            who = short(label(key, name), 100)
            words = f"the baseline contains {who}, but neither a finding nor a scan of it was given"
            yield reason("application_unseen", "pass", words)


def _snapshot_problems(app: Application, snapshots: t.Sequence[Snapshot], scan: Record | None) -> t.Iterator[Problem]:
    covering = [snapshot for snapshot in snapshots if snapshot.covers(app.key, app.name)]
    if not covering:
        yield "not_covered", "no snapshot of findings covers this application"
    for snapshot in snapshots:
        if snapshot.problems and (snapshot in covering or app.key in snapshot.apps):
            yield "snapshot_unusable", f"{snapshot.path.name} proves nothing: {snapshot.problems[0][0]}"
        elif scan is not None and snapshot in covering and not is_running(scan):
            problem = order_problem(snapshot, scan)
            if problem is not None:
                yield problem


def _missing(judge: Judge, policy: Policy, snapshots: t.Sequence[Snapshot]) -> t.Iterator[Reason]:
    sources = {snapshot.source for snapshot in snapshots}
    for source in policy.scope.sources:
        if source not in sources:
            yield reason("source_missing", "inconclusive", f"no snapshot of the source {short(source, 60)} was given")
    known = [(app.key[1].removeprefix("name:"), app.name) for app in judge.applications.values()]
    for pattern in policy.scope.applications:
        means = application_test([pattern])
        if not any(means(identity, name) for identity, name in known):
            words = f"the policy requires {short(pattern, 100)}, but neither a finding nor a scan of it was given"
            yield reason("application_missing", "inconclusive", words)
    for wanted in sorted({name for snapshot in snapshots for name in names_asked(snapshot)}):
        unknown = all(wanted != name for _identity, name in known)
        if unknown and (not policy.scope.applications or application_test(policy.scope.applications)("", wanted)):
            words = f"findings of {short(wanted, 100)} were requested, but neither a finding nor a scan of it was given"
            yield reason("application_missing", "inconclusive", words)
    if snapshots and not judge.applications and not policy.scope.applications:
        yield reason("nothing_judged", "inconclusive", "no application was found in the findings and the scans")
    for snapshot in snapshots:
        for code, message in snapshot.problems:
            yield reason(code, "inconclusive", message)


def decide(judge: Judge, policy: Policy, scans: dict[AppKey, Record], run_reasons: list[Reason]) -> Judgement:
    """Decide the verdict of each application, and collect all reasons."""
    outcome = Judgement(judge, policy, scans, [], _run_rules(judge), {})
    for app in outcome.applications:
        found = [*_reasons_of(app, policy)]
        outcome.verdicts[app.key] = worst(item["verdict"] for item in found)
        outcome.reasons += found
    for name, rule in outcome.exceeded_in_run().items():
        count = outcome.run_rules[name][1]
        words = f"{name}: {_findings(count)}{_older(rule)} in all applications, at most {rule.limit} allowed"
        outcome.reasons.append(reason("rule_broken", "pass" if rule.warn else "fail", words, rule=name))
    outcome.reasons += _doubtful_run_rules(outcome)
    outcome.reasons += run_reasons
    return outcome


def _doubtful_run_rules(outcome: Judgement) -> t.Iterator[Reason]:
    """Yield the rules of the whole run that would be broken if applications without a conclusion counted."""
    for name, (rule, count) in outcome.run_rules.items():
        doubtful = sum(app.by_rule[name] for app in outcome.applications if app.problems)
        if count <= rule.limit < count + doubtful:
            words = (
                f"{name}: {_findings(count + doubtful)}{_older(rule)} in all applications, at most {rule.limit} allowed"
            )
            word: Word = "pass" if rule.warn else "inconclusive"
            yield reason("rule_would_fail", word, f"would {'warn' if rule.warn else 'fail'}: {words}", rule=name)


def _run_rules(judge: Judge) -> dict[str, tuple[Rule, int]]:
    """Return the rules that count over the whole run, with their counts, by name.

    Applications that allow no conclusion do not count.
    """
    found: dict[str, tuple[Rule, int]] = {}
    for app in judge.applications.values():
        for rule in app.judged.rules:
            if rule.per_run:
                known, count = found.get(rule.name, (rule, 0))
                # An override for one application must not weaken the rule for the others.
                strictest = dataclasses.replace(
                    known, limit=min(rule.limit, known.limit), warn=rule.warn and known.warn
                )
                found[rule.name] = strictest, count + (0 if app.problems else app.by_rule[rule.name])
    return found


def _reasons_of(app: Application, policy: Policy) -> t.Iterator[Reason]:
    for code, message in app.problems:
        yield reason(code, "inconclusive", message, application=app.label)
    for rule in app.exceeded():
        words = f"{rule.name}: {_findings(app.by_rule[rule.name])}{_older(rule)}, at most {rule.limit} allowed"
        if rule.warn:
            yield reason("rule_broken", "pass", words, application=app.label, rule=rule.name)
        elif app.problems:
            words = f"would fail: {words}"
            yield reason("rule_would_fail", "inconclusive", words, application=app.label, rule=rule.name)
        else:
            yield reason("rule_broken", "fail", words, application=app.label, rule=rule.name)
    unexplained = app.counts["ignored_without_waiver"]
    if unexplained:
        words = f"{_findings(unexplained)} ignored at the source without a waiver: counted"
        yield reason("ignored_without_waiver", "pass", words, application=app.label)
    gaps = gaps_of(app.judged.rules)
    if gaps and gaps != policy.gaps:
        words = f"the policy limits milder vulnerabilities here, but none of severity {', '.join(gaps)}"
        yield reason("severity_gap", "pass", words, application=app.label)
    lowered = app.counts["severity_lowered"]
    if lowered and policy.edited_severity == "require_waiver":
        words = "was lowered at the source without a waiver: the original severity counts"
        words = f"the severity of {_findings(lowered)} {words}"
        yield reason("severity_lowered", "pass", words, application=app.label)
    if (
        app.section is None
        and app.needs_baseline()
        and not any(code == "baseline_missing" for code, _m in app.problems)
    ):
        yield reason(
            "baseline_missing", "pass", "the baseline knows nothing about this application", application=app.label
        )


def _findings(count: int) -> str:
    return "1 finding" if count == 1 else f"{count} findings"


def _older(rule: Rule) -> str:
    return f" older than {rule.age}" if rule.age else ""


def settler(outcome: Judgement) -> t.Callable[[Decision], dict[str, t.Any]]:
    """Return the function that makes the second half of an explanation from its decision."""
    broken: dict[AppKey, dict[str, Rule]] = {}
    in_run = outcome.exceeded_in_run()
    for app in outcome.applications:
        broken[app.key] = {rule.name: rule for rule in app.exceeded()} | in_run

    def settle(decision: Decision) -> dict[str, t.Any]:
        app = outcome.judge.applications.get(decision.app)
        word, by = (decision.decision, decision.by) if app is None else _settled(decision, app, broken[decision.app])
        return {
            "state": decision.state,
            "decision": word,
            "decided_by": by,
            "rules": list(decision.rules),
            "waiver": decision.waiver,
            "lapsed_waiver": decision.lapsed,
            "note": decision.note,
        }

    return settle


def _settled(decision: Decision, app: Application, broken: t.Mapping[str, Rule]) -> tuple[str, str | None]:
    if decision.decision != "counted":
        return decision.decision, decision.by
    if app.problems:
        return "inconclusive", f"scope:{app.problems[0][0]}"
    hit = [broken[name] for name in decision.rules if name in broken]
    for rule in sorted(hit, key=lambda rule: rule.warn):
        return ("warn" if rule.warn else "fail"), f"rule:{rule.name}"
    return ("within_limit", f"rule:{decision.rules[0]}") if decision.rules else ("no_rule", None)


def application_entry(app: Application, outcome: Judgement) -> dict[str, t.Any]:
    """Return the entry of one application in the verdict file."""
    scan = outcome.scans.get(app.key)
    return {
        "kind": "application",
        "source": app.key[0],
        "id": None if app.key[1].startswith("name:") else app.key[1],
        "name": app.name,
        "label": short(app.label),
        "verdict": outcome.verdicts[app.key],
        "problems": [code for code, _message in app.problems],
        "counts": counts_of([app]),
        "rules": [
            _rule_entry(rule, app.by_rule[rule.name], rule.name in map(_name, app.exceeded()))
            for rule in app.judged.rules
        ],
        "in_baseline": app.section is not None,
        "scan": None if scan is None else {name: bounded(scan.get(name)) for name in _SCAN_SHOWN},
    }


def _name(rule: Rule) -> str:
    return rule.name


def _rule_entry(rule: Rule, count: int, broken: bool) -> dict[str, t.Any]:
    return {
        "name": rule.name,
        "count": count,
        "limit": rule.limit,
        "count_per": "run" if rule.per_run else "application",
        "action": "warn" if rule.warn else "fail",
        "broken": broken,
    }


def run_rule_entries(outcome: Judgement) -> list[dict[str, t.Any]]:
    """Return the entries of the rules that count over the whole run."""
    return [_rule_entry(rule, count, count > rule.limit) for rule, count in outcome.run_rules.values()]


def counts_of(applications: t.Iterable[Application]) -> dict[str, t.Any]:
    """Return the sums over some applications. ``new`` includes reopened and escalated findings."""
    total: collections.Counter[str] = collections.Counter()
    severities: dict[str, collections.Counter[str]] = {
        "by_severity": collections.Counter(),
        "new_by_severity": collections.Counter(),
    }
    absent = 0
    for app in applications:
        total += app.counts
        severities["by_severity"] += app.by_severity
        severities["new_by_severity"] += app.new_by_severity
        absent += sum(map(len, absent_places(app).values()))
    return {
        "counted": total["counted"],
        "new": sum(total[state] for state in NEW_STATES),
        "reopened": total["reopened"],
        "escalated": total["escalated"],
        "known": total["known"],
        **{decision: total[decision] for decision in (*SUPPRESSED, *LEFT_OUT)},
        "ignored_without_waiver": total["ignored_without_waiver"],
        "absent": absent,
        **{name: {severity: counter[severity] for severity in RANKS} for name, counter in severities.items()},
    }


def absent_places(app: Application) -> Places:
    """Return the places of the baseline whose finding did not occur in this run, or is fixed."""
    return app.section.unseen(app.present) if app.section else {}

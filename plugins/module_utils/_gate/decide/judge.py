# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges findings one by one: which count, which are new, and which rules count them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import hashlib
import typing as t

from ..._base.log_text import short
from ..._records.coerce import bounded
from ..._records.identity import AppKey
from ..._records.policy.patterns import application_test
from ..._records.times import read_time
from ..._records.verdicts import LEFT_OUT
from ..inputs.facts import Facts, label
from ..inputs.records import AttackMatches, Problem
from ..policy.baseline import Baseline, Section, Twin
from ..policy.policy import Judged, Policy
from ..policy.rules import NEW_STATES, Rule
from ..policy.waivers import PUSHED_AS, Waiver, Waivers
from .exclusions import NO_RULE, Known, Taken
from .explain import Decision, Explanations

SYNC_LIMIT = 5000
"""How many findings each list of findings to ignore or activate at their source holds at most."""


class Waiting(t.NamedTuple):
    """A counted finding whose state is not decided yet, because the baseline has its identity.

    ``by_state`` holds the decision for each state, and ``place`` is the place of its explanation.
    """

    twin: Twin
    by_state: dict[str, Decision]
    place: int


@dataclasses.dataclass
class Application:
    """The figures of one application."""

    key: AppKey
    name: str | None
    judged: Judged
    section: Section | None
    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    by_rule: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    by_severity: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    new_by_severity: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    counted: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    waived: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    reopened: list[str] = dataclasses.field(default_factory=list)
    present: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    taken: Taken = dataclasses.field(default_factory=Taken)
    renamed: bool = False
    waiting: dict[str, list[Waiting]] = dataclasses.field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name and id of the application, for people."""
        return label(self.key, self.name)

    def exceeded(self) -> list[Rule]:
        """Return the broken rules, except those that count over the whole run."""
        return [rule for rule in self.judged.rules if not rule.per_run and self.by_rule[rule.name] > rule.limit]

    def needs_baseline(self) -> bool:
        """Whether a rule depends on which findings are new."""
        return any(rule.states is not None for rule in self.judged.rules)


class Judge:
    """Judges any number of findings, and keeps only figures about them."""

    def __init__(
        self,
        policy: Policy,
        waivers: Waivers,
        baseline: Baseline,
        matches: AttackMatches,
        explanations: Explanations,
        now: dt.datetime,
    ) -> None:
        self._policy = policy
        self._waivers = waivers
        self._baseline = baseline
        self._matches = matches
        self._explanations = explanations
        self._now = now
        self._in_scope = application_test(policy.scope.applications) if policy.scope.applications else None
        self._seen: dict[bytes, int] = {}
        self.left_out: set[AppKey] = set()
        self.known = Known()
        self.strays = 0
        self.unmatched = 0
        self._by_state: dict[tuple[Decision, tuple[tuple[str, ...], ...]], dict[str, Decision]] = {}
        self.applications: dict[AppKey, Application] = {}
        self.counts: collections.Counter[str] = collections.Counter()
        self.sync: dict[str, list[dict[str, t.Any]]] = {"ignore": [], "activate": [], "without_waiver": []}

    def is_in_scope(self, app: AppKey, name: str | None) -> bool:
        """Whether an application is in the scope of the policy. All are if the policy names none."""
        return self._in_scope is None or self._in_scope(app[1].removeprefix("name:"), name)

    def application(self, key: AppKey, name: str | None) -> Application:
        """Return the figures of an application, and create them on the first call."""
        found = self.applications.get(key)
        if found is None:
            section = self._baseline.sections.get(key)
            found = Application(key, name, self._policy.for_application(key, name), section)
            self.applications[key] = found
        elif name is not None and name != found.name:
            judged = self._policy.for_application(key, name)
            # Findings that were judged before this name occurred may have been judged by the wrong rules.
            found.renamed |= judged is not found.judged and (found.name is not None or bool(found.counts))
            if found.name is None:
                found.name, found.judged = name, judged
        return found

    def unseen_sections(self) -> t.Iterator[tuple[AppKey, Section]]:
        """Yield the sections of the baseline for applications that are in scope and do not occur in this run."""
        for key, section in self._baseline.sections.items():
            if key not in self.applications and self.is_in_scope(key, bounded(section.raw.get("name"))):
                yield key, section

    def take(self, facts: Facts, file: int) -> None:
        """Judge one finding.

        Args:
            facts: the finding.
            file: number of the snapshot that it is from. A finding that also occurs in an earlier snapshot is skipped.
        """
        self.counts["findings"] += 1
        if self._is_repeated(facts, file):
            self.counts["duplicates"] += 1
            return
        self.known.see(facts.app, facts.app_name, facts.tags, facts.rule_id)
        # An application that is in scope stays so under another name, as it may have been renamed since its scan.
        if facts.app not in self.applications and not self.is_in_scope(facts.app, facts.app_name):
            self.left_out.add(facts.app)
            self.strays += self._is_stray(facts)
            note = "this application is not in the scope of the policy"
            decision = Decision(facts.app, "excluded", by="scope", note=note)
            self.counts["excluded"] += 1
            self._explanations.add(facts, label(facts.app, facts.app_name), decision)
            return
        app = self.application(facts.app, facts.app_name)
        if facts.edited is not None and self._policy.edited_severity == "honour":
            facts.severity, facts.edited = facts.edited, None
        facts.attack = self._matches.attack(_names(facts))
        decision = self._decide(app, facts)
        app.counts[decision.decision] += 1
        key = facts.key
        if key and app.section and decision.decision not in ("counted", "fixed") and app.section.knows(key):
            app.present.setdefault(key, []).append(facts.severity)
        if key and decision.decision == "waived":
            app.waived.setdefault(key, []).append(facts.severity)
        place = self._explanations.add(facts, app.label, decision)
        if decision.decision == "counted":
            self._place(app, facts, decision, place)

    def settle(self) -> None:
        """Decide which of the waiting findings are new. Call it after the last finding."""
        for app in self.applications.values():
            for key, waiting in app.waiting.items():
                twins = [item.twin for item in waiting]
                states = app.section.states_of(key, twins) if app.section else []
                for item, state in zip(waiting, states, strict=True):
                    self._count(app, item.twin.severity, item.by_state[state])
                    self._explanations.revise(item.place, item.by_state[state])
            app.waiting = {}

    def _place(self, app: Application, facts: Facts, decision: Decision, place: int) -> None:
        """Count a finding under its state, or let it wait until all findings of its identity have been read."""
        key, again = facts.key, facts.status == "reopened"
        if key is None or app.section is None or not app.section.knows(key):
            self._count(app, facts.severity, decision)
            return
        found = {state: self._met(app, facts, decision, state) for state in ("known", *sorted(NEW_STATES))}
        rules = tuple(item.rules for item in found.values())
        # Shared, because thousands of findings have the same decisions.
        by_state = self._by_state.setdefault((decision, rules), found)
        weight = (sum(map(len, rules)), rules, facts.id or "", facts.rule_id or "")
        app.waiting.setdefault(key, []).append(Waiting(Twin(facts.severity, again, weight), by_state, place))

    def _count(self, app: Application, severity: str, decision: Decision) -> None:
        app.by_rule.update(decision.rules)
        app.counts[str(decision.state)] += 1
        if decision.state in NEW_STATES:
            app.new_by_severity[severity] += 1

    def _met(self, app: Application, facts: Facts, decision: Decision, state: str) -> Decision:
        met = [rule for rule in app.judged.rules if rule.takes(facts) and rule.counts(facts, state, self._now)]
        return decision._replace(state=state, rules=tuple(rule.name for rule in met))

    def _is_stray(self, facts: Facts) -> bool:
        """Whether a finding has no application id but would count: it may belong to an application in scope."""
        if not facts.app[1].startswith("name:") or facts.status == "fixed":
            return False
        if any(exclusion.takes(facts) for exclusion in self._policy.exclusions):
            return False
        rules = self._policy.for_application(facts.app, facts.app_name).rules
        return any(rule.takes(facts) for rule in rules)

    def _is_repeated(self, facts: Facts, file: int) -> bool:
        if facts.id is None:
            return False
        identity = "\x1f".join((*facts.app, facts.id)).encode("utf-8", "replace")
        # The same identity twice in one file is two findings, so that no finding can hide behind another.
        return self._seen.setdefault(hashlib.blake2b(identity, digest_size=12).digest(), file) != file

    def _decide(self, app: Application, facts: Facts) -> Decision:
        left_out = self._left_out(app, facts)
        firm = None if left_out is not None and left_out.decision in LEFT_OUT else self._firm(app, facts)
        if left_out is not None and firm is None:
            return left_out
        facts.unwaived = left_out is not None
        known = app.section.severity_of(facts.key) if app.section is not None else None
        waiver, lapsed = self._waivers.for_finding(facts, known)
        if waiver is not None and firm is None:
            self._sync_waived(facts, waiver)
            note = f"{waiver.type}, until {waiver.expires}, {short(waiver.owner, 80)}, {short(waiver.ticket, 80)}"
            return Decision(app.key, "waived", by=f"waiver:{waiver.id}", waiver=waiver.id, note=note)
        remark = self._sync_ignored(app, facts, lapsed)
        if waiver is not None:
            waiver.applied -= 1
            facts.unwaived = True
            remark = f"the waiver {waiver.id} does not apply, because the rule {firm} is not waivable"
        if lapsed is not None:
            remark = f"the waiver {lapsed.id} {self._waivers.why_not(lapsed, facts, known)}"
        if facts.edited is not None:
            words = f"its severity was lowered to {facts.edited} at its source: it counts as {facts.severity}"
            remark = f"{words}; {remark}" if remark else words
            app.counts["severity_lowered"] += 1
        return self._counted(app, facts, lapsed, remark)

    def _left_out(self, app: Application, facts: Facts) -> Decision | None:
        """Return the decision that leaves a finding out regardless of waivers, or None."""
        if facts.status == "fixed":
            return Decision(app.key, "fixed", by="status")
        for exclusion in self._policy.exclusions:
            if exclusion.takes(facts):
                app.taken.see(facts, exclusion.name)
                return Decision(app.key, "excluded", by="exclude", note=short(exclusion.reason))
        if not any(rule.takes(facts) for rule in app.judged.rules):
            app.taken.see(facts, NO_RULE)
            return Decision(app.key, "excluded", by="rules", note="no rule covers such findings")
        app.taken.see(facts, None)
        if self._is_ignored(facts):
            return Decision(app.key, "ignored", by="ignored_at_source")
        return self._protected(app, facts)

    def _is_ignored(self, facts: Facts) -> bool:
        if not facts.ignored or self._policy.ignored_at_source != "honour":
            return False
        until = facts.ignored.get("until")
        if until is None:
            return True
        # An end that cannot be read counts as reached, so the finding is not ignored.
        moment_until = read_time(until)
        return moment_until is not None and moment_until > self._now

    def _protected(self, app: Application, facts: Facts) -> Decision | None:
        outcome = self._matches.outcome(_names(facts))
        if outcome == "blocked" and self._policy.blocked_by_waf == "exclude":
            return Decision(app.key, "protected", by="matches", note="the firewall blocked attacks on it")
        if facts.status != "protected" or self._policy.protected == "count":
            return None
        # A virtual patch that let attacks through does not protect.
        if outcome in ("allowed", "mixed") or (self._policy.protected == "require_match" and outcome != "blocked"):
            return None
        return Decision(app.key, "protected", by="status")

    def _firm(self, app: Application, facts: Facts) -> str | None:
        """Return the name of a rule that is not waivable and counts the finding, or None."""
        asking = [rule for rule in app.judged.rules if rule.attacks is not None and facts.severity in rule.severities]
        if facts.attack is None and any(rule.takes(facts) for rule in asking):
            self.unmatched += 1
        firm = (rule for rule in app.judged.rules if not rule.waivable and rule.takes(facts))
        return next((rule.name for rule in firm if rule.counts(facts, "known", self._now)), None)

    def _counted(self, app: Application, facts: Facts, lapsed: Waiver | None, note: str | None) -> Decision:
        app.by_severity[facts.severity] += 1
        self._remember(app, facts)
        decision = Decision(app.key, "counted", lapsed=lapsed.id if lapsed else None, note=note)
        if app.section is not None and app.section.knows(facts.key):
            return decision
        return self._met(app, facts, decision, self._state(app, facts))

    def _state(self, app: Application, facts: Facts) -> str:
        if app.section is not None:
            return app.section.state_of(facts.key, facts.severity, again=facts.status == "reopened")
        if self._policy.missing_baseline == "adopt":
            return "known"
        return "reopened" if facts.status == "reopened" else "new"

    def _remember(self, app: Application, facts: Facts) -> None:
        key = facts.key
        if key is None:
            return
        app.counted.setdefault(key, []).append(facts.severity)
        if facts.status == "reopened":
            app.reopened.append(key)

    def _sync_waived(self, facts: Facts, waiver: Waiver) -> None:
        if waiver.push and facts.ignored is None:
            words = f"{waiver.id}, {waiver.ticket}, {waiver.owner}: {waiver.reason}"
            until, why = waiver.expires.isoformat(), PUSHED_AS[waiver.type]
            self._list("ignore", facts, waiver=waiver.id, reason=why, comment=short(words, 500), until=until)

    def _sync_ignored(self, app: Application, facts: Facts, lapsed: Waiver | None) -> str | None:
        if facts.ignored is None or self._policy.ignored_at_source != "require_waiver":
            return None
        if lapsed is not None and lapsed.push:
            self._list("activate", facts, waiver=lapsed.id)
        else:
            app.counts["ignored_without_waiver"] += 1
            self._list("without_waiver", facts, reason=short(str(facts.ignored.get("reason")), 100))
        return "it is ignored at its source without a waiver"

    def _list(self, name: str, facts: Facts, **more: str) -> None:
        self.counts[f"sync_{name}"] += 1
        if len(self.sync[name]) < SYNC_LIMIT:
            identity = {"source": facts.source, "id": facts.id, "unique_id": facts.unique_id}
            self.sync[name].append({**identity, **more})


def _names(facts: Facts) -> list[str]:
    """Return the names that matches use for a finding, in the form of ``identities`` in ``inputs/records.py``."""
    names = [f"u:{facts.unique_id}"] if facts.unique_id else []
    return [*names, f"i:{facts.source}:{short(facts.id, 200)}"] if facts.id else names

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a policy: which findings each counts, and how many it allows.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ..._base.errors import PolicyError
from ..._records.coerce import number
from ..._records.times import parse_duration, parse_time
from ..inputs.facts import Facts
from .schemas import KINDS, SEVERITIES, STATES
from .selectors import Test, selector

Spec = t.Mapping[str, t.Any]
NEW_STATES = frozenset({"new", "reopened", "escalated"})
"""The states of findings other than known. All three count as new."""


_FUTURE = 86400.0
"""Seconds that ``first_seen`` may be in the future, because wrong time zones shift times by hours."""


RISKS = frozenset({"vulnerability", "sensitive_content"})
"""The kinds that a rule covers if it names none."""


@dataclasses.dataclass(frozen=True)
class Rule:
    """One rule. At most ``limit`` findings may match it; 0 allows none.

    Attributes:
        name: the name of the rule, unique in the policy.
        takes: whether the rule covers a finding, regardless of its severity, state, score and age.
        severities: the severities that it counts.
        kinds: the kinds of findings that it covers.
        states: the states that it counts; None for all.
        cvss_min, detection_score_min: the minimum score that it counts, or None.
        without_score: whether it counts findings without that score.
        older_than: the age in seconds above which it counts findings, or None.
        attacks: the classes of matches that it counts; None for all.
        waivable: whether it leaves out findings that are waived, ignored or protected.
        age: ``older_than`` as it is written in the policy, for messages; empty for none.
        limit: the maximum number of findings that may match.
        per_run: whether the limit is for the whole run instead of each application.
        warn: whether breaking the rule is only a warning.
    """

    name: str
    takes: Test
    severities: frozenset[str]
    kinds: frozenset[str] = RISKS
    states: frozenset[str] | None = None
    cvss_min: float | None = None
    detection_score_min: float | None = None
    without_score: bool = True
    older_than: float | None = None
    attacks: frozenset[str] | None = None
    waivable: bool = True
    age: str = ""
    limit: int = 0
    per_run: bool = False
    warn: bool = False

    def counts(self, facts: Facts, state: str, now: dt.datetime) -> bool:
        """Whether the rule counts a finding for which ``takes`` is true.

        Args:
            facts: the finding.
            state: new, reopened, escalated or known.
            now: the current time, UTC.
        """
        if facts.severity not in self.severities:
            return False
        if self.states is not None and state not in self.states:
            return False
        if self.attacks is not None and facts.attack not in self.attacks:
            return False
        if facts.unwaived and self.waivable:
            return False
        return self._scores(facts) and (self.older_than is None or _age(facts, now) > self.older_than)

    def _scores(self, facts: Facts) -> bool:
        wanted = ((self.cvss_min, "cvss_score"), (self.detection_score_min, "detection_score"))
        for least, field in wanted:
            if least is None:
                continue
            told = facts.raw.get(field)
            score = number(told)
            # A score that exists but is not a number may be any score, so the finding counts.
            if score is None and told is None and not self.without_score:
                return False
            if score is not None and score < least:
                return False
        return True


def _age(facts: Facts, now: dt.datetime) -> float:
    """Return the seconds since the finding was first seen; infinity if that is unknown, or far in the future."""
    first = facts.raw.get("first_seen")
    if not isinstance(first, str):
        return float("inf")
    try:
        age = (now - parse_time(first)).total_seconds()
    except ValueError:
        return float("inf")
    return age if age >= -_FUTURE else float("inf")


def duration(value: str, where: str) -> float:
    """Return a duration of the policy in seconds.

    Raises:
        PolicyError: it is not a valid duration, or longer than a hundred years.
    """
    try:
        # The schema refuses blanks in a policy; an option can still have them.
        seconds = parse_duration(value if value == value.strip() else repr(value))
    except ValueError as error:
        raise PolicyError(f"{where}: {error}.") from error
    if seconds > 36600 * 86400:
        raise PolicyError(f"{where}: {value} is more than a hundred years.", hint="Give a shorter time.")
    return seconds


def _states(names: t.Iterable[str]) -> frozenset[str] | None:
    chosen = frozenset(names)
    if "all" in chosen:
        return None
    return chosen | NEW_STATES if "new" in chosen else chosen


def rule_from(spec: Spec, where: str) -> Rule:
    """Return the rule of one item of ``rules``.

    Raises:
        PolicyError: a value makes no sense.
    """
    states = _states(spec.get("states", ("all",)))
    if not spec.get("waivable", True) and states is not None:
        raise PolicyError(
            f"{where} is not waivable, so it cannot have states.",
            hint="Leave states out: such a rule counts findings in every state.",
        )
    return Rule(
        name=spec["name"],
        takes=selector(spec, where),
        severities=frozenset(spec.get("severities", SEVERITIES)),
        kinds=frozenset(spec.get("kinds", RISKS)),
        states=states,
        cvss_min=spec.get("cvss_min"),
        detection_score_min=spec.get("detection_score_min"),
        without_score=spec.get("without_score", "match") == "match",
        older_than=duration(spec["older_than"], f"{where}.older_than") if "older_than" in spec else None,
        attacks=frozenset(spec["attacks"]) if "attacks" in spec else None,
        waivable=spec.get("waivable", True),
        age=spec.get("older_than", ""),
        limit=int(spec.get("limit", 0)),
        per_run=spec.get("count_per") == "run",
        warn=spec.get("action") == "warn",
    )


_TAKES: dict[str, Test] = {kind: selector({"kinds": [kind]}, "") for kind in KINDS}
"""Tests that rules share."""
_TAKES_RISKS: Test = selector({}, "")


def rules_of(policy: Spec, where: str = "") -> dict[str, Rule]:
    """Return all rules of a policy or of an override, by name.

    Args:
        policy: a mapping with any of ``limits``, ``sla`` and ``rules``.
        where: the path of the mapping, for messages.

    Raises:
        PolicyError: two rules have the same name, or a value makes no sense.
    """
    found: dict[str, Rule] = {}
    for state in STATES:
        for kind, limits in policy.get("limits", {}).get(state, {}).items():
            for severity, limit in limits.items():
                name = f"limits.{state}.{kind}.{severity}"
                if limit is not None:
                    found[name] = Rule(
                        name,
                        _TAKES[kind],
                        frozenset({severity}),
                        frozenset({kind}),
                        states=_states([state]),
                        limit=int(limit),
                    )
    for severity, age in policy.get("sla", {}).items():
        if age is not None:
            seconds = duration(age, f"{where}sla.{severity}")
            name = f"sla.{severity}"
            found[name] = Rule(name, _TAKES_RISKS, frozenset({severity}), older_than=seconds, age=age)
    for index, spec in enumerate(policy.get("rules", ())):
        rule = rule_from(spec, f"{where}rules[{index}]")
        if rule.name in found:
            raise PolicyError(
                f"{where}rules[{index}].name is {rule.name!r}, which another rule has.", hint="Rename it."
            )
        found[rule.name] = rule
    return found

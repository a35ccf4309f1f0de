# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waivers: findings for which somebody takes responsibility, with a reason and an end date.

This module is private to the collection and may change at any time.

A waiver is valid until the end of the UTC day in ``expires``. An invalid date is a policy error, because no waiver may
be valid for ever.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from ..._base.errors import PolicyError
from ..._records.policy.documents import read_document
from ..._records.policy.patterns import Globs
from ..inputs.facts import RANKS, Facts, places_of
from .breadth import is_broad_match
from .policy import DAY, WaiverRules
from .schemas import WAIVERS
from .selectors import Numbers, Test
from .validate import validate

Spec = t.Mapping[str, t.Any]
_REMEMBERED_RULES = 10_000
_TOO_LONG = "is valid for longer than the severity allows"
_OUTGROWN = "was given when the finding was less severe"
PUSHED_AS = {
    "false_positive": "FALSE_POSITIVE",
    "risk_accepted": "RISK_ACCEPTED",
    "mitigated": "RISK_ACCEPTED",
    "not_applicable": "NOT_APPLICABLE",
}
"""The reason for ignoring a finding at Qualys, by type of waiver."""


@dataclasses.dataclass
class Waiver:
    """One waiver. ``applied`` counts the findings that it waived, ``matched`` all that it matched.

    ``graded`` says that it names severities, so that it no longer matches a finding that becomes more severe.
    """

    id: str
    type: str
    owner: str
    reason: str
    ticket: str
    expires: dt.date
    days: int
    push: bool
    broad: bool
    graded: bool
    test: Test
    rules: Numbers | None
    expired: bool
    days_left: int
    applied: int = 0
    matched: int = 0
    too_long: int = 0
    outgrown: int = 0

    def may_mean(self, rule_id: str | None) -> bool:
        """Whether the waiver can match findings of a rule at all."""
        return self.rules is None or self.rules.has_text(rule_id)


def day(text: str, where: str) -> dt.date:
    """Parse a UTC day.

    Raises:
        PolicyError: the text is not a valid date in the form YYYY-MM-DD.
    """
    try:
        if len(text) != 10:
            raise ValueError(text)
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise PolicyError(
            f"{where} is {text!r}, which is not a date.", hint="Write YYYY-MM-DD, such as 2026-12-31."
        ) from error


class Waivers:
    """All waivers of a run, indexed by what they match.

    Attributes:
        path: the path of the file; None if the waivers are in the task, or none were given.
        sha256: the hash of the file or of the data; None if the file does not exist.
    """

    path: pathlib.Path | None = None
    sha256: str | None = None

    def __init__(self, specs: t.Sequence[Spec], rules: WaiverRules, today: dt.date) -> None:
        """
        Args:
            specs: the waivers, validated against the schema.
            rules: the requirements of the policy for waivers.
            today: the current UTC day.

        Raises:
            PolicyError: a date is invalid, a waiver is valid for longer than any of its severities allows, or two
                waivers have the same id.
        """
        self.rules = rules
        self.all: list[Waiver] = []
        self._exact: dict[str, dict[str, list[int]]] = {"unique_ids": {}, "fingerprints": {}, "ids": {}, "rule_ids": {}}
        self._others: list[int] = []
        self._others_by_rule: dict[str | None, list[int]] = {}
        seen: set[str] = set()
        for index, spec in enumerate(specs):
            waiver = _waiver(spec, rules, today, f"waivers[{index}]")
            if waiver.id in seen:
                raise PolicyError(
                    f"waivers: waivers[{index}].id is {waiver.id!r}, which another waiver has.", hint="Rename it."
                )
            seen.add(waiver.id)
            self.all.append(waiver)
            self._file(spec["match"], index)

    def _file(self, match: Spec, index: int) -> None:
        """Index the waiver by an exact key if it has one, so that a finding need not be compared with every waiver."""
        for name in ("unique_ids", "fingerprints", "ids", "rule_ids"):
            if name in match and not any(name == "rule_ids" and "-" in str(item) for item in match[name]):
                for item in match[name]:
                    word = str(int(item)) if isinstance(item, float) else str(item).strip()
                    word = str(int(word)) if word.isascii() and word.isdigit() and name == "rule_ids" else word
                    self._exact[name].setdefault(word, []).append(index)
                return
        self._others.append(index)

    def _candidates(self, facts: Facts) -> list[int]:
        rule = facts.rule_id
        if rule and rule.isascii() and rule.isdigit() and len(rule) <= 15:
            rule = str(int(rule))
        by = (
            ("unique_ids", facts.unique_id),
            ("fingerprints", facts.fingerprint),
            ("ids", facts.id),
            ("rule_ids", rule),
        )
        found = [index for name, word in by if word for index in self._exact[name].get(word, ())]
        others = self._others_for(facts.rule_id)
        return sorted({*found, *others}) if found else others

    def _others_for(self, rule_id: str | None) -> list[int]:
        """Return the waivers without an exact key that may match findings of a rule, cached by rule."""
        known = self._others_by_rule.get(rule_id)
        if known is None:
            known = [index for index in self._others if self.all[index].may_mean(rule_id)]
            if len(self._others_by_rule) < _REMEMBERED_RULES:
                self._others_by_rule[rule_id] = known
        return known

    def for_finding(self, facts: Facts, known: str | None = None) -> tuple[Waiver | None, Waiver | None]:
        """Return the waiver that covers a finding and, if none does, one that matches it but does not cover it.

        :meth:`why_not` returns why it does not. Both are counted, so call this once for each finding.

        Args:
            facts: the finding.
            known: the severity of the finding in the baseline; None if it is not there.
        """
        if not self.all:
            return None, None
        lapsed: Waiver | None = None
        for index in self._candidates(facts):
            waiver = self.all[index]
            if not waiver.test(facts):
                continue
            waiver.matched += 1
            why = self.why_not(waiver, facts, known)
            if why is None:
                waiver.applied += 1
                return waiver, None
            waiver.too_long += why is _TOO_LONG
            waiver.outgrown += why is _OUTGROWN
            lapsed = lapsed or waiver
        return None, lapsed

    def why_not(self, waiver: Waiver, facts: Facts, known: str | None) -> str | None:
        """Return why a waiver that matches a finding does not cover it, as the rest of a sentence; None if it does."""
        if waiver.expired:
            return "has expired"
        if waiver.days > self.rules.max_days[facts.severity]:
            return _TOO_LONG
        # The waiver was given for the severity known then, and does not cover a finding that became more severe.
        if known is not None and not waiver.graded and RANKS[facts.severity] < RANKS[known]:
            return _OUTGROWN
        return None

    def report(self) -> list[dict[str, t.Any]]:
        """Return the entry of each waiver in the verdict file."""
        return [self._item(waiver) for waiver in self.all]

    def _item(self, waiver: Waiver) -> dict[str, t.Any]:
        flags = {
            "expired": waiver.expired,
            "expiring": not waiver.expired and waiver.days_left * DAY <= self.rules.expiring_within,
            "unused": waiver.matched == 0,
            "over_broad": waiver.broad or waiver.matched > self.rules.max_findings,
            "too_long": waiver.too_long > 0,
            "outgrown": waiver.outgrown > 0,
        }
        return {
            "id": waiver.id,
            "type": waiver.type,
            "owner": waiver.owner,
            "reason": waiver.reason,
            "ticket": waiver.ticket,
            "expires": waiver.expires.isoformat(),
            "days_left": waiver.days_left,
            "push": waiver.push,
            "matched": waiver.matched,
            "waived": waiver.applied,
            "flags": [name for name, is_so in flags.items() if is_so],
        }


def _waiver(spec: Spec, rules: WaiverRules, today: dt.date, where: str) -> Waiver:
    expires = day(spec["expires"], f"waivers: {where}.expires")
    created = day(spec["created"], f"waivers: {where}.created")
    if created > today:
        raise PolicyError(
            f"waivers: {where}.created is {created}, which is in the future.",
            hint="Give the day on which the waiver was created.",
        )
    if expires < created:
        raise PolicyError(f"waivers: {where}.expires is {expires}, before it was created.", hint="Check both days.")
    match, days, expired = spec["match"], (expires - created).days, today > expires
    most = max(rules.max_days[severity] for severity in match.get("severities", RANKS))
    if not expired and days > most:
        raise PolicyError(
            f"waivers: {where}.expires is {expires}, {days} days after it was created; at most {most} are allowed.",
            hint="Choose an earlier day, or raise waivers.max_days in the policy.",
        )
    return Waiver(
        id=spec["id"],
        type=spec["type"],
        owner=spec["owner"],
        reason=spec["reason"],
        ticket=spec["ticket"],
        expires=expires,
        days=days,
        push=spec.get("push", False),
        broad=is_broad_match(match),
        graded="severities" in match,
        test=_match_test(match, f"waivers: {where}.match"),
        rules=Numbers(match["rule_ids"], f"waivers: {where}.match.rule_ids", texts=True)
        if "rule_ids" in match
        else None,
        expired=expired,
        days_left=(expires - today).days,
    )


def _match_test(match: Spec, where: str) -> Test:
    """Return the test of a waiver: all keys have to match, and of each key any item."""
    tests: list[Test] = []
    for name in ("unique_ids", "fingerprints", "ids"):
        if name in match:
            tests.append(_is_one_of(name.removesuffix("s"), frozenset(match[name])))
    for name, field in (("severities", "severity"), ("kinds", "kind"), ("sources", "source")):
        if name in match:
            tests.append(_is_one_of(field, frozenset(match[name])))
    if "rule_ids" in match:
        rules = Numbers(match["rule_ids"], f"{where}.rule_ids", texts=True)
        tests.append(lambda facts: rules.has_text(facts.rule_id))
    if "cwe" in match:
        weaknesses = Numbers(match["cwe"], f"{where}.cwe", prefix="CWE-")
        # All weaknesses have to be listed: accepting one does not mean accepting another in the same finding.
        tests.append(lambda facts: bool(facts.cwe) and all(map(weaknesses.has, facts.cwe)))
    tests += _text_tests(match)
    return lambda facts: all(test(facts) for test in tests)


def _is_one_of(field: str, allowed: t.Container[str]) -> Test:
    return lambda facts: getattr(facts, field) in allowed


def _text_tests(match: Spec) -> t.Iterator[Test]:
    if "applications" in match:
        applications = Globs(match["applications"])
        yield lambda facts: applications.match(facts.app[1]) or applications.match(facts.app_name)
    if "urls" in match:
        urls = Globs(match["urls"], fold=False)
        yield lambda facts: all(map(urls.match, places_of(facts.url)))
    if "parameters" in match:
        parameters = Globs(match["parameters"], fold=False)
        yield lambda facts: parameters.match(facts.parameter)
    if "tags" in match:
        tags = Globs(match["tags"])
        yield lambda facts: any(map(tags.match, facts.tags))


def load_waivers(value: t.Any, rules: WaiverRules, today: dt.date) -> Waivers:
    """Load the waivers. None, or a path without a file, means no waivers.

    Args:
        value: a path, the document itself, or None.
        rules: the requirements of the policy for waivers.
        today: the current UTC day.

    Raises:
        PolicyError: the waivers are invalid; the message names the path of the key.
        MissingLibrary: the file is YAML, and PyYAML is not installed.
    """
    if value is None:
        return Waivers((), rules, today)
    path = pathlib.Path(value).expanduser() if isinstance(value, (str, pathlib.Path)) else None
    if path is not None and not path.exists() and not path.is_symlink():
        # New users have no waivers yet, and fewer waivers only make the gate stricter.
        nothing = Waivers((), rules, today)
        nothing.path = path
        return nothing
    document = read_document(value, "waivers")
    validate(document.data, WAIVERS, "waivers")
    found = Waivers(document.data["waivers"], rules, today)
    found.path, found.sha256 = path, document.sha256
    return found

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy: the requirements for the input, and the rules that decide.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._base.errors import PolicyError
from ..._records.identity import AppKey
from ..._records.policy.documents import read_document
from ..._records.policy.patterns import application_test
from .breadth import excludes_everything
from .rules import Rule, Spec, duration, rules_of
from .schemas import KINDS, POLICY, SEVERITIES
from .selectors import Named, Test, all_named, named_by, selector
from .validate import validate

DAY = 86400.0
DEFAULT_MAX_AGE = DAY
DEFAULT_MAX_DAYS = {"critical": 30, "high": 90, "medium": 180, "low": 365, "info": 365}
"""For how many days a waiver may be valid, by the severity of the findings that it waives."""


@dataclasses.dataclass(frozen=True)
class Quality:
    """The requirements for a scan that allows a conclusion about an application. ``max_scan_age`` is in seconds."""

    authentication: str = "as_before"
    profile: str | None = None
    min_links: int = 1
    min_links_ratio: float = 0.5
    max_scan_age: float = DEFAULT_MAX_AGE


@dataclasses.dataclass(frozen=True)
class Scope:
    """The required input. ``filters`` are those that a snapshot may have beside filters that select applications."""

    sources: tuple[str, ...]
    applications: tuple[str, ...]
    filters: tuple[Spec, ...]
    scans_required: bool


@dataclasses.dataclass(frozen=True)
class WaiverRules:
    """The requirements for waivers. ``expiring_within`` is in seconds."""

    max_days: dict[str, int]
    expiring_within: float
    max_findings: int
    strict: bool


@dataclasses.dataclass(frozen=True)
class ImageRules:
    """The rules for container images. ``malware`` is fail, warn or ignore; ``limits`` are by severity."""

    malware: str
    limits: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Images:
    """The part of the policy about container images."""

    base: ImageRules
    overrides: tuple[tuple[t.Callable[[str, str | None], bool], Spec], ...]
    required: tuple[str, ...]
    max_scan_age: float

    def rules_for(self, identity: str, name: str | None) -> ImageRules:
        """The rules for one image: those of the policy, with each override that matches it applied."""
        chosen = self.base
        for means, spec in self.overrides:
            if means(identity, name):
                chosen = _image_rules(chosen, spec)
        return chosen


class Exclusion(t.NamedTuple):
    """One item of ``exclude``; ``name`` is its path, such as ``exclude[0]``."""

    name: str
    reason: str
    takes: Test


@dataclasses.dataclass(frozen=True)
class Judged:
    """The rules for one application, and the requirements for its scan."""

    rules: tuple[Rule, ...]
    quality: Quality


class Policy:
    """A validated policy. The guide describes each key."""

    def __init__(self, spec: Spec, sha256: str, max_scan_age: float | None = None) -> None:
        """
        Args:
            spec: the policy, validated against the schema.
            sha256: the hash of the file.
            max_scan_age: the option, in seconds. The shorter of it and the value in the policy counts.

        Raises:
            PolicyError: values contradict each other, or would let everything pass.
        """
        _refuse_nothing(spec)
        self.name: str | None = spec.get("name")
        self.sha256 = sha256
        self.ignored_at_source: str = spec.get("ignored_at_source", "require_waiver")
        self.edited_severity: str = spec.get("edited_severity", "worst")
        self.protected: str = spec.get("protected", "exclude")
        self.blocked_by_waf: str = spec.get("blocked_by_waf", "count")
        self.missing_baseline: str = spec.get("missing_baseline", "inconclusive")
        self.scope = _scope(spec.get("scope", {}))
        self.waivers = _waiver_rules(spec.get("waivers", {}))
        self.exclusions = _exclusions(spec.get("exclude", ()))
        self.may_exclude_all = frozenset(spec.get("may_exclude_all", ()))
        self.named = tuple(_named(spec))
        self._age_limit = max_scan_age
        self.images = _images(spec["images"], self._capped) if "images" in spec else None
        self._base = Judged(
            tuple(rules_of(spec, "policy: ").values()), self._quality(Quality(), spec.get("scope", {}), "policy: scope")
        )
        self._overrides = [self._override(spec, item, index) for index, item in enumerate(spec.get("applications", ()))]
        self._known: dict[tuple[AppKey, str | None], Judged] = {}
        self.needs_details = any(map(_needs_details, (spec, *spec.get("applications", ()))))
        self.gaps = gaps_of(self._base.rules)
        self._check(spec)

    @property
    def base_quality(self) -> Quality:
        """The requirements for scans, and for the age of snapshots, without overrides."""
        return self._base.quality

    @property
    def has_rules(self) -> bool:
        """Whether there is any rule for findings."""
        return bool(self._base.rules) or self._overriding_rules

    def for_application(self, app: AppKey, name: str | None) -> Judged:
        """The rules for one application: those of the policy, with each override that matches it applied."""
        cached = self._known.get((app, name))
        if cached is None:
            cached = self._base
            for means, lay_over in self._overrides:
                if means(app[1], name):
                    cached = lay_over(cached)
            self._known[app, name] = cached
        return cached

    def _capped(self, given: str | None, where: str, otherwise: float) -> float:
        age = otherwise if given is None else duration(given, where)
        return age if self._age_limit is None else min(age, self._age_limit)

    def _quality(self, base: Quality, spec: Spec, where: str) -> Quality:
        given = {
            name: spec[name] for name in ("authentication", "profile", "min_links", "min_links_ratio") if name in spec
        }
        if "max_scan_age" in spec or base.max_scan_age == DEFAULT_MAX_AGE:
            given["max_scan_age"] = self._capped(spec.get("max_scan_age"), f"{where}.max_scan_age", DEFAULT_MAX_AGE)
        return dataclasses.replace(base, **given)

    def _override(
        self, spec: Spec, item: Spec, index: int
    ) -> tuple[t.Callable[[str, str | None], bool], t.Callable[[Judged], Judged]]:
        where = f"policy: applications[{index}]."
        own = rules_of(item, where)
        for rule in self._base.rules:
            if rule.name in own and own[rule.name].per_run != rule.per_run:
                raise PolicyError(
                    f"{where}rules: {rule.name} counts per {'run' if rule.per_run else 'application'} in the policy.",
                    hint="Give it the same count_per here, or another name.",
                )
        gone = _removed(item)
        known = {rule.name for rule in self._base.rules} | {
            rule["name"] for other in spec.get("applications", ()) for rule in other.get("rules", ())
        }
        for name in item.get("disable", ()):
            if name not in known:
                raise PolicyError(
                    f"{where}disable names {name!r}, which is not a rule.",
                    hint=f"The rules are {', '.join(sorted(known)[:20])}.",
                )
            gone.add(name)

        def lay_over(base: Judged) -> Judged:
            rules = {rule.name: rule for rule in base.rules if rule.name not in gone} | own
            return Judged(tuple(rules.values()), self._quality(base.quality, item.get("scope", {}), f"{where}scope"))

        lay_over(self._base)
        return application_test(item["match"]), lay_over

    def _check(self, spec: Spec) -> None:
        rules = [*self._base.rules]
        for index, item in enumerate(spec.get("applications", ())):
            rules += rules_of(item, f"policy: applications[{index}].").values()
        self._overriding_rules = len(rules) > len(self._base.rules)
        if not rules and self.images is None:
            raise PolicyError(
                "policy: there is no rule, so everything would pass.", hint="Give limits, sla, rules or images."
            )
        if any(rule.states is not None for rule in rules) and "missing_baseline" not in spec:
            raise PolicyError(
                "policy: a rule depends on what is new, so missing_baseline is required.",
                hint="One of all_new, adopt, inconclusive.",
            )


def _needs_details(spec: Spec) -> bool:
    """Whether a rule uses fields that only a detailed export has."""
    return any(
        "include" in rule.get("cwe", {}) or "include" in rule.get("owasp", {}) or rule.get("without_score") == "skip"
        for rule in spec.get("rules", ())
    )


def gaps_of(rules: t.Iterable[Rule]) -> list[str]:
    """Return the severities of vulnerabilities that no rule limits although a rule limits milder ones."""
    covered = {severity for rule in rules if "vulnerability" in rule.kinds for severity in rule.severities}
    mildest = max((SEVERITIES.index(severity) for severity in covered), default=0)
    return [severity for severity in SEVERITIES[:mildest] if severity not in covered]


def _refuse_nothing(spec: Spec) -> None:
    """Refuse null outside overrides, where it can remove no limit: in YAML, a forgotten value is null as well."""
    images = spec.get("images", {}).get("limits", {})
    gone = _removed(spec) | {f"images.limits.{severity}" for severity, limit in images.items() if limit is None}
    if gone:
        raise PolicyError(
            f"policy: {min(gone)} is null, which is not a limit.",
            hint="Give a value, or leave the key out. Only in an override, null removes a limit.",
        )


def _removed(item: Spec) -> set[str]:
    """Return the names of the rules that an override sets to null."""
    limits = {
        f"limits.{state}.{kind}.{severity}"
        for state, kinds in item.get("limits", {}).items()
        for kind, by_severity in kinds.items()
        for severity, limit in by_severity.items()
        if limit is None
    }
    return limits | {f"sla.{severity}" for severity, age in item.get("sla", {}).items() if age is None}


def _scope(spec: Spec) -> Scope:
    return Scope(
        sources=tuple(spec.get("sources", ())),
        applications=tuple(spec.get("applications", ())),
        filters=tuple(spec.get("filters", ())),
        scans_required=spec.get("scans", "required") == "required",
    )


def _waiver_rules(spec: Spec) -> WaiverRules:
    days = DEFAULT_MAX_DAYS | {name: int(value) for name, value in spec.get("max_days", {}).items()}
    return WaiverRules(
        max_days=days,
        expiring_within=duration(spec.get("expiring_within", "14d"), "policy: waivers.expiring_within"),
        max_findings=int(spec.get("max_findings", 50)),
        strict=bool(spec.get("strict", False)),
    )


def _named(spec: Spec) -> t.Iterator[Named]:
    """Yield every list of the policy that names tags, applications or rules of a scanner."""
    for index, item in enumerate(spec.get("exclude", ())):
        yield from all_named(item, f"exclude[{index}]")
    for item in spec.get("rules", ()):
        yield from all_named(item, f"rules.{item['name']}")
    for index, item in enumerate(spec.get("applications", ())):
        yield named_by("applications", item["match"], f"applications[{index}].match")
        for rule in item.get("rules", ()):
            yield from all_named(rule, f"applications[{index}].rules.{rule['name']}")
    if "may_exclude_all" in spec:
        yield named_by("applications", spec["may_exclude_all"], "may_exclude_all")


def _exclusions(specs: t.Iterable[Spec]) -> tuple[Exclusion, ...]:
    found = []
    for index, spec in enumerate(specs):
        where = f"policy: exclude[{index}]"
        test = selector({"kinds": KINDS, **spec}, where, every_code=True)
        found.append(Exclusion(f"exclude[{index}]", spec["reason"], test))
        if excludes_everything(spec):
            raise PolicyError(
                f"{where} excludes everything, so everything would pass.",
                hint="Name the rules, URLs, tags or applications that are meant.",
            )
    return tuple(found)


def _images(spec: Spec, capped: t.Callable[[str | None, str, float], float]) -> Images:
    base = _image_rules(ImageRules("fail", {}), spec)
    overrides = [(application_test(item["match"]), item) for item in spec.get("overrides", ())]
    age = capped(spec.get("max_scan_age"), "policy: images.max_scan_age", DEFAULT_MAX_AGE)
    return Images(base, tuple(overrides), tuple(spec.get("required", ())), age)


def _image_rules(base: ImageRules, spec: Spec) -> ImageRules:
    limits: dict[str, t.Any] = {**base.limits, **spec.get("limits", {})}
    kept = {name: int(limits[name]) for name in SEVERITIES if limits.get(name) is not None}
    return ImageRules(spec.get("malware", base.malware), kept)


def load_policy(value: t.Any, max_scan_age: float | None = None) -> Policy:
    """Load the policy.

    Args:
        value: a path, or the policy itself as a mapping.
        max_scan_age: the option of the module, in seconds, or None.

    Raises:
        PolicyError: it cannot be read, or is invalid; the message names the path of the key.
        MissingLibrary: the file is YAML, and PyYAML is not installed.
    """
    document = read_document(value, "policy")
    validate(document.data, POLICY, "policy")
    return Policy(document.data, document.sha256, max_scan_age)

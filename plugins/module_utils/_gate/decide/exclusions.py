# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the exclusions of a policy took, and which of its selectors name something that nothing has.

This module is private to the collection and may change at any time.

Whether an exclusion is a mistake is told by what it took, not by how it is written: a misspelt pattern, and a rule that
is about nothing that was found, look as good as any other.
"""

from __future__ import annotations

import collections
import typing as t

from ..._base.log_text import short
from ..._records.coerce import bounded, items, mapping
from ..._records.identity import AppKey
from ..inputs.facts import Facts, Record
from ..policy.selectors import Named
from ..verdict import Reason, reason

RISKS = frozenset({"vulnerability", "sensitive_content"})
"""Kinds of findings that an exclusion must not take all of."""
NO_RULE = "rules"
"""The name under which everything is counted that no rule of the policy is about."""
TOOK, UNKNOWN = "exclusion_took", "selector_unknown"
"""Codes of reasons that decide nothing, and that a person has to see."""


class Taken:
    """How many findings each exclusion took: ``exclude[0]``, and ``rules`` for what no rule is about."""

    def __init__(self) -> None:
        self._by_name: collections.Counter[str] = collections.Counter()
        self._risks: collections.Counter[str] = collections.Counter()
        self._left = 0

    def see(self, facts: Facts, name: str | None) -> None:
        """Note one finding that is not fixed, and the exclusion that took it; None for none."""
        if name is not None:
            self._by_name[name] += 1
        if facts.kind in RISKS:
            self._risks[name or ""] += 1
            self._left += name is None

    def all_risks(self) -> str | None:
        """Say what took every open vulnerability and all sensitive content; None if any was left, or none was there."""
        if self._left or not self._risks:
            return None
        return ", ".join(f"{name} {count}" for name, count in sorted(self._risks.items()))

    def count(self, name: str) -> int:
        """How many findings one exclusion took."""
        return self._by_name[name]


class Known:
    """The tags, applications and rules that occur in findings, in scans, and in a knowledge base where there is one."""

    def __init__(self) -> None:
        self._words: dict[str, set[str]] = {"tags": set(), "applications": set(), "rule_ids": set()}
        self._explained: set[str] | None = None
        self.qids: set[str] = set()

    def see(self, app: AppKey, name: str | None, tags: t.Iterable[str], rule_id: str | None = None) -> None:
        """Note what one record has."""
        self._words["tags"].update(tags)
        self._words["applications"].update(word for word in (app[1].removeprefix("name:"), name) if word)
        if rule_id:
            self._words["rule_ids"].add(rule_id)
            if app[0].startswith("qualys") and rule_id.isdecimal() and rule_id.isascii():
                self.qids.add(rule_id)

    def see_knowledge(self, rule_ids: t.Iterable[str]) -> None:
        """Note the rules of a knowledge base."""
        self._explained = (self._explained or set()) | set(rule_ids)

    def see_scan(self, app: AppKey, scan: Record) -> None:
        """Note what one scan has."""
        asset = mapping(scan.get("asset"))
        tags = (bounded(mapping(tag).get("name") if isinstance(tag, dict) else tag) for tag in items(asset.get("tags")))
        self.see(app, bounded(asset.get("name")), [tag for tag in tags if tag])

    def unknown(self, named: Named) -> list[str]:
        """The words of a selector that no record has, and no knowledge base."""
        words = self._words[named.field]
        if named.field == "rule_ids":
            words = words | (self._explained or set())
        return [word for word, fits in named.words if not any(map(fits, words))]

    def asked(self, named: Named) -> str:
        """Say what has no such word."""
        if named.field == "rule_ids" and self._explained is not None:
            return "no finding, no scan and no entry of the knowledge base has"
        return "no finding and no scan has"


def exclusion_entries(taken: t.Sequence[Taken], whys: t.Sequence[tuple[str, str]]) -> list[dict[str, t.Any]]:
    """Each exclusion of the policy with what it took in all applications; the last one is what no rule is about."""
    named = [*whys, (NO_RULE, "no rule is about such findings")]
    return [
        {"name": name, "reason": short(why, 500), "findings": sum(item.count(name) for item in taken)}
        for name, why in named
    ]


def exclusion_reasons(
    entries: t.Iterable[t.Mapping[str, t.Any]], known: Known, selectors: t.Sequence[Named]
) -> t.Iterator[Reason]:
    """Say what each exclusion took, and which selectors name what nothing has. None of it decides."""
    for entry in entries:
        count = entry["findings"]
        if count:
            took = "1 finding" if count == 1 else f"{count} findings"
            yield reason(TOOK, "pass", f"{entry['name']} took {took}: {short(entry['reason'], 200)}")
    for named in selectors:
        words = known.unknown(named)
        if words:
            shown = ", ".join(short(word, 60) for word in words[:5]) + (" and more" if len(words) > 5 else "")
            yield reason(UNKNOWN, "pass", f"{named.where} names {shown}, which {known.asked(named)}")


def matches_name(names: t.Container[str], app: AppKey, name: str | None) -> bool:
    """Whether an application is one of those that are named, by id or by name, letter for letter."""
    return app[1].removeprefix("name:") in names or (name is not None and name in names)

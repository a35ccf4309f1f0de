# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many findings the exclusions of a policy left out, and which of its selectors name something unknown.

This module is private to the collection and may change at any time.

Only the result shows whether an exclusion is a mistake. A misspelt pattern, or a rule that matches no finding, is as
valid as any other.
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
"""Kinds of findings that exclusions must not leave out completely."""
NO_RULE = "rules"
"""The name under which findings are counted that no rule of the policy covers."""
TOOK, UNKNOWN = "exclusion_took", "selector_unknown"
"""Codes of reasons that decide nothing, but have to be shown."""


class Taken:
    """Counts the findings that each exclusion left out, by name: ``exclude[0]``, or ``rules`` if no rule covers one."""

    def __init__(self) -> None:
        self._by_name: collections.Counter[str] = collections.Counter()
        self._risks: collections.Counter[str] = collections.Counter()
        self._left = 0

    def see(self, facts: Facts, name: str | None) -> None:
        """Note one finding that is not fixed, and the name of the exclusion that left it out, or None."""
        if name is not None:
            self._by_name[name] += 1
        if facts.kind in RISKS:
            self._risks[name or ""] += 1
            self._left += name is None

    def all_risks(self) -> str | None:
        """Return which exclusions left out all open vulnerabilities and all sensitive content.

        None if at least one such finding is left, or there were none.
        """
        if self._left or not self._risks:
            return None
        return ", ".join(f"{name} {count}" for name, count in sorted(self._risks.items()))

    def count(self, name: str) -> int:
        """Return how many findings one exclusion left out."""
        return self._by_name[name]


class Known:
    """The tags, applications and rules that occur in findings, in scans, and in the knowledge base if one was given."""

    def __init__(self) -> None:
        self._words: dict[str, set[str]] = {"tags": set(), "applications": set(), "rule_ids": set()}
        self._explained: set[str] | None = None
        self.qids: set[str] = set()

    def see(self, app: AppKey, name: str | None, tags: t.Iterable[str], rule_id: str | None = None) -> None:
        """Note the tags, the application and the rule of one record."""
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
        """Note the application of one scan, and its tags."""
        asset = mapping(scan.get("asset"))
        tags = (bounded(mapping(tag).get("name") if isinstance(tag, dict) else tag) for tag in items(asset.get("tags")))
        self.see(app, bounded(asset.get("name")), [tag for tag in tags if tag])

    def unknown(self, named: Named) -> list[str]:
        """Return the words of a selector that occur neither in a record nor in the knowledge base."""
        words = self._words[named.field]
        if named.field == "rule_ids":
            words = words | (self._explained or set())
        return [word for word, fits in named.words if not any(map(fits, words))]

    def asked(self, named: Named) -> str:
        """Return the subject and verb of a sentence about the inputs in which a word of the selector is missing."""
        if named.field == "rule_ids" and self._explained is not None:
            return "no finding, no scan and no entry of the knowledge base has"
        return "no finding and no scan has"


def exclusion_entries(taken: t.Sequence[Taken], whys: t.Sequence[tuple[str, str]]) -> list[dict[str, t.Any]]:
    """Return each exclusion of the policy with the number of findings that it left out in all applications.

    The last entry counts the findings that no rule covers.
    """
    named = [*whys, (NO_RULE, "no rule covers such findings")]
    return [
        {"name": name, "reason": short(why, 500), "findings": sum(item.count(name) for item in taken)}
        for name, why in named
    ]


def exclusion_reasons(
    entries: t.Iterable[t.Mapping[str, t.Any]], known: Known, selectors: t.Sequence[Named]
) -> t.Iterator[Reason]:
    """Report what each exclusion left out, and which selectors name something unknown. These reasons decide nothing."""
    for entry in entries:
        count = entry["findings"]
        if count:
            took = "1 finding" if count == 1 else f"{count} findings"
            yield reason(TOOK, "pass", f"{entry['name']} left out {took}: {short(entry['reason'], 200)}")
    for named in selectors:
        words = known.unknown(named)
        if words:
            shown = ", ".join(short(word, 60) for word in words[:5]) + (" and more" if len(words) > 5 else "")
            yield reason(UNKNOWN, "pass", f"{named.where} names {shown}, which {known.asked(named)}")


def matches_name(names: t.Container[str], app: AppKey, name: str | None) -> bool:
    """Whether the id or the name of an application is in ``names``, compared exactly."""
    return app[1].removeprefix("name:") in names or (name is not None and name in names)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects the findings that a rule, an exclusion or a waiver covers.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re
import typing as t

from ..._base.errors import PolicyError
from ..._records.policy.patterns import Globs
from ..inputs.facts import Facts, owasp_codes, places_of

Test = t.Callable[[Facts], bool]
_RANGE = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15}))?")
_PREFIX = re.compile(r"[A-Za-z]+-?")
_MEANT_AS_NUMBER = re.compile(r"(?:qid)?[-_:\s]*[0-9][0-9\s,;:.–—-]*", re.IGNORECASE)
"""Text that is meant as numbers and cannot be an id: a list, a malformed range, or a number with ``QID`` before it."""


class Named(t.NamedTuple):
    """The words of one list of a selector, each with its test. ``field`` is tags, applications or rule_ids."""

    where: str
    field: str
    words: tuple[tuple[str, t.Callable[[str], bool]], ...]


NAMED_AT_MOST = 1000
_WIDEST = 200
"""Ranges with this many numbers or more are left out: they are too many to request from a knowledge base."""


def rules_named(lists: t.Iterable[Named]) -> list[str]:
    """Return the numbers of rules that lists of a policy name, in order and without those of wide ranges."""
    found: set[int] = set()
    for named in lists:
        for word, _fits in named.words if named.field == "rule_ids" else ():
            bounds = _RANGE.fullmatch(word.strip())
            low, high = (int(bounds[1]), int(bounds[2] or bounds[1])) if bounds else (1, 0)
            if high - low < _WIDEST:
                found.update(range(low, high + 1))
    return [str(number) for number in sorted(found)[:NAMED_AT_MOST]]


class Numbers:
    """A set of whole numbers, ranges of them and, if allowed, other ids as text."""

    def __init__(self, given: t.Iterable[int | str], where: str, *, prefix: str = "", texts: bool = False) -> None:
        """
        Args:
            given: numbers, or text such as ``150001-150099``.
            where: path of the list, for messages.
            prefix: a prefix that numbers may have, such as ``CWE-`` or ``A``.
            texts: whether text that is not a number is allowed, and matched exactly.

        Raises:
            PolicyError: an item is neither a number nor a range, or a range runs backwards.
        """
        self.exact: set[int] = set()
        self.texts: set[str] = set()
        self.ranges: list[tuple[int, int]] = []
        for index, item in enumerate(given):
            self._add(item, f"{where}[{index}]", prefix, texts)

    def _add(self, item: int | str | float, where: str, prefix: str, texts: bool) -> None:
        word = str(int(item)) if isinstance(item, (int, float)) else item.strip()
        found = _PREFIX.match(word)
        if prefix and found and found.group().upper().rstrip("-") == prefix.rstrip("-"):
            word = word[found.end() :]
        bounds = _RANGE.fullmatch(word)
        if bounds is None:
            if not texts or _MEANT_AS_NUMBER.fullmatch(word):
                raise PolicyError(f"{where} is invalid: {item!r}.", hint="Give a number, or a range such as 79-89.")
            self.texts.add(word)
            return
        low, high = int(bounds[1]), int(bounds[2] or bounds[1])
        if low > high:
            raise PolicyError(f"{where} is {item!r}, a range that runs backwards.", hint=f"Write {high}-{low}.")
        if low == high:
            self.exact.add(low)
        else:
            self.ranges.append((low, high))

    def has(self, value: int) -> bool:
        """Whether the number is listed or in a range."""
        return value in self.exact or any(low <= value <= high for low, high in self.ranges)

    def has_text(self, value: str | None) -> bool:
        """Whether an id is listed; if it is a number, also whether it is in a range."""
        if value is None:
            return False
        if value in self.texts:
            return True
        return value.isascii() and value.isdigit() and len(value) <= 15 and self.has(int(value))


def named_by(field: str, given: t.Iterable[t.Any], where: str) -> Named:
    """Return the words of a list of tags, applications or rules."""
    if field == "rule_ids":
        return Named(where, field, tuple((str(item), Numbers([item], where, texts=True).has_text) for item in given))
    return Named(where, field, tuple((str(item), Globs([item]).match) for item in given))


def all_named(spec: t.Mapping[str, t.Any], where: str) -> t.Iterator[Named]:
    """Yield the words of each list of a rule or an exclusion."""
    for field in ("tags", "applications", "rule_ids"):
        for side, given in spec.get(field, {}).items():
            yield named_by(field, given, f"{where}.{field}.{side}")


def _by_number(
    choice: t.Mapping[str, t.Any], where: str, prefix: str, read: t.Callable[[Facts], list[int]], *, every: bool
) -> list[Test]:
    tests: list[Test] = []
    if "include" in choice:
        wanted = Numbers(choice["include"], f"{where}.include", prefix=prefix)
        if every:
            tests.append(lambda facts: bool(read(facts)) and all(map(wanted.has, read(facts))))
        else:
            tests.append(lambda facts: any(map(wanted.has, read(facts))))
    if "exclude" in choice:
        unwanted = Numbers(choice["exclude"], f"{where}.exclude", prefix=prefix)
        tests.append(lambda facts: not any(map(unwanted.has, read(facts))))
    return tests


def _by_rule(choice: t.Mapping[str, t.Any], where: str) -> list[Test]:
    tests: list[Test] = []
    if "include" in choice:
        wanted = Numbers(choice["include"], f"{where}.include", texts=True)
        tests.append(lambda facts: wanted.has_text(facts.rule_id))
    if "exclude" in choice:
        unwanted = Numbers(choice["exclude"], f"{where}.exclude", texts=True)
        tests.append(lambda facts: not unwanted.has_text(facts.rule_id))
    return tests


def _by_text(
    choice: t.Mapping[str, t.Any], fold: bool, read: t.Callable[[Facts], t.Iterable[str | None]]
) -> list[Test]:
    tests: list[Test] = []
    if "include" in choice:
        wanted = Globs(choice["include"], fold=fold)
        tests.append(lambda facts: any(map(wanted.match, read(facts))))
    if "exclude" in choice:
        unwanted = Globs(choice["exclude"], fold=fold)
        tests.append(lambda facts: not any(map(unwanted.match, read(facts))))
    return tests


def _by_url(choice: t.Mapping[str, t.Any], *, every: bool) -> list[Test]:
    """Return tests for URL patterns. To leave a finding out, a pattern has to match both forms of :func:`places_of`."""
    tests: list[Test] = []
    if "include" in choice:
        wanted = Globs(choice["include"], fold=False)
        quantifier = all if every else any
        tests.append(lambda facts: quantifier(map(wanted.match, places_of(facts.url))))
    if "exclude" in choice:
        unwanted = Globs(choice["exclude"], fold=False)
        opposite = any if every else all
        tests.append(lambda facts: not opposite(map(unwanted.match, places_of(facts.url))))
    return tests


def selector(spec: t.Mapping[str, t.Any], where: str, *, every_code: bool = False) -> Test:
    """Return the test for the selecting keys of a rule or an exclusion, except severity, state, score and age.

    Args:
        spec: the rule or exclusion, validated against the schema.
        where: its path, for messages.
        every_code: whether all weaknesses and categories of a finding have to be listed, and all forms of its URL have
            to match. Set for exclusions, because a finding may have further weaknesses that must not be left out.

    Raises:
        PolicyError: a range runs backwards, or the id of a rule is malformed.
    """
    tests: list[Test] = []
    kinds = frozenset(spec.get("kinds", ("vulnerability", "sensitive_content")))
    tests.append(lambda facts: facts.kind in kinds)
    if "sources" in spec:
        sources = frozenset(spec["sources"])
        tests.append(lambda facts: facts.source in sources)
    if spec.get("confirmed_only"):
        # A finding counts as confirmed unless the source marks it as potential.
        tests.append(lambda facts: facts.raw.get("potential") is not True)
    tests += _by_rule(spec.get("rule_ids", {}), f"{where}.rule_ids")
    tests += _by_number(spec.get("cwe", {}), f"{where}.cwe", "CWE-", lambda facts: facts.cwe, every=every_code)
    tests += _by_number(spec.get("owasp", {}), f"{where}.owasp", "A", owasp_codes, every=every_code)
    tests += _by_text(spec.get("tags", {}), True, lambda facts: facts.tags)
    tests += _by_url(spec.get("urls", {}), every=every_code)
    tests += _by_text(spec.get("applications", {}), True, lambda facts: (facts.app[1], facts.app_name))
    if len(tests) == 1:
        return tests[0]
    return lambda facts: all(test(facts) for test in tests)

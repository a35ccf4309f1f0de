# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derives from a finding and from an event, in the same terms, the attack family, the host, the path and the parameter.

This module is private to the collection and may change at any time.

An event may show several attacks on several parameters, so both columns hold a list as one text: families are joined by
a comma, parameters by ``&`` as in a query string. Neither character can occur in a family, or in a name that
:func:`parameter_name` wrote. An empty text means that the event does not say. The tables are in ``attacks/tables.py``.
The columns on which findings and events are joined are derived here for the spool, the lake and the correlation.
"""

from __future__ import annotations

import functools
import re
import typing as t
from urllib.parse import unquote

from .attacks.tables import CATEGORIES, CHECKS, RULES, TAGS, WEAK, WEAKNESSES, WORDS
from .coerce import items, mapping, text, texts, whole
from .path_templates import host_of, path_template

FAMILY_SEPARATOR = ","
PARAMETER_SEPARATOR = "&"

Record = t.Mapping[str, t.Any]
Families = frozenset[str]

_NONE: Families = frozenset()
_LONGEST = 500
"""Characters of a title or message that are searched for keywords."""
_LONGEST_NAME = 256
_MOST = 50
"""Sub-events and parameters that are examined. Events of the supported vendors have only a few."""
_RANK = {family: rank for rank, family in enumerate(WEAKNESSES)}
_BY_WEAKNESS = {number: family for family, numbers in WEAKNESSES.items() for number in numbers}
_BY_CHECK = {number: family for family, numbers in CHECKS.items() for number in numbers}
_FULL_TAGS = re.compile(r"[/\s,]+")
_LAST_RULE = re.compile(r"last matched message:\s*([0-9]{3,9})\b", re.IGNORECASE)
_SCORES = {
    "sqli": re.compile(r"\bSQLi\s*=\s*([0-9]{1,9})", re.IGNORECASE),
    "xss": re.compile(r"\bXSS\s*=\s*([0-9]{1,9})", re.IGNORECASE),
}
_MATCHED_ON = re.compile(
    r"(?:ARGS(?:_GET|_POST)?(?:_NAMES)?|FILES(?:_NAMES)?|REQUEST_COOKIES(?:_NAMES)?|REQUEST_HEADERS(?:_NAMES)?):(.+)",
    re.IGNORECASE | re.DOTALL,
)
"""The target of a rule in ModSecurity's notation. Only a collection with a name identifies a parameter."""
_JSON_NAME = re.compile(r"json\.", re.IGNORECASE)
_NOT_IN_NAME = re.compile("[\x00-\x1f%&\x7f\ud800-\udfff]")


class Columns(t.NamedTuple):
    """Where something happened, and what happened. A column is empty when the record does not say."""

    host: str
    path_template: str
    parameter: str
    attack_family: str


def event_place(event: Record) -> tuple[str, str]:
    """Host and path template of an event: from its own fields, else from its URL."""
    url = text(event.get("url")) or ""
    host, path = text(event.get("host")), text(event.get("path"))
    return host_of(host if host else url), path_template(path if path else url)


def event_columns(event: Record) -> Columns:
    """The columns of an event. ``parameter`` and ``attack_family`` may hold several values, as the module describes."""
    return Columns(*event_place(event), parameter_of_event(event), family_of_event(event))


def finding_columns(finding: Record) -> Columns:
    """The columns of a finding: at most one parameter and one family. Without a URL, its application gives the host."""
    url = text(finding.get("url")) or ""
    host = host_of(url or text(mapping(finding.get("asset")).get("url")) or "")
    parameter = parameter_name(text(finding.get("parameter")) or "")
    return Columns(host, path_template(url), parameter, family_of_finding(finding))


def family_of_finding(finding: Record) -> str:
    """The attack family that targets the weakness of a finding.

    It follows from the finding's weaknesses (CWE), else from its check (QID, for Qualys), else from words in its title.

    Returns:
        One family, or an empty text when it is unknown.
    """
    known = {family for number in map(_weakness, items(finding.get("cwe"))) if (family := _BY_WEAKNESS.get(number))}
    if known:
        return min(known, key=_RANK.__getitem__)
    if finding.get("source") == "qualys":
        check = whole(finding.get("rule_id"))
        if check is not None and check in _BY_CHECK:
            return _BY_CHECK[check]
    return _by_words(text(finding.get("title")) or "")


def family_of_event(event: Record) -> str:
    """The attack families that an event shows, sorted and joined by a comma; empty when they are unknown.

    They are taken from the violated rules, with their tags and categories, and from the message only if those give no
    family. Families of ``WEAK`` (such as a denied country) are returned only if there is no other.
    """
    return FAMILY_SEPARATOR.join(sorted(_families_of_event(event)))


def parameter_of_event(event: Record) -> str:
    """The parameters that the attacks of an event targeted, sorted and joined by ``&``; empty when they are unknown.

    Only rules of the event's own families count, so that a rule about a missing header does not hide the argument that
    carried the attack.
    """
    families = _families_of_event(event)
    names = set()
    for item in map(mapping, items(event.get("sub_events"))[:_MOST]):
        found = _MATCHED_ON.fullmatch(text(item.get("matched_on")) or "")
        if found and (not families or families & _of_sub_event(item)):
            names.add(parameter_name(_JSON_NAME.sub("", found[1], count=1)))
    return PARAMETER_SEPARATOR.join(sorted(names - {""}))


def parameter_name(name: str) -> str:
    """A parameter's name as both sides write it: decoded once, with ``%``, ``&`` and control characters encoded."""
    clean = unquote(name[:_LONGEST_NAME].strip().strip("'\"").replace("+", " "), errors="replace").strip()
    return _NOT_IN_NAME.sub(lambda found: f"%{ord(found[0]):02X}", clean)


def _families_of_event(event: Record) -> Families:
    sub_events = [mapping(item) for item in items(event.get("sub_events"))[:_MOST]]
    found: set[str] = set()
    for item in sub_events:
        found |= _of_sub_event(item)
    for rule in texts(event.get("rule_ids") or [])[:_MOST]:
        found |= _by_rule(rule)
    for category in texts(event.get("categories") or [])[:_MOST]:
        found |= _by_category(category)
    message = text(event.get("message"))
    if message and not found - WEAK:
        found |= _by_message(message[:_LONGEST])
    return frozenset(found - WEAK or found)


def _of_sub_event(item: Record) -> Families:
    found = _by_rule(text(item.get("rule_id")) or "")
    if found:
        return found
    family = _by_words((text(item.get("message")) or "")[:_LONGEST])
    return frozenset({family}) if family else _NONE


@functools.lru_cache(maxsize=4096)
def _by_rule(rule: str) -> Families:
    number = whole(rule)
    if number is not None:
        for first, last, families in RULES:
            if first <= number <= last:
                return frozenset(families)
    return _NONE


@functools.lru_cache(maxsize=4096)
def _by_category(category: str) -> Families:
    if category in CATEGORIES:
        return frozenset(CATEGORIES[category])
    found: set[str] = set()
    for tag in _FULL_TAGS.split(category[:_LONGEST].lower()):
        found.update(TAGS.get(tag, ()))
    family = "" if found else _by_words(category)
    return frozenset({family} if family else found)


@functools.lru_cache(maxsize=4096)
def _by_message(message: str) -> Families:
    found = {family for family, score in _SCORES.items() if (told := score.search(message)) and int(told[1]) > 0}
    rule = _LAST_RULE.search(message)
    found |= _by_rule(rule[1]) if rule else _NONE
    family = "" if found else _by_words(message)
    return frozenset({family} if family else found)


@functools.lru_cache(maxsize=4096)
def _by_words(words: str) -> str:
    folded = words[:_LONGEST].lower()
    return next((family for family, pattern in WORDS if pattern.search(folded)), "")


def _weakness(value: t.Any) -> int:
    """The number of a CWE, also from text; -1 for anything else."""
    number = whole(value.strip().upper().removeprefix("CWE-") if isinstance(value, str) else value)
    return -1 if number is None else number

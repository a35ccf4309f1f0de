# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detects waivers and exclusions that are so broad that they cover whatever is found next.

This module is private to the collection and may change at any time.

Items of one list are alternatives, so a list restricts nothing as soon as one of its patterns matches everything.
"""

from __future__ import annotations

import typing as t

from .schemas import KINDS, SOURCES
from .selectors import Numbers

Spec = t.Mapping[str, t.Any]
_EXACT = ("unique_ids", "fingerprints", "ids")
_PATTERNS = ("urls", "parameters")
_SCHEMES = ("https://", "http://")
WIDEST = {"rule_ids": 1000, "cwe": 100, "owasp": 10}
"""How many numbers in a list, single ones and those in ranges, are too many. A scanner has a few hundred rules for web
applications, and there are about 1400 weaknesses with a number."""


def fits_everything(pattern: str) -> bool:
    """Whether a pattern has nothing but stars, punctuation and the scheme of a URL, as in ``https://*``.

    A single letter between stars, as in ``*a*``, restricts nothing either.
    """
    if "*" not in pattern:
        return False
    parts = pattern.casefold().split("*")
    anywhere = not parts[0] and not parts[-1]
    return not any(
        any(map(str.isalnum, part))
        and not any(part in scheme for scheme in _SCHEMES)
        and not (anywhere and len(part) == 1)
        for part in parts
    )


def _spans_too_much(name: str, items: t.Sequence[t.Any]) -> bool:
    prefix = {"cwe": "CWE-", "owasp": "A"}.get(name, "")
    numbers = Numbers(items, name, prefix=prefix, texts=name == "rule_ids")
    return len(numbers.exact) + sum(high - low + 1 for low, high in numbers.ranges) >= WIDEST[name]


def is_broad_match(match: Spec) -> bool:
    """Whether the match of a waiver restricts nothing, so that it covers whatever is found next.

    Raises:
        PolicyError: a range cannot be read.
    """
    if any(name in match for name in _EXACT):
        return False
    if any(name in match and not any(map(fits_everything, match[name])) for name in _PATTERNS):
        return False
    return not any(name in match and not _spans_too_much(name, match[name]) for name in ("rule_ids", "cwe"))


def excludes_everything(spec: Spec) -> bool:
    """Whether an exclusion leaves no finding to the rules.

    Raises:
        PolicyError: a range cannot be read.
    """
    if not set(KINDS) <= set(spec.get("kinds", KINDS)) or not set(SOURCES) <= set(spec.get("sources", SOURCES)):
        return False
    for name in ("tags", "urls", "applications"):
        choice = spec.get(name, {})
        if "exclude" in choice or ("include" in choice and not any(map(fits_everything, choice["include"]))):
            return False
    for name in WIDEST:
        choice = spec.get(name, {})
        if "exclude" in choice or ("include" in choice and not _spans_too_much(name, choice["include"])):
            return False
    return True

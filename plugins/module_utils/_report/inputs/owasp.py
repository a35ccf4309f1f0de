# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of OWASP Top 10 categories, with the edition: a number has another meaning in each edition.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import re
import typing as t

_EDITION = re.compile(r"(?<!\d)20(?:1[037]|2[1-9])(?!\d)")
"""A year in the address of a category, such as ``https://owasp.org/Top10/A03_2021-Injection/``."""

_ZERO_PADDED_SINCE = 2021

_NAMES: dict[int, tuple[str, ...]] = {
    2017: (
        "injection",
        "broken authentication",
        "sensitive data exposure",
        "xml external entities (xxe)",
        "broken access control",
        "security misconfiguration",
        "cross-site scripting (xss)",
        "insecure deserialization",
        "using components with known vulnerabilities",
        "insufficient logging & monitoring",
    ),
    2021: (
        "broken access control",
        "cryptographic failures",
        "injection",
        "insecure design",
        "security misconfiguration",
        "vulnerable and outdated components",
        "identification and authentication failures",
        "software and data integrity failures",
        "security logging and monitoring failures",
        "server-side request forgery",
    ),
}
"""For categories without an address: number and name together identify the edition, as no two editions share both."""


def edition_of(category: t.Mapping[str, t.Any]) -> int | None:
    """The edition (a year) of a category; None when it cannot be determined.

    Args:
        category: with ``code``, ``name`` and ``url``, each possibly None.
    """
    found = _EDITION.search(category["url"] or "")
    if found:
        return int(found[0])
    code, name = category["code"], (category["name"] or "").casefold().removesuffix(" (ssrf)").strip()
    for year, names in _NAMES.items():
        if code is not None and 1 <= code <= len(names) and names[code - 1] == name:
            return year
    return None


def label(code: int | None, name: str | None, edition: int | None) -> str:
    """``A03:2021 Injection``, ``A1:2017 Injection``, ``A3 Injection`` without an edition, or what there is."""
    number = ""
    if code is not None:
        padded = f"{code:02d}" if (edition or 0) >= _ZERO_PADDED_SINCE else str(code)
        number = f"A{padded}:{edition}" if edition else f"A{padded}"
    return " ".join(filter(None, (number, name or "")))


def label_of(category: t.Mapping[str, t.Any]) -> str:
    """Like :func:`label`, for a category of a finding."""
    return label(category["code"], category["name"], edition_of(category))

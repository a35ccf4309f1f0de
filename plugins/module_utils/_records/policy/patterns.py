# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of policies and waivers, and the applications that they select.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t


class Globs:
    """Patterns in which only ``*`` is special: it matches any characters, or none. Matching takes linear time."""

    def __init__(self, patterns: t.Iterable[str], *, fold: bool = True) -> None:
        self._fold = fold
        self._parts = [(pattern.casefold() if fold else pattern).split("*") for pattern in patterns]

    def match(self, value: str | None) -> bool:
        """Whether any of the patterns matches the whole text."""
        if value is None:
            return False
        folded = value.casefold() if self._fold else value
        return any(_fits(folded, parts) for parts in self._parts)


def _fits(value: str, parts: list[str]) -> bool:
    first, *middle = parts
    if not middle:
        return value == first
    last = middle.pop()
    if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
        return False
    position, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def application_test(patterns: t.Iterable[str]) -> t.Callable[[str, str | None], bool]:
    """Return a test for whether the patterns select an application, given by id and name."""
    globs = Globs(patterns)
    return lambda identity, name: globs.match(identity) or globs.match(name)

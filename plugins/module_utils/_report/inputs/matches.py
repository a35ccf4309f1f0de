# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the matches of findings and events, which say what findings were attacked.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import hashlib
import pathlib
import typing as t

from ..._records.coerce import bounded, items, mapping, whole
from ..._records.model import Finding
from .. import text
from .records import Gaps, records_in

CLASSES: tuple[str, ...] = ("attacked_not_blocked", "blocked", "scanner_only", "unobserved")
"""What is known about attacks on a finding, the most important first."""
NOT_BLOCKED = CLASSES[0]
CLASS_LABELS = {
    "attacked_not_blocked": "Attacked, not blocked",
    "blocked": "Attacked, blocked",
    "scanner_only": "Only by scanners",
    "unobserved": "Not observed",
}
_SOURCES = 10


class MatchView(t.NamedTuple):
    """What is known about attacks on one finding. Times are UTC, ISO-8601 with ``Z``."""

    kind: str
    events: int
    first: str | None
    last: str | None
    family: str | None
    strength: str | None
    sources: tuple[str, ...]
    host_events: int


UNOBSERVED = MatchView("unobserved", 0, None, None, None, None, (), 0)


class Matches:
    """The matches of all files. One that says no more than ``UNOBSERVED`` is only counted."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(CLASSES, 0)
        self.other_records = 0
        self._found: dict[tuple[str, str], MatchView] = {}

    def read(self, path: pathlib.Path, gaps: Gaps) -> None:
        """Read a file of matches; of two about one finding, the worse counts.

        Raises:
            FileError: the file cannot be read.
        """
        for record in records_in(path, "matches"):
            if record["record"] == "gap":
                gaps.add(record)
            elif record["record"] != "match":
                self.other_records += 1
            else:
                self._take(record)

    def _take(self, record: t.Mapping[str, t.Any]) -> None:
        view = _view(record)
        self.counts[view.kind] += 1
        if view == UNOBSERVED:
            return
        key = _key(mapping(record.get("finding")))
        known = self._found.get(key)
        if known is None or CLASSES.index(view.kind) < CLASSES.index(known.kind):
            self._found[key] = view

    @property
    def names_no_scanner(self) -> bool:
        """Whether findings were attacked, and none by scanners only: perhaps no scanner was named."""
        attacked = self.counts[NOT_BLOCKED] + self.counts["blocked"]
        return bool(attacked) and not self.counts["scanner_only"]

    def digest(self) -> str:
        """A digest of all matches that were kept."""
        return hashlib.sha256(repr(sorted(self._found.items())).encode("utf-8", "replace")).hexdigest()

    def of(self, finding: Finding) -> MatchView:
        """What is known about attacks on a finding."""
        return self._found.get(_key(finding), UNOBSERVED)


def _key(named: t.Mapping[str, t.Any]) -> tuple[str, str]:
    source, unique = bounded(named.get("source")) or "unknown", bounded(named.get("unique_id"))
    return source, f"u:{unique}" if unique else f"i:{bounded(named.get('id')) or ''}"


def _view(record: t.Mapping[str, t.Any]) -> MatchView:
    kind, events = record.get("class"), mapping(record.get("events"))
    first, last = (text.whole_seconds(bounded(events.get(name))) for name in ("first", "last"))
    return MatchView(
        # An unknown class may be an attack, but must not be reported as one.
        kind=kind if isinstance(kind, str) and kind in CLASSES else "unobserved",
        events=max(whole(events.get("count")) or 0, 0),
        first=first,
        last=last,
        family=text.line(bounded(record.get("family")), 60) or None,
        strength=text.line(bounded(record.get("strength")), 20) or None,
        sources=tuple(filter(None, map(_source, items(record.get("sources"))[:_SOURCES]))),
        host_events=max(whole(record.get("host_events")) or 0, 0),
    )


def _source(item: t.Any) -> str:
    if isinstance(item, dict):
        item = item.get("ip") or item.get("client_ip") or item.get("address") or item.get("network")
    return text.line(bounded(item), 60)

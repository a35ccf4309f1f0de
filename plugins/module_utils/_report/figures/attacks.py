# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firewalls reported, in one pass over their events and with bounded memory.

This module is private to the collection and may change at any time.

A million events become a few thousand counters. No event is kept.
"""

from __future__ import annotations

import functools
import pathlib
import re
import typing as t

from ..._records.coerce import items
from ..._records.model import SEVERITIES, STOPPED
from ..._records.path_templates import host_of
from .. import text
from ..inputs.attack_figures import ACTIONS, Attacked, AttackFigures, AttackService, Moment
from ..inputs.model import no_counts
from ..inputs.records import Gaps, records_in
from .counts import TopCounts

ROOM = 20_000
"""The largest number of words of one kind, such as clients, that are counted separately."""
LISTED = 25
_CATEGORIES = 50
_WORD = 200
_SEVERITY_NAMES = frozenset(SEVERITIES)


class AttackTally:
    """The counters of one pass over events."""

    def __init__(self, room: int = ROOM) -> None:
        self.total = 0
        self.not_blocked = 0
        self.undated = 0
        self.other_records = 0
        self.actions = dict.fromkeys(ACTIONS, 0)
        self.severities = no_counts()
        self.services: dict[str, list[t.Any]] = {}
        self.clients: TopCounts[str] = TopCounts(room)
        self.places: dict[str, str] = {}
        self.countries: TopCounts[str] = TopCounts(room)
        self.categories: TopCounts[str] = TopCounts(room)
        self.hosts: TopCounts[str] = TopCounts(room)
        self.hours: TopCounts[str] = TopCounts(room)

    def read(self, path: pathlib.Path, gaps: Gaps) -> None:
        """Count the events of a file or of a stream.

        Raises:
            FileError: the file or stream cannot be read.
        """
        for record in records_in(path, "events"):
            kind = record["record"]
            if kind == "event":
                self.add(record)
            elif kind == "gap":
                gaps.add(record)
            else:
                self.other_records += 1

    def add(self, event: t.Mapping[str, t.Any]) -> None:
        """Count one event. A value of the wrong type counts as unknown or missing, and never raises."""
        get = event.get
        action = get("action")
        action = action if isinstance(action, str) and action in self.actions else "unknown"
        bad = int(action not in STOPPED)
        self.total += 1
        self.not_blocked += bad
        self.actions[action] += 1
        severity = get("severity")
        self.severities[severity if isinstance(severity, str) and severity in _SEVERITY_NAMES else "unknown"] += 1
        country = _word(get("country"))
        client = _word(get("client_ip"))
        self.clients.add(client, bad)
        if client not in self.places:
            self._remember(client, country)
        self.countries.add(country, bad)
        host = get("host")
        self.hosts.add(_word(host_of(host)) if isinstance(host, str) else "", bad)
        for category in {_word(item) for item in items(get("categories"))[:_CATEGORIES]} or {""}:
            self.categories.add(category, bad)
        self._place(_word(get("source")) or "unknown", get("time"), bad)

    def _remember(self, client: str, country: str) -> None:
        """Remember the country of a client, for as long as the client is counted."""
        if len(self.places) > 2 * self.clients.limit:
            self.places = {name: self.places.get(name, "") for name, _events, _bad in self.clients.items()}
        self.places[client] = country

    def _place(self, source: str, time: t.Any, bad: int) -> None:
        """Count by service, and by hour."""
        service = self.services.get(source)
        if service is None:
            # A file can name any number of sources; there are five services.
            source = source if len(self.services) < LISTED else "unknown"
            service = self.services.setdefault(source, [0, 0, "", ""])
        service[0] += 1
        service[1] += bad
        hour = _hour(time[:13]) if isinstance(time, str) and _within_hour(time[13:19]) else ""
        if not hour:
            self.undated += 1
            return
        self.hours.add(hour, bad)
        moment = time[:19] + "Z"
        if not service[2] or moment < service[2]:
            service[2] = moment
        if moment > service[3]:
            service[3] = moment

    def figures(self) -> AttackFigures:
        """The figures of all events that were counted."""
        services = [
            AttackService(
                source=name, events=found[0], not_blocked=found[1], first=found[2] or None, last=found[3] or None
            )
            for name, found in sorted(self.services.items())
        ]
        times = [time for found in self.services.values() for time in found[2:] if time]
        counters = (self.clients, self.countries, self.categories, self.hosts, self.hours)
        return AttackFigures(
            total=self.total,
            not_blocked=self.not_blocked,
            first=min(times, default=None),
            last=max(times, default=None),
            actions=self.actions,
            severities=self.severities,
            services=services,
            clients=[_attacked(*item, self.places.get(item[0], "")) for item in self.clients.top(LISTED)],
            clients_seen=len(self.clients),
            countries=[_attacked(*item) for item in self.countries.top(LISTED)],
            categories=[_attacked(*item) for item in self.categories.top(LISTED)],
            hosts=[_attacked(*item) for item in self.hosts.top(LISTED)],
            hosts_seen=len(self.hosts),
            timeline=_timeline(self.hours),
            undated=self.undated,
            other_records=self.other_records,
            missed=max(counter.missed for counter in counters),
        )

    def host_counts(self) -> dict[str, tuple[int, int]]:
        """Events and those that were not blocked, by host."""
        return {host: (events, bad) for host, events, bad in self.hosts.items() if host}


def _attacked(name: str, events: int, bad: int, country: str = "") -> Attacked:
    return Attacked(name=name, events=events, not_blocked=bad, country=country or None)


def _word(value: t.Any) -> str:
    # A shortcut for what nearly every event has: text.line() is slower.
    if isinstance(value, str):
        return value if len(value) <= _WORD and value.isprintable() else text.line(value, _WORD)
    return "" if value is None else text.line(str(value), _WORD)


@functools.lru_cache(maxsize=4096)
def _hour(value: str) -> str:
    """The value when it is an hour such as ``2026-11-20T09``, else an empty text."""
    return value if len(value) == 13 and value[10:11] == "T" and text.read_time(f"{value}:00:00Z") else ""


@functools.lru_cache(maxsize=4096)
def _within_hour(value: str) -> bool:
    """Whether the value has minutes and seconds such as ``:59:07``."""
    return re.fullmatch(r":[0-5][0-9]:[0-5][0-9]", value) is not None


_HOURS_SHOWN = 72
_DAYS_SHOWN = 92


def _timeline(hours: TopCounts[str]) -> list[Moment]:
    """By hour when there are few hours, else by day for the newest days; hours and days without events included."""
    found = {hour: (events, bad) for hour, events, bad in hours.items()}
    if not found:
        return []
    if _span(min(found), max(found), 1) <= _HOURS_SHOWN:
        return [_moment(hour, found) for hour in _steps(min(found), max(found), 1, _HOURS_SHOWN)]
    days: dict[str, tuple[int, int]] = {}
    for hour, (events, bad) in found.items():
        before = days.get(hour[:10], (0, 0))
        days[hour[:10]] = (before[0] + events, before[1] + bad)
    return [_moment(day, days) for day in _steps(min(days), max(days), 24, _DAYS_SHOWN)]


def _moment(at: str, found: t.Mapping[str, tuple[int, int]]) -> Moment:
    events, bad = found.get(at, (0, 0))
    return Moment(at=at, events=events, not_blocked=bad)


def _span(first: str, last: str, hours: int) -> int:
    """The number of steps, each of ``hours`` hours, from the first moment to the last."""
    start, end = text.read_time(_whole(first)), text.read_time(_whole(last))
    return int((end - start).total_seconds()) // (3600 * hours) if start and end else 0


def _whole(at: str) -> str:
    return f"{at}:00:00Z" if len(at) == 13 else f"{at}T00:00:00Z"


def _steps(first: str, last: str, hours: int, limit: int) -> list[str]:
    """The moments from the first to the last, in steps of ``hours`` hours: at most ``limit``, the newest."""
    end = text.read_time(_whole(last))
    if end is None:
        return []
    number = min(_span(first, last, hours), limit - 1)
    form = "%Y-%m-%dT%H" if hours == 1 else "%Y-%m-%d"
    return [(end - text.HOUR * hours * step).strftime(form) for step in range(number, -1, -1)]

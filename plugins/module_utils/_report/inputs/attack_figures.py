# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says about attacks: plain data, so that it can stand in the JSON report.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

ACTIONS: tuple[str, ...] = ("blocked", "challenged", "redirected", "alerted", "allowed", "unknown")
"""What a firewall did with an attack; the first three kept it from its target."""
ACTION_LABELS = {
    "blocked": "Blocked",
    "challenged": "Challenged",
    "redirected": "Redirected",
    "alerted": "Alerted, let through",
    "allowed": "Allowed",
    "unknown": "Not known",
}


class Attacked(t.TypedDict):
    """Events of one client, country, category or host. An empty name: the events do not say it."""

    name: str
    events: int
    not_blocked: int
    country: str | None


class AttackService(t.TypedDict):
    """Events of one service."""

    source: str
    events: int
    not_blocked: int
    first: str | None
    last: str | None


class Moment(t.TypedDict):
    """Events of one day (``2026-11-20``) or one hour (``2026-11-20T09``), UTC."""

    at: str
    events: int
    not_blocked: int


class AttackFigures(t.TypedDict):
    """All figures of the events. Lists have what was blocked least first.

    ``missed`` is by how much a count of a list may be too low, 0 as a rule; the totals are always right.
    """

    total: int
    not_blocked: int
    first: str | None
    last: str | None
    actions: dict[str, int]
    severities: dict[str, int]
    services: list[AttackService]
    clients: list[Attacked]
    clients_seen: int
    countries: list[Attacked]
    categories: list[Attacked]
    hosts: list[Attacked]
    hosts_seen: int
    timeline: list[Moment]
    undated: int
    other_records: int
    missed: int

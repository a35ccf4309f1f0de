# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures about attacks: plain data, so that the JSON report can contain them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

ACTIONS: tuple[str, ...] = ("blocked", "challenged", "redirected", "alerted", "allowed", "unknown")
"""What a firewall did with an attack; the first three stopped it."""
ACTION_LABELS = {
    "blocked": "Blocked",
    "challenged": "Challenged",
    "redirected": "Redirected",
    "alerted": "Alerted, let through",
    "allowed": "Allowed",
    "unknown": "Not known",
}


class Attacked(t.TypedDict):
    """Events of one client, country, category or host. ``name`` is empty for events that do not say it."""

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
    """All figures of the events. Lists begin with the item that has the most events that were not blocked.

    ``missed`` is by how much a count in a list may be too low, usually 0; the totals are always exact.
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

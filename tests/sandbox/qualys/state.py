# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the Qualys subscription holds."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from ..tables import Record, Table
from .scan_outcomes import RETEST_OUTCOMES, Outcome, checked


class State:
    """Tables by id. Values are Python values (int, bool, list of ids); the views give them the vendor's shapes.

    Change them under ``lock`` when requests are running.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = Table(71001)
        self.tags = Table(90001)
        self.auth_records = Table(31001)
        self.option_profiles = Table(12001)
        self.dns_overrides = Table(8001)
        self.proxies = Table(6001)
        self.webapps = Table(410001)
        self.scans = Table(770001)
        self.findings = Table(5100001)
        self.schedules = Table(640001)
        self.reports = Table(880001)
        self.report_templates = Table(9001)
        # Deleted from WAS, still in the subscription: (name, url) -> the record as it was.
        self.in_subscription: dict[tuple[str, str], Record] = {}
        self.next_item_id = 55001
        # What is under way, by id, and what is to come of the next ones that start.
        self.running_scans: set[int] = set()
        self.retests: set[int] = set()
        self.running_reports: set[int] = set()
        self.scan_outcomes: deque[Outcome] = deque()
        self.retest_outcomes: deque[str] = deque()

    def tables(self) -> tuple[Table, ...]:
        """All tables."""
        return (
            self.users,
            self.tags,
            self.auth_records,
            self.option_profiles,
            self.dns_overrides,
            self.proxies,
            self.webapps,
            self.scans,
            self.findings,
            self.schedules,
            self.reports,
            self.report_templates,
        )

    def clear(self) -> None:
        """Empty, as before seeding."""
        fresh = State()
        for table, new in zip(self.tables(), fresh.tables(), strict=True):
            table.clear()
            table.next_id = new.next_id
        self.in_subscription.clear()
        self.next_item_id = fresh.next_item_id
        for waiting in (
            self.running_scans,
            self.retests,
            self.running_reports,
            self.scan_outcomes,
            self.retest_outcomes,
        ):
            waiting.clear()

    def next_scan_outcome(self, *outcomes: Outcome) -> None:
        """What is to come of the next scans, in order: names of outcomes, or dicts as the README describes them."""
        for outcome in outcomes:
            checked(outcome)
        self.scan_outcomes.extend(outcomes)

    def next_retest_outcome(self, *outcomes: str) -> None:
        """What is to come of the next retests, in order: still_there, fixed, canceled."""
        for outcome in outcomes:
            if outcome not in RETEST_OUTCOMES:
                raise ValueError(f"unknown outcome {outcome}; known: {', '.join(RETEST_OUTCOMES)}")
        self.retest_outcomes.extend(outcomes)

    def new_item_id(self) -> int:
        """An id for something inside a record (a crawling script, a form field)."""
        self.next_item_id += 1
        return self.next_item_id

    def user(self, user_id: int) -> dict[str, Any]:
        """A user as it appears inside other objects."""
        user = self.users.get(user_id)
        if user is None:
            return {"id": user_id}
        return {name: user[name] for name in ("id", "username", "firstName", "lastName")}

    def named(self, table: Table, key: int) -> dict[str, Any]:
        """The ``{id, name}`` form of a reference."""
        record = table.get(key)
        return {"id": key, "name": record["name"]} if record is not None else {"id": key}

    def scans_of(self, webapp_id: int) -> list[int]:
        """Ids of the scans of one web application."""
        return [scan["id"] for scan in self.scans.in_order() if scan["webAppId"] == webapp_id]

    def findings_of(self, webapp_id: int) -> list[int]:
        """Ids of the findings of one web application."""
        return [finding["id"] for finding in self.findings.in_order() if finding["webApp"]["id"] == webapp_id]

    def forget_scan_data(self, webapp_ids: set[int]) -> None:
        """Remove findings and scans of web applications."""
        findings = [item["id"] for item in self.findings.values() if item["webApp"]["id"] in webapp_ids]
        scans = [item["id"] for item in self.scans.values() if item["webAppId"] in webapp_ids]
        self.findings.remove_many(findings)
        self.scans.remove_many(scans)
        self.running_scans.difference_update(scans)

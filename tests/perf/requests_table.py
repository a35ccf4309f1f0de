# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a run of each log export costs, as the table of the guide: ``python -m tests.perf.requests_table``.

The collector and the code for each service are the real ones. In place of a service there is one in memory behind the
room's client, so that a million records are a matter of a minute; tests/unit/.../test_services.py counts the smaller
numbers at the sandbox. Records are spread evenly over the time.
"""

from __future__ import annotations

import argparse
import bisect
import datetime as dt
import importlib
import json
import sys
import tempfile
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tests.conftest import make_import_tree

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
RECORDS, DAYS = (300, 10_000, 1_000_000), (1, 29)
ROOMS = "ansible_collections.appsec.perimeter.plugins.module_utils"
SHARED: dict[str, Any] = {
    **dict.fromkeys(("lag", "overlap", "sweep", "backfill", "retain_days", "segment_group")),
    "compress": False, "segment_mode": "0600", "sensitive": "redact", "include_raw": False, "first_run": "lookback",
}  # fmt: skip


def room(name: str) -> Any:
    """A module of the collection."""
    return importlib.import_module(f"{ROOMS}.{name}")


class Service:
    """A service in memory: so many records, spread evenly over the days before now, and a count of its calls."""

    workers = 4
    max_wait = 900.0

    def __init__(self, records: int, days: int) -> None:
        self.connection = SimpleNamespace(
            account_number="1", host="www.example.jp", id="A", org_key="A", api_url="https://was.example.com"
        )
        self._records = records
        self._start = NOW - dt.timedelta(days=days, seconds=-1)
        self._step = dt.timedelta(days=days) / max(records, 1)
        self._lock = threading.Lock()
        self.calls = 0

    def server_time(self) -> None:
        """No date: the collector goes by its own clock."""

    def _count(self) -> None:
        with self._lock:
            self.calls += 1

    def _time(self, number: int) -> dt.datetime:
        return (self._start + self._step * number).replace(microsecond=0)

    def _between(self, start: dt.datetime, end: dt.datetime) -> range:
        """The numbers of the records with ``start <= time < end``."""
        numbers = range(self._records)
        first = bisect.bisect_left(numbers, start, key=self._time)
        return range(first, bisect.bisect_left(numbers, end, lo=first, key=self._time))


class Edgecast(Service):
    """Newest first, by page number."""

    def page(self, bounds: Any, _filters: Any, number: int, size: int, *, read: Any = None) -> Any:
        """One page, made by the worker processes where there are any."""
        self._count()
        found = self._between(bounds.start, bounds.end)[::-1]
        rows = [self._event(place) for place in found[(number - 1) * size : number * size]]
        body = {"events": rows, "page": number, "page_of": -(-len(found) // size)}
        return room("_edgecast.client").page_of(body, number) if read is None else read(json.dumps(body).encode())

    def _event(self, number: int) -> dict[str, Any]:
        return {"id": str(number), "Timestamp": self._time(number).isoformat(), "Action Type": "ALERT"}


class Scutum(Service):
    """Oldest first, by marker."""

    def page(self, listing: Any, marker: str | None = None) -> Any:
        """One page."""
        self._count()
        found = self._between(listing.start, listing.end)
        left = found if marker is None else range(int(marker) + 1, found.stop)
        rows = [
            {"log_id": str(number), "ts": self._time(number).isoformat(), "block": True, "uri": "/"}
            for number in left[:1000]
        ]
        return room("_scutum.client").AlertPage(rows, rows[-1]["log_id"] if len(left) > len(rows) else None, True)


class CarbonBlack(Service):
    """By offset, oldest first, and no more than 10,000."""

    def search(self, body: dict[str, Any]) -> Any:
        """One page."""
        self._count()
        span = body["criteria"]["scan_time"]
        found = self._between(*(dt.datetime.fromisoformat(span[name]) for name in ("start", "end")))
        rows = [
            {"full_tag": f"image:{number}", "scan_time": f"{self._time(number):%Y-%m-%dT%H:%M:%S}Z", "source": "CLI"}
            for number in found[body["start"] : body["start"] + body["rows"]]
        ]
        return room("_carbon_black.client").ScanLogPage(rows, len(found))


class Indusface(Service):
    """By day, without pages. An answer is one request whatever it holds, and holds a thousand here at most."""

    def scan_logs(self, days: Any) -> Any:
        """The scan logs of these days."""
        self._count()
        first, last = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (days.first, days.last))
        rows = [
            {"ScanlogId": str(number), "ServiceId": 1, "ScanDate": self._time(number).date().isoformat()}
            for number in self._between(first, last + dt.timedelta(days=1))[:1000]
        ]
        return room("_indusface.client").Answer(rows, None)


SERVICES: dict[str, tuple[type[Service], str, dict[str, Any]]] = {
    "Edgecast": (Edgecast, "_edgecast.export", {"event_filters": None}),
    "Scutum": (Scutum, "_scutum.alert_export", {"ip": None, "details": "none", "details_limit": None}),
    "Carbon Black": (
        CarbonBlack, "_carbon_black.export", {"criteria": None, "search": None, "malware_findings": False},
    ),
    "Indusface": (Indusface, "_indusface.scan_log_export", {"chunk_days": 1}),
}  # fmt: skip
"""Stand-in, module of the collection, and options of its own."""


def requests(name: str, records: int, days: int) -> tuple[int, int]:
    """Requests of a first run, and of a second one after a quarter of an hour that finds nothing new."""
    kind, module, own = SERVICES[name]
    service = kind(records, days)
    run: Callable[..., Any] = room(module).run
    with tempfile.TemporaryDirectory() as folder:
        places = {"dest": f"{folder}/stream", "state_dir": f"{folder}/state", "lookback": f"{days}d"}
        costs = []
        for later in (dt.timedelta(minutes=5), dt.timedelta(minutes=20)):
            before = service.calls
            result = run({**SHARED, **own, **places}, service, False, clock=lambda now=NOW + later: now)
            if result.error or not result.values["complete"]:
                raise SystemExit(f"{name}: {result.error}")
            costs.append(service.calls - before)
        if result.changed:
            raise SystemExit(f"{name}: the second run found something new")
    return costs[0], costs[1]


def table(sizes: tuple[int, ...] = RECORDS) -> list[list[str]]:
    """The lines of the table: the service, and requests for nothing new and for each number, in one day and in 29."""
    lines = []
    for name in SERVICES:
        costs = [[requests(name, size, days) for days in DAYS] for size in sizes]
        again = [second for _first, second in costs[0]]
        lines.append([name, *(f"{cost:,}" for cost in (*again, *(first for pair in costs for first, _again in pair)))])
    return lines


def as_rst(lines: list[list[str]]) -> str:
    """The table as the guide has it."""
    whats = ("nothing new", *(f"{size:,} records" for size in RECORDS))
    heads = ["Service", *(f"{what}, {days} {'day' if days == 1 else 'days'}" for what in whats for days in DAYS)]
    text = ".. list-table::\n   :header-rows: 1\n\n"
    for line in (heads, *lines):
        text += "".join(f"   {'*' if place == 0 else ' '} - {cell}\n" for place, cell in enumerate(line))
    return text


def main() -> int:
    """Entry point."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.path.insert(0, str(make_import_tree()))
    print(as_rst(table()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

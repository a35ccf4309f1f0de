# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scutum's room: keys, the call limit, the list with its marker, the detail (docs/vendors/scutum_waf.md 2 to 6)."""

from __future__ import annotations

import base64
import binascii
import bisect
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from ..faults import Fault
from ..log_room import LogRoom, json_reply
from ..wire import Reply, Request
from .parameters import BadParameter, Listing, parse
from .seed import Alert, alert, alerts

LIST, DETAIL = "/api/v1/alert", "/api/v1/alert_detail"
RETENTION = timedelta(days=365)


@dataclass(slots=True)
class ScutumSettings:
    """What can be chosen at start."""

    records: int = 500
    """How many records are seeded, over the days before the start."""
    days: float = 30
    page_size: int = 1000
    api_key: str = "sandbox-scutum-key-0001"
    host: str = "www.example.jp"
    id: str = "ABC1234"
    late_every: int = 0
    """Every how many records one becomes visible late; 0 is none."""
    late_s: float = 120
    """How many seconds after its time a late one becomes visible."""


class Refused(Exception):
    """An answer other than 200. The words are ours: the vendor documents none."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Scutum(LogRoom[ScutumSettings]):
    """Room of the service."""

    PATHS = ("/api/v1/alert",)

    def reset(self) -> None:
        """State back to the seed."""
        with self.lock:
            self._anchor = self.clock.anchor
            # Made anew when somebody asks: most tests are about another service.
            self.__dict__.pop("alerts", None)
            self._next = self.settings.records
            self._expire = 0
            self._calls: dict[str, deque[datetime]] = {}

    @cached_property
    def alerts(self) -> list[Alert]:
        """All records, in the order of the vendor."""
        chosen = self.settings
        made = alerts(chosen.records, chosen.days, self._anchor, self.seed, chosen.late_every, chosen.late_s)
        return [replace(item, fields=dict(item.fields)) for item in sorted(made, key=lambda item: item.order)]

    # Controls

    def controls(self) -> dict[str, Callable[..., None]]:
        """What the control plane can ask of this service."""
        return {
            "scutum/add": self.add,
            "scutum/add_twins": self.add_twins,
            "scutum/remove": self.remove,
            "scutum/expire_markers": self.expire_markers,
        }

    def add(self, count: int = 1, age_s: float = 0.0) -> None:
        """New records with a time so many seconds before now: with an age, they arrive late."""
        ts = self.clock.now().replace(microsecond=0) - timedelta(seconds=age_s)
        with self.lock:
            for _number in range(count):
                self._insert(ts)

    def add_twins(self, count: int = 1) -> None:
        """For each of the newest logs another one with the same id and time, and another target."""
        with self.lock:
            for item in self.alerts[-count:]:
                twin = replace(item, fields={**item.fields, "uri": "/twin"})
                bisect.insort(self.alerts, twin, key=lambda other: other.order)

    def remove(self, *log_ids: str) -> None:
        """The service forgets these."""
        with self.lock:
            self.alerts = [item for item in self.alerts if item.log_id not in log_ids]

    def expire_markers(self, times: int = 1) -> None:
        """Refuse the next so many calls with a marker."""
        with self.lock:
            self._expire = times

    def _insert(self, ts: datetime) -> None:
        bisect.insort(self.alerts, alert(self._next, ts, ts, self.seed), key=lambda item: item.order)
        self._next += 1

    # Answers

    def enter(self, request: Request) -> Reply | None:
        """Refuse what is over the limit of calls: list and detail share it, per key."""
        limit = self.switches.number("scutum_rate_limit")
        key = request.headers.get("x-scutum-api-key", "")
        if not limit or not key:
            return None
        with self.lock:
            now = self.clock.now()
            span = timedelta(seconds=self.switches.number("scutum_rate_window_s"))
            calls = self._calls.setdefault(key, deque())
            while calls and calls[0] + span <= now:
                calls.popleft()
            if len(calls) < limit:
                calls.append(now)
                return None
            wait = max(1, int((calls[0] + span - now).total_seconds()) + 1)
        headers = {"retry_after": str(wait)} if self.switches.on("scutum_retry_after") else {}
        return json_reply(429, {"message": f"over {limit} calls"}, self.clock, **headers)

    def answer(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""
        try:
            with self.lock:
                value = self._value(request, faults.get("data"))
        except Refused as refused:
            reply = json_reply(refused.status, {"message": str(refused)}, self.clock)
            reply.failed_auth = refused.status in (401, 403)
            return reply
        except BadParameter as error:
            return json_reply(400, {"message": str(error)}, self.clock)
        return json_reply(200, value, self.clock)

    def _value(self, request: Request, fault: Fault | None) -> dict[str, Any]:
        if request.method != "GET":
            raise Refused(405, "GET only")
        query = request.query
        self._authenticate(request.headers.get("x-scutum-api-key"), query)
        if request.path == DETAIL:
            return self._detail(query)
        if request.path != LIST:
            raise Refused(404, "not found")
        return self._list(parse(query, literal_z=self.switches["scutum_literal_z"] == "accept"), fault)

    def _authenticate(self, key: str | None, query: Mapping[str, str]) -> None:
        chosen = self.settings
        if key is None:
            raise Refused(401, "X-Scutum-API-Key is missing")
        for name in ("host", "id"):
            if not query.get(name):
                raise Refused(400, f"{name} is missing")
        if key != chosen.api_key:
            raise Refused(401, "unknown API key")
        if self.switches["scutum_source_address"] == "refused":
            raise Refused(403, "address not allowed")
        if (query["host"], query["id"]) != (chosen.host, chosen.id):
            raise Refused(403, "the API key does not belong to this host and id")

    def _detail(self, query: Mapping[str, str]) -> dict[str, Any]:
        unknown = set(query) - {"host", "id", "log_id"}
        if unknown or not query.get("log_id"):
            raise BadParameter(f"unknown parameter {sorted(unknown)}" if unknown else "log_id is missing")
        found = next((item for item in self._shown() if item.log_id == query["log_id"]), None)
        if found is None:
            raise Refused(404, "no such log")
        return found.detail()

    def _shown(self) -> list[Alert]:
        now = self.clock.now()
        return [item for item in self.alerts if now - RETENTION <= item.ts <= now and item.visible <= now]

    def _list(self, listing: Listing, fault: Fault | None) -> dict[str, Any]:
        if listing.marker and self._expire:
            self._expire -= 1
            raise BadParameter("the marker has expired")
        if fault is not None and fault.kind == "mutate_between_pages":
            self._mutate(listing, fault)
        page, more = self._page(listing, fault)
        answer: dict[str, Any] = {"data": page, "count": len(page), "truncated": more}
        if fault is not None and fault.kind == "half_page":
            answer["data"] = page[: len(page) // 2]
        if fault is not None and fault.kind == "wrong_count":
            answer["count"] += int(fault.args.get("n", 1))
        return answer | self._next_marker(listing, page, more=more)

    def _page(self, listing: Listing, fault: Fault | None) -> tuple[list[dict[str, Any]], bool]:
        rows = [item for item in self._shown() if listing.selects(item.ts, item.fields["ip"])]
        if listing.descending:
            rows.reverse()
        start = 0
        if listing.marker:
            position = _position(listing.marker)
            beyond = [item.order < position if listing.descending else item.order > position for item in rows]
            start = beyond.index(True) if True in beyond else len(rows)
        if fault is not None and fault.kind == "duplicate_record":
            start = max(0, start - 1)
        size = self.settings.page_size
        return [item.row() for item in rows[start : start + size]], start + size < len(rows)

    def _next_marker(self, listing: Listing, page: list[dict[str, Any]], *, more: bool) -> dict[str, str]:
        mode = self.switches["scutum_markers"]
        if mode == "stray" or (more and mode == "good"):
            return {"next_marker": _marker(page[-1])} if page else {}
        if more and mode == "repeat":
            return {"next_marker": listing.marker or _marker(page[-1])}
        return {}

    def _mutate(self, listing: Listing, fault: Fault) -> None:
        rows = [item for item in self._shown() if listing.selects(item.ts, item.fields["ip"])]
        for number in range(int(fault.args.get("n", 1))):
            if not rows:
                return
            unseen = fault.args.get("where", "unseen") == "unseen"
            target = rows[-1 - number] if unseen != listing.descending else rows[number]
            if fault.args.get("action", "insert") == "delete":
                self.remove(target.log_id)
            else:
                self._insert(target.ts)


def _marker(row: Mapping[str, Any]) -> str:
    """Where a page ended, and nothing else. The alphabet has ``+`` and ``/``: an unencoded marker breaks."""
    ts = datetime.fromisoformat(row["ts"]).astimezone(UTC)
    return base64.b64encode(f"\xfb\xff\xfe{ts:%Y%m%d%H%M%S}{row['log_id']}".encode("latin-1")).decode()


def _position(marker: str) -> tuple[datetime, str]:
    try:
        text = base64.b64decode(marker, validate=True).decode("latin-1")[3:]
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC), text[14:]
    except (binascii.Error, ValueError) as error:
        raise BadParameter("marker is not one of ours") from error

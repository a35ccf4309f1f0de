# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's room: routing, authentication, answers."""

from __future__ import annotations

import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..faults import Fault
from ..log_room import LogRoom, json_reply
from ..wire import Reply, Request
from .events import DAY_US, Aim, Seed, moment_us
from .store import Filters, Store, Window

RETENTION_US = 30 * DAY_US
MAX_PAGE = 1000
_PATH = re.compile(r"/v2/mcc/customers/([^/]+)/waf/eventlogs(?:/(.+?))?/?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?")
_TOKEN = re.compile(r"tok:\s*(\S+)", re.IGNORECASE)
_STATUS_WORDS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
FIELDS: tuple[tuple[str, str, str], ...] = (
    ("Client IP", "string", "Address of the client"),
    ("Country Code", "string", "Country of the client"),
    ("Host", "string", "Host name that was requested"),
    ("Profile Name", "string", "Profile that was violated"),
    ("Action Type", "string", "What was done"),
    ("Rule Tags", "string", "Tags of the rule"),
    ("Timestamp", "date", "When it happened"),
)


@dataclass(slots=True)
class EdgecastSettings:
    """What can be chosen at start."""

    records: int = 500
    """How many records are seeded, over the days before the start."""
    days: float = 32
    """Over how many days; more than 30 are out of reach."""
    account_number: str = "0001"
    token: str = "11111111-2222-3333-4444-555555555555"
    backup_token: str = "66666666-7777-8888-9999-000000000000"
    forbidden_token: str = "00000000-0000-0000-0000-000000000403"
    """A token whose user lacks the permission."""


class _Refused(Exception):
    """The request gets an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Edgecast(LogRoom[EdgecastSettings]):
    """Room of the service."""

    PATHS = ("/v2/mcc/",)

    def reset(self) -> None:
        """State back to the seed."""
        seed = Seed(self.settings.records, self.settings.days, self.clock.anchor)
        with self.lock:
            self.store = Store(seed, self.settings.account_number)
            self._arrivals: deque[float] = deque()

    def controls(self) -> dict[str, Callable[..., None]]:
        """Events can be added and removed while clients read."""
        return {
            "edgecast/add": self.add_events,
            "edgecast/add_twins": self.add_twins,
            "edgecast/aim": self.aim,
            "edgecast/delete_newest": self.delete_newest,
        }

    def add_events(self, count: int, seconds_ago: float = 0.0, step_s: float = 0.0) -> None:
        """More events: the first happened so long before now, each further one ``step_s`` earlier."""
        now_us = moment_us(self.clock.now())
        with self.lock:
            self.store.add([now_us - int((seconds_ago + step_s * place) * 1_000_000) for place in range(count)])

    def aim(
        self, url: str, parameter: str, attack: str, count: int = 1, blocked: int = 0, seconds_ago: float = 3600.0
    ) -> None:
        """Attacks on a parameter of an address, a second apart; the first ``blocked`` of them are blocked."""
        latest_us = moment_us(self.clock.now()) - int(seconds_ago * 1_000_000)
        with self.lock:
            for number in range(count):
                aimed = Aim(url, parameter, attack, number < blocked)
                self.store.add_aimed(latest_us - number * 1_000_000, aimed)

    def add_twins(self, count: int = 1) -> None:
        """For each of the newest events another one with the same id and time, and other fields."""
        with self.lock:
            window = Window(-(10**18), 10**18, "{}", "newest_first")
            self.store.add_twins(self.store.numbers(window)[:count])

    def delete_newest(self, count: int) -> None:
        """The newest events are gone."""
        with self.lock:
            window = Window(-(10**18), 10**18, "{}", "newest_first")
            self.store.delete(self.store.numbers(window)[:count])

    def enter(self, _request: Request) -> Reply | None:
        """Refuse when there were too many requests."""
        limit = self.switches.number("edgecast_rate_limit")
        if not limit:
            return None
        length = self.switches.number("edgecast_rate_limit_window_s")
        now = time.monotonic()
        with self.lock:
            while self._arrivals and self._arrivals[0] <= now - length:
                self._arrivals.popleft()
            if len(self._arrivals) >= limit:
                wait = max(1, round(self._arrivals[0] + length - now))
                return self._error(429, "Too many requests", retry_after=str(wait))
            self._arrivals.append(now)
        return None

    def answer(self, request: Request, faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""
        try:
            return self._answer(request, faults.get("data"))
        except _Refused as error:
            reply = self._error(error.status, str(error))
            reply.failed_auth = error.status in (401, 403)
            return reply

    def _answer(self, request: Request, fault: Fault | None) -> Reply:
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise _Refused(404, "no such resource")
        if request.method != "GET":
            raise _Refused(405, "method not allowed")
        self._authenticate(request)
        if match[1] != self.settings.account_number:
            raise _Refused(400, "unknown customer account number")
        with self.lock:
            what = match[2] or ""
            if what in ("", "count", "top"):
                return self._reply(getattr(self, f"_{what or 'list'}")(request.query, fault))
            if what == "fields":
                names = ("name", "data_type", "description")
                return self._reply({"fields": [dict(zip(names, field, strict=True)) for field in FIELDS]})
            return self._one(what)

    def _authenticate(self, request: Request) -> None:
        match = _TOKEN.fullmatch(request.headers.get("authorization", ""))
        token = match[1] if match else ""
        if token == self.settings.forbidden_token:
            raise _Refused(403, "Access Denied")
        if token not in (self.settings.token, self.settings.backup_token):
            raise _Refused(401, "Access Denied")

    # Answers

    def _list(self, query: Mapping[str, str], fault: Fault | None) -> bytes:
        start_us, end_us = self._bounds(query)
        size = self._page_size(query)
        page = _whole(query.get("page", "1"), "page")
        window = self._window(start_us, end_us, _filters(query.get("filters")))
        if fault is not None and fault.kind == "mutate_between_pages":
            self._mutate(window, fault)
        numbers = self.store.numbers(window)
        page_of = -(-len(numbers) // size) or self.switches.number("edgecast_empty_page_of")
        first = (page - 1) * size
        shown = list(numbers[first : first + size])
        page_of, shown = _spoiled(fault, page_of, shown, numbers, first)
        events = ",".join(map(self.store.text, shown))
        head = f'{{"page_of":{page_of},"time_to":{end_us / 1e6},"time_from":{start_us / 1e6},"events":['
        return f'{head}{events}],"page":{page}}}'.encode()

    def _count(self, query: Mapping[str, str], _fault: Fault | None) -> Any:
        if "start_time" not in query or "end_time" not in query:
            raise _Refused(400, "start_time and end_time are required")
        return {"count": len(self.store.numbers(self._window(*self._bounds(query), {})))}

    def _top(self, query: Mapping[str, str], _fault: Fault | None) -> Any:
        if "field" not in query or "start_time" not in query or "end_time" not in query:
            raise _Refused(400, "field, start_time and end_time are required")
        numbers = self.store.numbers(self._window(*self._bounds(query), {}))
        values: Counter[str] = Counter()
        for number in numbers:
            value = json.loads(self.store.text(number)).get(query["field"])
            if value is not None:
                values[str(value)] += 1
        # The names of these keys are not documented: these are ours.
        return {"top": [{"value": value, "count": count} for value, count in values.most_common(10)]}

    def _one(self, wanted: str) -> Reply:
        found = self.store.find(wanted)
        if found and self.store.time_us(found[0]) >= moment_us(self.clock.now()) - RETENTION_US:
            return self._reply(f'{{"event":{found[1]}}}'.encode())
        missing = self.switches["edgecast_missing_event"]
        if missing == "empty_object":
            return self._reply({})
        raise _Refused(int(missing), "unknown event")

    def _reply(self, value: Any) -> Reply:
        return json_reply(200, value, self.clock, cache_control="private")

    def _error(self, status: int, message: str, **headers: str) -> Reply:
        body: dict[str, Any] = {"Message": message}
        if self.switches["edgecast_error_shape"] == "errors":
            word = _STATUS_WORDS.get(status, "Error")
            body = {"success": False, "status": word, "errors": [{"code": str(status), "message": message}]}
        return json_reply(status, body, self.clock, **headers)

    def failure(self, _request: Request, code: str, message: str, _resolution: str) -> Reply:
        """An error body for the fault ``response_code``."""
        return self._error(400, f"{code} {message}".strip())

    # What was asked

    def _bounds(self, query: Mapping[str, str]) -> tuple[int, int]:
        now_us = moment_us(self.clock.now())
        start, end = query.get("start_time"), query.get("end_time")
        if start is None and end is None:
            return now_us - DAY_US, now_us
        if start is None or end is None:
            raise _Refused(400, "start_time and end_time go together")
        start_us, end_us = _time_us(start, "start_time"), _time_us(end, "end_time")
        if start_us < now_us - RETENTION_US:
            raise _Refused(400, "start_time is older than 30 days")
        if start_us > end_us:
            raise _Refused(400, "start_time is after end_time")
        return start_us, end_us

    def _window(self, start_us: int, end_us: int, filters: Filters) -> Window:
        shift = 1 if self.switches["edgecast_bounds"] == "from_start" else 0
        text = json.dumps(filters, sort_keys=True)
        return Window(start_us - shift, end_us - shift, text, self.switches["edgecast_order"])

    def _page_size(self, query: Mapping[str, str]) -> int:
        size = _whole(query.get("page_size", "100"), "page_size")
        if size > MAX_PAGE and self.switches["edgecast_over_max"] == "reject":
            raise _Refused(400, "page_size is at most 1000")
        return min(size, MAX_PAGE)

    def _mutate(self, window: Window, fault: Fault) -> None:
        """Events appear or vanish at the side of the window that was read already, or at the other."""
        count = int(fault.args.get("n", 1))
        seen = fault.args.get("where", "seen") == "seen"
        newest = seen == (window.order != "oldest_first")
        if fault.args.get("action") == "delete":
            numbers = sorted(self.store.numbers(window), key=self.store.time_us, reverse=newest)
            self.store.delete(numbers[:count])
        else:
            at = window.until_us if newest else window.after_us + 1
            self.store.add([at] * count)


def _spoiled(
    fault: Fault | None, page_of: int, shown: list[int], numbers: Sequence[int], first: int
) -> tuple[int, list[int]]:
    if fault is None:
        return page_of, shown
    if fault.kind == "wrong_count":
        return max(0, page_of + int(fault.args.get("n", 1))), shown
    if fault.kind == "half_page":
        return page_of, shown[: len(shown) // 2]
    if fault.kind == "duplicate_record" and 0 < first <= len(numbers):
        return page_of, [numbers[first - 1], *shown]
    return page_of, shown


def _time_us(text: str, name: str) -> int:
    if not _TIME.fullmatch(text):
        raise _Refused(400, f"{name} is not YYYY-MM-DDThh:mm:ss")
    try:
        return moment_us(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError:
        raise _Refused(400, f"{name} is not a date") from None


def _whole(text: str, name: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise _Refused(400, f"{name} must be a whole number from 1")
    return int(text)


def _filters(text: str | None) -> Filters:
    """The filters; what is not an object of texts and lists of texts is a fault of the server, as the vendor says."""
    if text is None:
        return {}
    try:
        given = json.loads(text)
    except ValueError:
        raise _Refused(500, "Internal Server Error") from None
    if not isinstance(given, dict):
        raise _Refused(500, "Internal Server Error")
    filters: Filters = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(item, str) for item in values):
            raise _Refused(500, "Internal Server Error")
        filters[name] = values
    return filters

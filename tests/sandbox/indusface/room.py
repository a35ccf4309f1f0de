# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indusface's room: one call, two ways to name its days, and the shapes that the vendor's page contradicts itself with.

What is ours, as the vendor documents neither: the bodies of all errors (docs/vendors/indusface_was.md 4).
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from ..faults import Fault
from ..log_room import LogRoom, json_reply
from ..wire import Reply, Request
from .seed import ScanLog, scan_log, scan_logs

PATH = "/client/v1/fetch-s3-logs"
PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form>Indusface WAS</form></body></html>"
_TABLE_WORDS = {"PASS": "Pass", "FAIL": "Fail", "NEW": "New", "OPEN": "Opened"}
_SWAPPED = ("ScanlogId", "ServiceId", "UniqueAlertId", "TotalFoundVulnerabilities")


@dataclass(slots=True)
class IndusfaceSettings:
    """What can be chosen at start."""

    records: int = 60
    """How many scan logs are seeded, over the days up to the start."""
    days: int = 30
    services: int = 12
    access_key: str = "AKSANDBOX0001"
    secret_key: str = "sk-sandbox-indusface-0001"


class Indusface(LogRoom[IndusfaceSettings]):
    """Room of the service."""

    PATHS = ("/client/v1/",)

    def reset(self) -> None:
        """State back to the seed."""
        with self.lock:
            self._last = self.clock.anchor.date()
            # Made anew when somebody asks: most tests are about another service.
            self.__dict__.pop("scan_logs", None)
            self._next = self.settings.records

    @cached_property
    def scan_logs(self) -> list[ScanLog]:
        """All scan logs, in the order of their days."""
        chosen = self.settings
        return scan_logs(chosen.records, chosen.days, chosen.services, self._last, self.seed)

    # Controls

    def controls(self) -> dict[str, Callable[..., None]]:
        """What the control plane can ask of this service."""
        return {
            "indusface/add": self.add,
            "indusface/add_twins": self.add_twins,
            "indusface/change": self.change,
            "indusface/change_alert": self.change_alert,
            "indusface/remove": self.remove,
        }

    def add(self, count: int = 1, age_days: int = 0) -> None:
        """New scan logs of a day so many days before today: with an age, they arrive late."""
        day = self.clock.now().date() - timedelta(days=age_days)
        with self.lock:
            for _number in range(count):
                self.scan_logs.append(scan_log(self._next, day, self.settings.services, self.seed))
                self._next += 1

    def add_twins(self, count: int = 1) -> None:
        """For each of the newest scan logs another one with the same ids and day, and another status."""
        with self.lock:
            for item in self.scan_logs[-count:]:
                twin = copy.deepcopy(item)
                twin.fields["ScanStatus"] = f"{item.fields['ScanStatus']}, again"
                self.scan_logs.append(twin)

    def change(self, scanlog_id: str, fields: Mapping[str, Any]) -> None:
        """Other values in a scan log, as when a scan that runs comes to its end."""
        with self.lock:
            self._found(scanlog_id).fields.update(fields)

    def change_alert(self, scanlog_id: str, place: int, fields: Mapping[str, Any]) -> None:
        """Other values in one finding of a scan log."""
        with self.lock:
            self._found(scanlog_id).alerts[place].update(fields)

    def remove(self, *scanlog_ids: str) -> None:
        """The service forgets these."""
        with self.lock:
            self.scan_logs = [item for item in self.scan_logs if item.fields["ScanlogId"] not in scanlog_ids]

    def _found(self, scanlog_id: str) -> ScanLog:
        for item in self.scan_logs:
            if item.fields["ScanlogId"] == scanlog_id:
                return item
        raise ValueError(f"no scan log {scanlog_id}")

    # Answers

    def answer(self, request: Request, _faults: Mapping[str, Fault]) -> Reply:
        """Perform the request."""
        agent = request.headers.get("user-agent", "")
        if self.switches["indusface_agent"] == "picky" and not agent.startswith("Mozilla/"):
            return Reply(406, [b"<html><body>Not Acceptable</body></html>"], "text/html")
        chosen = self.settings
        keys = (request.headers.get("accesskey"), request.headers.get("secretkey"))
        if keys != (chosen.access_key, chosen.secret_key):
            return self._refusal()
        if request.path != PATH or request.method != "GET":
            return self._error(404, "No such call.")
        try:
            first, last = _days(request.query)
        except ValueError as error:
            return self._error(400, str(error))
        if self.switches["indusface_range"] == "exclusive" and "toDate" in request.query:
            last -= timedelta(days=1)
        with self.lock:
            shown = [item for item in self.scan_logs if first <= item.day <= last]
            shown.sort(key=lambda item: (item.day, int(item.fields["ScanlogId"])))
            body = self._body([self._spelled(item) for item in shown])
        return json_reply(200, body, self.clock)

    def _refusal(self) -> Reply:
        mode = self.switches["indusface_refusal"]
        if mode == "page":
            reply = Reply(200, [PAGE], "text/html")
        elif mode == "redirect":
            reply = Reply(302, [PAGE], "text/html", {"Location": "https://was.example.invalid/login"})
        else:
            reply = self._error(int(mode), "Invalid access key or secret key.")
        reply.failed_auth = True
        return reply

    def _error(self, status: int, text: str) -> Reply:
        return json_reply(status, {"status": "ERROR", "result": {"error": text, "data": []}}, self.clock)

    def _body(self, rows: list[dict[str, Any]]) -> bytes:
        if not rows:
            return _bytes({"status": "OK", "result": {"error": "No data logs found.", "data": []}})
        whole = {"status": "OK", "result": {"success": "Data fetched successfully.", "data": rows}}
        shape = self.switches["indusface_shape"]
        if shape == "nested":
            # The sample of the page, made valid in the other way: each scan log stands inside the one before.
            for outer, inner in reversed(list(itertools.pairwise(rows))):
                outer["Vulnerabilities"].append(inner)
            whole["result"] = {"success": "Data fetched successfully.", "data": rows[:1]}
        body = _bytes(whole)
        if shape == "broken":
            # The sample as it is printed: the array and the object of the first scan log are never closed.
            return body.replace(b"]}, {", b", {", 1) if len(rows) > 1 else body[:-2]
        return body

    def _spelled(self, item: ScanLog) -> dict[str, Any]:
        row: dict[str, Any] = {**copy.deepcopy(item.fields), "Vulnerabilities": copy.deepcopy(item.alerts)}
        if self.switches["indusface_service_type"] == "table":
            row = {("ServiceType" if name == "ServicType" else name): value for name, value in row.items()}
        for entry in (row, *row["Vulnerabilities"]):
            for name in ("SealStatus", "OpenStatus"):
                if name in entry and self.switches["indusface_words"] == "table":
                    entry[name] = _TABLE_WORDS.get(entry[name], entry[name])
            if self.switches["indusface_ids"] == "swapped":
                _swap(entry)
        return row


def _swap(entry: dict[str, Any]) -> None:
    for name in _SWAPPED:
        if name in entry:
            entry[name] = int(entry[name]) if isinstance(entry[name], str) else str(entry[name])
    score = entry.get("CVSS_Score", "")
    if score[:1].isdigit():
        entry["CVSS_Score"] = float(score)


def _days(query: Mapping[str, str]) -> tuple[date, date]:
    """First and last day that are asked for.

    Raises:
        ValueError: both ways, half of one, none, another parameter, no such date, or the wrong way round.
    """
    if set(query) == {"date"}:
        day = _day(query["date"])
        return day, day
    if set(query) != {"fromDate", "toDate"}:
        raise ValueError("Give date, or fromDate and toDate.")
    first, last = _day(query["fromDate"]), _day(query["toDate"])
    if first > last:
        raise ValueError("fromDate is after toDate.")
    return first, last


def _day(text: str) -> date:
    if len(text) != 10:
        raise ValueError("The date format is YYYY-MM-DD.")
    return date.fromisoformat(text)


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

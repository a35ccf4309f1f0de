# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded schedules: one for each web application that says it is scheduled."""

from __future__ import annotations

from typing import Any

from ..tables import Record
from .dates import ago
from .state import State

_ZONES = (("Europe/Paris", "+01:00"), ("America/New_York", "-05:00"), ("Asia/Tokyo", "+09:00"))


def _occurrence(number: int) -> tuple[str, dict[str, Any]]:
    shapes: tuple[tuple[str, dict[str, Any]], ...] = (
        ("WEEKLY", {"weeklyOccurrence": {"everyNWeeks": 1, "onDays": ["MONDAY", "THURSDAY"]}}),
        ("DAILY", {"dailyOccurrence": {"everyNDays": 2, "occurrenceCount": 500}}),
        ("MONTHLY", {"monthlyOccurrence": {"monthlyType": {
            "occurDayNbInMonth": {"dayNb": 15, "everyNMonths": 1}}}}),
        ("MONTHLY", {"monthlyOccurrence": {"monthlyType": {"occurDayOrderInMonth": {
            "dayOrder": "LAST", "dayOfMonth": "SUNDAY", "everyNMonths": 2}}}}),
        ("ONCE", {}),
    )  # fmt: skip
    return shapes[number % len(shapes)]


def _target(state: State, app: Record, number: int) -> dict[str, Any]:
    target: dict[str, Any] = {"webApp": {"id": app["id"]}, "scannerAppliance": {"type": "EXTERNAL"}}
    if app["authRecords"] and number % 2:
        target["webAppAuthRecord"] = {"id": app["authRecords"][0]}
    if number % 5 == 3:
        target["scannerAppliance"] = {"type": "INTERNAL", "friendlyName": "scanner_dc1"}
    return {**target, "cancelOption": "DEFAULT"}


def _scheduling(number: int) -> dict[str, Any]:
    code, offset = _ZONES[number % len(_ZONES)]
    kind, occurrence = _occurrence(number)
    start = "2027-02-01T03:00:00Z" if kind == "ONCE" else ago(100 + number % 50, 60 * (number % 5))
    values: dict[str, Any] = {"startDate": start, "timeZone": {"code": code, "offset": offset}, "occurrenceType": kind}
    if occurrence:
        values["occurrence"] = occurrence
    if number % 3 == 0:
        values["cancelAfterNHours"] = 6
    return values


def _fields(state: State, app: Record, number: int) -> dict[str, Any]:
    users = state.users.ids
    fields: dict[str, Any] = {
        "name": f"Schedule - {app['name']}",
        "owner": dict(app["owner"]),
        "active": True,
        "type": "DISCOVERY" if number % 7 == 6 else "VULNERABILITY",
        "target": _target(state, app, number),
        "profile": dict(app.get("defaultProfile") or {"id": state.option_profiles.ids[0]}),
        "scheduling": _scheduling(number),
        "launchedCount": number * 3 % 40,
        "createdBy": {"id": users[number % len(users)]},
        "createdDate": ago(150 + number % 300, number * 17),
        "updatedBy": {"id": users[0]},
        "updatedDate": ago(number % 100, number * 19),
    }
    if number % 4 == 1:
        delay = {"nb": 1, "scale": "DAY"}
        listed = ["team@example.com", "o'brien@example.com"]
        fields["notification"] = {"active": True, "reschedule": False, "delay": delay, "recipients": listed,
                                  "message": "Scan of <the> app & its API starts soon."}  # fmt: skip
    last = app.get("lastScan")
    if last and number % 3:
        word = {"FINISHED": "FINISHED", "CANCELED": "CANCELED"}.get(last["status"], "ERROR")
        fields["lastScan"] = {"id": last["id"], "launchedDate": last["date"], "status": word}
    return fields


def fill(state: State) -> None:
    """Schedules with consecutive ids."""
    apps = [app for app in state.webapps.in_order() if app["isScheduled"]]
    for number, app in enumerate(apps):
        key = state.schedules.new_id()
        state.schedules[key] = Record({"id": key, **_fields(state, app, number)})
    if apps:
        key = state.schedules.new_id()
        retired = {**_fields(state, apps[0], 1), "name": "Retired schedule", "active": False}
        state.schedules[key] = Record({"id": key, **retired})

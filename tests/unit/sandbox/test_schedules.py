# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: occurrence shapes, operations, iCalendar (docs/vendors/qualys_was.md 13)."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.qualys.schedule_times import next_launch
from tests.unit.sandbox.client import WAS, Client, walk

ROUTE = "wasscanschedule"
ONCE = {"startDate": "2026-12-01T03:00:00Z", "timeZone": {"code": "Europe/Paris"}, "occurrenceType": "ONCE"}
WEEKDAYS = {"weeklyOccurrence": {"everyNWeeks": 2, "onDays": {"WeekDay": ["FRIDAY", "MONDAY"]}}}
BY_NUMBER = {"occurDayNbInMonth": {"dayNb": 31, "everyNMonths": 1}}
BY_ORDER = {"occurDayOrderInMonth": {"dayOrder": "LAST", "dayOfMonth": "SUNDAY", "everyNMonths": 3}}


def body(sandbox: Sandbox, **fields: Any) -> dict[str, Any]:
    app = next(app for app in sandbox.qualys.webapps.in_order() if "defaultProfile" in app and not app["isScheduled"])
    base = {"name": "nightly", "type": "VULNERABILITY", "target": {"webApp": {"id": app["id"]}}, "scheduling": ONCE}
    return {**copy.deepcopy(base), **fields}


def post(client: Client, path: str, fields: Any = None) -> dict[str, Any]:
    return client.json("POST", path, {"data": {"WasScanSchedule": fields}} if fields is not None else None)


def make(client: Client, sandbox: Sandbox, **fields: Any) -> dict[str, Any]:
    reply = post(client, f"/create/was/{ROUTE}", body(sandbox, **fields))
    assert reply["responseCode"] == "SUCCESS", reply
    return dict(reply["data"][0]["WasScanSchedule"])


def read(client: Client, key: int) -> dict[str, Any]:
    return client.get(key, ROUTE, "WasScanSchedule")


def scheduling(kind: str, occurrence: Any = None, **more: Any) -> dict[str, Any]:
    values = {**ONCE, "occurrenceType": kind, **more}
    return {**values, "occurrence": occurrence} if occurrence is not None else values


@pytest.mark.parametrize(
    ("kind", "occurrence"),
    [
        ("ONCE", None),
        ("DAILY", {"dailyOccurrence": {"everyNDays": 3, "occurrenceCount": 5}}),
        ("WEEKLY", WEEKDAYS),
        ("MONTHLY", {"monthlyOccurrence": {"monthlyType": BY_NUMBER, "occurrenceCount": 9}}),
        ("MONTHLY", {"monthlyOccurrence": {"monthlyType": BY_ORDER}}),
    ],
)
def test_every_shape_reads_back(client: Client, sandbox: Sandbox, kind: str, occurrence: Any) -> None:
    made = make(client, sandbox, scheduling=scheduling(kind, occurrence))
    shown = read(client, made["id"])
    assert shown == made
    assert shown["active"] == "true"
    wanted = copy.deepcopy(occurrence)
    if kind == "WEEKLY":
        wanted["weeklyOccurrence"]["onDays"]["WeekDay"].reverse()
    assert shown["scheduling"].get("occurrence") == wanted
    assert shown["nextLaunchDate"] > "2026-11-01"
    root = client.xml("GET", f"/get/was/{ROUTE}/{made['id']}")
    days = [node.text for node in root.iter("WeekDay")]
    assert days == (["MONDAY", "FRIDAY"] if kind == "WEEKLY" else [])
    ical = client.raw("POST", f"{WAS}/download/was/{ROUTE}/{made['id']}")
    assert ical[1]["Content-Type"].startswith("text/calendar")
    assert (b"RRULE:FREQ=" in ical[2]) is (kind != "ONCE")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "x" * 257}, "INVALID_REQUEST"),
        ({"type": "DEEP"}, "INVALID_REQUEST"),
        ({"scheduling": None}, "CANNOT_BE_NULL"),
        ({"target": {}}, "CANNOT_BE_NULL"),
        ({"launchedCount": 4}, "INVALID_REQUEST"),
        ({"startDate": ONCE["startDate"]}, "INVALID_REQUEST"),
        ({"profile": {"id": 1}}, "INVALID_REQUEST"),
        ({"scheduling": {**ONCE, "startDate": "2026-12-01"}}, "INVALID_REQUEST"),
        ({"scheduling": {**ONCE, "timeZone": {"offset": "+01:00"}}}, "CANNOT_BE_NULL"),
        ({"scheduling": {**ONCE, "timeZone": {"code": "Paris time"}}}, "INVALID_REQUEST"),
        ({"scheduling": scheduling("HOURLY", {"hourlyOccurrence": {"everyNHours": 2}})}, "INVALID_REQUEST"),
        ({"scheduling": scheduling("ONCE", {"dailyOccurrence": {"everyNDays": 1}})}, "INVALID_REQUEST"),
        ({"scheduling": scheduling("DAILY")}, "CANNOT_BE_NULL"),
        ({"scheduling": scheduling("DAILY", WEEKDAYS)}, "INVALID_REQUEST"),
        ({"scheduling": scheduling("DAILY", {"dailyOccurrence": {"everyNDays": 0}})}, "INVALID_REQUEST"),
        ({"scheduling": scheduling("WEEKLY", {"weeklyOccurrence": {"everyNWeeks": 1}})}, "CANNOT_BE_NULL"),
        (
            {
                "scheduling": scheduling(
                    "WEEKLY", {"weeklyOccurrence": {"everyNWeeks": 1, "onDays": {"WeekDay": "MON"}}}
                )
            },
            "INVALID_REQUEST",
        ),
        (
            {"scheduling": scheduling("MONTHLY", {"monthlyOccurrence": {"dayOfMonth": 3, "everyNMonths": 1}})},
            "INVALID_REQUEST",
        ),
        (
            {"scheduling": scheduling("MONTHLY", {"monthlyOccurrence": {"monthlyType": {**BY_NUMBER, **BY_ORDER}}})},
            "INVALID_REQUEST",
        ),
        ({"scheduling": {**ONCE, "cancelAfterNHours": 2, "cancelTime": "23:00"}}, "INVALID_REQUEST"),
        ({"notification": {"delay": {"nb": 1, "scale": "WEEK"}}}, "INVALID_REQUEST"),
        ({"notification": {"recipients": {"set": {"EmailAddress": ["nobody"]}}}}, "INVALID_REQUEST"),
    ],
)
def test_create_refuses(client: Client, sandbox: Sandbox, fields: dict[str, Any], expected: str) -> None:
    count = len(sandbox.qualys.schedules)
    wanted = body(sandbox, **fields)
    assert post(client, f"/create/was/{ROUTE}", wanted)["responseCode"] == expected
    assert len(sandbox.qualys.schedules) == count
    assert sandbox.counters.writes_applied == 0


def test_update_merges_or_replaces(client: Client, sandbox: Sandbox) -> None:
    key = make(client, sandbox, scheduling=scheduling("WEEKLY", WEEKDAYS, cancelAfterNHours=4))["id"]
    reply = post(client, f"/update/was/{ROUTE}/{key}", {"name": "renamed", "scheduling": {"cancelTime": "22:00"}})
    assert reply["data"] == [{"WasScanSchedule": {"id": key}}]
    record = sandbox.qualys.schedules[key]
    assert record["scheduling"]["occurrence"]["weeklyOccurrence"]["onDays"] == ["MONDAY", "FRIDAY"]
    assert "cancelAfterNHours" not in record["scheduling"]
    refused = post(client, f"/update/was/{ROUTE}/{key}", {"scheduling": {"occurrenceType": "DAILY"}})
    assert refused["responseCode"] == "CANNOT_BE_NULL"
    recipients = {"set": {"EmailAddress": ["a@example.com", "b@example.com"]}}
    post(client, f"/update/was/{ROUTE}/{key}", {"notification": {"active": True, "recipients": recipients}})
    recipients = {"remove": {"EmailAddress": ["a@example.com"]}}
    post(client, f"/update/was/{ROUTE}/{key}", {"notification": {"recipients": recipients}})
    shown = read(client, key)["notification"]
    assert shown == {"active": "true", "recipients": {"count": 1, "list": ["b@example.com"]}}
    sandbox.switches["object_update"] = "replace"
    refused = post(client, f"/update/was/{ROUTE}/{key}", {"scheduling": {"cancelTime": "22:00"}})
    assert refused["responseCode"] == "CANNOT_BE_NULL"


def test_activate_deactivate_and_is_scheduled(client: Client, sandbox: Sandbox) -> None:
    made = make(client, sandbox)
    app = sandbox.qualys.webapps[made["target"]["webApp"]["id"]]
    assert app["isScheduled"] is True
    assert post(client, f"/deactivate/was/{ROUTE}/{made['id']}")["responseCode"] == "SUCCESS"
    assert "nextLaunchDate" not in read(client, made["id"])
    assert app["isScheduled"] is False
    filters = {"filters": {"Criteria": {"field": "id", "operator": "EQUALS", "value": made["id"]}}}
    assert client.json("POST", f"/activate/was/{ROUTE}", filters)["data"][0]["WasScanSchedule"]["id"] == made["id"]
    assert client.json("POST", f"/activate/was/{ROUTE}")["responseCode"] == "INVALID_REQUEST"
    assert client.json("POST", f"/delete/was/{ROUTE}", filters)["responseCode"] == "SUCCESS"
    assert app["isScheduled"] is False
    assert client.json("POST", f"/delete/was/{ROUTE}/{made['id']}")["responseCode"] == "INVALID_REQUEST"


def test_seed_and_criteria(client: Client, sandbox: Sandbox) -> None:
    records = walk(client, ROUTE, "WasScanSchedule", 5)
    state = sandbox.qualys
    assert [item["id"] for item in records] == state.schedules.ids
    scheduled = {item["target"]["webApp"]["id"] for item in state.schedules.values() if item["active"]}
    assert scheduled == {app["id"] for app in state.webapps.values() if app["isScheduled"]}
    assert "scheduling" not in records[0]
    sandbox.switches["schedule_search"] = "full"
    assert "scheduling" in client.search(ROUTE)["data"][0]["WasScanSchedule"]
    assert client.count(ROUTE, ("active", "EQUALS", "false")) == 1
    assert client.count(ROUTE, ("webApp.id", "EQUALS", records[0]["target"]["webApp"]["id"])) == 2
    assert client.count(ROUTE, ("lastScan", "NONE", "")) > 0
    assert client.count(ROUTE, ("multi", "EQUALS", "true")) == 0
    assert client.count("optionprofile", ("usedBySchedules", "EQUALS", "true")) > 0
    client.json("POST", f"/delete/was/webapp/{records[0]['target']['webApp']['id']}")
    assert client.count(ROUTE, ("invalid", "EQUALS", "true")) == 2
    for key in state.schedules.ids:
        ET.fromstring(client.raw("GET", f"{WAS}/get/was/{ROUTE}/{key}")[2])


def test_a_schedule_of_tags_is_multi(client: Client, sandbox: Sandbox) -> None:
    tag = sandbox.qualys.tags.ids[1]
    target = {"tags": {"included": {"option": "ALL", "tagList": {"set": {"Tag": [{"id": tag}]}}}}}
    made = make(client, sandbox, target=target, profile={"id": sandbox.qualys.option_profiles.ids[0]})
    assert made["target"]["tags"]["included"]["tagList"]["list"][0]["Tag"]["id"] == tag
    assert client.count(ROUTE, ("multi", "EQUALS", "true")) == 1


@pytest.mark.parametrize(
    ("values", "now", "expected"),
    [
        (scheduling("ONCE"), "2026-11-01T00:00:00Z", "2026-12-01T03:00:00Z"),
        (scheduling("ONCE"), "2026-12-02T00:00:00Z", None),
        (
            scheduling("DAILY", {"dailyOccurrence": {"everyNDays": 10, "occurrenceCount": 2}}),
            "2026-12-05T00:00:00Z",
            "2026-12-11T03:00:00Z",
        ),
        (
            scheduling("WEEKLY", {"weeklyOccurrence": {"everyNWeeks": 1, "onDays": ["MONDAY"]}}),
            "2026-11-01T00:00:00Z",
            "2026-12-07T03:00:00Z",
        ),
        (
            scheduling("MONTHLY", {"monthlyOccurrence": {"monthlyType": BY_NUMBER}}),
            "2027-02-01T00:00:00Z",
            "2027-03-31T03:00:00Z",
        ),
        (
            scheduling("MONTHLY", {"monthlyOccurrence": {"monthlyType": BY_ORDER}}),
            "2026-12-30T00:00:00Z",
            "2027-03-28T03:00:00Z",
        ),
    ],
)
def test_next_launch(values: dict[str, Any], now: str, expected: str | None) -> None:
    assert next_launch(values, now) == expected


def test_any_scale_of_a_delay(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["delay_scale"] = "any"
    made = make(client, sandbox, notification={"active": True, "delay": {"nb": 2, "scale": "HOUR"}})
    assert made["notification"]["delay"] == {"nb": 2, "scale": "HOUR"}

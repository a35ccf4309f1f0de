# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ignore, activate, severity and retest of findings (docs/vendors/qualys_was.md 11)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.unit.sandbox.client import Client

IGNORE = {"ignoredReason": "FALSE_POSITIVE", "ignoredComment": "seen & <checked>"}


def call(client: Client, operation: str, key: Any = "", *criteria: tuple[str, str, Any], **data: Any) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if criteria:
        listed = [{"field": field, "operator": operator, "value": value} for field, operator, value in criteria]
        body["filters"] = {"Criteria": listed}
    if data:
        body["data"] = {"Finding": data}
    path = f"/{operation}/was/finding" + (f"/{key}" if key else "")
    return client.json("POST", path, body or None)


def vulnerability(sandbox: Sandbox, **wanted: Any) -> Any:
    fields = {"type": "VULNERABILITY", "isIgnored": False, "status": "ACTIVE", **wanted}
    return next(
        item
        for item in sandbox.qualys.findings.in_order()
        if all(item.get(name) == value for name, value in fields.items()) and "originalSeverity" not in item
    )


def gathered(sandbox: Sandbox) -> Any:
    return next(item for item in sandbox.qualys.findings.in_order() if item["type"] == "INFORMATION_GATHERED")


@pytest.mark.parametrize("how", ["path", "path_uuid", "data", "data_uuid"])
def test_ignore_one_and_activate(client: Client, sandbox: Sandbox, how: str) -> None:
    record = vulnerability(sandbox)
    key: Any = {"path": record["id"], "path_uuid": record["uniqueId"]}.get(how, "")
    name = {"data": "id", "data_uuid": "uniqueId"}.get(how)
    named = {name: record["id" if name == "id" else "uniqueId"]} if name else {}
    reply = call(client, "ignore", key, **IGNORE, **named)
    assert reply["data"] == [{"Finding": {"id": record["id"], "uniqueId": record["uniqueId"]}}]
    shown = client.get(record["id"], "finding", "Finding")
    assert (shown["isIgnored"], shown["ignoredReason"]) == ("true", "FALSE_POSITIVE")
    assert shown["ignoredComment"] == IGNORE["ignoredComment"]
    assert shown["ignoredBy"]["id"] == sandbox.qualys.users.ids[0]
    assert shown["ignoredDate"] >= "2026-11-01"
    assert call(client, "activate", key, **named)["responseCode"] == "SUCCESS"
    assert "ignoredReason" not in client.get(record["id"], "finding", "Finding")
    assert record["isIgnored"] is False
    assert sandbox.counters.writes_applied == 2


def test_ignore_by_filters_leaves_information_out(client: Client, sandbox: Sandbox) -> None:
    app = max(sandbox.qualys.webapps.ids, key=lambda key: len(sandbox.qualys.findings_of(key)))
    reply = call(client, "ignore", "", ("webApp.id", "EQUALS", app), **IGNORE)
    ids = {item["Finding"]["id"] for item in reply["data"]}
    items = [sandbox.qualys.findings[key] for key in sandbox.qualys.findings_of(app)]
    assert ids == {item["id"] for item in items if item["type"] != "INFORMATION_GATHERED"}
    assert len(ids) < len(items)
    assert client.count("finding", ("webApp.id", "EQUALS", app), ("isIgnored", "EQUALS", "true")) == len(ids)


@pytest.mark.parametrize(
    ("operation", "data", "expected"),
    [
        ("ignore", {}, "CANNOT_BE_NULL"),
        ("ignore", {"ignoredReason": "BORED"}, "INVALID_REQUEST"),
        ("ignore", {**IGNORE, "comment": "x"}, "INVALID_REQUEST"),
        ("ignore", {**IGNORE, "reactivateIn": 0}, "INVALID_REQUEST"),
        ("ignore", {**IGNORE, "reactivateDate": "2026-10-01"}, "INVALID_REQUEST"),
        ("ignore", {**IGNORE, "reactivateDate": "soon"}, "INVALID_REQUEST"),
        ("ignore", {**IGNORE, "reactivateDate": "2027-01-01", "reactivateIn": 5}, "INVALID_REQUEST"),
        ("activate", {"ignoredReason": "FALSE_POSITIVE"}, "INVALID_REQUEST"),
        ("editSeverity", {"severityComment": "x"}, "CANNOT_BE_NULL"),
        ("editSeverity", {"severity": 6}, "INVALID_REQUEST"),
        ("editSeverity", {"severity": "high"}, "INVALID_REQUEST"),
    ],
)
def test_refusals(client: Client, sandbox: Sandbox, operation: str, data: dict[str, Any], expected: str) -> None:
    key = vulnerability(sandbox)["id"]
    assert call(client, operation, key, **data)["responseCode"] == expected
    assert sandbox.counters.writes_applied == 0


def test_addressing(client: Client, sandbox: Sandbox) -> None:
    key = vulnerability(sandbox)["id"]
    other = vulnerability(sandbox, status="NEW")["id"]
    assert call(client, "ignore", "", **IGNORE)["responseCode"] == "INVALID_REQUEST"
    assert call(client, "ignore", key, ("severity", "EQUALS", 5), **IGNORE)["responseCode"] == "INVALID_REQUEST"
    assert call(client, "ignore", key, id=other, **IGNORE)["responseCode"] == "INVALID_REQUEST"
    assert call(client, "ignore", 7, **IGNORE)["responseCode"] == "NOT_FOUND"
    for operation in ("ignore", "retest"):
        data = IGNORE if operation == "ignore" else {}
        assert call(client, operation, gathered(sandbox)["id"], **data)["responseCode"] == "INVALID_REQUEST"
    assert call(client, "ignore", "", ("id", "EQUALS", gathered(sandbox)["id"]), **IGNORE)["count"] == 0
    assert sandbox.counters.writes_applied == 0


def test_reactivation_by_the_clock(client: Client, sandbox: Sandbox) -> None:
    first = vulnerability(sandbox)["id"]
    call(client, "ignore", first, **IGNORE, reactivateIn=10)
    second = vulnerability(sandbox)["id"]
    call(client, "ignore", second, **IGNORE, reactivateDate="2026-11-20")
    shown = client.get(first, "finding", "Finding")
    assert (shown["reactivateIn"], shown["reactivateDate"][:10]) == (10, "2026-11-11")
    sandbox.clock.advance(10 * 86400 + 5)
    assert client.get(first, "finding", "Finding")["isIgnored"] == "false"
    assert client.get(second, "finding", "Finding")["isIgnored"] == "true"
    sandbox.clock.advance(10 * 86400)
    assert client.count("finding", ("id", "EQUALS", second), ("isIgnored", "EQUALS", "true")) == 0
    sandbox.switches["reactivate_in_max"] = 90
    assert call(client, "ignore", first, **IGNORE, reactivateIn=91)["responseCode"] == "INVALID_REQUEST"


def test_severity_edit_twice_and_restore(client: Client, sandbox: Sandbox) -> None:
    record = vulnerability(sandbox, severity=5)
    call(client, "editSeverity", "", id=record["id"], severity=2, severityComment="internal")
    call(client, "editSeverity", record["id"], severity=3)
    shown = client.get(record["id"], "finding", "Finding")
    assert (shown["severity"], shown["originalSeverity"]) == ("3", 5)
    assert "severityComment" not in shown
    assert shown["editedSeverityUser"]["id"] == sandbox.qualys.users.ids[0]
    call(client, "restoreSeverity", "", ("id", "IN", record["id"]))
    assert record["severity"] == 5
    assert "originalSeverity" not in client.get(record["id"], "finding", "Finding")
    sandbox.switches["severity_comment"] = "required"
    assert call(client, "editSeverity", record["id"], severity=1)["responseCode"] == "CANNOT_BE_NULL"


def status(client: Client, key: int) -> dict[str, Any]:
    return dict(call(client, "retestStatus", key)["data"][0]["Finding"]["retest"])


def test_retest_still_there(client: Client, sandbox: Sandbox) -> None:
    record = vulnerability(sandbox)
    times = record["timesDetected"]
    assert status(client, record["id"]) == {"retestStatus": "NO_RETEST"}
    reply = call(client, "retest", "", id=record["id"])
    assert reply["data"] == [{"Finding": {"id": record["id"], "uniqueId": record["uniqueId"]}}]
    assert record["status"] == "RETESTING"
    assert call(client, "retest", record["id"])["responseCode"] == "INVALID_REQUEST"
    words = [status(client, record["id"])["retestStatus"] for _turn in range(3)]
    assert words == ["UNDER_RETEST", "UNDER_RETEST", "RETESTED"]
    assert status(client, record["id"])["findingStatus"] == "ACTIVE"
    assert (record["status"], record["timesDetected"]) == ("ACTIVE", times + 1)
    assert sandbox.counters.writes == 2


def test_retest_fixed_and_canceled(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["retest_polls"] = 0
    sandbox.qualys.next_retest_outcome("fixed", "canceled")
    first, second = vulnerability(sandbox), vulnerability(sandbox, status="NEW")
    call(client, "retest", "", ("id", "IN", f"{first['id']},{second['id']}"))
    assert status(client, first["id"])["findingStatus"] == "FIXED"
    assert first["fixedDate"] == first["lastTestedDate"]
    assert status(client, second["id"])["retestStatus"] == "CANCELED"
    assert second["status"] == "NEW"
    gone = client.get(first["id"], "finding", "Finding")
    assert (gone["status"], gone["retest"]["retestStatus"]) == ("FIXED", "RETESTED")
    sandbox.switches["retest_outcome"] = "still_there"
    call(client, "retest", first["id"])
    assert client.get(first["id"], "finding", "Finding")["status"] == "REOPENED"
    with pytest.raises(ValueError, match="unknown outcome"):
        sandbox.qualys.next_retest_outcome("maybe")


def test_retest_by_the_clock_and_of_the_seed(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["progress"] = "clock"
    record = vulnerability(sandbox)
    call(client, "retest", record["id"])
    for _turn in range(4):
        assert status(client, record["id"])["retestStatus"] == "UNDER_RETEST"
    sandbox.clock.advance(301)
    assert status(client, record["id"])["retestStatus"] == "RETESTED"
    sandbox.switches["progress"] = "polls"
    record["retest"] = {**record["retest"], "retestStatus": "UNDER_RETEST"}
    record.pop("_started", None)
    words = [status(client, record["id"])["retestStatus"] for _turn in range(3)]
    assert words[-1] == "RETESTED"


def test_other_positions_of_the_switches(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches.update({"retest_in_status": False, "retest_again": "accept", "reactivate_both": "accept"})
    record = vulnerability(sandbox)
    for _turn in range(2):
        assert call(client, "retest", record["id"])["responseCode"] == "SUCCESS"
    assert record["status"] == "ACTIVE"
    both = {"reactivateIn": 5, "reactivateDate": "2026-12-24"}
    assert call(client, "ignore", record["id"], **IGNORE, **both)["responseCode"] == "SUCCESS"
    assert (record["reactivateIn"], record["reactivateDate"]) == (5, "2026-12-24T00:00:00Z")

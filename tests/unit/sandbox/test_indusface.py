# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for Indusface: days, keys, and the contradictions of the vendor's page as switches."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.sandbox import Sandbox

PATH = "/client/v1/fetch-s3-logs"
RANGE = {"fromDate": "2026-10-03", "toDate": "2026-11-01"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(webapps=0, findings=0, log_anchor="2026-11-01T12:00:00+00:00") as running:
        yield running
        assert running.counters.internal_errors == 0


def raw(sandbox: Sandbox, query: dict[str, str], **headers: str) -> tuple[int, dict[str, str], bytes]:
    chosen = sandbox.indusface.settings
    sent = {"ACCESSKEY": chosen.access_key, "secretkey": chosen.secret_key} | headers
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    connection.request("GET", f"{PATH}?{urlencode(query)}", headers=sent)
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def data(sandbox: Sandbox, **query: str) -> list[dict[str, Any]]:
    status, _headers, body = raw(sandbox, query or RANGE)
    assert status == 200
    found: list[dict[str, Any]] = json.loads(body)["result"]["data"]
    return found


def test_a_day_and_a_range_with_both_ends(sandbox: Sandbox) -> None:
    assert [row["ScanlogId"] for row in data(sandbox, date="2026-11-01")] == ["20450058", "20450059"]
    assert [row["ScanDate"] for row in data(sandbox, fromDate="2026-10-31", toDate="2026-11-01")] == [
        *("2026-10-31", "2026-10-31", "2026-11-01", "2026-11-01"),
    ]
    sandbox.switches["indusface_range"] = "exclusive"
    assert len(data(sandbox, fromDate="2026-10-31", toDate="2026-11-01")) == 2


def test_an_empty_day_is_told_as_an_error_that_is_none(sandbox: Sandbox) -> None:
    status, _headers, body = raw(sandbox, {"date": "2020-01-01"})
    assert status == 200
    assert json.loads(body) == {"status": "OK", "result": {"error": "No data logs found.", "data": []}}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"date": "01-11-2026"},
        {"date": "2026-11-31"},
        {"fromDate": "2026-10-01"},
        {"toDate": "2026-10-01"},
        {"date": "2026-11-01", **RANGE},
        {"fromDate": "2026-11-01", "toDate": "2026-10-01"},
        {"date": "2026-11-01", "page": "2"},
    ],
)
def test_wrong_parameters_are_refused(sandbox: Sandbox, query: dict[str, str]) -> None:
    status, _headers, body = raw(sandbox, query)
    assert (status, json.loads(body)["status"]) == (400, "ERROR")


@pytest.mark.parametrize(("refusal", "status"), [("401", 401), ("403", 403), ("page", 200), ("redirect", 302)])
@pytest.mark.parametrize("header", ["ACCESSKEY", "secretkey"])
def test_wrong_keys(sandbox: Sandbox, refusal: str, status: int, header: str) -> None:
    sandbox.switches["indusface_refusal"] = refusal
    found, headers, body = raw(sandbox, RANGE, **{header: "wrong"})
    assert found == status
    assert ("Location" in headers) == (refusal == "redirect")
    assert body.startswith(b"<!DOCTYPE" if status in (200, 302) else b"{")
    assert sandbox.counters.failed_auth == 1


def test_the_fixture_has_every_case_of_the_vendor_page(sandbox: Sandbox) -> None:
    rows = data(sandbox)
    assert {row["ScanStatus"] for row in rows} == {
        *("Scan Success", "Scan Error", "Partial Scan", "Scan Success Time Over"),
    }
    assert {"AA", "MM", "VA"} < {row["ServicType"] for row in rows}
    errors = [row for row in rows if row["ScanStatus"] == "Scan Error"]
    assert all(row["SealStatus"] == "FAIL" and row["Vulnerabilities"] == [] for row in errors)
    assert any(row["ApplicationName"] == "" for row in rows)
    assert {0, 1, 3} <= {len(row["groups"]) for row in rows}
    lives: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        for alert in row["Vulnerabilities"]:
            lives.setdefault((row["ServiceId"], alert["UniqueAlertId"]), []).append(alert["OpenStatus"])
    assert any({"NEW", "OPEN", "Closed", "Re-Opened"} <= set(life) for life in lives.values())
    assert any(row["TotalFoundVulnerabilities"] != len(row["Vulnerabilities"]) for row in rows)


def test_spellings_types_and_words_are_switches(sandbox: Sandbox) -> None:
    sandbox.switches.update({"indusface_service_type": "table", "indusface_ids": "swapped", "indusface_words": "table"})
    rows = data(sandbox)
    assert all("ServiceType" in row and "ServicType" not in row for row in rows)
    assert all(isinstance(row["ScanlogId"], int) and isinstance(row["ServiceId"], str) for row in rows)
    assert {row["SealStatus"] for row in rows} == {"Pass", "Fail"}
    alerts = [alert for row in rows for alert in row["Vulnerabilities"]]
    assert {alert["OpenStatus"] for alert in alerts} == {"New", "Opened", "Closed", "Re-Opened"}
    assert any(isinstance(alert["CVSS_Score"], float) for alert in alerts)


def test_the_range_sample_in_both_readings(sandbox: Sandbox) -> None:
    sandbox.switches["indusface_shape"] = "nested"
    (outer,) = data(sandbox)
    assert outer["Vulnerabilities"][-1]["ScanlogId"] == "20450001"
    sandbox.switches["indusface_shape"] = "broken"
    for query in (RANGE, {"date": "2026-11-01"}):
        with pytest.raises(ValueError, match="char"):
            json.loads(raw(sandbox, query)[2])


def test_a_picky_protection_wants_a_browser(sandbox: Sandbox) -> None:
    sandbox.switches["indusface_agent"] = "picky"
    assert raw(sandbox, RANGE, **{"User-Agent": "curl/8"})[0] == 406
    assert raw(sandbox, RANGE, **{"User-Agent": "Mozilla/5.0"})[0] == 200


def test_scan_logs_come_change_and_go(sandbox: Sandbox) -> None:
    before = data(sandbox)
    sandbox.indusface.add(1, 3)
    sandbox.indusface.change("20450000", {"ScanStatus": "Scan Success"})
    sandbox.indusface.change_alert("20450058", 0, {"OpenStatus": "Closed"})
    sandbox.indusface.remove("20450001")
    after = data(sandbox)
    assert {row["ScanlogId"] for row in after} - {row["ScanlogId"] for row in before} == {"20450060"}
    assert [row["ScanDate"] for row in after if row["ScanlogId"] == "20450060"] == ["2026-10-29"]
    assert "20450001" not in {row["ScanlogId"] for row in after}
    with pytest.raises(ValueError, match="no scan log"):
        sandbox.indusface.change("1", {})
    sandbox.reset()
    assert data(sandbox) == before

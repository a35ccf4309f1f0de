# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Criteria, paging, field sets (docs/vendors/qualys_was.md 6, 7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.unit.sandbox.client import Client, walk


def ids(reply: dict[str, Any], element: str) -> list[int]:
    return [item[element]["id"] for item in reply.get("data", ())]


def test_walk_gives_every_record_once_ascending(client: Client, sandbox: Sandbox) -> None:
    found = [item["id"] for item in walk(client, "finding", "Finding", 70)]
    assert found == sandbox.qualys.findings.ids


def test_default_page_is_100_and_the_cap_clamps_or_rejects(client: Client, sandbox: Sandbox) -> None:
    assert client.search("finding")["count"] == 100
    with Sandbox(webapps=5, findings=60, page_cap=20) as small:
        other = Client(small)
        assert other.search("finding", limitResults=1000)["count"] == 20
        assert other.search("finding")["count"] == 20
        small.switches["over_cap"] = "reject"
        assert other.search("finding", limitResults=21)["responseCode"] == "INVALID_REQUEST"
        assert other.search("finding", limitResults=0)["responseCode"] == "INVALID_REQUEST"
        other.close()


def test_criteria_on_one_field_are_anded(client: Client, sandbox: Sandbox) -> None:
    low, high = sandbox.qualys.findings.ids[10], sandbox.qualys.findings.ids[20]
    window = (("id", "GREATER", low), ("id", "LESSER", high))
    assert ids(client.search("finding", *window), "Finding") == sandbox.qualys.findings.ids[11:20]
    assert client.count("finding", *window) == 9
    listed = ",".join(str(key) for key in sandbox.qualys.findings.ids[8:14])
    both = client.search("finding", ("id", "IN", listed), ("id", "GREATER", low))
    assert ids(both, "Finding") == sandbox.qualys.findings.ids[11:14]


def test_offsets(client: Client, sandbox: Sandbox) -> None:
    keys = sandbox.qualys.findings.ids
    page = client.search("finding", limitResults=5, startFromOffset=11)
    assert ids(page, "Finding") == keys[10:15]
    page = client.search("finding", limitResults=5, startFromId=keys[10])
    assert ids(page, "Finding") == keys[10:15]
    sandbox.switches["start_from_id"] = "exclusive"
    assert ids(client.search("finding", limitResults=5, startFromId=keys[10]), "Finding") == keys[11:16]
    assert client.search("finding", startFromOffset=0)["responseCode"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("field", "operator", "value", "test"),
    [
        ("severity", "EQUALS", "5", lambda item, _app: item["severity"] == 5),
        ("severity", "IN", "4,5", lambda item, _app: item["severity"] in (4, 5)),
        ("severity", "GREATER", 3, lambda item, _app: item["severity"] > 3),
        ("severity", "NOT EQUALS", "1", lambda item, _app: item["severity"] != 1),
        ("status", "IN", "NEW,ACTIVE,REOPENED", lambda item, _app: item.get("status") in ("NEW", "ACTIVE", "REOPENED")),
        ("type", "EQUALS", "SENSITIVE_CONTENT", lambda item, _app: item["type"] == "SENSITIVE_CONTENT"),
        ("group", "EQUALS", "XSS", lambda item, _app: item.get("group") == "XSS"),
        ("url", "CONTAINS", "jsessionid", lambda item, _app: "jsessionid" in item.get("url", "")),
        ("name", "EQUALS", "SQL Injection", lambda item, _app: item.get("name") == "SQL Injection"),
        ("externalRef", "IS EMPTY", "", lambda item, _app: not item.get("externalRef")),
        ("isIgnored", "EQUALS", True, lambda item, _app: item.get("isIgnored") is True),
        ("ignoredReason", "EQUALS", "RISK_ACCEPTED", lambda item, _app: item.get("ignoredReason") == "RISK_ACCEPTED"),
        ("cwe.id", "EQUALS", 79, lambda item, _app: 79 in (item.get("cwe") or [])),
        ("owasp.name", "CONTAINS", "Injection", lambda item, _app: any(
            "Injection" in entry["name"] for entry in item.get("owasp") or [])),
        ("lastDetectedDate", "GREATER", "2026-06-01T00:00:00Z",
         lambda item, _app: item["lastDetectedDate"] > "2026-06-01T00:00:00Z"),
        ("firstDetectedDate", "LESSER", "2026-01-01",
         lambda item, _app: item["firstDetectedDate"] < "2026-01-01T00:00:00Z"),
        ("webApp.name", "CONTAINS", "Payments", lambda _item, app: "Payments" in app["name"]),
        ("webApp.tags", "NONE", "", lambda _item, app: not app["tags"]),
        ("qid", "GREATER", 150200, lambda item, _app: item["qid"] > 150200),
        ("timesDetected", "LESSER", 3, lambda item, _app: item.get("timesDetected", 99) < 3),
    ],
)  # fmt: skip
def test_finding_criteria(client: Client, sandbox: Sandbox, field: str, operator: str, value: Any, test: Any) -> None:
    state = sandbox.qualys
    wanted = [item["id"] for item in state.findings.in_order() if test(item, state.webapps[item["webApp"]["id"]])]
    found = ids(client.search("finding", (field, operator, value), limitResults=1000), "Finding")
    assert found == wanted
    assert wanted
    assert client.count("finding", (field, operator, value)) == len(wanted)


@pytest.mark.parametrize(
    ("field", "operator", "value", "test"),
    [
        ("tags.name", "EQUALS", "pci", lambda app, tags: "pci" in tags),
        ("tags.name", "CONTAINS", "team-", lambda app, tags: any("team-" in tag for tag in tags)),
        ("tags", "NONE", "", lambda app, tags: not tags),
        ("lastScan", "NONE", "", lambda app, tags: not app.get("lastScan")),
        ("isScanned", "EQUALS", "false", lambda app, tags: not app.get("lastScan")),
        ("isScheduled", "NOT EQUALS", "true", lambda app, tags: not app["isScheduled"]),
        ("lastScan.status", "IN", "RUNNING,CANCELED",
         lambda app, tags: app.get("lastScan", {}).get("status") in ("RUNNING", "CANCELED")),
        ("createdDate", "LESSER", "2025-06-01T00:00:00Z",
         lambda app, tags: app["createdDate"] < "2025-06-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_webapp_criteria(client: Client, sandbox: Sandbox, field: str, operator: str, value: str, test: Any) -> None:
    state = sandbox.qualys
    wanted = [
        app["id"] for app in state.webapps.in_order() if test(app, [state.tags[key]["name"] for key in app["tags"]])
    ]
    assert ids(client.search("webapp", (field, operator, value)), "WebApp") == wanted
    assert wanted


def test_attribute_criterion_needs_a_name(client: Client, sandbox: Sandbox) -> None:
    xml = (
        '<ServiceRequest><filters><Criteria field="attributes" name="Business Unit" operator="EQUALS">B2B</Criteria>'
        "</filters></ServiceRequest>"
    )
    root = client.xml("POST", "/count/was/webapp", xml)
    wanted = sum(
        {"name": "Business Unit", "value": "B2B"} in app["attributes"] for app in sandbox.qualys.webapps.values()
    )
    assert int(root.findtext("count") or 0) == wanted > 0
    assert client.search("webapp", ("attributes", "EQUALS", "B2B"))["responseCode"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("name", "field", "operator", "value"),
    [
        ("webapp", "color", "EQUALS", "x"),
        ("webapp", "name", "IN", "a,b"),
        ("webapp", "id", "CONTAINS", "1"),
        ("webapp", "id", "IN", "1, 2"),
        ("webapp", "id", "EQUALS", ""),
        ("webapp", "lastScan.status", "EQUALS", "CANCELLED"),
        ("webapp", "lastScan.status", "EQUALS", "running"),
        ("webapp", "tags", "NONE", "x"),
        ("webapp", "tags", "EQUALS", "1"),
        ("webapp", "createdDate", "GREATER", "01/02/2026"),
        ("webapp", "createdDate", "GREATER", "2026-13-01T00:00:00Z"),
        ("finding", "status", "EQUALS", "OPEN"),
        ("finding", "severity", "CONTAINS", "5"),
        ("finding", "isIgnored", "EQUALS", "True"),
        ("optionprofile", "isDefault", "EQUALS", "true"),
    ],
)
def test_wrong_criteria(client: Client, name: str, field: str, operator: str, value: str) -> None:
    assert client.search(name, (field, operator, value))["responseCode"] == "INVALID_REQUEST"


def test_text_case_switch(client: Client, sandbox: Sandbox) -> None:
    assert client.count("webapp", ("name", "CONTAINS", "PROD")) == 0
    sandbox.switches["text_case_sensitive"] = False
    assert client.count("webapp", ("name", "CONTAINS", "PROD")) > 0


def test_uncertain_criteria_switch(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["uncertain_criteria"] = "reject"
    reply = client.search("finding", ("isIgnored", "EQUALS", "true"))
    assert reply["responseCode"] == "INVALID_REQUEST"


def test_webapp_field_sets(client: Client, sandbox: Sandbox) -> None:
    summary = client.search("webapp", limitResults=1)["data"][0]["WebApp"]
    assert set(summary) == {"id", "name", "url", "riskScore", "owner", "tags", "createdDate", "updatedDate"}
    assert set(summary["owner"]) == {"id"}
    assert set(summary["tags"]) == {"count"}
    verbose = client.search("webapp", limitResults=1, verbose="true")["data"][0]["WebApp"]
    assert verbose["tags"]["list"][0]["Tag"].keys() == {"id", "name"}
    assert "config" not in verbose
    full = client.get(summary["id"])
    assert {"screenshot", "config", "authRecords", "lastScan", "createdBy", "scope"} <= set(full)
    assert set(full["lastScan"]) == {"id", "name", "summary"}
    sandbox.switches["webapp_verbose"] = "full"
    assert "config" in client.search("webapp", limitResults=1, verbose=True)["data"][0]["WebApp"]


def test_finding_field_sets(client: Client, sandbox: Sandbox) -> None:
    state = sandbox.qualys.findings
    key = next(key for key, item in state.items() if item["_evidence"] == "ssl" and item["type"] == "VULNERABILITY")
    summary = client.search("finding", ("id", "EQUALS", key))["data"][0]["Finding"]
    added = {"group", "cwe", "owasp", "wasc", "resultList", "cvssV3", "history"}
    assert not added & set(summary)
    assert summary["severity"] == str(state[key]["severity"])
    assert summary["isIgnored"] in ("true", "false")
    assert "tags" not in summary["webApp"]
    verbose = client.search("finding", ("id", "EQUALS", key), verbose="true")["data"][0]["Finding"]
    assert added - {"cvssV3"} <= set(verbose)
    assert "tags" in verbose["webApp"]
    assert "sslData" not in verbose
    assert set(verbose["history"]) == {"set"}
    full = client.get(key, "finding", "Finding")
    assert full["sslData"]["sslDataInfoList"]["list"][0]["SSLDataInfo"]["sslDataCipherList"]["count"] > 1


def test_information_gathered_lacks_fields(client: Client, sandbox: Sandbox) -> None:
    reply = client.search("finding", ("type", "EQUALS", "INFORMATION_GATHERED"), verbose=True, limitResults=5)
    for item in reply["data"]:
        finding = item["Finding"]
        assert not {"url", "status", "timesDetected", "isIgnored"} & set(finding)
        result = finding["resultList"]["list"][0]["Result"]
        assert set(result) == {"authentication", "payloads"}
        assert set(result["payloads"]["list"][0]["PayloadInstance"]) == {"response"}


def test_limit_histories(client: Client, sandbox: Sandbox) -> None:
    key = next(key for key, item in sandbox.qualys.findings.items() if len(item["_scans"]) > 1)
    one = client.search("finding", ("id", "EQUALS", key), verbose=True, limitHistories=1)["data"][0]["Finding"]
    assert len(one["history"]["set"]) == 1
    every = client.search("finding", ("id", "EQUALS", key), verbose=True)["data"][0]["Finding"]
    assert len(every["history"]["set"]) > 1


def test_get_by_unique_id(client: Client, sandbox: Sandbox) -> None:
    record = sandbox.qualys.findings[sandbox.qualys.findings.ids[5]]
    reply = client.json("GET", f"/get/was/finding/{record['uniqueId']}")
    assert reply["data"][0]["Finding"]["id"] == record["id"]


def test_a_renamed_application_shows_in_its_findings(client: Client, sandbox: Sandbox) -> None:
    record = sandbox.qualys.findings[sandbox.qualys.findings.ids[0]]
    app = record["webApp"]["id"]
    before = client.get(record["id"], "finding", "Finding")["webApp"]["name"]
    client.update(app, name="Renamed")
    assert before != "Renamed"
    assert client.get(record["id"], "finding", "Finding")["webApp"]["name"] == "Renamed"
    sandbox.qualys.findings[record["id"]]["status"] = "FIXED"
    assert client.get(record["id"], "finding", "Finding")["status"] == "FIXED"


def test_tags_profiles_overrides_scans_records(client: Client, sandbox: Sandbox) -> None:
    path = "/qps/rest/2.0/search/am/tag"
    body = (
        b'<ServiceRequest><filters><Criteria field="name" operator="EQUALS">pci</Criteria></filters></ServiceRequest>'
    )
    _status, _headers, reply = client.raw("POST", path, body, Content_Type="text/xml")
    assert b"<name><![CDATA[pci]]></name>" in reply
    profile = client.search("optionprofile", ("name", "CONTAINS", "Initial"))["data"][0]["OptionProfile"]
    assert profile["isDefault"] == "true"
    assert client.get(profile["id"], "optionprofile", "OptionProfile")["formSubmission"] == "BOTH"
    assert client.search("dnsoverride")["count"] == 3
    assert client.count("wasscan", ("status", "EQUALS", "RUNNING")) > 0
    assert client.count("webappauthrecord", ("contents", "EQUALS", "SERVER_NTLM")) == 2


def test_secret_read_modes(client: Client, sandbox: Sandbox) -> None:
    key = sandbox.qualys.auth_records.ids[0]

    def password() -> Any:
        record = client.get(key, "webappauthrecord", "WebAppAuthRecord")
        fields = record["formRecord"]["fields"]["list"]
        return fields[1]["WebAppAuthFormRecordField"].get("value")

    assert password() == "********"
    sandbox.qualys.auth_records[key]["formRecord"]["fields"][1]["secured"] = False
    sandbox.qualys.auth_records[key].touch()
    assert password() == "p&<w]]>"
    sandbox.switches["secret_read_mode"] = "absent"
    assert password() is None

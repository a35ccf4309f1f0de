# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed: deterministic, and with every variant."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.qualys import hostile
from tests.unit.sandbox.client import WAS, Client

SEED_DATE = "2026-11-01T00:00:00Z"


@pytest.fixture(scope="module")
def estate() -> Iterator[Sandbox]:
    """The default estate."""
    with Sandbox() as sandbox:
        yield sandbox


def dump(sandbox: Sandbox) -> str:
    tables = [sandbox.qualys.webapps, sandbox.qualys.findings, sandbox.qualys.scans]
    return json.dumps([list(table.in_order()) for table in tables])


def test_same_seed_same_estate() -> None:
    with Sandbox(webapps=12, findings=80) as one, Sandbox(webapps=12, findings=80) as two:
        assert dump(one) == dump(two)
        before = dump(one)
        one.qualys.findings.clear()
        one.reset()
        assert dump(one) == before
    with Sandbox(webapps=12, findings=80, seed=2) as other:
        assert dump(other) != before


def test_webapps(estate: Sandbox) -> None:
    apps = list(estate.qualys.webapps.values())
    assert len(apps) == 200
    assert {app["scope"] for app in apps} == {"ALL", "LIMIT", "SUBDOMAIN", "DOMAINS"}
    statuses = {app["lastScan"]["status"] for app in apps if app.get("lastScan")}
    assert len(statuses) == 8
    assert any(not app.get("lastScan") for app in apps)
    names = " ".join(app["name"] for app in apps)
    assert all(sign in names for sign in "&<>\"'ü予П")
    assert all(app["updatedDate"] <= SEED_DATE for app in apps)


def test_findings(estate: Sandbox) -> None:
    items = list(estate.qualys.findings.values())
    assert len(items) == 5000
    assert {item["type"] for item in items} == {"VULNERABILITY", "SENSITIVE_CONTENT", "INFORMATION_GATHERED"}
    assert {item["severity"] for item in items} == {1, 2, 3, 4, 5}
    statuses = {item.get("status") for item in items}
    assert statuses == {"NEW", "ACTIVE", "REOPENED", "FIXED", "PROTECTED", "RETESTING", "UNDER_REVIEW", None}
    reasons = {item.get("ignoredReason") for item in items if item.get("isIgnored")}
    assert reasons == {"FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE"}
    for name in (
        "originalSeverity",
        "patch",
        "externalRef",
        "cvssV3",
        "content",
        "retest",
        "fixedDate",
        "reactivateIn",
    ):
        assert any(item.get(name) for item in items), name
    burp = [item for item in items if item["findingType"] == "BURP"]
    assert any("name" not in item and item["qid"] == 0 for item in burp)
    assert any(item.get("cwe") == [] for item in items)
    assert len({item["uniqueId"] for item in items}) == 5000
    per_app = [len(estate.qualys.findings_of(key)) for key in estate.qualys.webapps.ids]
    assert max(per_app) > 150
    assert min(per_app) == 0


def test_dates_are_in_order_and_never_after_the_seed_date(estate: Sandbox) -> None:
    for item in estate.qualys.findings.values():
        assert item["firstDetectedDate"] <= item["lastDetectedDate"] <= item["lastTestedDate"] <= SEED_DATE
        assert item.get("fixedDate", "") <= SEED_DATE
    assert min(item["firstDetectedDate"] for item in estate.qualys.findings.values()) < "2024-12-01"


def test_a_hundred_findings_have_nearly_all_hostile_strings() -> None:
    with Sandbox(webapps=20, findings=130) as sandbox:
        text = json.dumps(list(sandbox.qualys.findings.values()), ensure_ascii=False)
        plain = [item for item in hostile.ALL if json.dumps(item, ensure_ascii=False)[1:-1] in text]
        assert len(plain) > len(hostile.ALL) * 0.8


@pytest.mark.parametrize("detail", ["false", "true"])
def test_every_record_is_well_formed_in_both_formats(estate: Sandbox, detail: str) -> None:
    client = Client(estate)
    preferences = f"<limitResults>1000</limitResults><verbose>{detail}</verbose>"
    body = f"<ServiceRequest><preferences>{preferences}</preferences></ServiceRequest>"
    for name, element in (("finding", "Finding"), ("webapp", "WebApp"), ("wasscan", "WasScan")):
        path = f"{WAS}/search/was/{name}"
        xml = client.raw("POST", path, body.encode(), Content_Type="text/xml")[2]
        accepted = client.raw("POST", path, body.encode(), Content_Type="text/xml", Accept="application/json")[2]
        found = [int(item.findtext("id") or 0) for item in ET.fromstring(xml).findall(f"data/{element}")]
        assert found == [item[element]["id"] for item in json.loads(accepted)["ServiceResponse"]["data"]]
    client.close()


def test_control_characters_reach_json_and_not_xml(estate: Sandbox) -> None:
    key = next(key for key, item in estate.qualys.findings.items() if "\x1b[31m" in item.get("param", ""))
    client = Client(estate)
    assert "\x1b[31m" in client.get(key, "finding", "Finding")["param"]
    raw = client.raw("GET", f"{WAS}/get/was/finding/{key}")[2]
    assert b"\x1b" not in raw
    estate.switches["xml_control_chars"] = "raw"
    with pytest.raises(ET.ParseError):
        client.xml("GET", f"/get/was/finding/{key}")
    estate.switches["xml_control_chars"] = "strip"
    client.close()


def test_finding_bytes() -> None:
    with Sandbox(webapps=10, findings=60, finding_bytes=6000) as sandbox:
        client = Client(sandbox)
        reply = client.search("finding", verbose=True, limitResults=60)
        sizes = [len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()) for item in reply["data"]]
        assert 5800 < sum(sizes) / len(sizes) < 6300
        client.close()


def test_base64_padding_is_missing_on_some(estate: Sandbox) -> None:
    client = Client(estate)
    reply = client.search("finding", verbose=True, limitResults=300)
    lengths = set()
    for item in reply["data"]:
        for result in item["Finding"]["resultList"]["list"]:
            for payload in result["Result"]["payloads"]["list"]:
                request = payload["PayloadInstance"].get("request")
                if request:
                    lengths.add(len(request["headers"]) % 4)
    assert 0 in lengths
    assert lengths != {0}
    client.close()

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The knowledge base, and the documents that harm careless parsers."""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ET
from xml.parsers import expat

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.qualys.kb import hostile_text
from tests.unit.sandbox.client import Client

PATH = "/api/2.0/fo/knowledge_base/vuln/"
LIST = f"{PATH}?action=list&details=All&ids="


def fetch(client: Client, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
    return client.raw("POST" if body else "GET", path, body, **{"X_Requested_With": "tests", **headers})


def _refuse(name: str, *_rest: object) -> None:
    raise ValueError(f"{name} is declared")


def code(data: bytes) -> str:
    return ET.fromstring(data).findtext("RESPONSE/CODE") or ""


def test_a_batch_has_texts_dates_and_cves(client: Client, sandbox: Sandbox) -> None:
    status, headers, data = fetch(client, f"{LIST}150001,150003,1,150009")
    assert status == 200
    assert headers["X-RateLimit-Limit"] == "2000"
    assert headers["X-Concurrency-Limit-Running"] == "1"
    entries = {item.findtext("QID"): item for item in ET.fromstring(data).findall("RESPONSE/VULN_LIST/VULN")}
    assert set(entries) == {"150001", "150003", "150009"}
    entry = entries["150001"]
    for name in ("TITLE", "DIAGNOSIS", "CONSEQUENCE", "SOLUTION", "PUBLISHED_DATETIME", "SEVERITY_LEVEL"):
        assert entry.findtext(name), name
    assert (entry.findtext("PUBLISHED_DATETIME") or "")[4] == "-"
    assert entries["150009"].find("SOLUTION") is None
    listed = [item.findtext("ID") or "" for node in entries.values() for item in node.findall("CVE_LIST/CVE")]
    assert listed
    assert all(item.startswith("CVE-20") for item in listed)
    assert sandbox.counters.writes == 0


def test_hostile_text_arrives_as_text(client: Client) -> None:
    root = ET.fromstring(fetch(client, f"{PATH}?action=list&details=All")[2])
    entries = {int(item.findtext("QID") or 0): item for item in root.iter("VULN")}
    poisoned = [key for key in entries if hostile_text(key) is not None]
    assert len(poisoned) > 5
    assert any("<script>" in (entries[key].findtext("DIAGNOSIS") or "") for key in poisoned)
    assert {child.tag for entry in entries.values() for child in entry} <= {
        "QID", "VULN_TYPE", "SEVERITY_LEVEL", "TITLE", "CATEGORY", "LAST_SERVICE_MODIFICATION_DATETIME",
        "PUBLISHED_DATETIME", "PATCHABLE", "DIAGNOSIS", "CONSEQUENCE", "SOLUTION", "PCI_FLAG", "CVE_LIST", "DISCOVERY",
    }  # fmt: skip


def test_details_ranges_and_post(client: Client) -> None:
    basic = ET.fromstring(fetch(client, f"{PATH}?action=list&ids=150001-150004")[2])
    assert [item.findtext("QID") for item in basic.iter("VULN")] == ["150001", "150003", "150004"]
    assert basic.find(".//DIAGNOSIS") is None
    ids = ET.fromstring(fetch(client, f"{PATH}?action=list&details=None&ids=150001")[2])
    assert [item.text for item in ids.findall("RESPONSE/ID_SET/ID")] == ["150001"]
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    posted = fetch(client, PATH, b"action=list&details=All&ids=150001%2C150003", **kind)[2]
    assert len(list(ET.fromstring(posted).iter("VULN"))) == 2
    assert ET.fromstring(fetch(client, f"{LIST}1,2")[2]).find("RESPONSE/VULN_LIST") is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{LIST}abc", "1905"),
        (f"{PATH}?action=list&details=Some", "1905"),
        (f"{PATH}?ids=1", "1903"),
        (f"{PATH}?action=list&qids=1", "1901"),
    ],
)
def test_wrong_parameters(client: Client, path: str, expected: str) -> None:
    status, _headers, data = fetch(client, path)
    assert (status, code(data)) == (400, expected)


def test_header_credentials_and_permission(client: Client, sandbox: Sandbox) -> None:
    status, _headers, data = client.raw("GET", f"{LIST}150001")
    assert (status, code(data)) == (400, "1904")
    assert fetch(client, f"{LIST}150001", Authorization="")[0] == 401
    sandbox.switches["kb_permission"] = "denied"
    status, _headers, data = fetch(client, f"{LIST}150001")
    assert (status, code(data)) == (403, "2012")


def test_bearer(client: Client, sandbox: Sandbox) -> None:
    token = client.raw(
        "POST", "/auth/oidc", Authorization="", clientId=sandbox.client_id, clientSecret=sandbox.client_secret
    )[2].decode()
    sent = {"Authorization": f"Bearer {token}", "request_source": "gateway"}
    assert fetch(client, f"{LIST}150001", **sent)[0] == 200
    sandbox.switches["kb_bearer"] = "reject"
    assert fetch(client, f"{LIST}150001", **sent)[0] == 401


def test_own_rate_limit(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["kb_rate_limit"] = 2
    assert [fetch(client, f"{LIST}150001")[0] for _turn in range(3)] == [200, 200, 409]
    status, headers, data = fetch(client, f"{LIST}150001")
    assert (status, code(data)) == (409, "1965")
    assert int(headers["X-RateLimit-ToWait-Sec"]) > 3000
    assert headers["X-RateLimit-Remaining"] == "0"
    assert client.count("webapp") == 30


def test_own_concurrency_limit(sandbox: Sandbox) -> None:
    sandbox.switches["kb_concurrency_limit"] = 1
    sandbox.latency_ms = 300
    seen: list[tuple[int, bytes]] = []

    def one() -> None:
        mine = Client(sandbox)
        status, _headers, data = fetch(mine, f"{LIST}150001")
        seen.append((status, data))
        mine.close()

    threads = [threading.Thread(target=one) for _turn in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blocked = [data for status, data in seen if status == 409]
    assert [code(data) for data in blocked] == ["1960"]


def test_doctype_and_bombs(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["kb_doctype"] = "on"
    data = fetch(client, f"{LIST}150001")[2]
    assert b"<!DOCTYPE KNOWLEDGE_BASE_VULN_LIST_OUTPUT SYSTEM" in data
    assert len(list(ET.fromstring(data).iter("VULN"))) == 1
    for variant in ("entities", "quadratic", "external"):
        sandbox.faults.add(match={"route": "knowledge_base"}, kind="xml_bomb", variant=variant)
        status, headers, data = fetch(client, f"{LIST}150001")
        assert (status, headers["Content-Type"]) == (200, "text/xml")
        assert b"<!ENTITY" in data
        parser = expat.ParserCreate()
        parser.EntityDeclHandler = _refuse
        with pytest.raises(ValueError, match="declared"):
            parser.Parse(data, True)
    sandbox.faults.add(kind="xml_bomb", root="ServiceResponse")
    assert b"<ServiceResponse>" in client.raw("GET", "/qps/rest/3.0/count/was/webapp")[2]

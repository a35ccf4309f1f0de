# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Envelopes, formats, authentication, routing (docs/vendors/qualys_was.md 2, 3)."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.qualys import envelope
from tests.unit.sandbox.client import WAS, Client


def code(reply: bytes) -> str:
    return ET.fromstring(reply).findtext("responseCode") or ""


def test_formats_are_independent(client: Client) -> None:
    xml = b"<ServiceRequest><preferences><limitResults>1</limitResults></preferences></ServiceRequest>"
    path = f"{WAS}/search/was/webapp/"
    _status, headers, reply = client.raw("POST", path, xml, Content_Type="text/xml", Accept="application/json")
    assert headers["Content-Type"] == "application/json"
    assert json.loads(reply)["ServiceResponse"]["count"] == 1
    body = json.dumps({"ServiceRequest": {"preferences": {"limitResults": "1"}}}).encode()
    _status, headers, reply = client.raw("POST", path, body, Content_Type="application/json", Accept="*/*")
    assert headers["Content-Type"] == "application/xml"
    assert ET.fromstring(reply).findtext("count") == "1"


def test_json_reply_rules(client: Client) -> None:
    reply = client.search("webapp", limitResults=2)
    assert list(reply) == ["responseCode", "count", "hasMoreRecords", "lastId", "data"]
    assert reply["hasMoreRecords"] == "true"
    assert reply["lastId"] == reply["data"][-1]["WebApp"]["id"]
    last = client.search("webapp", limitResults=1000)
    assert last["hasMoreRecords"] == "false"
    assert "lastId" not in last
    full = client.get(reply["data"][0]["WebApp"]["id"])
    assert full["useSitemap"] in ("true", "false")
    assert full["uris"]["list"][0].keys() == {"Url"}
    assert set(full["uris"]["list"][0]["Url"]) == {"value"}
    assert full["dnsOverrides"] == {"count": 0}
    assert None not in full.values()


def test_url_entries_read_with_their_attribute(client: Client, sandbox: Sandbox) -> None:
    key = next(key for key, app in sandbox.qualys.webapps.items() if app["urlExcludelist"])
    entry = client.get(key)["urlExcludelist"]["list"][1]["UrlEntry"]
    assert entry["regex"] == "true"
    root = client.xml("GET", f"/get/was/webapp/{key}")
    found = root.findall("data/WebApp/urlExcludelist/list/UrlEntry")
    assert [item.get("regex") for item in found] == ["false", "true"]
    assert found[1].text == entry["value"]


def test_xml_reply_uses_cdata_and_escapes(client: Client, sandbox: Sandbox) -> None:
    key = next(key for key, app in sandbox.qualys.webapps.items() if "]]>" in app["name"])
    _status, _headers, reply = client.raw("GET", f"{WAS}/get/was/webapp/{key}")
    assert b"<name><![CDATA[" in reply
    assert ET.fromstring(reply).findtext("data/WebApp/name") == sandbox.qualys.webapps[key]["name"]
    assert b"/qps/xsd/3.0/was/webapp.xsd" in reply


def test_scalar_collections(client: Client, sandbox: Sandbox) -> None:
    key = next(key for key, item in sandbox.qualys.findings.items() if len(item.get("cwe") or []) == 2)
    assert client.get(key, "finding", "Finding")["cwe"] == {"count": 2, "list": sandbox.qualys.findings[key]["cwe"]}
    root = client.xml("GET", f"/get/was/finding/{key}")
    assert [int(item.text or 0) for item in root.findall("data/Finding/cwe/list/long")] == (
        sandbox.qualys.findings[key]["cwe"]
    )


def test_zero_results_in_both_shapes(client: Client, sandbox: Sandbox) -> None:
    nothing = ("id", "EQUALS", 1)
    assert client.search("webapp", nothing) == {"responseCode": "SUCCESS", "count": 0}
    sandbox.switches["zero_result_shape"] = "a"
    reply = client.search("webapp", nothing)
    assert reply == {"responseCode": "SUCCESS", "count": 0, "hasMoreRecords": "false", "data": []}
    body = '<ServiceRequest><filters><Criteria field="id" operator="EQUALS">1</Criteria></filters></ServiceRequest>'
    root = client.xml("POST", "/search/was/webapp", body)
    data = root.find("data")
    assert data is not None
    assert not (data.text or "").strip()


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"<ServiceRequest><data>A & B</data></ServiceRequest>", "text/xml", "INVALID_XML"),
        (b"<ServiceRequest>", "application/xml", "INVALID_XML"),
        (b"<!DOCTYPE x [<!ENTITY e 'v'>]><ServiceRequest/>", "text/xml", "INVALID_XML"),
        (b"<!DOCTYPE x SYSTEM 'http://127.0.0.1/x.dtd'><ServiceRequest/>", "text/xml", "INVALID_XML"),
        (b"<ServiceRequest>&undefined;</ServiceRequest>", "text/xml", "INVALID_XML"),
        (b"<Other/>", "text/xml", "INVALID_REQUEST"),
        (b"<ServiceRequest><surprise/></ServiceRequest>", "text/xml", "INVALID_REQUEST"),
        (b"<ServiceRequest>text</ServiceRequest>", "text/xml", "INVALID_REQUEST"),
        (b"<ServiceRequest><filters/><filters/></ServiceRequest>", "text/xml", "INVALID_REQUEST"),
        (b"<ServiceRequest><preferences><limit>1</limit></preferences></ServiceRequest>", "text/xml",
         "INVALID_REQUEST"),
        (b"<ServiceRequest><preferences><verbose>yes</verbose></preferences></ServiceRequest>", "text/xml",
         "INVALID_REQUEST"),
        (b"{not json", "application/json", "INVALID_REQUEST"),
        (b'{"ServiceRequest": {"filters": {}, "filters": {}}}', "application/json", "INVALID_REQUEST"),
        (b'{"ServiceRequest": {}, "more": 1}', "application/json", "INVALID_REQUEST"),
        (b'{"ServiceRequest": {"preferences": {"limitResults": NaN}}}', "application/json", "INVALID_REQUEST"),
        (b"a=b", "application/x-www-form-urlencoded", "INVALID_REQUEST"),
        (b"", "text/xml", "SUCCESS"),
        (b'<?xml version="1.0" encoding="UTF-8"?><ServiceRequest><preferences/><filters/></ServiceRequest>',
         "text/xml; charset=UTF-8", "SUCCESS"),
        (b'{"ServiceRequest": {"filters": {"Criteria": []}}}', "application/json", "SUCCESS"),
    ],
)  # fmt: skip
def test_bodies(client: Client, body: bytes, kind: str, expected: str) -> None:
    status, _headers, reply = client.raw("POST", f"{WAS}/search/was/webapp", body, Content_Type=kind)
    assert status == 200
    assert code(reply) == expected


def test_errors_name_the_criterion_and_the_expected_type(client: Client) -> None:
    reply = client.search("webapp", ("id", "EQUALS", "abc"))
    assert reply["responseCode"] == "INVALID_REQUEST"
    details = reply["responseErrorDetails"]
    assert "id" in details["errorMessage"]
    assert "abc" in details["errorMessage"]
    assert "Long" in details["errorResolution"]
    details = client.search("webapp", ("isScanned", "EQUALS", "True"))["responseErrorDetails"]
    assert "true, false" in details["errorResolution"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/search/was/nothing", "INVALID_URL"),
        ("POST", "/search/was/webapp/12", "INVALID_URL"),
        ("POST", "/frobnicate/was/webapp", "INVALID_URL"),
        ("GET", "/get/was/webapp", "INVALID_URL"),
        ("GET", "/get/was/webapp/abc", "INVALID_URL"),
        ("GET", "/search/was/webapp", "OPERATION_NOT_SUPPORTED"),
        ("GET", "/count/was/webapp/", "SUCCESS"),
        ("GET", "/get/was/webapp/999", "NOT_FOUND"),
        ("POST", "/delete/was/webapp/999", "INVALID_REQUEST"),
    ],
)
def test_routes(client: Client, method: str, path: str, expected: str) -> None:
    assert client.json(method, path)["responseCode"] == expected


def test_missing_id_switch(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["missing_id"] = "EMPTY_SUCCESS"
    assert client.json("GET", "/get/was/webapp/999") == {"responseCode": "SUCCESS", "count": 0}
    sandbox.switches["missing_id"] = "INVALID_REQUEST"
    assert client.json("GET", "/get/was/finding/999")["responseCode"] == "INVALID_REQUEST"


def test_mapped_status_mode(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["http_status_mode"] = "mapped"
    assert client.raw("GET", f"{WAS}/get/was/webapp/999")[0] == 404
    assert client.raw("POST", f"{WAS}/search/was/webapp", b"<x")[0] == 400


def test_wrong_and_missing_credentials(client: Client, sandbox: Sandbox) -> None:
    wrong = Client(sandbox, password="wrong")
    status, _headers, reply = wrong.raw("GET", f"{WAS}/count/was/webapp")
    assert (status, code(reply)) == (200, "INVALID_CREDENTIALS")
    status, _headers, reply = client.raw("GET", f"{WAS}/count/was/webapp", Authorization="")
    assert (status, code(reply)) == (200, "AUTH_CREDENTIALS_NEEDED")
    assert sandbox.counters.failed_auth == 2
    sandbox.switches["auth_error_status"] = "401"
    assert wrong.raw("GET", f"{WAS}/count/was/webapp")[0] == 401
    wrong.close()


def test_bearer_needs_the_gateway_header(client: Client, sandbox: Sandbox) -> None:
    headers = {"clientId": sandbox.client_id, "clientSecret": sandbox.client_secret, "Authorization": ""}
    status, _headers, token = client.raw("POST", "/auth/oidc", b"", **headers)
    assert status == 200
    claims = json.loads(base64.urlsafe_b64decode(token.split(b".")[1] + b"=="))
    assert claims["exp"] - claims["iat"] == 14400
    bearer = {"Authorization": f"Bearer {token.decode()}"}
    assert client.json("GET", "/count/was/webapp", **bearer)["responseCode"] == "INVALID_CREDENTIALS"
    reply = client.json("GET", "/count/was/webapp", **bearer, request_source="gateway")
    assert reply["responseCode"] == "SUCCESS"
    assert client.raw("POST", "/auth/oidc", b"", **{**headers, "clientSecret": "wrong"})[0] == 401


def test_token_expires(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["token_life_s"] = 0
    body = f"username={sandbox.username}&password={sandbox.password}&token=true".encode()
    status, _headers, token = client.raw("POST", "/auth", body, Authorization="")
    assert status == 201
    bearer = {"Authorization": f"Bearer {token.decode()}", "request_source": "gateway"}
    assert client.json("GET", "/count/was/webapp", **bearer)["responseCode"] == "INVALID_CREDENTIALS"


def test_about_has_the_two_limit_headers(client: Client) -> None:
    status, headers, _reply = client.raw("GET", "/msp/about.php")
    assert status == 200
    assert int(headers["X-RateLimit-Limit"]) > 0
    assert int(headers["X-Concurrency-Limit-Limit"]) > 0


def test_version(client: Client) -> None:
    _status, _headers, reply = client.raw("GET", "/qps/rest/portal/version")
    assert ET.fromstring(reply).findtext("data/Portal-Version/WAS-VERSION")


def test_knowledge_base(client: Client) -> None:
    path = "/api/2.0/fo/knowledge_base/vuln/?action=list&details=All&ids=150001,150003,1"
    status, _headers, reply = client.raw("GET", path)
    assert status == 400
    status, _headers, reply = client.raw("GET", path, X_Requested_With="test")
    assert status == 200
    qids = [item.text for item in ET.fromstring(reply).findall("RESPONSE/VULN_LIST/VULN/QID")]
    assert qids == ["150001", "150003"]


def test_rate_limit_headers_and_blocking(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches.update({"rate_limit_headers": "on", "rate_limit": 2, "rate_limit_to_wait": "second"})
    _status, headers, _reply = client.raw("GET", f"{WAS}/count/was/webapp")
    assert headers["X-RateLimit-Remaining"] == "1"
    client.raw("GET", f"{WAS}/count/was/webapp")
    status, headers, reply = client.raw("GET", f"{WAS}/count/was/webapp")
    assert status == 409
    assert b"<CODE>1965</CODE>" in reply
    assert "X-RateLimit-ToWait-Sec" not in headers
    assert int(client.raw("GET", f"{WAS}/count/was/webapp")[1]["X-RateLimit-ToWait-Sec"]) > 0


def test_old_tenant_names(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["old_tenant"] = True
    key = next(key for key, app in sandbox.qualys.webapps.items() if app["urlExcludelist"])
    app = client.get(key)
    assert "urlBlacklist" in app
    assert "urlExcludelist" not in app
    assert "riskScore" not in app
    assert "detectionScore" not in client.search("finding", limitResults=1)["data"][0]["Finding"]


def test_every_code_is_of_the_enumeration(client: Client) -> None:
    seen: set[str] = set()
    replies: list[dict[str, Any]] = [
        client.json("GET", "/get/was/webapp/1"),
        client.json("POST", "/x/was/webapp"),
        client.json("POST", "/create/was/webapp", {"data": {"WebApp": {"name": "x"}}}),
        client.json("GET", "/search/was/webapp"),
    ]
    seen.update(reply["responseCode"] for reply in replies)
    assert seen <= envelope.RESPONSE_CODES
    assert len(seen) == 4


def test_gzip_only_when_accepted(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["gzip"] = "on"
    path = f"{WAS}/get/was/webapp/{sandbox.qualys.webapps.ids[0]}"
    assert client.raw("GET", path, Accept_Encoding="gzip")[1]["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in client.raw("GET", path)[1]

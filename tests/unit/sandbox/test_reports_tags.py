# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports, report templates and tags (docs/vendors/qualys_was.md 14.2, 15)."""

from __future__ import annotations

import base64
import csv
import io
import json
import xml.etree.ElementTree as ET
import zipfile
from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.qualys.report_spec import FORMATS
from tests.unit.sandbox.client import WAS, Client

TAG = "/qps/rest/2.0"


def config(sandbox: Sandbox) -> dict[str, Any]:
    scan = next(key for key, scan in sandbox.qualys.scans.items() if scan["summary"]["resultsStatus"] == "FINISHED")
    return {"scanReport": {"target": {"scans": {"WasScan": {"id": str(scan)}}}}}


def body(sandbox: Sandbox, **fields: Any) -> dict[str, Any]:
    base = {"name": "r & <1>", "format": "PDF", "type": "WAS_SCAN_REPORT", "config": config(sandbox)}
    return {name: value for name, value in {**base, **fields}.items() if value is not None}


def create(client: Client, fields: dict[str, Any]) -> dict[str, Any]:
    return client.json("POST", "/create/was/report", {"data": {"Report": fields}})


def status(client: Client, key: int) -> str:
    return str(client.json("GET", f"/status/was/report/{key}")["data"][0]["Report"]["status"])


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format(client: Client, sandbox: Sandbox, kind: str) -> None:
    sandbox.switches["report_polls"] = 0
    more: dict[str, Any] = {}
    if kind == "PDF_ENCRYPTED":
        more = {"password": "p&<w", "distributionList": {"set": {"EmailAddress": ["a@example.com"]}}}
    key = create(client, body(sandbox, format=kind, **more))["data"][0]["Report"]["id"]
    _status, headers, data = client.raw("GET", f"{WAS}/download/was/report/{key}")
    assert headers["Content-Disposition"].startswith('attachment; filename="')
    assert len(data) == client.get(key, "report", "Report")["size"]
    if kind == "HTML_ZIPPED":
        assert b"<html>" in zipfile.ZipFile(io.BytesIO(data)).read("report.html")
    elif kind == "HTML_BASE64":
        assert b"r &amp; &lt;1&gt;" in base64.b64decode(data)
    elif kind.startswith("PDF"):
        assert data.startswith(b"%PDF-1.4")
        assert (b"/Encrypt" in data) is (kind == "PDF_ENCRYPTED")
    elif kind.startswith("CSV"):
        assert "severity" in next(csv.reader(io.StringIO(data.decode())))
    elif kind == "XML":
        assert ET.fromstring(data).tag == "WAS_SCAN_REPORT"
    else:
        assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_running_then_complete(client: Client, sandbox: Sandbox) -> None:
    made = create(client, body(sandbox))["data"][0]["Report"]
    assert made["status"] == "RUNNING"
    assert client.json("GET", f"/download/was/report/{made['id']}")["responseCode"] == "STILL_PROCESSING"
    assert [status(client, made["id"]) for _turn in range(2)] == ["RUNNING", "COMPLETE"]
    assert client.raw("GET", f"{WAS}/download/was/report/{made['id']}")[2].startswith(b"%PDF")
    assert client.get(made["id"], "report", "Report")["downloadCount"] == 1
    sandbox.switches["report_filename"] = "hostile"
    headers = client.raw("GET", f"{WAS}/download/was/report/{made['id']}")[1]
    assert "../" in headers["Content-Disposition"]
    sandbox.switches["report_outcome"] = "error"
    other = create(client, body(sandbox))["data"][0]["Report"]["id"]
    assert [status(client, other) for _turn in range(3)] == ["RUNNING", "RUNNING", "ERROR"]
    assert client.json("GET", f"/download/was/report/{other}")["responseCode"] == "INVALID_REQUEST"
    assert sandbox.counters.writes == 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": None}, "CANNOT_BE_NULL"),
        ({"format": "DOCX"}, "INVALID_REQUEST"),
        ({"type": "SCAN"}, "INVALID_REQUEST"),
        ({"config": None}, "CANNOT_BE_NULL"),
        ({"config": {"webAppReport": {"target": {"webapps": {"WebApp": {"id": 410001}}}}}}, "INVALID_REQUEST"),
        ({"config": {"scanReport": {"target": {"scans": {"WasScan": {"id": 1}}}}}}, "INVALID_REQUEST"),
        ({"config": {"scanReport": {"target": {}}}}, "CANNOT_BE_NULL"),
        ({"password": "x"}, "INVALID_REQUEST"),
        ({"format": "PDF_ENCRYPTED"}, "CANNOT_BE_NULL"),
        ({"status": "COMPLETE"}, "INVALID_REQUEST"),
        ({"template": {"id": 1}}, "INVALID_REQUEST"),
    ],
)
def test_create_refuses(client: Client, sandbox: Sandbox, fields: dict[str, Any], expected: str) -> None:
    assert create(client, body(sandbox, **fields))["responseCode"] == expected
    assert sandbox.counters.writes_applied == 0


def test_storage_full_and_delete(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["report_storage"] = "full"
    reply = create(client, body(sandbox))
    assert reply["responseCode"] == "OTHER_ERROR"
    assert "limit" in reply["responseErrorDetails"]["errorMessage"]
    filters = {"filters": {"Criteria": {"field": "status", "operator": "EQUALS", "value": "COMPLETE"}}}
    assert client.json("POST", "/delete/was/report", filters)["count"] == 2
    left = sandbox.qualys.reports.ids[0]
    assert client.json("POST", f"/delete/was/report/{left}")["responseCode"] == "SUCCESS"
    assert client.count("report") == 0


def test_web_app_report_update_and_send(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["report_polls"] = 0
    app = max(sandbox.qualys.webapps.ids, key=lambda key: len(sandbox.qualys.findings_of(key)))
    part = {
        "target": {"webapps": {"WebApp": [{"id": app}]}},
        "display": {"contents": {"WebAppReportContent": ["A", "B"]}},
        "filters": {"status": {"WebAppFindingStatus": "NEW"}},
    }
    fields = body(sandbox, type="WAS_WEBAPP_REPORT", format="XML", config={"webAppReport": part})
    key = create(client, fields)["data"][0]["Report"]["id"]
    root = ET.fromstring(client.raw("GET", f"{WAS}/download/was/report/{key}")[2])
    assert root.tag == "WAS_WEBAPP_REPORT"
    assert len(root.findall("RESULTS/VULNERABILITY")) == len(sandbox.qualys.findings_of(app))
    renamed = {"data": {"Report": {"name": "other"}}}
    assert client.json("POST", f"/update/was/report/{key}", renamed)["data"] == [{"Report": {"id": key}}]
    listed = {"data": {"Report": {"distributionList": {"add": {"EmailAddress": ["b@example.com"]}}}}}
    assert client.json("POST", f"/send/was/report/{key}", listed)["responseCode"] == "INVALID_REQUEST"
    more = {"password": "p", "distributionList": {"set": {"EmailAddress": ["a@example.com"]}}}
    key = create(client, body(sandbox, format="PDF_ENCRYPTED", **more))["data"][0]["Report"]["id"]
    assert client.json("POST", f"/send/was/report/{key}", listed)["responseCode"] == "SUCCESS"
    shown = client.get(key, "report", "Report")
    assert shown["distributionList"]["list"] == ["a@example.com", "b@example.com"]
    assert "password" not in shown
    assert sandbox.qualys.reports[key]["password"] == "p"


def test_templates_are_read_only(client: Client, sandbox: Sandbox) -> None:
    template = client.search("reporttemplate")["data"][0]["ReportTemplate"]
    assert client.get(template["id"], "reporttemplate", "ReportTemplate")["name"] == template["name"]
    assert client.json("POST", "/create/was/reporttemplate")["responseCode"] == "INVALID_URL"
    fields = body(sandbox, config=None, template={"id": template["id"]})
    assert create(client, fields)["responseCode"] == "SUCCESS"


def tag(client: Client, path: str, fields: Any = None) -> dict[str, Any]:
    data = json.dumps({"ServiceRequest": {"data": {"Tag": fields}}}).encode() if fields is not None else b""
    sent = {"Content_Type": "application/json", "Accept": "application/json"}
    return dict(json.loads(client.raw("POST", TAG + path, data, **sent)[2])["ServiceResponse"])


def test_tag_life(client: Client, sandbox: Sandbox) -> None:
    state = sandbox.qualys
    children = {"set": {"TagSimple": [{"name": "kid 1"}, {"name": "kid 2"}]}}
    made = tag(client, "/create/am/tag", {"name": "new & <tag>", "color": "#A0B1C2", "children": children})
    record = made["data"][0]["Tag"]
    assert [item["TagSimple"]["name"] for item in record["children"]["list"]] == ["kid 1", "kid 2"]
    key = record["id"]
    assert tag(client, f"/update/am/tag/{key}", {"name": "renamed"})["data"] == [{"Tag": {"id": key}}]
    assert state.tags[key]["name"] == "renamed"
    assert tag(client, f"/delete/am/tag/{key}")["responseCode"] == "INVALID_REQUEST"
    app = state.webapps[state.webapps.ids[0]]
    kids = [child["TagSimple"]["id"] for child in record["children"]["list"]]
    app["tags"] = [*app["tags"], kids[0]]
    for kid in kids:
        assert tag(client, f"/delete/am/tag/{kid}")["responseCode"] == "SUCCESS"
    assert kids[0] not in app["tags"]
    assert tag(client, f"/delete/am/tag/{key}")["data"] == [{"Tag": {"id": key}}]
    assert sandbox.counters.writes_applied == 5


def test_tag_refusals(client: Client, sandbox: Sandbox) -> None:
    assert tag(client, "/create/am/tag", {"color": "#FFFFFF"})["responseCode"] == "CANNOT_BE_NULL"
    for wrong in ({"color": "red"}, {"parentTagId": 5}, {"ruleType": "MAGIC"}, {"created": "2026-01-01T00:00:00Z"}):
        assert tag(client, "/create/am/tag", {"name": "x", **wrong})["responseCode"] == "INVALID_REQUEST"
    assert tag(client, "/create/am/tag", {"name": "prod"})["responseCode"] == "SUCCESS"
    sandbox.switches["unique_tag"] = "name"
    assert tag(client, "/create/am/tag", {"name": "prod"})["responseCode"] == "INVALID_REQUEST"
    assert tag(client, "/delete/am/tag")["responseCode"] == "INVALID_REQUEST"


def test_report_by_the_clock(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["progress"] = "clock"
    key = create(client, body(sandbox))["data"][0]["Report"]["id"]
    assert [status(client, key) for _turn in range(3)] == ["RUNNING"] * 3
    sandbox.clock.advance(31)
    assert status(client, key) == "COMPLETE"

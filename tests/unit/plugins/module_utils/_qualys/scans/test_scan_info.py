# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans listed and downloaded, in both of Qualys' shapes."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    BadResponse,
    NotFound,
    OptionError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http.response import Headers, Response
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import client as client_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan_info import run
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.scans.scan_results import (
    ResultsReader,
    _judge,
    download,
    entries,
    result_counts_of,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, run_module
from ...scan_kit import Scans

Options = dict[str, Any]


def options(**given: Any) -> Options:
    blank: Options = {
        "id": None,
        "filters": None,
        "filters_strict": True,
        "detail": "summary",
        "results": False,
        "count_only": False,
        "limit": None,
        "query": None,
        "sensitive": "redact",
    }
    assert not set(given) - set(blank)
    return {**blank, **given}


def info(sandbox: Sandbox, **given: Any) -> Any:
    with client_of(sandbox) as client:
        result = run(options(**given), client, False)
    assert sandbox.counters.snapshot()["internal_errors"] == 0
    assert not result.changed
    return result


def with_findings(sandbox: Sandbox) -> int:
    """A scan that has found something."""
    return int(Scans(sandbox)().values["scan"]["id"])


# Listing


def test_all_scans_are_listed_counted_and_cut(estate: Sandbox) -> None:
    everything = info(estate)
    total = len(estate.qualys.scans.ids)
    assert (everything.values["total"], len(everything.values["scans"])) == (total, total)
    assert not everything.values["truncated"]
    ids = [int(scan["id"]) for scan in everything.values["scans"]]
    assert ids == sorted(ids)
    few = info(estate, limit=3)
    assert (len(few.values["scans"]), few.values["truncated"]) == (3, True)
    assert info(estate, count_only=True).values == {
        "scans": [],
        "total": total,
        "truncated": False,
        "unknown_values": {},
    }


def test_filters_select_and_are_checked(estate: Sandbox) -> None:
    good = info(estate, filters=[{"field": "resultsStatus", "value": ["FINISHED", "SUCCESSFUL"]}])
    assert {scan["conclusive"] for scan in good.values["scans"]} == {True}
    with pytest.raises(OptionError, match=r"webApp\.url is not a known search field"):
        info(estate, filters=[{"field": "webApp.url", "value": "x"}])
    with pytest.raises(OptionError, match="not a valid value of status"):
        info(estate, filters=[{"field": "status", "value": "DONE"}])


def test_a_query_is_applied_inside(estate: Sandbox) -> None:
    found = info(estate, query="[?conclusive] | length(@)")
    assert isinstance(found.values["scans"], int)
    with pytest.raises(OptionError, match="query"):
        info(estate, query="[")


def test_full_detail_has_what_the_short_form_lacks(sandbox: Sandbox) -> None:
    short = info(sandbox, limit=2).values["scans"][0]
    full = info(sandbox, limit=2, detail="full").values["scans"][0]
    assert short["links_crawled"] is None
    assert full["links_crawled"] is not None
    assert full["ended"] is not None


def test_one_by_id(sandbox: Sandbox) -> None:
    scan_id = sandbox.qualys.scans.ids[0]
    found = info(sandbox, id=scan_id)
    assert [scan["id"] for scan in found.values["scans"]] == [str(scan_id)]
    none = info(sandbox, id=1)
    assert (none.values["scans"], none.values["total"]) == ([], 0)


def test_unknown_words_are_counted(sandbox: Sandbox) -> None:
    scan_id = sandbox.qualys.scans.ids[0]
    sandbox.qualys.scans[scan_id]["status"] = "PAUSED"
    found = info(sandbox, id=scan_id)
    assert found.values["unknown_values"] == {"status=PAUSED": 1}
    assert found.values["scans"][0]["conclusive"] is False


# Results


def test_results_of_many_need_a_limit(estate: Sandbox) -> None:
    with pytest.raises(OptionError, match="results requires id or limit"):
        info(estate, results=True)


def test_results_and_counts_come_with_the_scan(shared_estate: Sandbox) -> None:
    for scan in info(shared_estate, results=True, limit=20).values["scans"]:
        if scan["results"] is None:
            continue
        assert sum(scan["counts"].values()) == len(scan["results"]["vulnerabilities"])
        assert scan["results"]["counts"]["vulnerabilities"] == scan["counts"]


def test_a_scan_that_runs_or_cannot_be_read_has_none(sandbox: Sandbox) -> None:
    sandbox.switches.update({"progress": "clock", "scan_seconds": "3600"})
    scan_id = int(Scans(sandbox)(state="launched").values["scan"]["id"])
    running = info(sandbox, id=scan_id, results=True)
    assert (running.values["scans"][0]["results"], running.warnings) == (None, [])
    sandbox.clock.advance(3600)
    sandbox.faults.add({"match": {"route": "download/was"}, "kind": "response_code", "code": "OTHER_ERROR"})
    broken = info(sandbox, id=scan_id, results=True)
    assert broken.values["scans"][0]["results"] is None
    assert "OTHER_ERROR" in broken.warnings[0]


def in_xml(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers a download in XML although JSON was asked for."""
    send = QualysClient.request

    def request(self: Any, method: str, target: str, judged_by: Any, **given: Any) -> Any:
        accept = client_module.XML if "/download/" in target else client_module.JSON
        return send(self, method, target, judged_by, **{**given, "accept": accept})

    monkeypatch.setattr(QualysClient, "request", request)


@pytest.fixture(scope="module")
def found() -> Any:
    with Sandbox(webapps=6, findings=300) as running:
        with_findings(running)
        yield running


def test_both_shapes_give_the_same_results(found: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for scan_id in found.qualys.scans.ids:
        as_json = info(found, id=scan_id, results=True, sensitive="keep").values["scans"][0]
        with monkeypatch.context() as patch:
            in_xml(patch)
            as_xml = info(found, id=scan_id, results=True, sensitive="keep").values["scans"][0]
        # XML cannot carry control characters, and drops them; everything else is the same.
        assert clean(as_xml) == clean(as_json)


def clean(value: Any) -> Any:
    """Without what XML cannot carry."""
    if isinstance(value, dict):
        return {name: clean(item) for name, item in value.items()}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return _NOT_IN_XML.sub("", value).replace("\r", "\n") if isinstance(value, str) else value


_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def test_base64_without_padding_is_decoded_and_hostile_text_is_data(found: Sandbox) -> None:
    scan_id = found.qualys.scans.ids[-1]
    results = info(found, id=scan_id, results=True, sensitive="keep").values["scans"][0]["results"]
    texts = [
        payload["result"]
        for item in results["vulnerabilities"]
        for instance in item["instances"]
        for payload in instance["payloads"]
    ]
    assert texts
    assert all(text.startswith("HTTP/1.1 200 OK") for text in texts)
    assert all("Number of links" in item["data"] for item in results["information"])


def test_sensitive_contents_are_hidden_unless_kept() -> None:
    instance = {
        "authenticated": "true",
        "form": "https://x/?token=abc",
        "payloads": {"list": [{"WasScanVulnPayload": {"payload": "a", "result": "4111 1111"}}]},
    }
    raw = {
        "sensitiveContents": {
            "count": 1,
            "list": [
                {
                    "WasScanSensitiveContent": {
                        "qid": 1,
                        "title": "Card",
                        "uri": "https://x/?password=abc",
                        "content": "4111",
                        "severity": "4",
                        "instances": {"list": [{"WasScanSensitiveContentInstance": instance}]},
                    }
                }
            ],
        }
    }
    hidden = ResultsReader().results(raw)["sensitive_contents"][0]
    assert (hidden["content"], hidden["instances"][0]["payloads"][0]["result"]) == (MARKER, MARKER)
    assert "abc" not in json.dumps(hidden)
    kept = ResultsReader(keep_sensitive=True).results(raw)["sensitive_contents"][0]
    assert (kept["content"], kept["instances"][0]["payloads"][0]["result"]) == ("4111", "4111 1111")
    assert (kept["severity"], kept["instances"][0]["authenticated"]) == ("high", True)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"vulns": {"count": 0}, "igs": None, "sensitiveContents": "x"},
        {"vulns": {"count": 0, "list": []}, "stats": None},
        {"vulns": [], "stats": {"global": None, "byGroup": {"count": 0}}},
    ],
)
def test_empty_results_are_empty_lists(raw: dict[str, Any]) -> None:
    results = ResultsReader().results(raw)
    assert results["vulnerabilities"] == results["information"] == results["by_group"] == []
    assert results["counts"] == {"vulnerabilities": None, "sensitive_contents": None, "information": None}


def test_collections_in_every_form() -> None:
    item = {"group": "XSS"}
    forms = [
        {"list": [{"GroupStat": item}]},
        {"count": 1, "list": {"GroupStat": item}},
        [{"GroupStat": item}],
        [item],
        {"GroupStat": item},
        {"GroupStat": [item]},
    ]
    assert [entries(form, "GroupStat") for form in forms] == [[item]] * len(forms)
    assert entries({"list": [79]}, "GroupStat") == entries([79], "GroupStat") == entries(None, "GroupStat") == []


def test_counts_without_statistics_come_from_the_list() -> None:
    listed = {"vulns": {"list": [{"WasScanVuln": {"severity": "5"}}, {"WasScanVuln": {"severity": 3}}]}}
    assert result_counts_of(listed) == {"critical": 1, "high": 0, "medium": 1, "low": 0, "info": 0}
    assert result_counts_of({"vulns": {"count": 0}}) == {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0}
    # Numbers that are not known are not zero.
    assert result_counts_of({"vulns": {"list": [{"WasScanVuln": {"severity": None}}]}}) is None
    assert result_counts_of({}) is None
    stats = {"stats": {"global": {"nbVulnsLevel5": "2"}}, **listed}
    assert result_counts_of(stats) == {"critical": 2, "high": 0, "medium": 0, "low": 0, "info": 0}


# Answers


def answer(body: bytes, status: int = 200) -> Response:
    return Response(status, Headers(), body, "https://x/y", {})


BARE = b"""<?xml version="1.0" encoding="UTF-8"?>
<WasScan><id>7</id><status>FINISHED</status><stats><global><nbVulnsLevel5>1</nbVulnsLevel5></global>
<byOwasp><OwaspStat><owasp>a</owasp><nbTotal>1</nbTotal></OwaspStat><OwaspStat><owasp>b</owasp></OwaspStat>
<OwaspStat><owasp>c</owasp></OwaspStat></byOwasp></stats>
<vulns><count>1</count><list><WasScanVuln><qid>1</qid><title>A &amp; B</title><severity>5</severity><instances><list>
<WasScanVulnInstance><payloads><list><WasScanVulnPayload><result base64="true">%s</result></WasScanVulnPayload></list>
</payloads></WasScanVulnInstance></list></instances></WasScanVuln></list></vulns><igs><count>0</count></igs></WasScan>
""" % base64.b64encode(b"ab").rstrip(b"=")


def test_a_bare_scan_in_xml_is_read() -> None:
    response = answer(BARE)
    _judge(response, "download")
    raw = response.memo["scan"]
    results = ResultsReader().results(raw)
    assert results["vulnerabilities"][0]["title"] == "A & B"
    assert results["vulnerabilities"][0]["instances"][0]["payloads"][0]["result"] == "ab"
    assert [item["name"] for item in results["by_owasp"]] == ["a", "b", "c"]
    assert result_counts_of(raw) is not None


def test_an_envelope_in_xml_is_read_and_its_refusal_is_told() -> None:
    good = answer(
        b"<ServiceResponse><responseCode>SUCCESS</responseCode><data><WasScan><id>7</id></WasScan></data></ServiceResponse>"
    )
    _judge(good, "download")
    assert good.memo["envelope"]["data"] == {"WasScan": {"id": "7"}}
    with pytest.raises(VendorError, match=r"STILL_PROCESSING: wait\."):
        _judge(
            answer(
                b"<ServiceResponse><responseCode>STILL_PROCESSING</responseCode><responseErrorDetails>"
                b"<errorMessage>wait</errorMessage></responseErrorDetails></ServiceResponse>"
            ),
            "download",
        )
    with pytest.raises(VendorError):
        _judge(answer(b"<ServiceResponse/>"), "download")


@pytest.mark.parametrize(
    "body",
    [
        b"<WasScan><id>7</id>",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><WasScan><name>&x;</name></WasScan>',
        b"<html><body>down</body></html>",
        b"",
        b"{",
    ],
)
def test_what_is_neither_shape_is_tried_again_and_then_told(body: bytes) -> None:
    verdict = _judge(answer(body), "download")
    assert verdict.kind == "retry"
    assert isinstance(verdict.error, BadResponse)


def test_a_fault_of_the_server_is_for_the_session() -> None:
    assert _judge(answer(BARE, 502), "download").kind == "ok"


def test_a_download_without_a_scan_is_told(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def request(_self: Any, _method: str, _target: str, _judged_by: Any) -> Response:
        response = answer(b"")
        response.memo["envelope"] = {"data": []}
        return response

    with client_of(sandbox) as client:
        with pytest.raises(NotFound):
            download(client, 1)
        monkeypatch.setattr(QualysClient, "request", request)
        with pytest.raises(BadResponse, match="without a scan"):
            download(client, 1)


def test_the_module_returns_what_it_documents(sandbox: Sandbox) -> None:
    ran = run_module("qualys_was_scan_info", sandbox, limit=1, results=True, detail="full", check=True)
    assert (ran.failed, ran.result["changed"], len(ran.result["scans"])) == (False, False, 1)
    assert {"total", "truncated", "unknown_values", "stats"} <= set(ran.result)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans: launch, states, cancel, again, delete, results (docs/vendors/qualys_was.md 12)."""

from __future__ import annotations

import base64
import json
import urllib.request
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.sandbox.switches import SCAN_OUTCOMES
from tests.unit.sandbox.client import WAS, Client


def post(client: Client, path: str, **scan: Any) -> dict[str, Any]:
    return client.json("POST", path, {"data": {"WasScan": scan}} if scan else None)


def launch(client: Client, app: int, **fields: Any) -> list[int]:
    body = {"name": "ci 1", "type": "VULNERABILITY", "target": {"webApp": {"id": app}}, **fields}
    reply = post(client, "/launch/was/wasscan", **body)
    assert reply["responseCode"] == "SUCCESS", reply
    return [item["WasScan"]["id"] for item in reply["data"]]


def status(client: Client, key: int) -> tuple[str, str, str]:
    scan = client.json("GET", f"/status/was/wasscan/{key}")["data"][0]["WasScan"]
    return scan["status"], scan["summary"]["resultsStatus"], scan["summary"]["authStatus"]


def finish(client: Client, key: int) -> tuple[str, str, str]:
    for _turn in range(6):
        last = status(client, key)
    return last


def app_with(sandbox: Sandbox, *, profile: bool = True, auth: bool | None = None) -> Any:
    """A web application that has (or lacks) a default profile and authentication records, and has open findings."""
    for app in sandbox.qualys.webapps.in_order():
        good = ("defaultProfile" in app) is profile and (auth is None or bool(app["authRecords"]) is auth)
        states = [sandbox.qualys.findings[key].get("status") for key in sandbox.qualys.findings_of(app["id"])]
        if good and states.count("ACTIVE") >= 2:
            return app
    raise AssertionError("no such application in the seed")


def test_states_findings_and_last_scan(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    state = sandbox.qualys
    before = {key: dict(state.findings[key]) for key in state.findings_of(app["id"])}
    (key,) = launch(client, app["id"])
    assert app["lastScan"]["id"] == key
    assert [status(client, key)[0] for _turn in range(4)] == ["SUBMITTED", "RUNNING", "PROCESSING", "FINISHED"]
    assert status(client, key) == ("FINISHED", "FINISHED", "NONE")
    assert (app["lastScan"]["status"], app["lastScan"]["resultsStatus"]) == ("FINISHED", "FINISHED")
    after = {number: state.findings[number] for number in state.findings_of(app["id"])}
    new = set(after) - set(before)
    assert len(new) == 1
    assert after[min(new)]["status"] == "NEW"
    fixed = [number for number, old in before.items() if old.get("status") != after[number].get("status") == "FIXED"]
    assert len(fixed) == 1
    again = [n for n, old in before.items() if after[n].get("timesDetected", 0) == old.get("timesDetected", 0) + 1]
    assert again
    assert all(after[number]["status"] == "ACTIVE" for number in again)
    shown = client.get(again[0], "finding", "Finding")
    assert shown["history"]["set"][-1]["WebAppFindingHistory"]["scanData"]["id"] == key
    assert sandbox.counters.writes == 1
    full = client.get(key, "wasscan", "WasScan")
    assert full["target"]["webApp"]["name"] == app["name"]
    assert full["mode"] == "API"
    assert full["endScanDate"] >= full["launchedDate"]
    assert client.get(app["id"])["lastScan"]["id"] == key


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "DEEP"}, "INVALID_REQUEST"),
        ({"name": ""}, "CANNOT_BE_NULL"),
        ({"target": {}}, "CANNOT_BE_NULL"),
        ({"target": {"webApp": {"id": 5}}}, "INVALID_REQUEST"),
        ({"target": {"webApp": {}}}, "CANNOT_BE_NULL"),
        ({"profile": {"id": 1}}, "INVALID_REQUEST"),
        ({"profile": {"name": "no such"}}, "INVALID_REQUEST"),
        ({"cancelAfterNHours": 0}, "INVALID_REQUEST"),
        ({"cancelAfterNHours": 2, "cancelTime": "23:00"}, "INVALID_REQUEST"),
        ({"webAppId": 5}, "INVALID_REQUEST"),
        ({"more": {"webAppAuthRecord": {"id": 1}}}, "INVALID_REQUEST"),
        ({"more": {"webAppAuthRecord": {"id": 31001, "isDefault": True}}}, "INVALID_REQUEST"),
        ({"more": {"scannerAppliance": {"type": "INTERNAL"}}}, "INVALID_REQUEST"),
        ({"more": {"scannerAppliance": {"type": "scannerTags"}}}, "INVALID_REQUEST"),
        ({"more": {"cancelOption": "SPECIFIC"}}, "INVALID_REQUEST"),
        ({"more": {"authRecordOption": "SOME"}}, "INVALID_REQUEST"),
        ({"more": {"webApps": {"set": {"WebApp": [{"id": 410001}]}}}}, "INVALID_REQUEST"),
    ],
)
def test_launch_refuses(client: Client, sandbox: Sandbox, fields: dict[str, Any], expected: str) -> None:
    app = app_with(sandbox)["id"]
    more = fields.pop("more", {})
    body = {"name": "n", "type": "VULNERABILITY", "target": {"webApp": {"id": app}, **more}, **fields}
    reply = post(client, "/launch/was/wasscan", **body)
    assert reply["responseCode"] == expected, reply
    assert sandbox.counters.writes_applied == 0


def test_profile_is_needed_without_a_default(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox, profile=False)
    body = {"name": "n", "type": "DISCOVERY", "target": {"webApp": {"id": app["id"]}}}
    assert post(client, "/launch/was/wasscan", **body)["responseCode"] == "CANNOT_BE_NULL"
    (key,) = launch(client, app["id"], profile={"name": "CI quick"})
    assert client.get(key, "wasscan", "WasScan")["profile"]["name"] == "CI quick"


def test_authentication_of_a_scan(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox, auth=True)
    record = sandbox.qualys.auth_records.ids[5]
    (key,) = launch(client, app["id"], target={"webApp": {"id": app["id"]}, "webAppAuthRecord": {"id": record}})
    assert finish(client, key)[2] == "SUCCESSFUL"
    assert sandbox.qualys.auth_records[record]["lastScan"]["authStatus"] == "SUCCESSFUL"
    sandbox.qualys.next_scan_outcome("auth_failed")
    (key,) = launch(client, app["id"], target={"webApp": {"id": app["id"]}, "webAppAuthRecord": {"isDefault": True}})
    assert finish(client, key) == ("FINISHED", "FINISHED", "FAILED")
    shown = client.get(key, "wasscan", "WasScan")["target"]["webAppAuthRecord"]
    assert shown["id"] in app["authRecords"]
    bare = app_with(sandbox, auth=False)
    target = {"webApp": {"id": bare["id"]}, "webAppAuthRecord": {"isDefault": "true"}}
    body = {"name": "n", "type": "VULNERABILITY", "target": target}
    assert post(client, "/launch/was/wasscan", **body)["responseCode"] == "INVALID_REQUEST"
    sandbox.switches["scan_default_auth_missing"] = "unauthenticated"
    assert post(client, "/launch/was/wasscan", **body)["responseCode"] == "SUCCESS"
    sandbox.switches["scan_auth_record"] = "attached"
    target = {"webApp": {"id": bare["id"]}, "webAppAuthRecord": {"id": record}}
    assert post(client, "/launch/was/wasscan", **{**body, "target": target})["responseCode"] == "INVALID_REQUEST"


def test_many_by_ids_and_by_tags(client: Client, sandbox: Sandbox) -> None:
    apps = [app for app in sandbox.qualys.webapps.in_order() if "defaultProfile" in app][:3]
    listed = {"set": {"WebApp": [{"id": app["id"]} for app in apps]}}
    keys = launch(client, 0, target={"webApps": listed})
    assert [sandbox.qualys.scans[key]["webAppId"] for key in keys] == [app["id"] for app in apps]
    assert client.get(keys[0], "wasscan", "WasScan")["multi"] == "true"
    tag = apps[0]["tags"][0]
    included = {"option": "ANY", "tagList": {"set": {"Tag": {"id": tag}}}}
    wanted = [app["id"] for app in sandbox.qualys.webapps.in_order() if tag in app["tags"]]
    sandbox.switches["multi_launch_reply"] = "first"
    count = len(sandbox.qualys.scans)
    keys = launch(client, 0, target={"tags": {"included": included}}, profile={"id": 12001})
    assert len(keys) == 1
    assert len(sandbox.qualys.scans) - count == len(wanted)


@pytest.mark.parametrize("outcome", SCAN_OUTCOMES)
def test_every_outcome(client: Client, sandbox: Sandbox, outcome: str) -> None:
    app = app_with(sandbox)
    sandbox.switches["scan_outcome"] = outcome
    (key,) = launch(client, app["id"])
    word, results, _auth = finish(client, key)
    assert word in ("FINISHED", "ERROR", "CANCELED")
    reply = client.json("GET", f"/download/was/wasscan/{key}")["data"][0]["WasScan"]
    total = reply["stats"]["global"]["nbVulnsTotal"]
    good = outcome in ("finished", "successful", "auth_failed", "auth_partial") or results.startswith("TIME_LIMIT")
    assert (total > 0) is (good or outcome == "canceled_with_results")
    assert app["lastScan"]["resultsStatus"] == results
    assert client.count("wasscan", ("id", "EQUALS", key), ("resultsStatus", "EQUALS", results)) == 1
    if outcome in ("time_limit_exceeded", "scan_not_launched", "scanner_not_available"):
        assert app["lastScan"]["status"] == outcome.upper()
    if outcome == "no_links":
        assert client.get(key, "wasscan", "WasScan")["summary"]["linksCrawled"] == 0


def test_next_outcomes_with_numbers(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    sandbox.switches["scan_polls"] = 0
    sandbox.qualys.next_scan_outcome({"new": 3, "fixed": 0, "reopened": 1, "authStatus": "PARTIAL"}, "error")
    before = len(sandbox.qualys.findings)
    (key,) = launch(client, app["id"])
    assert status(client, key) == ("FINISHED", "FINISHED", "PARTIAL")
    assert len(sandbox.qualys.findings) == before + 3
    assert status(client, launch(client, app["id"])[0])[0] == "ERROR"
    assert status(client, launch(client, app["id"])[0])[0] == "FINISHED"
    for wrong in ("great", {"luck": 1}, 5):
        with pytest.raises(ValueError, match="outcome"):
            sandbox.qualys.next_scan_outcome(wrong)  # type: ignore[arg-type]


def test_control_plane_sets_outcome_and_clock(client: Client, sandbox: Sandbox) -> None:
    def control(path: str, body: Any) -> Any:
        request = urllib.request.Request(f"{sandbox.url}/_sandbox/{path}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    sandbox.switches["progress"] = "clock"
    control("qualys/next_scan_outcome", ["no_host_alive"])
    control("qualys/next_retest_outcome", ["fixed"])
    (key,) = launch(client, app_with(sandbox)["id"])
    for _turn in range(5):
        assert status(client, key)[0] == "SUBMITTED"
    words = []
    for _turn in range(3):
        control("clock", {"advance_s": 200})
        words.append(status(client, key)[:2])
    assert words == [("RUNNING", "RUNNING"), ("PROCESSING", "PROCESSING"), ("FINISHED", "NO_HOST_ALIVE")]
    assert len(sandbox.qualys.retest_outcomes) == 1


def test_search_counts_as_a_look(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["scan_processing"] = "off"
    (key,) = launch(client, app_with(sandbox)["id"])
    words = [client.search("wasscan", ("id", "EQUALS", key))["data"][0]["WasScan"]["status"] for _turn in range(3)]
    assert words == ["SUBMITTED", "RUNNING", "FINISHED"]


def test_cancel(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    (key,) = launch(client, app["id"])
    assert client.json("GET", f"/download/was/wasscan/{key}")["responseCode"] == "STILL_PROCESSING"
    assert post(client, f"/cancel/was/wasscan/{key}")["data"] == [{"WasScan": {"id": key}}]
    assert [status(client, key)[0] for _turn in range(2)] == ["CANCELING", "CANCELED"]
    refused = post(client, f"/cancel/was/wasscan/{key}")
    assert refused["responseCode"] == "INVALID_REQUEST"
    message = refused["responseErrorDetails"]["errorMessage"]
    assert message == "Scan is not in a running state. Scan status: CANCELED"
    shown = client.get(key, "wasscan", "WasScan")
    assert shown["canceledBy"]["id"] == sandbox.qualys.users.ids[0]
    (key,) = launch(client, app["id"])
    assert post(client, f"/cancel/was/wasscan/{key}", cancelWithResults=True)["responseCode"] == "SUCCESS"
    assert finish(client, key)[:2] == ("CANCELED", "CANCELED_WITH_RESULTS")
    assert client.json("GET", f"/download/was/wasscan/{key}")["data"][0]["WasScan"]["vulns"]["count"] > 0
    finished = next(key for key, scan in sandbox.qualys.scans.items() if scan["status"] == "FINISHED")
    assert post(client, f"/cancel/was/wasscan/{finished}")["responseCode"] == "INVALID_REQUEST"
    seeded = next(key for key, scan in sandbox.qualys.scans.items() if scan["status"] == "RUNNING")
    assert post(client, f"/cancel/was/wasscan/{seeded}")["responseCode"] == "SUCCESS"
    assert finish(client, seeded)[0] == "CANCELED"


def test_scan_again(client: Client, sandbox: Sandbox) -> None:
    (key,) = launch(client, app_with(sandbox)["id"])
    assert post(client, f"/scanagain/was/scan/{key}")["responseCode"] == "INVALID_REQUEST"
    finish(client, key)
    again = post(client, f"/scanagain/was/scan/{key}", name="once more")["data"][0]["WasScan"]["id"]
    assert again > key
    assert sandbox.qualys.scans[again]["name"] == "once more"
    assert post(client, f"/scanAgain/was/wasscan/{key}")["responseCode"] == "INVALID_URL"
    sandbox.switches["scan_again_path"] = "wasscan"
    assert post(client, f"/scanagain/was/scan/{key}")["responseCode"] == "INVALID_URL"
    assert post(client, f"/scanAgain/was/wasscan/{key}")["responseCode"] == "SUCCESS"


def test_delete_only_what_does_not_run(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    (first,) = launch(client, app["id"])
    finish(client, first)
    (second,) = launch(client, app["id"])
    assert post(client, f"/delete/was/wasscan/{second}")["responseCode"] == "INVALID_REQUEST"
    filters = {"filters": {"Criteria": {"field": "id", "operator": "IN", "value": f"{first},{second}"}}}
    assert client.json("POST", "/delete/was/wasscan", filters)["responseCode"] == "INVALID_REQUEST"
    sandbox.switches["delete_running_scans"] = "skip"
    reply = client.json("POST", "/delete/was/wasscan", filters)
    assert [item["WasScan"]["id"] for item in reply["data"]] == [first]
    finish(client, second)
    assert post(client, f"/delete/was/wasscan/{second}")["responseCode"] == "SUCCESS"
    assert app["lastScan"]["id"] in sandbox.qualys.scans
    assert client.json("POST", "/delete/was/wasscan")["responseCode"] == "INVALID_REQUEST"


def test_purge_wipes_scans_that_run_too(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    (key,) = launch(client, app["id"])
    assert client.json("POST", f"/purge/was/webapp/{app['id']}")["responseCode"] == "SUCCESS"
    assert not sandbox.qualys.scans_of(app["id"])
    assert not sandbox.qualys.findings_of(app["id"])
    assert "lastScan" not in app
    assert client.json("GET", f"/status/was/wasscan/{key}")["responseCode"] == "NOT_FOUND"


def test_results_in_both_shapes(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    sandbox.switches["scan_polls"] = 0
    sandbox.qualys.next_scan_outcome({"new": 4, "fixed": 0})
    (key,) = launch(client, app["id"])
    root = client.xml("GET", f"/download/was/wasscan/{key}")
    assert root.tag == "WasScan"
    scan = client.json("GET", f"/download/was/wasscan/{key}")["data"][0]["WasScan"]
    total = int(root.findtext("stats/global/nbVulnsTotal") or 0)
    assert total == scan["stats"]["global"]["nbVulnsTotal"] == scan["vulns"]["count"] == len(scan["vulns"]["list"])
    levels = [scan["stats"]["global"][f"nbVulnsLevel{level}"] for level in range(1, 6)]
    assert sum(levels) == total
    assert sum(item["GroupStat"]["nbTotal"] for item in scan["stats"]["byGroup"]["list"]) >= total - 3
    lengths = set()
    for item, node in zip(scan["vulns"]["list"], root.findall("vulns/list/WasScanVuln"), strict=True):
        vuln = item["WasScanVuln"]
        assert vuln["qid"] == int(node.findtext("qid") or 0)
        payload = vuln["instances"]["list"][0]["WasScanVulnInstance"]["payloads"]["list"][0]["WasScanVulnPayload"]
        assert payload["result"]["base64"] == "true"
        text = payload["result"]["value"]
        lengths.add(len(text) % 4)
        assert base64.b64decode(text + "=" * (-len(text) % 4)).startswith(b"HTTP/1.1")
        result = node.find(".//result")
        assert result is not None
        assert (result.get("base64"), result.text) == ("true", text)
    assert lengths != {0}
    assert scan["igs"]["count"] == len(scan["igs"].get("list", []))
    assert set(scan["sensitiveContents"]) <= {"count", "list"}


def test_results_of_seeded_scans_are_well_formed(client: Client, sandbox: Sandbox) -> None:
    full = 0
    for key, scan in list(sandbox.qualys.scans.items()):
        if scan["status"] in ("RUNNING", "SUBMITTED"):
            continue
        body = client.raw("GET", f"{WAS}/download/was/wasscan/{key}")[2]
        full += ET.fromstring(body).find("vulns/list") is not None
    assert full > 3


def test_faults_on_launch_make_it_ambiguous(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    sandbox.faults.add(match={"route": "launch/was/wasscan"}, kind="apply_then_status", status=504)
    body = {"name": "x", "type": "VULNERABILITY", "target": {"webApp": {"id": app["id"]}}}
    data = json.dumps({"ServiceRequest": {"data": {"WasScan": body}}}).encode()
    assert client.raw("POST", f"{WAS}/launch/was/wasscan", data, Content_Type="application/json")[0] == 504
    assert client.count("wasscan", ("name", "EQUALS", "x"), ("webApp.id", "EQUALS", app["id"])) == 1


def test_other_positions_of_the_switches(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches.update({"auth_word_unused": "NOT_USED", "scan_option_words": "any", "cancel_polls": 0})
    app = app_with(sandbox)
    (key,) = launch(client, app["id"], target={"webApp": {"id": app["id"]}, "authRecordOption": "PER_APP"})
    assert finish(client, key) == ("FINISHED", "FINISHED", "NOT_USED")
    (key,) = launch(client, app["id"])
    assert post(client, f"/cancel/was/wasscan/{key}")["responseCode"] == "SUCCESS"
    assert status(client, key)[0] == "CANCELED"
    sandbox.switches["progress"] = "clock"
    (key,) = launch(client, app["id"])
    post(client, f"/cancel/was/wasscan/{key}")
    assert status(client, key)[0] == "CANCELING"
    sandbox.clock.advance(61)
    assert status(client, key)[0] == "CANCELED"


def test_a_discovery_scan_touches_information_only(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)
    state = sandbox.qualys
    before = {key: state.findings[key].get("status") for key in state.findings_of(app["id"])}
    (key,) = launch(client, app["id"], type="DISCOVERY")
    finish(client, key)
    assert {number: state.findings[number].get("status") for number in state.findings_of(app["id"])} == before
    reply = client.json("GET", f"/download/was/wasscan/{key}")["data"][0]["WasScan"]
    assert reply["vulns"] == {"count": 0}


def test_reset_forgets_what_runs(client: Client, sandbox: Sandbox) -> None:
    app = app_with(sandbox)["id"]
    launch(client, app)
    sandbox.qualys.next_scan_outcome("error")
    sandbox.reset()
    assert not sandbox.qualys.running_scans
    (key,) = launch(client, app)
    assert finish(client, key)[0] == "FINISHED"

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of the life of findings, purge, scripts, look-ups and the knowledge base, as Ansible runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox

from ..module_utils._qualys.life import living, plain_findings, shared_living
from ..module_utils.qualys_kit import run_module

__all__ = ["living", "shared_living"]

IGNORE = {"state": "ignored", "reason": "FALSE_POSITIVE"}


def test_a_finding_is_ignored(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    options = {"ids": [record["id"]], "comment": "reviewed", **IGNORE}
    predicted = run_module("qualys_was_finding", living, check=True, diff=True, **options)
    assert predicted.result["changed"]
    assert not record.get("isIgnored")
    ran = run_module("qualys_was_finding", living, diff=True, **options)
    assert ran.result["findings"][0]["ignored"]["reason"] == "FALSE_POSITIVE"
    assert ran.result["diff"] == predicted.result["diff"]
    assert ran.result["stats"]["requests"] > 0
    assert not run_module("qualys_was_finding", living, **options).result["changed"]


def test_a_partial_failure_still_returns_its_results(living: Sandbox) -> None:
    first, second = plain_findings(living, 2)
    route = f"ignore/was/finding/{second['id']}"
    living.faults.add({"match": {"route": route}, "kind": "response_code", "code": "UNAUTHORIZED"})
    ran = run_module("qualys_was_finding", living, ids=[first["id"], second["id"]], **IGNORE)
    assert ran.failed
    assert ran.result["changed"]
    assert [item["failed"] for item in ran.result["results"]] == [False, True]
    assert ran.result["error"]["kind"] == "partial"


def test_a_retest_is_waited_for(living: Sandbox) -> None:
    [record] = plain_findings(living, 1)
    ran = run_module("qualys_was_finding", living, ids=[record["uniqueId"]], retest=True, poll_interval=0.001)
    assert ran.result["findings"][0]["retest"]["status"] == "retested"


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "finding-nothing": ("qualys_was_finding", {"state": "active"}, "one of the following is required: ids, filters"),
    "finding-both": ("qualys_was_finding", {"ids": [1], "filters": [{"field": "id"}]}, "mutually exclusive"),
    "finding-reason": ("qualys_was_finding", {"ids": [1], "state": "ignored"}, "reason"),
    "finding-severity": ("qualys_was_finding", {"ids": [1], "severity": 6}, "value of severity must be one of"),
    "purge-ceiling": ("qualys_was_webapp_purge", {"filters": [{"field": "id", "value": 1}]}, "requires max_purges"),
    "purge-nothing": ("qualys_was_webapp_purge", {}, "one of the following is required: ids, filters"),
    "script": ("qualys_was_selenium_script", {"webapp_id": 1}, "missing required arguments: script_id"),
    "kb": ("qualys_kb_info", {}, "missing required arguments: qids"),
    "profile": ("qualys_was_option_profile_info", {"id": 1, "name": "x"}, "mutually exclusive"),
    "tag": ("qualys_was_tag_info", {"filters": [{"field": "url", "value": "x"}]}, "url is not a known search field"),
}


@pytest.mark.parametrize(("module", "options", "words"), REFUSED.values(), ids=REFUSED)
def test_options_are_checked(living: Sandbox, module: str, options: dict[str, Any], words: str) -> None:
    ran = run_module(module, living, **options)
    assert ran.failed
    assert words in ran.msg
    assert living.counters.writes == 0


def test_an_application_is_purged(living: Sandbox) -> None:
    key = next(key for key in living.qualys.webapps.ids if living.qualys.findings_of(key))
    ran = run_module("qualys_was_webapp_purge", living, ids=[key], diff=True)
    assert ran.result["purged"][0]["id"] == key
    assert ran.result["diff"][0]["after"] == {"findings": 0}
    assert key in living.qualys.webapps
    assert not run_module("qualys_was_webapp_purge", living, ids=[key]).result["changed"]


def test_a_script_goes_to_a_file(living: Sandbox, tmp_path: Path) -> None:
    key = living.qualys.webapps.ids[0]
    living.qualys.webapps[key]["crawlingScripts"] = [{"id": 55999, "name": "login.html", "data": "type pw S3cret"}]
    dest = tmp_path / "login.html"
    ran = run_module("qualys_was_selenium_script", living, webapp_id=key, script_id=55999, dest=str(dest), diff=True)
    assert ran.result["changed"]
    assert dest.read_text() == "type pw S3cret"
    assert "S3cret" not in ran.printed


def test_the_knowledge_base_is_read(living: Sandbox, tmp_path: Path) -> None:
    dest = tmp_path / "knowledge.json"
    options = {"qids": ["150001", 0], "state_dir": str(tmp_path / "state"), "dest": str(dest)}
    ran = run_module("qualys_kb_info", living, **options)
    assert (ran.result["changed"], ran.result["missing"]) == (True, [0])
    assert [entry["qid"] for entry in json.loads(dest.read_bytes())["entries"]] == [150001]
    assert "entries" not in ran.result
    told = run_module("qualys_kb_info", living, **{**options, "dest": None})
    assert told.result["entries"] == json.loads(dest.read_bytes())["entries"]
    again = run_module("qualys_kb_info", living, **options)
    assert (again.result["changed"], again.result["cached"]) == (False, 1)


def test_look_ups_list(living: Sandbox) -> None:
    profiles = run_module("qualys_was_option_profile_info", living, detail="full", query="[].max_crawl_requests")
    assert 300 in profiles.result["option_profiles"]
    tags = run_module("qualys_was_tag_info", living, name="prod")
    assert [tag["name"] for tag in tags.result["tags"]] == ["prod"]


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("qualys_was_scan", {"webapp": "410001", "name": "ci", "profile": "CI quick", "state": "launched"}),
        ("qualys_was_schedule", {"id": 640001}),
    ],
)
def test_the_proxy_of_a_scan_is_not_the_proxy_of_the_connection(
    living: Sandbox, monkeypatch: pytest.MonkeyPatch, module: str, options: dict[str, Any]
) -> None:
    proxy = str(living.qualys.proxies.ids[0])
    assert not run_module(module, living, scan_proxy=proxy, check=True, **options).failed
    living.reset_counters()
    # A name that nobody resolves: what goes through the proxy does not reach the sandbox.
    monkeypatch.setenv("PERIMETER_PROXY", "http://proxy.invalid:1")
    ran = run_module(module, living, scan_proxy=proxy, allow_http=True, retries=0, check=True, **options)
    assert (ran.failed, ran.result["error"]["kind"]) == (True, "connection"), ran.msg
    assert living.counters.requests == 0

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of the gate leaves behind: the verdict file, the explanations, the baseline, and nothing else."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import MissingLibrary
from ansible_collections.appsec.perimeter.plugins.module_utils._gate import run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.policy import documents
from tests.unit.plugins.module_utils._gate.gate_kit import (
    Folder,
    ago,
    day,
    finding,
    policy,
    scan,
    waiver,
    waivers,
)

HOSTILE = "##vso[task.setvariable variable=x]y \x1b[2J {{ lookup('pipe', 'id') }} \u202e ::error::owned"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def contents(folder: Folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.iterdir()}


def test_both_files_are_private_and_belong_together(folder: Folder) -> None:
    folder.gate([finding(), finding(2)])
    beside = folder.path / "gate.explain.ndjson"
    for path in (folder.dest, beside):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = folder.verdict()["explain_file"]
    assert told == {"path": beside.name, "records": 2, "sha256": hashlib.sha256(beside.read_bytes()).hexdigest()}
    assert not [path for path in folder.path.iterdir() if path.suffix == ".tmp"]


def test_while_the_gate_is_at_work_the_file_says_that_it_did_not_finish(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.gate([])
    assert folder.verdict()["verdict"] == "pass"

    def killed(*_details: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "load_policy", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.gate([], run_id="8")
    left = folder.verdict()
    assert (left["verdict"], left["exit_code"], left["run_id"], left["finished"]) == ("platform_error", 20, "8", None)


def test_a_wrong_policy_replaces_an_old_pass_and_its_explanations(folder: Folder) -> None:
    folder.gate([finding(severity="low")])
    result = folder.gate([], policy={"schema": 1})
    assert (result.values["verdict"], folder.verdict()["verdict"]) == ("policy_error", "policy_error")
    assert folder.verdict()["explain_file"] is None
    assert not (folder.path / "gate.explain.ndjson").exists()


def test_the_same_again_is_not_a_change(folder: Folder) -> None:
    assert folder.gate([finding()]).changed
    assert not folder.gate([finding()], run_id="8").changed
    assert folder.verdict()["run_id"] == "8"
    assert folder.gate([]).changed


def test_check_mode_writes_nothing_at_all(folder: Folder) -> None:
    folder.adopt([finding()])
    folder.snapshot([])
    before = contents(folder)
    result = folder.gate([], check=True, baseline=str(folder.baseline), baseline_update=True)
    assert contents(folder) == before
    assert result.values["reasons"][0]["code"] == "check_mode"
    assert result.values["counts"]["absent"] == 1
    assert {item["verdict"] for item in result.values["applications"]} == {"inconclusive"}


def test_report_only_tells_the_verdict_and_does_not_fail(folder: Folder) -> None:
    folder.adopt([finding()])
    baseline = folder.baseline.read_bytes()
    result = folder.gate([], baseline=str(folder.baseline), baseline_update=True, report_only=True)
    assert result.values["verdict"] == "pass"
    result = folder.gate([finding(2)], baseline=str(folder.baseline), report_only=True)
    assert result.error is None
    assert (result.values["verdict"], result.values["exit_code"], folder.verdict()["exit_code"]) == ("fail", 10, 10)
    assert any("The gate is closed: fail" in warning for warning in result.warnings)
    # Not moved, and marked all the same: what came back after such a run would be known.
    assert folder.baseline.read_bytes() == baseline
    marked = folder.gate([finding(status="open")], baseline=str(folder.baseline))
    assert (marked.values["verdict"], marked.values["counts"]["reopened"]) == ("fail", 1)


def test_the_baseline_moves_only_when_asked_and_nothing_is_new(folder: Folder) -> None:
    folder.adopt([finding()])
    first = folder.baseline.read_bytes()
    folder.gate([], baseline=str(folder.baseline))
    assert folder.baseline.read_bytes() == first
    # The policy lets a new low finding pass, but it is new all the same.
    known, low = finding(status="open"), finding(2, severity="low")
    folder.adopt([finding()])
    result = folder.gate([known, low], baseline=str(folder.baseline), baseline_update=True)
    assert (result.values["verdict"], result.values["counts"]["new"]) == ("pass", 1)
    assert result.values["baseline"]["updated"] is False
    result = folder.gate([known, low], baseline=str(folder.baseline), waivers=waivers(waiver(match={"ids": ["1002"]})))
    assert result.values["baseline"]["updated"] is False
    result = folder.gate([], baseline=str(folder.baseline), baseline_update=True)
    assert result.values["baseline"]["updated"] is True
    assert json.loads(folder.baseline.read_bytes())["applications"][0]["findings"] == {}


def test_a_run_on_one_application_keeps_what_the_baseline_knows_of_another(folder: Folder) -> None:
    other: dict[str, Any] = {"id": "1", "name": "other", "url": None, "tags": []}
    both = [finding(), finding(2, asset=other)]
    folder.adopt([], files=[folder.snapshot(both, filters=[])], scans=[scan(), scan(asset=other)])
    folder.gate([], baseline=str(folder.baseline), baseline_update=True)
    sections = {item["id"]: item["findings"] for item in json.loads(folder.baseline.read_bytes())["applications"]}
    assert sections == {"1": {"u:uuid-2": ["high"]}, "4711": {}}


def test_each_finding_is_explained_by_what_decided(folder: Folder) -> None:
    findings = [
        finding(1),
        finding(2, severity="low"),
        finding(3),
        finding(4, status="fixed"),
        finding(5, status="protected"),
        finding(6, kind="information"),
        finding(7, rule_id="150300"),
        finding(8, severity="medium"),
    ]
    rules = policy(
        limits={"new": {"vulnerability": {"high": 0, "medium": 3}}},
        exclude=[{"reason": "noise", "rule_ids": {"include": ["150300-150399"]}}],
    )
    items = waivers(waiver(match={"unique_ids": ["uuid-3"]}))
    folder.gate(findings, policy=rules, waivers=items)
    found = {item["id"]: (item["decision"], item["decided_by"]) for item in folder.explained()}
    assert found == {
        "1001": ("fail", "rule:limits.new.vulnerability.high"),
        "1002": ("no_rule", None),
        "1003": ("waived", "waiver:W-1"),
        "1004": ("fixed", "status"),
        "1005": ("protected", "status"),
        "1006": ("excluded", "rules"),
        "1007": ("excluded", "exclude"),
        "1008": ("within_limit", "rule:limits.new.vulnerability.medium"),
    }
    assert [item["id"] for item in folder.verdict()["explain"]][:2] == ["1001", "1002"]
    folder.gate(findings, policy=rules, waivers=items, scans=[scan(links_crawled=0)])
    assert folder.explained()[0]["decided_by"] == "scope:nothing_crawled"


def test_the_verdict_holds_the_worst_explanations_and_the_file_beside_it_all(folder: Folder) -> None:
    folder.gate([finding(number, severity="low") for number in range(1500)] + [finding(2000)])
    assert len(folder.explained()) == 1501
    shown = folder.verdict()["explain"]
    assert (len(shown), shown[0]["decision"], shown[0]["id"]) == (1000, "fail", "3000")


def test_waivers_are_reported_for_what_is_wrong_with_them(folder: Folder) -> None:
    items = waivers(
        waiver(id="used"),
        waiver(id="unused", match={"ids": ["0"]}),
        waiver(id="expired", expires=day(-1), match={"unique_ids": ["uuid-2"]}),
        waiver(id="expiring", expires=day(3), match={"unique_ids": ["uuid-3"]}),
        waiver(id="broad", match={"severities": ["low"]}),
        waiver(id="long", expires=day(80), match={"rule_ids": [7]}),
    )
    findings = [
        finding(1),
        finding(2),
        finding(3),
        finding(4, severity="low"),
        finding(5, rule_id="7", severity="critical"),
    ]
    result = folder.gate(findings, waivers=items)
    flags = {item["id"]: item["flags"] for item in result.values["waivers"]}
    assert flags == {
        "used": [],
        "unused": ["unused"],
        "expired": ["expired"],
        "expiring": ["expiring"],
        "broad": ["over_broad"],
        "long": ["too_long"],
    }
    lapsed = {item["id"]: item["lapsed_waiver"] for item in folder.explained() if item["lapsed_waiver"]}
    assert lapsed == {"1002": "expired", "1005": "long"}


def test_a_waiver_that_covers_many_findings_is_over_broad(folder: Folder) -> None:
    result = folder.gate(
        [finding(number) for number in range(60)], waivers=waivers(waiver(match={"rule_ids": [150001]}))
    )
    assert result.values["verdict"] == "pass"
    assert result.values["waivers"][0]["flags"] == ["over_broad"]


def test_waivers_and_ignored_findings_are_held_against_each_other(folder: Folder) -> None:
    items = waivers(
        waiver(push=True),
        waiver(id="W-2", push=True, expires=day(-1), match={"unique_ids": ["uuid-2"]}),
    )
    ignored = {"reason": "RISK_ACCEPTED", "until": None}
    folder.gate([finding(1), finding(2, ignored=ignored), finding(3, ignored=ignored)], waivers=items)
    sync = folder.verdict()["sync"]
    pushed = {"source": "qualys", "id": "1001", "unique_id": "uuid-1", "waiver": "W-1", "reason": "RISK_ACCEPTED"}
    assert sync["ignore"] == [
        {**pushed, "comment": "W-1, SEC-1, alice@example.com: Behind the firewall.", "until": day(20)}
    ]
    assert [item["id"] for item in sync["activate"]] == ["1002"]
    assert [item["id"] for item in sync["without_waiver"]] == ["1003"]
    assert folder.verdict()["counts"]["ignored_without_waiver"] == 1


def test_hostile_text_is_harmless_wherever_people_read_it(folder: Folder) -> None:
    asset = {"id": "4711", "name": HOSTILE, "url": None, "tags": [HOSTILE]}
    odd = finding(title=HOSTILE, url=HOSTILE, parameter=HOSTILE, asset=asset, ignored={"reason": HOSTILE})
    result = folder.gate([odd], scans=[scan(asset=asset, profile=HOSTILE)], policy=policy(scope={"profile": "x"}))
    assert result.error is not None
    said = [str(result.error), *result.warnings, *(item["message"] for item in result.values["reasons"])]
    said += [str(item["application"]) for item in result.values["reasons"]]
    said += [item[name] for item in folder.explained() for name in ("title", "url", "parameter")]
    for text in said:
        assert text.isprintable()
        assert "##vso[" not in text
        assert "::error::" not in text


@pytest.mark.parametrize("junk", [None, 0, "", "x", [], [None], {}, {"x": 1}, True, -1.5, "\ud800", 10**30])
def test_no_value_of_a_finding_stops_the_gate(folder: Folder, junk: Any) -> None:
    keys = [key for key in finding() if key not in ("record", "schema")]
    findings = [finding(number, **{key: junk}) for number, key in enumerate(keys)]
    result = folder.gate(findings)
    assert result.values["verdict"] in ("fail", "inconclusive"), result.values["reasons"]
    assert len(folder.explained()) == len(findings)


@pytest.mark.parametrize("junk", [None, 0, "", [], {}, True, -1, "x", 10**30])
def test_no_value_of_a_scan_or_a_manifest_opens_or_breaks_the_gate(folder: Folder, junk: Any) -> None:
    for key in scan():
        verdict = folder.gate([], scans=[scan(**{key: junk})]).values["verdict"]
        assert verdict in ("pass", "inconclusive"), key
        assert verdict == "inconclusive" or key not in ("status", "kind" if junk == "discovery" else "status"), key
    for key in (
        "source",
        "stream",
        "filters",
        "started",
        "finished",
        "announced_after",
        "records",
        "complete",
        "sha256",
    ):
        if (
            (key == "complete" and junk is True)
            or (key == "filters" and junk == [])
            or (key.endswith(("after", "records")) and junk == 0)
        ):
            continue
        result = folder.gate(files=[folder.snapshot([], **{key: junk})])
        assert result.values["verdict"] == "inconclusive", key


def test_the_files_that_are_read_are_never_replaced(folder: Folder) -> None:
    written = folder.write("policy.json", policy())
    result = folder.gate([], policy=written, dest=written)
    assert result.values["exit_code"] == 20
    assert json.loads(Path(written).read_text(encoding="utf-8")) == policy()


def test_a_verdict_that_cannot_be_written_is_a_platform_error(folder: Folder) -> None:
    result = folder.gate([], dest=str(folder.path / "nowhere" / "gate.json"), report_only=True)
    assert result.error is not None
    assert result.values["exit_code"] == 20
    assert "does not exist" in str(result.error)


def test_without_pyyaml_yaml_is_a_platform_error_and_json_still_works(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "YAML_IMPORT_ERROR", "Traceback: no module named yaml")
    result = folder.gate([], policy=folder.write("policy.yml", "schema: 1\nsla: {high: 7d}\n"))
    assert isinstance(result.error, MissingLibrary)
    assert result.values["exit_code"] == folder.verdict()["exit_code"] == 20
    assert folder.gate([], policy=folder.write("policy.json", policy())).values["verdict"] == "pass"


def test_yaml_and_json_mean_the_same(folder: Folder) -> None:
    text = """
schema: 1
name: no
missing_baseline: all_new
limits: {new: {vulnerability: {critical: 0, high: 0}}}
rules:
  - {name: a, rule_ids: {include: [0150001, 1:30]}}
"""
    loaded = documents.read_document(folder.write("p.yml", text), "policy").data
    # Neither a boolean, nor octal, nor a number to the base of sixty.
    assert loaded["name"] == "no"
    assert loaded["rules"][0]["rule_ids"]["include"] == ["0150001", "1:30"]
    assert documents.read_document(folder.write("p2.yml", json.dumps(loaded)), "policy").data == loaded


def test_gzip_and_stream_directories_are_read(folder: Folder) -> None:
    day_folder = folder.path / "stream" / "dt=2026-11-20"
    day_folder.mkdir(parents=True)
    (day_folder / "a-b.ndjson").write_text(json.dumps(scan(source="carbon_black", counts={"high": 3})) + "\n")
    (day_folder / ".half.ndjson").write_text("{")
    only = {"schema": 1, "images": {"malware": "ignore", "limits": {"high": 2}}}
    result = folder.gate(files=[], scans=[str(folder.path / "stream")], policy=only)
    assert result.values["verdict"] == "fail"
    path = folder.snapshot([finding()], name="findings.ndjson.gz")
    assert folder.gate(files=[path]).values["verdict"] == "fail"


def test_the_time_of_day_decides_about_age(folder: Folder) -> None:
    just = scan(time=ago(hours=25), ended=ago(hours=24))
    assert folder.gate([], scans=[just]).values["verdict"] == "pass"
    assert folder.gate([], scans=[scan(time=ago(hours=25), ended=ago(hours=24, seconds=1))]).values["exit_code"] == 11

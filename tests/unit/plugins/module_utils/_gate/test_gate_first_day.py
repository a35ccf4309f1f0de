# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first day of a gate: nothing is there yet, and a verdict says what to do next."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.outside import close_gate
from tests.unit.plugins.module_utils._gate.gate_kit import DROP, Folder, day, finding, policy, scan, waivers

ADOPT = policy(missing_baseline="adopt")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def messages(folder: Folder, code: str) -> list[str]:
    """The messages of all reasons of a code."""
    return [item["message"] for item in folder.verdict()["reasons"] if item["code"] == code]


def test_the_directory_of_the_baseline_is_made_by_the_run_that_writes_it(folder: Folder) -> None:
    baseline = folder.path / "state" / "gate" / "baseline.json"
    result = folder.gate([finding()], policy=ADOPT, baseline=str(baseline), baseline_update=True)
    assert result.error is None
    assert json.loads(baseline.read_bytes())["applications"][0]["name"] == "shop"
    assert baseline.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("below", ["file", "file/a/b", "/proc/a", "/proc/a/b"])
def test_a_baseline_that_cannot_be_written_is_told_before_anything_is_read(folder: Folder, below: str) -> None:
    folder.write("file", "")
    options = {"policy": ADOPT, "baseline": str(folder.path / below / "baseline.json"), "baseline_update": True}
    # The probe of the role has nothing to read, and runs in check mode.
    for check, files in ((True, []), (True, ["/nowhere"]), (False, [])):
        result = folder.gate(files=files, scans=[], check=check, **options)
        assert result.values["verdict"] == "platform_error"
        assert [item["code"] for item in result.values["reasons"]] == ["platform_error"]
        assert str(result.error).startswith("baseline: ")


def test_check_mode_and_a_run_that_reads_create_no_directory(folder: Folder) -> None:
    missing = folder.path / "missing" / "deep" / "baseline.json"
    probed = folder.gate([finding()], check=True, policy=ADOPT, baseline=str(missing), baseline_update=True)
    assert probed.values["verdict"] == "inconclusive"
    folder.gate([finding()], policy=ADOPT, baseline=str(missing))
    assert not (folder.path / "missing").exists()


def test_findings_are_judged_though_the_baseline_cannot_be_written_any_more(folder: Folder) -> None:
    folder.write("file", "")
    baseline = str(folder.path / "file" / "a" / "baseline.json")
    result = folder.gate([finding()], policy=ADOPT, baseline=baseline, baseline_update=True)
    verdict = folder.verdict()
    assert (verdict["verdict"], verdict["exit_code"]) == ("platform_error", 20)
    assert str(result.error).startswith("baseline: cannot create the directory ")
    assert verdict["reasons"][0]["message"] == str(result.error)
    assert [app["verdict"] for app in verdict["applications"]] == ["pass"]
    assert verdict["explain_file"]["records"] == 1
    assert verdict["baseline"]["updated"] is False


def test_what_was_judged_is_kept_when_only_the_baseline_could_not_be_stored(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline = folder.path / "baseline.json"
    folder.gate([finding()], policy=ADOPT, baseline=str(baseline), baseline_update=True)
    before = baseline.read_bytes()
    # Another run moves it while this one judges.
    real = Path.open
    moved = json.dumps({**json.loads(before), "run_id": "other"})

    def open_and_move(self: Path, *arguments: object, **more: object) -> object:
        if self.name == "findings.ndjson":
            baseline.write_text(moved, encoding="utf-8")
        return real(self, *arguments, **more)  # type: ignore[call-overload]

    snapshot = folder.snapshot([])
    monkeypatch.setattr(Path, "open", open_and_move)
    result = folder.gate(files=[snapshot], policy=ADOPT, baseline=str(baseline), baseline_update=True)
    monkeypatch.undo()
    if result.values["verdict"] == "pass":
        pytest.fail("the snapshot is not read with Path.open any more: move the baseline in another way")
    verdict = folder.verdict()
    assert (verdict["verdict"], verdict["exit_code"]) == ("platform_error", 20)
    assert "changed while the gate was running" in verdict["reasons"][0]["message"]
    assert [app["verdict"] for app in verdict["applications"]] == ["pass"]
    assert verdict["explain_file"]["records"] == 0
    assert verdict["error"]["message"].startswith("baseline: ")
    assert baseline.read_text(encoding="utf-8") == moved


def test_a_missing_file_of_waivers_means_none_and_is_said(folder: Folder) -> None:
    result = folder.gate([], waivers=str(folder.path / "waivers.yml"))
    assert result.error is None
    assert messages(folder, "waivers_missing") == ["there is no file waivers.yml, so no waiver is in force"]
    assert folder.verdict()["waivers_file"] == {"path": str(folder.path / "waivers.yml"), "sha256": None}
    assert "there is no file waivers.yml, so no waiver is in force" in result.warnings
    # A link that leads nowhere was meant to be a file.
    (folder.path / "link.yml").symlink_to(folder.path / "gone.yml")
    assert folder.gate([], waivers=str(folder.path / "link.yml")).values["verdict"] == "policy_error"


def test_policy_waivers_and_baseline_are_named_by_their_hashes(folder: Folder) -> None:
    baseline = folder.path / "baseline.json"
    files = {"policy": folder.write("gate.json.policy", ADOPT), "waivers": folder.write("waivers.json", waivers())}
    folder.gate([], baseline=str(baseline), baseline_update=True, **files)
    folder.gate([], baseline=str(baseline), **files)
    verdict = folder.verdict()
    found = (verdict["policy"]["sha256"], verdict["waivers_file"]["sha256"], verdict["baseline"]["sha256"])
    paths = (files["policy"], files["waivers"], baseline)
    assert found == tuple(hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths)


def test_notes_are_in_the_verdict_and_decide_nothing(folder: Folder) -> None:
    result = folder.gate([], notes=["policy of commit 1", "a\n::error::b"])
    assert result.error is None
    first, second = messages(folder, "note")
    assert first == "policy of commit 1"
    # As harmless in a log as any other message.
    assert "\n" not in second
    assert first not in result.warnings


def test_a_failed_verdict_says_what_to_fix_and_gives_the_lines_of_a_waiver(folder: Folder) -> None:
    findings = [finding(1), finding(2, severity="critical"), finding(3, severity="low")]
    result = folder.gate(findings)
    steps = result.values["next_steps"]
    assert steps[0] == "Fix the findings that broke a rule, and scan again."
    # The lines are complete but for what only a person can say, and are a waiver that covers what failed.
    document = yaml.load("schema: 1\nwaivers:\n" + "\n".join(steps[2:]), Loader=yaml.BaseLoader)
    assert document["waivers"][0]["match"] == {"unique_ids": ["uuid-2", "uuid-1"]}
    assert document["waivers"][0]["expires"] == day(30)
    text = "schema: 1\nwaivers:\n" + "\n".join(steps[2:]) + "\n"
    result = folder.gate(findings, waivers=folder.write("waivers.yml", text))
    assert (result.values["verdict"], result.values["next_steps"]) == ("pass", [])
    # The policy may allow fewer days.
    strict = policy(waivers={"max_days": {"critical": 3}})
    assert f"    expires: {day(3)}" in folder.gate(findings, policy=strict).values["next_steps"]


def test_the_lines_of_a_waiver_hold_no_text_that_means_something_else(folder: Folder) -> None:
    hostile = 'x"]\n- id: evil # {{ 7 }} ::error:: ##vso[a]'
    steps = folder.gate([finding(unique_id=hostile)]).values["next_steps"]
    document = yaml.load("waivers:\n" + "\n".join(steps[2:]), Loader=yaml.BaseLoader)
    assert [len(document["waivers"]), document["waivers"][0]["match"]] == [1, {"unique_ids": [hostile]}]
    assert not [line for line in steps if "\n" in line or "##" in line or "::" in line]
    # Without an identity of its own, a finding is named by its fingerprint, and else by its id.
    steps = folder.gate([finding(unique_id=None)]).values["next_steps"]
    assert f'      fingerprints: ["{1:032x}"]' in steps
    steps = folder.gate([finding(unique_id=None, fingerprint=None)]).values["next_steps"]
    assert '      ids: ["1001"]' in steps


@pytest.mark.parametrize(
    ("options", "verdict"),
    [({"scans": []}, "inconclusive"), ({"policy": {"schema": 2}}, "policy_error"), ({"dest": "/"}, "platform_error")],
)
def test_every_other_verdict_says_what_to_mend(folder: Folder, options: dict[str, object], verdict: str) -> None:
    result = folder.gate([finding()], **options)
    assert result.values["verdict"] == verdict
    (step,) = result.values["next_steps"]
    assert step.endswith("run again.")


def test_a_broken_age_limit_says_the_age(folder: Folder) -> None:
    rules = [{"name": "stale", "older_than": "12h", "count_per": "run"}]
    folder.gate([finding()], policy=policy(sla={"high": "12h"}, rules=rules, limits=DROP, missing_baseline=DROP))
    assert messages(folder, "rule_broken") == [
        "sla.high: 1 finding older than 12h, at most 0 allowed",
        "stale: 1 finding older than 12h in all applications, at most 0 allowed",
    ]


def test_a_rule_that_would_be_broken_is_called_so(folder: Folder) -> None:
    result = folder.gate([finding()], scans=[scan(end_reason="cancelled", status="cancelled", conclusive=False)])
    assert result.values["verdict"] == "inconclusive"
    assert messages(folder, "rule_would_fail") == [
        "would fail: limits.new.vulnerability.high: 1 finding, at most 0 allowed"
    ]


@pytest.mark.parametrize(("action", "words"), [("fail", "would fail"), ("warn", "would warn")])
def test_a_rule_over_the_whole_run_that_would_be_broken_is_called_so(folder: Folder, action: str, words: str) -> None:
    rules = [{"name": "few", "count_per": "run", "limit": 1, "action": action}]
    lost = scan(end_reason="cancelled", status="cancelled", conclusive=False)
    asset = {"id": "4712", "name": "blog", "url": None, "tags": []}
    found = [finding(1), finding(2), finding(3, asset=asset)]
    files = [folder.snapshot(found, filters=[])]
    limits = policy(rules=rules, limits=DROP, missing_baseline=DROP)
    # One counts, and two more would if their scan said anything.
    result = folder.gate(files=files, scans=[lost, scan(asset=asset)], policy=limits)
    assert result.values["verdict"] == "inconclusive"
    assert messages(folder, "rule_would_fail") == [f"{words}: few: 3 findings in all applications, at most 1 allowed"]
    assert messages(folder, "rule_broken") == []
    # What is certain is said as it is.
    folder.gate(files=files, scans=[scan(), lost | {"asset": asset}], policy=limits)
    assert messages(folder, "rule_broken") == ["few: 2 findings in all applications, at most 1 allowed"]
    assert messages(folder, "rule_would_fail") == []


def test_one_reason_is_told_once_with_all_that_it_is_about(folder: Folder) -> None:
    asset = {"id": "4712", "name": "blog", "url": None, "tags": []}
    other = finding(2, asset=asset)
    snapshot = folder.snapshot([finding(), other], filters=[], assets=None)
    result = folder.gate(files=[snapshot], scans=[])
    told = str(result.error)
    assert "blog (4712), shop (4711): " in told
    assert told.count("no scan") <= 1
    reasons = folder.verdict()["reasons"]
    assert len(reasons) == len({json.dumps(item, sort_keys=True) for item in reasons})


def test_a_job_closes_the_gate_over_what_its_own_run_found(folder: Folder) -> None:
    folder.gate([finding(severity="low")])
    close_gate(folder.dest, "7", "platform_error", "the baseline could not be stored")
    verdict = folder.verdict()
    assert (verdict["verdict"], verdict["exit_code"]) == ("platform_error", 20)
    assert [app["verdict"] for app in verdict["applications"]] == ["pass"]
    assert verdict["reasons"][0]["message"] == "the baseline could not be stored"
    # What another run has left is not this one's.
    close_gate(folder.dest, "8", "inconclusive", "not installed yet")
    verdict = folder.verdict()
    assert (verdict["run_id"], verdict["exit_code"], verdict["applications"]) == ("8", 11, [])

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gate makes of attacks on findings, from records and from the file that ``correlate`` writes."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.module_utils import correlate_kit
from tests.unit.plugins.module_utils._gate.gate_kit import DROP, NOW, Folder, Record, finding, policy, waiver, waivers

ATTACKED = {
    "name": "attacked",
    "severities": ["critical", "high"],
    "attacks": ["attacked_not_blocked"],
    "waivable": False,
}
WAIVED: Record = waivers(waiver(id="W-1", match={"unique_ids": ["uuid-1"]}))


def match(name: str | None, outcome: str | None, number: int = 1) -> Record:
    found = {"record": "match", "schema": 1, "finding": {"unique_id": f"uuid-{number}"}, "outcome": outcome}
    return found if name is None else {**found, "class": name}


def asking(*rules: Record, **more: Any) -> Record:
    return policy(limits=DROP, missing_baseline=DROP, rules=list(rules or [ATTACKED]), **more)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "outcome", "verdict"),
    [
        ("attacked_not_blocked", "allowed", "fail"),
        ("attacked_not_blocked", "mixed", "fail"),
        (None, "allowed", "fail"),
        (None, None, "fail"),
        ("blocked", "mixed", "fail"),
        ("of tomorrow", None, "fail"),
        ("blocked", "blocked", "pass"),
        (None, "blocked", "pass"),
        ("scanner_only", None, "pass"),
        ("unobserved", None, "pass"),
    ],
)
def test_a_rule_counts_what_is_attacked(folder: Folder, name: str | None, outcome: str | None, verdict: str) -> None:
    result = folder.gate([finding(severity="high")], matches=[match(name, outcome)], policy=asking())
    assert result.values["verdict"] == verdict, result.values["reasons"]


@pytest.mark.parametrize(
    ("changes", "more", "options"),
    [
        ({}, {}, {"waivers": WAIVED}),
        ({"ignored": {"reason": "RISK_ACCEPTED"}}, {"ignored_at_source": "honour"}, {}),
        ({"status": "protected"}, {"protected": "exclude"}, {}),
    ],
    ids=["waived", "ignored", "protected"],
)
def test_what_is_attacked_fails_even_if_it_is_excused(
    folder: Folder, changes: Record, more: Record, options: Record
) -> None:
    rules = [ATTACKED, {"name": "other", "severities": ["high"], "limit": 0}]
    found = [finding(severity="high", **changes)]
    attacked = folder.gate(
        found, matches=[match("attacked_not_blocked", "mixed")], policy=asking(*rules, **more), **options
    )
    assert attacked.values["verdict"] == "fail"
    broken = {item["name"]: item["count"] for item in attacked.values["applications"][0]["rules"]}
    # Only the rule that says so counts it. But a virtual patch that attacks were seen to pass is none, for no rule.
    assert broken == {"attacked": 1, "other": 1 if "status" in changes else 0}
    quiet = folder.gate(found, matches=[match("unobserved", None)], policy=asking(*rules, **more), **options)
    assert quiet.values["verdict"] == "pass", quiet.values["reasons"]


def test_a_waiver_that_did_not_hold_is_not_counted_as_one_that_did(folder: Folder) -> None:
    result = folder.gate(
        [finding(severity="high")], matches=[match("attacked_not_blocked", "mixed")], policy=asking(), waivers=WAIVED
    )
    assert [(item["matched"], item["waived"]) for item in result.values["waivers"]] == [(1, 0)]
    assert "does not apply" in result.values["explain"][0]["note"]


def test_milder_findings_and_fixed_ones_are_left_alone(folder: Folder) -> None:
    mild = [finding(severity="medium"), finding(id="2", unique_id="uuid-2", severity="critical", status="fixed")]
    told = [match("attacked_not_blocked", "allowed", number) for number in (1, 2)]
    assert folder.gate(mild, matches=told, policy=asking()).values["verdict"] == "pass"


def test_without_a_match_nobody_knows(folder: Folder) -> None:
    result = folder.gate([finding(severity="high")], matches=[], policy=asking())
    assert result.values["verdict"] == "inconclusive"
    assert "matches_missing" in {item["code"] for item in result.values["reasons"]}


def test_a_rule_that_is_not_waivable_has_no_states(folder: Folder) -> None:
    result = folder.gate([finding()], policy=asking({**ATTACKED, "states": ["new"]}))
    assert result.values["verdict"] == "policy_error"


def test_seen_by_nobody_is_not_seen_to_pass(folder: Folder) -> None:
    patched = [finding(status="protected", severity="critical")]
    usual = policy(protected="exclude")
    for name in ("scanner_only", "unobserved"):
        assert folder.gate(patched, matches=[match(name, None)], policy=usual).values["verdict"] == "pass"
    assert folder.gate(patched, matches=[match("blocked", "mixed")], policy=usual).values["verdict"] != "pass"


def test_the_file_of_correlate_decides(folder: Folder, tmp_path: Path) -> None:
    url = "https://shop.example.com/search?q=1"
    found = [
        finding(severity="high", url=url, parameter="q", cwe=[89]),
        finding(id="2", unique_id="uuid-2", severity="low", url="https://shop.example.com/other", cwe=[79]),
    ]
    file = folder.snapshot(found)
    log = tmp_path / "events.ndjson"
    for action, verdict in (("alerted", "fail"), ("blocked", "pass")):
        log.write_bytes(correlate_kit.lines([correlate_kit.event(1, url, action=action)]))
        for changed in (True, False):
            done = correlate_kit.correlate(tmp_path, findings=[file], events=[log], now=NOW)
            assert done.changed is changed
        judged = folder.gate(files=[file], matches=[done.values["dest"]], policy=asking(), waivers=WAIVED)
        assert judged.values["verdict"] == verdict, judged.values["reasons"]
    # A day later they say nothing any more, though the file may be copied, and be as it is.
    dest = Path(done.values["dest"])
    asked: Record = {"files": [file], "matches": [str(dest)], "waivers": WAIVED}
    assert doubts(folder, **asked, policy=asking(), max_scan_age="1h") == []
    done = correlate_kit.correlate(tmp_path, findings=[file], events=[log], now=NOW - dt.timedelta(days=2))
    assert done.changed is False
    assert doubts(folder, **asked, policy=asking()) == [
        "matches.ndjson was made 48 hours ago, and at most 24 are allowed: correlate again"
    ]
    assert folder.verdict()["verdict"] == "inconclusive"
    assert doubts(folder, **asked, policy=asking(scope={"max_scan_age": "3d"})) == []
    correlate_kit.correlate(tmp_path, findings=[file], events=[log], now=NOW + dt.timedelta(days=2))
    assert doubts(folder, **asked, policy=asking()) == ["matches.ndjson was made in the future: a clock is wrong"]
    correlate_kit.correlate(tmp_path, findings=[file], events=[log], now=NOW)
    dest.write_bytes(dest.read_bytes() + b"\n")
    words = "matches.ndjson is not the file that its manifest describes: correlate again"
    assert doubts(folder, **asked, policy=asking()) == [words]
    for text in ("{", "[]", '{"record": "manifest", "schema": 2}', '{"record": "manifest", "schema": 1}'):
        (tmp_path / "matches.ndjson.manifest.json").write_text(text)
        assert len(doubts(folder, **asked, policy=asking())) == 1


def doubts(folder: Folder, **options: Any) -> list[str]:
    """What is wrong with the files of matches."""
    folder.gate(**options)
    return [item["message"] for item in folder.verdict()["reasons"] if item["code"].startswith("matches_")]


@pytest.mark.parametrize("in_folder", [False, True])
def test_a_file_without_a_manifest_is_as_old_as_its_modification_time(folder: Folder, in_folder: bool) -> None:
    place = folder.path / "attacks"
    file = place / "dt=2026-11-20" / "a.ndjson"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(match("blocked", "blocked")) + "\n")
    given = [str(place if in_folder else file)]
    for hours, count in ((23, 0), (25, 1), (-1, 1)):
        os.utime(file, ((NOW - dt.timedelta(hours=hours)).timestamp(),) * 2)
        assert len(doubts(folder, findings=[finding(severity="high")], matches=given, policy=asking())) == count

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to make the gate pass when it should not: each situation was a pass once, or comes close to one."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base import files
from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.baseline_file import BaselineFile
from tests.unit.plugins.module_utils._gate.gate_kit import (
    DROP,
    Folder,
    Record,
    ago,
    finding,
    image,
    policy,
    scan,
    waiver,
    waivers,
)
from tests.unit.plugins.module_utils._gate.situation_kit import Situation

PAY: Record = {"id": "4712", "name": "pay", "url": None, "tags": []}
RENAMED: Record = {"id": "4711", "name": "shop 2", "url": None, "tags": []}
NAMELESS: Record = {"id": "4711", "name": None, "url": None, "tags": []}
SHOP: Record = {"scope": {"applications": ["shop"]}}
OLD = ago(days=9)
PER_RUN: Record = {"name": "r", "limit": 1, "count_per": "run"}
NOT_SHOP = [{"field": "webApp.id", "operator": "NOT EQUALS", "value": "4711"}]


def judged(*findings: Any, scans: Any = None, **changes: Any) -> Situation:
    """Findings held against the usual policy with some keys changed."""
    return lambda folder: folder.gate(list(findings), policy=policy(**changes), scans=scans or [scan()])


def ruled(*findings: Any, **changes: Any) -> Situation:
    """Findings held against a policy of these keys only."""
    return judged(*findings, limits=DROP, missing_baseline=DROP, **changes)


def rule(found: Record, **keys: Any) -> Situation:
    """A finding held against one rule."""
    return ruled(found, rules=[{"name": "a", **keys}])


def exported(*findings: Any, policy: Record, scans: Any = None, **manifest: Any) -> Situation:
    """A snapshot with a manifest of its own."""
    return lambda folder: folder.gate(
        files=[folder.snapshot(list(findings), **manifest)], scans=scans or [scan()], policy=policy
    )


def estate(policy: Record) -> Situation:
    """One finding in each of two applications."""
    both = [scan(), scan(asset=PAY)]
    return exported(finding(), finding(2, asset=PAY), policy=policy, scans=both, filters=[])


def imaged(changes: Record, **rules: Any) -> Situation:
    """One image held against rules for images."""
    return lambda folder: folder.gate(files=[], scans=[image(**changes)], policy={"schema": 1, "images": rules})


def yaml_text(text: str) -> Situation:
    """A policy as YAML."""
    return lambda folder: folder.gate([finding()], policy=folder.write("p.yml", "schema: 1\n" + text))


def waived(**changes: Any) -> Situation:
    """One finding and one waiver."""
    return lambda folder: folder.gate([finding()], waivers=waivers(waiver(**changes)))


def trailing_garbage(folder: Folder) -> Any:
    path = Path(folder.snapshot([finding(severity="low")], name="a.ndjson.gz"))
    data = gzip.compress(gzip.decompress(path.read_bytes()), mtime=0) + b"garbage"
    path.write_bytes(data)
    place = Path(f"{path}.manifest.json")
    manifest = json.loads(place.read_text(encoding="utf-8")) | {"sha256": hashlib.sha256(data).hexdigest()}
    place.write_text(json.dumps(manifest), encoding="utf-8")
    return folder.gate(files=[str(path)])


def manifest_of_another_file(folder: Folder) -> Any:
    path, other = folder.snapshot([finding()], name="a.ndjson"), folder.snapshot([], name="b.ndjson")
    Path(path + ".manifest.json").write_bytes(Path(other + ".manifest.json").read_bytes())
    return folder.gate(files=[path])


def name_with_comma(folder: Folder) -> Any:
    """The application "a,b" was exported, not the application "a"."""
    filters = [{"field": "webApp.name", "operator": "EQUALS", "value": "a,b"}]
    both = [scan(asset={"id": "1", "name": "a"}), scan(asset={"id": "2", "name": "a,b"})]
    return folder.gate(files=[folder.snapshot([], filters=filters)], scans=both)


def baseline_scan_forgotten(folder: Folder) -> Any:
    """A run without a scan keeps what the next scan is held against."""
    folder.adopt([finding()])
    optional = policy(scope={"scans": "optional"})
    moved = folder.gate([], scans=[], policy=optional, baseline=str(folder.baseline), baseline_update=True)
    assert moved.values["baseline"]["updated"]
    return folder.gate([], scans=[scan(auth_status="NOT_USED", profile="weak")], baseline=str(folder.baseline))


def baseline_behind_a_link(folder: Folder) -> Any:
    """A pipeline links its baseline to a volume, in a workspace that is thrown away."""
    folder.adopt([finding()])
    volume = folder.path / "volume"
    volume.mkdir()
    real = folder.baseline.rename(volume / "baseline.json")
    folder.baseline.symlink_to(real)
    folder.gate([], baseline=str(folder.baseline), baseline_update=True)
    folder.baseline.unlink()
    folder.baseline.symlink_to(real)
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def laundered_in_another_scope(folder: Folder) -> Any:
    """A run that judges another application moves the baseline, and not for this one."""
    both = [scan(), scan(asset=PAY)]
    folder.adopt([], files=[folder.snapshot([], filters=[])], scans=both)
    path = folder.snapshot([finding(status="open")], filters=[])
    slower = [scan(), scan(asset=PAY, id="2")]
    narrow = policy(scope={"applications": ["pay"]})
    moved = folder.gate(files=[path], scans=slower, policy=narrow, baseline=str(folder.baseline), baseline_update=True)
    assert moved.values["baseline"]["updated"]
    return folder.gate(files=[path], scans=both, baseline=str(folder.baseline))


def laundered_by_a_lax_policy(folder: Folder) -> Any:
    folder.adopt([])
    lax = policy(limits={"all": {"vulnerability": {"critical": 100, "high": 100}}})
    found = [finding(status="open")]
    moved = folder.gate(found, policy=lax, baseline=str(folder.baseline), baseline_update=True)
    assert (moved.values["verdict"], moved.values["baseline"]["updated"]) == ("pass", False)
    return folder.gate(found, baseline=str(folder.baseline))


ATTACKS: list[tuple[str, str, Situation]] = [
    # Files that hold something else than they seem to.
    ("findings of another application, left out by the scope", "inconclusive", judged(finding(asset=PAY), **SHOP)),
    ("records of another kind", "inconclusive", judged(finding(record="vulnerability"))),
    ("manifest of another file", "inconclusive", manifest_of_another_file),
    ("garbage after gzip", "inconclusive", trailing_garbage),
    (
        "finished before it was begun",
        "inconclusive",
        exported(policy=policy(), started=ago(hours=-2), finished=ago(hours=1)),
    ),
    (
        "summaries, and a rule for weaknesses",
        "inconclusive",
        exported(
            finding(cwe=[]),
            policy={"schema": 1, "rules": [{"name": "a", "cwe": {"include": [79]}}]},
            detail="summary",
        ),
    ),
    ("summaries, which are enough", "fail", exported(finding(), policy=policy(), detail="summary")),
    # Applications that are missing or renamed.
    ("renamed since its scan", "fail", judged(finding(asset=RENAMED), **SHOP)),
    ("without its name", "fail", judged(finding(asset=NAMELESS), **SHOP)),
    (
        "sometimes without its name, and no scan",
        "inconclusive",
        lambda folder: folder.gate(
            [finding(asset=NAMELESS), finding(2, severity="low")],
            scans=[],
            policy=policy(scope={"applications": ["shop"], "scans": "optional"}),
        ),
    ),
    (
        "asked for without an operator, and never seen",
        "inconclusive",
        exported(policy=policy(), filters=[{"field": "webApp.id", "value": ["4711", "4712"]}]),
    ),
    (
        "left out by a filter that the policy asks for",
        "inconclusive",
        exported(policy=policy(scope={"filters": NOT_SHOP}), filters=NOT_SHOP),
    ),
    ("a comma in a name", "inconclusive", name_with_comma),
    # Scans.
    ("kind of scan unknown", "inconclusive", judged(scans=[scan(kind="unknown")])),
    (
        "an old scan in a zone that sorts last",
        "inconclusive",
        judged(
            scans=[
                scan(time="2026-11-20T13:30:00+05:00", ended="2026-11-20T13:40:00+05:00"),
                scan(id="2", time=ago(hours=2), status="failed", conclusive=False, end_reason="error"),
            ]
        ),
    ),
    ("launched in the future", "inconclusive", judged(scans=[scan(time=ago(days=-9))])),
    (
        "the option cannot make the default older",
        "inconclusive",
        lambda folder: folder.gate([], scans=[scan(time=OLD, ended=OLD)], max_scan_age="30d"),
    ),
    (
        "nor can it where there is an override",
        "inconclusive",
        lambda folder: folder.gate(
            [],
            scans=[scan(time=OLD, ended=OLD)],
            max_scan_age="30d",
            policy=policy(scope={"max_scan_age": "24h"}, applications=[{"match": ["shop"], "scope": {"min_links": 1}}]),
        ),
    ),
    (
        "matches that are none",
        "inconclusive",
        lambda folder: folder.gate(
            [finding(status="protected")],
            matches=[{"record": "matched", "schema": 1, "finding": {"unique_id": "uuid-1"}, "outcome": "allowed"}],
        ),
    ),
    # Values that a rule cannot read.
    ("score as text", "fail", rule(finding(cvss_score="9.8"), cvss_min=7, without_score="skip")),
    ("score beyond every scale", "fail", rule(finding(cvss_score=1e300), cvss_min=7, without_score="skip")),
    ("weakness as text", "fail", rule(finding(cwe=["CWE-79"]), cwe={"include": [79]})),
    ("first seen next year", "fail", ruled(finding(first_seen=ago(days=-300)), sla={"high": "7d"})),
    ("first seen in a few hours", "pass", ruled(finding(first_seen=ago(hours=-5)), sla={"high": "7d"})),
    ("exactly as old as allowed", "pass", ruled(finding(first_seen=ago(days=7)), sla={"high": "7d"})),
    ("a second older", "fail", ruled(finding(first_seen=ago(days=7, seconds=1)), sla={"high": "7d"})),
    ("severity in capitals", "fail", judged(finding(severity="LOW"))),
    ("status in capitals", "fail", judged(finding(status="FIXED"))),
    ("ignored without a word", "fail", judged(finding(ignored=[]), ignored_at_source="honour")),
    # Policies that silently mean nothing.
    ("exclude what is confirmed", "policy_error", judged(exclude=[{"reason": "x", "confirmed_only": True}])),
    ("exclude by nothing", "policy_error", judged(exclude=[{"reason": "x", "confirmed_only": False}])),
    (
        "exclude one weakness of two",
        "fail",
        judged(finding(cwe=[79, 89]), exclude=[{"reason": "x", "cwe": {"include": [79]}}]),
    ),
    (
        "exclude both",
        "pass",
        judged(
            finding(cwe=[79, 89]),
            exclude=[{"reason": "x", "cwe": {"include": ["79-89"]}}],
            may_exclude_all=["shop"],
        ),
    ),
    ("limit without a value", "policy_error", judged(limits={"new": {"vulnerability": {"high": None, "low": 0}}})),
    ("age without a value", "policy_error", yaml_text("sla:\n  high:\n  low: 3d\n")),
    ("limit of images without a value", "policy_error", imaged({}, limits={"critical": None, "high": 0})),
    ("source in capitals", "policy_error", rule(finding(), sources=["Qualys"])),
    ("range with blanks", "policy_error", rule(finding(), rule_ids={"include": ["150000 - 150099"]})),
    ("list in one text", "policy_error", rule(finding(), rule_ids={"include": ["150001,150002"]})),
    ("QID with its word", "policy_error", rule(finding(), rule_ids={"include": ["QID-150001"]})),
    (
        "other ids of rules",
        "pass",
        ruled(
            finding(),
            rules=[{"name": "a", "rule_ids": {"include": ["malware", "CVE-2026-1", "2026-a"]}}],
            may_exclude_all=["shop"],
        ),
    ),
    ("no rule for this application", "inconclusive", ruled(applications=[{"match": ["shpo"], "sla": {"high": "1h"}}])),
    (
        "every rule disabled",
        "inconclusive",
        ruled(rules=[{"name": "a"}], applications=[{"match": ["shop"], "disable": ["a"]}]),
    ),
    (
        "an override makes the rule of the run a warning",
        "fail",
        estate(
            {
                "schema": 1,
                "rules": [PER_RUN],
                "applications": [{"match": ["pay"], "rules": [{**PER_RUN, "limit": 0, "action": "warn"}]}],
            }
        ),
    ),
    (
        "an override takes an application out of the rule of the run",
        "policy_error",
        estate(
            {
                "schema": 1,
                "rules": [PER_RUN],
                "applications": [{"match": ["pay"], "rules": [{"name": "r", "limit": 1}]}],
            }
        ),
    ),
    ("a tag on nonsense", "policy_error", yaml_text("waivers: {strict: !!bool foo}\nsla: {high: 7d}\n")),
    ("merge key", "policy_error", yaml_text("rules:\n - {name: a, <<: {limit: 3}}\n")),
    ("on for a number", "policy_error", yaml_text("rules: [{name: a, limit: on}]\n")),
    ("octal", "policy_error", yaml_text("rules: [{name: a, limit: 010}]\n")),
    ("without end", "policy_error", yaml_text("rules: [{name: a, limit: 1.0e+999}]\n")),
    ("two documents", "policy_error", yaml_text("sla: {high: 7d}\n---\nschema: 1\n")),
    # Waivers.
    ("waiver of blanks", "policy_error", waived(owner=" ")),
    ("waiver without a match", "policy_error", waived(match={})),
    ("waiver with an unknown key", "policy_error", waived(match={"url": ["*"]})),
    ("waiver with regular expressions", "fail", waived(match={"urls": [".*", "https://shop.example.com/page?"]})),
    ("waiver in another case", "fail", waived(match={"unique_ids": ["UUID-1", " uuid-1 "]})),
    # Container images.
    ("image, malware ignored and nothing else", "inconclusive", imaged({"malware": 1}, malware="ignore")),
    ("image with counts of nothing", "inconclusive", imaged({"counts": {}}, limits={"critical": 0})),
    ("image with half a vulnerability", "inconclusive", imaged({"counts": {"critical": 0.5}}, limits={"critical": 0})),
    ("image with less than no malware", "inconclusive", imaged({"malware": -1}, limits={"critical": 0})),
    ("image scan not conclusive", "inconclusive", imaged({"conclusive": False}, limits={"critical": 0})),
    (
        "image, a later override about something else",
        "fail",
        imaged(
            {"counts": {"critical": 3}},
            limits={"critical": 5},
            overrides=[{"match": ["*/shop:*"], "limits": {"critical": 0}}, {"match": ["*"], "malware": "warn"}],
        ),
    ),
    # Laundering.
    ("a run without a scan in between", "inconclusive", baseline_scan_forgotten),
    ("a baseline behind a link", "fail", baseline_behind_a_link),
    ("a baseline moved in another scope", "fail", laundered_in_another_scope),
    ("a baseline moved by a lax policy", "fail", laundered_by_a_lax_policy),
]


@pytest.mark.parametrize(("name", "verdict", "attack"), ATTACKS, ids=[name for name, *_rest in ATTACKS])
def test_an_attack_does_not_pass(name: str, verdict: str, attack: Situation, tmp_path: Path) -> None:
    values = attack(Folder(tmp_path)).values
    assert values["verdict"] == verdict, (name, values["reasons"])


def test_a_full_disk_leaves_no_old_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    assert folder.gate([]).values["verdict"] == "pass"

    def full(*_details: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    assert folder.gate([finding()]).values["exit_code"] == 20
    assert not folder.dest.exists()


def test_two_runs_at_once_lose_no_mark(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    both = [scan(), scan(asset=PAY)]
    path = folder.snapshot([finding(status="open"), finding(2, asset=PAY, status="open")], filters=[])
    folder.adopt([], files=[path], scans=both)
    keeper = BaselineFile(str(folder.baseline))
    first, second = (keeper.load() for _run in range(2))
    keeper.note(first, {("qualys", "4711"): {"u:uuid-1": ["high"]}})
    keeper.note(second, {("qualys", "4712"): {"u:uuid-2": ["high"]}})
    result = folder.gate(files=[path], scans=both, baseline=str(folder.baseline))
    assert (result.values["verdict"], result.values["counts"]["reopened"]) == ("fail", 2)


def test_a_baseline_that_another_run_moved_is_not_overwritten(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.adopt([finding()])
    keeper = BaselineFile(str(folder.baseline))
    old = keeper.load()
    folder.gate([], baseline=str(folder.baseline), baseline_update=True)
    moved = folder.baseline.read_bytes()
    with pytest.raises(FileError, match="was changed while the gate was running"):
        keeper.save(old, {"record": "baseline", "schema": 1, "applications": []})
    assert folder.baseline.read_bytes() == moved


def test_what_the_policy_seems_to_forget_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    only_high = policy(limits={"new": {"vulnerability": {"high": 0}}})
    told = folder.gate([finding(severity="critical")], policy=only_high).values
    assert told["verdict"] == "pass"
    assert [item["message"] for item in told["reasons"] if item["code"] == "severity_gap"] == [
        "the policy limits milder vulnerabilities, but none of severity critical"
    ]
    assert not any(item["code"] == "severity_gap" for item in folder.gate([]).values["reasons"])


def test_an_application_of_the_baseline_that_nobody_looked_at_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    path = folder.snapshot([], filters=[])
    folder.adopt([], files=[path], scans=[scan(), scan(asset=PAY)])
    told = folder.gate(files=[path], baseline=str(folder.baseline)).values
    assert told["verdict"] == "pass"
    assert [item["message"] for item in told["reasons"] if item["code"] == "application_unseen"] == [
        "the baseline contains pay (4712), but neither a finding nor a scan of it was given"
    ]
    # Nothing was to be expected of it where it was not exported.
    assert not any(
        item["code"] == "application_unseen"
        for item in folder.gate([], baseline=str(folder.baseline)).values["reasons"]
    )

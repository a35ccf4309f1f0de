# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads to a situation of the gate: functions that take a folder and run the gate in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.unit.plugins.module_utils._gate.gate_kit import (
    DROP,
    Folder,
    ago,
    finding,
    policy,
    scan,
    waiver,
    waivers,
)

Situation = Callable[[Folder], Result]

ALL = {"all": {"vulnerability": {"critical": 0, "high": 0}}}
SHARED: dict[str, Any] = {"fingerprint": "f" * 32, "unique_id": None}


def scanned(**changes: Any) -> Situation:
    """A clean snapshot after a scan that was not as it should be."""
    return lambda folder: folder.gate([], scans=[scan(**changes)])


def snapped(*findings: Any, **changes: Any) -> Situation:
    """A good scan, and a manifest that says something else."""
    return lambda folder: folder.gate(files=[folder.snapshot(list(findings), **changes)])


def after(before: list[Any], now: list[Any], **options: Any) -> Situation:
    """Findings held against a baseline of others."""

    def situation(folder: Folder) -> Result:
        folder.adopt(before)
        return folder.gate(now, baseline=str(folder.baseline), **options)

    return situation


def twice(before: list[Any], first: list[Any], second: list[Any], **options: Any) -> Situation:
    """A baseline, a run, and the run that has to be judged."""

    def situation(folder: Folder) -> Result:
        folder.adopt(before)
        folder.gate(first, baseline=str(folder.baseline), **options)
        return folder.gate(second, baseline=str(folder.baseline), **options)

    return situation


def ruled(*findings: Any, **changes: Any) -> Situation:
    """Findings held against a policy without its usual limits."""
    return lambda folder: folder.gate(list(findings), policy=policy(**{"limits": DROP, **changes}))


def waived(item: Any, *findings: Any, **changes: Any) -> Situation:
    """Findings and a waiver."""
    return lambda folder: folder.gate(list(findings) or [finding()], waivers=waivers(item), policy=policy(**changes))


def rescanned_before(**before: Any) -> Callable[..., Situation]:
    """A baseline with one scan, and a run with another."""

    def with_scan(**now: Any) -> Situation:
        def situation(folder: Folder) -> Result:
            folder.adopt([], scans=[scan(**before)])
            return folder.gate([], scans=[scan(**now)], baseline=str(folder.baseline))

        return situation

    return with_scan


def file_without_manifest(folder: Folder) -> Result:
    path = folder.snapshot([])
    Path(path + ".manifest.json").unlink()
    return folder.gate(files=[path])


def changed_after_export(folder: Folder) -> Result:
    path = folder.snapshot([finding()])
    Path(path).write_text(json.dumps(finding(severity="low")) + "\n", encoding="utf-8")
    return folder.gate(files=[path])


def cut_gzip(folder: Folder) -> Result:
    path = Path(folder.snapshot([finding(number) for number in range(50)], name="findings.ndjson.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    return folder.gate(files=[str(path)])


def no_file(folder: Folder) -> Result:
    return folder.gate(files=[str(folder.path / "nowhere.ndjson")])


def fixed_then_back(folder: Folder) -> Result:
    """Fixed while the baseline stood still, then back, and scanned once more so that its status says nothing."""
    folder.adopt([finding()])
    folder.gate([finding(status="fixed")], baseline=str(folder.baseline))
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def vanished_then_back(folder: Folder) -> Result:
    folder.adopt([finding()])
    folder.gate([], baseline=str(folder.baseline))
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def vanished_in_a_bad_scan(folder: Folder) -> Result:
    """A scan that saw nothing does not prove that anything is gone."""
    folder.adopt([finding()])
    folder.gate([], scans=[scan(links_crawled=0)], baseline=str(folder.baseline))
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def waived_when_adopted(folder: Folder) -> Result:
    """What was waived in the passing run was not counted, so it is new when the waiver is gone."""
    folder.adopt([finding()], waivers=waivers(waiver()))
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def protected_when_adopted(folder: Folder) -> Result:
    folder.adopt([finding(status="protected")])
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def excluded_when_adopted(folder: Folder) -> Result:
    out = policy(
        missing_baseline="adopt",
        exclude=[{"reason": "not ours", "rule_ids": {"include": ["150001"]}}],
        may_exclude_all=["shop"],
    )
    folder.gate([finding()], policy=out, baseline=str(folder.baseline), baseline_update=True)
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def ignored_when_adopted(folder: Folder) -> Result:
    honours = policy(missing_baseline="adopt", ignored_at_source="honour")
    ignored = finding(ignored={"reason": "RISK_ACCEPTED", "until": None})
    folder.gate([ignored], policy=honours, baseline=str(folder.baseline), baseline_update=True)
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def damaged_baseline(folder: Folder) -> Result:
    folder.write("baseline.json", '{"record": "baseline"')
    return folder.gate([], baseline=str(folder.baseline))


def foreign_baseline(folder: Folder) -> Result:
    folder.write("baseline.json", {"record": "report", "schema": 1})
    return folder.gate([], baseline=str(folder.baseline))


def baseline_of_another_application(folder: Folder) -> Result:
    other: dict[str, Any] = {"id": "1", "name": "other", "url": None, "tags": []}
    folder.adopt([], files=[folder.snapshot([finding(asset=other)], filters=[])], scans=[scan(asset=other)])
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def two_snapshots(folder: Folder) -> Result:
    """An old export says that it is open, a newer one that it is fixed: the newer one holds."""
    old = folder.snapshot([finding(status="open")], name="old.ndjson", started=ago(hours=1.5), finished=ago(hours=1.4))
    new = folder.snapshot([finding(status="fixed")], name="new.ndjson")
    return folder.gate(files=[old, new])


def whole_estate(folder: Folder) -> Result:
    """The policy asks for one application; what others have does not close this gate."""
    other: dict[str, Any] = {"id": "1", "name": "other", "url": None, "tags": []}
    path = folder.snapshot([finding(severity="low"), finding(2, asset=other)], filters=[])
    return folder.gate(files=[path], policy=policy(scope={"applications": ["shop"]}))


def with_stray(**changes: Any) -> Situation:
    """Beside a clean application that the policy asks for, a finding that tells no application."""
    nobody: dict[str, Any] = {"id": None, "name": None, "url": None, "tags": []}

    def situation(folder: Folder) -> Result:
        stray = finding(2, **{"asset": nobody, "severity": "critical", **changes})
        path = folder.snapshot([finding(severity="low"), stray], filters=[])
        return folder.gate(files=[path], policy=policy(scope={"applications": ["shop"]}))

    return situation


def scanned_but_not_exported(folder: Folder) -> Result:
    """All that was exported is well, but the scan of another application has no snapshot to show for it."""
    other: dict[str, Any] = {"id": "1", "name": "other", "url": None, "tags": []}
    path = folder.snapshot([], filters=[{"field": "webApp.id", "operator": "EQUALS", "value": "1"}])
    result = folder.gate(files=[path], scans=[scan(asset=other), scan()])
    assert {item["id"]: item["verdict"] for item in result.values["applications"]} == {
        "1": "pass",
        "4711": "inconclusive",
    }
    return result


def one_of_two_fails(folder: Folder) -> Result:
    other: dict[str, Any] = {"id": "1", "name": "other", "url": None, "tags": []}
    path = folder.snapshot([finding(), finding(2, asset=other)], filters=[])
    return folder.gate(files=[path], scans=[scan(), scan(asset=other, status="running", end_reason=None)])


def strict_filter(folder: Folder) -> Result:
    kinds = {"field": "type", "operator": "IN", "value": "VULNERABILITY,SENSITIVE_CONTENT"}
    asked = {"field": "type", "operator": "IN", "value": ["SENSITIVE_CONTENT", "VULNERABILITY"]}
    return folder.gate(files=[folder.snapshot([], filters=[kinds])], policy=policy(scope={"filters": [asked]}))


def images(*scans: Any, **rules: Any) -> Situation:
    """Container images held against a policy for nothing else."""
    only = {"schema": 1, "images": {"limits": {"critical": 0, "high": 2}, **rules}}
    return lambda folder: folder.gate(files=[], scans=list(scans), policy=only)


def broken_inside(folder: Folder) -> Result:
    class Trouble(dict[str, Any]):
        """A record that breaks what no one foresaw."""

        def get(self, *_details: Any) -> Any:
            raise RuntimeError("secret text")

    result = folder.gate([], scans=[Trouble(record="scan")])
    assert "secret text" not in str(result)
    return result


def indusface(**changes: Any) -> Situation:
    def situation(folder: Folder) -> Result:
        asset: dict[str, Any] = {"id": "77", "name": "shop", "url": None, "tags": []}
        path = folder.snapshot([], source="indusface", filters=[], announced_after=31, announced_before=31)
        which: dict[str, Any] = {"source": "indusface", "asset": asset, "auth_status": None, "links_crawled": None}
        which |= {"profile": None, "time": "2026-11-19T00:00:00Z", "ended": None, "details": {"time_precision": "day"}}
        days = policy(scope={"max_scan_age": "3d"})
        return folder.gate(files=[path], scans=[scan(**{**which, **changes})], policy=days)

    return situation


def matched(outcome: str, policy_changes: dict[str, Any], **changes: Any) -> Situation:
    match = {"record": "match", "schema": 1, "finding": {"unique_id": "uuid-1"}, "outcome": outcome}
    return lambda folder: folder.gate([finding(**changes)], matches=[match], policy=policy(**policy_changes))


def text_policy(text: str, name: str = "policy.yml") -> Situation:
    return lambda folder: folder.gate([], policy=folder.write(name, text))


def text_waivers(text: str) -> Situation:
    return lambda folder: folder.gate([finding()], waivers=folder.write("waivers.yml", text))


WAIVER_TEXT = """
schema: 1
waivers:
  - id: W-1
    match: {unique_ids: [uuid-1]}
    type: risk_accepted
    owner: alice
    reason: known
    ticket: SEC-1
    created: 2026-11-10
    expires: %s
"""

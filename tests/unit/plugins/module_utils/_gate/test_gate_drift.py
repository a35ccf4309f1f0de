# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to make the gate pass step by step, or by changing something at the source instead of in the policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._gate.inputs.facts import facts_of
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.breadth import fits_everything
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.normalise import FindingNormaliser
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.unit.plugins.module_utils._gate.gate_kit import (
    DROP,
    Folder,
    Record,
    ago,
    day,
    finding,
    policy,
    scan,
    waiver,
    waivers,
)
from tests.unit.plugins.module_utils._gate.situation_kit import SHARED, Situation, after, indusface, twice

LOWERED: Record = {"severity": "info", "severity_native": "1", "original_severity": "5"}
WAS_CRITICAL: Record = {"details": {"original_severity": "critical"}}
RAISED: Record = {"original_severity": "1", "details": {"original_severity": "info"}}
ALL = ["vulnerability", "sensitive_content", "information"]


def found(record: Record, **changes: Any) -> Situation:
    """One finding, held against the usual policy with some keys changed."""
    return lambda folder: folder.gate([record], policy=policy(**changes))


def excluded(**keys: Any) -> Situation:
    """One high finding, and a policy that leaves findings out."""
    return found(finding(), exclude=[{"reason": "x", **keys}], may_exclude_all=["shop"])


def pair(*severities: str, **changes: Any) -> list[Record]:
    """Findings with one key."""
    return [finding(number, severity=severity, **SHARED, **changes) for number, severity in enumerate(severities)]


def waived_while(before: str, **match: Any) -> Situation:
    """A finding that was counted with one severity, and is high now; the policy counts nothing milder."""

    def situation(folder: Folder) -> Result:
        folder.adopt([finding(severity=before)])
        item = waiver(match={"unique_ids": ["uuid-1"], **match})
        return folder.gate([finding(status="open")], waivers=waivers(item), baseline=str(folder.baseline))

    return situation


def waived_and_moved(folder: Folder) -> Result:
    """Waived when it was low, so that the baseline never counted it."""
    folder.adopt([finding(severity="low")], waivers=waivers(waiver()))
    return folder.gate([finding(status="open")], waivers=waivers(waiver()), baseline=str(folder.baseline))


def slower_and_slower(folder: Folder) -> Result:
    """Each scan crawls a little more than half of what the one before did."""
    folder.adopt([], scans=[scan(links_crawled=100)])
    for number, links in enumerate((60, None, 55)):
        slower = [scan(id=str(number), links_crawled=links)]
        lax = policy(scope={"min_links": 0})
        moved = folder.gate([], scans=slower, policy=lax, baseline=str(folder.baseline), baseline_update=True)
        assert moved.values["baseline"]["updated"]
    assert json.loads(folder.baseline.read_bytes())["applications"][0]["scan"]["links_crawled"] == 100
    return folder.gate([], scans=[scan(links_crawled=40)], baseline=str(folder.baseline))


def slower_after_a_reset(folder: Folder) -> Result:
    """Somebody took the figure out of the baseline, because the application has become smaller."""
    folder.adopt([], scans=[scan(links_crawled=100)])
    content = json.loads(folder.baseline.read_bytes())
    content["applications"][0]["scan"]["links_crawled"] = None
    folder.baseline.write_text(json.dumps(content), encoding="utf-8")
    return folder.gate([], scans=[scan(links_crawled=40)], baseline=str(folder.baseline))


def reported_only_in_between(folder: Folder) -> Result:
    """It came back in a run that only reports, and was scanned once more."""
    folder.adopt([finding()])
    path = str(folder.baseline)
    folder.gate([finding(status="reopened")], baseline=path, report_only=True)
    return folder.gate([finding(status="open")], baseline=path)


def checked_only_in_between(folder: Folder) -> Result:
    """Check mode writes nothing, so the baseline never hears of it."""
    folder.adopt([finding()])
    folder.gate([], baseline=str(folder.baseline), check=True)
    return folder.gate([finding(status="open")], baseline=str(folder.baseline))


def strict_without_findings(folder: Folder) -> Result:
    """The policy is looked at before anything is scanned, when no waiver can have matched anything."""
    strict = policy(waivers={"strict": True})
    return folder.gate(files=[], scans=[], waivers=waivers(waiver()), policy=strict)


SITUATIONS: list[tuple[str, str, Situation]] = [
    # A severity that was edited at the source.
    ("lowered at the source", "fail", found(finding(**LOWERED, **WAS_CRITICAL))),
    ("lowered, and the gate cannot read from what", "fail", found(finding(**LOWERED))),
    ("lowered from a level that nobody knows", "fail", found(finding(**LOWERED, details={"original_severity": "6"}))),
    (
        "lowered, and a waiver asked for",
        "fail",
        found(finding(**LOWERED, **WAS_CRITICAL), edited_severity="require_waiver"),
    ),
    ("lowered, and honoured", "pass", found(finding(**LOWERED, **WAS_CRITICAL), edited_severity="honour")),
    ("raised, and honoured", "fail", found(finding(**RAISED), edited_severity="honour")),
    ("raised", "fail", found(finding(**RAISED))),
    ("edited and restored", "pass", found(finding(severity="low", severity_native="2", original_severity="2"))),
    ("a word nobody knows", "policy_error", found(finding(), edited_severity="ignore")),
    (
        "lowered, and waived",
        "pass",
        lambda folder: folder.gate([finding(**LOWERED, **WAS_CRITICAL)], waivers=waivers(waiver())),
    ),
    (
        "lowered, and waived for longer than a critical one may be",
        "fail",
        lambda folder: folder.gate([finding(**LOWERED, **WAS_CRITICAL)], waivers=waivers(waiver(expires=day(60)))),
    ),
    # A finding that is called fixed.
    ("fixed, and seen since", "fail", found(finding(status="fixed", fixed_at=ago(days=2), last_seen=ago(days=1)))),
    (
        "fixed after it was last seen",
        "pass",
        found(finding(status="fixed", fixed_at=ago(days=1), last_seen=ago(days=2))),
    ),
    ("fixed at no time", "pass", found(finding(status="fixed", fixed_at=None, last_seen=ago(days=2)))),
    # Marks.
    ("back in a run that only reports", "fail", reported_only_in_between),
    ("check mode in between", "pass", checked_only_in_between),
    (
        "one of two gone, and back",
        "fail",
        twice(pair("high", "high"), pair("high"), pair("high", "high", status="open")),
    ),
    (
        "the worse of two gone, and back",
        "fail",
        twice(pair("high", "low"), pair("low"), pair("high", "low", status="open")),
    ),
    (
        "the milder of two gone, and back",
        "pass",
        twice(pair("high", "low"), pair("high"), pair("high", "low", status="open")),
    ),
    ("one of two gone, and stays away", "pass", twice(pair("high", "high"), pair("high"), pair("high", status="open"))),
    (
        "the second of two reopened",
        "fail",
        twice(pair("high", "high"), pair("high"), pair("high", "high", status="reopened")),
    ),
    (
        "one was reopened in the baseline, both are now",
        "fail",
        after([*pair("high", status="reopened"), *pair("high")], pair("high", "high", status="reopened")),
    ),
    (
        "one was reopened in the baseline, and still is",
        "pass",
        after([*pair("high", status="reopened"), *pair("high")], [*pair("high", status="reopened"), *pair("high")]),
    ),
    # Waivers that outlive their ground.
    ("waived as it was", "pass", waived_while("high")),
    ("worse than when it was waived", "fail", waived_while("low")),
    ("worse, and the waiver is for that", "pass", waived_while("low", severities=["high"])),
    ("worse than the waiver says", "fail", waived_while("low", severities=["low", "medium"])),
    ("milder than when it was waived", "pass", waived_while("critical")),
    ("worse than when it was waived, and never counted", "fail", waived_and_moved),
    (
        "waiver that does not say when it was made",
        "policy_error",
        lambda folder: folder.gate([finding()], waivers=waivers(waiver(created=DROP))),
    ),
    (
        "nearly over, and as long as no severity allows",
        "policy_error",
        lambda folder: folder.gate([finding()], waivers=waivers(waiver(created=day(-390), expires=day(5)))),
    ),
    ("strict, before there are findings", "inconclusive", strict_without_findings),
    # What scans prove.
    ("crawled less and less", "inconclusive", slower_and_slower),
    ("crawled less, and the baseline was told", "pass", slower_after_a_reset),
    ("no end, and read on its day", "inconclusive", lambda folder: folder.gate([], scans=[scan(ended=None)])),
    (
        "no end, and read on a later day",
        "pass",
        lambda folder: folder.gate([], scans=[scan(time=ago(hours=20), ended=None)]),
    ),
    (
        "an end of which only the day is known",
        "inconclusive",
        lambda folder: folder.gate([], scans=[scan(ended="2026-11-20T00:00:00Z", details={"time_precision": "day"})]),
    ),
    ("Indusface, read on the day of the scan", "inconclusive", indusface(time="2026-11-20T00:00:00Z")),
    ("Indusface, read on the day after", "pass", indusface(time="2026-11-19T00:00:00Z")),
    # Exclusions of everything.
    ("exclude every URL", "policy_error", excluded(urls={"include": ["https://*"]})),
    ("exclude every path", "policy_error", excluded(urls={"include": ["*/shop/*", "*/*"]})),
    ("exclude every application", "policy_error", excluded(applications={"include": ["*"]})),
    ("exclude every kind", "policy_error", excluded(kinds=ALL)),
    ("exclude every rule", "policy_error", excluded(rule_ids={"include": ["0-999999999"]})),
    ("exclude every rule in parts", "policy_error", excluded(rule_ids={"include": ["150000-150600", "150601-151000"]})),
    ("exclude every weakness", "policy_error", excluded(cwe={"include": ["CWE-1-99999"]})),
    (
        "exclude every source",
        "policy_error",
        excluded(sources=["qualys", "indusface", "edgecast", "scutum", "carbon_black"]),
    ),
    ("exclude some rules", "pass", excluded(rule_ids={"include": ["150001-150099"]})),
    ("exclude all but some", "pass", excluded(tags={"exclude": ["dev"]})),
    ("exclude every URL of a kind", "fail", excluded(kinds=["information"], urls={"include": ["*"]})),
]


@pytest.mark.parametrize(("name", "verdict", "situation"), SITUATIONS, ids=[name for name, *_rest in SITUATIONS])
def test_nothing_drifts_to_a_pass(name: str, verdict: str, situation: Situation, tmp_path: Path) -> None:
    values = situation(Folder(tmp_path)).values
    assert values["verdict"] == verdict, (name, values["reasons"])


@pytest.mark.parametrize(
    ("match", "broad"),
    [
        ({"urls": ["https://*"]}, True),
        ({"urls": ["*/*"]}, True),
        ({"urls": ["HTTP*://*.*"]}, True),
        ({"urls": ["https://shop.example.com/old/*", "*"]}, True),
        ({"urls": ["https://shop.example.com/*"]}, False),
        ({"urls": ["https://shop.example.com/page1"]}, False),
        ({"rule_ids": ["0-999999999"]}, True),
        ({"rule_ids": ["150001-150600", "150601-151100"]}, True),
        ({"rule_ids": ["150001-150099", "XSS"]}, False),
        ({"rule_ids": ["150001-151000"]}, True),
        ({"rule_ids": ["150001-150999", 151000]}, True),
        ({"rule_ids": ["150001-150999"]}, False),
        ({"rule_ids": list(range(150001, 151001))}, True),
        ({"cwe": ["1-100"]}, True),
        ({"cwe": ["1-99"]}, False),
        ({"urls": ["*a*"]}, True),
        ({"parameters": ["*q*"]}, True),
        ({"parameters": ["q*"]}, False),
        ({"rule_ids": ["0-999999999"], "ids": ["1001"]}, False),
        ({"cwe": ["1-99999"]}, True),
        ({"cwe": ["CWE-79"]}, False),
        ({"parameters": ["*"]}, True),
        ({"parameters": ["q"]}, False),
        ({"applications": ["shop"]}, True),
    ],
    ids=str,
)
def test_a_waiver_for_everything_is_told(match: Record, broad: bool, tmp_path: Path) -> None:
    [told] = Folder(tmp_path).gate([finding()], waivers=waivers(waiver(match=match))).values["waivers"]
    assert ("over_broad" in told["flags"]) is broad


@pytest.mark.parametrize("pattern", ["*", "**", "*://*", "h*", "https*", "https://*/*", "*.*", "*a*", "*a*b*"])
def test_a_pattern_that_says_nothing_fits_everything(pattern: str) -> None:
    assert fits_everything(pattern)
    assert not fits_everything(pattern + "shop")


def test_a_waiver_that_was_outgrown_is_told_and_so_is_a_lowered_severity(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.adopt([finding(severity="low")])
    lowered = finding(2, **LOWERED, **WAS_CRITICAL)
    asked = policy(edited_severity="require_waiver")
    result = folder.gate(
        [finding(status="open"), lowered], waivers=waivers(waiver()), policy=asked, baseline=str(folder.baseline)
    )
    assert result.values["waivers"][0]["flags"] == ["outgrown"]
    notes = {item["id"]: item["note"] for item in folder.explained()}
    assert notes == {
        "1001": "the waiver W-1 was given when the finding was less severe",
        "1002": "its severity was lowered to info at its source: it counts as critical",
    }
    told = [item["message"] for item in result.values["reasons"] if item["code"] == "severity_lowered"]
    assert told == [
        "the severity of 1 finding was lowered at the source without a waiver: the original severity counts"
    ]


@pytest.mark.parametrize("places", ["high", ["sev9"], [[]], None, {}])
def test_a_list_of_what_is_gone_that_cannot_be_read_is_never_an_empty_one(places: Any, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.adopt([finding()])
    folder.gate([], baseline=str(folder.baseline))
    marks = folder.path / "baseline.json.gone.json"
    content = json.loads(marks.read_text(encoding="utf-8"))
    assert content["applications"][0]["findings"] == {"u:uuid-1": ["high"]}
    content["applications"][0]["findings"]["u:uuid-1"] = places
    marks.write_text(json.dumps(content), encoding="utf-8")
    assert folder.gate([finding(status="open")], baseline=str(folder.baseline)).values["verdict"] == "policy_error"


def test_what_the_vendor_says_about_an_edited_severity_reaches_the_gate() -> None:
    raw = {
        "id": 1,
        "type": "VULNERABILITY",
        "severity": "1",
        "status": "ACTIVE",
        "webApp": {"id": 4711, "name": "shop"},
    }
    never, edited = (
        facts_of({**FindingNormaliser().finding({**raw, **more})}) for more in ({}, {"originalSeverity": "5"})
    )
    assert (never.severity, never.edited) == ("info", None)
    assert (edited.severity, edited.edited) == ("critical", "info")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclusions that take everything never pass in silence, and each says what it took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.module_utils._gate.gate_kit import (
    DROP,
    Folder,
    Record,
    ago,
    finding,
    policy,
    scan,
    waiver,
    waivers,
)

TYPO = {"reason": "status page", "urls": {"exclude": ["https://shop.example.com/staus/*"]}}
EXCLUSIONS: list[tuple[str, Record]] = [
    ("a misspelt URL", {"exclude": [TYPO]}),
    ("all rules but one that nobody has", {"exclude": [{"reason": "x", "rule_ids": {"exclude": [150999]}}]}),
    ("a tag that all have", {"exclude": [{"reason": "x", "tags": {"include": ["prod"]}}]}),
    ("all tags but one", {"exclude": [{"reason": "x", "tags": {"exclude": ["dev"]}}]}),
    ("all applications but some", {"exclude": [{"reason": "x", "applications": {"exclude": ["legacy-*"]}}]}),
    ("a kind", {"exclude": [{"reason": "x", "kinds": ["vulnerability"]}]}),
    ("a source", {"exclude": [{"reason": "x", "sources": ["qualys"]}]}),
    ("a weakness", {"exclude": [{"reason": "x", "cwe": {"include": [79]}}]}),
    ("a category", {"exclude": [{"reason": "x", "owasp": {"include": ["A03"]}}]}),
    ("a rule for another tag", {"rules": [{"name": "a", "tags": {"include": ["production"]}}]}),
    ("a rule without the tag", {"rules": [{"name": "a", "tags": {"exclude": ["prod"]}}]}),
    ("a rule for another URL", {"rules": [{"name": "a", "urls": {"include": ["https://shop.example/*"]}}]}),
    ("a rule without the URL", {"rules": [{"name": "a", "urls": {"exclude": ["https://*"]}}]}),
    ("a rule for other rules", {"rules": [{"name": "a", "rule_ids": {"include": [150999]}}]}),
    ("a rule without the rule", {"rules": [{"name": "a", "rule_ids": {"exclude": [150001]}}]}),
    ("a rule for another application", {"rules": [{"name": "a", "applications": {"include": ["shpo"]}}]}),
    ("a rule for another source", {"rules": [{"name": "a", "sources": ["indusface"]}]}),
    ("a rule for another kind", {"rules": [{"name": "a", "kinds": ["sensitive_content"]}]}),
    ("a rule for what is confirmed", {"rules": [{"name": "a", "confirmed_only": True}]}),
    ("limits for another kind", {"limits": {"all": {"sensitive_content": {"critical": 0}}}}),
    ("limits for information", {"limits": {"all": {"information": {"critical": 0}}}}),
]


def _policy(changes: Record) -> Record:
    return policy(**{"limits": DROP if "rules" in changes else policy()["limits"], **changes})


@pytest.mark.parametrize(("name", "changes"), EXCLUSIONS, ids=[name for name, _changes in EXCLUSIONS])
def test_exclusions_that_take_everything_are_inconclusive(name: str, changes: Record, tmp_path: Path) -> None:
    values = Folder(tmp_path).gate([finding(potential=True)], policy=_policy(changes)).values
    assert (values["verdict"], values["reasons"][0]["code"]) == ("inconclusive", "all_excluded")
    assert values["applications"][0]["problems"] == ["all_excluded"]


@pytest.mark.parametrize(("name", "changes"), EXCLUSIONS, ids=[name for name, _changes in EXCLUSIONS])
def test_exclusions_may_take_everything_of_an_application_that_is_named(
    name: str, changes: Record, tmp_path: Path
) -> None:
    folder = Folder(tmp_path)
    for word, verdict in (("shop", "pass"), ("4711", "pass"), ("sho", "inconclusive"), ("Shop", "inconclusive")):
        named = _policy({**changes, "may_exclude_all": [word]})
        assert folder.gate([finding(potential=True)], policy=named).values["verdict"] == verdict, word


def test_a_pattern_names_no_application(tmp_path: Path) -> None:
    for word in ("*", "sho*", ""):
        values = Folder(tmp_path).gate([], policy=policy(may_exclude_all=[word])).values
        assert values["verdict"] == "policy_error", word


NO_EXCLUSIONS: list[tuple[str, list[Record], Record]] = [
    ("nothing was found", [], {"policy": policy(exclude=[TYPO])}),
    ("all is fixed", [finding(status="fixed")], {"policy": policy(exclude=[TYPO])}),
    ("all is information", [finding(kind="information")], {"policy": policy(exclude=[TYPO])}),
    ("one was left", [finding(), finding(2, severity="low", url="https://shop.example.com/staus/1")],
     {"policy": policy(exclude=[TYPO])}),
    ("the severity has no limit", [finding(severity="low")], {}),
    ("a rule for another severity", [finding()],
     {"policy": policy(limits=DROP, rules=[{"name": "a", "severities": ["critical"]}])}),
    ("a rule for another age", [finding(first_seen=ago(days=1))], {"policy": policy(limits=DROP, sla={"high": "9d"})}),
    ("all is waived", [finding()], {"waivers": waivers(waiver())}),
    ("all is protected", [finding(status="protected")], {}),
    ("all is ignored, which is honoured", [finding(ignored={"reason": "RISK_ACCEPTED", "until": None})],
     {"policy": policy(ignored_at_source="honour")}),
    ("all is known", [finding()], {"policy": policy(missing_baseline="adopt")}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "findings", "options"), NO_EXCLUSIONS, ids=[name for name, _findings, _options in NO_EXCLUSIONS]
)
def test_what_is_no_exclusion_passes(name: str, findings: list[Record], options: Record, tmp_path: Path) -> None:
    assert Folder(tmp_path).gate(findings, **options).values["verdict"] == "pass"


def test_each_exclusion_says_how_many_findings_it_took(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    out = [
        {"reason": "not ours", "rule_ids": {"include": [150002]}},
        {"reason": "never met", "urls": {"include": ["https://none/*"]}},
    ]
    found = [finding(), finding(2, rule_id="150002"), finding(3, rule_id="150002"), finding(4, kind="information")]
    result = folder.gate(found, policy=policy(exclude=out))
    assert folder.verdict()["exclusions"] == [
        {"name": "exclude[0]", "reason": "not ours", "findings": 2},
        {"name": "exclude[1]", "reason": "never met", "findings": 0},
        {"name": "rules", "reason": "no rule covers such findings", "findings": 1},
    ]
    told = [item["message"] for item in folder.verdict()["reasons"] if item["code"] == "exclusion_took"]
    assert told == [
        "exclude[0] left out 2 findings: not ours",
        "rules left out 1 finding: no rule covers such findings",
    ]
    assert not any("left out" in warning for warning in result.warnings)


def _unknown(folder: Folder, *findings: Record, scans: list[Record] | None = None, **changes: Any) -> list[str]:
    folder.gate(list(findings), policy=policy(**changes), scans=[scan()] if scans is None else scans)
    return [item["message"] for item in folder.verdict()["reasons"] if item["code"] == "selector_unknown"]


def test_selectors_that_name_what_nothing_has_are_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    end = ", which no finding and no scan has"
    for key, good, bad in (
        ("tags", ["PROD", "pro*"], "prd"),
        ("applications", ["shop", "4711"], "shpo"),
        ("rule_ids", [150001, "150000-150009"], 150999),
    ):
        assert _unknown(folder, finding(), exclude=[{"reason": "x", key: {"include": good}}]) == []
        assert _unknown(folder, finding(), exclude=[{"reason": "x", key: {"include": [*good, bad]}}]) == [
            f"exclude[0].{key}.include names {bad}{end}"
        ]
        assert _unknown(folder, finding(), rules=[{"name": "a", key: {"exclude": [bad]}}]) == [
            f"rules.a.{key}.exclude names {bad}{end}"
        ]
    override = {"match": ["shop", "pya"], "sla": {"high": "7d"}}
    assert _unknown(folder, finding(), applications=[override]) == [f"applications[0].match names pya{end}"]
    assert _unknown(folder, finding(), may_exclude_all=["shpo"]) == [f"may_exclude_all names shpo{end}"]


def test_a_scan_knows_tags_and_applications_as_well(tmp_path: Path) -> None:
    tagged = scan(asset={"id": "4711", "name": "shop", "url": None, "tags": ["blue"]})
    rule = {"name": "a", "tags": {"include": ["blue"]}, "applications": {"include": ["shop"]}}
    assert _unknown(Folder(tmp_path), scans=[tagged], rules=[rule]) == []


def test_a_rule_that_the_knowledge_base_has_is_not_unknown(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    named = {"name": "a", "rule_ids": {"include": [150001, 150999, "150100-150102", "150500-150999", "old"]}}
    asked = policy(rules=[named], exclude=[{"reason": "x", "rule_ids": {"include": [38601]}}])

    def unknown(knowledge: str | None) -> list[str]:
        result = folder.gate([finding(), finding(2, rule_id="150003")], policy=asked, knowledge=knowledge)
        assert result.values["verdict"] == "fail"
        # What to ask the knowledge base for: what was found, and what the policy names, without wide ranges.
        assert result.values["rule_ids"] == ["38601", "150001", "150003", "150100", "150101", "150102", "150999"]
        codes = ("selector_unknown", "knowledge_unreadable")
        return [item["message"] for item in folder.verdict()["reasons"] if item["code"] in codes]

    end = "which no finding and no scan has"
    alone = [
        "exclude[0].rule_ids.include names 38601",
        "rules.a.rule_ids.include names 150999, 150100-150102, 150500-150999, old",
    ]
    assert unknown(None) == [f"{words}, {end}" for words in alone]
    entries = [{"qid": 38601}, {"qid": "150101"}, {"qid": 150700}]
    path = folder.write("knowledge.json", {"schema": 1, "source": "qualys", "entries": entries})
    assert unknown(path) == [
        "rules.a.rule_ids.include names 150999, old, which no finding, no scan and no entry of the knowledge base has"
    ]
    # One that cannot be read decides nothing, and is told.
    damaged = folder.write("damaged.json", "{")
    for place in (str(tmp_path / "nowhere.json"), damaged):
        first, *rest = unknown(place)
        assert first.startswith("knowledge: ")
        assert rest == [f"{words}, {end}" for words in alone]
    # Tags and applications are not in it.
    told = folder.gate([finding()], policy=policy(may_exclude_all=["shpo"]), knowledge=path)
    assert told.values["rule_ids"] == ["150001"]
    assert "may_exclude_all names shpo, which no finding and no scan has" in str(folder.verdict()["reasons"])


def test_the_probe_of_the_policy_names_its_rules(tmp_path: Path) -> None:
    named = policy(rules=[{"name": "a", "rule_ids": {"include": [150001]}}])
    probed = Folder(tmp_path).gate(files=[], scans=[], check=True, policy=named)
    assert probed.values["rule_ids"] == ["150001"]
    many = policy(rules=[{"name": "a", "rule_ids": {"include": [f"{n}00-{n}99" for n in range(1000, 1030)]}}])
    assert len(Folder(tmp_path).gate(files=[], scans=[], check=True, policy=many).values["rule_ids"]) == 1000


HIDDEN = [
    "https://shop.example.com/status/../pay",
    "https://shop.example.com/status/%2e%2E/pay",
    "https://shop.example.com/status/.%2e/pay?a=/x/..",
    "https://shop.example.com/status/..%2fpay",
    "https://shop.example.com/status\\..\\pay",
    "https://shop.example.com/status/a/../../pay#x",
    "https://shop.example.com/status/%2e%2e%5cpay",
]


@pytest.mark.parametrize("url", HIDDEN)
def test_an_address_that_leads_elsewhere_is_left_out_by_nothing(tmp_path: Path, url: str) -> None:
    folder, place = Folder(tmp_path), ["https://shop.example.com/status*"]
    other = finding(2, severity="low")
    out = [{"reason": "not ours", "urls": {"include": place}}]
    waived = waivers(waiver(match={"urls": place}))
    rule = {"name": "a", "urls": {"exclude": place}}
    options: list[Record] = [
        {"policy": policy(exclude=out)},
        {"policy": policy(), "waivers": waived},
        {"policy": policy(rules=[rule], limits=DROP)},
    ]
    for given in options:
        assert folder.gate([finding(url=url), other], **given).values["verdict"] == "fail", given
    for well in ("https://shop.example.com/status/a", "https://shop.example.com/status/.well-known?x=/../y"):
        for given in options[:2]:
            assert folder.gate([finding(url=well), other], **given).values["verdict"] == "pass", (well, given)


def test_a_filter_that_the_policy_asks_for_is_named(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    asked = {"field": "qid", "operator": "EQUALS", "value": "150999"}
    ours = {"field": "webApp.id", "operator": "EQUALS", "value": "4711"}
    path = folder.snapshot([], filters=[ours, asked])
    result = folder.gate(files=[path], policy=policy(scope={"filters": [asked]}))
    assert result.values["verdict"] == "pass"
    told = [item["message"] for item in result.values["reasons"] if item["code"] == "snapshot_filtered"]
    assert told == ["findings.ndjson holds only findings that match the filter qid EQUALS 150999"]
    # Another one is a problem, which is told once.
    for files in ([folder.snapshot([])], [folder.snapshot([], filters=[ours, {**asked, "value": "1"}])]):
        folder.gate(files=files, policy=policy(scope={"filters": [asked]}))
        assert "snapshot_filtered" not in {item["code"] for item in folder.verdict()["reasons"]}


def test_an_override_that_forgets_a_severity_is_told(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for override in (
        {"limits": {"new": {"vulnerability": {"critical": None}}}},
        {"disable": ["limits.new.vulnerability.critical"]},
    ):
        result = folder.gate([finding(severity="critical")], policy=policy(applications=[{"match": ["*"], **override}]))
        told = [item for item in result.values["reasons"] if item["code"] == "severity_gap"]
        assert [(item["application"], item["verdict"]) for item in told] == [("shop (4711)", "pass")]
        assert told[0]["message"].endswith("none of severity critical")
    # What holds for the whole policy is told once, and not for each application.
    result = folder.gate([], policy=policy(limits={"new": {"vulnerability": {"high": 0}}}))
    assert [item["application"] for item in result.values["reasons"] if item["code"] == "severity_gap"] == [None]

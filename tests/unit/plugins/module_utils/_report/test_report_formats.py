# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every format of CI systems and log stores passes its public validator: for no findings, ordinary and hostile ones."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._report.formats import junit_writer, sarif_writer
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.model import Place
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit


@pytest.fixture(scope="module", params=list(kit.CASES))
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return kit.full_report(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module", params=list(kit.CASES))
def alone(request: pytest.FixtureRequest) -> Any:
    return kit.report_of(kit.CASES[request.param]())


@pytest.mark.parametrize("name", kit.CHECKS)
def test_a_report_of_findings_alone_is_valid(name: str, alone: Any) -> None:
    kit.CHECKS[name](kit.render(name, alone))


@pytest.mark.parametrize("name", kit.CHECKS)
def test_a_report_with_everything_is_valid(name: str, full: Any) -> None:
    kit.CHECKS[name](kit.render(name, full))


@pytest.mark.parametrize("name", kit.CHECKS)
def test_a_report_without_any_time_is_valid(name: str) -> None:
    times = dict.fromkeys(("first_seen", "last_seen", "last_tested", "fixed_at"))
    kit.CHECKS[name](kit.render(name, kit.report_of([factory.finding(1, **times)], generated="")))


def test_every_finding_that_the_gate_judged_carries_its_decision(full: Any) -> None:
    decided = [full.gate.decision(finding) for finding in full.findings]
    assert all(decided) or not decided
    document = json.loads(kit.render("json", full))
    assert [item["decision"]["decision"] for item in document["findings"]] == [item.decision for item in decided]
    assert document["gate"]["verdict"] == full.gate.verdict


def test_sarif_stands_on_the_catalog_and_says_the_address() -> None:
    place = Place("catalog/web apps.yml", 12, 11, 18)
    run = kit.check_sarif(kit.render("sarif", kit.report_of([factory.finding()], places={"Shop DE": place})))
    (result,) = run["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "catalog/web%20apps.yml"
    assert physical["region"] == {"startLine": 12, "startColumn": 11, "endLine": 12, "endColumn": 18}
    assert (
        result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "GET https://shop.example.de/item?id=1"
    )
    assert result["webRequest"]["target"] == "https://shop.example.de/item?id=1"
    assert "https://shop.example.de/item?id=1" in result["message"]["text"]
    assert result["ruleId"] == "QID-150003/critical"


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("https://x", "dast/x"),
        ("https://shop.example.com/a/../b?q#f", "dast/shop.example.com/a/b"),
        ("localhost:8080/x", "dast/Shop%20DE/8080/x"),
        ("javascript:alert(1)", "dast/Shop%20DE/alert%281%29"),
        ("https://h/%2e%2e/%2e%2e/etc%2fpasswd", "dast/h/etc_passwd"),
        (None, "dast/shop.example.de"),
    ],
)
def test_sarif_without_a_catalog_makes_a_path(url: str | None, uri: str) -> None:
    run = kit.check_sarif(kit.render("sarif", kit.report_of([factory.finding(url=url)])))
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_sarif_severity_is_in_the_band_of_the_finding() -> None:
    findings = [
        factory.finding(1, rule_id="1", severity="critical", cvss_score=9.8),
        factory.finding(2, rule_id="2", severity="critical", cvss_score=5.0),
        factory.finding(3, rule_id="3", severity="high", cvss_score=None),
        factory.finding(4, rule_id="3", severity="low", cvss_score=3.1),
        factory.finding(5, rule_id="5", severity="unknown", cvss_score=None),
        factory.finding(6, rule_id="6", severity="info", cvss_score=4.0),
    ]
    rules = kit.check_sarif(kit.render("sarif", kit.report_of(findings)))["tool"]["driver"]["rules"]
    shown = {
        rule["id"]: (rule["properties"]["security-severity"], rule["defaultConfiguration"]["level"]) for rule in rules
    }
    assert shown == {
        "QID-1/critical": ("9.8", "error"),
        "QID-2/critical": ("9.5", "error"),
        "QID-3/high": ("8.0", "error"),
        "QID-3/low": ("3.1", "note"),
        "QID-5/unknown": ("9.5", "error"),
        "QID-6/info": ("0.0", "note"),
    }


BANDS = {
    "critical": (9.1, 10),
    "high": (7, 8.9),
    "medium": (4, 6.9),
    "low": (0.1, 3.9),
    "info": (0, 0),
    "unknown": (9.1, 10),
}


def test_the_band_of_each_of_3000_hostile_results_is_our_severity() -> None:
    run = kit.check_sarif(kit.render("sarif", kit.report_of(kit.hostile_estate(3000))))
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == 3000
    for result in run["results"]:
        rule, severity = rules[result["ruleIndex"]], result["properties"]["severity"]
        least, most = BANDS[severity]
        assert least <= float(rule["properties"]["security-severity"]) <= most
        assert result["level"] == rule["defaultConfiguration"]["level"] == sarif_writer.LEVELS[severity]
    assert max(len(rule["properties"]["tags"]) for rule in rules) == 10


def test_sarif_compares_with_the_baseline(tmp_path: Path) -> None:
    findings = [factory.finding(number, rule_id=str(number)) for number in range(1, 5)]
    gate = kit.gate_of(tmp_path, findings)
    states = dict(zip(gate.decisions, ("known", "new", "escalated", "reopened"), strict=True))
    changed = {key: item._replace(state=states[key]) for key, item in gate.decisions.items()}
    report = kit.report_of(findings, gate=type(gate)(gate.document, changed))
    results = kit.check_sarif(kit.render("sarif", report))["results"]
    assert [item["baselineState"] for item in results] == ["unchanged", "new", "updated", "new"]


def test_a_message_has_no_link_and_no_placeholder() -> None:
    title = "[click](1) [x](https://evil.example) {0} \\ user[token] {a}"
    run = kit.check_sarif(kit.render("sarif", kit.report_of([factory.finding(title=title)])))
    assert run["results"][0]["message"]["text"].startswith(
        r"\[click\](1) \[x\](https://evil.example) {{0}} \\ user\[token\] {a} in Shop DE"
    )


@pytest.fixture(scope="module")
def many() -> Any:
    """27,000 that count, of falling severity, and 3,000 that are ignored and critical."""
    severities = ("critical", "high", "medium", "low")
    findings = [factory.finding(number, severity=severities[number // 6750]) for number in range(27_000)]
    ignored = dict.fromkeys(("reason", "by", "at", "until", "comment"), "x")
    findings += [factory.finding(number, severity="critical", ignored=ignored) for number in range(27_000, 30_000)]
    return kit.report_of(findings)


def test_sarif_keeps_the_worst_25000_that_count(many: Any) -> None:
    content = kit.render_bytes("sarif", many)
    assert len(gzip.compress(content)) < 10_000_000
    run = json.loads(content)["runs"][0]
    assert len(run["results"]) == sarif_writer.MAX_RESULTS
    assert not any("suppressions" in item for item in run["results"])
    severities = [item["properties"]["severity"] for item in run["results"]]
    assert [severities.count(name) for name in ("critical", "high", "medium", "low")] == [6750, 6750, 6750, 4750]
    (note,) = [
        item for item in run["invocations"][0]["toolExecutionNotifications"] if "left out" in item["message"]["text"]
    ]
    assert note["message"]["text"].startswith("5,000 findings left out")


def test_sarif_stays_below_its_limit_when_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_writer, "MAX_COMPRESSED", 500_000)
    dice = random.Random(1)
    findings = [factory.finding(number, url=f"https://h/{dice.randbytes(450).hex()}") for number in range(2000)]
    content = kit.render_bytes("sarif", kit.report_of(findings))
    assert 400_000 < len(gzip.compress(content)) < 520_000
    run = json.loads(content)["runs"][0]
    notes = [item["message"]["text"] for item in run["invocations"][0]["toolExecutionNotifications"]]
    assert any(f"{2000 - len(run['results']):,} findings left out" in words for words in notes)


def test_junit_stays_below_30_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit_writer, "MAX_BYTES", 300_000)
    findings = [factory.finding(number, url="日" * 300, severity="high") for number in range(1000)]
    findings.append(factory.finding(2000, severity="critical"))
    content = kit.render("junit", kit.report_of(findings))
    assert len(content.encode()) < 330_000
    root = kit.check_junit(content)
    assert root.find("./testsuite/testcase").get("name").startswith("[critical]")
    skipped = [case.get("message") for case in root.iter("skipped")]
    assert any("left out, the least severe: GitLab reads 30 MB" in str(words) for words in skipped)


def test_junit_of_many_findings_stays_in_its_limit(many: Any) -> None:
    content = kit.render_bytes("junit", many)
    assert len(content) < 30_000_000


def test_annotations_are_the_worst_ten(tmp_path: Path) -> None:
    findings = [factory.finding(number, title=f"T{number}") for number in range(30)]
    places = {"Shop DE": Place("catalog/a:b,c.yml", 7, 3, 9)}
    report = kit.report_of(findings, gate=kit.gate_of(tmp_path, findings), places=places)
    lines = kit.check_commands("github_annotations", kit.render("github_annotations", report))
    assert len(lines) == 10
    assert lines[0].startswith("::error title=The gate is closed%3A fail (code 10)::")
    assert lines[1].startswith("::error file=catalog/a%3Ab%2Cc.yml,line=7,title=critical%3A T")
    assert "22 more findings" in lines[-1]
    lines = kit.check_commands("azure_annotations", kit.render("azure_annotations", report))
    assert len(lines) == 10
    assert "sourcepath=catalog/a:b,c.yml;linenumber=7;" in lines[1]


def test_a_pass_has_no_annotation(tmp_path: Path) -> None:
    findings = [factory.finding(severity="low")]
    report = kit.report_of(findings, gate=kit.gate_of(tmp_path, findings))
    assert report.gate is not None
    assert report.gate.verdict == "pass"
    assert kit.render("github_annotations", report) == ""
    assert kit.render("azure_annotations", report) == ""
    assert json.loads(kit.render("gitlab_annotations", report)) == {}


def test_gitlab_markdown_of_a_description_is_escaped() -> None:
    title = "![x](https://evil.example/x.png) @everyone <img src=x>"
    (item,) = kit.check_gitlab(kit.render("gitlab", kit.report_of([factory.finding(title=title)])))["vulnerabilities"]
    assert "![" not in item["description"]
    assert "<img" not in item["description"]
    assert "@everyone" not in item["description"]


def test_gitlab_identifies_by_the_rule_and_the_vendors_id() -> None:
    finding = factory.finding(unique_id="642735a5-1425-428d-8d4e-3c854885a3c9", cwe=[89, 564])
    (item,) = kit.check_gitlab(kit.render("gitlab", kit.report_of([finding])))["vulnerabilities"]
    assert item["id"] == "642735a5-1425-428d-8d4e-3c854885a3c9"
    assert [entry["name"] for entry in item["identifiers"]] == ["QID 150003", "CWE-89", "CWE-564"]
    assert item["location"] == {
        "hostname": "https://shop.example.de", "method": "GET", "param": "id", "path": "/item?id=1"
    }  # fmt: skip


def test_ocsf_names_cves_with_their_weaknesses() -> None:
    knowledge = {("qualys", "150003"): {"cves": ["CVE-2024-0001"]}}
    (event,) = kit.check_ocsf(kit.render("ocsf", kit.report_of([factory.finding()], knowledge=knowledge)))
    assert event["vulnerabilities"][0]["cve"] == {"uid": "CVE-2024-0001", "related_cwes": [{"uid": "CWE-89"}]}


@pytest.mark.parametrize(
    ("status", "activity", "state"), [("new", 1, 1), ("open", 2, 2), ("fixed", 3, 4), ("protected", 2, 3)]
)
def test_ocsf_activity_and_status(status: str, activity: int, state: int) -> None:
    (event,) = kit.check_ocsf(kit.render("ocsf", kit.report_of([factory.finding(status=status)])))
    assert (event["activity_id"], event["status_id"]) == (activity, state)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes of other tools that concern what is written, each as a test named after its number in formats.md."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._records.fingerprint import fingerprint
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import WRITERS
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._gate import gate_kit
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit

INCONCLUSIVE = {
    "01_crash": {"scans": [gate_kit.scan(asset=factory.finding()["asset"], status="failed", conclusive=False)]},
    "02_cancelled_without_findings": {
        "scans": [gate_kit.scan(asset=factory.finding()["asset"], status="cancelled", conclusive=False)]
    },
    "03_timeout": {
        "scans": [gate_kit.scan(asset=factory.finding()["asset"], end_reason="time_limit", conclusive=False)]
    },
}


@pytest.mark.parametrize("case", INCONCLUSIVE)
def test_trap_01_02_03_what_came_to_no_conclusion_is_no_success_in_any_format(tmp_path: Path, case: str) -> None:
    gate = kit.gate_of(tmp_path, [], **INCONCLUSIVE[case])
    assert gate.verdict == "inconclusive"
    report = kit.report_of([], gate=gate)
    invocation = kit.check_sarif(kit.render("sarif", report))["invocations"][0]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 11)
    junit = kit.check_junit(kit.render("junit", report))
    assert int(junit.get("errors")) >= 1
    assert kit.check_gitlab(kit.render("gitlab", report))["scan"]["status"] == "failure"
    assert kit.render("github_annotations", report).startswith("::error title=The gate is closed%3A inconclusive")
    assert kit.render("azure_annotations", report).startswith("##vso[task.logissue type=error;]The gate is closed")
    for name in ("html", "markdown"):
        assert "Inconclusive (code 11)" in kit.render(name, report)
    assert json.loads(kit.render("json", report))["gate"]["exit_code"] == 11


def test_trap_01_a_gate_that_broke_does_not_make_findings_vanish(tmp_path: Path) -> None:
    findings = [factory.finding(1), factory.finding(2)]
    gate = kit.gate_of(tmp_path, findings, policy=str(tmp_path / "missing.yml"))
    assert (gate.verdict, gate.decisions) == ("policy_error", {})
    report = kit.report_of(findings, gate=gate)
    assert len(kit.check_sarif(kit.render("sarif", report))["results"]) == 2
    assert len(kit.check_gitlab(kit.render("gitlab", report))["vulnerabilities"]) == 2
    assert kit.check_junit(kit.render("junit", report)).get("failures") == "0"
    assert int(kit.check_junit(kit.render("junit", report)).get("errors")) >= 3


def test_trap_06_an_empty_result_still_writes_every_file(tmp_path: Path) -> None:
    file = factory.write_snapshot(tmp_path / "findings.ndjson", [])
    outputs = {name: str(tmp_path / f"out.{name}") for name in WRITERS}
    run({"findings": [file], "outputs": outputs}, False)
    assert all(Path(path).exists() for path in outputs.values())
    # Without this file GitHub would keep the alerts of the run before open.
    assert kit.check_sarif(Path(outputs["sarif"]).read_text())["results"] == []
    assert kit.check_gitlab(Path(outputs["gitlab"]).read_text())["vulnerabilities"] == []
    assert kit.check_junit(Path(outputs["junit"]).read_text()).get("tests") == "2"
    assert kit.check_ocsf(Path(outputs["ocsf"]).read_text()) == []


@pytest.mark.parametrize("url", [url for url in kit.URLS if len(url) < 1000])
def test_trap_07_no_absolute_or_colon_bearing_uri_in_sarif(url: str) -> None:
    asset = {"id": "1", "name": url, "url": url, "tags": []}
    kit.check_sarif(kit.render("sarif", kit.report_of([factory.finding(url=url, asset=asset)])))


def _marks(findings: list[factory.Record]) -> dict[str, str]:
    results = kit.check_sarif(kit.render("sarif", kit.report_of(findings)))["results"]
    return {item["properties"]["id"]: item["partialFingerprints"]["primaryLocationLineHash"] for item in results}


def _at(number: int, url: str, **changes: Any) -> factory.Record:
    mark = fingerprint("qualys", "100", "150003", url, "GET", "id")
    return factory.finding(number, url=url, fingerprint=mark, **changes)


def test_trap_08_the_fingerprint_stays_when_title_order_or_session_change() -> None:
    before = _marks([_at(1, "https://h/a?PHPSESSID=1&q=1"), _at(2, "https://h/b")])
    after = _marks([_at(2, "https://h/b", title="AAA"), _at(1, "https://h/a?PHPSESSID=2&q=1", title="ZZZ")])
    assert before == after


def test_trap_10_an_ignored_finding_is_absent_or_marked_in_all_outputs() -> None:
    ignored = {"reason": "False positive", "by": "ann", "at": None, "until": None, "comment": "Seen."}
    report = kit.report_of([factory.finding(1, title="Shown title", ignored=ignored)])
    (result,) = kit.check_sarif(kit.render("sarif", report))["results"]
    assert result["suppressions"] == [{"kind": "external", "status": "accepted", "justification": "ignored: Seen."}]
    case = kit.check_junit(kit.render("junit", report)).find("./testsuite/testcase")
    assert case.find("skipped").get("message") == "ignored: Seen."
    assert kit.check_gitlab(kit.render("gitlab", report))["vulnerabilities"] == []
    (event,) = kit.check_ocsf(kit.render("ocsf", report))
    assert (event["status_id"], event["status_detail"]) == (3, "ignored: Seen.")
    for name in ("github_annotations", "azure_annotations", "gitlab_annotations"):
        assert "Shown title" not in kit.render(name, report)
    assert json.loads(kit.render("json", report))["findings"][0]["ignored"]["comment"] == "Seen."
    (row,) = csv.DictReader(io.StringIO(kit.render("csv", report).removeprefix("\ufeff")))
    assert (row["state"], row["ignored_comment"]) == ("ignored", "Seen.")


def test_trap_10_a_waived_finding_is_absent_or_marked_in_all_outputs(tmp_path: Path) -> None:
    finding = factory.finding(1, title="Shown title")
    match = {"unique_ids": [finding["unique_id"]]}
    waivers = gate_kit.waivers(gate_kit.waiver(match=match, reason="Behind a firewall."))
    report = kit.report_of([finding], gate=kit.gate_of(tmp_path, [finding], waivers=waivers))
    assert report.gate is not None
    assert report.gate.verdict == "pass"
    (result,) = kit.check_sarif(kit.render("sarif", report))["results"]
    (suppression,) = result["suppressions"]
    assert suppression["status"] == "accepted"
    assert "W-1" in json.dumps(result)
    root = kit.check_junit(kit.render("junit", report))
    assert [case.get("type") for case in root.iter("skipped") if "critical" in str(case.get("type"))] == [
        "severity-critical"
    ]
    assert root.get("failures") == root.get("errors").replace("1", "0") == "0"
    assert kit.check_gitlab(kit.render("gitlab", report))["vulnerabilities"] == []
    assert kit.check_ocsf(kit.render("ocsf", report))[0]["status_id"] == 3
    for name in ("github_annotations", "azure_annotations", "gitlab_annotations"):
        assert "Shown title" not in kit.render(name, report)
    for name in ("html", "markdown", "csv", "json"):
        assert re.search("waived", kit.render(name, report), re.IGNORECASE)


def test_trap_11_a_new_url_of_an_old_rule_is_another_result() -> None:
    marks = _marks([_at(1, "https://h/a"), _at(2, "https://h/new")])
    assert len(set(marks.values())) == 2


def test_trap_17_incomplete_data_is_never_shown_as_whole(tmp_path: Path) -> None:
    file = factory.write_snapshot(tmp_path / "findings.ndjson", [], complete=False, announced_after=7)
    outputs = {name: str(tmp_path / f"out.{name}") for name in kit.CHECKS}
    run({"findings": [file], "outputs": outputs}, False)
    assert kit.check_gitlab(Path(outputs["gitlab"]).read_text())["scan"]["status"] == "failure"
    assert kit.check_junit(Path(outputs["junit"]).read_text()).get("errors") == "1"
    notes = kit.check_sarif(Path(outputs["sarif"]).read_text())["invocations"][0]["toolExecutionNotifications"]
    assert "Incomplete data" in notes[0]["message"]["text"]
    assert "Incomplete data" in Path(outputs["github_annotations"]).read_text()


def test_trap_21_no_command_line_and_no_environment_in_sarif() -> None:
    (invocation,) = kit.check_sarif(kit.render("sarif", kit.report_of([factory.finding()])))["invocations"]
    assert set(invocation) <= {
        "executionSuccessful", "exitCode", "exitCodeDescription", "toolExecutionNotifications"
    }  # fmt: skip


@pytest.mark.parametrize("name", [*kit.CHECKS, "markdown", "csv"])
def test_trap_22_requests_and_responses_stay_out(name: str) -> None:
    item = factory.evidence(headers="Cookie: sid=S3CRET\r\nAuthorization: Bearer S3CRET", response="S3CRET")
    assert "S3CRET" not in kit.render(name, kit.report_of([factory.finding(evidence=[item])]))


def test_trap_23_ocsf_times_are_milliseconds() -> None:
    (event,) = kit.check_ocsf(kit.render("ocsf", kit.report_of([factory.finding(last_tested="2026-11-19T04:00:00Z")])))
    assert event["time"] == 1795060800000


def test_trap_24_the_page_opens_with_the_network_off(tmp_path: Path) -> None:
    page = kit.render("html", kit.full_report(tmp_path, "hostile"))
    assert "default-src 'none'" in page
    markup = page[: page.index('<script type="application/json"')]
    assert not re.search(r"""<(?:link|script|img|iframe|object|embed)\b[^>]*(?:src|href)=["'](?!data:,)""", markup)


def test_trap_25_a_formula_is_text_in_a_spreadsheet() -> None:
    report = kit.report_of([factory.finding(number, title=words) for number, words in enumerate(factory.PAYLOADS)])
    rows = list(csv.DictReader(io.StringIO(kit.render("csv", report).removeprefix("\ufeff"))))
    assert len(rows) == len(factory.PAYLOADS)
    assert not [row["title"] for row in rows if re.match(r"[\s\"'`]*[=+\-@]", row["title"]) and row["title"][0] != "'"]


def test_trap_25_control_characters_are_no_part_of_xml() -> None:
    words = "".join(map(chr, range(32))) + "\x7f\ud800\ufffe]]>"
    content = kit.render("junit", kit.report_of([factory.poisoned(words)]))
    kit.check_junit(content)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe]", content)


@pytest.mark.parametrize("name", ["github_annotations", "azure_annotations"])
@pytest.mark.parametrize(
    "words", ["x\n::error::y", "::set-env name=a::b", "##vso[task.complete]", "%0A::add-mask::x", "]x"]
)
def test_trap_25_no_workflow_command_of_a_finding_is_obeyed(name: str, words: str) -> None:
    lines = kit.check_commands(name, kit.render(name, kit.report_of([factory.poisoned(words, severity="critical")])))
    assert len(lines) == 2


@pytest.mark.parametrize("name", ["ocsf", "sarif", "gitlab", "gitlab_annotations", "json"])
def test_trap_25_a_line_of_a_log_is_one_line(name: str) -> None:
    content = kit.render(name, kit.report_of(kit.hostile()))
    assert content.isascii()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", content)
    assert all(line[:1] in '{}[]"' for line in content.splitlines())


def test_trap_31_ignored_at_the_source_and_not_waived_is_flagged(tmp_path: Path) -> None:
    ignored = dict.fromkeys(("reason", "by", "at", "until", "comment"), "x")
    finding = factory.finding(1, ignored=ignored)
    policy = {**kit.POLICY, "ignored_at_source": "require_waiver"}
    report = kit.report_of([finding], gate=kit.gate_of(tmp_path, [finding], policy=policy))
    assert report.gate is not None
    assert report.gate.verdict == "fail"
    (result,) = kit.check_sarif(kit.render("sarif", report))["results"]
    assert "suppressions" not in result
    assert kit.check_junit(kit.render("junit", report)).get("failures") != "0"
    assert kit.check_gitlab(kit.render("gitlab", report))["vulnerabilities"]

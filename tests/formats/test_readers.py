# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports in front of programs of others that read them: how many findings they see, and of which severity.

The nox session ``formats`` installs them: sarif-tools, junitparser, and the importers of DefectDojo (norm-findings).
"""

from __future__ import annotations

import collections
import importlib
import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.model import ReportInput
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit
from tests.conftest import ROOT

DEFECTDOJO = {
    "critical": "Critical",
    "high": "High",
    "medium": "Medium",
    "low": "Low",
    "info": "Info",
    # What is not known counts as critical, as it does for the gate.
    "unknown": "Critical",
}
SARIF_TOOLS = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
    "unknown": "error",
}
OCSF = {"critical": 5, "high": 4, "medium": 3, "low": 2, "info": 1, "unknown": 0}
GATED = [(case, gated) for case in kit.CASES for gated in (False, True)]


@pytest.fixture(scope="module", params=GATED, ids=lambda item: f"{item[0]}{'-gated' if item[1] else ''}")
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ReportInput:
    case, gated = request.param
    return kit.full_report(tmp_path_factory.mktemp(case), case) if gated else kit.report_of(kit.CASES[case]())


def defectdojo(name: str, content: str, caplog: pytest.LogCaptureFixture) -> list[Any]:
    """What an importer of DefectDojo makes of a file. It drops what it cannot read, and logs that."""
    parser = importlib.import_module(f"norm_findings.parsers.{name}.parser")
    (kind,) = [value for key, value in vars(parser).items() if key.lower() == f"{name.replace('_', '')}parser"]
    with caplog.at_level(logging.WARNING):
        found = list(kind().get_findings(io.StringIO(content), None))
    assert not caplog.records
    return found


def test_sarif_tools_sees_each_result_with_its_level(report: ReportInput, tmp_path: Path) -> None:
    loader = importlib.import_module("sarif.loader")
    path = tmp_path / "report.sarif"
    path.write_text(kit.render("sarif", report), encoding="utf-8")
    results = json.loads(path.read_text())["runs"][0]["results"]
    read = loader.load_sarif_file(str(path))
    assert read.get_distinct_tool_names() == ["appsec.perimeter"]
    assert read.get_result_count() == len(results)
    expected = collections.Counter(SARIF_TOOLS[item["properties"]["severity"]] for item in results)
    assert collections.Counter(record["Severity"] for record in read.get_records()) == expected
    counted = read.get_report()
    assert {level: counted.get_issue_count_for_severity(level) for level in expected} == expected


def test_defectdojo_shows_our_severity_for_each_sarif_result(
    report: ReportInput, caplog: pytest.LogCaptureFixture
) -> None:
    content = kit.render("sarif", report)
    results = json.loads(content)["runs"][0]["results"]
    found = defectdojo("sarif", content, caplog)
    assert [item.severity for item in found] == [DEFECTDOJO[item["properties"]["severity"]] for item in results]
    assert [bool(item.false_p) for item in found] == ["suppressions" in item for item in results]
    assert [item.vuln_id_from_tool for item in found] == [item["ruleId"] for item in results]


def test_defectdojo_shows_our_severity_for_each_of_3000_hostile_results(caplog: pytest.LogCaptureFixture) -> None:
    content = kit.render("sarif", kit.report_of(kit.hostile_estate(3000)))
    results = json.loads(content)["runs"][0]["results"]
    assert len(results) == 3000
    found = defectdojo("sarif", content, caplog)
    assert [item.severity for item in found] == [DEFECTDOJO[item["properties"]["severity"]] for item in results]


def test_defectdojo_reads_each_vulnerability_of_gitlab(report: ReportInput, caplog: pytest.LogCaptureFixture) -> None:
    content = kit.render("gitlab", report)
    listed = json.loads(content)["vulnerabilities"]
    found = defectdojo("gitlab_dast", content, caplog)
    # It takes those for one that have severity, title and description in common.
    assert sum(item.nb_occurences for item in found) == len(listed)
    assert {item.severity for item in found} == {item["severity"] for item in listed}
    assert all(item.unsaved_req_resp for item in found)
    assert {item.unique_id_from_tool for item in found} <= {item["id"] for item in listed}
    assert {item.mitigation for item in found if item.mitigation} == {
        item["solution"] for item in listed if "solution" in item
    }


def test_junitparser_sees_each_case_with_its_outcome(report: ReportInput, tmp_path: Path) -> None:
    junitparser = importlib.import_module("junitparser")
    path = tmp_path / "report.xml"
    path.write_text(kit.render("junit", report), encoding="utf-8")
    read = junitparser.JUnitXml.fromfile(str(path))
    outcomes: collections.Counter[str] = collections.Counter()
    for suite in read:
        for case in suite:
            (outcome,) = case.result or [None]
            outcomes[type(outcome).__name__] += 1
            assert outcome is None or outcome.message
    assert read.tests == sum(outcomes.values())
    assert (read.failures, read.errors) == (outcomes["Failure"], outcomes["Error"])
    before = (read.tests, read.failures, read.errors)
    read.update_statistics()
    assert (read.tests, read.failures, read.errors) == before


def test_the_schema_of_ocsf_accepts_each_event(report: ReportInput) -> None:
    events = kit.check_ocsf(kit.render("ocsf", report))
    assert len(events) == len(report.findings) - report.summary["states"]["information"]
    shown = [item["severity"] for item in report.findings if item["kind"] != "information"]
    assert [event["severity_id"] for event in events] == [OCSF[severity] for severity in shown]


def test_the_table_of_the_guide_says_what_these_programs_show() -> None:
    guide = (ROOT / "docs/docsite/rst/findings_and_reports.rst").read_text(encoding="utf-8")
    table = guide.partition(".. begin consumer table")[2].partition(".. end consumer table")[0]
    head, *rows = [re.findall(r"- (.+)", row) for row in table.split("\n   * ")[1:]]
    places = {name: head.index(f"{name}, from SARIF") for name in ("DefectDojo", "sarif-tools")}
    shown = {row[0].strip("`"): row for row in rows}
    assert {severity: row[places["DefectDojo"]] for severity, row in shown.items()} == DEFECTDOJO
    assert {severity: row[places["sarif-tools"]] for severity, row in shown.items()} == SARIF_TOOLS
    assert {severity: int(row[head.index("OCSF")][0]) for severity, row in shown.items()} == OCSF


@pytest.mark.parametrize(("member", "error"), [("evidence", AttributeError), ("links", KeyError)])
def test_defectdojo_ends_without_evidence_and_links(
    member: str, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """The reader bites: GitLab's schema asks for neither."""
    document = json.loads(kit.render("gitlab", kit.report_of(kit.ordinary())))
    for item in document["vulnerabilities"]:
        del item[member]
    with pytest.raises(error):
        defectdojo("gitlab_dast", json.dumps(document), caplog)

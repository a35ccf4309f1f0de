# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader sees first: headline figures, the five top risks, new findings with their address, and categories."""

from __future__ import annotations

import html
import io
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures.summarise import summarise
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs import model, owasp
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import write_text
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report.format_kit import report_of


def summary_of(*findings: factory.Record) -> model.Summary:
    return summarise(FindingList(findings), now=factory.NOW)


def written(name: str, *findings: factory.Record) -> str:
    stream = io.StringIO()
    write_text(name, report_of(list(findings)), stream)
    return stream.getvalue()


def section_of(page: str, name: str) -> str:
    """The text of a section of the HTML report, without tags."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found, name
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", found[0]).split()))


def test_severity_info_is_no_open_risk_in_the_headline() -> None:
    findings = [factory.finding(1), factory.finding(2, severity="info"), factory.finding(3, severity="info")]
    findings += [factory.finding(4, severity="info", asset={"id": "7", "name": "quiet", "url": None, "tags": []})]
    assert model.headline(summary_of(*findings)) == (1, 1)
    page = written("html", *findings)
    overview, summary = section_of(page, "overview"), section_of(page, "summary")
    assert "Open risks 1 of 4 findings; 3 more of severity info" in overview
    assert "Applications 2 with findings, 1 with open risks" in overview
    assert "1 open risks: 1 critical" in summary
    assert "1 risk is open in 1 application, 1 critical among them." in summary
    assert "4 findings: 1 open risks, 3 open with severity info, " in written("markdown", *findings)


def test_the_five_top_risks_stand_on_the_first_page() -> None:
    severities = ("critical", "critical", "high", "high", "medium", "low")
    findings = [
        factory.finding(n, rule_id=str(n), title=f"Rule <{n}>", severity=name) for n, name in enumerate(severities)
    ]
    summary = section_of(written("html", *findings), "summary")
    ranked = [item["title"] for item in summary_of(*findings)["top_risks"]]
    assert [title for title in ranked if title in summary] == ranked[:5]
    assert summary.index("Fix first") < summary.index("Open risks by severity")
    assert "1 finding in 1 application, highest in Shop DE" in summary
    assert "No risk is open." in section_of(written("html", factory.finding(1, status="fixed")), "summary")


def test_a_rule_has_one_row_whatever_its_titles_are() -> None:
    titles = ("SQL injection", "SQL injection (blind)", "SQLi", None)
    variants = [factory.finding(n, rule_id="150003", title=title) for n, title in enumerate(titles)]
    variants += [factory.finding(9, rule_id="150003", title="SQLi", severity="low")]
    summary = summary_of(*variants, factory.finding(10, rule_id="150001", title="XSS"))
    assert summary["rules_with_open"] == 2
    rows = [(risk["rule_id"], risk["findings"], risk["severity"]) for risk in summary["top_risks"]]
    assert sorted(rows) == [("150001", 1, "critical"), ("150003", 5, "critical")]


@pytest.mark.parametrize("rule_id", ["0", "", None])
def test_findings_without_a_rule_are_told_apart_by_their_title(rule_id: str | None) -> None:
    imported = [factory.finding(n, rule_id=rule_id, title=title) for n, title in enumerate(("A", "B", "B"))]
    assert [risk["findings"] for risk in summary_of(*imported)["top_risks"]] == [2, 1]


def test_one_rule_id_of_two_scanners_is_two_rules() -> None:
    two = [factory.finding(1, rule_id="7", title="X"), factory.finding(2, rule_id="7", title="X", source="indusface")]
    assert summary_of(*two)["rules_with_open"] == 2


def test_new_findings_show_their_address(tmp_path: Path) -> None:
    old = factory.write_snapshot(tmp_path / "old.ndjson", [factory.finding(1)], finished="2026-11-13T00:00:00Z")
    findings = [factory.finding(1, status="fixed"), factory.finding(2, url="https://shop.example.de/a?b=<c>")]
    new = factory.write_snapshot(tmp_path / "new.ndjson", findings)
    run({"findings": [old], "outputs": {"json": tmp_path / "old.json"}}, False)
    outputs = {"html": tmp_path / "new.html"}
    run({"findings": [new], "outputs": outputs, "previous": tmp_path / "old.json"}, False)
    changes = section_of((tmp_path / "new.html").read_text(encoding="utf-8"), "changes")
    assert "New: 1 Critical SQL injection Shop DE https://shop.example.de/a?b=<c>" in changes
    assert "item?id=1" not in changes


CATEGORIES: dict[str, tuple[dict[str, t.Any], str]] = {
    "2021": (
        {"code": 3, "name": "Injection", "url": "https://owasp.org/Top10/A03_2021-Injection/"},
        "A03:2021 Injection",
    ),
    "2017": (
        {"code": 1, "name": "Injection", "url": "https://owasp.org/www-project-top-ten/2017/Top_10-2017_A1-Injection"},
        "A1:2017 Injection",
    ),
    "2025": ({"code": 10, "name": "X", "url": "https://owasp.org/Top10/2025/A10_2025-X/"}, "A10:2025 X"),
    "by-name-2021": ({"code": 1, "name": "Broken Access Control", "url": None}, "A01:2021 Broken Access Control"),
    "by-name-2017": ({"code": 5, "name": "Broken Access Control", "url": ""}, "A5:2017 Broken Access Control"),
    "not-known": ({"code": 3, "name": "Something", "url": "https://x.example/12021/"}, "A3 Something"),
    "without-number": ({"code": None, "name": "Injection", "url": None}, "Injection"),
    "without-anything": ({"code": None, "name": None, "url": None}, ""),
    "impossible": ({"code": -1, "name": "injection", "url": None}, "A-1 injection"),
}


@pytest.mark.parametrize(("category", "label"), CATEGORIES.values(), ids=CATEGORIES)
def test_a_category_carries_its_edition(category: dict[str, t.Any], label: str) -> None:
    assert owasp.label_of(category) == label


def test_every_format_tells_the_editions_apart() -> None:
    categories = [CATEGORIES["2021"][0], CATEGORIES["2017"][0], {"code": 1, "name": "Injection", "url": None}]
    finding = factory.finding(1, owasp=categories)
    rows = summary_of(finding)["by_owasp"]
    assert [(row["edition"], row["code"], row["open"]) for row in rows] == [(2021, 3, 1), (2017, 1, 1)]
    page = written("html", finding)
    for label in ("A03:2021 Injection", "A1:2017 Injection"):
        assert label in section_of(page, "overview")
        assert label in page.partition('id="data"')[2]
        assert label in written("markdown", finding)
        assert label in written("csv", finding)

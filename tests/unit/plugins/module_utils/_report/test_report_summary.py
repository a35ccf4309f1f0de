# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting, ranking, and comparing with an earlier run."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import changes, collect
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures.summarise import summarise
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs import model
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory

IGNORED = {"reason": "False positive", "by": "someone", "at": "2026-11-01T00:00:00Z", "until": None, "comment": None}


def summary_of(*findings: factory.Record) -> model.Summary:
    return summarise(FindingList(findings), now=factory.NOW)


def test_states_add_up_and_information_is_no_risk() -> None:
    summary = summary_of(
        factory.finding(1),
        factory.finding(2, ignored=IGNORED),
        factory.finding(3, status="fixed", ignored=IGNORED),
        factory.finding(4, status="protected"),
        factory.finding(5, kind="information", severity="critical"),
        factory.finding(6, kind="sensitive_content", severity="medium", status="retesting"),
        factory.finding(7, status="whatever"),
    )
    assert summary["states"] == {"open": 3, "ignored": 1, "protected": 1, "fixed": 1, "information": 1}
    assert sum(summary["states"].values()) == summary["total"] == 7
    assert summary["open_by_severity"]["critical"] == 2
    assert summary["by_kind"]["sensitive_content"]["open"] == 1
    assert summary["quality"]["unknown_status"] == 1
    assert sum(sum(counts.values()) for counts in summary["by_age"].values()) == 3
    assert summary["ignored_by_reason"] == {"False positive": 1}


@pytest.mark.parametrize(
    ("first_seen", "bucket"),
    [
        ("2026-11-20T09:12:00Z", "0-7 days"),
        ("2026-11-13T09:12:00Z", "0-7 days"),
        ("2026-11-12T09:12:00Z", "8-30 days"),
        ("2026-10-21T09:12:00Z", "8-30 days"),
        ("2026-10-20T09:12:00Z", "31-90 days"),
        ("2026-08-22T09:12:00Z", "31-90 days"),
        ("2026-08-21T09:12:00Z", "91-180 days"),
        ("2026-05-24T09:12:00Z", "91-180 days"),
        ("2026-05-23T09:12:00Z", "over 180 days"),
        ("2027-01-01T00:00:00Z", "0-7 days"),
        ("yesterday", "age not known"),
        (None, "age not known"),
    ],
)
def test_age_buckets(first_seen: str | None, bucket: str) -> None:
    by_age = summary_of(factory.finding(first_seen=first_seen))["by_age"]
    assert [label for label, counts in by_age.items() if any(counts.values())] == [bucket]


def test_applications_are_worst_first() -> None:
    def app(name: str) -> dict[str, t.Any]:
        return {"id": name, "name": name, "url": None, "tags": []}

    summary = summary_of(
        factory.finding(1, asset=app("many"), severity="low"),
        factory.finding(2, asset=app("many"), severity="low"),
        factory.finding(3, asset=app("bad"), severity="high"),
        factory.finding(4, asset=app("done"), status="fixed"),
    )
    assert [item["name"] for item in summary["applications"]] == ["bad", "many", "done"]
    assert summary["applications_with_findings"] == 3
    assert summary["applications_with_open"] == 2


def test_severity_decides_the_rank_and_spread_counts() -> None:
    everything = {"cvss_score": 10.0, "status": "reopened", "first_seen": "2020-01-01T00:00:00Z", "times_seen": 99}
    high = [
        factory.finding(n, rule_id="1", title="H", severity="high", asset={"id": str(n), "name": str(n)}, **everything)
        for n in range(40)
    ]
    weak = factory.finding(99, rule_id="2", title="C", severity="critical", cvss_score=None, detection_score=None)
    risks = summary_of(*high, weak | {"times_seen": 0, "first_seen": factory.NOW})["top_risks"]
    assert [(risk["title"], risk["score"]) for risk in risks] == [("C", 401), ("H", 399)]
    assert risks[1]["applications"] == 40
    assert risks[1]["reopened"] == 40


def test_summary_does_not_depend_on_the_order_of_the_input() -> None:
    findings = list(factory.estate_findings(300))
    assert summary_of(*findings) == summary_of(*reversed(findings))
    assert json.loads(json.dumps(summary_of(*findings))) == summary_of(*findings)


def test_broken_records_are_counted_and_not_fatal() -> None:
    summary = summary_of(
        {}, {"asset": 7, "owasp": [3], "cwe": ["x"], "evidence": "no", "times_seen": True, "severity": []}
    )
    assert summary["total"] == 2
    assert summary["quality"]["unknown_severity"] == 2
    assert summary["quality"]["without_title"] == 2


def changes_between(
    folder: pathlib.Path, before: list[factory.Record], now: list[factory.Record]
) -> tuple[model.Changes, dict[str, str]]:
    """The changes, and the mark of each finding by id."""
    old = factory.write_snapshot(folder / "old.ndjson", before, finished="2026-11-13T00:00:00Z")
    new = factory.write_snapshot(folder / "new.ndjson", now)
    run({"findings": [old], "outputs": {"json": folder / "old.json"}}, False)
    run({"findings": [new], "outputs": {"json": folder / "new.json"}, "previous": folder / "old.json"}, False)
    report = json.loads((folder / "new.json").read_text())
    return report["changes"], {item["id"]: item["change"] for item in report["findings"] if item["change"]}


def test_every_kind_of_change(tmp_path: pathlib.Path) -> None:
    def version(number: int, **members: t.Any) -> factory.Record:
        return factory.finding(number, id=str(number), **members)

    before = [
        version(2, status="fixed"),
        version(3, severity="medium"),
        version(4),
        version(5),
        version(6),
        version(7),
        version(8, ignored=IGNORED),
        version(9, severity="critical"),
        version(10),
        version(11, severity="unknown"),
        version(12, kind="information"),
        version(14, status="fixed"),
    ]
    now = [
        version(1),
        version(2, status="reopened"),
        version(3, severity="critical"),
        version(4, status="fixed"),
        version(6, status="protected"),
        version(7, ignored=IGNORED),
        version(8),
        version(9, severity="high"),
        version(10),
        version(11, severity="high"),
        version(13, kind="information"),
        version(14, status="fixed"),
        version(15, status="fixed"),
    ]
    found, marks = changes_between(tmp_path, before, now)
    assert found["counts"] == dict.fromkeys(model.CHANGES, 1)
    assert marks == {
        "1": "new",
        "2": "reopened",
        "3": "escalated",
        "4": "fixed",
        "6": "protected",
        "7": "ignored",
        "8": "reactivated",
        "9": "lowered",
    }
    assert found["worst"]["escalated"][0]["severity_before"] == "medium"
    assert found["worst"]["gone"][0]["title"] == "SQL injection"
    counts = found["counts"]
    gained = counts["new"] + counts["reopened"] + counts["reactivated"]
    lost = counts["fixed"] + counts["protected"] + counts["ignored"] + counts["gone"]
    assert found["open_before"] + gained - lost == found["open_now"]


def test_open_risks_reconcile_on_an_estate(tmp_path: pathlib.Path) -> None:
    now = list(factory.estate_findings(2000))
    found, _marks = changes_between(tmp_path, list(factory.estate_before(now)), now)
    counts = found["counts"]
    gained = counts["new"] + counts["reopened"] + counts["reactivated"]
    lost = counts["fixed"] + counts["protected"] + counts["ignored"] + counts["gone"]
    assert found["open_before"] + gained - lost == found["open_now"]
    assert found["same_scope"]


def test_two_findings_with_one_fingerprint_both_count(tmp_path: pathlib.Path) -> None:
    twins = [factory.finding(n, unique_id=None, fingerprint="same") for n in (1, 2)]
    found, _marks = changes_between(tmp_path, twins, twins[:1])
    assert found["counts"]["gone"] == 1
    assert found["counts"]["new"] == 0


def test_a_summary_alone_is_enough_for_figures(tmp_path: pathlib.Path) -> None:
    summary = summary_of(factory.finding(1), factory.finding(2))
    (tmp_path / "old.json").write_text(json.dumps(summary))
    previous = changes.read_previous(tmp_path / "old.json")
    report = collect.build(FindingList([factory.finding(1)]), title="x", generated=factory.NOW, previous=previous)
    assert report.changes
    assert not report.changes["listed"]
    assert report.changes["open_before"] == 2


def test_a_reformatted_report_is_understood(tmp_path: pathlib.Path) -> None:
    snapshot = factory.write_snapshot(tmp_path / "a.ndjson", [factory.finding(1)])
    run({"findings": [snapshot], "outputs": {"json": tmp_path / "a.json"}}, False)
    streamed = changes.read_previous(tmp_path / "a.json")
    (tmp_path / "b.json").write_text(json.dumps(json.loads((tmp_path / "a.json").read_text()), indent=4))
    assert changes.read_previous(tmp_path / "b.json") == streamed
    assert streamed.findings


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"summary": {}}', '{"summary": 3}', "{\n" + '"findings": [\n']
)
def test_what_is_no_report_is_refused(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(FileError, match="not a JSON report"):
        changes.read_previous(tmp_path / "x.json")


def test_another_scope_is_said(tmp_path: pathlib.Path) -> None:
    old = factory.write_snapshot(
        tmp_path / "old.ndjson", [factory.finding(1)], filters=[{"field": "webApp.id", "value": "1"}]
    )
    new = factory.write_snapshot(tmp_path / "new.ndjson", [factory.finding(1)])
    run({"findings": [old], "outputs": {"json": tmp_path / "old.json"}}, False)
    outputs = {"markdown": tmp_path / "new.md", "html": tmp_path / "new.html"}
    run({"findings": [new], "outputs": outputs, "previous": tmp_path / "old.json"}, False)
    for path in outputs.values():
        assert "another scope" in path.read_text()


def test_only_an_application_that_is_known_to_have_no_scan_was_never_scanned() -> None:
    webapps: list[factory.Record] = [
        {"id": 1, "name": "A", "last_scan": {"date": "2026-11-01T00:00:00Z", "status": "FINISHED"}, "risk_score": 7},
        {"id": 2, "name": "B", "last_scan": None},
        {"id": 3, "name": None, "url": "https://c.example"},
    ]
    report = collect.build(FindingList([]), title="x", generated="", webapps=webapps)
    assert [item["name"] for item in collect.never_scanned(report)] == ["B"]


def test_scores_keep_their_decimals(tmp_path: pathlib.Path) -> None:
    found = factory.write_snapshot(tmp_path / "f.ndjson", [factory.finding(1, detection_score=71.5)])
    run({"findings": [found], "outputs": {"csv": tmp_path / "r.csv"}}, False)
    assert ",71.5," in (tmp_path / "r.csv").read_text()
    for told, score in ((612.5, 612.5), (612.0, 612), ("612.5", None), (True, None)):
        app = collect.web_application({"id": 1, "name": "A", "risk_score": told})
        assert app["risk_score"] == score

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report takes beside findings: a verdict, scans, and the catalog that declares the applications."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    FileError,
    MissingLibrary,
    OptionError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide import gate_json
from ansible_collections.appsec.perimeter.plugins.module_utils._records.verdicts import CODES
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs import gate_view, places
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.gate_view import read_gate
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.model import Place
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.places import read_places
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.scans import read_scan_inputs
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._gate import gate_kit
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit


def test_verdicts_and_codes_are_those_of_the_gate() -> None:
    assert gate_json.CODES is gate_view.CODES is CODES


@pytest.mark.parametrize("words", ["x" * 5000, "\ud800", "\x00", "", "name:shop", "a\u0000b"])
def test_a_decision_is_found_again_whatever_the_identity_holds(tmp_path: Path, words: str) -> None:
    findings = [
        factory.finding(1, id=words, unique_id=words, fingerprint=words),
        factory.finding(2, asset={"id": words, "name": words, "url": None, "tags": []}),
        factory.finding(3, asset={"id": None, "name": words, "url": None, "tags": []}),
    ]
    gate = kit.gate_of(tmp_path, findings)
    assert all(gate.decision(finding) for finding in kit.report_of(findings).findings)


def test_the_same_finding_of_two_applications_has_two_decisions(tmp_path: Path) -> None:
    findings = [factory.finding(1), factory.finding(1, asset={"id": "2", "name": "b", "url": None, "tags": []})]
    match = {"applications": ["b"]}
    gate = kit.gate_of(tmp_path, findings, waivers=gate_kit.waivers(gate_kit.waiver(match=match)))
    decisions = [gate.decision(finding) for finding in kit.report_of(findings).findings]
    assert sorted(item.decision for item in decisions if item) == ["fail", "waived"]


@pytest.fixture
def verdict(tmp_path: Path) -> Path:
    kit.gate_of(tmp_path, [factory.finding(1), factory.finding(2)])
    return tmp_path / "gate.json"


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"record": "report"}, "is not the verdict of a gate"),
        ({"schema": 2}, "a schema other than 1"),
        ({"verdict": "pass"}, "no valid verdict, or an exit code that does not match it"),
        ({"verdict": "fine"}, "no valid verdict"),
        ({"exit_code": "10"}, "no valid verdict"),
        ({"explain_file": {"path": "other.ndjson", "sha256": ""}}, "other.ndjson cannot be read"),
        ({"explain_file": {"path": "../../etc/passwd", "sha256": ""}}, "passwd cannot be read"),
        ({"explain_file": {"path": "findings.ndjson", "sha256": ""}}, "is not a file of explanations"),
        ({"explain_file": {"path": "gate.explain.ndjson", "sha256": "0"}}, "does not have the SHA-256"),
    ],
)
def test_a_verdict_that_is_none_is_refused(verdict: Path, changes: dict[str, Any], words: str) -> None:
    _edit(verdict, **changes)
    with pytest.raises(FileError, match=words):
        read_gate(verdict)


@pytest.mark.parametrize("content", ["", "[]", "{", "\udcff"])
def test_something_else_is_no_verdict(tmp_path: Path, content: str) -> None:
    path = tmp_path / "gate.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(FileError):
        read_gate(path)


def test_the_module_reports_the_verdict(tmp_path: Path, verdict: Path) -> None:
    outputs = {name: tmp_path / f"out.{name}" for name in kit.CHECKS}
    result = run({"findings": [tmp_path / "findings.ndjson"], "gate": str(verdict), "outputs": outputs}, False)
    assert result.values["summary"]["verdict"] == "fail"
    for name, path in outputs.items():
        kit.CHECKS[name](path.read_text())


def test_another_run_of_the_gate_with_the_same_result_changes_the_time_only(tmp_path: Path, verdict: Path) -> None:
    options = {"findings": [tmp_path / "findings.ndjson"], "gate": verdict, "outputs": {"json": tmp_path / "out.json"}}
    run(options, False)
    _edit(verdict, run_id="8", started="2026-11-21T00:00:00Z")
    assert run(options, False).values["only_time_changed"]
    _edit(verdict, reasons=[])
    assert not run(options, False).values["only_time_changed"]


def test_no_output_replaces_an_input(tmp_path: Path, verdict: Path) -> None:
    with pytest.raises(OptionError, match=r"outputs\.json and gate are the same file"):
        run({"findings": [tmp_path / "findings.ndjson"], "gate": verdict, "outputs": {"json": verdict}}, False)


CATALOG = """\
# The applications.
webapps:
  - name: shop
    url: https://shop.example.com/
  - {url: x, name: "täg 日本"}
  - name: !vault secret
  - nothing: here
  - name: [a]
  - name: >-
      folded
      name
schedules:
  - name: not an application
---
webapps: [{name: second document}]
"""


def test_places_are_the_lines_of_the_names(tmp_path: Path) -> None:
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "web apps.yml").write_text(CATALOG, encoding="utf-8")
    (tmp_path / "catalog" / "z.yaml").write_text("webapps: [{name: shop}, {name: late}]")
    (tmp_path / "catalog" / "notes.txt").write_text("{")
    found = read_places([tmp_path / "catalog"], tmp_path)
    path = "catalog/web apps.yml"
    assert found["shop"] == Place(path, 3, 11, 15)
    assert found["shop"].uri == "catalog/web%20apps.yml"
    assert found["täg 日本"] == Place(path, 5, 20, 28)
    assert found["secret"][:2] == (path, 6)
    assert found["folded name"][:3] == (path, 9, 11)
    assert found["second document"][:2] == (path, 15)
    assert found["late"].path == "catalog/z.yaml"
    assert "not an application" not in found


def test_no_tag_of_a_catalog_is_carried_out(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(
        'webapps:\n  - name: !!python/object/apply:os.system ["touch pwned"]\n  - name: b\n'
    )
    assert list(read_places([tmp_path / "a.yml"], tmp_path)) == ["b"]
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", ["a: [", "\t- x", "a: *b", "\x00"])
def test_what_is_not_yaml_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.yml").write_text(content)
    with pytest.raises(FileError, match="is not YAML"):
        read_places([tmp_path / "a.yml"], tmp_path)


@pytest.mark.parametrize("content", ["", "- 1", "webapps: x", "webapps: {name: x}", "? [a]\n: b\nwebapps: ~"])
def test_a_file_without_applications_has_no_places(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.yml").write_text(content)
    assert read_places([tmp_path / "a.yml"], tmp_path) == {}


def test_a_catalog_outside_the_repository_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(CATALOG)
    (tmp_path / "root").mkdir()
    with pytest.raises(OptionError, match="is not below"):
        read_places([tmp_path / "a.yml"], tmp_path / "root")
    with pytest.raises(FileError, match="cannot be read"):
        read_places([tmp_path / "root" / "missing.yml"], tmp_path)


def test_a_catalog_needs_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "HAS_YAML", False)
    assert read_places([], tmp_path) == {}
    with pytest.raises(MissingLibrary, match="PyYAML"):
        read_places([tmp_path], tmp_path)


def test_the_module_puts_results_on_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "webapps.yml").write_text("webapps:\n  - name: Shop DE\n")
    file = factory.write_snapshot(tmp_path / "findings.ndjson", [factory.finding()])
    monkeypatch.chdir(tmp_path)
    run({"findings": [file], "catalog": ["webapps.yml"], "outputs": {"sarif": "out.sarif"}}, False)
    (result,) = kit.check_sarif(Path("out.sarif").read_text())["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "webapps.yml"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 2


def test_scans_come_as_records_and_files(tmp_path: Path) -> None:
    lines = [json.dumps(gate_kit.scan(id=str(number), ended=f"2026-11-0{number}T00:00:00Z")) for number in (1, 2)]
    (tmp_path / "scans.ndjson").write_text("\n".join([*lines, '{"record": "gap", "schema": 1}']))
    (tmp_path / "scans.json.gz").write_bytes(gzip.compress(json.dumps([gate_kit.scan(id="3")]).encode()))
    odd = gate_kit.scan(id="4", asset=None, links_crawled="many", conclusive="yes", source=None)
    found = read_scan_inputs([odd, str(tmp_path / "scans.ndjson"), tmp_path / "scans.json.gz"]).scans()
    assert (found[0].application, found[0].id) == ("(application not named)", "4")
    assert sorted(row.id or "" for row in found) == ["1", "2", "3", "4"]
    assert (found[0].links_crawled, found[0].conclusive, found[0].source) == (None, None, "unknown")


@pytest.mark.parametrize("given", [5, None, ["x"], ""])
def test_something_else_is_no_scan(given: Any) -> None:
    with pytest.raises(OptionError, match="neither a record nor a path"):
        read_scan_inputs([given])


@pytest.mark.parametrize("content", ["{", "[1]", '{"record": "scan", "schema": 9}', "\x1f\x8b"])
def test_a_file_that_holds_no_scans_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "scans.json").write_text(content, encoding="latin-1")
    with pytest.raises(FileError, match=r"scans"):
        read_scan_inputs([str(tmp_path / "scans.json")])
    with pytest.raises(FileError, match="cannot be read"):
        read_scan_inputs([str(tmp_path / "missing.json")])


@pytest.mark.parametrize("name", ["html", "markdown", "json"])
def test_scans_are_shown(name: str) -> None:
    report = kit.report_of(
        [factory.finding()], scans=read_scan_inputs([gate_kit.scan(conclusive=False, links_crawled=4242)]).scans()
    )
    content = kit.render(name, report)
    assert "4,242" in content or "4242" in content
    assert "shop" in content


@pytest.mark.parametrize("compress", [False, True])
def test_scans_are_read_from_the_directory_of_a_stream(tmp_path: Path, compress: bool) -> None:
    line = json.dumps({"record": "scan", "schema": 1, "source": "indusface", "id": "7", "asset": {"name": "shop"}})
    folder = tmp_path / "dt=2026-01-01"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(gzip.compress(line.encode()) if compress else line.encode())
    assert [(scan.application, scan.id) for scan in read_scan_inputs([str(tmp_path)]).scans()] == [("shop", "7")]


def test_findings_that_differ_in_nothing_that_sorts_them_have_one_order() -> None:
    findings = [factory.finding(1, status=status) for status in ("open", "fixed", "new")]
    assert FindingList(findings) == FindingList(findings[::-1])
    assert [item["status"] for item in FindingList(findings)] == ["fixed", "new", "open"]

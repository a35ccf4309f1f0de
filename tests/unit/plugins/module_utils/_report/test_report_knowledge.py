# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules mean: reading the entries, joining them to the findings, and hostile texts in every format."""

from __future__ import annotations

import functools
import io
import json
import pathlib
import typing as t

import pytest
from hypothesis import given

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import knowledge
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import collect
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.model import ReportInput
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import WRITERS, write_text
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report.test_report_escaping import (
    ANY_TEXT,
    COMMAND,
    HIDDEN,
    SLOW,
    Shape,
    and_every_payload,
    shape_of,
)

ENTRY = {
    "qid": 150001,
    "title": "Reflected XSS",
    "diagnosis": "A page <b>echoes</b> input.<P>Second paragraph",
    "consequence": "Sessions can be <i>stolen</i>.",
    "solution": "<ul><li>Encode output</li><li>Use a &lt;policy&gt;</li></ul><script>alert(1)</script>",
    "cves": ["CVE-2024-50001", "not a CVE", 7, "cve-2019-1234567"],
}
SOLUTION = "- Encode output\n- Use a <policy>"


def finding(number: int = 1, rule: str = "150001", **more: t.Any) -> factory.Record:
    return factory.finding(number, rule_id=rule, source="qualys", **more)


def report_of(entry: dict[str, t.Any] | None = None, findings: list[factory.Record] | None = None) -> ReportInput:
    entries = {("qualys", "150001"): ENTRY if entry is None else entry}
    return collect.build(
        FindingList([finding()] if findings is None else findings),
        title="Report",
        generated=factory.NOW,
        knowledge=entries,
    )


def render(name: str, report: ReportInput) -> str:
    stream = io.StringIO(newline="")
    write_text(name, report, stream)
    return stream.getvalue()


def entries_file(folder: pathlib.Path, content: t.Any) -> pathlib.Path:
    path = folder / "knowledge.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "content",
    [
        [ENTRY],
        {"entries": [ENTRY]},
        {"record": "knowledge", "schema": 1, "source": "qualys", "entries": [ENTRY]},
        {"entries": [ENTRY], "changed": False, "missing": [0]},
        ENTRY,
        json.dumps(ENTRY) + "\n\n" + json.dumps({**ENTRY, "qid": "150002"}) + "\n",
    ],
    ids=["list", "entries", "written-by-the-module", "result-of-the-module", "one-entry", "ndjson"],
)
def test_every_form_of_the_file_is_read(tmp_path: pathlib.Path, content: t.Any) -> None:
    found = knowledge.read_knowledge(entries_file(tmp_path, content))
    assert found["qualys", "150001"]["title"] == "Reflected XSS"


@pytest.mark.parametrize(
    "content",
    ["", "no json", "[1]", '{"entries": 1}', '[{"qid": true}]', '[{"title": "x"}]', '{"entries": [], "schema": 2}'],
)
def test_any_other_file_is_refused_by_its_name(tmp_path: pathlib.Path, content: str) -> None:
    path = entries_file(tmp_path, content)
    if not content:
        # No line is no entry, which is what a run without findings writes.
        assert knowledge.read_knowledge(path) == {}
        return
    with pytest.raises(FileError, match=r"knowledge: .*knowledge\.json holds no entries"):
        knowledge.read_knowledge(path)


def test_a_missing_file_is_refused_by_its_name(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileError, match=r"knowledge: cannot read .*gone\.json: no such file"):
        knowledge.read_knowledge(tmp_path / "gone.json")


def test_html_of_the_vendor_becomes_plain_words() -> None:
    (rule,) = report_of().knowledge or ()
    assert rule["diagnosis"] == "A page echoes input.\n\nSecond paragraph"
    assert rule["solution"] == SOLUTION
    assert rule["cves"] == ["CVE-2019-1234567", "CVE-2024-50001"]
    assert (rule["findings"], rule["open"]) == (1, 1)


def test_words_that_are_plain_already_are_not_read_as_html() -> None:
    (rule,) = report_of({**ENTRY, "solution_text": "Set <b> to &lt;"}).knowledge or ()
    assert rule["solution"] == "Set <b> to &lt;"


@pytest.mark.parametrize("name", ["html", "markdown", "json"])
def test_each_format_says_what_it_means_and_how_to_fix_it(name: str) -> None:
    page = render(name, report_of())
    assert "CVE-2024-50001" in page
    assert "Encode output" in page
    assert "Second paragraph" in page
    assert "alert(1)" not in page
    assert "<policy>" not in page.replace(json.dumps(SOLUTION), "")
    without = collect.build(FindingList([finding()]), title="Report", generated=factory.NOW)
    assert "Encode output" not in render(name, without)
    assert "How to fix" not in render("markdown", without)
    assert "How to fix" not in "".join(shape_of(render("html", without)).words)


def test_only_rules_that_were_found_are_shown_worst_first() -> None:
    entries = {("qualys", str(qid)): {**ENTRY, "qid": qid, "title": f"Rule {qid}"} for qid in (1, 2, 3, 4)}
    entries["other", "5"] = {**ENTRY, "qid": 5}
    findings = [
        finding(1, "1", severity="low"),
        finding(2, "2", severity="critical", status="fixed"),
        finding(3, "3", severity="high"),
        finding(4, "3", severity="medium"),
        finding(5, "5"),
        finding(6, "0"),
    ]
    report = collect.build(FindingList(findings), title="r", generated=factory.NOW, knowledge=entries)
    rules = report.knowledge or ()
    assert [(rule["rule_id"], rule["severity"], rule["open"]) for rule in rules] == [
        ("3", "high", 2),
        ("1", "low", 1),
        ("2", "critical", 0),
    ]
    # Rule 5 is of another source; imported findings have no rule at all.
    assert report.summary["quality"]["rules_without_knowledge"] == 1
    assert "1 rule without an entry in the knowledge base." in collect.quality_notes(report)


def poisoned(payload: str) -> ReportInput:
    texts = dict.fromkeys(("title", "diagnosis", "consequence", "solution"), payload)
    plain = dict.fromkeys(("diagnosis_text", "consequence_text", "solution_text"), payload)
    entries = {
        ("qualys", "150001"): {"qid": 150001, **texts, "cves": [payload, "CVE-2024-0001"]},
        ("qualys", "150002"): {"qid": 150002, **texts, **plain, "cves": payload},
    }
    findings = [finding(1), finding(2, "150002")]
    return collect.build(FindingList(findings), title="Report", generated=factory.NOW, knowledge=entries)


@functools.cache
def harmless_shape() -> Shape:
    """The page that others are compared with."""
    return shape_of(render("html", poisoned("harmless")))


@functools.cache
def harmless_headings() -> int:
    return len([line for line in render("markdown", poisoned("x")).splitlines() if line[:1] == "#"])


@SLOW
@and_every_payload
@given(ANY_TEXT)
def test_hostile_texts_make_no_markup(payload: str) -> None:
    plain, hostile = harmless_shape(), shape_of(render("html", poisoned(payload)))
    assert {tag for tag, _names in hostile.tags} <= {tag for tag, _names in plain.tags}
    assert {names for _tag, names in hostile.tags} <= {names for _tag, names in plain.tags}
    assert all(address.startswith("#") or address == "data:," for address in hostile.addresses)
    assert len(hostile.scripts) == 3
    assert hostile.scripts[2] == plain.scripts[2]
    # Line breaks of the page itself stay; nothing else that hides or moves text does.
    assert not HIDDEN.search("".join(hostile.words))


@SLOW
@given(ANY_TEXT)
def test_hostile_texts_make_no_structure_in_markdown(payload: str) -> None:
    page = render("markdown", poisoned(payload))
    assert not HIDDEN.search(page)
    for line in page.splitlines():
        assert not COMMAND.search(line)
        assert not line.lstrip("> ").startswith(("#", "- [", "```")) or line.startswith(("# ", "## ", "### "))
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert len(headings) == harmless_headings()
    assert "<script" not in page


@SLOW
@given(ANY_TEXT)
def test_json_keeps_the_words_and_stays_readable_line_by_line(payload: str) -> None:
    page = render("json", poisoned(payload))
    found = json.loads(page)
    assert page.isascii()
    assert "##" not in page
    rules = {rule["rule_id"]: rule for rule in found["knowledge"]}
    assert rules["150002"]["solution"] == (payload.strip() or None)


def test_a_report_can_be_compared_with_one_that_has_knowledge(tmp_path: pathlib.Path) -> None:
    snapshot = factory.write_snapshot(tmp_path / "1.ndjson", [finding(1)])
    outputs = {name: str(tmp_path / f"report.{name}") for name in WRITERS}
    params = {"findings": [snapshot], "outputs": outputs, "knowledge": entries_file(tmp_path, [ENTRY])}
    first = run(params, False).values
    assert first["summary"]["rules_explained"] == 1
    assert not first["only_time_changed"]
    second = run(params, False)
    assert not second.changed
    assert second.values["only_time_changed"]
    assert json.loads((tmp_path / "report.json").read_bytes())["knowledge"][0]["solution"] == SOLUTION


def test_an_output_may_not_replace_the_knowledge(tmp_path: pathlib.Path) -> None:
    snapshot = factory.write_snapshot(tmp_path / "1.ndjson", [finding(1)])
    path = entries_file(tmp_path, [ENTRY])
    with pytest.raises(OptionError, match=r"outputs\.json and knowledge are the same file"):
        run({"findings": [snapshot], "outputs": {"json": path}, "knowledge": path}, False)


def test_notes_stand_with_the_data(tmp_path: pathlib.Path) -> None:
    snapshot = factory.write_snapshot(tmp_path / "1.ndjson", [finding(1)])
    path = tmp_path / "report.md"
    run({"findings": [snapshot], "outputs": {"markdown": path}, "notes": ["The knowledge base slept."]}, False)
    assert "- The knowledge base slept." in path.read_text()


# What counts as another report


@pytest.mark.parametrize(
    "change",
    [{"title": "other"}, {"webapps": [{"id": 1, "name": "new"}]}, {"scope": ["other"]}, {"notes": ["something"]}],
    ids=["title", "webapps", "scope", "notes"],
)
def test_what_the_user_gave_is_more_than_time(tmp_path: pathlib.Path, change: dict[str, t.Any]) -> None:
    snapshot = factory.write_snapshot(tmp_path / "1.ndjson", [finding(1)])
    params: dict[str, t.Any] = {"findings": [snapshot], "outputs": {"json": tmp_path / "r.json"}, "scope": ["s"]}
    run(params, False)
    later = factory.write_snapshot(tmp_path / "1.ndjson", [finding(1)], finished="2026-11-21T09:12:00Z")
    same = run({**params, "findings": [later]}, False)
    assert same.changed
    assert same.values["only_time_changed"]
    other = run({**params, "findings": [later], **change}, False)
    assert other.changed
    assert not other.values["only_time_changed"]


def test_a_report_that_was_removed_is_not_only_time(tmp_path: pathlib.Path) -> None:
    snapshot = factory.write_snapshot(tmp_path / "1.ndjson", [finding(1)])
    outputs = {"json": tmp_path / "r.json", "csv": tmp_path / "r.csv"}
    run({"findings": [snapshot], "outputs": outputs}, False)
    outputs["csv"].unlink()
    result = run({"findings": [snapshot], "outputs": outputs}, False)
    assert {item["format"]: item["created"] for item in result.values["written"]} == {"json": False, "csv": True}
    assert not result.values["only_time_changed"]


def scoped(folder: pathlib.Path, name: str, ids: str, scope: list[t.Any] | None) -> bool | None:
    filters = [{"field": "webApp.id", "operator": "IN", "value": ids}]
    snapshot = factory.write_snapshot(folder / f"{name}.ndjson", [finding(1)], filters=filters)
    params = {"findings": [snapshot], "outputs": {"json": folder / "r.json"}, "scope": scope}
    found: bool | None = run(params, False).values["summary"]["same_scope"]
    return found


def test_ids_that_come_and_go_are_the_same_scope_when_it_is_told(tmp_path: pathlib.Path) -> None:
    asked = [{"field": "url", "operator": "CONTAINS", "value": "shop"}]
    assert scoped(tmp_path, "1", "1,2", asked) is None
    assert scoped(tmp_path, "2", "1,2,3", asked) is True
    assert scoped(tmp_path, "3", "1,2,3", [{**asked[0], "value": "pay"}]) is False
    # Nothing was asked for this time, or nobody said so: then only the ids can tell.
    assert scoped(tmp_path, "4", "1,2,3", None) is True
    assert scoped(tmp_path, "5", "1,2", None) is False

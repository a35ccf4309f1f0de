# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options in, files out: reading, manifests, atomic writing, check mode."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import time
import typing as t

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._report import writers
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures import collect
from ansible_collections.appsec.perimeter.plugins.module_utils._report.figures.rows import feed
from ansible_collections.appsec.perimeter.plugins.module_utils._report.formats import markdown_writer
from ansible_collections.appsec.perimeter.plugins.module_utils._report.html import assets
from ansible_collections.appsec.perimeter.plugins.module_utils._report.inputs.read import FindingList
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.plugins.module_utils._report.writers import WRITERS
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory

ROOT = pathlib.Path(__file__).resolve().parents[5]
FOR_PEOPLE = ("html", "json", "csv", "markdown")
"""The formats that say the same in the same words; those of CI systems are tested in test_report_formats.py."""
MARKED = [name for name in WRITERS if name != "gitlab_annotations"]
"""Annotations of GitLab are links and nothing else."""


def outputs_in(folder: pathlib.Path) -> dict[str, str]:
    return {name: str(folder / f"report.{name}") for name in WRITERS}


def contents(outputs: dict[str, str]) -> dict[str, bytes]:
    return {name: pathlib.Path(path).read_bytes() for name, path in outputs.items()}


@pytest.fixture
def snapshot(tmp_path: pathlib.Path) -> pathlib.Path:
    return factory.write_snapshot(tmp_path / "findings.ndjson.gz", factory.estate_findings(60))


def test_first_run_writes_and_second_changes_nothing(tmp_path: pathlib.Path, snapshot: pathlib.Path) -> None:
    outputs = outputs_in(tmp_path)
    first = run({"findings": [str(snapshot)], "outputs": outputs}, False)
    before = contents(outputs)
    assert first.changed
    assert [item["format"] for item in first.values["written"]] == list(WRITERS)
    for item in first.values["written"]:
        assert item["changed"]
        assert item["bytes"] == os.path.getsize(item["path"])
        assert stat.S_IMODE(os.stat(item["path"]).st_mode) == 0o600
    inodes = [os.stat(path).st_ino for path in outputs.values()]
    second = run({"findings": [str(snapshot)], "outputs": outputs}, False)
    assert not second.changed
    assert contents(outputs) == before
    assert [os.stat(path).st_ino for path in outputs.values()] == inodes
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_the_report_that_is_replaced_is_the_previous_run(tmp_path: pathlib.Path) -> None:
    outputs = outputs_in(tmp_path)
    first = factory.write_snapshot(tmp_path / "1.ndjson", [factory.finding(1), factory.finding(2)])
    second = factory.write_snapshot(tmp_path / "2.ndjson", [factory.finding(2), factory.finding(3), factory.finding(4)])
    assert run({"findings": [first], "outputs": outputs}, False).values["summary"]["changes"] is None
    assert "No previous run" in pathlib.Path(outputs["markdown"]).read_text()
    result = run({"findings": [second], "outputs": outputs}, False)
    assert result.values["summary"]["changes"]["new"] == 2
    assert result.values["summary"]["changes"]["gone"] == 1
    # The same data again is the same run: it keeps what it said about the run before.
    before = contents(outputs)
    again = run({"findings": [second], "outputs": outputs}, False)
    assert not again.changed
    assert again.values["summary"]["changes"]["new"] == 2
    assert contents(outputs) == before


def test_a_foreign_file_at_the_json_output_does_not_block(tmp_path: pathlib.Path, snapshot: pathlib.Path) -> None:
    outputs = outputs_in(tmp_path)
    pathlib.Path(outputs["json"]).write_text("garbage")
    assert run({"findings": [snapshot], "outputs": outputs}, False).changed
    assert "nothing to compare with" in pathlib.Path(outputs["markdown"]).read_text()


def test_existing_mode_is_kept(tmp_path: pathlib.Path, snapshot: pathlib.Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("old")
    path.chmod(0o640)
    run({"findings": [snapshot], "outputs": {"csv": path}}, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_check_mode_predicts_and_writes_nothing(tmp_path: pathlib.Path, snapshot: pathlib.Path) -> None:
    params = {"findings": [str(snapshot)], "outputs": outputs_in(tmp_path)}
    listing = sorted(os.listdir(tmp_path))
    predicted = run(params, True)
    assert predicted.changed
    assert sorted(os.listdir(tmp_path)) == listing
    real = run(params, False)
    assert predicted == real
    assert not run(params, True).changed


def test_order_of_findings_and_files_does_not_matter(tmp_path: pathlib.Path) -> None:
    findings = list(factory.estate_findings(80))
    seen = set()
    for number, order in enumerate((findings, findings[::-1])):
        file = factory.write_snapshot(tmp_path / f"{number}.ndjson", order, manifest=False)
        path = tmp_path / f"{number}.csv"
        run({"findings": [file], "outputs": {"csv": path}}, False)
        seen.add(path.read_bytes())
    assert len(seen) == 1


def test_without_a_manifest_the_newest_test_is_the_time(tmp_path: pathlib.Path) -> None:
    file = factory.write_snapshot(
        tmp_path / "a.ndjson",
        [
            factory.finding(1),
            factory.finding(2, last_tested="2026-11-21T00:00:00Z"),
            factory.finding(3, last_tested="zzz"),
        ],
        manifest=False,
    )
    result = run({"findings": [file], "outputs": {"json": tmp_path / "a.json"}}, False)
    assert result.values["summary"]["generated"] == "2026-11-21T00:00:00Z"
    assert not result.values["summary"]["complete"]
    assert "Scope unknown" in result.warnings[0]


@pytest.mark.parametrize("name", MARKED)
def test_incomplete_data_is_announced_in_every_format(tmp_path: pathlib.Path, name: str) -> None:
    file = factory.write_snapshot(tmp_path / "a.ndjson", [factory.finding(1)], complete=False, announced_after=7)
    path = tmp_path / "out"
    result = run({"findings": [file], "outputs": {name: path}}, False)
    assert "incomplete data" in path.read_text(encoding="utf-8-sig").lower()
    assert not result.values["summary"]["complete"]


@pytest.mark.parametrize("name", FOR_PEOPLE)
def test_zero_findings_is_a_valid_report(tmp_path: pathlib.Path, name: str) -> None:
    file = factory.write_snapshot(tmp_path / "a.ndjson", [])
    path = tmp_path / "out"
    result = run({"findings": [file], "outputs": {name: path}}, False)
    content = path.read_text(encoding="utf-8-sig")
    assert result.values["summary"]["total"] == 0
    if name == "json":
        assert json.loads(content)["findings"] == []
    else:
        assert "No findings" in content
    if name == "csv":
        assert len(list(csv.reader(io.StringIO(content)))) == 2


@pytest.mark.parametrize("name", FOR_PEOPLE)
def test_worst_comes_first(tmp_path: pathlib.Path, name: str) -> None:
    findings = [
        factory.finding(1, severity="low", title="Zebra"),
        factory.finding(2, severity="critical", title="Yak", asset={"id": "2", "name": "b-app"}),
        factory.finding(3, severity="critical", title="Xerus", asset={"id": "2", "name": "b-app"}),
        factory.finding(4, severity="critical", title="Wolf", asset={"id": "1", "name": "a-app"}),
    ]
    file = factory.write_snapshot(tmp_path / "a.ndjson", findings)
    run({"findings": [file], "outputs": {name: tmp_path / "out"}}, False)
    content = (tmp_path / "out").read_text(encoding="utf-8-sig")
    if name == "html":
        content = content[content.rindex('class="findings-static"') :]
        places = [content.index(word) for word in ("Wolf", "Xerus", "Yak", "Zebra")]
        assert places == sorted(places)
    elif name == "json":
        titles = [item["title"] for item in json.loads(content)["findings"]]
        assert titles == ["Wolf", "Xerus", "Yak", "Zebra"]
    elif name == "csv":
        rows = list(csv.DictReader(io.StringIO(content)))
        assert [row["title"] for row in rows] == ["Wolf", "Xerus", "Yak", "Zebra"]
    else:
        places = [content.rindex(word) for word in ("Wolf", "Xerus", "Yak", "Zebra")]
        assert places == sorted(places)


def test_the_later_file_wins_for_the_same_record(tmp_path: pathlib.Path) -> None:
    one = factory.write_snapshot(tmp_path / "1.ndjson", [factory.finding(1, severity="low")])
    two = factory.write_snapshot(tmp_path / "2.ndjson.gz", [factory.finding(1, severity="high")])
    result = run({"findings": [one, two], "outputs": {"json": tmp_path / "a.json"}}, False)
    assert result.values["summary"]["total"] == 1
    assert result.values["summary"]["open_by_severity"]["high"] == 1
    assert result.values["summary"]["quality"]["duplicates"] == 1


def test_gap_records_make_it_incomplete(tmp_path: pathlib.Path) -> None:
    gap = {"record": "gap", "schema": 1, "stream": "x", "from": "a", "to": "b", "reason": "c", "asset": {"id": 1}}
    file = factory.write_snapshot(tmp_path / "a.ndjson", [factory.finding(1), gap])
    result = run({"findings": [file], "outputs": {"json": tmp_path / "a.json"}}, False)
    assert any("gap record" in words for words in result.warnings)
    assert result.values["summary"]["quality"]["other_records"] == 1


# --- Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"records": 2}, "records"),
        ({"schema": 2}, "is not a manifest of this version. It was written by a newer version"),
        ({"record": "finding"}, "the file beside it is not a manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    tmp_path: pathlib.Path, change: dict[str, t.Any], message: str
) -> None:
    file = factory.write_snapshot(tmp_path / "a.ndjson", [factory.finding(1)], **change)
    with pytest.raises(FileError, match=message):
        run({"findings": [file], "outputs": {"json": tmp_path / "a.json"}}, False)
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"3", "not a record"),
        (b"{}", "not a record"),
        (b'{"record": "finding", "schema": 2}', "schema other than 1"),
        (b'{"record": "finding", "schema": 1, "id": NaN}', "not JSON"),
    ],
)
def test_lines_that_are_no_records_are_refused(tmp_path: pathlib.Path, line: bytes, message: str) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(json.dumps(factory.finding(1)).encode() + b"\n" + line + b"\n")
    with pytest.raises(FileError, match=rf"line 2 .*{message}"):
        run({"findings": [file], "outputs": {"json": tmp_path / "a.json"}}, False)


def test_damaged_gzip_is_refused(tmp_path: pathlib.Path, snapshot: pathlib.Path) -> None:
    cut = tmp_path / "cut.ndjson.gz"
    cut.write_bytes(snapshot.read_bytes()[:-20])
    with pytest.raises(FileError, match="cannot read"):
        run({"findings": [cut], "outputs": {"json": tmp_path / "a.json"}}, False)
    with pytest.raises(FileError, match="no such file"):
        run({"findings": [tmp_path / "none"], "outputs": {"json": tmp_path / "a.json"}}, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": {"pdf": "x"}}, "outputs.pdf is not a known format. The formats are html, json, csv, markdown"),
        ({"outputs": {}}, "empty"),
        ({"outputs": {"csv": ""}}, "no path"),
        ({"findings": []}, "empty"),
    ],
)
def test_options_that_cannot_be_acted_on(
    tmp_path: pathlib.Path, snapshot: pathlib.Path, change: dict[str, t.Any], message: str
) -> None:
    params: dict[str, t.Any] = {"findings": [snapshot], "outputs": {"csv": tmp_path / "a.csv"}}
    with pytest.raises(OptionError) as caught:
        run(params | change, False)
    assert message in str(caught.value)


def test_one_place_for_two_things_is_refused(tmp_path: pathlib.Path, snapshot: pathlib.Path) -> None:
    with pytest.raises(OptionError, match="the same file"):
        run({"findings": [snapshot], "outputs": {"csv": tmp_path / "a", "json": tmp_path / "a"}}, False)
    with pytest.raises(OptionError, match=r"outputs\.csv and findings"):
        run({"findings": [snapshot], "outputs": {"csv": snapshot}}, False)


def test_an_unwritable_target_is_named_with_a_way_out(tmp_path: pathlib.Path, snapshot: pathlib.Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "a.csv"):
        with pytest.raises(FileError) as caught:
            run({"findings": [snapshot], "outputs": {"csv": path}}, False)
        assert caught.value.message.startswith("outputs.csv: ")
        assert caught.value.hint


def _leftovers(folder: pathlib.Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.endswith((".tmp", ".old"))]


def test_what_a_killed_run_left_is_removed_once_it_is_old_and_never_in_check_mode(
    tmp_path: pathlib.Path, snapshot: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {".r.csv.k1ll3d_0.tmp", ".r.csv.0123456789ab.old"}
    for name in (*left, ".r.csv.notes.old"):
        (tmp_path / name).write_text("half")
    options = {"findings": [snapshot], "outputs": {"csv": tmp_path / "r.csv"}}
    run(options, False)
    assert left < set(_leftovers(tmp_path))
    now = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: now)
    run(options, True)
    assert left < set(_leftovers(tmp_path))
    run(options, False)
    assert _leftovers(tmp_path) == [".r.csv.notes.old"]


def test_a_writer_that_fails_leaves_every_output_as_it_was(
    tmp_path: pathlib.Path, snapshot: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = outputs_in(tmp_path)
    for path in outputs.values():
        pathlib.Path(path).write_text("old")

    class Full(markdown_writer.MarkdownWriter):
        def row(self, _row: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setitem(writers.WRITERS, "markdown", Full)
    with pytest.raises(FileError, match=r"outputs\.markdown: .*no space left"):
        run({"findings": [snapshot], "outputs": outputs}, False)
    assert set(contents(outputs).values()) == {b"old"}
    assert not _leftovers(tmp_path)


def test_a_rename_that_fails_takes_the_others_back(
    tmp_path: pathlib.Path, snapshot: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = outputs_in(tmp_path)
    pathlib.Path(outputs["html"]).write_text("old")
    real, calls = os.replace, []

    def replace(source: t.Any, target: t.Any) -> None:
        calls.append(target)
        if len(calls) == 3:
            raise PermissionError(1, "Operation not permitted")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(FileError, match=r"outputs\.csv"):
        run({"findings": [snapshot], "outputs": outputs}, False)
    assert pathlib.Path(outputs["html"]).read_text() == "old"
    assert not pathlib.Path(outputs["json"]).exists()
    assert not _leftovers(tmp_path)


def _fail_replacing(monkeypatch: pytest.MonkeyPatch, *failing: str) -> None:
    """Renames over these targets fail; one that begins with ``old:`` only when it is to be taken back."""
    real = os.replace

    def replace(source: t.Any, target: t.Any) -> None:
        name = pathlib.Path(target).name
        if (f"old:{name}" if str(source).endswith(".old") else name) in failing:
            raise PermissionError(1, "Operation not permitted")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)


def test_the_target_whose_rename_fails_keeps_no_second_name(
    tmp_path: pathlib.Path, snapshot: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = outputs_in(tmp_path)
    for path in outputs.values():
        pathlib.Path(path).write_text("old")
    _fail_replacing(monkeypatch, "report.csv")
    with pytest.raises(FileError, match=r"outputs\.csv") as caught:
        run({"findings": [snapshot], "outputs": outputs}, False)
    assert caught.value.hint.startswith("No output was changed.")
    assert set(contents(outputs).values()) == {b"old"}
    assert not _leftovers(tmp_path)


def test_what_cannot_be_taken_back_is_named(
    tmp_path: pathlib.Path, snapshot: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = outputs_in(tmp_path)
    for path in outputs.values():
        pathlib.Path(path).write_text("old")
    with monkeypatch.context() as patched:
        _fail_replacing(patched, "report.csv", "old:report.html")
        with pytest.raises(FileError) as caught:
            run({"findings": [snapshot], "outputs": outputs}, False)
        assert caught.value.hint.startswith("Already replaced: html.")

    def no_links(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    other = tmp_path / "other"
    other.mkdir()
    outputs = outputs_in(other)
    for path in outputs.values():
        pathlib.Path(path).write_text("old")
    monkeypatch.setattr(os, "link", no_links)
    _fail_replacing(monkeypatch, "report.csv")
    with pytest.raises(FileError) as caught:
        run({"findings": [snapshot], "outputs": outputs}, False)
    assert caught.value.hint.startswith("Already replaced: html, json.")
    assert not _leftovers(other)


# --- Markdown size, assets --------------------------------------------------------------------------------------------


def test_markdown_stays_below_its_limit_and_says_so(tmp_path: pathlib.Path) -> None:
    file = factory.write_snapshot(tmp_path / "a.ndjson", factory.estate_findings(10_000))
    run({"findings": [file], "outputs": {"markdown": tmp_path / "a.md"}}, False)
    content = (tmp_path / "a.md").read_bytes()
    assert markdown_writer.MAX_BYTES * 0.9 < len(content) <= markdown_writer.MAX_BYTES or b"Left out" not in content
    small = tmp_path / "b.md"
    with small.open("w") as stream:
        report = collect.build(FindingList(factory.estate_findings(500)), title="x", generated=factory.NOW)
        feed(report, {"markdown": markdown_writer.MarkdownWriter(report, stream, max_bytes=12_000)})
    words = small.read_text()
    assert len(words.encode()) <= 12_000
    assert "Left out for size" in words.splitlines()[-1]


def test_assets_are_fresh() -> None:
    command = [sys.executable, str(ROOT / "docs" / "report-assets" / "build.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0
    assert "[[data]]" in assets.text("report.html")


def test_only_long_enough_lines_in_assets() -> None:
    assert max(map(len, pathlib.Path(assets.__file__ or "").read_text().splitlines())) <= 120


class Watched(FindingList):
    """Findings that count how often they are walked."""

    walks = 0

    def __iter__(self) -> t.Iterator[t.Any]:
        self.walks += 1
        return super().__iter__()


def test_all_formats_are_written_in_one_walk_over_the_findings() -> None:
    findings = Watched(factory.estate_findings(50))
    report = collect.build(findings, title="x", generated=factory.NOW)
    findings.walks = 0
    streams = {name: io.BytesIO() for name in writers.FORMATS}
    writers.write_all(report, t.cast("dict[str, t.BinaryIO]", streams))
    assert findings.walks == 1
    for name, stream in streams.items():
        alone = io.BytesIO()
        writers.write(name, report, alone)
        assert stream.getvalue() == alone.getvalue(), name


@pytest.mark.parametrize("step", ["begin", "row", "end"])
@pytest.mark.parametrize("name", writers.FORMATS)
def test_what_writers_hold_is_freed_when_one_fails(
    tmp_path: pathlib.Path, snapshot: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, step: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outputs = {each: str(tmp_path / f"report.{each}") for each in writers.FORMATS}
    known = writers.BINARY_WRITERS if name in writers.BINARY_WRITERS else writers.WRITERS
    closed = []

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    for each in writers.FORMATS:
        listed: dict[str, t.Any] = writers.BINARY_WRITERS if each in writers.BINARY_WRITERS else writers.WRITERS
        close = listed[each].close
        monkeypatch.setattr(
            listed[each], "close", lambda self, each=each, close=close: (closed.append(each), close(self))
        )
    monkeypatch.setattr(known[name], step, fail)
    with pytest.raises(FileError, match=rf"outputs\.{name}: .*no space left"):
        run({"findings": [snapshot], "outputs": outputs}, False)
    assert sorted(closed) == sorted(writers.FORMATS)
    assert sorted(os.listdir(tmp_path)) == sorted({snapshot.name, f"{snapshot.name}.manifest.json"})

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workbook, as openpyxl reads it."""

from __future__ import annotations

import csv
import errno
import io
import re
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import MissingLibrary
from ansible_collections.appsec.perimeter.plugins.module_utils._report import writers
from ansible_collections.appsec.perimeter.plugins.module_utils._report.formats import csv_writer, xlsx_writer
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit

SHEETS = [
    "Summary", "Findings", "Changes", "Applications", "Attacks", "Images", "Due dates", "Trend", "Verdicts", "Waivers",
    "Age", "Scan quality", "Data quality",
]  # fmt: skip
openpyxl = kit.package("openpyxl")


def book_of(report: Any) -> Any:
    return openpyxl.load_workbook(io.BytesIO(kit.render_bytes("xlsx", report)))


@pytest.mark.parametrize("case", kit.CASES)
def test_openpyxl_reads_it_and_no_cell_is_calculated(tmp_path: Path, case: str) -> None:
    report = kit.full_report(tmp_path, case)
    book = book_of(report)
    assert book.sheetnames == SHEETS
    rows = list(book["Findings"].iter_rows(min_row=2, values_only=True))
    assert len(rows) == max(len(report.findings), 1)
    for sheet in book:
        assert sheet.freeze_panes == "A2"
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type in ("s", "n"), (sheet.title, cell.coordinate, cell.data_type)
                assert cell.hyperlink is None
                if isinstance(cell.value, str):
                    assert not re.match(r"[\s\"'`]*[=+@\-]", cell.value) or cell.value.startswith("'"), cell.value[:50]
                    assert len(cell.value) <= 32_767


def test_ids_are_text_and_figures_are_numbers() -> None:
    sheet = book_of(kit.report_of([factory.finding(unique_id="0012345678901234567890", rule_id="0150001")]))["Findings"]
    row = dict(zip([cell.value for cell in sheet[1]], sheet[2], strict=True))
    assert row["unique id"].value == "0012345678901234567890"
    assert row["rule id"].value == "0150001"
    assert row["cvss score"].value == 9.8
    assert row["cvss score"].data_type == "n"
    assert row["age days"].data_type == "n"


def test_a_column_says_the_same_as_that_of_the_csv(tmp_path: Path) -> None:
    report = kit.full_report(tmp_path, "ordinary")
    rows = list(book_of(report)["Findings"].values)
    listed = list(csv.DictReader(io.StringIO(kit.render("csv", report).removeprefix("\ufeff"))))
    shared = [name for name in rows[0] if name.replace(" ", "_") in csv_writer.COLUMNS]
    assert [name for name in rows[0] if name not in shared] == ["reason"]
    assert len(rows) - 1 == len(listed) == 300
    for row, expected in zip(rows[1:], listed, strict=True):
        cells = dict(zip(rows[0], row, strict=True))
        for name in shared:
            assert str("" if cells[name] is None else cells[name]) in (
                expected[name.replace(" ", "_")], expected[name.replace(" ", "_")].removesuffix(".0")
            )  # fmt: skip


def test_why_a_finding_does_not_count_is_told() -> None:
    ignored = {"reason": "FALSE_POSITIVE", "by": "a", "at": None, "until": None, "comment": "=behind a login"}
    sheet = book_of(kit.report_of([factory.finding(ignored=ignored)]))["Findings"]
    row = dict(zip([cell.value for cell in sheet[1]], sheet[2], strict=True))
    assert row["reason"].value == "ignored: =behind a login"


def test_the_head_filters_and_columns_have_widths(tmp_path: Path) -> None:
    book = book_of(kit.full_report(tmp_path, "ordinary"))
    assert book["Findings"].auto_filter.ref == "A1:V301"
    for sheet in book:
        assert sheet.auto_filter.ref == sheet.dimensions
        assert sheet["A1"].font.bold
        assert all(sheet.column_dimensions[name].width >= 9 for name in "ABCDE")


def test_verdict_waivers_ages_and_scans_are_listed(tmp_path: Path) -> None:
    book = book_of(kit.full_report(tmp_path, "ordinary"))
    verdicts = list(book["Verdicts"].iter_rows(values_only=True))
    assert verdicts[1][:2] == ("The whole run", "fail")
    assert len(verdicts) > 10
    ages = [row[0] for row in book["Age"].iter_rows(values_only=True)]
    assert "over 180 days" in ages
    scans = list(book["Scan quality"].iter_rows(values_only=True))
    assert any(row[0] == "shop" and row[7] == 120 and row[8] == "yes" for row in scans)


def test_the_same_bytes_at_another_time(tmp_path: Path) -> None:
    report = kit.full_report(tmp_path, "ordinary")
    first = kit.render_bytes("xlsx", report)
    time.sleep(2.1)  # times in a zip file have steps of two seconds
    assert kit.render_bytes("xlsx", report) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert len({item.date_time for item in archive.infolist()}) == 1
        assert b"2000-01-01" in archive.read("docProps/core.xml")


def test_the_module_writes_it_and_changes_nothing_twice(tmp_path: Path) -> None:
    file = factory.write_snapshot(tmp_path / "findings.ndjson", [factory.finding()])
    options = {"findings": [file], "outputs": {"xlsx": tmp_path / "report.xlsx", "csv": tmp_path / "report.csv"}}
    first, second = run(options, False), run(options, False)
    assert (first.changed, second.changed) == (True, False)
    assert [item["format"] for item in first.values["written"]] == ["csv", "xlsx"]
    assert openpyxl.load_workbook(tmp_path / "report.xlsx").sheetnames == SHEETS


def test_text_that_excel_would_unescape_and_characters_that_xml_forbids() -> None:
    sheet = book_of(kit.report_of([factory.finding(title="_x003D_1+1 \ufffe <&> ]]>", parameter=" blanks ")]))[
        "Findings"
    ]
    cells = [cell.value for cell in sheet[2]]
    # openpyxl does not unescape, Excel does.
    assert "_x005F_x003D_1+1 \ufffd <&> ]]>" in cells
    assert " blanks " in cells


@pytest.mark.parametrize("words", ["<r><t>=1+1</t></r>", "<r></r>", "<r>&</c></row></r>"])
def test_text_that_the_library_takes_for_markup_is_text(words: str) -> None:
    report = kit.report_of([factory.finding(title=words, parameter=words, method=words)], title=words)
    sheet = book_of(report)["Findings"]
    assert [cell.value for cell in sheet[2]].count(f"'{words}") == 3
    assert sheet.max_row == 2


def test_only_this_format_needs_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    file = factory.write_snapshot(tmp_path / "findings.ndjson", [factory.finding()])
    others = {name: tmp_path / f"report.{name}" for name in writers.FORMATS if name != "xlsx"}
    assert len(run({"findings": [file], "outputs": others}, False).values["written"]) == len(others)
    new = {"xlsx": tmp_path / "new.xlsx", "csv": tmp_path / "new.csv"}
    for check_mode in (True, False):
        with pytest.raises(MissingLibrary, match="XlsxWriter is needed") as caught:
            run({"findings": [file], "outputs": new}, check_mode)
        assert caught.value.trace.startswith("Traceback")
        assert "xlsxwriter" in caught.value.trace
    assert not any(path.exists() for path in new.values())


class _Full(io.RawIOBase):
    """A disk without room."""

    def write(self, _data: Any, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_an_error_of_the_system_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = kit.report_of([factory.finding()])
    with pytest.raises(OSError, match="No space left") as caught:
        writers.write("xlsx", report, cast(BinaryIO, _Full()))
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_rows_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_writer, "MAX_ROWS", 5)
    rows = list(book_of(kit.report_of([factory.finding(number) for number in range(9)]))["Findings"].values)
    assert len(rows) == 6
    assert rows[-1][1] == "5 findings left out, the least severe"

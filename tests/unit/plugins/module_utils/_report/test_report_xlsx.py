# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workbook, as openpyxl reads it."""

from __future__ import annotations

import io
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._report import csv_writer, xlsx_writer
from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import factory
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import format_kit as kit

SHEETS = ["Findings", "Verdicts", "Waivers", "Age", "Scan quality"]
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
    sheet = book_of(kit.report_of([factory.finding(id="0012345678901234567890")]))["Findings"]
    names = [cell.value for cell in sheet[1]]
    row = dict(zip(names, sheet[2], strict=True))
    assert names == [column.replace("_", " ") for column in csv_writer.COLUMNS]
    assert row["id"].value == "0012345678901234567890"
    assert row["cvss score"].value == 9.8
    assert row["age days"].data_type == "n"


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
    sheet = book_of(kit.report_of([factory.finding(title="_x003D_1+1 \ufffe <&> ]]>", group=" blanks ")]))["Findings"]
    cells = [cell.value for cell in sheet[2]]
    # openpyxl does not unescape, Excel does.
    assert "_x005F_x003D_1+1 \ufffd <&> ]]>" in cells
    assert " blanks " in cells


def test_rows_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_writer, "MAX_ROWS", 5)
    rows = list(book_of(kit.report_of([factory.finding(number) for number in range(9)]))["Findings"].values)
    assert len(rows) == 6
    assert rows[-1][1] == "5 findings left out, the least severe"

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as an Excel workbook, with a sheet for each of its sections.

This module is private to the collection and may change at any time.

XlsxWriter writes it, which is imported only here and only needed for this format. Every text goes in as text, never as
a formula, link or number, and is made harmless like a cell of the CSV format: the workbook may be saved as CSV one day.
The findings have the columns that people sort and filter by; the CSV format has all of them. All times in the file are
fixed, so the same rows give the same bytes.
"""

from __future__ import annotations

import datetime as dt
import re
import tempfile
import traceback
import typing as t

from ..._base.errors import MissingLibrary
from .. import text
from ..cells import safe_cell
from ..figures import rows
from ..figures.standing import decision_label
from ..inputs import owasp
from ..inputs.matches import CLASS_LABELS
from ..inputs.model import ReportInput
from . import csv_writer, xlsx_sheets
from .xlsx_sheets import Row, Sheet

MAX_ROWS = 1_000_000
"""Excel has 1,048,576."""
_CREATED = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - XlsxWriter takes it for UTC and wants no time zone
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FINDING_COLUMNS = (
    ("severity", 10),
    ("snapshot", 12),
    ("decision", 18),
    ("attack", 22),
    ("status", 11),
    ("application", 28),
    ("title", 48),
    ("url", 56),
    ("method", 9),
    ("parameter", 18),
    ("cvss score", 12),
    ("detection score", 16),
    ("first seen", 21),
    ("last seen", 21),
    ("age days", 11),
    ("times seen", 12),
    ("cwe", 14),
    ("owasp", 30),
    ("reason", 40),
    ("rule id", 12),
    ("unique id", 38),
    ("fingerprint", 38),
)


def check_library() -> None:
    """Fail early when the format cannot be written.

    Raises:
        MissingLibrary: XlsxWriter is not installed.
    """
    _library()


def _library() -> t.Any:
    """XlsxWriter, which is imported only for a workbook, so that it does not slow down other formats."""
    try:
        import xlsxwriter
        import xlsxwriter.exceptions
    except ImportError:
        raise MissingLibrary("XlsxWriter", traceback.format_exc()) from None
    return xlsxwriter


class XlsxWriter(rows.FormatWriter):
    """Writes the workbook; each sheet has its header row even when there is nothing to list.

    The stream is only written to, from front to back. Rows wait in a temporary directory until all sheets are complete.
    """

    def __init__(self, report: ReportInput, stream: t.BinaryIO) -> None:
        """Begin a workbook.

        Raises:
            MissingLibrary: XlsxWriter is not installed.
        """
        self._library = _library()
        self._report = report
        self._stream = stream
        self._snapshot = csv_writer.snapshot_word(report)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._book: t.Any = None

    def begin(self) -> None:
        """Write the summary, and begin the sheet of the findings."""
        # A directory of our own can be removed as a whole, so nothing is left behind after a failure.
        self._folder = tempfile.TemporaryDirectory()
        options = {
            "constant_memory": True,
            "tmpdir": self._folder.name,
            "use_zip64": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        }
        self._book = self._library.Workbook(_UntilItFails(self._stream), options)
        self._book.set_properties({"title": _text(text.line(self._report.title, 200)), "created": _CREATED})
        self._bold = self._book.add_format({"bold": True})
        self._write(xlsx_sheets.summary(self._report))
        self._findings = _Page(self._book, "Findings", _FINDING_COLUMNS, self._bold)

    def row(self, row: rows.FindingRow) -> None:
        """Write the row of a finding, as long as the sheet has room."""
        left = len(self._report.findings) - row.position
        if row.position < MAX_ROWS - 1:
            self._findings.write(_finding(row, self._snapshot))
        elif row.position == MAX_ROWS - 1:
            self._findings.write(["", f"{left:,} findings left out, the least severe"])

    def end(self) -> None:
        """Write the other sheets and the file.

        Raises:
            OSError: the stream or the temporary directory cannot be written.
        """
        if not len(self._report.findings):
            self._findings.write(["none", self._snapshot])
        self._findings.finish()
        for sheet in xlsx_sheets.sheets(self._report):
            self._write(sheet)
        try:
            self._book.close()
        except self._library.exceptions.FileCreateError as error:
            # XlsxWriter hides the OSError in an error of its own; callers handle the OSError.
            raise (error.__context__ if isinstance(error.__context__, OSError) else OSError(str(error))) from None

    def _write(self, sheet: Sheet) -> None:
        page = _Page(self._book, sheet.name, sheet.columns, self._bold)
        for cells in sheet.rows:
            page.write(cells)
        page.finish()

    def close(self) -> None:
        """Remove the temporary directory, with the rows of a workbook that was not completed."""
        for page in self._book.worksheets() if self._book else ():
            if page.row_data_fh is not None:
                page.row_data_fh.close()
        if self._folder is not None:
            self._folder.cleanup()


class _UntilItFails:
    """The stream of the archive, which drops all data after the first error.

    After an error, XlsxWriter leaves its archive open, and the archive tries to write again when it is collected.
    """

    def __init__(self, stream: t.BinaryIO) -> None:
        self._stream = stream
        self._failed = False

    def write(self, data: bytes) -> int:
        """Pass bytes on."""
        if not self._failed:
            self._failed = True
            self._stream.write(data)
            self._failed = False
        return len(data)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


class _Page:
    """A sheet that is written row by row."""

    def __init__(self, book: t.Any, name: str, columns: t.Sequence[tuple[str, int]], bold: t.Any) -> None:
        self._page = book.add_worksheet(name)
        self._width = len(columns)
        self._number = 0
        for column, (head, width) in enumerate(columns):
            self._page.set_column(column, column, width)
            self._page.write_string(0, column, head, bold)

    def write(self, cells: Row) -> None:
        """Write one row below the last."""
        self._number += 1
        for column, cell in enumerate(cells):
            if isinstance(cell, str):
                if cell:
                    self._page.write_string(self._number, column, _text(cell))
            elif cell is not None:
                self._page.write_number(self._number, column, cell)

    def finish(self) -> None:
        """Freeze the header row and add the filter."""
        self._page.freeze_panes(1, 0)
        self._page.autofilter(0, 0, self._number, self._width - 1)


def _text(value: str) -> str:
    """Text that XlsxWriter writes as it is."""
    if not value.isprintable():
        value = _FORBIDDEN.sub("\ufffd", value)
    # XlsxWriter treats such text as markup, and would copy it into the file as it is.
    return f"'{value}" if value.startswith("<r>") and value.endswith("</r>") else value


def _finding(row: rows.FindingRow, snapshot: str) -> Row:
    """The cells of one finding, in the order of ``_FINDING_COLUMNS``."""
    finding, standing = row.finding, row.standing
    return [
        finding["severity"],
        snapshot,
        decision_label(standing.decision),
        CLASS_LABELS[row.match.kind] if row.match else "",
        finding["status"],
        safe_cell(finding["asset"]["name"]),
        safe_cell(finding["title"]),
        safe_cell(finding["url"]),
        safe_cell(finding["method"]),
        safe_cell(finding["parameter"]),
        finding["cvss_score"],
        finding["detection_score"],
        safe_cell(finding["first_seen"]),
        safe_cell(finding["last_seen"]),
        row.age,
        finding["times_seen"],
        safe_cell("; ".join(f"CWE-{number}" for number in finding["cwe"])),
        safe_cell("; ".join(map(owasp.label_of, finding["owasp"]))),
        safe_cell(standing.why),
        safe_cell(finding["rule_id"]),
        safe_cell(finding["unique_id"]),
        safe_cell(finding["fingerprint"]),
    ]

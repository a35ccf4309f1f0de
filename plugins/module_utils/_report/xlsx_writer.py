# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as an Excel workbook: findings, verdicts, waivers, ages, and what the scans were worth.

This module is private to the collection and may change at any time.

Every text goes in as text, never as a formula, link or number, and is made harmless like a cell of the CSV format: the
workbook may be saved as CSV one day.
"""

from __future__ import annotations

import typing as t

from .._records.model import SEVERITIES
from . import collect, csv_writer, model, text
from .csv_writer import safe_cell
from .model import ReportInput
from .standing import standing_of
from .workbook import Cell, Row, Sheet, write_workbook

MAX_ROWS = 1_000_000
"""Excel has 1,048,576."""


def write_xlsx(report: ReportInput, stream: t.BinaryIO) -> None:
    """Write the workbook; each sheet has its head also when there is nothing to list."""
    write_workbook(stream, text.line(report.title, 200), list(_sheets(report)))


def _sheets(report: ReportInput) -> t.Iterator[Sheet]:
    columns = [column.replace("_", " ") for column in csv_writer.COLUMNS]
    yield "Findings", columns, _findings(report)
    yield "Verdicts", ("What", "Verdict", "New", "Counted", "Waived", "Reason or problem"), _verdicts(report)
    yield "Waivers", _WAIVER_HEAD, _waivers(report)
    severities = (model.SEVERITY_LABELS[name] for name in SEVERITIES)
    yield "Age", ("Open risks by age", *severities, "Oldest (days)"), _ages(report)
    yield "Scan quality", _SCAN_HEAD, _scans(report)


_WAIVER_HEAD = ("Id", "Type", "Owner", "Reason", "Ticket", "Expires", "Days left", "Waived", "Notes")
_SCAN_HEAD = (
    "What", "Source", "Id", "Kind", "Status", "Ended as", "Authentication", "Links crawled", "Conclusive", "Launched",
    "Ended", "Profile",
)  # fmt: skip


def _findings(report: ReportInput) -> t.Iterator[Row]:
    snapshot = csv_writer.snapshot_word(report)
    for position, finding in enumerate(report.findings):
        if position == MAX_ROWS - 1:
            yield ["", f"{len(report.findings) - position:,} findings left out, the least severe"]
            return
        age = text.age_in_days(finding["first_seen"], report.generated)
        decision = standing_of(report, finding).decision if report.gate else None
        yield csv_writer.row_of(finding, snapshot, report.mark(position), age, decision)
    if not len(report.findings):
        yield ["none", snapshot]


def _verdicts(report: ReportInput) -> t.Iterator[Row]:
    gate = report.gate
    if gate is None:
        yield ["No verdict was given."]
        return
    yield ["The whole run", gate.verdict, *_counts(gate.document), f"code {gate.exit_code}"]
    for entry in gate.applications():
        problems = entry.get("problems")
        words = ", ".join(map(str, problems)) if isinstance(problems, list) else ""
        yield [_of(entry, "label"), _of(entry, "verdict"), *_counts(entry), safe_cell(words)]
    for item in gate.reasons():
        yield [_of(item, "application") or "Reason", _of(item, "verdict"), None, None, None, _of(item, "message")]


def _counts(entry: t.Mapping[str, t.Any]) -> list[Cell]:
    counts = entry.get("counts")
    found = counts if isinstance(counts, dict) else {}
    return [_number(found.get(name)) for name in ("new", "counted", "waived")]


def _waivers(report: ReportInput) -> t.Iterator[Row]:
    for item in report.gate.waivers() if report.gate else ():
        flags = item.get("flags")
        words = [_of(item, name) for name in ("id", "type", "owner", "reason", "ticket", "expires")]
        notes = safe_cell(", ".join(map(str, flags))) if isinstance(flags, list) else ""
        yield [*words, _number(item.get("days_left")), _number(item.get("waived")), notes]


def _ages(report: ReportInput) -> t.Iterator[Row]:
    for label, counts in report.summary["by_age"].items():
        yield [label, *(counts[severity] for severity in SEVERITIES)]
    for item in report.summary["applications"]:
        if item["open"]:
            figures = [item["severity"][severity] for severity in SEVERITIES]
            yield [safe_cell(item["name"]), *figures, item["oldest_days"]]


def _scans(report: ReportInput) -> t.Iterator[Row]:
    for headline, words in collect.warnings_of(report):
        yield [safe_cell(f"{headline}: {words}")]
    for file in report.files:
        manifest = file["manifest"]
        whole = "" if manifest is None else "yes" if manifest["complete"] else "no"
        times = ("", "") if manifest is None else (manifest["started"], manifest["finished"])
        source = "" if manifest is None else safe_cell(manifest["source"])
        yield [safe_cell(file["name"]), source, "", "snapshot", "", "", "", None, whole, *times]
    for scan in report.scans or ():
        conclusive = "" if scan.conclusive is None else "yes" if scan.conclusive else "no"
        facts = (scan.application, scan.source, scan.id, scan.kind, scan.status, scan.end_reason, scan.auth_status)
        last = (conclusive, scan.time, scan.ended, scan.profile)
        yield [*map(safe_cell, facts), scan.links_crawled, *map(safe_cell, last)]


def _of(item: t.Mapping[str, t.Any], name: str) -> str:
    value = item.get(name)
    return "" if value is None else safe_cell(str(value))


def _number(value: t.Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e15 else None

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as CSV (RFC 4180) for spreadsheets.

This module is private to the collection and may change at any time.

UTF-8 with a byte order mark, because Excel reads anything else in a local code page. Text is always quoted and numbers
never, so ids stay text for every importer that looks at quotes. The first column is the severity, one of our own words:
no line can begin with a workflow command.
"""

from __future__ import annotations

import csv
import typing as t

from ..cells import safe_cell
from ..figures import collect
from ..figures.rows import FindingRow, FormatWriter
from ..figures.standing import decided_by, decision_label
from ..inputs import owasp
from ..inputs.matches import CLASS_LABELS
from ..inputs.model import ReportInput

COLUMNS = (
    "severity",
    "snapshot",
    "status",
    "state",
    "kind",
    "change",
    "application",
    "title",
    "url",
    "method",
    "parameter",
    "cvss_score",
    "cvss_vector",
    "detection_score",
    "first_seen",
    "last_seen",
    "last_tested",
    "fixed_at",
    "age_days",
    "times_seen",
    "cwe",
    "owasp",
    "wasc",
    "group",
    "finding_type",
    "potential",
    "severity_native",
    "original_severity",
    "ignored_reason",
    "ignored_by",
    "ignored_at",
    "ignored_until",
    "ignored_comment",
    "external_ref",
    "patch",
    "evidence_items",
    "source",
    "rule_id",
    "id",
    "unique_id",
    "fingerprint",
    "application_id",
    "application_url",
    "application_tags",
    "decision",
    "decided_by",
    "attack",
    "attack_events",
)


def names_of(items: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """Categories, such as those of WASC, as text: code and name of each."""
    words = (" ".join(str(item[key]) for key in ("code", "name") if item[key] is not None) for item in items)
    return "; ".join(words)


def cells_of(row: FindingRow, snapshot: str) -> list[str | int | float | None]:
    """The cells of one finding, in the order of ``COLUMNS``."""
    finding, decision = row.finding, row.standing.decision
    ignored = finding["ignored"]
    asset = finding["asset"]
    texts = safe_cell
    return [
        finding["severity"],
        snapshot,
        finding["status"],
        row.state,
        finding["kind"],
        row.change,
        texts(asset["name"]),
        texts(finding["title"]),
        texts(finding["url"]),
        texts(finding["method"]),
        texts(finding["parameter"]),
        finding["cvss_score"],
        texts(finding["cvss_vector"]),
        finding["detection_score"],
        texts(finding["first_seen"]),
        texts(finding["last_seen"]),
        texts(finding["last_tested"]),
        texts(finding["fixed_at"]),
        row.age,
        finding["times_seen"],
        texts("; ".join(f"CWE-{number}" for number in finding["cwe"])),
        texts("; ".join(map(owasp.label_of, finding["owasp"]))),
        texts(names_of(finding["wasc"])),
        texts(finding["group"]),
        texts(finding["finding_type"]),
        _yes_or_no(finding["potential"]),
        texts(finding["severity_native"]),
        texts(finding["original_severity"]),
        texts(ignored["reason"] or "no reason given") if ignored else "",
        texts(ignored["by"]) if ignored else "",
        texts(ignored["at"]) if ignored else "",
        texts(ignored["until"]) if ignored else "",
        texts(ignored["comment"]) if ignored else "",
        texts(finding["external_ref"]),
        texts(finding["patch"]),
        len(finding["evidence"]),
        texts(finding["source"]),
        texts(finding["rule_id"]),
        texts(finding["id"]),
        texts(finding["unique_id"]),
        texts(finding["fingerprint"]),
        texts(asset["id"]),
        texts(asset["url"]),
        texts("; ".join(asset["tags"])),
        decision_label(decision),
        texts(decided_by(decision)),
        CLASS_LABELS[row.match.kind] if row.match else "",
        row.match.events if row.match else "",
    ]


def _yes_or_no(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def snapshot_word(report: ReportInput) -> str:
    """The word about the data as a whole, which each row repeats: this format has no other place for a warning."""
    headlines = [headline for headline, _words in collect.warnings_of(report)]
    return headlines[0].lower() if headlines else "complete"


class CsvWriter(FormatWriter):
    """Writes one row for each finding, or a single row that says that there are none.

    The stream must not translate line ends: RFC 4180 asks for CR LF.
    """

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream
        self._snapshot = snapshot_word(report)
        self._table = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")

    def begin(self) -> None:
        """Write the header row."""
        self._stream.write("\ufeff")
        self._table.writerow(COLUMNS)

    def row(self, row: FindingRow) -> None:
        """Write the row of a finding."""
        self._table.writerow(["" if cell is None else cell for cell in cells_of(row, self._snapshot)])

    def end(self) -> None:
        """Write a row that says so when there are no findings."""
        if not len(self._report.findings):
            nothing = {"severity": "none", "snapshot": self._snapshot, "title": "No findings"}
            self._table.writerow([nothing.get(column, "") for column in COLUMNS])

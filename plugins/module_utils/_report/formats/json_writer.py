# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON: for programs, and for the next run to compare with.

This module is private to the collection and may change at any time.

One member on each line and one finding on each line, so that line tools and :mod:`changes` can stream it. All text is
ASCII with ``\\uXXXX`` escapes: nothing is lost, and no terminal or pipeline log interprets anything in it.
"""

from __future__ import annotations

import typing as t

from .. import text
from ..figures import collect, executive
from ..figures.rows import FindingRow, FormatWriter
from ..inputs import model
from ..inputs.gate_view import GateView
from ..inputs.model import ReportInput


class JsonWriter(FormatWriter):
    """Writes the report; key order is fixed, findings are in report order, each with its ``change``."""

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream

    def begin(self) -> None:
        """Write everything but the findings."""
        self._stream.write("{\n")
        for name, value in _head(self._report).items():
            self._stream.write(f'"{name}": {text.json_text(value)},\n')
        self._stream.write('"findings": [\n')

    def row(self, row: FindingRow) -> None:
        """Write a finding on a line of its own, with its change and the decision about it."""
        members: dict[str, t.Any] = {"change": row.change or None}
        if self._report.gate:
            decision = row.standing.decision
            members["decision"] = None if decision is None else decision._asdict()
        if row.match is not None:
            members["match"] = row.match._asdict()
        if row.position:
            self._stream.write(",\n")
        # The finding is already encoded, so the members above are written before its first member.
        self._stream.write(f"{text.json_text(members)[:-1]},{text.without_commands(row.encoded[1:])}")

    def end(self) -> None:
        """Close the list."""
        self._stream.write("\n]\n}\n" if len(self._report.findings) else "]\n}\n")


def _head(report: ReportInput) -> dict[str, t.Any]:
    return {
        "schema": model.REPORT_SCHEMA,
        "title": report.title,
        "generated": report.generated,
        "warnings": [{"headline": headline, "text": words} for headline, words in collect.warnings_of(report)],
        "notes": collect.quality_notes(report),
        "manifest": report.manifest,
        "manifests": [file["manifest"] for file in report.files],
        "inputs": collect.input_digests(report.files),
        "limits": {
            "evidence_items": model.EVIDENCE_ITEMS,
            "evidence_characters": model.EVIDENCE_CHARACTERS,
            "field_characters": model.FIELD_CHARACTERS,
        },
        "scope": report.scope,
        "content": report.content,
        "knowledge": report.knowledge,
        "webapps": report.webapps,
        "gate": _gate(report.gate),
        "scans": None if report.scans is None else [scan._asdict() for scan in report.scans],
        "sentences": [sentence._asdict() for sentence in executive.sentences(report)],
        "images": None if report.images is None else [image._asdict() for image in report.images],
        "attacks": report.attacks,
        "history": report.history.as_dict() if report.history else None,
        "waivers": None if report.waivers is None else [waiver._asdict() for waiver in report.waivers],
        "services": [service._asdict() for service in report.services],
        "gaps": [gap._asdict() for gap in report.gaps],
        "changes": report.changes,
        "summary": report.summary,
    }


def _gate(gate: GateView | None) -> dict[str, t.Any] | None:
    """The verdict without its list of explanations: each finding carries its own."""
    if gate is None:
        return None
    return {name: value for name, value in gate.document.items() if name not in ("explain", "explain_file", "sync")}

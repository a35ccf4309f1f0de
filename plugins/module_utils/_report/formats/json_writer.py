# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON: for programs, and for the next run to compare with.

This module is private to the collection and may change at any time.

One member on each line and one finding on each line, so that line tools and :mod:`changes` can stream it. All text is
ASCII with ``\\uXXXX`` escapes: nothing is lost, and nothing in a terminal or a pipeline log comes alive.
"""

from __future__ import annotations

import typing as t

from .. import text
from ..figures import collect
from ..figures.standing import standing_of
from ..inputs import model
from ..inputs.gate_view import GateView
from ..inputs.model import ReportInput


def write_json(report: ReportInput, stream: t.TextIO) -> None:
    """Write the report; key order is fixed, findings are in report order, each with its ``change``."""
    head: dict[str, t.Any] = {
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
        "changes": report.changes,
        "summary": report.summary,
    }
    stream.write("{\n")
    for name, value in head.items():
        stream.write(f'"{name}": {text.json_text(value)},\n')
    stream.write('"findings": [\n')
    last = len(report.findings) - 1
    for position, finding in enumerate(report.findings):
        decision = standing_of(report, finding).decision if report.gate else None
        told = {"decision": None if decision is None else decision._asdict()} if report.gate else {}
        row = text.json_text({"change": report.mark(position) or None, **told, **finding})
        stream.write(row + (",\n" if position < last else "\n"))
    stream.write("]\n}\n")


def _gate(gate: GateView | None) -> dict[str, t.Any] | None:
    """The verdict without its list of explanations: each finding carries its own."""
    if gate is None:
        return None
    return {name: value for name, value in gate.document.items() if name not in ("explain", "explain_file", "sync")}

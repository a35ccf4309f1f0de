# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as OCSF 1.5 events, one JSON object on each line: class 2002, Vulnerability Finding.

This module is private to the collection and may change at any time.

OCSF requires exactly one of advisory, cve and cwe for each vulnerability. A scanner's rule is an advisory when the
finding has no CWE; a finding with several CWEs or CVEs has one vulnerability for each. Times are milliseconds.
"""

from __future__ import annotations

import typing as t

from ..._records.model import Finding
from .. import text
from ..figures.rows import FindingRow, FormatWriter
from ..inputs import model
from ..inputs.model import ReportInput
from . import csv_writer
from .scanners import Scanner, explained_rules, rule_key, rule_label, scanner_of

VERSION = "1.5.0"
CLASS_UID = 2002
_SEVERITY_IDS = {"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5, "unknown": 0}
_STATUS_IDS = {"new": 1, "open": 2, "reopened": 2, "retesting": 2, "protected": 3, "fixed": 4, "unknown": 0}
_SUPPRESSED = 3
_FIRST_TIME = 10**12
"""Milliseconds, in 2001: an earlier value was in seconds, or is not the time of a finding."""
_CREATE, _UPDATE, _CLOSE = 1, 2, 3
_WORDS = 2000


class OcsfWriter(FormatWriter):
    """Writes one line for each finding, except those of the state information; without findings, an empty file."""

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._stream = stream
        self._now = _milliseconds(report.generated) or _FIRST_TIME + 1
        whole = csv_writer.snapshot_word(report)
        self._about = {} if whole == "complete" else {"snapshot": whole}
        self._known = explained_rules(report)

    def row(self, row: FindingRow) -> None:
        """Write the event of a finding."""
        if row.state != "information":
            known = self._known.get(rule_key(row.finding))
            self._stream.write(text.json_text(_event(row, self._now, known, self._about)) + "\n")


def _event(row: FindingRow, now: int, known: model.RuleKnowledge | None, about: dict[str, t.Any]) -> dict[str, t.Any]:
    finding, standing = row.finding, row.standing
    scanner = scanner_of(finding["source"])
    activity = _activity(finding)
    event: dict[str, t.Any] = {
        "class_uid": CLASS_UID,
        "category_uid": 2,
        "activity_id": activity,
        "type_uid": CLASS_UID * 100 + activity,
        "severity_id": _SEVERITY_IDS[finding["severity"]],
        "status_id": _SUPPRESSED if standing.suppressed else _STATUS_IDS[finding["status"]],
        "time": _milliseconds(finding["last_tested"]) or _milliseconds(finding["last_seen"]) or now,
        "metadata": {"version": VERSION, "product": {"name": scanner.product, "vendor_name": scanner.vendor}},
        "finding_info": _info(finding),
        "vulnerabilities": _vulnerabilities(finding, scanner, known),
        "resources": [_resource(finding)],
    }
    if standing.suppressed:
        event["status_detail"] = standing.why
    if standing.decision is not None:
        decision = standing.decision
        about = {**about, "gate": {"decision": decision.decision, "state": decision.state, "by": decision.by}}
    if about:
        event["unmapped"] = about
    return event


def _activity(finding: Finding) -> int:
    if finding["status"] == "fixed":
        return _CLOSE
    return _CREATE if finding["status"] == "new" else _UPDATE


def _info(finding: Finding) -> dict[str, t.Any]:
    info: dict[str, t.Any] = {
        "uid": text.line(finding["unique_id"] or finding["fingerprint"] or finding["id"], 255) or "unknown",
        "title": text.line(model.title_label(finding), 500),
        "types": [finding["kind"]],
        "first_seen_time": _milliseconds(finding["first_seen"]),
        "last_seen_time": _milliseconds(finding["last_seen"]),
        "src_url": text.line(finding["url"], _WORDS) or None,
    }
    return {name: value for name, value in info.items() if value is not None}


def _vulnerabilities(finding: Finding, scanner: Scanner, known: model.RuleKnowledge | None) -> list[dict[str, t.Any]]:
    base: dict[str, t.Any] = {
        "title": text.line(model.title_label(finding), 500),
        "severity": text.line(finding["severity_native"], 100) or finding["severity"],
        "vendor_name": scanner.vendor,
    }
    if finding["url"]:
        base["references"] = [text.line(finding["url"], _WORDS)]
    if known and known["solution"]:
        base["remediation"] = {"desc": text.line(known["solution"], _WORDS)}
    cves = known["cves"] if known else []
    weaknesses = [{"uid": f"CWE-{number}"} for number in dict.fromkeys(finding["cwe"][:20])]
    if cves:
        related = {"related_cwes": weaknesses} if weaknesses else {}
        return [base | {"cve": {"uid": cve, **related}} for cve in cves[:20]]
    if weaknesses:
        return [base | {"cwe": weakness} for weakness in weaknesses]
    return [base | {"advisory": {"uid": rule_label(finding, 255)}}]


def _resource(finding: Finding) -> dict[str, t.Any]:
    asset = finding["asset"]
    resource: dict[str, t.Any] = {
        "uid": text.line(asset["id"], 255) or None,
        "name": text.line(model.application_label(finding), 255),
        "type": "web application",
        "labels": [text.line(tag, 255) for tag in asset["tags"][:50]] or None,
    }
    return {name: value for name, value in resource.items() if value is not None}


def _milliseconds(value: str | None) -> int | None:
    moment = text.read_time(value)
    milliseconds = 0 if moment is None else int(moment.timestamp() * 1000)
    return milliseconds if milliseconds > _FIRST_TIME else None

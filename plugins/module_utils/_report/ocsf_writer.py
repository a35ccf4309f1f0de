# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as OCSF 1.5 events, one JSON object on each line: class 2002, Vulnerability Finding.

This module is private to the collection and may change at any time.

OCSF wants exactly one of advisory, cve and cwe for each vulnerability. A scanner's rule is an advisory where the
finding has no CWE; a finding with several CWEs has one vulnerability for each. Times are milliseconds.
"""

from __future__ import annotations

import json
import typing as t

from .._records.model import Finding
from . import model, text
from .model import ReportInput

VERSION = "1.5.0"
CLASS_UID = 2002
_SEVERITY_IDS = {"info": 1, "low": 2, "medium": 3, "high": 4, "critical": 5, "unknown": 0}
_STATUS_IDS = {"new": 1, "open": 2, "reopened": 2, "retesting": 2, "protected": 3, "fixed": 4, "unknown": 0}
_PRODUCTS = {"qualys_was": ("Web Application Scanning", "Qualys"), "indusface_was": ("Indusface WAS", "Indusface")}
_CREATE, _UPDATE, _CLOSE = 1, 2, 3
_WORDS = 2000


def write_ocsf(report: ReportInput, stream: t.TextIO) -> None:
    """Write one line for each finding but those that were only gathered as information; none for none."""
    now = _milliseconds(report.generated) or 1_000_000_000_000
    for finding in report.findings:
        if model.state_of(finding) != "information":
            stream.write(json.dumps(_event(report, finding, now), separators=(",", ":"), allow_nan=False) + "\n")


def _event(report: ReportInput, finding: Finding, now: int) -> dict[str, t.Any]:
    product, vendor = _PRODUCTS.get(finding["source"], (text.line(finding["source"], 100), "unknown"))
    activity = _activity(finding)
    status = 3 if finding["ignored"] is not None and finding["status"] != "fixed" else _STATUS_IDS[finding["status"]]
    event: dict[str, t.Any] = {
        "class_uid": CLASS_UID,
        "category_uid": 2,
        "activity_id": activity,
        "type_uid": CLASS_UID * 100 + activity,
        "severity_id": _SEVERITY_IDS[finding["severity"]],
        "status_id": status,
        "time": _milliseconds(finding["last_tested"]) or _milliseconds(finding["last_seen"]) or now,
        "metadata": {"version": VERSION, "product": {"name": product, "vendor_name": vendor}},
        "finding_info": _info(finding),
        "vulnerabilities": _vulnerabilities(finding, vendor),
        "resources": [_resource(finding)],
    }
    decision = report.gate.decision(finding) if report.gate else None
    if decision is not None:
        event["unmapped"] = {"gate": {"decision": decision.decision, "state": decision.state, "by": decision.by}}
    return event


def _activity(finding: Finding) -> int:
    if finding["status"] == "fixed":
        return _CLOSE
    return _CREATE if finding["status"] == "new" else _UPDATE


def _info(finding: Finding) -> dict[str, t.Any]:
    info: dict[str, t.Any] = {
        "uid": text.line(finding["unique_id"] or finding["fingerprint"] or finding["id"], 255),
        "title": text.line(model.title_label(finding), 500),
        "types": [finding["kind"]],
        "first_seen_time": _milliseconds(finding["first_seen"]),
        "last_seen_time": _milliseconds(finding["last_seen"]),
        "src_url": text.line(finding["url"], _WORDS) or None,
    }
    return {name: value for name, value in info.items() if value is not None}


def _vulnerabilities(finding: Finding, vendor: str) -> list[dict[str, t.Any]]:
    rule = text.line(finding["rule_id"] or model.title_label(finding), 255)
    base: dict[str, t.Any] = {
        "title": text.line(model.title_label(finding), 500),
        "severity": (finding["severity_native"] and text.line(finding["severity_native"], 100)) or finding["severity"],
        "vendor_name": vendor,
    }
    if finding["url"]:
        base["references"] = [text.line(finding["url"], _WORDS)]
    if not finding["cwe"]:
        return [base | {"advisory": {"uid": rule}}]
    return [base | {"cwe": {"uid": f"CWE-{number}"}} for number in finding["cwe"][:20]]


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
    moment = text.parse_time(value)
    return None if moment is None else int(moment.timestamp() * 1000)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as a GitLab DAST report, version 15.1.0.

This module is private to the collection and may change at any time.

GitLab knows a vulnerability again by its first identifier and its place, so the first identifier is the scanner's rule.
What does not count on purpose is not in the report. A verdict without a conclusion is a scan that failed. GitLab shows
descriptions and solutions as Markdown, so they are escaped as such.
"""

from __future__ import annotations

import typing as t
import uuid
from urllib.parse import urlsplit

from ..._http.settings import VERSION
from ..._records.model import Finding
from .. import text
from ..figures import collect
from ..figures.standing import standing_of
from ..inputs import model
from ..inputs.gate_view import told
from ..inputs.model import ReportInput
from . import markdown_writer
from .scanners import is_qualys, rule_label, scanner_of

SCHEMA_VERSION = "15.1.0"
MAX_FINDINGS = 100_000
_SEVERITIES = {
    "critical": "Critical",
    "high": "High",
    "medium": "Medium",
    "low": "Low",
    "info": "Info",
    "unknown": "Unknown",
}
_NAMESPACE = uuid.UUID("a1f0c1f4-4f0e-5d55-9a53-0f0f9cf5c0de")
_SOLUTION = 7000
_EPOCH = "1970-01-01T00:00:00"


def write_gitlab(report: ReportInput, stream: t.TextIO) -> None:
    """Write one report; valid without any finding too."""
    stream.write(f'{{"version": "{SCHEMA_VERSION}",\n"vulnerabilities": [')
    resources: dict[str, None] = {}
    solutions = {(item["source"], item["rule_id"]): item["solution"] for item in report.knowledge or ()}
    written = left = 0
    seen: dict[str, int] = {}
    for finding in report.findings:
        if not standing_of(report, finding).counts:
            continue
        if written >= MAX_FINDINGS:
            left += 1
            continue
        solution = solutions.get((finding["source"], finding["rule_id"] or ""))
        stream.write((",\n" if written else "\n") + text.json_text(_vulnerability(finding, solution, seen)))
        written += 1
        if finding["asset"]["url"] and len(resources) < 1000:
            resources[finding["asset"]["url"]] = None
    stream.write(f'\n],\n"scan": {text.json_text(_scan(report, list(resources), left))}}}\n')


def _vulnerability(finding: Finding, solution: str | None, seen: dict[str, int]) -> dict[str, t.Any]:
    title = text.line(model.title_label(finding))[:255]
    entry: dict[str, t.Any] = {
        "id": _identifier(finding, seen),
        "name": title,
        "description": markdown_writer.escape(f"{title} in {model.application_label(finding)}", 600),
        "severity": _SEVERITIES[finding["severity"]],
        "identifiers": _identifiers(finding),
        "location": _location(finding),
    }
    discovered = text.canonical_time(finding["first_seen"])
    if discovered:
        entry["discovered_at"] = f"{discovered.removesuffix('Z')}.000"
    if solution:
        # An escape takes at most eight characters for one.
        entry["solution"] = markdown_writer.escape(solution, 7000)[:_SOLUTION]
    return entry


def _identifier(finding: Finding, seen: dict[str, int]) -> str:
    """The vendor's unique id where it is one, else one made of the fingerprint; never the same twice in a report."""
    base = finding["unique_id"] or finding["fingerprint"] or finding["id"]
    seen[base] = seen.get(base, 0) + 1
    try:
        found = uuid.UUID(finding["unique_id"] or "")
    except ValueError:
        found = uuid.uuid5(_NAMESPACE, f"{finding['source']}\0{base}".encode("utf-8", "replace").hex())
    return str(found if seen[base] == 1 else uuid.uuid5(_NAMESPACE, f"{found}\0{seen[base]}"))


def _identifiers(finding: Finding) -> list[dict[str, str]]:
    rule = rule_label(finding)
    if is_qualys(finding):
        first = {"type": "qualys_qid", "name": f"QID {rule}", "value": rule}
    else:
        first = {"type": scanner_of(finding["source"]).id, "name": rule, "value": rule}
    more = [
        {
            "type": "cwe",
            "name": f"CWE-{number}",
            "value": str(number),
            "url": f"https://cwe.mitre.org/data/definitions/{number}.html",
        }
        for number in dict.fromkeys(finding["cwe"][:18])
    ]
    return [first, *more]


def _location(finding: Finding) -> dict[str, str]:
    try:
        parts = urlsplit(finding["url"] or finding["asset"]["url"] or "")
        host = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
        path = parts.path + (f"?{parts.query}" if parts.query else "")
    except ValueError:
        host, path = "", finding["url"] or ""
    return {
        "hostname": text.line(host, 2000),
        "method": text.line(finding["method"], 20) or "GET",
        "param": text.line(finding["parameter"], 500),
        "path": text.line(path, 2000) or "/",
    }


def _scan(report: ReportInput, resources: list[str], left: int) -> dict[str, t.Any]:
    scanner = scanner_of(next(iter(report.summary["sources"]), _source_of_files(report)))
    start = min((file["manifest"]["started"] for file in report.files if file["manifest"]), default="") or ""
    messages = [{"level": "warn", "value": f"{headline}: {words}"} for headline, words in collect.warnings_of(report)]
    if left:
        messages.append({"level": "warn", "value": f"{text.plural(left, 'finding')} left out, the least severe."})
    good = not collect.warnings_of(report)
    options = []
    if report.gate is not None:
        good = report.gate.concluded
        level = "info" if good else "fatal"
        said = map(told, report.gate.reasons()[:50])
        messages += [{"level": level, "value": words} for words in said if words]
        options = [{"name": "gate verdict", "value": report.gate.verdict, "source": "other"}]
    scan: dict[str, t.Any] = {
        "analyzer": {
            "id": "appsec-perimeter",
            "name": "appsec.perimeter",
            "version": VERSION,
            "vendor": {"name": "appsec.perimeter contributors"},
        },
        "scanner": {
            "id": scanner.id,
            "name": scanner.product,
            "version": "unknown",
            "vendor": {"name": scanner.vendor},
        },
        "start_time": _local(start) or _local(report.generated) or _EPOCH,
        "end_time": _local(report.generated) or _EPOCH,
        "status": "success" if good else "failure",
        "type": "dast",
        "scanned_resources": [{"method": "GET", "url": text.line(url, 2000), "type": "url"} for url in resources],
        "messages": messages,
    }
    return scan | ({"options": options} if options else {})


def _source_of_files(report: ReportInput) -> str:
    return next((file["manifest"]["source"] for file in report.files if file["manifest"]), "unknown")


def _local(moment: str) -> str:
    """A time without zone letter, as the schema wants it."""
    canonical = text.canonical_time(moment)
    return canonical.removesuffix("Z") if canonical else ""

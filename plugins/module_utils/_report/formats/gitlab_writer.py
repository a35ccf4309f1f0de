# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as a GitLab DAST report, version 15.1.0.

This module is private to the collection and may change at any time.

GitLab recognises a vulnerability by its first identifier and its location, so the first identifier is the scanner's
rule. Findings that do not count are not in the report. A verdict without a conclusion is reported as a failed scan.
GitLab shows descriptions and solutions as Markdown, so they are escaped as such. Importers of other tools expect
``evidence`` and ``links``, so every vulnerability has both.
"""

from __future__ import annotations

import re
import typing as t
import uuid
from urllib.parse import urlsplit

from ..._http.settings import VERSION
from ..._records.model import Finding
from .. import text
from ..figures import collect
from ..figures.rows import FindingRow, FormatWriter
from ..inputs import model
from ..inputs.gate_view import told
from ..inputs.model import ReportInput
from . import markdown_writer
from .http_evidence import evidence_of
from .scanners import explained_rules, is_qualys, rule_key, rule_label, scanner_of

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
RESOURCES = 1000
_LINKS = 20
_CVE_PAGES = "https://nvd.nist.gov/vuln/detail/"
_HOST = re.compile(r"[\w.-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_EPOCH = "1970-01-01T00:00:00"


class GitlabWriter(FormatWriter):
    """Writes one report; valid without any finding too."""

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream
        self._known = explained_rules(report)
        self._solutions: dict[tuple[str, str], str] = {}
        self._resources = _Resources()
        self._written = 0
        self._left = 0
        self._seen: dict[str, int] = {}

    def begin(self) -> None:
        """Write the head."""
        self._stream.write(f'{{"version": "{SCHEMA_VERSION}",\n"vulnerabilities": [')
        for webapp in self._report.webapps or ():
            if not webapp["never_scanned"]:
                self._resources.add("GET", webapp["url"])

    def row(self, row: FindingRow) -> None:
        """Write a finding that counts."""
        finding = row.finding
        self._resources.add("GET", finding["asset"]["url"])
        if not row.standing.counts:
            return
        if self._written >= MAX_FINDINGS:
            self._left += 1
            return
        self._resources.add(finding["method"], finding["url"])
        entry = text.json_text(_vulnerability(finding, self._known.get(rule_key(finding)), self._solution, self._seen))
        self._stream.write((",\n" if self._written else "\n") + entry)
        self._written += 1

    def _solution(self, known: model.RuleKnowledge) -> str:
        """The solution of a rule as Markdown, escaped once for each rule."""
        key = (known["source"], known["rule_id"])
        if key not in self._solutions:
            # Escaping replaces one character with at most eight.
            self._solutions[key] = markdown_writer.escape(known["solution"], _SOLUTION)[:_SOLUTION]
        return self._solutions[key]

    def end(self) -> None:
        """Write the facts about the scan."""
        scan = _scan(self._report, self._resources.listed(), self._left)
        self._stream.write(f'\n],\n"scan": {text.json_text(scan)}}}\n')


class _Resources:
    """What was scanned: the applications, and the addresses that were found in them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], None] = {}

    def add(self, method: str | None, url: str | None) -> None:
        """Add an address, as long as there is room."""
        if url and len(self._known) < RESOURCES and _is_web(url):
            self._known[text.line(method, 20) or "GET", text.line(url, 2000)] = None

    def listed(self) -> list[dict[str, str]]:
        """All of them, with the members of GitLab's schema."""
        return [{"method": method, "url": url, "type": "url"} for method, url in self._known]


def _vulnerability(
    finding: Finding,
    known: model.RuleKnowledge | None,
    solution_of: t.Callable[[model.RuleKnowledge], str],
    seen: dict[str, int],
) -> dict[str, t.Any]:
    title = text.line(model.title_label(finding))[:255]
    entry: dict[str, t.Any] = {
        "id": _identifier(finding, seen),
        "name": title,
        "description": markdown_writer.escape(f"{title} in {model.application_label(finding)}", 600),
        "severity": _SEVERITIES[finding["severity"]],
        "identifiers": _identifiers(finding),
        "links": [{"name": cve, "url": f"{_CVE_PAGES}{cve}"} for cve in known["cves"][:_LINKS]] if known else [],
        "location": _location(finding),
        "evidence": evidence_of(finding),
    }
    discovered = text.whole_seconds(finding["first_seen"])
    if discovered:
        entry["discovered_at"] = f"{discovered.removesuffix('Z')}.000"
    if known and known["solution"]:
        entry["solution"] = solution_of(known)
    return entry


def _identifier(finding: Finding, seen: dict[str, int]) -> str:
    """The vendor's unique id when it is a UUID, else a UUID made of the fingerprint; unique in a report."""
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
    """The location of a finding. Readers join ``hostname`` and ``path``, so together they are an address or a path."""
    url = finding["url"] or finding["asset"]["url"] or ""
    host, path = _split(url)
    if not host:
        # Not an address of the web: it can only be a path of the application.
        host, path = _split(finding["asset"]["url"] or "")[0], url
    return {
        "hostname": text.line(host, 2000),
        "method": text.line(finding["method"], 20) or "GET",
        "param": text.line(finding["parameter"], 500),
        # Two slashes would begin a host.
        "path": text.line("/" + path.lstrip("/\\"), 2000),
    }


def _is_web(url: str) -> bool:
    return url[:8].lower().startswith(("http://", "https://"))


def _split(url: str) -> tuple[str, str]:
    """Scheme, host and port of a web address, without user and password, and its path with the query.

    The host is empty, and the path is the whole text, when there is no valid host.
    """
    if not _is_web(url):
        return "", url
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return "", url
    if not name or not _HOST.fullmatch(name):
        return "", url
    shown = f"[{name}]" if ":" in name else name
    host = f"{parts.scheme}://{shown}" + (f":{port}" if port is not None else "")
    return host, parts.path + (f"?{parts.query}" if parts.query else "")


def _scan(report: ReportInput, resources: list[dict[str, str]], left: int) -> dict[str, t.Any]:
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
        "scanned_resources": resources,
        "messages": messages,
    }
    return scan | ({"options": options} if options else {})


def _source_of_files(report: ReportInput) -> str:
    return next((file["manifest"]["source"] for file in report.files if file["manifest"]), "unknown")


def _local(moment: str) -> str:
    """A time without zone letter, as the schema requires it."""
    canonical = text.whole_seconds(moment)
    return canonical.removesuffix("Z") if canonical else ""

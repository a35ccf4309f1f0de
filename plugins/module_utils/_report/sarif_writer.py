# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as SARIF 2.1.0, as GitHub code scanning takes it.

This module is private to the collection and may change at any time.

A web application has no source file, and GitHub refuses a URL in its place. So a result stands on the line of the
catalog that declares the application, where there is one, else on a path made of host and path. The URL itself is in
the message, the logical location and the request.

GitHub keeps 25,000 results of a run; the worst come first, and the file says what was left out.
"""

from __future__ import annotations

import collections
import json
import re
import typing as t
from urllib.parse import quote, unquote, urlsplit

from .._http.settings import VERSION
from .._records.model import Finding
from . import collect, model, text
from .gate_view import COUNTED, SUPPRESSED, Decision
from .model import Place, ReportInput

SCHEMA_URL = "https://json.schemastore.org/sarif-2.1.0.json"
TOOL = "appsec.perimeter"
MAX_RESULTS = 25_000
MAX_RULES = 25_000
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note", "unknown": "error"}
_BANDS: dict[str, tuple[float, float, float]] = {
    "critical": (9.1, 10.0, 9.5),
    "high": (7.0, 8.9, 8.0),
    "medium": (4.0, 6.9, 5.5),
    "low": (0.1, 3.9, 2.5),
    "info": (0.0, 0.0, 0.0),
    "unknown": (9.1, 10.0, 9.5),
}
"""GitHub's bands of security-severity, and what stands for a finding whose CVSS score is not in the band of its own."""

_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_SEGMENT_SAFE = "-._~"
_TEXT = 1000


def write_sarif(report: ReportInput, stream: t.TextIO) -> None:
    """Write one run with everything that is open or deliberately not counted; valid without any result too."""
    rules = _Rules(report)
    stream.write(f'{{"$schema": {_dump(SCHEMA_URL)}, "version": "2.1.0", "runs": [{{\n"results": [')
    written, left = 0, 0
    occurrences: collections.Counter[str] = collections.Counter()
    for finding in report.findings:
        decision = report.gate.decision(finding) if report.gate else None
        if not _belongs(finding, decision, gated=report.gate is not None):
            continue
        if written >= MAX_RESULTS:
            left += 1
            continue
        occurrences[finding["fingerprint"]] += 1
        index = rules.index(finding)
        result = _result(report, finding, decision, index, rules.ids[index], occurrences[finding["fingerprint"]])
        stream.write((",\n" if written else "\n") + _dump(result))
        written += 1
    stream.write("\n],\n" + _rest(report, rules, left) + "}]}\n")


def _belongs(finding: Finding, decision: Decision | None, *, gated: bool) -> bool:
    if gated:
        return decision is not None and decision.decision in COUNTED | SUPPRESSED
    return model.state_of(finding) in ("open", "ignored", "protected")


class _Rules:
    """The rules of the results so far. One rule takes the worst security-severity of its findings."""

    def __init__(self, report: ReportInput) -> None:
        self._knowledge = {(item["source"], item["rule_id"]): item for item in report.knowledge or ()}
        self._index: dict[tuple[str, str], int] = {}
        self.ids: list[str] = []
        self._rules: list[dict[str, t.Any]] = []
        self._severities: list[float] = []

    def index(self, finding: Finding) -> int:
        """The position of the rule of a finding, which is added when it is new."""
        key = (finding["source"], finding["rule_id"] or model.title_label(finding))
        severity = _security_severity(finding)
        place = self._index.get(key)
        if place is None:
            place = self._index[key] = len(self._rules)
            self._rules.append(self._rule(finding, key))
            self.ids.append(self._rules[-1]["id"])
            self._severities.append(severity)
        self._severities[place] = max(self._severities[place], severity)
        return place

    def _rule(self, finding: Finding, key: tuple[str, str]) -> dict[str, t.Any]:
        title = text.line(model.title_label(finding), 255)
        known = self._knowledge.get(key)
        full = text.line(known["diagnosis"], _TEXT) if known and known["diagnosis"] else title
        rule = {
            "id": _rule_id(finding),
            "shortDescription": {"text": _message(title)},
            "fullDescription": {"text": _message(full)},
            "help": {"text": _message(_help(known, title))},
            "defaultConfiguration": {"level": _LEVELS[finding["severity"]]},
        }
        tags = ["security", *(f"external/cwe/cwe-{number}" for number in finding["cwe"][:10])]
        return rule | {"properties": {"tags": tags, "precision": "medium" if finding["potential"] else "high"}}

    def __iter__(self) -> t.Iterator[dict[str, t.Any]]:
        for rule, severity in zip(self._rules, self._severities, strict=True):
            rule["properties"]["security-severity"] = f"{severity:.1f}"
            yield rule


def _help(known: model.RuleKnowledge | None, title: str) -> str:
    if known is None:
        return title
    parts = [
        f"{name}: {text.line(words, 4000)}"
        for name, words in (
            ("Diagnosis", known["diagnosis"]),
            ("Consequence", known["consequence"]),
            ("Solution", known["solution"]),
        )
        if words
    ]
    if known["cves"]:
        parts.append(f"CVEs: {', '.join(known['cves'][:50])}")
    return "\n\n".join(parts) or title


def _rule_id(finding: Finding) -> str:
    rule = finding["rule_id"]
    if finding["source"] == "qualys_was" and rule:
        return f"QID-{text.line(rule, 100)}"
    return f"{text.line(finding['source'], 50)}/{text.line(rule or model.title_label(finding), 150)}"


def _security_severity(finding: Finding) -> float:
    least, most, middle = _BANDS[finding["severity"]]
    score = finding["cvss_score"]
    return round(float(score), 1) if score is not None and least <= score <= most else middle


def _result(
    report: ReportInput, finding: Finding, decision: Decision | None, index: int, rule_id: str, occurrence: int
) -> dict[str, t.Any]:
    title, application = text.line(model.title_label(finding), 255), text.line(model.application_label(finding), 255)
    where = text.line(finding["url"], _TEXT)
    parameter = f" (parameter {text.line(finding['parameter'], 255)})" if finding["parameter"] else ""
    words = f"{title} in {application}" + (f" at {where}{parameter}" if where else parameter)
    result: dict[str, t.Any] = {
        "ruleId": rule_id,
        "ruleIndex": index,
        "level": _LEVELS[finding["severity"]],
        "message": {"text": _message(words)},
        "locations": [_location(report, finding)],
        # The text of a catalog's line says nothing about the finding, so the fingerprint is our own.
        "partialFingerprints": {"primaryLocationLineHash": f"{_hash(finding)}:{occurrence}"},
        "properties": _properties(finding, decision),
    }
    if finding["url"]:
        result["webRequest"] = {"method": text.line(finding["method"], 20) or "GET", "target": where}
    suppression = _suppression(finding, decision)
    if suppression:
        result["suppressions"] = [suppression]
    state = decision.state if decision else None
    if state is not None:
        result["baselineState"] = {"known": "unchanged", "escalated": "updated"}.get(state, "new")
    return result


def _properties(finding: Finding, decision: Decision | None) -> dict[str, t.Any]:
    shown: dict[str, t.Any] = {
        "severity": finding["severity"],
        "status": finding["status"],
        "source": text.line(finding["source"], 50),
        "id": text.line(finding["id"], 255),
        "firstSeen": text.canonical_time(finding["first_seen"]),
    }
    if decision is not None:
        shown |= {"decision": decision.decision, "decidedBy": text.line(decision.by, 255), "state": decision.state}
    return {name: value for name, value in shown.items() if value}


def _suppression(finding: Finding, decision: Decision | None) -> dict[str, t.Any] | None:
    if decision is not None:
        if decision.decision not in SUPPRESSED:
            return None
        note = decision.note or decision.by or decision.decision
        return {"kind": "external", "status": "accepted", "justification": _message(text.line(note, _TEXT))}
    state = model.state_of(finding)
    if state == "open":
        return None
    ignored = finding["ignored"]
    why = (ignored and (ignored["comment"] or ignored["reason"])) or f"{state} at its source"
    return {"kind": "external", "status": "accepted", "justification": _message(text.line(why, _TEXT))}


def _location(report: ReportInput, finding: Finding) -> dict[str, t.Any]:
    place = report.places.get(finding["asset"]["name"] or "") or Place(_made_path(finding), 1, 1, 1)
    region = {"startLine": place.line, "startColumn": place.start, "endLine": place.line, "endColumn": place.end}
    name = f"{text.line(finding['method'], 20) or 'GET'} {text.line(finding['url'] or '', _TEXT)}".strip()
    return {
        "physicalLocation": {"artifactLocation": {"uri": place.uri}, "region": region},
        "logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}],
    }


def _made_path(finding: Finding) -> str:
    """``dast/<host>/<path>``: relative, without anything that could be taken for a scheme or lead out of the folder."""
    try:
        parts = urlsplit(finding["url"] or finding["asset"]["url"] or "")
        host, path = parts.hostname or "", parts.path
    except ValueError:
        host, path = "", ""
    host = host or model.application_label(finding)
    segments = [quote(text.visible(unquote(part)), safe=_SEGMENT_SAFE)[:100] for part in (host, *path.split("/"))]
    safe = [part.replace("..", "%2E%2E") if part.strip(".") else "" for part in segments]
    return "/".join(["dast", *[part for part in safe if part][:20]])


def _hash(finding: Finding) -> str:
    return (finding["fingerprint"] or "0" * 16)[:16]


def _message(words: str) -> str:
    """Text for a SARIF message: no embedded link and no placeholder begins in it (section 3.11)."""
    escaped = words.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return _PLACEHOLDER.sub(r"{{\1}}", escaped)


def _rest(report: ReportInput, rules: _Rules, left: int) -> str:
    driver = {"name": TOOL, "semanticVersion": VERSION, "rules": list(rules)[:MAX_RULES]}
    notes = [f"{headline}: {words}" for headline, words in collect.warnings_of(report)]
    if left:
        notes.append(f"{left} findings, the least severe, were left out: GitHub keeps {MAX_RESULTS} results.")
    gate = report.gate
    invocation: dict[str, t.Any] = {"executionSuccessful": gate is None or gate.exit_code in (0, 10)}
    if gate is not None:
        invocation |= {"exitCode": gate.exit_code, "exitCodeDescription": gate.verdict}
        notes += [text.line(str(item.get("message")), _TEXT) for item in gate.reasons()[:50]]
    if notes:
        level = "none" if invocation["executionSuccessful"] else "error"
        invocation["toolExecutionNotifications"] = [
            {"level": "warning" if level == "none" else level, "message": {"text": _message(note)}} for note in notes
        ]
    parts = {"tool": {"driver": driver}, "automationDetails": {"id": f"{TOOL}/"}, "invocations": [invocation]}
    return ",\n".join(f"{_dump(name)}: {_dump(value)}" for name, value in parts.items())


def _dump(value: t.Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)

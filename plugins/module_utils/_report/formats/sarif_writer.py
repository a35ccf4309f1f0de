# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as SARIF 2.1.0, as GitHub code scanning accepts it.

This module is private to the collection and may change at any time.

A web application has no source file, and GitHub refuses a URL in its place. So the location of a result is the line of
the catalog that declares the application, else a path made of the host and path of the URL. The URL itself is in the
message, the logical location and the request.

Consumers take the severity of a result from ``security-severity`` of its rule, or from ``level``. So each severity of a
scanner's rule is a rule of its own, with a number inside the band of that severity.

GitHub keeps 25,000 results of a run and accepts 10 MB after compression. Findings that count come first, worst first.
Those that are waived, ignored, protected or excluded follow as suppressed, as long as there is room: a result that
vanished would look like a fix. The file says how many were left out.
"""

from __future__ import annotations

import collections
import hashlib
import re
import typing as t
import zlib
from urllib.parse import unquote, urlsplit

from ..._http.settings import VERSION
from ..._records.model import Finding
from .. import text
from ..figures import collect
from ..figures.rows import FindingRow, FormatWriter
from ..inputs import gate_view, model
from ..inputs.gate_view import DecisionView
from ..inputs.model import Place, ReportInput
from .scanners import explained_rules, is_qualys, rule_key, rule_label, scanner_of

SCHEMA_URL = "https://json.schemastore.org/sarif-2.1.0.json"
TOOL = "appsec.perimeter"
MAX_RESULTS = 25_000
MAX_COMPRESSED = 9_000_000
"""Bytes of results and rules after compression, measured with the fastest level; other levels need less."""
LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note", "unknown": "error"}
_BANDS: dict[str, tuple[float, float, float]] = {
    "critical": (9.1, 10.0, 9.5),
    "high": (7.0, 8.9, 8.0),
    "medium": (4.0, 6.9, 5.5),
    "low": (0.1, 3.9, 2.5),
    "info": (0.0, 0.0, 0.0),
    "unknown": (9.1, 10.0, 9.5),
}
"""Lowest and highest security-severity of a severity at GitHub, and the value for a CVSS score outside of these."""

_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_HEXADECIMAL = re.compile(r"[0-9a-f]{16,64}")
_SEGMENT = 60
_TAGS = 10
"""GitHub shows no more tags of a rule."""
_TEXT = 1000
_FULL = 1024


class SarifWriter(FormatWriter):
    """Writes one run with everything that is open or deliberately not counted; valid without any result too."""

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream
        self._results = _Results(report, stream)
        self._later: list[str] = []

    def begin(self) -> None:
        """Write the head."""
        head = f'{{"$schema": {text.json_text(SCHEMA_URL)}, "version": "2.1.0", "runs": [{{\n"results": ['
        self._stream.write(head)

    def row(self, row: FindingRow) -> None:
        """Write a finding that counts; keep one that is set aside for the end."""
        standing, results = row.standing, self._results
        if not standing.counts and not standing.set_aside:
            return
        if results.full or (standing.set_aside and len(self._later) >= MAX_RESULTS):
            results.left += 1
        elif standing.counts:
            results.add(results.result(row))
        else:
            self._later.append(results.result(row))

    def end(self) -> None:
        """Write the findings that are set aside, and the rules."""
        for result in self._later:
            self._results.add(result)
        self._stream.write("\n],\n" + _rest(self._report, self._results) + "}]}\n")


class _Results:
    """Writes results until a limit of GitHub is reached."""

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream
        self._packer = zlib.compressobj(1)
        self._size = 0
        self._written = 0
        self._occurrences: collections.Counter[str] = collections.Counter()
        self.rules = _RuleIndex(report)
        self.left = 0

    @property
    def full(self) -> bool:
        """Whether a limit of GitHub is reached."""
        return self._written >= MAX_RESULTS or self._size > MAX_COMPRESSED

    def result(self, row: FindingRow) -> str:
        """The result of a finding as JSON."""
        finding = row.finding
        index, new_rule = self.rules.index(finding)
        self._size += len(self._packer.compress(new_rule.encode()))
        fingerprint = _hash(finding)
        self._occurrences[fingerprint] += 1
        mark = f"{fingerprint}:{self._occurrences[fingerprint]}"
        return text.json_text(_result(self._report, row, index, self.rules.ids[index], mark))

    def add(self, row: str) -> None:
        """Write one result, or count it as left out."""
        if self.full:
            self.left += 1
            return
        self._size += len(self._packer.compress(row.encode()))
        self._stream.write((",\n" if self._written else "\n") + row)
        self._written += 1


class _RuleIndex:
    """The rules of the results so far, one for each severity of a scanner's rule.

    Inside the band of its severity, a rule has the worst score of its findings.
    """

    def __init__(self, report: ReportInput) -> None:
        self._knowledge = explained_rules(report)
        self._index: dict[str, int] = {}
        self.ids: list[str] = []
        self._rules: list[dict[str, t.Any]] = []
        self._severities: list[float] = []

    def index(self, finding: Finding) -> tuple[int, str]:
        """The position of the rule of a finding, and its JSON when it is new, else an empty text."""
        name, severity, added = _rule_id(finding), _security_severity(finding), ""
        place = self._index.get(name)
        if place is None:
            place = self._index[name] = len(self._rules)
            self._rules.append(self._rule(finding, name))
            self.ids.append(name)
            self._severities.append(severity)
            added = text.json_text(self._rules[-1])
        self._severities[place] = max(self._severities[place], severity)
        return place, added

    def _rule(self, finding: Finding, name: str) -> dict[str, t.Any]:
        title = text.line(model.title_label(finding), 255)
        known = self._knowledge.get(rule_key(finding))
        full = text.line(known["diagnosis"], _TEXT) if known and known["diagnosis"] else title
        rule = {
            "id": name,
            "shortDescription": {"text": _message(title)},
            "fullDescription": {"text": _message(full)[:_FULL]},
            "help": {"text": _message(_help(known, title))},
            "defaultConfiguration": {"level": LEVELS[finding["severity"]]},
        }
        tags = ["security", *(f"external/cwe/cwe-{number}" for number in dict.fromkeys(finding["cwe"]))][:_TAGS]
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
    rule, severity = rule_label(finding, 150), finding["severity"]
    return f"QID-{rule}/{severity}" if is_qualys(finding) else f"{scanner_of(finding['source']).id}/{rule}/{severity}"


def _security_severity(finding: Finding) -> float:
    least, most, middle = _BANDS[finding["severity"]]
    score = finding["cvss_score"]
    return round(float(score), 1) if score is not None and least <= score <= most else middle


def _result(report: ReportInput, row: FindingRow, index: int, rule_id: str, fingerprint: str) -> dict[str, t.Any]:
    finding, standing = row.finding, row.standing
    title, application = text.line(model.title_label(finding), 255), text.line(model.application_label(finding), 255)
    where = text.line(finding["url"], _TEXT)
    parameter = f" (parameter {text.line(finding['parameter'], 255)})" if finding["parameter"] else ""
    result: dict[str, t.Any] = {
        "ruleId": rule_id,
        "ruleIndex": index,
        "level": LEVELS[finding["severity"]],
        "message": {"text": _message(f"{title} in {application}{f' at {where}' if where else ''}{parameter}")},
        "locations": [_location(report, finding)],
        # The text of a catalog's line says nothing about the finding, so the fingerprint is our own.
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
        "properties": _properties(finding, standing.decision),
    }
    if where:
        result["webRequest"] = {"method": text.line(finding["method"], 20) or "GET", "target": where}
    if standing.set_aside:
        suppression = {"kind": "external", "status": "accepted", "justification": _message(standing.why)}
        result["suppressions"] = [suppression]
    state = standing.decision.state if standing.decision else None
    if state is not None:
        result["baselineState"] = {"known": "unchanged", "escalated": "updated"}.get(state, "new")
    return result


def _properties(finding: Finding, decision: DecisionView | None) -> dict[str, t.Any]:
    shown: dict[str, t.Any] = {
        "severity": finding["severity"],
        "status": finding["status"],
        "source": text.line(finding["source"], 50),
        "id": text.line(finding["id"], 255),
        "firstSeen": text.whole_seconds(finding["first_seen"]),
    }
    if decision is not None:
        shown |= {"decision": decision.decision, "decidedBy": text.line(decision.by, 255), "state": decision.state}
    return {name: value for name, value in shown.items() if value}


def _location(report: ReportInput, finding: Finding) -> dict[str, t.Any]:
    place = report.places.get(finding["asset"]["name"] or "") or Place(_made_path(finding), 1, 1, 2)
    region = {"startLine": place.line, "startColumn": place.start, "endLine": place.line, "endColumn": place.end}
    name = f"{text.line(finding['method'], 20) or 'GET'} {text.line(finding['url'], _TEXT)}".strip()
    return {
        "physicalLocation": {"artifactLocation": {"uri": place.uri}, "region": region},
        "logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}],
    }


def _made_path(finding: Finding) -> str:
    """``dast/<host>/<path>``: relative, and nothing in it leads out of the folder."""
    try:
        parts = urlsplit(finding["url"] or finding["asset"]["url"] or "")
        host, path = parts.hostname or "", parts.path
    except ValueError:
        host, path = "", ""
    host = host or model.application_label(finding)
    segments = (text.visible(unquote(part)).replace("/", "_")[:_SEGMENT] for part in (host, *path.split("/")))
    return "/".join(["dast", *[part.replace("..", "__") for part in segments if part.strip(". ")][:20]])


def _hash(finding: Finding) -> str:
    """The first 16 hexadecimal digits of the fingerprint, else of a hash of what identifies the finding."""
    known = finding["fingerprint"]
    if _HEXADECIMAL.fullmatch(known):
        return known[:16]
    words = "\0".join((finding["source"], known or finding["unique_id"] or finding["id"]))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:16]


def _message(words: str) -> str:
    """Text for a SARIF message, escaped so that it has no embedded link and no placeholder (section 3.11)."""
    if "](" in words:
        words = words.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return _PLACEHOLDER.sub(r"{{\1}}", words)


def _rest(report: ReportInput, writer: _Results) -> str:
    driver = {"name": TOOL, "semanticVersion": VERSION, "rules": list(writer.rules)}
    notes = [f"{headline}: {words}" for headline, words in collect.warnings_of(report)]
    if writer.left:
        notes.append(
            f"{text.plural(writer.left, 'finding')} left out, the least severe: GitHub keeps {MAX_RESULTS:,} results, "
            "and takes 10 MB."
        )
    gate = report.gate
    # Only a gate without a conclusion did not succeed; a gate with the verdict fail did its work.
    successful = gate is None or gate.concluded
    invocation: dict[str, t.Any] = {"executionSuccessful": successful}
    if gate is not None:
        invocation |= {"exitCode": gate.exit_code, "exitCodeDescription": gate.verdict}
        notes += [gate_view.told(item, _TEXT) for item in gate.reasons()[:50]]
    if notes:
        level = "warning" if successful else "error"
        told = [{"level": level, "message": {"text": _message(note)}} for note in notes]
        invocation["toolExecutionNotifications"] = told
    parts = {"tool": {"driver": driver}, "automationDetails": {"id": f"{TOOL}/"}, "invocations": [invocation]}
    return ",\n".join(f"{text.json_text(name)}: {text.json_text(value)}" for name, value in parts.items())

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as JUnit XML, as Jenkins' schema and GitLab take it.

This module is private to the collection and may change at any time.

One suite for each application, one case for each finding, and one for the conclusion about the application: without a
conclusive scan that case is an error, and not a pass over nothing. What is waived, ignored or protected is skipped,
with the reason. GitLab reads 30 MB at most; the worst come first, and the file says what was left out.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t
from xml.sax.saxutils import escape, quoteattr

from .._records.model import Finding
from . import model, text
from .gate_view import SUPPRESSED, Decision
from .model import ReportInput

MAX_BYTES = 28 << 20
NAME = "appsec.perimeter"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE = 500


@dataclasses.dataclass
class _Suite:
    """The cases of one application, ready to be written."""

    name: str
    cases: list[str] = dataclasses.field(default_factory=list)
    outcomes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    names: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    left: int = 0

    def add(
        self, classname: str, name: str, outcome: str = "", kind: str = "", message: str = "", body: str = ""
    ) -> int:
        """Add one case; returns its size. GitLab takes two cases of one name for the same one, so names are unique."""
        self.names[name] += 1
        if self.names[name] > 1:
            name = f"{name} ({self.names[name]})"
        attributes = f'classname={_attribute(classname)} name={_attribute(name)} time="0.0"'
        case = f"  <testcase {attributes}/>\n"
        if outcome:
            said = f"<{outcome} type={_attribute(kind)} message={_attribute(message)}>{_content(body)}</{outcome}>"
            case = f"  <testcase {attributes}>{said}</testcase>\n"
        self.outcomes[outcome] += 1
        self.cases.append(case)
        return len(case)


def write_junit(report: ReportInput, stream: t.TextIO) -> None:
    """Write all suites. Without a verdict of the gate, each open finding is a failure."""
    suites: dict[str, _Suite] = {}
    if report.gate is not None:
        _conclusions(report, suites)
    size = 0
    for finding in report.findings:
        decision = report.gate.decision(finding) if report.gate else None
        outcome = _outcome(finding, decision, gated=report.gate is not None)
        if outcome is None:
            continue
        suite = _suite(suites, model.application_label(finding))
        if size > MAX_BYTES:
            suite.left += 1
            continue
        size += _add(suite, finding, decision, outcome)
    _write(report, list(suites.values()), stream)


def _suite(suites: dict[str, _Suite], name: str) -> _Suite:
    return suites.setdefault(name, _Suite(text.line(name, 200)))


def _outcome(finding: Finding, decision: Decision | None, *, gated: bool) -> str | None:
    """failure, error, skipped, or an empty text for a pass; None for what has no case."""
    if not gated:
        return {"open": "failure", "ignored": "skipped", "protected": "skipped"}.get(model.state_of(finding))
    if decision is None or decision.decision in ("excluded", "fixed"):
        return None
    if decision.decision in SUPPRESSED:
        return "skipped"
    return {"fail": "failure", "inconclusive": "error"}.get(decision.decision, "")


def _add(suite: _Suite, finding: Finding, decision: Decision | None, outcome: str) -> int:
    severity, title = finding["severity"], text.line(model.title_label(finding), 200)
    where = " ".join(part for part in (finding["method"], finding["url"]) if part)
    rule = finding["rule_id"] or finding["source"]
    name = f"[{severity}] {title} @ {text.line(where, 200) or 'no URL'} #{finding['fingerprint'][:8]}"
    note = _note(finding, decision)
    body = "\n".join(
        f"{label}: {text.line(str(value), _LINE)}"
        for label, value in (
            ("URL", finding["url"]),
            ("Parameter", finding["parameter"]),
            ("Status", finding["status"]),
            ("First seen", finding["first_seen"]),
            ("Decided by", decision.by if decision else None),
            ("Note", decision.note if decision else None),
        )
        if value
    )
    prefix = f"{decision.state} " if decision and decision.state else ""
    message = note if outcome == "skipped" else f"{prefix}{severity}: {title}"
    return suite.add(f"{suite.name}.{text.line(rule, 100)}", name, outcome, f"severity-{severity}", message, body)


def _note(finding: Finding, decision: Decision | None) -> str:
    if decision is not None:
        return text.line(decision.note or decision.by or decision.decision, _LINE)
    ignored = finding["ignored"]
    why = (ignored and (ignored["comment"] or ignored["reason"])) or "at its source"
    return text.line(f"{model.state_of(finding)}: {why}", _LINE)


def _conclusions(report: ReportInput, suites: dict[str, _Suite]) -> None:
    """A case for the verdict of each application, and one for the run as a whole."""
    gate = report.gate
    if gate is None:
        return
    by_application: dict[str | None, list[str]] = {}
    for item in gate.reasons():
        if item.get("verdict") != "pass":
            by_application.setdefault(item.get("application"), []).append(text.line(str(item.get("message")), _LINE))
    for entry in gate.applications():
        label = str(entry.get("name") or entry.get("label") or entry.get("id"))
        _conclude(_suite(suites, label), str(entry.get("verdict")), by_application.pop(entry.get("label"), []))
    rest = [words for told in by_application.values() for words in told]
    _conclude(_suite(suites, "gate"), gate.verdict, rest)


def _conclude(suite: _Suite, verdict: str, reasons: list[str]) -> None:
    message = "; ".join(reasons[:5]) or verdict
    outcome = {"pass": "", "fail": "failure"}.get(verdict, "error")
    suite.add(
        f"{suite.name}.gate", "the gate came to a conclusion and passed", outcome, verdict, message, "\n".join(reasons)
    )


def _write(report: ReportInput, suites: list[_Suite], stream: t.TextIO) -> None:
    for suite in suites:
        if suite.left:
            words = f"{suite.left} findings, the least severe, were left out: GitLab reads 30 MB"
            suite.add(f"{suite.name}.gate", "all findings are in this file", "skipped", "too-large", words)
    total: collections.Counter[str] = collections.Counter()
    for suite in suites:
        total += suite.outcomes
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    stream.write(f'<testsuites name="{NAME}" {_counts(total)} time="0.0">\n')
    stamp = (report.generated or "1970-01-01T00:00:00Z").removesuffix("Z")[:19]
    for suite in sorted(suites, key=lambda item: (item.name == "gate", item.name)):
        skipped = f'skipped="{suite.outcomes["skipped"]}" timestamp="{stamp}" hostname="ci" time="0.0"'
        stream.write(f" <testsuite name={_attribute(suite.name)} {_counts(suite.outcomes)} {skipped}>\n")
        stream.writelines(suite.cases)
        stream.write(" </testsuite>\n")
    stream.write("</testsuites>\n")


def _counts(outcomes: t.Mapping[str, int]) -> str:
    tests = sum(outcomes.values())
    return f'tests="{tests}" failures="{outcomes.get("failure", 0)}" errors="{outcomes.get("error", 0)}"'


def _attribute(value: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", value))


def _content(value: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", value))

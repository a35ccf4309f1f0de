# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings as JUnit XML, as Jenkins' schema and GitLab accept it.

This module is private to the collection and may change at any time.

Each application has a suite with one case for each finding. One more suite is about the report itself: a case for the
verdict and one for the completeness of the data. These never pass without a conclusion of the gate or with incomplete
data. Findings that are waived, ignored, protected or excluded are skipped with the reason: a case that vanished would
look like a fix. GitLab reads 30 MB at most; the worst findings come first, and the file says how many were left out.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t
from xml.sax.saxutils import escape, quoteattr

from ..._base.log_text import without_workflow_marks
from ..._records.model import Finding
from .. import text
from ..figures import collect
from ..figures.rows import FindingRow, FormatWriter
from ..figures.standing import Standing
from ..inputs import model
from ..inputs.gate_view import DecisionView, GateView
from ..inputs.model import ReportInput
from .scanners import explained_rules, rule_key, rule_label

MAX_BYTES = 28 << 20
NAME = "appsec.perimeter"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE = 500
_SOLUTION = 2000
_SUITE_BYTES = 200


class _Case(t.NamedTuple):
    """One test case; ``outcome`` is failure, error, skipped, or empty for a pass."""

    classname: str
    name: str
    outcome: str = ""
    kind: str = ""
    message: str = ""
    body: str = ""


@dataclasses.dataclass
class _Suite:
    """The cases of one application, ready to be written."""

    name: str
    cases: list[str] = dataclasses.field(default_factory=list)
    outcomes: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    names: collections.Counter[tuple[str, str]] = dataclasses.field(default_factory=collections.Counter)

    def add(self, case: _Case) -> int:
        """Add one case, and return its bytes. GitLab treats two cases of one name as one, so names are made unique."""
        key = (case.classname, case.name)
        self.names[key] += 1
        name = case.name if self.names[key] == 1 else f"{case.name} ({self.names[key]})"
        written = f'  <testcase classname={_attribute(case.classname)} name={_attribute(name)} time="0.0"'
        if case.outcome:
            said = f"<{case.outcome} type={_attribute(case.kind)} message={_attribute(case.message)}>"
            written += f">{said}{_content(case.body)}</{case.outcome}></testcase>\n"
        else:
            written += "/>\n"
        self.outcomes[case.outcome] += 1
        self.cases.append(written)
        return len(written.encode())


class JunitWriter(FormatWriter):
    """Writes all suites. Without a verdict of the gate, each open finding is a failure."""

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream
        self._suites: dict[str, _Suite] = {}
        self._about = _Suite(f"{NAME}.report")
        self._known = explained_rules(report)
        self._size = _conclusions(report, self._suites, self._about)
        self._left = 0

    def row(self, row: FindingRow) -> None:
        """Keep the case of a finding, as long as there is room."""
        outcome = _outcome(self._report, row.standing)
        if outcome is None:
            return
        if self._size > MAX_BYTES:
            self._left += 1
            return
        suite, added = _suite(self._suites, model.application_label(row.finding))
        # Solutions are long and repeated in each finding of a rule: they must not take the room of other findings.
        known = self._known.get(rule_key(row.finding)) if self._size < MAX_BYTES // 2 else None
        self._size += added + suite.add(_case(suite, row, outcome, known["solution"] if known else None))

    def end(self) -> None:
        """Write all cases."""
        self._about.add(_left_out(self._left))
        suites = [*(self._suites[name] for name in sorted(self._suites)), self._about]
        _write(self._report, suites, self._stream)


def _suite(suites: dict[str, _Suite], name: str) -> tuple[_Suite, int]:
    """The suite of an application, and the bytes that it adds; 0 for a suite that exists."""
    shown = text.line(name, 200)
    if shown in suites:
        return suites[shown], 0
    suites[shown] = _Suite(shown)
    return suites[shown], _SUITE_BYTES + len(shown.encode("utf-8", "replace")) * 2


def _outcome(report: ReportInput, standing: Standing) -> str | None:
    """failure, error, skipped, or an empty text for a pass; None when the finding has no case."""
    if standing.set_aside:
        return "skipped"
    if not standing.counts:
        return None
    if standing.decision is None:
        # A finding without a decision of the gate is not known to pass.
        return "error" if report.gate else "failure"
    return {"fail": "failure", "inconclusive": "error"}.get(standing.decision.decision, "")


def _case(suite: _Suite, row: FindingRow, outcome: str, solution: str | None) -> _Case:
    finding, standing = row.finding, row.standing
    severity, title = finding["severity"], text.line(model.title_label(finding), 200)
    where = " ".join(part for part in (finding["method"], finding["url"]) if part)
    name = f"[{severity}] {title} @ {text.line(where, 200) or 'no URL'} #{text.line(finding['fingerprint'][:8])}"
    classname = f"{suite.name}.{rule_label(finding, 100)}"
    if not outcome:
        return _Case(classname, name)
    decision = standing.decision
    if standing.set_aside:
        message = text.clip(standing.why, _LINE)
    else:
        prefix = f"{text.line(decision.state, 40)} " if decision and decision.state else ""
        message = f"{prefix}{severity}: {title}"
    return _Case(classname, name, outcome, f"severity-{severity}", message, _body(finding, decision, solution))


def _body(finding: Finding, decision: DecisionView | None, solution: str | None) -> str:
    facts = (
        ("URL", finding["url"]),
        ("Parameter", finding["parameter"]),
        ("Status", finding["status"]),
        ("First seen", finding["first_seen"]),
        ("Decided by", decision.by if decision else None),
        ("Note", decision.note if decision else None),
    )
    lines = [f"{label}: {text.line(value, _LINE)}" for label, value in facts if value]
    if solution:
        lines += ["Solution:", text.visible_block(text.clip(solution, _SOLUTION))]
    return "\n".join(lines)


def _conclusions(report: ReportInput, suites: dict[str, _Suite], about: _Suite) -> int:
    """Add the cases for the verdicts of the applications and the run, and for the data; return the bytes of all."""
    warnings = [f"{headline}: {words}" for headline, words in collect.warnings_of(report)]
    # Findings that came without a file have no manifest, so nobody can know whether they are complete.
    outcome = "" if not warnings else "error" if report.files else "skipped"
    size = about.add(
        _Case(about.name, "the data is whole", outcome, "data", "; ".join(warnings[:5]), "\n".join(warnings[:100]))
    )
    if report.gate is None:
        return size
    by_application = _by_application(report.gate)
    for entry in report.gate.applications():
        suite, added = _suite(suites, str(entry.get("name") or entry.get("label") or entry.get("id")))
        told = by_application.pop(entry.get("label"), [])
        size += added + suite.add(_verdict(f"{suite.name}.gate", str(entry.get("verdict")), told))
    rest = [words for told in by_application.values() for words in told]
    return size + about.add(_verdict(f"{about.name}.run", report.gate.verdict, rest))


def _by_application(gate: GateView) -> dict[t.Any, list[str]]:
    told: dict[t.Any, list[str]] = {}
    for item in gate.against():
        told.setdefault(item.get("application"), []).append(text.line(str(item.get("message")), _LINE))
    return told


def _verdict(classname: str, verdict: str, reasons: list[str]) -> _Case:
    outcome = {"pass": "", "fail": "failure"}.get(verdict, "error")
    message = "; ".join(reasons[:5]) or verdict
    return _Case(classname, "the gate passed", outcome, verdict, message, "\n".join(reasons[:100]))


def _left_out(left: int) -> _Case:
    name = "all findings are in this file"
    if not left:
        return _Case(f"{NAME}.report", name)
    words = f"{text.plural(left, 'finding')} left out, the least severe: GitLab reads 30 MB."
    return _Case(f"{NAME}.report", name, "skipped", "too-large", words)


def _write(report: ReportInput, suites: list[_Suite], stream: t.TextIO) -> None:
    total: collections.Counter[str] = collections.Counter()
    for suite in suites:
        total += suite.outcomes
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    stream.write(f'<testsuites name="{NAME}" {_counts(total)} time="0.0">\n')
    stamp = (text.whole_seconds(report.generated) or "1970-01-01T00:00:00Z").removesuffix("Z")
    for suite in suites:
        skipped = f'skipped="{suite.outcomes["skipped"]}" timestamp="{stamp}" hostname="ci" time="0.0"'
        stream.write(f" <testsuite name={_attribute(suite.name)} {_counts(suite.outcomes)} {skipped}>\n")
        stream.writelines(suite.cases)
        stream.write(" </testsuite>\n")
    stream.write("</testsuites>\n")


def _counts(outcomes: t.Mapping[str, int]) -> str:
    tests = sum(outcomes.values())
    return f'tests="{tests}" failures="{outcomes.get("failure", 0)}" errors="{outcomes.get("error", 0)}"'


def _attribute(value: str) -> str:
    return quoteattr(_shown(value))


def _content(value: str) -> str:
    return escape(_shown(value))


def _shown(value: str) -> str:
    return _FORBIDDEN.sub("\ufffd", without_workflow_marks(value))

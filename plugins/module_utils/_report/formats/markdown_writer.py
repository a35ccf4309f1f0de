# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Markdown for step summaries, tickets and chat.

This module is private to the collection and may change at any time.

Text of a finding never becomes structure: it is escaped so that GitHub, GitLab, Azure DevOps and Jira importers show
it as text. Every raw line begins with our own words, so a pipeline that prints the file finds no command in it.
"""

from __future__ import annotations

import re
import typing as t

from ..._records.changes import STATES
from ..._records.model import SEVERITIES
from .. import text
from ..figures import collect, executive
from ..figures.rows import FindingRow, FormatWriter
from ..figures.standing import VERDICT_LABELS, decision_label
from ..inputs import model, owasp
from ..inputs.attack_figures import ACTION_LABELS
from ..inputs.gate_view import GateView
from ..inputs.knowledge import FIELDS
from ..inputs.model import ReportInput

MAX_BYTES = 1 << 20
"""Size limit of a GitHub step summary: one byte more, and all of it is dropped."""

_APPLICATIONS = 20
_RULES = 25
_REASONS = 20
_NOTES = 5
_VERDICTS = 50
_EXCLUSIONS = 20
_STEPS = 20
_NAMED = 5
_GATE_COUNTS = ("counted", "new", "waived")
_TOOK = "exclusion_took"
_WORDS = 1500
_NEVER_SCANNED = 20
_CELL = 240
_RESERVE = 400

# Safe in a code span of a table cell: no pipe, no backtick, nothing that HTML or a mention needs.
_PLAIN = re.compile(r"[A-Za-z0-9 ._~:/?=%+,;()\-]+")
_BACKSLASHED = re.compile(r"([\\`*_\[\]{}()!#~^$|])")
# Safe in a fenced block: the lines of a waiver, which people copy.
_COPIED = re.compile(r"(?!.*(?:::|##|//)) [A-Za-z0-9 ._:/,;()\[\]\"#\\|\-]*")
_BREAK = "&#8203;"
# Mentions, issue and merge request numbers, labels and other references of the platforms; a word follows each.
_REFERENCE = re.compile(r"(@|\\#|\\!|\\~|\\\$|%|&amp;)(?=[\w\"'])")
_AUTOLINK = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
# Workflow commands, checkboxes, lists: a cell is never at the start of a line, a heading is.
_LINE_START = re.compile(r"^([-+=:>]|\d+(?=[.)]))")


def escape(value: str | None, limit: int = _CELL) -> str:
    """Text that stays text in Markdown, also inside a table."""
    shown = text.line(value, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _BACKSLASHED.sub(r"\\\1", shown).replace("\\|", "&#124;")
    shown = _REFERENCE.sub(rf"\1{_BREAK}", shown)
    shown = _AUTOLINK.sub(_BREAK, shown)
    return _LINE_START.sub(lambda match: f"&#{ord(match[1])};" if len(match[1]) == 1 else f"{match[1]}{_BREAK}", shown)


def code(value: str | None, limit: int = _CELL) -> str:
    """Text in a code span when nothing in it can end the span, else escaped text."""
    shown = text.line(value, limit).strip()
    return f"`{shown}`" if shown and _PLAIN.fullmatch(shown) else escape(shown, limit + 64)


def _table(head: t.Sequence[str], rows: t.Iterable[t.Sequence[str]], right: t.Container[int] = ()) -> list[str]:
    rule = ["---:" if index in right else "---" for index in range(len(head))]
    return [_cells(head), _cells(rule), *map(_cells, rows), ""]


def _cells(cells: t.Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _counts(counts: model.SeverityCounts) -> list[str]:
    return [text.number(counts[severity]) for severity in SEVERITIES]


_SEVERITY_HEAD = [model.SEVERITY_LABELS[severity] for severity in SEVERITIES]
_FIGURES = frozenset(range(1, 20))


def _title(report: ReportInput) -> list[str]:
    return [f"# {escape(report.title)}", ""]


def _top(report: ReportInput) -> list[str]:
    lines = _title(report)
    for headline, words in collect.warnings_of(report):
        lines += [f"> **{headline}.** {escape(words, 600)}", ""]
    lines += [f"- {label}: {escape(words, 1200)}" for label, words in collect.scope_facts(report)]
    return [*lines, ""]


def _summary(report: ReportInput) -> list[str]:
    if not (report.files or report.attacks or report.images):
        return []
    lines = ["## In short", ""]
    return [*lines, *(f"- **{item.topic}**: {escape(item.words, 500)}" for item in executive.sentences(report)), ""]


def _verdict(report: ReportInput) -> list[str]:
    gate = report.gate
    if gate is None:
        return []
    label = VERDICT_LABELS.get(gate.verdict, gate.verdict)
    lines = ["## Verdict of the gate", "", f"**{label} (code {gate.exit_code})**", ""]
    against = _grouped(gate.against())
    # The exclusions have a table of their own.
    notes = _grouped(item for item in gate.reasons() if item.get("verdict") == "pass" and item.get("code") != _TOOK)
    shown = against[:_REASONS] + notes[:_NOTES]
    lines += [f"- {_reason(message, applications, note)}" for (message, note), applications in shown]
    if len(against) + len(notes) > len(shown):
        lines.append(f"- and {len(against) + len(notes) - len(shown):,} more reasons and notes")
    applications = gate.applications()
    rows = [_application_verdict(item) for item in applications[:_VERDICTS]]
    if rows:
        lines += ["", *_table(["Application", "Verdict", "Counted", "New", "Waived"], rows, {2, 3, 4})]
    if len(applications) > _VERDICTS:
        lines.append(f"The worst {_VERDICTS} of {len(applications):,} applications.")
    flagged = [item for item in gate.waivers() if item.get("flags")]
    if flagged:
        words = (f"{item.get('id')} ({', '.join(map(str, item['flags']))})" for item in flagged[:_VERDICTS])
        lines += ["", f"Waivers to look at: {escape(', '.join(words), 2000)}."]
    return [*lines, "", *_exclusions(gate), *_next_steps(gate)]


def _grouped(reasons: t.Iterable[dict[str, t.Any]]) -> list[tuple[tuple[str, bool], list[str]]]:
    """Each message once, with whether it is a note and the applications that it is about."""
    found: dict[tuple[str, bool], list[str]] = {}
    for item in reasons:
        named = found.setdefault((str(item.get("message")), item.get("verdict") == "pass"), [])
        if item.get("application"):
            named.append(str(item["application"]))
    return list(found.items())


def _reason(message: str, applications: list[str], note: bool) -> str:
    words = escape(f"{applications[0]}: {message}" if len(applications) == 1 else message, 600)
    if len(applications) > 1:
        more = f" and {len(applications) - _NAMED:,} more" if len(applications) > _NAMED else ""
        words += f" ({', '.join(escape(name, 80) for name in applications[:_NAMED])}{more})"
    return words + (" (note)" if note else "")


def _exclusions(gate: GateView) -> list[str]:
    found = gate.exclusions()
    if not found:
        return []
    rows = [
        [escape(str(item.get("name")), 80), escape(str(item["findings"]), 20), escape(str(item.get("reason")))]
        for item in found[:_EXCLUSIONS]
    ]
    more = [f"The first {_EXCLUSIONS} of {len(found):,} exclusions.", ""] if len(found) > _EXCLUSIONS else []
    return ["### Exclusions", "", *_table(["Exclusion", "Findings", "Reason"], rows, {1}), *more]


def _next_steps(gate: GateView) -> list[str]:
    steps = gate.next_steps()
    if not steps:
        return []
    shown = steps[:_STEPS]
    copied = [line for line in shown if line.startswith(" ")]
    if not all(_COPIED.fullmatch(line) for line in copied):
        copied = []
    lines = [f"- {escape(line.strip(), 600)}" for line in shown if line not in copied]
    block = ["", "```yaml", *copied, "```"] if copied else []
    return ["### Next steps", "", *lines, *block, ""]


def _application_verdict(item: dict[str, t.Any]) -> list[str]:
    counts = item.get("counts")
    counts = counts if isinstance(counts, dict) else {}
    figures = [text.number(counts[name]) if isinstance(counts.get(name), int) else "" for name in _GATE_COUNTS]
    label, verdict = str(item.get("label") or item.get("name") or item.get("id")), str(item.get("verdict"))
    return [escape(label, 120), VERDICT_LABELS.get(verdict, escape(verdict, 40)), *figures]


def _scans(report: ReportInput) -> list[str]:
    if not report.scans:
        return []
    rows = [
        [
            escape(scan.application, 120),
            "not known" if scan.conclusive is None else "yes" if scan.conclusive else "no",
            escape(scan.end_reason or scan.status, 40),
            escape(scan.auth_status, 40),
            "" if scan.links_crawled is None else text.number(scan.links_crawled),
            escape(text.readable_time(scan.ended or scan.time)),
        ]
        for scan in report.scans[:_VERDICTS]
    ]
    head = ["Application", "Conclusive", "Ended as", "Authentication", "Links", "Ended"]
    more = [f"The first {_VERDICTS} of {len(report.scans):,} scans.", ""] if len(report.scans) > _VERDICTS else []
    return ["## Scans", "", *_table(head, rows, {4}), *more]


def _overview(report: ReportInput) -> list[str]:
    summary = report.summary
    if not summary["total"]:
        return ["**No findings.**", ""]
    risks, _with_open = model.headline(summary)
    states = [f"{text.number(count)} {words}" for count, words in _states(summary, risks)]
    lines = ["## Overview", "", f"{text.plural(summary['total'], 'finding')}: {', '.join(states)}.", ""]
    lines += _table(["Open risks", *_SEVERITY_HEAD], [["all", *_counts(summary["open_by_severity"])]], _FIGURES)
    ages = ((label, _counts(counts)) for label, counts in summary["by_age"].items() if any(counts.values()))
    lines += _table(["Age", *_SEVERITY_HEAD], [[label, *counts] for label, counts in ages], _FIGURES)
    kinds = ((model.KIND_LABELS[kind], counts) for kind, counts in summary["by_kind"].items() if counts["total"])
    rows = [[label, *(text.number(counts[key]) for key in (*STATES, "total"))] for label, counts in kinds]
    heads = ["Kind", *(model.STATE_LABELS[state] for state in STATES), "Total"]
    return lines + _table(heads, rows, _FIGURES)


def _states(summary: model.Summary, risks: int) -> t.Iterator[tuple[int, str]]:
    """The headline: open findings of severity info are not risks, and are counted separately."""
    for state, words in _STATE_WORDS.items():
        if state != "open":
            yield summary["states"][state], words
            continue
        yield risks, words
        if risks != summary["states"]["open"]:
            yield summary["states"]["open"] - risks, "open with severity info"


_STATE_WORDS = {
    "open": "open risks",
    "ignored": "ignored",
    "protected": "protected by a virtual patch",
    "fixed": "fixed",
    "information": "information only",
}


def _changes(report: ReportInput) -> list[str]:
    changes = report.changes
    lines = ["## Since the previous run", ""]
    if changes is None:
        return [*lines, "No previous run to compare with.", ""]
    # As in the headline, a finding with the severity info is not a risk.
    before = changes["open_before"] - changes["open_by_severity_before"]["info"]
    now = changes["open_now"] - report.summary["open_by_severity"]["info"]
    when = text.readable_time(changes["previous_generated"])
    lines += [f"Open risks: {before:,} on {escape(when)}, {now:,} now ({now - before:+,}).", ""]
    if not changes["same_scope"]:
        lines += ["The previous run had another scope, so new and gone findings may come from that.", ""]
    if not changes["listed"]:
        return [*lines, "Only the figures of the previous run are known, not its findings.", ""]
    rows = [
        [model.CHANGE_LABELS[change], text.number(count), model.CHANGE_MEANINGS[change]]
        for change, count in changes["counts"].items()
    ]
    return lines + _table(["Change", "Findings", "Meaning"], rows, {1})


def _risks(report: ReportInput) -> list[str]:
    risks = report.summary["top_risks"]
    if not risks:
        return []
    rows = [
        [
            str(rank),
            model.SEVERITY_LABELS[risk["severity"]],
            escape(risk["title"]),
            str(risk["score"]),
            text.number(risk["findings"]),
            text.number(risk["applications"]),
            "" if risk["oldest_days"] is None else text.plural(risk["oldest_days"], "day"),
        ]
        for rank, risk in enumerate(risks, 1)
    ]
    head = ["Rank", "Severity", "Rule", "Score", "Findings", "Applications", "Oldest"]
    return ["## Top risks", "", model.SCORING_RULE, "", *_table(head, rows, {0, 3, 4, 5, 6})]


def _remediation(report: ReportInput) -> list[str]:
    if not report.knowledge:
        return []
    lines = ["## How to fix", ""]
    for rule in report.knowledge[:_RULES]:
        severity = model.SEVERITY_LABELS[rule["severity"]]
        open_risks = text.plural(rule["open"], "open risk")
        lines += [
            f"### {severity}: {escape(rule['title'])}",
            "",
            f"Rule {escape(rule['rule_id'], 60)}, {open_risks}.",
            "",
        ]
        for name, label in FIELDS:
            lines += _quoted(label, rule[name])  # type: ignore[literal-required]
        if rule["cves"]:
            lines += [f"CVE: {', '.join(rule['cves'])}", ""]
    if len(report.knowledge) > _RULES:
        lines += [f"The worst {_RULES} of {len(report.knowledge):,} rules that the knowledge base explains.", ""]
    return lines


def _quoted(label: str, words: str | None) -> list[str]:
    """A text of several lines as a quotation: each raw line begins with our own mark."""
    if not words:
        return []
    shown = (escape(line.strip(), _WORDS) for line in text.clip(words, _WORDS).splitlines())
    return [f"{label}:", "", *(f"> {line}".rstrip() for line in shown), ""]


def _applications(report: ReportInput) -> list[str]:
    worst = [item for item in report.summary["applications"] if item["open"]]
    if not worst:
        return []
    rows = [[escape(item["name"]), *_counts(item["severity"])] for item in worst[:_APPLICATIONS]]
    lines = ["## Applications", "", *_table(["Application", *_SEVERITY_HEAD], rows, _FIGURES)]
    if len(worst) > _APPLICATIONS:
        lines += [f"The worst {_APPLICATIONS} of {len(worst):,} applications with open risks.", ""]
    return lines


def _never_scanned(report: ReportInput) -> list[str]:
    never = collect.never_scanned(report)
    if not never:
        return []
    names = ", ".join(escape(item["name"], 80) for item in never[:_NEVER_SCANNED])
    more = f" and {len(never) - _NEVER_SCANNED:,} more" if len(never) > _NEVER_SCANNED else ""
    return [f"Never scanned ({len(never):,}): {names}{more}.", ""]


def _owasp(report: ReportInput) -> list[str]:
    rows = [[escape(owasp_label(item)), *_counts(item["severity"])] for item in report.summary["by_owasp"][:30]]
    if not rows:
        return []
    return ["## OWASP Top 10", "", *_table(["Category", *_SEVERITY_HEAD], rows, _FIGURES)]


def owasp_label(item: model.OwaspSummary) -> str:
    """``A03:2021 Injection``, or "Not mapped"."""
    return owasp.label(item["code"], item["name"], item["edition"]) or "Not mapped"


def _ignored(report: ReportInput) -> list[str]:
    reasons = report.summary["ignored_by_reason"]
    if not reasons:
        return []
    rows = [[escape(reason), text.number(count)] for reason, count in list(reasons.items())[:30]]
    return ["## Ignored findings", "", *_table(["Reason", "Findings"], rows, {1})]


def _notes(report: ReportInput) -> list[str]:
    notes = collect.quality_notes(report)
    if not notes:
        return []
    return ["## Data quality", "", *(f"- {escape(note, 600)}" for note in notes), ""]


def _finding_row(row: FindingRow, gated: bool) -> str:
    finding, age = row.finding, row.age
    gate = [escape(decision_label(row.standing.decision))] if gated else []
    cells = [
        model.SEVERITY_LABELS[finding["severity"]],
        model.STATUS_LABELS[finding["status"]],
        escape(model.application_label(finding), 80),
        escape(model.title_label(finding), 160),
        code(finding["url"], 160),
        code(finding["parameter"], 60),
        "" if age is None else text.number(age),
        code(finding["id"], 60),
        *gate,
    ]
    return _cells(cells)


class _Limited:
    """Writes lines for as long as they fit, and counts bytes, not characters."""

    def __init__(self, stream: t.TextIO, limit: int) -> None:
        self._stream = stream
        self._left = limit

    def write(self, lines: t.Iterable[str], reserve: int = 0) -> bool:
        """Write all of these lines, or none of them."""
        block = "".join(f"{line}\n" for line in lines)
        size = len(block.encode())
        if size > self._left - reserve:
            return False
        self._left -= size
        self._stream.write(block)
        return True


def _attacks(report: ReportInput) -> list[str]:
    attacks = report.attacks
    if attacks is None:
        return []
    actions = (
        f"{attacks['actions'][name]:,} {label.lower()}"
        for name, label in ACTION_LABELS.items()
        if attacks["actions"][name]
    )
    lines = ["## Attacks", "", f"{text.plural(attacks['total'], 'event')}: {', '.join(actions) or 'nothing'}.", ""]
    for heading, name in _ATTACKED:
        rows = [
            [escape(item["name"] or "not known"), text.number(item["events"]), text.number(item["not_blocked"])]
            for item in attacks[name][:_TOP_ATTACKED]  # type: ignore[literal-required]
        ]
        if rows:
            lines += _table([heading, "Events", "Not blocked"], rows, {1, 2})
    return lines


_ATTACKED = (("Source", "clients"), ("Country", "countries"), ("Category", "categories"), ("Host", "hosts"))
_TOP_ATTACKED = 10


def _overdue(report: ReportInput) -> list[str]:
    history = report.history
    if history is None or not history.breached:
        return []
    rows = [
        [
            model.SEVERITY_LABELS[item.severity],
            escape(item.title),
            escape(item.application, 80),
            text.readable_date(item.due_at),
        ]
        for item in history.breached[:_TOP_ATTACKED]
    ]
    lines = ["## Overdue", "", *_table(["Severity", "Finding", "Application", "Due"], rows)]
    if history.breached_total > len(rows):
        lines += [f"The most urgent {len(rows)} of {history.breached_total:,}.", ""]
    return lines


def _images(report: ReportInput) -> list[str]:
    if not report.images:
        return []
    rows = [
        [
            escape(item.name, 120),
            "yes" if item.malware else "",
            *(_counts(item.counts) if item.counts else ["?"] * len(SEVERITIES)),
        ]
        for item in report.images[:_APPLICATIONS]
    ]
    lines = ["## Container images", "", *_table(["Image", "Malware", *_SEVERITY_HEAD], rows, _FIGURES - {1})]
    if len(report.images) > len(rows):
        lines += [f"The worst {len(rows)} of {len(report.images):,} images.", ""]
    return lines


_SECTIONS: tuple[t.Callable[[ReportInput], list[str]], ...] = (
    _top,
    _summary,
    _verdict,
    _overview,
    _changes,
    _risks,
    _remediation,
    _overdue,
    _attacks,
    _applications,
    _never_scanned,
    _images,
    _owasp,
    _ignored,
    _scans,
    _notes,
)


_VERDICT_SECTIONS = (_title, _verdict)
"""The sections of a report that has a verdict and no findings."""


class MarkdownWriter(FormatWriter):
    """Writes the figures, then the open risks worst first, until ``max_bytes`` are used.

    The last line says what was left out.
    """

    def __init__(self, report: ReportInput, stream: t.TextIO, *, max_bytes: int = MAX_BYTES) -> None:
        self._report = report
        self._out = _Limited(stream, max_bytes)
        self._gated = report.gate is not None
        self._dropped = 0
        self._shown = 0
        self._full = False

    def begin(self) -> None:
        """Write the figures and the head of the table."""
        for section in _VERDICT_SECTIONS if collect.only_verdict(self._report) else _SECTIONS:
            self._dropped += not self._out.write(section(self._report), reserve=_RESERVE)
        head = ["Severity", "Status", "Application", "Finding", "URL", "Parameter", "Age (days)", "Id"]
        head += ["Gate"] if self._gated else []
        lines = ["## Open risks", "", *_table(head, [], {6})[:2]]
        self._full = not self._report.summary["states"]["open"] or not self._out.write(lines, reserve=_RESERVE)

    def row(self, row: FindingRow) -> None:
        """Write an open risk, as long as there is room."""
        if self._full or row.state != "open":
            return
        self._full = not self._out.write([_finding_row(row, self._gated)], reserve=_RESERVE)
        self._shown += not self._full

    def end(self) -> None:
        """Say what was left out."""
        left = self._report.summary["states"]["open"] - self._shown
        if left or self._dropped:
            sections = f" and {text.plural(self._dropped, 'section')}" if self._dropped else ""
            risks = text.plural(left, "open risk")
            self._out.write(["", f"Left out for size: {risks}{sections}. The other formats hold all of them."])

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one self-contained HTML file.

This module is private to the collection and may change at any time.

Three measures keep a payload from running: every text is escaped where it becomes HTML (:mod:`markup`), the findings
are embedded as JSON without ``<``, and the content security policy allows exactly our own script and style by their
hashes, forbids every connection, and requires Trusted Types without allowing any policy.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
import typing as t

from ..._records.changes import STATES
from ..._records.model import SEVERITIES, STATUSES, Evidence, Finding
from .. import text
from ..figures import collect
from ..figures.applications import ApplicationTally
from ..figures.rows import FindingRow, FormatWriter
from ..figures.standing import decided_by, decision_label
from ..inputs import model, owasp
from ..inputs.matches import CLASS_LABELS, CLASSES, NOT_BLOCKED, UNOBSERVED, MatchView
from ..inputs.model import ReportInput
from . import applications as html_applications
from . import assets
from . import attacks as html_attacks
from . import due as html_due
from . import executive as html_executive
from . import gate as html_gate
from . import images as html_images
from . import quality as html_quality
from . import remediation as html_knowledge
from . import sections as html_sections
from .markup import Markup, escape

EVIDENCE_CHARACTERS = 2000
EVIDENCE_ITEMS = 3
EVIDENCE_BUDGET = 16 << 20
_URL = 1000
_EVIDENCE_FIELDS = ("payload", "method", "url", "headers", "body", "response", "result")

_PLACEHOLDER = re.compile(r"\[\[(\w+)\]\]")
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_ROWS_IN_A_CHUNK = 500
_PIECE = 1 << 16
_CHANGE_NUMBERS = {change: number for number, change in enumerate(("", *model.CHANGES))}


def json_for_script(value: t.Any) -> str:
    """JSON that is inert inside a script element: ASCII, without ``<``, ``>`` and ``&``."""
    # These could end the script element or matter to an HTML parser; three replacements are faster than translate().
    encoded = _ENCODE(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return encoded.replace("##", "#\\u0023")


class _Words:
    """Gives each different text a number, so that the page contains it once. Number 0 is the empty text."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}

    def number(self, value: str | None, limit: int = 300) -> int:
        shown = text.line(value, limit)
        return self._numbers.setdefault(shown, len(self._numbers))

    def listed(self) -> list[str]:
        return list(self._numbers)


COLUMNS = (
    "severity",
    "status",
    "kind",
    "state",
    "change",
    "application",
    "title",
    "url",
    "parameter",
    "method",
    "age",
    "first_seen",
    "last_seen",
    "last_tested",
    "fixed_at",
    "times_seen",
    "cvss_score",
    "cvss_vector",
    "detection_score",
    "cwe",
    "owasp",
    "group",
    "finding_type",
    "potential",
    "external_ref",
    "patch",
    "source",
    "rule_id",
    "id",
    "unique_id",
    "ignored",
    "decision",
    "decided_by",
    "attack",
    "attacks",
    "evidence",
)
WORD_COLUMNS = (
    "application",
    "title",
    "parameter",
    "method",
    "first_seen",
    "last_seen",
    "last_tested",
    "fixed_at",
    "cvss_vector",
    "owasp",
    "group",
    "finding_type",
    "external_ref",
    "patch",
    "source",
    "rule_id",
    "ignored",
    "decision",
    "decided_by",
    "attacks",
)
"""Columns that hold a number of the word list instead of the text itself."""


class _Island:
    """The findings as compact rows, and their evidence separately, which is parsed only when somebody opens it.

    Sections that come before the rows in the page are complete only after the last row, so the rows wait in a
    temporary file.
    """

    def __init__(self, gated: bool, matched: bool) -> None:
        self._gated = gated
        self._matched = matched
        self._words = _Words()
        self._file: t.TextIO | None = None
        self._rows: list[list[t.Any]] = []
        self._separator = ""
        self.evidence: list[str] = []
        self._evidence_size = 0

    def open(self) -> None:
        """Open the temporary file for the rows."""
        # Unnamed: nothing is left behind even when the process is killed.
        file = tempfile.TemporaryFile("w+", encoding="ascii", newline="")  # noqa: SIM115 - closed in close()
        self._file = t.cast(t.TextIO, file)

    def close(self) -> None:
        """Close the temporary file, which removes it."""
        if self._file is not None:
            self._file.close()

    def add(self, row: FindingRow) -> None:
        """Add the row of a finding."""
        self._rows.append(self._row(row))
        if len(self._rows) == _ROWS_IN_A_CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._rows and self._file is not None:
            self._file.write(self._separator + json_for_script(self._rows)[1:-1])
            self._rows, self._separator = [], ",\n"

    def chunks(self) -> t.Iterator[str]:
        """The JSON text of the rows, piece by piece."""
        head = {
            "columns": COLUMNS,
            "gated": self._gated,
            "matched": self._matched,
            "attacks": [[name, CLASS_LABELS[name]] for name in CLASSES],
            "words": WORD_COLUMNS,
            "severities": [[name, model.SEVERITY_LABELS[name]] for name in SEVERITIES],
            "statuses": [[name, model.STATUS_LABELS[name]] for name in STATUSES],
            "kinds": [[name, model.KIND_LABELS[name]] for name in model.KINDS],
            "states": [[name, model.STATE_LABELS[name]] for name in STATES],
            "changes": [["", ""], *([name, model.CHANGE_LABELS[name]] for name in model.CHANGES)],
        }
        yield json_for_script(head)[:-1] + ',"rows":[\n'
        self._flush()
        if self._file is not None:
            self._file.seek(0)
            while piece := self._file.read(_PIECE):
                yield piece
        yield '\n],"dictionary":' + json_for_script(self._words.listed()) + "}"

    def _row(self, row: FindingRow) -> list[t.Any]:
        word = self._words.number
        finding, decision = row.finding, row.standing.decision
        return [
            model.SEVERITY_RANK[finding["severity"]],
            model.STATUS_RANK[finding["status"]],
            model.KINDS.index(finding["kind"]),
            STATES.index(row.state),
            _CHANGE_NUMBERS[row.change],
            word(model.application_label(finding), 160),
            word(model.title_label(finding), 500),
            text.line(finding["url"], _URL),
            word(finding["parameter"]),
            word(finding["method"], 40),
            row.age,
            word(finding["first_seen"], 40),
            word(finding["last_seen"], 40),
            word(finding["last_tested"], 40),
            word(finding["fixed_at"], 40),
            finding["times_seen"],
            finding["cvss_score"],
            word(finding["cvss_vector"], 200),
            finding["detection_score"],
            finding["cwe"],
            word("; ".join(map(owasp.label_of, finding["owasp"])), 500),
            word(finding["group"]),
            word(finding["finding_type"]),
            finding["potential"],
            word(finding["external_ref"]),
            word(finding["patch"]),
            word(collect.source_label(finding["source"]), 60),
            word(finding["rule_id"], 100),
            text.line(finding["id"], 200),
            text.line(finding["unique_id"], 200),
            word(_ignored(finding), 1500),
            word(decision_label(decision), 100),
            word(decided_by(decision), 1100),
            CLASSES.index(row.match.kind) if row.match else None,
            word(_attacks(row.match), 600),
            self._keep_evidence(finding["evidence"]),
        ]

    def _keep_evidence(self, items: list[Evidence]) -> int:
        """The number of the evidence entry, 0 for none, -1 when there was no room."""
        if not items:
            return 0
        if self._evidence_size + _least_size(items) > EVIDENCE_BUDGET:
            # Encoding does not make it shorter, and is most of the work.
            return -1
        shown = [_shown_evidence(item) for item in items[:EVIDENCE_ITEMS]]
        entry = json_for_script({"total": len(items), "items": shown})
        if self._evidence_size + len(entry) > EVIDENCE_BUDGET:
            return -1
        self._evidence_size += len(entry)
        self.evidence.append(entry)
        return len(self.evidence)


def _attacks(match: MatchView | None) -> str:
    """What the firewalls saw of attacks on a finding, in words."""
    if match is None or match == UNOBSERVED:
        return ""
    parts = [text.plural(match.events, "event")] if match.events else []
    if match.last:
        parts.append(f"last {text.readable_time(match.last)}")
    if match.sources:
        parts.append(f"from {', '.join(match.sources)}")
    if match.host_events:
        parts.append(f"{match.host_events:,} more on the same host")
    return "; ".join(parts)


def _ignored(finding: Finding) -> str:
    ignored = finding["ignored"]
    if ignored is None:
        return ""
    parts = [ignored["reason"] or "no reason given"]
    parts += [f"{label} {ignored[key]}" for label, key in _IGNORED_WORDS if ignored[key]]  # type: ignore[literal-required]
    return "; ".join(parts)


_IGNORED_WORDS = (("by", "by"), ("since", "at"), ("until", "until"), ("comment:", "comment"))


def _least_size(items: list[Evidence]) -> int:
    """The least number of characters that the texts of an evidence entry need."""
    values = (item[name] for item in items[:EVIDENCE_ITEMS] for name in _EVIDENCE_FIELDS)  # type: ignore[literal-required]
    return sum(min(len(value), EVIDENCE_CHARACTERS) for value in values if value)


def _shown_evidence(item: Evidence) -> list[list[str]]:
    fields = [
        ["URL" if name == "url" else name.capitalize(), text.visible_block(text.clip(value, EVIDENCE_CHARACTERS))]
        for name in _EVIDENCE_FIELDS
        if (value := item[name])  # type: ignore[literal-required]
    ]
    if item["authenticated"] is not None:
        fields.append(["Authenticated", "yes" if item["authenticated"] else "no"])
    return fields


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


def content_security_policy(css: str, script: str) -> str:
    """Allows only our own style and script, by their hashes; no connection, frame or form, no markup from strings."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(css)}",
            f"script-src {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _evidence_note() -> str:
    return (
        f"Evidence is shown as plain text: at most {EVIDENCE_ITEMS} items of a finding, "
        f"{EVIDENCE_CHARACTERS:,} characters of each field, and {EVIDENCE_BUDGET >> 20} MiB in all, worst first."
    )


class HtmlWriter(FormatWriter):
    """Writes the page. Placeholders are replaced only in the template, never in the content of a section."""

    def __init__(self, report: ReportInput, stream: t.TextIO) -> None:
        self._report = report
        self._stream = stream
        self._gated = report.gate is not None
        self._island = _Island(self._gated, report.matches is not None)
        # Findings that were attacked and not blocked come before worse findings that were not attacked.
        self._attacked: list[Markup] = []
        self._hit: list[Markup] = []
        self._worst: list[Markup] = []
        self._applications = ApplicationTally()

    def begin(self) -> None:
        """Open the temporary file for the findings."""
        self._island.open()

    def row(self, row: FindingRow) -> None:
        """Add one finding to the data, the tables and the applications."""
        self._island.add(row)
        self._applications.add(row)
        if row.state != "open":
            return
        hit = row.match is not None and row.match.kind == NOT_BLOCKED
        listed = self._hit if hit else self._worst
        if len(listed) < html_sections.STATIC_FINDINGS:
            listed.append(html_sections.finding_row(row, self._gated))
        if hit and len(self._attacked) < html_attacks.ATTACKED_AT_MOST:
            self._attacked += filter(None, [html_attacks.attacked_row(row)])

    def end(self) -> None:
        """Write the whole page."""
        parts = self._parts()
        for index, piece in enumerate(_PLACEHOLDER.split(assets.text("report.html"))):
            # Odd pieces are the names of placeholders.
            for content in parts[piece]() if index % 2 else (piece,):
                self._stream.write(content)

    def close(self) -> None:
        """Remove the temporary file."""
        self._island.close()

    def _first(self) -> list[Markup]:
        return [*self._hit, *self._worst][: html_sections.STATIC_FINDINGS]

    def _parts(self) -> dict[str, t.Callable[[], t.Iterable[str]]]:
        report, island = self._report, self._island
        css, script = assets.text("report.css"), assets.text("report.js")
        return {
            "csp": lambda: [Markup(content_security_policy(css, script))],
            "title": lambda: [escape(text.line(report.title, 300))],
            "css": lambda: [css],
            "header": lambda: [html_sections.header(report)],
            "banners": lambda: [html_sections.banners(report)],
            "verdict": lambda: [html_gate.verdict(report)],
            "verdictlink": lambda: [html_gate.links(report)],
            "scans": lambda: [html_gate.scans(report)],
            "summary": lambda: [html_executive.summary(report)],
            "overview": lambda: [
                html_sections.overview(
                    report, severity=html_executive.has_trend(report), age=html_executive.has_due_dates(report)
                )
            ],
            "duelink": lambda: [html_due.due_link(report)],
            "due": lambda: [html_due.due_dates(report)],
            "waivers": lambda: [html_due.waivers(report)],
            "attacklink": lambda: [html_attacks.link(report)],
            "attacks": lambda: [html_attacks.attacks(report, self._attacked)],
            "imagelink": lambda: [html_images.link(report)],
            "images": lambda: [html_images.images(report)],
            "risks": lambda: [html_sections.risks(report)],
            "changes": lambda: [html_sections.changes(report)],
            "remediation": lambda: [html_knowledge.remediation(report)],
            "remediationlink": lambda: [html_knowledge.link(report)],
            "applications": lambda: [html_applications.applications(report, self._applications)],
            "findings": lambda: [html_sections.findings(report, self._first())],
            "ignored": lambda: [html_sections.ignored(report)],
            "quality": lambda: [html_quality.quality(report, _evidence_note())],
            "data": island.chunks,
            "evidence": lambda: ["[", ",\n".join(island.evidence), "]"],
            "script": lambda: [script],
        }

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of a report, before it is written in any format.

This module is private to the collection and may change at any time.

Writers are pure: they get one :class:`ReportInput` and a text stream. All counting, ranking and comparing is done
before, so that every format tells the same story.
"""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import quote

from ..._records import changes
from ..._records.model import SEVERITIES, STATUSES, Finding, Manifest
from .attack_figures import AttackFigures
from .gate_view import GateView
from .history import HistoryView
from .matches import Matches
from .records import GapRow
from .services import ServiceRow
from .waivers import WaiverRow

REPORT_SCHEMA = 1
KINDS: tuple[str, ...] = ("vulnerability", "sensitive_content", "information", "unknown")
AGE_BUCKETS: tuple[tuple[str, int], ...] = (
    ("0-7 days", 7),
    ("8-30 days", 30),
    ("31-90 days", 90),
    ("91-180 days", 180),
    ("over 180 days", 10**9),
)
AGE_UNKNOWN = "age not known"

SEVERITY_RANK: dict[str, int] = {name: rank for rank, name in enumerate(SEVERITIES)}
STATUS_RANK: dict[str, int] = {name: rank for rank, name in enumerate(STATUSES)}

SEVERITY_LABELS: dict[str, str] = {name: name.capitalize() for name in SEVERITIES}
STATUS_LABELS: dict[str, str] = {name: name.capitalize() for name in STATUSES}
KIND_LABELS = {
    "vulnerability": "Vulnerability",
    "sensitive_content": "Sensitive content",
    "information": "Information gathered",
    "unknown": "Kind not known",
}
STATE_LABELS = {
    "open": "Open risk",
    "ignored": "Ignored",
    "protected": "Protected",
    "fixed": "Fixed",
    "information": "Information",
}

# The order in which a reader wants to know; the first five are the headline.
CHANGES: tuple[str, ...] = tuple(change for change in changes.CHANGES if change != "changed")
"""The changes that a report counts. Other differences of a finding are not shown."""
CHANGE_LABELS = {
    "new": "New",
    "reopened": "Reopened",
    "escalated": "Escalated",
    "fixed": "Fixed",
    "gone": "Gone",
    "protected": "Protected",
    "ignored": "Ignored",
    "reactivated": "Reactivated",
    "lowered": "Lowered",
}
CHANGE_MEANINGS = {
    "new": "open now and not in the previous run",
    "reopened": "fixed or protected in the previous run, open again",
    "escalated": "open, with a worse severity than in the previous run",
    "fixed": "open in the previous run, fixed now",
    "gone": "open in the previous run and not in this data at all",
    "protected": "open in the previous run, behind a virtual patch now",
    "ignored": "open in the previous run, ignored now",
    "reactivated": "ignored in the previous run, open again",
    "lowered": "open, with a milder severity than in the previous run",
}

EVIDENCE_ITEMS = 10
EVIDENCE_CHARACTERS = 8192
"""How much of each finding's evidence any format keeps: items, and characters of each field of an item."""
FIELD_CHARACTERS = 4096
"""How much of any other text of a finding is kept."""

SCORING_RULE = (
    "Severity decides first: critical 400 points, high 300, medium 200, low 100, info and unknown 0. "
    "Inside one severity up to 99 points are added: 4 for each CVSS point (the detection score divided by ten where "
    "there is no CVSS), 15 when the finding was reopened, 1 for each 12 days of age up to 15, 1 for each time it was "
    "seen up to 10, and 1 for each application that the same rule hits up to 19. "
    "A rule ranks by its highest open finding. A finding that was attacked and not blocked gets 500 points more, "
    "unless its severity is info."
)

SeverityCounts = dict[str, int]


def no_counts() -> SeverityCounts:
    """A zero for each severity, worst first."""
    return dict.fromkeys(SEVERITIES, 0)


class ApplicationSummary(t.TypedDict):
    """One application: open risks by severity, and the findings in other states. ``oldest_days`` is of open risks.

    ``attacked`` counts open risks that were attacked and not blocked.
    """

    id: str | None
    name: str
    source: str
    severity: SeverityCounts
    open: int
    states: dict[str, int]
    total: int
    oldest_days: int | None
    last_tested: str | None
    attacked: int


class RiskSummary(t.TypedDict):
    """One rule of a scanner with its open findings; the details are those of the finding with the highest score.

    ``attacked`` counts findings that were attacked and not blocked, ``blocked`` those whose attacks were all blocked.
    """

    rule_id: str | None
    title: str
    source: str
    severity: str
    score: int
    findings: int
    applications: int
    application: str
    cvss_score: float | None
    detection_score: float | None
    reopened: int
    oldest_days: int | None
    times_seen: int | None
    attacked: int
    blocked: int


class IgnoredSummary(t.TypedDict):
    """One ignored finding and why."""

    title: str
    application: str
    severity: str
    reason: str | None
    by: str | None
    at: str | None
    until: str | None
    comment: str | None


class OwaspSummary(t.TypedDict):
    """Open risks of one OWASP Top 10 category; ``code`` None and an empty name mean "not mapped".

    ``edition`` is the year of the list, None when it is not known.
    """

    edition: int | None
    code: int | None
    name: str
    severity: SeverityCounts
    open: int


class Summary(t.TypedDict):
    """All figures of a report. Plain data, so it can be stored as JSON and read back as ``previous``."""

    schema: int
    now: str
    total: int
    states: dict[str, int]
    open_by_severity: SeverityCounts
    by_status: dict[str, SeverityCounts]
    by_age: dict[str, SeverityCounts]
    by_kind: dict[str, dict[str, int]]
    by_owasp: list[OwaspSummary]
    applications: list[ApplicationSummary]
    applications_with_findings: int
    applications_with_open: int
    top_risks: list[RiskSummary]
    rules_with_open: int
    ignored: list[IgnoredSummary]
    ignored_by_reason: dict[str, int]
    sources: dict[str, int]
    quality: dict[str, int]
    attacked: dict[str, int]


class ChangedFinding(t.TypedDict):
    """One line of a list of changes. ``url`` is None for a finding of the previous run."""

    title: str
    application: str
    url: str | None
    severity: str
    severity_before: str | None


class Changes(t.TypedDict):
    """This run compared with the previous one. ``listed`` is False when the previous run has figures only."""

    previous_generated: str
    previous_title: str
    same_scope: bool
    listed: bool
    open_before: int
    open_now: int
    open_by_severity_before: SeverityCounts
    counts: dict[str, int]
    worst: dict[str, list[ChangedFinding]]


class SourceFile(t.TypedDict):
    """One snapshot file that was read, and its manifest when there is one beside it.

    ``stream`` is True for the directory of a stream, which has no manifest; its gap records say what is missing.
    """

    name: str
    sha256: str
    records: int
    manifest: Manifest | None
    stream: t.NotRequired[bool]


class WebApp(t.TypedDict):
    """What the report uses of a web application record in option form.

    No list of Qualys has the time of the last scan of an application, so ``scanned`` may be None although
    ``never_scanned`` is False.
    """

    id: str | None
    name: str
    url: str | None
    never_scanned: bool
    scanned: str | None
    scan_status: str | None
    risk_score: float | None


class RuleKnowledge(t.TypedDict):
    """One rule that occurs in the findings, with what a knowledge base says about it, in plain words.

    ``severity`` is that of the worst open finding, else of the worst one; ``title`` is that of the knowledge base.
    """

    source: str
    rule_id: str
    title: str
    severity: str
    findings: int
    open: int
    diagnosis: str | None
    consequence: str | None
    solution: str | None
    cves: list[str]


class Place(t.NamedTuple):
    """A line of a file in the repository; columns start at 1 and the end is exclusive.

    ``path`` is relative to the root of the repository.
    """

    path: str
    line: int
    start: int
    end: int

    @property
    def uri(self) -> str:
        """The path as a relative reference: no scheme, no colon, no blank."""
        return quote(self.path, safe="/-._~")


class ScanRow(t.NamedTuple):
    """What a report shows of one scan. Times are UTC, ISO-8601 with ``Z``."""

    application: str
    source: str
    id: str | None
    kind: str | None
    status: str | None
    end_reason: str | None
    auth_status: str | None
    profile: str | None
    time: str | None
    ended: str | None
    links_crawled: int | None
    conclusive: bool | None


class ImageRow(t.NamedTuple):
    """The newest scan of a container image. ``counts`` are None when they could not be read.

    ``time`` is UTC, ISO-8601 with ``Z``; ``workloads`` is how many run it.
    """

    name: str
    source: str
    id: str | None
    time: str | None
    counts: SeverityCounts | None
    malware: bool | None
    conclusive: bool | None
    workloads: int | None


class Findings(t.Protocol):
    """Findings in report order (worst severity, application, title), which can be walked any number of times."""

    def __len__(self) -> int:
        """The number of findings."""

    def __iter__(self) -> t.Iterator[Finding]:
        """Iterate over the findings."""

    def encoded(self) -> t.Iterator[tuple[Finding, str]]:
        """Iterate over the findings, each with its compact ASCII JSON."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """The inputs other than findings. When not given, ``hosts``, ``services`` and ``gaps`` are empty, the others None.

    ``hosts`` belongs to ``attacks``: by host, the number of events and of those that were not blocked. ``services`` is
    the outcome of reading each service, and ``gaps`` are the spans of streams that were not read.
    """

    scans: tuple[ScanRow, ...] | None = None
    images: tuple[ImageRow, ...] | None = None
    attacks: AttackFigures | None = None
    hosts: t.Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    matches: Matches | None = None
    history: HistoryView | None = None
    waivers: tuple[WaiverRow, ...] | None = None
    services: tuple[ServiceRow, ...] = ()
    gaps: tuple[GapRow, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportInput(Beside):
    """Everything a writer may use.

    ``generated`` comes from the data (UTC, ISO-8601; empty when the data holds no time at all), so the same data gives
    the same bytes. ``marks`` holds one byte for each finding, in order: 0, or 1 + the position in ``CHANGES``.
    ``knowledge`` has the rules of the findings that a knowledge base explains, worst first; None without one. ``scope``
    is what the user asked for, None when not given. ``content`` is a digest of the report without the time of the data.
    ``gate`` is the verdict, None when not given; ``places`` says where a catalog declares an application, by the name
    of the application.
    """

    findings: Findings
    summary: Summary
    title: str
    generated: str
    files: tuple[SourceFile, ...] = ()
    changes: Changes | None = None
    marks: bytes = b""
    webapps: tuple[WebApp, ...] | None = None
    notes: tuple[str, ...] = ()
    knowledge: tuple[RuleKnowledge, ...] | None = None
    scope: list[t.Any] | None = None
    content: str = ""
    gate: GateView | None = None
    places: t.Mapping[str, Place] = dataclasses.field(default_factory=dict)

    @property
    def manifest(self) -> Manifest | None:
        """The manifest, when the report is made from exactly one file that has one."""
        return self.files[0]["manifest"] if len(self.files) == 1 else None

    def mark(self, position: int) -> str:
        """What happened to the finding at this position since the previous run; empty for nothing."""
        code = self.marks[position] if position < len(self.marks) else 0
        return CHANGES[code - 1] if code else ""


def headline(summary: Summary) -> tuple[int, int]:
    """The numbers of open risks and of applications with them. The severity info does not count: it needs no action."""
    risks = summary["states"]["open"] - summary["open_by_severity"]["info"]
    return risks, sum(1 for item in summary["applications"] if item["open"] > item["severity"]["info"])


def application_label(finding: Finding) -> str:
    """The name of the application, else its URL or id."""
    asset = finding["asset"]
    return asset["name"] or asset["url"] or asset["id"] or "(application not named)"


def title_label(finding: Finding) -> str:
    """The title, or the rule's id."""
    return finding["title"] or (f"Rule {finding['rule_id']}" if finding["rule_id"] else "(no title)")

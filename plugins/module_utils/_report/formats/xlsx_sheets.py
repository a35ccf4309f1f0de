# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of all sheets of the workbook but the one with the findings. A sheet has its header row even when empty.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._records.model import SEVERITIES
from ..cells import safe_cell
from ..figures import collect, executive
from ..inputs import model
from ..inputs.attack_figures import ACTION_LABELS
from ..inputs.model import ReportInput

Cell = t.Union[str, int, float, None]
Row = t.Sequence[Cell]


class Sheet(t.NamedTuple):
    """A sheet: ``columns`` are headings and their widths in characters."""

    name: str
    columns: t.Sequence[tuple[str, int]]
    rows: t.Iterable[Row]


_WIDTH = 18
_WAIVER_HEAD = ("Id", "Type", "Owner", "Reason", "Ticket", "Expires", "Days left", "Waived", "Notes")
_SCAN_HEAD = (
    "What", "Source", "Id", "Kind", "Status", "Ended as", "Authentication", "Links crawled", "Conclusive", "Launched",
    "Ended", "Profile",
)  # fmt: skip
_DUE_HEAD = ("State", "Severity", "Title", "Application", "First seen", "Due", "Source", "Unique id")
_TREND_HEAD = ("Run", *(name.capitalize() for name in SEVERITIES), "New", "Fixed", "Reopened", "Escalated")
_ATTACK_HEAD = ("What", "Name", "Events", "Not blocked", "Country", "First", "Last")
_IMAGE_HEAD = (
    "Image", "Digest", "Malware", *(name.capitalize() for name in SEVERITIES), "Workloads", "Scanned", "Conclusive",
)  # fmt: skip
_APPLICATION_HEAD = (
    "Application", "Source", "Id", "Open", *(name.capitalize() for name in SEVERITIES), "Attacked, not blocked",
    "Oldest (days)", "Last test", "Ignored", "Protected", "Fixed", "Information",
)  # fmt: skip


def summary(report: ReportInput) -> Sheet:
    """The first sheet: the sentences of the first page, and the rules to fix first."""
    columns = [
        ("What", 24),
        ("In short", 110),
        ("Severity", 12),
        ("Findings", 12),
        ("Applications", 14),
        ("Attacked", 12),
    ]
    return Sheet("Summary", columns, _summary(report))


def sheets(report: ReportInput) -> t.Iterator[Sheet]:
    """The sheets after the one with the findings."""
    heads = ("Change", "Findings", "Severity", "Before", "Title", "Application", "URL")
    yield Sheet("Changes", _columns(heads), _changes(report))
    yield Sheet("Applications", _columns(_APPLICATION_HEAD), _applications(report))
    yield Sheet("Attacks", _columns(_ATTACK_HEAD), _attacks(report))
    yield Sheet("Images", _columns(_IMAGE_HEAD), _images(report))
    yield Sheet("Due dates", _columns(_DUE_HEAD), _due(report))
    yield Sheet("Trend", _columns(_TREND_HEAD), _trend(report))
    verdicts = ("What", "Verdict", "New", "Counted", "Waived", "Reason or problem")
    yield Sheet("Verdicts", _columns(verdicts), _verdicts(report))
    yield Sheet("Waivers", _columns(_WAIVER_HEAD), _waivers(report))
    severities = (model.SEVERITY_LABELS[name] for name in SEVERITIES)
    yield Sheet("Age", _columns(("Open risks by age", *severities, "Oldest (days)")), _ages(report))
    yield Sheet("Scan quality", _columns(_SCAN_HEAD), _scans(report))
    yield Sheet("Data quality", _columns(("What", "State", "Records", "From", "To", "Details")), _quality(report))


def _columns(names: t.Iterable[str]) -> list[tuple[str, int]]:
    return [(name, _WIDTH) for name in names]


def _summary(report: ReportInput) -> t.Iterator[Row]:
    for sentence in executive.sentences(report):
        yield [sentence.topic, safe_cell(sentence.words)]
    for number, risk in enumerate(report.summary["top_risks"], 1):
        counts = (risk["findings"], risk["applications"], risk["attacked"])
        yield [f"Fix first, {number}", safe_cell(risk["title"]), risk["severity"], *counts]


def _changes(report: ReportInput) -> t.Iterator[Row]:
    found = report.changes
    if found is None:
        yield ["No previous run to compare with."]
        return
    for name, count in found["counts"].items():
        yield [model.CHANGE_LABELS[name], count]
        for item in found["worst"][name]:
            words = map(safe_cell, (item["title"], item["application"], item.get("url")))
            yield [model.CHANGE_LABELS[name], None, item["severity"], item["severity_before"], *words]


def _applications(report: ReportInput) -> t.Iterator[Row]:
    for item in report.summary["applications"]:
        names = (safe_cell(item["name"]), safe_cell(item["source"]), safe_cell(item["id"]))
        counts = [item["severity"][name] for name in SEVERITIES]
        others = [item["states"][name] for name in ("ignored", "protected", "fixed", "information")]
        yield [
            *names,
            item["open"],
            *counts,
            item["attacked"],
            item["oldest_days"],
            safe_cell(item["last_tested"]),
            *others,
        ]


def _attacks(report: ReportInput) -> t.Iterator[Row]:
    attacks = report.attacks
    if attacks is None:
        yield ["No events were given."]
        return
    yield ["All", "", attacks["total"], attacks["not_blocked"], "", attacks["first"], attacks["last"]]
    for name, count in attacks["actions"].items():
        yield ["Action", ACTION_LABELS[name], count]
    for service in attacks["services"]:
        counts = (service["events"], service["not_blocked"])
        yield ["Service", safe_cell(service["source"]), *counts, "", service["first"], service["last"]]
    for what, listed in (
        ("Source", attacks["clients"]),
        ("Country", attacks["countries"]),
        ("Category", attacks["categories"]),
        ("Host", attacks["hosts"]),
    ):
        for item in listed:
            yield [what, safe_cell(item["name"]), item["events"], item["not_blocked"], safe_cell(item["country"])]
    for moment in attacks["timeline"]:
        yield ["Time", moment["at"], moment["events"], moment["not_blocked"]]


def _images(report: ReportInput) -> t.Iterator[Row]:
    for image in report.images or ():
        malware = "" if image.malware is None else "yes" if image.malware else "no"
        counts = [image.counts[name] for name in SEVERITIES] if image.counts else [None] * len(SEVERITIES)
        sure = "" if image.conclusive is None else "yes" if image.conclusive else "no"
        names = (safe_cell(image.name), safe_cell(image.id), malware)
        yield [*names, *counts, _cell_number(image.workloads), safe_cell(image.time), sure]


def _due(report: ReportInput) -> t.Iterator[Row]:
    history = report.history
    if history is None or not history.with_policy:
        yield ["No history with due dates was given."]
        return
    for state, listed in (("overdue", history.breached), ("due soon", history.due)):
        for item in listed:
            words = (
                item.severity,
                item.title,
                item.application,
                item.first_seen,
                item.due_at,
                item.source,
                item.unique_id,
            )
            yield [state, *map(safe_cell, words)]


def _trend(report: ReportInput) -> t.Iterator[Row]:
    for point in executive.trend_of(report):
        counts = [point.open[name] for name in SEVERITIES]
        yield [safe_cell(point.at), *counts, point.new, point.fixed, point.reopened, point.escalated]


def _quality(report: ReportInput) -> t.Iterator[Row]:
    for headline, words in collect.warnings_of(report):
        yield ["Warning", safe_cell(headline), None, "", "", safe_cell(words)]
    for service in report.services:
        yield [
            safe_cell(service.name),
            service.state,
            _cell_number(service.records),
            "",
            "",
            safe_cell(service.reason),
        ]
    for gap in report.gaps:
        yield ["Gap", safe_cell(gap.source), None, *map(safe_cell, (gap.start, gap.end, gap.reason))]
    for note in collect.quality_notes(report):
        yield ["Note", "", None, "", "", safe_cell(note)]


def _verdicts(report: ReportInput) -> t.Iterator[Row]:
    gate = report.gate
    if gate is None:
        yield ["No verdict was given."]
        return
    yield ["The whole run", gate.verdict, *_counts(gate.document), f"code {gate.exit_code}"]
    for entry in gate.applications():
        problems = entry.get("problems")
        words = ", ".join(map(str, problems)) if isinstance(problems, list) else ""
        yield [_of(entry, "label"), _of(entry, "verdict"), *_counts(entry), safe_cell(words)]
    for item in gate.reasons():
        yield [_of(item, "application") or "Reason", _of(item, "verdict"), None, None, None, _of(item, "message")]


def _counts(entry: t.Mapping[str, t.Any]) -> list[Cell]:
    counts = entry.get("counts")
    found = counts if isinstance(counts, dict) else {}
    return [_cell_number(found.get(name)) for name in ("new", "counted", "waived")]


def _waivers(report: ReportInput) -> t.Iterator[Row]:
    judged = {_of(item, "id") for item in report.gate.waivers()} if report.gate else set()
    for item in report.gate.waivers() if report.gate else ():
        flags = item.get("flags")
        words = [_of(item, name) for name in ("id", "type", "owner", "reason", "ticket", "expires")]
        notes = safe_cell(", ".join(map(str, flags))) if isinstance(flags, list) else ""
        yield [*words, _cell_number(item.get("days_left")), _cell_number(item.get("waived")), notes]
    for waiver in report.waivers or ():
        if safe_cell(waiver.id) not in judged:
            facts = (waiver.id, waiver.type, waiver.owner, waiver.reason, waiver.ticket, waiver.expires)
            yield [*map(safe_cell, facts), waiver.days_left, None, waiver.state]


def _ages(report: ReportInput) -> t.Iterator[Row]:
    for label, counts in report.summary["by_age"].items():
        yield [label, *(counts[severity] for severity in SEVERITIES)]
    for item in report.summary["applications"]:
        if item["open"]:
            figures = [item["severity"][severity] for severity in SEVERITIES]
            yield [safe_cell(item["name"]), *figures, item["oldest_days"]]


def _scans(report: ReportInput) -> t.Iterator[Row]:
    for headline, words in collect.warnings_of(report):
        yield [safe_cell(f"{headline}: {words}")]
    for file in report.files:
        manifest = file["manifest"]
        whole = "" if manifest is None else "yes" if manifest["complete"] else "no"
        times = ("", "") if manifest is None else (manifest["started"], manifest["finished"])
        source = "" if manifest is None else safe_cell(manifest["source"])
        yield [safe_cell(file["name"]), source, "", "snapshot", "", "", "", None, whole, *times]
    for scan in report.scans or ():
        conclusive = "" if scan.conclusive is None else "yes" if scan.conclusive else "no"
        facts = (scan.application, scan.source, scan.id, scan.kind, scan.status, scan.end_reason, scan.auth_status)
        last = (conclusive, scan.time, scan.ended, scan.profile)
        yield [*map(safe_cell, facts), scan.links_crawled, *map(safe_cell, last)]


def _of(item: t.Mapping[str, t.Any], name: str) -> str:
    value = item.get(name)
    return "" if value is None else safe_cell(str(value))


def _cell_number(value: t.Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e15 else None

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of the HTML report about the verdict of the gate and about the scans.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .. import text
from ..figures.standing import VERDICT_LABELS
from ..inputs.gate_view import GateView
from ..inputs.model import ReportInput, ScanRow
from .markup import Markup, h
from .sections import cells_row, head_of, number_cell, section, table_of

_APPLICATIONS = 500
_REASONS_FIRST = 10
_REASONS = 100
_WAIVERS = 200
_SCANS = 500


def verdict_label(verdict: t.Any) -> str:
    """A verdict in words; an unknown one as it is."""
    return VERDICT_LABELS.get(str(verdict), text.line(str(verdict), 40))


def headline(gate: GateView) -> str:
    """The verdict and its code."""
    return f"{verdict_label(gate.verdict)} (code {gate.exit_code})"


def links(report: ReportInput) -> Markup:
    """The entry of the navigation; nothing without a verdict."""
    return h("li", None, h("a", {"href": "#verdict"}, "Verdict")) if report.gate else Markup("")


def verdict(report: ReportInput) -> Markup:
    """The verdict, its reasons, and the verdict of each application; nothing when no verdict was given."""
    gate = report.gate
    if gate is None:
        return Markup("")
    box = h("p", {"class": f"verdict v-{kind_of(gate.verdict)}"}, h("strong", None, headline(gate)), " ", _lead(gate))
    parts = [box, _reasons(gate), _applications(gate), _waivers(gate)]
    return section("verdict", "Verdict of the gate", *parts)


def kind_of(word: t.Any) -> str:
    """The CSS class that shows a verdict."""
    return {"pass": "pass", "fail": "fail"}.get(str(word), "open")


def _lead(gate: GateView) -> str:
    counts = gate.document.get("counts")
    counts = counts if isinstance(counts, dict) else {}
    names = (("counted", "counted"), ("new", "new"), ("waived", "waived"))
    words = [f"{counts[name]:,} {label}" for name, label in names if isinstance(counts.get(name), int)]
    kind = " Only a report was asked for." if gate.document.get("report_only") else ""
    return (f"Findings: {', '.join(words)}." if words else "") + kind


def _reasons(gate: GateView) -> Markup:
    reasons = gate.reasons()
    if not reasons:
        return Markup("")
    items = [h("li", None, _badge(item.get("verdict")), " ", _reason(item)) for item in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        items.append(h("li", None, f"and {len(reasons) - _REASONS:,} more in the verdict file"))
    first = min(len(gate.against()), _REASONS_FIRST)
    parts = [h("ul", {"class": "reasons"}, *items[:first])] if first else []
    if items[first:]:
        summary = h("summary", None, f"Show {text.plural(len(reasons) - first, 'more reason')} and notes")
        parts.append(h("details", {"class": "more"}, summary, h("ul", {"class": "reasons"}, *items[first:])))
    return h("div", {"class": "card"}, h("h3", None, "Why"), *parts)


def _reason(item: dict[str, t.Any]) -> str:
    application, message = item.get("application"), text.line(str(item.get("message")), 600)
    return f"{text.line(str(application), 200)}: {message}" if application else message


def _badge(verdict: t.Any) -> Markup:
    # A reason that does not prevent a pass is a note.
    label = "Note" if verdict == "pass" else verdict_label(verdict)
    return h("span", {"class": f"tag v-{kind_of(verdict)}"}, label)


def _applications(gate: GateView) -> Markup:
    listed = gate.applications()
    if not listed:
        return Markup("")
    rows = (
        cells_row(
            h(
                "td",
                None,
                h("span", {"class": f"tag v-{kind_of(item.get('verdict'))}"}, verdict_label(item.get("verdict"))),
            ),
            h("th", {"scope": "row"}, text.line(str(item.get("label") or item.get("name") or item.get("id")), 200)),
            *(number_cell(_count(item, name)) for name in ("counted", "new", "waived")),
            h("td", None, text.line(_problems(item), 300)),
        )
        for item in listed[:_APPLICATIONS]
    )
    more = f"; the worst {_APPLICATIONS} of {len(listed):,}" if len(listed) > _APPLICATIONS else ""
    heads = head_of("Verdict", "Application", "Counted", "New", "Waived", "Problems", numeric={2, 3, 4})
    return table_of(f"Verdicts of applications{more}", heads, rows)


def _count(item: dict[str, t.Any], name: str) -> int | None:
    counts = item.get("counts")
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _problems(item: dict[str, t.Any]) -> str:
    listed = item.get("problems")
    return ", ".join(str(word).replace("_", " ") for word in listed) if isinstance(listed, list) else ""


def _waivers(gate: GateView) -> Markup:
    listed = gate.waivers()
    if not listed:
        return Markup("")
    names = ("id", "owner", "reason", "ticket", "expires")
    rows = (
        cells_row(
            *(h("td", None, text.line(str(item.get(name) or ""), 300)) for name in names),
            number_cell(item["waived"] if isinstance(item.get("waived"), int) else None),
            h("td", None, text.line(", ".join(map(str, item.get("flags") or ())).replace("_", " "), 200)),
        )
        for item in listed[:_WAIVERS]
    )
    heads = head_of("Waiver", "Owner", "Reason", "Ticket", "Expires", "Waived", "Notes", numeric={5})
    summary = h("summary", None, f"{text.plural(len(listed), 'waiver')}")
    return h("details", {"class": "more"}, summary, table_of("Waivers", heads, rows))


def scans(report: ReportInput) -> Markup:
    """The scans that the findings come from; nothing when none were given."""
    listed = report.scans
    if listed is None:
        return Markup("")
    if not listed:
        return section("scans", "Scans", h("p", {"class": "empty"}, "No scan was given."))
    shown = listed[:_SCANS]
    heads = head_of(
        "Application", "Conclusive", "Status", "Ended as", "Authentication", "Links", "Ended", "Profile", numeric={5}
    )
    lead = f"{text.plural(len(listed), 'scan')}" + (f", the first {_SCANS} of them." if len(listed) > _SCANS else ".")
    return section("scans", "Scans", table_of("Scans", heads, map(_scan_row, shown)), lead=lead)


def _scan_row(scan: ScanRow) -> Markup:
    sure = "not known" if scan.conclusive is None else "yes" if scan.conclusive else "no"
    kind = "pass" if scan.conclusive else "open"
    words = (scan.status, scan.end_reason, scan.auth_status)
    return cells_row(
        h("th", {"scope": "row"}, text.line(scan.application, 200)),
        h("td", None, h("span", {"class": f"tag v-{kind}"}, sure)),
        *(h("td", None, text.line(word, 60).replace("_", " ").lower()) for word in words),
        number_cell(scan.links_crawled),
        h("td", {"class": "nowrap"}, text.readable_time(scan.ended or scan.time)),
        h("td", None, text.line(scan.profile, 120)),
    )

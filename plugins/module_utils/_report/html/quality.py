# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the HTML report about its data: what is missing, the outcome of each service, how figures are made.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from .. import text
from ..figures import collect
from ..inputs.model import ReportInput
from .markup import Markup, h
from .sections import card, cells_row, head_of, number_cell, section, table_of

_OPEN_RISK = (
    "An open risk is a vulnerability or sensitive content that is neither fixed, protected nor ignored. "
    "Information gathered is listed, but never counted as a risk. "
    "Open findings of severity info are listed too, and not counted in the headline figures."
)
_ESCAPES = (
    "Control characters, text direction marks and invisible characters are written as escapes such as \\x1b or \\u202e."
)
_ATTACKS = (
    "An event counts as blocked when it was blocked, challenged or redirected; an alert alone lets the attack through. "
    "Events count as often as they are recorded."
)


def quality(report: ReportInput, evidence_note: str) -> Markup:
    """What the reader should know about the data, and how figures are made."""
    notes = [h("li", None, note) for note in collect.quality_notes(report)]
    known = h("ul", None, *notes) if notes else h("p", None, "Nothing to report: all fields that are used are filled.")
    ages = "Ages are not known, because the data holds no time."
    if report.generated:
        ages = f"Ages run from the first detection to {text.readable_time(report.generated)}, the time of the data."
    made = [_OPEN_RISK, ages, *([_ATTACKS] if report.attacks else []), _ESCAPES, evidence_note]
    method = h("ul", None, *(h("li", None, words) for words in made))
    cards = h("div", {"class": "grid"}, card("Data quality", known), card("How to read this report", method))
    return section("quality", "About the data", _services(report), _gaps(report), cards)


def _services(report: ReportInput) -> Markup:
    if not report.services:
        return Markup("")
    kinds = {"complete": "pass", "failed": "fail"}
    rows = (
        cells_row(
            h("th", {"scope": "row"}, text.line(service.name, 100)),
            h("td", None, h("span", {"class": f"tag v-{kinds.get(service.state, 'open')}"}, service.state)),
            number_cell(service.records),
            h("td", None, text.line(service.reason, 600)),
        )
        for service in report.services
    )
    heads = head_of("Service", "Read", "Records", "Reason", numeric={2})
    return card("Services", table_of("Outcome of reading each service", heads, rows), css_class="before")


def _gaps(report: ReportInput) -> Markup:
    if not report.gaps:
        return Markup("")
    total = report.summary["quality"].get("gaps", len(report.gaps))
    rows = (
        cells_row(
            h("th", {"scope": "row"}, collect.source_label(gap.source)),
            h("td", {"class": "nowrap"}, text.readable_time(gap.start)),
            h("td", {"class": "nowrap"}, text.readable_time(gap.end)),
            h("td", None, gap.reason),
        )
        for gap in report.gaps
    )
    more = f", the first {len(report.gaps)} of {total:,}" if total > len(report.gaps) else ""
    heads = head_of("Source", "From", "To", "Why")
    return card(f"Gaps: what was not read{more}", table_of("Gaps", heads, rows), css_class="before")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of the HTML report about due dates, times to a fix, and waivers.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .. import text
from ..inputs.history import DueItem, TimeToFix
from ..inputs.model import ReportInput
from ..inputs.waivers import WaiverRow
from .markup import Markup, h
from .sections import badge, card, cells_row, head_of, number_cell, section, table_of

_TITLE = 240
_TIMES = 50
_WAIVERS = 300


def due_link(report: ReportInput) -> Markup:
    """The entry of the navigation; nothing without a history."""
    return h("li", None, h("a", {"href": "#sla"}, "Due dates")) if report.history else Markup("")


def due_dates(report: ReportInput) -> Markup:
    """What is overdue or will be soon, and how long fixes took; nothing without a history."""
    history = report.history
    if history is None:
        return Markup("")
    heading = "Due dates and times to a fix"
    parts: list[Markup] = []
    if not history.with_policy:
        parts.append(h("p", {"class": "empty"}, "The history has no policy, so nothing has a due date."))
    elif not history.breached_total and not history.due_total:
        parts.append(h("p", {"class": "empty"}, "Nothing is overdue."))
    for words, listed, total in (
        ("Overdue", history.breached, history.breached_total),
        ("Due soon", history.due, history.due_total),
    ):
        if listed:
            parts.append(_due_table(words, listed, total))
    if history.times_to_fix:
        parts.append(_times(history.times_to_fix))
    return section("sla", heading, *parts)


def _due_table(words: str, listed: t.Sequence[DueItem], total: int) -> Markup:
    heads = head_of("Severity", "Finding", "Application", "First seen", "Due")
    rows = (
        cells_row(
            h("td", None, badge(item.severity)),
            h("td", {"class": "title strong"}, text.line(item.title, _TITLE)),
            h("td", None, text.line(item.application, 120)),
            h("td", {"class": "nowrap"}, text.readable_date(item.first_seen) or "–"),
            h("td", {"class": "nowrap"}, text.readable_date(item.due_at) or "–"),
        )
        for item in listed
    )
    caption = f"{words}: {total:,}" if total <= len(listed) else f"{words}: the most urgent {len(listed)} of {total:,}"
    return card(caption, table_of(caption, heads, rows), css_class="spaced")


def _times(listed: t.Sequence[TimeToFix]) -> Markup:
    rows = (
        cells_row(
            h("th", {"scope": "row"}, text.line(item.application, 120) or "All"),
            h("td", None, badge(item.severity) if item.severity else "All"),
            number_cell(item.fixed),
            *(h("td", {"class": "num"}, _days(days)) for days in (item.mean_days, item.median_days)),
        )
        for item in listed[:_TIMES]
    )
    heads = head_of("Application", "Severity", "Fixed", "Mean", "Median", numeric={2, 3, 4})
    return card("How long fixes took, in days", table_of("Times to a fix", heads, rows), css_class="spaced")


def _days(days: float | None) -> str:
    return "–" if days is None else f"{days:,.1f}"


def waivers(report: ReportInput) -> Markup:
    """The waivers of the file; nothing without a file."""
    listed = report.waivers
    if listed is None:
        return Markup("")
    if not listed:
        return section("waivers", "Waivers", h("p", {"class": "empty"}, "There is no waiver."))
    expired = sum(row.state == "expired" for row in listed)
    counts = f"{text.plural(len(listed), 'waiver')}, {expired:,} expired."
    lead = f"{counts} The gate decides which findings they cover."
    heads = head_of("State", "Waiver", "Type", "Owner", "Reason", "Ticket", "Expires", "Days left", numeric={7})
    table = table_of("Waivers, those that expire first at the top", heads, map(_waiver, listed[:_WAIVERS]))
    return section("waivers", "Waivers", table, lead=lead)


def _waiver(row: WaiverRow) -> Markup:
    kind = {"valid": "pass", "expired": "fail"}.get(row.state, "open")
    words = (row.id, row.type, row.owner, row.reason, row.ticket)
    return cells_row(
        h("td", None, h("span", {"class": f"tag v-{kind}"}, row.state)),
        *(h("td", None, text.line(word, 300)) for word in words),
        h("td", {"class": "nowrap"}, text.line(row.expires, 40)),
        number_cell(row.days_left),
    )

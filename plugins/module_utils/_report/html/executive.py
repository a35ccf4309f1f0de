# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first page of the HTML report: what to fix first, what got worse, what is attacked, and what is overdue.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from ..._records.model import SEVERITIES
from .. import text
from ..figures import executive
from ..figures.executive import Sentence
from ..inputs import model
from ..inputs.history import HistoryView
from ..inputs.matches import NOT_BLOCKED
from ..inputs.model import ReportInput
from . import attacks as html_attacks
from . import gate as html_gate
from .charts import Column, Part, column_chart
from .markup import Markup, h
from .sections import badge, by_age, by_severity, card, cells_row, figure, head_of, number_cell, section, table_of

_TITLE = 160
_SHOWN = tuple(name for name in SEVERITIES if name not in ("info", "unknown"))


def has_trend(report: ReportInput) -> bool:
    """Whether the first page shows the open risks over time; else it shows them by severity."""
    return len(executive.trend_of(report)) > 1


def has_due_dates(report: ReportInput) -> bool:
    """Whether the first page shows what is overdue; else it shows the open risks by age."""
    return report.history is not None and report.history.with_policy


def summary(report: ReportInput) -> Markup:
    """The first page."""
    sentences = executive.sentences(report)
    words = card("Where things stand", h("ul", {"class": "sentences"}, *map(_sentence, sentences)))
    first = _fix_first(report)
    charts: list[Markup] = []
    if report.summary["total"] or report.history:
        charts = [_trend(report) if has_trend(report) else by_severity(report), _due(report)]
    parts = [_verdict(report), _tiles(report), h("div", {"class": "grid"}, words, first)]
    if charts:
        parts.append(h("div", {"class": "grid below"}, *charts))
    return section("summary", "In short", *parts)


def _verdict(report: ReportInput) -> Markup:
    if report.gate is None:
        return Markup("")
    kind = html_gate.kind_of(report.gate.verdict)
    why = h("a", {"href": "#verdict"}, "Why")
    return h("p", {"class": f"verdict v-{kind}"}, "Verdict of the gate: ", html_gate.headline(report.gate), ". ", why)


def _tiles(report: ReportInput) -> Markup:
    risks, applications = model.headline(report.summary)
    tiles = [figure("Open risks", risks, f"in {text.plural(applications, 'application')}", "main")]
    counts = report.summary["open_by_severity"]
    bad = counts["critical"] + counts["high"]
    tiles.append(figure("Critical or high", bad, "open", "c-new" if bad else "c-fixed"))
    if report.changes is not None and report.changes["listed"]:
        worse = sum(report.changes["counts"][name] for name in ("new", "reopened", "escalated"))
        tiles.append(figure("Got worse", worse, "new, reopened or escalated", "c-new" if worse else "c-fixed"))
    if report.matches is not None:
        hit = report.summary["attacked"][NOT_BLOCKED]
        tiles.append(figure("Attacked, not blocked", hit, "open findings", "c-new" if hit else "c-fixed"))
    elif report.attacks is not None:
        tiles.append(figure("Attacks not blocked", report.attacks["not_blocked"], "events", "c-ignored"))
    if report.history is not None and report.history.with_policy:
        late = report.history.breached_total
        tiles.append(figure("Overdue", late, "past the due date", "c-new" if late else "c-fixed"))
    return h("dl", {"class": "figures"}, *tiles)


def _sentence(sentence: Sentence) -> Markup:
    topic = h("span", {"class": "topic"}, sentence.topic)
    if sentence.section:
        topic = h("a", {"href": f"#{sentence.section}", "class": "topic"}, sentence.topic)
    return h("li", {"class": f"mood-{sentence.mood}"}, topic, h("span", {"class": "said"}, sentence.words))


def _fix_first(report: ReportInput) -> Markup:
    listed = report.summary["top_risks"][: executive.TOP]
    if not listed and not report.files and report.attacks is not None:
        return html_attacks.most_attacked(report.attacks)
    if not listed:
        return card("Fix first", h("p", None, "No risk is open."))
    more = h("p", None, h("a", {"href": "#risks"}, "All top risks"))
    return card("Fix first", h("ol", {"class": "changes first"}, *map(_risk, listed)), more)


def _risk(risk: model.RiskSummary) -> Markup:
    findings = text.plural(risk["findings"], "finding")
    where = f"{findings} in {text.plural(risk['applications'], 'application')}, highest in "
    attacked = None
    if risk["attacked"]:
        attacked = h("span", {"class": "tag v-fail"}, f"{risk['attacked']:,} attacked, not blocked")
    elif risk["blocked"]:
        attacked = h("span", {"class": "tag v-pass"}, f"{risk['blocked']:,} attacked, blocked")
    return h(
        "li",
        None,
        h("span", {"class": "step"}, badge(risk["severity"])),
        h("span", {"class": "what"}, text.line(risk["title"], _TITLE), " ", attacked),
        h("span", {"class": "where"}, where, text.line(risk["application"], 80)),
    )


def _trend(report: ReportInput) -> Markup:
    parts = [Part(f"f-{name}", model.SEVERITY_LABELS[name]) for name in _SHOWN]
    columns = [
        Column(text.readable_date(point.at) or "not known", [point.open[name] for name in _SHOWN])
        for point in executive.trend_of(report)
    ]
    return card("Open risks over time", column_chart("Open risks by run", parts, columns))


def _due(report: ReportInput) -> Markup:
    history = report.history
    if history is None or not history.with_policy:
        return by_age(report)
    rows = (_due_row(history, name) for name in SEVERITIES if name in history.policy or name in history.by_severity)
    soon = f"Due in {executive.horizon_words(history.horizon)}" if history.horizon else "Due soon"
    heads = head_of("Severity", "Days allowed", "Overdue", soon, numeric={1, 2, 3})
    more = h("p", None, h("a", {"href": "#sla"}, "What is overdue"))
    return card("Due dates", table_of("Overdue findings by severity", heads, rows), more)


def _due_row(history: HistoryView, name: str) -> Markup:
    late, soon = history.by_severity.get(name, (0, 0))
    days = history.policy.get(name)
    return cells_row(
        h("th", {"scope": "row"}, badge(name)),
        h("td", {"class": "num"}, "–" if days is None else f"{days:g}"),
        number_cell(late, "strong"),
        number_cell(soon),
    )

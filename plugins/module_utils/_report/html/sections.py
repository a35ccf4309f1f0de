# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sections of the HTML report that need no script.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._records.changes import STATES
from ..._records.model import SEVERITIES, STATUSES
from .. import text
from ..figures import collect
from ..figures.rows import FindingRow
from ..figures.standing import decision_label
from ..formats.markdown_writer import owasp_label
from ..inputs import model
from ..inputs.matches import CLASS_LABELS
from ..inputs.model import ReportInput
from .markup import Attributes, Child, Markup, donut, h, join, plain_bar, stacked_bar

STATIC_FINDINGS = 300
_TITLE = 240
_NEVER_SCANNED = 60


def badge(severity: str) -> Markup:
    """A severity in words, with its colour beside it."""
    return h("span", {"class": f"badge b-{severity}"}, model.SEVERITY_LABELS[severity])


def section(identifier: str, heading: str, *children: Child, lead: str | None = None) -> Markup:
    """A section of the page with its heading."""
    title = h("h2", {"id": f"{identifier}-heading"}, heading)
    words = h("p", {"class": "lead"}, lead) if lead else None
    frame: Attributes = {"id": identifier, "class": "section", "aria-labelledby": f"{identifier}-heading"}
    return h("section", frame, title, words, *children)


def card(heading: str, *children: Child, css_class: str = "") -> Markup:
    """A box with a heading of its own."""
    return h("div", {"class": f"card {css_class}".strip()}, h("h3", None, heading), *children)


def cells_row(*cells: Markup) -> Markup:
    """A row of a table."""
    return h("tr", None, *cells)


def number_cell(value: float | None, css_class: str = "") -> Markup:
    """A cell with a number, or a dash."""
    css = f"num {css_class}{' zero' if not value else ''}"
    return h("td", {"class": css.strip()}, "–" if value is None else text.number(value))


def head_of(*labels: str, numeric: t.Container[int] = ()) -> Markup:
    """The head of a table; ``numeric`` are the columns of numbers."""
    cells = (
        h("th", {"scope": "col", "class": "num" if index in numeric else None}, label)
        for index, label in enumerate(labels)
    )
    return h("thead", None, cells_row(*cells))


def table_of(caption: str, head: Markup, rows: t.Iterable[Markup], css_class: str = "") -> Markup:
    """A table in a box of its own."""
    body = h("tbody", None, *rows)
    table = h("table", {"class": css_class or None}, h("caption", {"class": "quiet"}, caption), head, body)
    # A wide table scrolls in its own box, also with the keyboard.
    return h("div", {"class": "scroll", "tabindex": 0, "role": "region", "aria-label": caption}, table)


def header(report: ReportInput) -> Markup:
    """Title and scope."""
    facts = (
        h("div", {"class": "fact"}, h("dt", None, label), h("dd", None, words))
        for label, words in collect.scope_facts(report)
    )
    title = h("h1", None, text.line(report.title, 300))
    kicker = h("p", {"class": "kicker"}, "Application security audit")
    return h(
        "header", {"class": "top"}, h("div", {"class": "wrap"}, kicker, title, h("dl", {"class": "facts"}, *facts))
    )


def banners(report: ReportInput) -> Markup:
    """The warnings, at the top of the page."""
    return join(
        h("div", {"class": "banner", "role": "note"}, h("strong", None, headline), " ", words)
        for headline, words in collect.warnings_of(report)
    )


def figure(label: str, value: int, note: str = "", css_class: str = "") -> Markup:
    """A large number with its label."""
    return h(
        "div",
        {"class": f"figure {css_class}".strip()},
        h("dt", None, label),
        h("dd", None, h("span", {"class": "value"}, value), h("span", {"class": "note"}, note) if note else None),
    )


def overview(report: ReportInput, *, severity: bool, age: bool) -> Markup:
    """Headline figures and charts.

    Args:
        report: the report.
        severity: whether to include the chart by severity; without it, the first page has the chart.
        age: the same for the chart by age.
    """
    summary = report.summary
    heading = "Figures"
    if not summary["total"]:
        words = h("p", {"class": "empty"}, "No findings.")
        return section("overview", heading, words, *_estate_figures(report), _never_scanned(report))
    charts = h(
        "div",
        {"class": "grid"},
        by_severity(report) if severity else None,
        by_age(report) if age else None,
        _by_status(report),
        _by_owasp(report),
        _by_kind(report),
    )
    return section("overview", heading, *_estate_figures(report), charts, _never_scanned(report))


def _estate_figures(report: ReportInput) -> list[Markup]:
    summary = report.summary
    states = summary["states"]
    risks, with_open = model.headline(summary)
    info = states["open"] - risks
    note = f"of {summary['total']:,} findings" + (f"; {info:,} more of severity info" if info else "")
    figures = [figure("Open risks", risks, note, "main")]
    with_findings = summary["applications_with_findings"]
    if report.webapps is None:
        figures.append(figure("Applications", with_findings, f"with findings, {with_open:,} with open risks"))
    else:
        figures.append(figure("Applications", len(report.webapps), "in scope"))
        figures.append(figure("With findings", with_findings, f"{with_open:,} with open risks"))
        figures.append(figure("Never scanned", len(collect.never_scanned(report)), "not covered here"))
    figures.append(figure("Ignored", states["ignored"]))
    figures.append(figure("Fixed", states["fixed"]))
    if states["protected"]:
        figures.append(figure("Protected", states["protected"], "by a virtual patch"))
    figures.append(figure("Information", states["information"], "not counted as risk"))
    return [h("dl", {"class": "figures"}, *figures)]


def by_severity(report: ReportInput) -> Markup:
    """The open risks by severity, as a ring and a table."""
    counts = report.summary["open_by_severity"]
    before = report.changes["open_by_severity_before"] if report.changes else None
    rows = (
        h(
            "tr",
            {"data-severity": severity},
            h("th", {"scope": "row"}, badge(severity)),
            number_cell(counts[severity]),
            h("td", {"class": "num delta"}, _delta(counts[severity], before[severity])) if before else Markup(""),
        )
        for severity in SEVERITIES
        if counts[severity] or severity != "unknown"
    )
    labels = ("Severity", "Open", "Change") if before else ("Severity", "Open")
    table = table_of("Open risks by severity", head_of(*labels, numeric={1, 2}), rows, "legend")
    return card(
        "Open risks by severity",
        # As in the headline, a finding with the severity info is not a risk.
        h("div", {"class": "donut-row"}, donut(counts | {"info": 0}, "open risks"), table),
        css_class="severity",
    )


def _delta(now: int, before: int) -> str:
    return "±0" if now == before else f"{now - before:+,}".replace("-", "−")


def _bars(caption: str, first: str, rows: t.Iterable[tuple[str, model.SeverityCounts]]) -> Markup:
    """A table of stacked severity bars, all on one scale."""
    listed = list(rows)
    scale = max((sum(counts.values()) for _label, counts in listed), default=0)
    body = (
        cells_row(
            h("th", {"scope": "row"}, label),
            h("td", {"class": "bar-cell"}, stacked_bar(counts, scale)),
            number_cell(sum(counts.values())),
        )
        for label, counts in listed
    )
    return table_of(caption, head_of(first, "By severity", "Count", numeric={2}), body, "bars")


def by_age(report: ReportInput) -> Markup:
    """The open risks by age."""
    ages = report.summary["by_age"]
    rows = ((label, counts) for label, counts in ages.items() if label != model.AGE_UNKNOWN or any(counts.values()))
    return card("Open risks by age", _bars("Open risks by days since first detection", "Age", rows))


def _by_status(report: ReportInput) -> Markup:
    statuses = report.summary["by_status"]
    rows = ((model.STATUS_LABELS[name], statuses[name]) for name in STATUSES if any(statuses[name].values()))
    words = "Findings by status, with ignored findings, without information gathered"
    return card("Risks by status", _bars(words, "Status", rows))


def _by_owasp(report: ReportInput) -> Markup:
    listed = report.summary["by_owasp"]
    rows = ((text.line(owasp_label(item), 80), item["severity"]) for item in listed[:30])
    words = "Open risks by OWASP Top 10 category; one finding may be in several"
    return card("Open risks by OWASP Top 10", _bars(words, "Category", rows))


def _by_kind(report: ReportInput) -> Markup:
    kinds = report.summary["by_kind"]
    rows = (
        cells_row(
            h("th", {"scope": "row"}, model.KIND_LABELS[kind]),
            *(number_cell(kinds[kind][key]) for key in (*STATES, "total")),
        )
        for kind in model.KINDS
        if kinds[kind]["total"] or kind != "unknown"
    )
    heads = ("Kind", *(model.STATE_LABELS[state] for state in STATES), "Total")
    table = table_of("Findings by kind and state", head_of(*heads, numeric=range(1, 9)), rows)
    return card("Kinds of findings", table, css_class="wide")


def _never_scanned(report: ReportInput) -> Markup:
    never = collect.never_scanned(report)
    if not never:
        return Markup("")
    names = [h("li", None, text.line(item["name"], 120)) for item in never[:_NEVER_SCANNED]]
    if len(never) > _NEVER_SCANNED:
        names.append(h("li", None, f"and {len(never) - _NEVER_SCANNED:,} more"))
    summary = h("summary", None, f"{text.plural(len(never), 'application')} in scope never scanned")
    return h("details", {"class": "card more"}, summary, h("ul", {"class": "names"}, *names))


def changes(report: ReportInput) -> Markup:
    """What changed since the previous run."""
    found = report.changes
    heading = "Since the previous run"
    if found is None:
        return section("changes", heading, h("p", {"class": "empty"}, "No previous run to compare with."))
    before = found["open_before"] - found["open_by_severity_before"]["info"]
    now = found["open_now"] - report.summary["open_by_severity"]["info"]
    when = text.readable_time(found["previous_generated"])
    lead = f"{before:,} open risks on {when}, {now:,} now ({_delta(now, before)})."
    parts: list[Markup] = []
    if not found["same_scope"]:
        words = "The previous run had another scope, so new and gone findings may come from that."
        parts.append(h("p", {"class": "caution"}, words))
    if not found["listed"]:
        parts.append(h("p", {"class": "caution"}, "Only the figures of the previous run are known."))
        return section("changes", heading, *parts, lead=lead)
    tiles = (
        _change_figure(name, count) for name, count in found["counts"].items() if count or name in model.CHANGES[:5]
    )
    lists = (_change_list(name, found) for name in model.CHANGES if found["worst"][name])
    parts += [h("dl", {"class": "figures tight"}, *tiles), h("div", {"class": "grid"}, *lists)]
    return section("changes", heading, *parts, lead=lead)


def _change_figure(name: str, count: int) -> Markup:
    return figure(model.CHANGE_LABELS[name], count, model.CHANGE_MEANINGS[name], f"change c-{name}")


def _change_list(name: str, found: model.Changes) -> Markup:
    items = (
        h(
            "li",
            None,
            _change_badges(name, item),
            h("span", {"class": "what"}, text.line(item["title"], _TITLE)),
            h("span", {"class": "where"}, text.line(item["application"], 120)),
            _address(item) if name == "new" else None,
        )
        for item in found["worst"][name]
    )
    shown, count = len(found["worst"][name]), found["counts"][name]
    heading = model.CHANGE_LABELS[name] + (f": the worst {shown} of {count:,}" if count > shown else f": {count:,}")
    return card(heading, h("ol", {"class": "changes"}, *items))


def _address(item: model.ChangedFinding) -> Markup | None:
    # Changes that are read from the report of an earlier version have no URL.
    url = item.get("url")
    return h("span", {"class": "where url"}, text.line(url, 300)) if url else None


def _change_badges(name: str, item: model.ChangedFinding) -> Markup:
    before = item["severity_before"]
    if name in ("escalated", "lowered") and before:
        return h(
            "span", {"class": "step"}, badge(before), h("span", {"class": "arrow"}, " to "), badge(item["severity"])
        )
    return h("span", {"class": "step"}, badge(item["severity"]))


def risks(report: ReportInput) -> Markup:
    """The ranked list of rules."""
    listed = report.summary["top_risks"]
    if not listed:
        return section("risks", "Top risks", h("p", {"class": "empty"}, "No open risks."))
    attacked = report.matches is not None
    rows = (_risk_row(rank, risk, attacked) for rank, risk in enumerate(listed, 1))
    heads = ["Rank", "Severity", "Rule", "Score", "CVSS", "Findings", "Applications", "Reopened", "Oldest", "Seen"]
    heads += ["Attacked"] if attacked else []
    total = report.summary["rules_with_open"]
    lead = f"The {len(listed)} highest of {text.plural(total, 'rule')} with open risks."
    table = table_of("Top risks, highest score first", head_of(*heads, numeric={0, *range(3, 11)}), rows, "risks")
    how = h("summary", None, "How the score is calculated")
    method = h("details", {"class": "method"}, how, h("p", None, model.SCORING_RULE))
    return section("risks", "Top risks", table, method, lead=lead)


def _risk_row(rank: int, risk: model.RiskSummary, attacked: bool) -> Markup:
    cvss = risk["cvss_score"]
    rule = [collect.source_label(risk["source"]), f"rule {text.line(risk['rule_id'], 60)}" if risk["rule_id"] else ""]
    worst = f"highest in {text.line(risk['application'], 100)}"
    under = h("span", {"class": "under"}, " · ".join(word for word in (*rule, worst) if word))
    title = h("td", {"class": "title", "data-search": text.line(risk["title"], _TITLE)}, _strong(risk["title"]), under)
    return cells_row(
        h("td", {"class": "num rank"}, rank),
        h("td", None, badge(risk["severity"])),
        title,
        number_cell(risk["score"]),
        h("td", {"class": "num"}, "–" if cvss is None else f"{cvss:.1f}"),
        number_cell(risk["findings"]),
        number_cell(risk["applications"]),
        number_cell(risk["reopened"]),
        h("td", {"class": "num nowrap"}, days_label(risk["oldest_days"])),
        number_cell(risk["times_seen"]),
        *([number_cell(risk["attacked"])] if attacked else ()),
    )


def days_label(days: int | None) -> str:
    """A number of days, or a dash."""
    return "–" if days is None else f"{days:,} d"


def _strong(value: str) -> Markup:
    return h("span", {"class": "strong"}, text.line(value, _TITLE))


def findings(report: ReportInput, rows: t.Sequence[Markup]) -> Markup:
    """The worst open risks as a table that needs no script; a script puts the full list in its place.

    Args:
        report: the report.
        rows: the worst open risks as rows of the table, see :func:`finding_row`; at most ``STATIC_FINDINGS``.
    """
    total = report.summary["total"]
    if not total:
        return section("findings", "Findings", h("p", {"class": "empty"}, "No findings."))
    open_risks = report.summary["states"]["open"]
    caption = f"The worst {len(rows):,} of {text.plural(open_risks, 'open risk')}"
    heads = ["Severity", "Status", "Application", "Finding", "URL", "Parameter", "Age", "First seen"]
    heads += ["Gate"] if report.gate else []
    heads += ["Attacks"] if report.matches is not None else []
    table = table_of(caption, head_of(*heads, numeric={6}), rows, "findings-static")
    note = h(
        "p",
        {"class": "lead print-note"},
        f"{caption}, at most 100 on paper. The page on screen and the other formats contain all.",
    )
    static = h("div", {"id": "static-findings"}, note, table if rows else h("p", {"class": "empty"}, "No open risks."))
    return section("findings", "Findings", h("div", {"id": "explorer"}), static)


def finding_row(row: FindingRow, gated: bool) -> Markup:
    """One open risk as a row of the table that needs no script."""
    finding = row.finding
    return cells_row(
        h("td", None, badge(finding["severity"])),
        h("td", {"class": "nowrap"}, model.STATUS_LABELS[finding["status"]]),
        h("td", None, text.line(model.application_label(finding), 120)),
        h("td", {"class": "strong"}, text.line(model.title_label(finding), _TITLE)),
        h("td", {"class": "url address"}, text.line(finding["url"], 300)),
        h("td", {"class": "url"}, text.line(finding["parameter"], 120)),
        h("td", {"class": "num nowrap"}, days_label(row.age)),
        h("td", {"class": "nowrap"}, text.readable_date(finding["first_seen"])),
        *([h("td", {"class": "decision"}, decision_label(row.standing.decision))] if gated else ()),
        *([h("td", {"class": "decision"}, CLASS_LABELS[row.match.kind])] if row.match else ()),
    )


def ignored(report: ReportInput) -> Markup:
    """Ignored findings with their reasons."""
    listed = report.summary["ignored"]
    count = report.summary["states"]["ignored"]
    if not count:
        return section("ignored", "Ignored findings", h("p", {"class": "empty"}, "No finding is ignored."))
    reasons = report.summary["ignored_by_reason"]
    scale = max(reasons.values())
    bars = (
        cells_row(
            h("th", {"scope": "row"}, text.line(reason, 80)),
            h("td", {"class": "bar-cell"}, plain_bar(number, scale, "f-neutral")),
            number_cell(number),
        )
        for reason, number in list(reasons.items())[:20]
    )
    by_reason = table_of("Ignored findings by reason", head_of("Reason", "Share", "Count", numeric={2}), bars, "bars")
    heads = ("Severity", "Finding", "Application", "Reason", "By", "Since", "Until", "Comment")
    table = table_of("Ignored findings, worst first", head_of(*heads), map(_ignored_row, listed))
    summary = h(
        "summary",
        None,
        f"Show the worst {len(listed):,} of {count:,}" if count > len(listed) else f"Show all {count:,}",
    )
    details = h("details", {"class": "more"}, summary, table)
    lead = f"{text.plural(count, 'finding')} not counted as open, because somebody ignored them in the scanner."
    return section("ignored", "Ignored findings", h("div", {"class": "card narrow"}, by_reason), details, lead=lead)


def _ignored_row(item: model.IgnoredSummary) -> Markup:
    return cells_row(
        h("td", None, badge(item["severity"])),
        h("td", {"class": "strong"}, text.line(item["title"], _TITLE)),
        h("td", None, text.line(item["application"], 120)),
        h("td", None, text.line(item["reason"], 120) or "no reason given"),
        h("td", None, text.line(item["by"], 80)),
        h("td", {"class": "nowrap"}, text.readable_date(item["at"])),
        h("td", {"class": "nowrap"}, text.readable_date(item["until"]) or "no end date"),
        h("td", None, text.line(item["comment"], 300)),
    )

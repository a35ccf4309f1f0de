# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the HTML report about applications: all of them in a table, and a part for each of the worst.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._records.model import SEVERITIES
from .. import text
from ..figures.applications import ApplicationFacts, ApplicationTally, WorstFinding
from ..inputs import model
from ..inputs.model import ReportInput, ScanRow
from .markup import Markup, counts_in_words, h, stacked_bar
from .sections import badge, cells_row, days_label, head_of, number_cell, section, table_of

APPLICATIONS_FIRST = 25
APPLICATIONS_AT_MOST = 2000
PARTS_FIRST = 10
PARTS_AT_MOST = 200
_TITLE = 200


def applications(report: ReportInput, tally: ApplicationTally) -> Markup:
    """Applications, worst first: an overview, and a part for each.

    Args:
        report: the report.
        tally: facts about each application, collected in the walk over the findings.
    """
    listed = [item for item in report.summary["applications"] if item["open"]]
    if not listed:
        return section("applications", "Applications", h("p", {"class": "empty"}, "No application has open risks."))
    scale = max(item["open"] for item in listed)
    known: _Known = {webapp["id"]: webapp for webapp in report.webapps or () if webapp["id"]}
    columns = _severity_columns(report.summary["open_by_severity"])
    attacked = report.matches is not None
    rows = [_application_row(item, scale, columns, known, attacked) for item in listed[:APPLICATIONS_AT_MOST]]
    lead = f"{text.plural(len(listed), 'application')} with open risks, worst first."
    table = _application_table(
        "Applications with the worst open risks", rows[:APPLICATIONS_FIRST], columns, known, attacked
    )
    rest = rows[APPLICATIONS_FIRST:]
    more = Markup("")
    if rest:
        left_out = len(listed) - len(rows)
        note = f" ({left_out:,} more are in the other formats)" if left_out else ""
        summary = h("summary", None, f"Show {len(rest):,} more applications{note}")
        further = _application_table("Further applications", rest, columns, known, attacked)
        more = h("details", {"class": "more"}, summary, further)
    parts = _each(report, listed, tally, known)
    return section("applications", "Applications", table, more, *parts, lead=lead)


def _severity_columns(counts: model.SeverityCounts) -> list[str]:
    """The severities that get a column: the four that everybody expects, and others only when they occur."""
    return [severity for severity in SEVERITIES if counts[severity] or severity not in ("info", "unknown")]


_Known = t.Mapping[t.Optional[str], model.WebApp]


def _application_table(caption: str, rows: list[Markup], columns: list[str], known: _Known, attacked: bool) -> Markup:
    extra: tuple[str, ...] = ("Attacked",) if attacked else ()
    extra += ("Risk score", "Last scan") if known else ("Last test",)
    heads = ("Application", "Open risks", "Open", *(model.SEVERITY_LABELS[name] for name in columns), "Oldest", *extra)
    numeric = set(range(2, len(heads) - 1))
    return table_of(caption, head_of(*heads, numeric=numeric), rows, "bars apps")


def _application_row(
    item: model.ApplicationSummary, scale: int, columns: list[str], known: _Known, attacked: bool
) -> Markup:
    name = text.line(item["name"], 160)
    cells = [
        h("th", {"scope": "row", "data-application": name}, name),
        h("td", {"class": "bar-cell"}, stacked_bar(item["severity"], scale)),
        number_cell(item["open"], "strong"),
        *(number_cell(item["severity"][severity]) for severity in columns),
        h("td", {"class": "num nowrap"}, days_label(item["oldest_days"])),
        *([number_cell(item["attacked"])] if attacked else ()),
    ]
    if not known:
        return cells_row(*cells, h("td", {"class": "nowrap"}, text.readable_date(item["last_tested"])))
    webapp = known.get(item["id"])
    scan = "–"
    if webapp is not None and webapp["never_scanned"]:
        scan = "never"
    elif webapp is not None:
        # Without a time in the list of applications, the last test of a finding is the best known time of a scan.
        date = text.readable_date(webapp["scanned"] or item["last_tested"])
        scan = " ".join(filter(None, (date, text.line(webapp["scan_status"], 40).lower()))) or scan
    return cells_row(*cells, number_cell(webapp["risk_score"] if webapp else None), h("td", {"class": "nowrap"}, scan))


_Scans = t.Mapping[str, ScanRow]


def _each(
    report: ReportInput, listed: t.Sequence[model.ApplicationSummary], tally: ApplicationTally, known: _Known
) -> t.Iterator[Markup]:
    """A part for each of the worst applications."""
    scans: dict[str, ScanRow] = {}
    for scan in report.scans or ():
        # The newest of an application comes first.
        scans.setdefault(scan.application, scan)
    parts = [
        _part(report, item, tally.of(item), known.get(item["id"]), scans.get(item["name"]))
        for item in listed[:PARTS_AT_MOST]
    ]
    yield h("h3", {"class": "spaced"}, "Each application")
    yield h("div", {"class": "parts"}, *parts[:PARTS_FIRST])
    if parts[PARTS_FIRST:]:
        left = len(listed) - len(parts)
        note = f" (of {len(listed):,})" if left else ""
        summary = h("summary", None, f"Show {len(parts) - PARTS_FIRST:,} more{note}")
        yield h("details", {"class": "more"}, summary, h("div", {"class": "parts"}, *parts[PARTS_FIRST:]))


def _part(
    report: ReportInput,
    item: model.ApplicationSummary,
    facts: ApplicationFacts,
    webapp: model.WebApp | None,
    scan: ScanRow | None,
) -> Markup:
    name = text.line(item["name"], 160)
    worst = next((severity for severity in SEVERITIES if item["severity"][severity]), "unknown")
    under = h("span", {"class": "under"}, f"{item['open']:,} open: {counts_in_words(item['severity'])}")
    attacked = h("span", {"class": "tag v-fail"}, f"{item['attacked']:,} attacked") if item["attacked"] else None
    summary = h("summary", None, badge(worst), " ", h("span", {"class": "strong"}, name), " ", attacked, under)
    listed = facts.worst()
    first = h("ol", {"class": "changes"}, *map(_worst, listed)) if listed else h("p", None, "No open risk.")
    show = h(
        "p", None, h("span", {"data-application": name, "class": "all-findings"}, "All findings of this application")
    )
    facts_list = h("dl", {"class": "facts-of"}, *_facts(report, item, facts, webapp, scan))
    body = h(
        "div",
        {"class": "grid"},
        h("div", None, h("h4", None, "Fix first"), first, show),
        h("div", None, h("h4", None, "What is known"), facts_list),
    )
    return h("details", {"class": "card app"}, summary, body)


def _worst(item: WorstFinding) -> Markup:
    attacked = h("span", {"class": "tag v-fail"}, "attacked, not blocked") if item.attacked else None
    return h(
        "li",
        None,
        h("span", {"class": "step"}, badge(item.severity)),
        h("span", {"class": "what"}, text.line(item.title, _TITLE), " ", attacked),
        h("span", {"class": "where url"}, text.line(item.url, 200) or f"open for {days_label(item.age)}"),
    )


def _facts(
    report: ReportInput,
    item: model.ApplicationSummary,
    facts: ApplicationFacts,
    webapp: model.WebApp | None,
    scan: ScanRow | None,
) -> t.Iterator[Markup]:
    told = [("Address", text.line(webapp["url"], 200) if webapp else "")]
    if report.changes is not None and report.changes["listed"]:
        changed = (f"{count:,} {model.CHANGE_LABELS[name].lower()}" for name, count in sorted(facts.changes.items()))
        told.append(("Since the previous run", ", ".join(changed) or "nothing changed"))
    told.append(("Oldest open risk", days_label(item["oldest_days"])))
    if report.attacks is not None:
        told.append(("Attacks on its hosts", _attacks(report, facts)))
    history = report.history
    if history is not None and history.with_policy and item["id"]:
        late = sum(due.application_id == item["id"] and due.source == item["source"] for due in history.breached)
        # The history lists only the most urgent findings.
        some = history.breached_total > len(history.breached)
        told.append(("Overdue", f"{late:,} or more" if some and late else "" if some else text.number(late)))
    if webapp is not None and webapp["risk_score"] is not None:
        told.append(("Risk score", text.number(webapp["risk_score"])))
    if scan is not None:
        sure = {True: "conclusive", False: "not conclusive", None: "not known whether conclusive"}[scan.conclusive]
        told.append(("Last scan", f"{text.readable_date(scan.ended or scan.time) or 'time not known'}, {sure}"))
    else:
        told.append(("Last test", text.readable_date(item["last_tested"]) or "not known"))
    others = [f"{item['states'][name]:,} {name}" for name in ("ignored", "protected", "fixed") if item["states"][name]]
    told.append(("Not counted as open", ", ".join(others)))
    for label, words in told:
        if words:
            yield h("dt", None, label)
            yield h("dd", None, words)


def _attacks(report: ReportInput, facts: ApplicationFacts) -> str:
    found = [report.hosts[host] for host in facts.hosts if host in report.hosts]
    events, bad = sum(item[0] for item in found), sum(item[1] for item in found)
    return f"{text.plural(events, 'event')}, {bad:,} not blocked" if events else "none"

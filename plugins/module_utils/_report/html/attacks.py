# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the HTML report about attacks: when, from where, on which hosts, and on which findings.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .. import text
from ..figures import collect
from ..figures.rows import FindingRow
from ..inputs import model
from ..inputs.attack_figures import ACTION_LABELS, Attacked, AttackFigures
from ..inputs.matches import CLASS_LABELS, CLASSES, NOT_BLOCKED, MatchView
from ..inputs.model import ReportInput
from .charts import Column, Part, column_chart, moment_label
from .markup import Markup, h, plain_bar, two_part_bar
from .sections import badge, card, cells_row, figure, head_of, number_cell, section, table_of

ATTACKED_AT_MOST = 100
_TITLE = 240


def link(report: ReportInput) -> Markup:
    """The entry of the navigation; nothing without events and matches."""
    known = report.attacks is not None or report.matches is not None
    return h("li", None, h("a", {"href": "#attacks"}, "Attacks")) if known else Markup("")


def attacked_row(row: FindingRow) -> Markup | None:
    """A finding that was attacked and not blocked, as a row of a table; None for any other."""
    match = row.match
    if match is None or match.kind != NOT_BLOCKED or row.state != "open":
        return None
    finding = row.finding
    return cells_row(
        h("td", None, badge(finding["severity"])),
        h("td", {"class": "title strong"}, text.line(model.title_label(finding), _TITLE)),
        h("td", None, text.line(model.application_label(finding), 120)),
        h("td", {"class": "url"}, text.line(finding["url"], 300)),
        number_cell(match.events),
        h("td", {"class": "nowrap"}, text.readable_date(match.last) or "–"),
        h("td", {"class": "url"}, _sources(match)),
    )


def _sources(match: MatchView) -> str:
    more = f" and {len(match.sources) - 3} more" if len(match.sources) > 3 else ""
    return ", ".join(match.sources[:3]) + more


def attacks(report: ReportInput, attacked: t.Sequence[Markup]) -> Markup:
    """What the firewalls reported; nothing without events and matches.

    Args:
        report: the report.
        attacked: rows of findings that were attacked and not blocked, see :func:`attacked_row`.
    """
    found = report.attacks
    if found is None and report.matches is None:
        return Markup("")
    parts: list[Markup] = []
    if found is not None:
        parts += [_tiles(found), *_charts(found)]
    if report.matches is not None:
        parts.append(_findings(report, attacked))
    if found is not None:
        parts.append(_lists(found))
    lead = _lead(found) if found is not None else None
    return section("attacks", "Attacks", *parts, lead=lead)


def _lead(found: AttackFigures) -> str:
    services = ", ".join(collect.source_label(item["source"]) for item in found["services"]) or "no service"
    if not found["total"]:
        return "The firewalls reported no event."
    first, last = text.readable_time(found["first"]), text.readable_time(found["last"])
    return f"What the firewalls reported from {first} to {last}: {services}."


def _tiles(found: AttackFigures) -> Markup:
    total, bad = found["total"], found["not_blocked"]
    share = f"{100 * bad / total:.1f} % of all" if total else ""
    least = "at least" if found["missed"] else ""
    return h(
        "dl",
        {"class": "figures"},
        figure("Events", total, "attacks that were seen", "main"),
        figure("Not blocked", bad, share, "c-new" if bad else "c-fixed"),
        figure("Blocked", total - bad, "blocked, challenged or redirected", "c-fixed"),
        figure("Sources", found["clients_seen"], least or "addresses"),
        figure("Hosts", found["hosts_seen"], least or "attacked"),
    )


_PARTS = (Part("f-critical", "Not blocked"), Part("f-neutral", "Blocked"))


def _charts(found: AttackFigures) -> t.Iterator[Markup]:
    moments = found["timeline"]
    if moments:
        columns = [
            Column(moment_label(item["at"]), [item["not_blocked"], item["events"] - item["not_blocked"]])
            for item in moments
        ]
        unit = "hour" if len(moments[0]["at"]) == 13 else "day"
        heading = f"Attacks by {unit}, UTC"
        yield card(heading, column_chart(f"Attacks by {unit}", _PARTS, columns), css_class="spaced")


def _findings(report: ReportInput, attacked: t.Sequence[Markup]) -> Markup:
    counts = report.summary["attacked"]
    scale = max(counts.values(), default=0)
    rows = (
        cells_row(
            h("th", {"scope": "row"}, CLASS_LABELS[name]),
            h("td", {"class": "bar-cell"}, plain_bar(counts[name], scale, _FILLS[name])),
            number_cell(counts[name]),
        )
        for name in CLASSES
    )
    words = "Open findings by what the firewalls saw"
    table = table_of(words, head_of("Attacks", "Share", "Findings", numeric={2}), rows, "bars")
    unnamed = report.matches is not None and report.matches.names_no_scanner
    overview = card(words, table, h("p", {"class": "lead"}, collect.NO_SCANNER) if unnamed else None)
    if not attacked:
        return h("div", {"class": "spaced"}, overview)
    total = counts[NOT_BLOCKED]
    caption = f"Attacked and not blocked: {total:,}"
    if total > len(attacked):
        caption = f"Attacked and not blocked: {len(attacked)} of {total:,}"
    heads = head_of("Severity", "Finding", "Application", "URL", "Events", "Last", "From", numeric={4})
    listed = card(caption, table_of(caption, heads, attacked))
    return h("div", {"class": "stack spaced"}, overview, listed)


_FILLS = {NOT_BLOCKED: "f-critical", "blocked": "f-good", "scanner_only": "f-low", "unobserved": "f-neutral"}


def _lists(found: AttackFigures) -> Markup:
    cards = [
        _list("Sources", "Address", found["clients"], with_country=True),
        _list("Hosts under attack", "Host", found["hosts"]),
        _list("Categories", "Category", found["categories"]),
        _list("Countries", "Country", found["countries"]),
        _actions(found),
        _services(found),
    ]
    return h("div", {"class": "grid spaced"}, *(item for item in cards if item))


_FIRST = 10


def most_attacked(found: AttackFigures) -> Markup:
    """The hosts that were attacked most, for a report without findings."""
    return _list("Hosts under attack", "Host", found["hosts"][:5])


def _list(heading: str, column: str, listed: t.Sequence[Attacked], *, with_country: bool = False) -> Markup:
    if not listed:
        return Markup("")
    scale = max(item["events"] for item in listed)
    heads = head_of(column, "Not blocked and blocked", "Events", "Not blocked", numeric={2, 3})
    rows = [_list_row(item, scale, with_country=with_country) for item in listed]
    table = table_of(f"{heading}, least blocked first", heads, rows[:_FIRST], "bars")
    more = None
    if rows[_FIRST:]:
        rest = table_of(f"Further {heading.lower()}", heads, rows[_FIRST:], "bars")
        more = h("details", {"class": "more"}, h("summary", None, f"Show {len(rows) - _FIRST} more"), rest)
    return card(heading, table, more)


def _list_row(item: Attacked, scale: int, *, with_country: bool) -> Markup:
    place = h("span", {"class": "under"}, item["country"]) if with_country and item["country"] else None
    name = text.line(item["name"], 120) or "not known"
    bad = item["not_blocked"]
    return cells_row(
        h("th", {"scope": "row"}, name, place),
        h("td", {"class": "bar-cell"}, two_part_bar(bad, item["events"] - bad, scale)),
        number_cell(item["events"]),
        number_cell(bad),
    )


def _actions(found: AttackFigures) -> Markup:
    scale = max(found["actions"].values(), default=0)
    rows = (
        cells_row(
            h("th", {"scope": "row"}, ACTION_LABELS[name]),
            h("td", {"class": "bar-cell"}, plain_bar(count, scale, "f-neutral")),
            number_cell(count),
        )
        for name, count in found["actions"].items()
    )
    words = "What the firewalls did"
    return card(words, table_of(words, head_of("Action", "Share", "Events", numeric={2}), rows, "bars"))


def _services(found: AttackFigures) -> Markup:
    rows = (
        cells_row(
            h("th", {"scope": "row"}, collect.source_label(item["source"])),
            number_cell(item["events"]),
            number_cell(item["not_blocked"]),
            h("td", {"class": "nowrap"}, text.readable_date(item["first"]) or "–"),
            h("td", {"class": "nowrap"}, text.readable_date(item["last"]) or "–"),
        )
        for item in found["services"]
    )
    heads = head_of("Service", "Events", "Not blocked", "First", "Last", numeric={1, 2})
    return card("Services", table_of("Events by service", heads, rows))

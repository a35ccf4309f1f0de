# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the HTML report about container images.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from ..._records.model import SEVERITIES
from .. import text
from ..inputs import model
from ..inputs.model import ImageRow, ReportInput
from .markup import Markup, h, stacked_bar
from .sections import cells_row, figure, head_of, number_cell, section, table_of

_FIRST = 25
_AT_MOST = 500
_DIGEST = 19
"""Characters of a digest that people compare: the algorithm and twelve digits."""


def link(report: ReportInput) -> Markup:
    """The entry of the navigation; nothing without images."""
    return h("li", None, h("a", {"href": "#images"}, "Images")) if report.images else Markup("")


def images(report: ReportInput) -> Markup:
    """The newest scan of each image, worst first; nothing without images."""
    listed = report.images
    if not listed:
        return Markup("")
    critical = sum(bool(image.counts and image.counts["critical"]) for image in listed)
    malware = sum(bool(image.malware) for image in listed)
    tiles = (
        figure("Images", len(listed), "by their newest scan", "main"),
        figure("With malware", malware, "found", "c-new" if malware else "c-fixed"),
        figure("With critical", critical, "vulnerabilities", "c-new" if critical else "c-fixed"),
        figure("Not conclusive", sum(not image.conclusive or image.counts is None for image in listed), "not scanned"),
    )
    scale = max((sum(image.counts.values()) for image in listed if image.counts), default=0)
    rows = [_row(image, scale) for image in listed[:_AT_MOST]]
    parts = [h("dl", {"class": "figures"}, *tiles), _table("Container images, worst first", rows[:_FIRST])]
    if rows[_FIRST:]:
        left = len(listed) - len(rows)
        note = f" ({left:,} more are in the other formats)" if left else ""
        words = h("summary", None, f"Show {len(rows) - _FIRST:,} more images{note}")
        parts.append(h("details", {"class": "more"}, words, _table("Further images", rows[_FIRST:])))
    return section("images", "Container images", *parts)


def _table(caption: str, rows: list[Markup]) -> Markup:
    labels = (model.SEVERITY_LABELS[name] for name in SEVERITIES[:4])
    heads = head_of("Image", "Vulnerabilities", *labels, "Malware", "Running", "Scanned", numeric={2, 3, 4, 5, 7})
    return table_of(caption, heads, rows, "bars apps")


def _row(image: ImageRow, scale: int) -> Markup:
    counts = image.counts
    chart = stacked_bar(counts, scale) if counts else h("span", {"class": "under"}, "not known")
    malware = Markup("–")
    if image.malware is not None:
        kind, word = ("fail", "malware") if image.malware else ("pass", "none")
        malware = h("span", {"class": f"tag v-{kind}"}, word)
    digest = None
    if image.id and image.id != image.name:
        digest = h("span", {"class": "under"}, text.line(image.id[:_DIGEST]) + ("…" if len(image.id) > _DIGEST else ""))
    return cells_row(
        h("th", {"scope": "row"}, text.line(image.name, 160), digest),
        h("td", {"class": "bar-cell"}, chart),
        *(number_cell(counts[name] if counts else None) for name in SEVERITIES[:4]),
        h("td", None, malware),
        number_cell(image.workloads),
        h("td", {"class": "nowrap"}, text.readable_date(image.time) or "–"),
    )

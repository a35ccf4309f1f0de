# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Column charts over time as inline SVG: each column has a text of its own, and a table repeats all columns.

This module is private to the collection and may change at any time.

The plot is stretched to the available width, so all text is HTML beside it. A script makes the columns reachable with
the arrow keys and shows the text of a column below the plot; without the script, each column has a tooltip.
"""

from __future__ import annotations

import typing as t

from .. import text
from .markup import Attributes, Markup, h, void

_HEIGHT = 100.0
_LEAST = 1.2
"""The smallest height of a part, so that it can be seen."""
_WIDEST = 9.0
_GAP = 0.18
_COLUMNS = 92


class Part(t.NamedTuple):
    """One part of all columns: the CSS class of its colour, and its label."""

    css_class: str
    label: str


class Column(t.NamedTuple):
    """One point in time: its label, and the counts of the parts in their order, the lowest first."""

    label: str
    counts: t.Sequence[int]


def column_chart(name: str, parts: t.Sequence[Part], columns: t.Sequence[Column]) -> Markup:
    """A chart of stacked columns, with its legend and its table."""
    shown = _thinned(columns)
    highest = max((sum(column.counts) for column in shown), default=0)
    label = f"{name}, {_range(shown)}, highest {highest:,}"
    step = 100 / max(len(shown), 1)
    frame: Attributes = {
        "class": "columns",
        "viewBox": "0 0 100 100",
        "preserveAspectRatio": "none",
        "role": "img",
        "aria-label": label,
    }
    bars = [_column(number, step, column, parts, highest) for number, column in enumerate(shown)]
    plot = h("div", {"class": "plot"}, h("span", {"class": "highest"}, highest), h("svg", frame, *bars))
    axis = h("div", {"class": "axis"}, *(h("span", None, words) for words in _ends(shown)))
    readout = h("p", {"class": "readout", "role": "status"}, "")
    legend = h("ul", {"class": "key"}, *(_legend(part) for part in parts))
    frame = {"class": "chart", "data-chart": name}
    return h("div", frame, plot, axis, readout, legend, _table(name, parts, shown))


def _thinned(columns: t.Sequence[Column]) -> list[Column]:
    """At most ``_COLUMNS`` columns, evenly spaced, the last among them: more could not be told apart."""
    every = -(-len(columns) // _COLUMNS) or 1
    return list(columns[::-1][::every][::-1])


def _range(columns: t.Sequence[Column]) -> str:
    return f"{columns[0].label} to {columns[-1].label}" if len(columns) > 1 else "".join(c.label for c in columns)


def _ends(columns: t.Sequence[Column]) -> list[str]:
    if len(columns) < 2:
        return [column.label for column in columns]
    return [columns[0].label, columns[-1].label]


def _column(number: int, step: float, column: Column, parts: t.Sequence[Part], highest: int) -> Markup:
    width = min(step * (1 - _GAP), _WIDEST)
    left = number * step + (step - width) / 2
    words = ", ".join(
        f"{count:,} {part.label.lower()}" for part, count in zip(parts, column.counts, strict=True) if count
    )
    label = f"{column.label}: {words or 'none'}"
    bars = [void("rect", {"class": "hit", "x": _short(number * step), "width": _short(step), "height": 100})]
    top = _HEIGHT
    for part, count in zip(parts, column.counts, strict=True):
        if count:
            height = max((_HEIGHT - 2) * count / max(highest, 1), _LEAST)
            top -= height
            place: Attributes = {"x": _short(left), "y": _short(top), "width": _short(width), "height": _short(height)}
            bars.append(void("rect", {"class": part.css_class, **place}))
    return h("g", {"class": "column", "data-label": label}, h("title", None, label), *bars)


def _legend(part: Part) -> Markup:
    swatch: Attributes = {"class": "swatch", "viewBox": "0 0 10 10", "aria-hidden": "true"}
    return h(
        "li", None, h("svg", swatch, void("rect", {"class": part.css_class, "width": 10, "height": 10})), part.label
    )


def _table(name: str, parts: t.Sequence[Part], columns: t.Sequence[Column]) -> Markup:
    heads = [
        h("th", {"scope": "col"}, "Time"),
        *(h("th", {"scope": "col", "class": "num"}, part.label) for part in parts),
    ]
    rows = (
        h(
            "tr",
            None,
            h("th", {"scope": "row"}, column.label),
            *(h("td", {"class": "num"}, count) for count in column.counts),
        )
        for column in columns
    )
    table = h(
        "table",
        None,
        h("caption", {"class": "quiet"}, name),
        h("thead", None, h("tr", None, *heads)),
        h("tbody", None, *rows),
    )
    box: Attributes = {"class": "scroll", "tabindex": 0, "role": "region", "aria-label": f"{name}, as a table"}
    return h("details", {"class": "more as-table"}, h("summary", None, "Show as a table"), h("div", box, table))


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def moment_label(at: str) -> str:
    """A day or an hour as people read it."""
    return f"{at[:10]} {at[11:13]}:00 UTC" if len(at) == 13 else text.readable_date(at) or text.line(at, 20)

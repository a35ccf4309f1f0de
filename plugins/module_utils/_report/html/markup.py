# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTML builder that escapes all text by default, and bars and rings as inline SVG.

This module is private to the collection and may change at any time.

Only :class:`Markup` is passed through; every other text is made visible and escaped. Tags and attribute names are our
own words. There is no ``style`` attribute: the page's content security policy would refuse it.
"""

from __future__ import annotations

import math
import typing as t

from ..._records.model import SEVERITIES
from .. import text
from ..inputs import model

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
Attributes = t.Mapping[str, t.Union[str, int, float, None]]


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = t.Union[str, int, None]


def escape(value: str, *, block: bool = False) -> Markup:
    """Text as HTML text or as the value of a quoted attribute."""
    shown = text.visible_block(value) if block else text.visible(value)
    return Markup(shown.translate(_ENTITIES).replace("##", "#&#35;"))


def h(tag: str, attributes: Attributes | None = None, *children: Child) -> Markup:
    """An element. An attribute or a child that is None is left out."""
    return Markup(f"<{tag}{_attributes(attributes)}>{join(children)}</{tag}>")


def void(tag: str, attributes: Attributes) -> Markup:
    """An SVG element without content."""
    return Markup(f"<{tag}{_attributes(attributes)}/>")


def join(children: t.Iterable[Child]) -> Markup:
    """Children one after the other, each escaped unless it is markup."""
    return Markup("".join(_child(child) for child in children if child is not None))


def _child(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    return escape(text.number(child) if isinstance(child, int) else str(child))


def _attributes(attributes: Attributes | None) -> str:
    if not attributes:
        return ""
    return "".join(f' {name}="{escape(str(value))}"' for name, value in attributes.items() if value is not None)


def counts_in_words(counts: model.SeverityCounts) -> str:
    """``3 critical, 12 high``, for readers who cannot see the chart."""
    words = [f"{counts[severity]:,} {severity}" for severity in SEVERITIES if counts[severity]]
    return ", ".join(words) or "none"


def stacked_bar(counts: model.SeverityCounts, scale: int) -> Markup:
    """A bar of severities; ``scale`` is the count that fills the whole width."""
    left = 0.0
    parts: list[Markup] = []
    for severity in SEVERITIES:
        width = 100 * counts[severity] / max(scale, 1)
        if width:
            box: Attributes = {"class": f"f-{severity}", "x": _short(left), "width": _short(width), "height": 10}
            parts.append(void("rect", box))
        left += width
    return _bar_svg(counts_in_words(counts), parts)


def plain_bar(count: int, scale: int, css_class: str) -> Markup:
    """A bar of one colour."""
    box: Attributes = {"class": css_class, "width": _short(100 * count / max(scale, 1)), "height": 10}
    return _bar_svg(text.number(count), [void("rect", box)])


def two_part_bar(bad: int, rest: int, scale: int) -> Markup:
    """A bar with a part for events that were not blocked, and one for the others."""
    width = 100 * bad / max(scale, 1)
    parts = [
        void("rect", {"class": css_class, "x": _short(left), "width": _short(part), "height": 10})
        for css_class, left, part in (("f-critical", 0.0, width), ("f-neutral", width, 100 * rest / max(scale, 1)))
        if part
    ]
    return _bar_svg(f"{bad:,} not blocked, {rest:,} blocked", parts)


def _bar_svg(label: str, parts: list[Markup]) -> Markup:
    frame: Attributes = {
        "class": "bar",
        "viewBox": "0 0 100 10",
        "preserveAspectRatio": "none",
        "role": "img",
        "aria-label": label,
    }
    return h("svg", frame, h("title", None, label), *parts)


def _short(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")


_RADIUS = 48.0


def donut(counts: model.SeverityCounts, caption: str) -> Markup:
    """A ring of severities with the total in its middle."""
    total = sum(counts.values())
    around = 2 * math.pi * _RADIUS
    ring: dict[str, str | int | float | None] = {"cx": 60, "cy": 60, "r": _short(_RADIUS), "fill": "none"}
    parts = [void("circle", ring | {"class": "ring"})]
    start = 0.0
    for severity in SEVERITIES:
        share = counts[severity] / total if total else 0
        if share:
            # A thin gap separates two segments also for readers who cannot see colours.
            length = max(around * share - (1.2 if share < 1 else 0), 0.6)
            dash = {"stroke-dasharray": f"{_short(length)} {_short(around - length)}"}
            turn = {"stroke-dashoffset": _short(-around * start), "transform": "rotate(-90 60 60)"}
            parts.append(void("circle", ring | dash | turn | {"class": f"segment s-{severity}"}))
        start += share
    figures = text.number(total)
    # The longer the number, the smaller: it has to stay inside the ring.
    size = 26 if len(figures) <= 3 else 22 if len(figures) <= 5 else 17
    middle = h("text", {"x": 60, "y": 63, "class": "donut-total", "font-size": size}, figures)
    below = h("text", {"x": 60, "y": 77, "class": "donut-label"}, caption)
    label = f"{total:,} {caption}: {counts_in_words(counts)}"
    frame: Attributes = {"class": "donut", "viewBox": "0 0 120 120", "role": "img", "aria-label": label}
    return h("svg", frame, h("title", None, label), *parts, middle, below)

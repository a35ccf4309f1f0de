# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that an attacker may have written, made safe for terminals and for the logs of CI systems.

This module is private to the collection and may change at any time.

Vendors return names, payloads and error messages that anybody on the Internet may have chosen. A CI system reads what
a job prints and obeys some of it. The rules against that are defined only here; messages, summaries and reports use
them.
"""

from __future__ import annotations

import re
import typing as t

HIDDEN = (
    "\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
"""Characters that can make a reader see something other than the actual text, as the inside of a character class.

Control characters (terminal escapes and Jenkins' console notes begin with U+001B or U+009B, a GitLab section has a
carriage return), bidirectional overrides and isolates, zero-width and tag characters, line separators, lone surrogates.
"""
_HIDDEN = re.compile(f"[{HIDDEN}]+")

# Azure Pipelines, TeamCity and the GitHub runner obey a mark like "##vso[" anywhere in a line. The GitHub runner also
# obeys "::name properties::" at the start of a line, and a log may break a line at any space; any text can be a name,
# since "::stop-commands::name" defines one. GitLab folds from "section_start:time:" to "section_end:time:".
_MARK = re.compile(r"##(?=[a-z]*\[)|(?<!\S)::(?=.*?::)|section_(?=(?:start|end):[0-9]+:)", re.IGNORECASE)
_MARKS = ("##", "::", "_start:", "_end:")


def without_workflow_marks(text: str) -> str:
    """The text with every mark of a CI system's command broken by a visible escape, such as ``#\\x23vso[``.

    Line feeds and control characters stay: use :func:`fit_for_message`, or replace them first.
    """
    if not any(mark in text for mark in _MARKS):
        return text
    return _MARK.sub(lambda found: f"{found[0][:-1]}\\x{ord(found[0][-1]):02x}", text)


def fit_for_message(text: str) -> str:
    """The text on one line, without control characters, and with nothing in it that a CI system would obey."""
    return without_workflow_marks(text if text.isprintable() else _HIDDEN.sub(" ", text))


def short(text: str, limit: int = 300) -> str:
    """At most ``limit`` characters of the text, made fit for a message."""
    fit = fit_for_message(text[: limit + 1])
    return fit if len(fit) <= limit else fit[: limit - 1] + "…"


def each_text(value: t.Any, change: t.Callable[[str], str]) -> t.Any:
    """Plain data with every text in it changed, keys included."""
    if isinstance(value, dict):
        return {each_text(name, change): each_text(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [each_text(item, change) for item in value]
    return change(value) if isinstance(value, str) else value

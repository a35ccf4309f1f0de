# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML of the knowledge base as plain text.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import html.parser
import re

_BREAKS = frozenset({"br", "p", "div", "li", "ul", "ol", "dl", "dt", "dd", "tr", "table", "pre", "hr", "blockquote"})
_PARAGRAPHS = frozenset({"p", "ul", "ol", "dl", "table", "pre", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6"})
_HIDDEN = frozenset({"script", "style"})
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_LINES = re.compile(r"\n{3,}")


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        if tag == "pre":
            self._verbatim += 1
        if tag in _BREAKS or tag in _PARAGRAPHS:
            self.parts.append("\n\n" if tag in _PARAGRAPHS else "\n")
        if tag == "li":
            self.parts.append("- ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        if tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        if tag in _PARAGRAPHS:
            self.parts.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            # Outside of <pre>, a line break in the source is a space.
            self.parts.append(data if self._verbatim else data.replace("\n", " "))


def plain_text(markup: str | None) -> str | None:
    """Return the text of a piece of HTML, with line breaks where a browser shows them.

    The text is as untrusted as the markup: it may contain anything, ``<`` included.
    """
    if not markup:
        return None
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(reader.parts).split("\n"))
    return _LINES.sub("\n\n", "\n".join(lines)).strip() or None

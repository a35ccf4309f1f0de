# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML in and out: strict parsing without DTD, writing with CDATA."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from .node import Malformed, Node
from .tree import Attributed, Null, Padded, QList, SetList, Shared, assemble, marker, pad_marker, shared_text

# Words, numbers, dates and ids are written as they are; every other text goes into CDATA.
_PLAIN = re.compile(r"[A-Z0-9_]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|true|false")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MAX_DEPTH = 40


def cdata(text: str, *, raw: bool = False) -> str:
    """A text as CDATA; forbidden characters are stripped unless ``raw``."""
    if not raw and _FORBIDDEN.search(text):
        text = _FORBIDDEN.sub("", text)
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


class Writer:
    """Writes a reply tree; ``raw`` leaves control characters in, which is not well formed."""

    def __init__(self, *, raw: bool = False) -> None:
        self._raw = raw
        self._parts: list[str] = []

    def element(self, name: str, value: Any, attributes: str = "") -> None:
        """One element with its content."""
        if value is None or isinstance(value, Null):
            return
        if isinstance(value, list):
            for item in value:  # an element that repeats without a wrapper
                self.element(name, item)
            return
        if isinstance(value, Attributed):
            listed = "".join(f" {key}={quoteattr(item)}" for key, item in value.attributes.items())
            self.element(name, value.value, listed)
            return
        self._parts.append(f"<{name}{attributes}>")
        self._content(value)
        self._parts.append(f"</{name}>")

    def _content(self, value: Any) -> None:
        kind = type(value)
        if kind is str:
            self._parts.append(value if _PLAIN.fullmatch(value) else cdata(value, raw=self._raw))
        elif kind is bool:
            self._parts.append("true" if value else "false")
        elif kind is int or kind is float:
            self._parts.append(str(value))
        elif kind is dict:
            for name, item in value.items():
                self.element(name, item)
        else:
            self._special(value)

    def _special(self, value: Any) -> None:
        if isinstance(value, Shared):
            self._parts.append(marker(value))
        elif isinstance(value, Padded):
            self._parts.append(cdata(value.text, raw=self._raw) + pad_marker(value))
        elif isinstance(value, str):
            self._parts.append(cdata(value, raw=self._raw))
        elif isinstance(value, QList):
            self._parts.append(f"<count>{len(value.values)}</count>")
            if value.values:
                self._items("list", value.item, value.values)
        elif isinstance(value, SetList):
            self._items("set", value.item, value.values)
        else:
            raise TypeError(f"cannot encode {type(value).__name__}")

    def _items(self, wrapper: str, item: str, values: list[Any]) -> None:
        self._parts.append(f"<{wrapper}>")
        for value in values:
            self.element(item, value)
        self._parts.append(f"</{wrapper}>")

    def text(self) -> str:
        """What was written."""
        return "".join(self._parts)


@lru_cache(maxsize=4096)
def _shared_bytes(number: int, raw: bool) -> bytes:
    return cdata(shared_text(number), raw=raw).encode()


def encode(element: str, tree: dict[str, Any], *, raw: bool = False) -> tuple[bytes, ...]:
    """One record as ``<Element>...</Element>``, in chunks that share the shared texts."""
    writer = Writer(raw=raw)
    writer.element(element, tree)
    return assemble(writer.text(), "\x00", lambda number: _shared_bytes(number, raw))


def escaped(text: str) -> str:
    """A text for element content without CDATA."""
    return escape(_FORBIDDEN.sub("", text))


def _refuse(what: str) -> Callable[..., None]:
    def handler(*_arguments: Any) -> None:
        raise Malformed(f"{what} is not allowed")

    return handler


class _Builder:
    """Builds nodes from expat events."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, dict(attributes))
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        if len(self._open) >= _MAX_DEPTH:
            raise Malformed("too deeply nested")
        self._open.append(node)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        self._open[-1].text += data


def parse(body: bytes) -> Node:
    """A request document. Raises Malformed, also for a DTD or an entity declaration."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse("a document type declaration")
    parser.EntityDeclHandler = _refuse("an entity declaration")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Malformed(f"the XML body cannot be parsed: {error}") from error
    if builder.root is None:
        raise Malformed("the XML body has no element")
    return builder.root

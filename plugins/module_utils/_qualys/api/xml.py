# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request bodies in XML, for writes.

This module is private to the collection and may change at any time.

Reads use JSON. For writes, the JSON form of URLs, domains, headers and regular expressions is not documented, while the
XML form is in the vendor's schema (docs/vendors/qualys_was.md 8.3). The format of the answer does not depend on that of
the request.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import xml.etree.ElementTree as ET

from ..._base.errors import OptionError

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, even escaped."""


@dataclasses.dataclass(frozen=True)
class Attributed:
    """An element with text and attributes, such as ``<UrlEntry regex="true">...</UrlEntry>``."""

    text: str
    attributes: tuple[tuple[str, str], ...]


Node: t.TypeAlias = "str | int | bool | Attributed | t.Mapping[str, Node] | t.Sequence[Node] | None"
"""A mapping stands for child elements, a sequence for the same element several times, None for an empty element."""


def service_request(data: t.Mapping[str, Node]) -> bytes:
    """Return a ``ServiceRequest`` with this ``data``.

    Raises:
        OptionError: a value has a character that XML does not allow.
    """
    root = ET.Element("ServiceRequest")
    _append(root, "data", data)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    # An XML parser would read an unescaped carriage return as a line feed.
    return body.replace(b"\r", b"&#13;")


def _append(parent: ET.Element, name: str, node: Node) -> None:
    if isinstance(node, (list, tuple)):
        for item in node:
            _append(parent, name, item)
        return
    element = ET.SubElement(parent, name)
    if isinstance(node, t.Mapping):
        for child, value in node.items():
            _append(element, child, value)
    elif isinstance(node, Attributed):
        element.attrib.update(node.attributes)
        element.text = _text(name, node.text)
    elif node is not None:
        element.text = _text(name, ("true" if node else "false") if isinstance(node, bool) else str(node))


def _text(name: str, text: str) -> str:
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        raise OptionError(
            f"A value for {name} contains the character U+{ord(bad.group()):04X}, which XML does not allow.",
            hint="Remove it from the option.",
        )
    return text

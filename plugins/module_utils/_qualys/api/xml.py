# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request bodies in XML, for writes.

This module is private to the collection and may change at any time.

Reads are asked for in JSON. For writes the JSON shape of URLs, domains, headers and regular-expression entries is not
documented, while the XML shape is in the vendor's schema (docs/vendors/qualys_was.md 8.3). The formats of request and
reply are independent.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import xml.etree.ElementTree as ET

from ..._base.errors import OptionError

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot carry, even escaped."""


@dataclasses.dataclass(frozen=True)
class Attributed:
    """An element with text and attributes, such as ``<UrlEntry regex="true">...</UrlEntry>``."""

    text: str
    attributes: tuple[tuple[str, str], ...]


Node: t.TypeAlias = "str | int | bool | Attributed | t.Mapping[str, Node] | t.Sequence[Node] | None"
"""A mapping is child elements, a sequence is the same element repeated, None is an empty element."""


def service_request(data: t.Mapping[str, Node]) -> bytes:
    """A ``ServiceRequest`` with this ``data``.

    Raises:
        OptionError: a text has a character that XML cannot carry.
    """
    root = ET.Element("ServiceRequest")
    _append(root, "data", data)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    # A reader of XML takes a bare carriage return for a line feed.
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
            f"A value for {name} holds the character U+{ord(bad.group()):04X}, which Qualys' XML cannot carry.",
            hint="Remove it from the option.",
        )
    return text

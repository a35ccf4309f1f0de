# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""XML from outside, read without the parts of XML that can hurt: no entities of its own, nothing fetched.

This module is private to the collection and may change at any time.

Qualys' knowledge base names its document type, so that a DOCTYPE as such is accepted; one with declarations inside is
not, for these are what entity bombs and external entities are made of.
"""

from __future__ import annotations

import typing as t
import xml.etree.ElementTree as ET
from xml.parsers import expat


class _Declared(Exception):
    """The document declares something. Never leaves this file."""


def parse_xml(data: bytes) -> ET.Element:
    """The root element of a document.

    Raises:
        ValueError: it is not one whole XML document, or it has declarations of its own.
    """
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _doctype
    parser.EntityDeclHandler = _declaration
    parser.ExternalEntityRefHandler = _declaration
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"not XML: {expat.errors.messages[error.code]} in line {error.lineno}") from None
    except _Declared:
        raise ValueError("XML with declarations of its own") from None
    return builder.close()


def _doctype(_name: str, _system_id: str | None, _public_id: str | None, has_internal_subset: bool) -> None:
    if has_internal_subset:
        raise _Declared


def _declaration(*_details: t.Any) -> t.NoReturn:
    raise _Declared


def root_name(data: bytes) -> str | None:
    """The name of the root element of something that may be XML; None for anything else. Looks at its start only."""
    found: list[str] = []
    parser = expat.ParserCreate()

    def start(name: str, _attributes: dict[str, str]) -> t.NoReturn:
        found.append(name)
        raise _Declared

    parser.StartElementHandler = start
    parser.EntityDeclHandler = _declaration
    parser.ExternalEntityRefHandler = _declaration
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, _Declared):
        pass
    return found[0] if found else None

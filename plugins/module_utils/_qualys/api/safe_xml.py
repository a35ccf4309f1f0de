# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses XML from outside, without entities that the document defines and without fetching anything.

This module is private to the collection and may change at any time.

Answers of Qualys' knowledge base have a DOCTYPE, so a DOCTYPE is accepted. Declarations inside it are not, because
entity bombs and external entities need them.
"""

from __future__ import annotations

import typing as t
import xml.etree.ElementTree as ET
from xml.parsers import expat


class _Declared(Exception):
    """The document has declarations, or the parser has seen enough. Never leaves this file."""


def parse_xml(data: bytes) -> ET.Element:
    """Return the root element of a document.

    Raises:
        ValueError: the data is not a complete XML document, or the document has declarations.
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
        raise ValueError("XML with its own declarations") from None
    return builder.close()


def _doctype(_name: str, _system_id: str | None, _public_id: str | None, has_internal_subset: bool) -> None:
    if has_internal_subset:
        raise _Declared


def _declaration(*_details: t.Any) -> t.NoReturn:
    raise _Declared


def root_name(data: bytes) -> str | None:
    """Return the name of the root element, or None if the data does not start as XML. Parses only the start."""
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

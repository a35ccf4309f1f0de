# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the elements of all kinds of records: text, references, comments.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 8.1, 8.2.
"""

from __future__ import annotations

import collections
import typing as t

from ..api.shapes import items, text
from ..api.xml import Node
from .reference import Reference, without_names

SEARCH, VERBOSE, GET = 0, 1, 2
"""Levels of reads, cheapest first: search, verbose search, get (one request per record)."""

TEXT_LIST: dict[str, t.Any] = {"type": "list", "elements": "str"}

_MASK = frozenset("*•●·")
_SHORTEST_MASK = 3


def stripped(value: t.Any) -> str:
    """Return a value as text without surrounding white space."""
    return str(value).strip()


def is_masked(value: str | None) -> bool:
    """Return whether a text is a mask that a service shows instead of a value, such as ``********``."""
    return value is not None and len(value) >= _SHORTEST_MASK and set(value) <= _MASK


# Reading


def word(value: t.Any) -> str | None:
    """Return a text; None if it is empty."""
    return text(value) or None


def one(value: t.Any) -> Reference | None:
    """Return a reference, or None if there is none."""
    return Reference.of(value) if isinstance(value, dict) and value else None


def named(collection: t.Any) -> list[Reference]:
    """Return the references of a collection. Those that share a name have only their ids."""
    found = [Reference.of(item) for item in items(collection) if isinstance(item, dict)]
    names = collections.Counter(reference.name for reference in found)
    return list(without_names(found, {name for name, count in names.items() if name and count > 1}))


def texts(collection: t.Any) -> list[str]:
    """Return the texts of a collection."""
    return [found for item in items(collection) if (found := text(item)) is not None]


def comments(collection: t.Any) -> list[str]:
    """Return the texts of a collection of comments."""
    return [found for item in items(collection) if isinstance(item, dict) and (found := text(item.get("contents")))]


# Writing


def plain_node(value: t.Any) -> Node:
    """Return the XML of a text."""
    return str(value)


def reference_id_node(reference: Reference) -> Node:
    """Return the XML of a reference by its id."""
    return {"id": reference.id}


def reference_node(reference: Reference) -> Node:
    """Return the XML of a reference by its id or, if it has none, by its user name."""
    return {"id": reference.id} if reference.id is not None else {"username": reference.name}


def comment_node(value: t.Any) -> Node:
    """Return the XML of a comment."""
    return {"contents": value}

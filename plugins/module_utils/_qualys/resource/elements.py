# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What records of every kind consist of: texts, references, comments (docs/vendors/qualys_was.md 8.1, 8.2).

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
"""The reads, cheapest first: search, verbose search, get (one request for each record)."""

TEXT_LIST: dict[str, t.Any] = {"type": "list", "elements": "str"}

_MASK = frozenset("*•●·")
_SHORTEST_MASK = 3


def stripped(value: t.Any) -> str:
    """A text without the white space around it."""
    return str(value).strip()


def is_masked(value: str | None) -> bool:
    """Whether a text is what a service shows in the place of a value, such as ``********``."""
    return value is not None and len(value) >= _SHORTEST_MASK and set(value) <= _MASK


# Reading


def word(value: t.Any) -> str | None:
    """A text; an empty one is none."""
    return text(value) or None


def one(value: t.Any) -> Reference | None:
    """A reference, or None."""
    return Reference.of(value) if isinstance(value, dict) and value else None


def named(collection: t.Any) -> list[Reference]:
    """References of a collection; those that share a name are told by their ids only."""
    found = [Reference.of(item) for item in items(collection) if isinstance(item, dict)]
    names = collections.Counter(reference.name for reference in found)
    return list(without_names(found, {name for name, count in names.items() if name and count > 1}))


def texts(collection: t.Any) -> list[str]:
    """The texts of a collection."""
    return [found for item in items(collection) if (found := text(item)) is not None]


def comments(collection: t.Any) -> list[str]:
    """The texts of a collection of comments."""
    return [found for item in items(collection) if isinstance(item, dict) and (found := text(item.get("contents")))]


# Writing


def plain_node(value: t.Any) -> Node:
    """A text."""
    return str(value)


def reference_id_node(reference: Reference) -> Node:
    """A reference, which Qualys takes by its id."""
    return {"id": reference.id}


def reference_node(reference: Reference) -> Node:
    """A reference by its id or, where only a user name is known, by that."""
    return {"id": reference.id} if reference.id is not None else {"username": reference.name}


def comment_node(value: t.Any) -> Node:
    """A comment."""
    return {"contents": value}

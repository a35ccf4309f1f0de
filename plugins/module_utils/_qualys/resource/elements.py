# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What records of every kind have: references, comments, texts, and how a list is written.

This module is private to the collection and may change at any time.

See docs/vendors/qualys_was.md 8.1, 8.2.
"""

from __future__ import annotations

import typing as t

from ..._reconcile.plan import Change
from ..._reconcile.spec import Field
from ..api.shapes import items, text
from ..api.xml import Node
from .references import Reference, show_reference

SEARCH, VERBOSE, GET = 0, 1, 2
"""The reads, cheapest first: search, verbose search, get (one request for each record)."""

TEXT_LIST: dict[str, t.Any] = {"type": "list", "elements": "str"}


# Fields


def stripped(value: t.Any) -> str:
    """A text without the white space around it."""
    return str(value).strip()


def reference_key(reference: Reference) -> t.Hashable:
    """What makes two references the same."""
    return reference.id if reference.id is not None else reference.name


def reference_list(name: str, read: int) -> Field:
    """A list of other records, by name or id."""
    return Field(name=name, kind="list", option=TEXT_LIST, key=reference_key, show=show_reference, read=read)


def comment_list(name: str = "comments") -> Field:
    """The comments of a record."""
    return Field(name=name, kind="list", option=TEXT_LIST, normalise=stripped, read=GET)


# Reading


def named(collection: t.Any) -> list[Reference]:
    """References of a collection."""
    return [Reference.of(item) for item in items(collection) if isinstance(item, dict)]


def comments(collection: t.Any) -> list[str]:
    """The texts of a collection of comments."""
    return [found for item in items(collection) if isinstance(item, dict) and (found := text(item.get("contents")))]


# Writing


class ListShape(t.NamedTuple):
    """How a list is written: element of the list, element of an item, an item, an item to be removed.

    Without ``whole`` an update never sets the list: its items hold what Qualys may not give back, and would lose it.
    """

    element: str
    item: str
    node: t.Callable[[t.Any], Node]
    removal: t.Callable[[t.Any], Node] | None = None
    whole: bool = True


def plain_node(value: t.Any) -> Node:
    """A text."""
    return str(value)


def reference_node(reference: Reference) -> Node:
    """A reference, which Qualys takes by its id."""
    return {"id": reference.id}


def comment_node(value: t.Any) -> Node:
    """A comment."""
    return {"contents": value}


TAGS = ListShape("tags", "Tag", reference_node, reference_node)
COMMENTS = ListShape("comments", "Comment", comment_node)
"""The vendor has no "remove" for comments."""


def list_node(shape: ListShape, change: Change, *, create: bool) -> Node:
    """The element that carries out a change of a list.

    Args:
        shape: how the list is written.
        change: what differs.
        create: whether the record is new.
    """
    whole = list(change.after.items()) if isinstance(change.after, dict) else change.after
    # Where nothing can be removed, the whole is written only when something goes: a comment keeps its author and date.
    if create or (change.removed if shape.removal is None else change.replace and whole and shape.whole):
        return {"set": {shape.item: [shape.node(item) for item in whole]}}
    # Whether an empty "set" clears a list is not documented; removing each item always does.
    node: dict[str, Node] = {}
    if change.added:
        node["add"] = {shape.item: [shape.node(item) for item in change.added]}
    if change.removed and shape.removal is not None:
        node["remove"] = {shape.item: [shape.removal(item) for item in change.removed]}
    return node

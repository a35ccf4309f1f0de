# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request element, whichever format it came in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Items whose JSON form may carry attributes beside the text.
VALUE_CLASSES = frozenset({"Url", "UrlEntry", "Domain", "WebAppHeader"})
_ATTRIBUTES = frozenset({"value", "regex"})


class Malformed(ValueError):
    """The body is not a document of its format."""


@dataclass(slots=True)
class Node:
    """One element; ``shape`` says how a JSON text was written (plain or value), empty for XML."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""
    shape: str = ""

    @property
    def empty(self) -> bool:
        """No children and no text."""
        return not self.children and not self.text.strip()

    def all(self, tag: str) -> list[Node]:
        """Children of that name."""
        return [child for child in self.children if child.tag == tag]

    def one(self, tag: str) -> Node | None:
        """The first child of that name."""
        return next((child for child in self.children if child.tag == tag), None)


def _text_of(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def node_from_json(tag: str, value: Any) -> list[Node]:
    """The elements that a JSON member stands for; a list means repetition."""
    if isinstance(value, list):
        nodes: list[Node] = []
        for item in value:
            if isinstance(item, list):
                raise Malformed(f"a list directly inside the list {tag}")
            nodes.extend(node_from_json(tag, item))
        return nodes
    if not isinstance(value, dict):
        return [Node(tag, text=_text_of(value), shape="plain")]
    if tag in VALUE_CLASSES and "value" in value and set(value) <= _ATTRIBUTES:
        attributes = {name: _text_of(item) for name, item in value.items() if name != "value"}
        return [Node(tag, attributes, text=_text_of(value["value"]), shape="value")]
    node = Node(tag, shape="object")
    for name, item in value.items():
        node.children.extend(node_from_json(name, item))
    return [node]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checked decoding of written elements: each element of a spec becomes a Python value or a refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ..switches import Switches
from .envelope import Refusal, invalid
from .node import Node
from .state import State

_INTEGER = re.compile(r"-?\d{1,18}")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")


class Context:
    """What decoding may look at."""

    def __init__(self, state: State, switches: Switches) -> None:
        self.state = state
        self.switches = switches


Decoder = Callable[[Node, Context], Any]

# A decoder returns CLEAR for an empty optional element.
CLEAR = object()


def _leaf(node: Node) -> str:
    if node.children:
        raise invalid(f"Element {node.tag} holds text only.")
    if node.attributes:
        raise invalid(f"Element {node.tag} has no attribute {next(iter(node.attributes))}.")
    return node.text.strip()


def _wrong(node: Node, value: str, expected: str) -> Refusal:
    return invalid(f"Invalid value '{value}' for element {node.tag}.", f"Expected: {expected}.")


def text(maximum: int = 2048, *, required: bool = False) -> Decoder:
    """Text; empty clears an optional one."""

    def decode(node: Node, context: Context) -> Any:
        blank = not _leaf(node)
        if len(node.text) > maximum:
            raise invalid(f"Element {node.tag} is longer than {maximum} characters.")
        if not blank:
            return node.text  # spaces around a text are part of it
        if required:
            raise Refusal("CANNOT_BE_NULL", f"Element {node.tag} cannot be empty.", "Send a value.")
        return cleared(node, context)

    return decode


def cleared(node: Node, context: Context) -> Any:
    """CLEAR for an empty element, unless the switch refuses it."""
    if not context.switches.on("empty_object_clears"):
        raise invalid(f"Element {node.tag} cannot be empty.")
    return CLEAR


def ignored(node: Node, context: Context) -> bool:
    """Whether an element counts as not sent, because it is empty."""
    return node.empty and context.switches["empty_element"] == "ignored"


def secret(maximum: int = 8192) -> Decoder:
    """Text that is kept to the last space; only one without any character is empty."""

    def decode(node: Node, context: Context) -> Any:
        _leaf(node)
        if len(node.text) > maximum:
            raise invalid(f"Element {node.tag} is longer than {maximum} characters.")
        return node.text or cleared(node, context)

    return decode


def boolean(node: Node, _context: Context) -> bool:
    """true or false."""
    value = _leaf(node)
    if value not in ("true", "false"):
        raise _wrong(node, value, "true, false")
    return value == "true"


def integer(minimum: int = 0, *, optional: bool = False) -> Decoder:
    """A whole number."""

    def decode(node: Node, context: Context) -> Any:
        value = _leaf(node)
        if not value and optional:
            return cleared(node, context)
        if not _INTEGER.fullmatch(value) or int(value) < minimum:
            raise _wrong(node, value, f"Long, at least {minimum}")
        return int(value)

    return decode


def keyword(*words: str) -> Decoder:
    """One of the words."""

    def decode(node: Node, _context: Context) -> str:
        value = _leaf(node)
        if value not in words:
            raise _wrong(node, value, ", ".join(words))
        return value

    return decode


def robots(node: Node, context: Context) -> str:
    """The words of useRobots, the third of which has two names."""
    return str(keyword("IGNORE", "ADD_PATHS", context.switches["robots_word"])(node, context))


def date(node: Node, _context: Context) -> str:
    """A UTC date, or date and time; a date alone means midnight."""
    value = _leaf(node)
    try:
        if not _DATE.fullmatch(value):
            raise ValueError(value)
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError as error:
        raise _wrong(node, value, "Date (YYYY-MM-DDTHH:MM:SSZ)") from error
    return value if len(value) > 10 else value + "T00:00:00Z"


def date_time(node: Node, _context: Context) -> str:
    """A UTC date and time."""
    value = _leaf(node)
    if not _DATE_TIME.fullmatch(value):
        raise _wrong(node, value, "Date (YYYY-MM-DDTHH:MM:SSZ)")
    return value


def later(_node: Node, _context: Context) -> None:
    """A member that its caller decodes itself."""


def anything(node: Node, context: Context) -> Any:
    """Nested elements that are stored as they come (malware schedules)."""
    if not node.children:
        return _leaf(node)
    return {child.tag: anything(child, context) for child in node.children}


def members(node: Node, allowed: Mapping[str, Decoder], context: Context) -> dict[str, Any]:
    """The children of an object, each known and at most once."""
    if node.text.strip():
        raise invalid(f"Unexpected text inside {node.tag}.")
    if node.attributes:
        raise invalid(f"Element {node.tag} has no attribute {next(iter(node.attributes))}.")
    values: dict[str, Any] = {}
    for child in node.children:
        if child.tag not in allowed:
            raise invalid(f"Unknown element {child.tag} in {node.tag}.", f"Allowed: {', '.join(sorted(allowed))}.")
        if child.tag in values:
            raise invalid(f"Element {child.tag} is repeated in {node.tag}.")
        if ignored(child, context):
            continue
        values[child.tag] = allowed[child.tag](child, context)
    return values


def obj(allowed: Mapping[str, Decoder], required: tuple[str, ...] = ()) -> Decoder:
    """An object; empty clears it."""

    def decode(node: Node, context: Context) -> Any:
        if node.empty:
            return cleared(node, context)
        values = members(node, allowed, context)
        missing = [name for name in required if values.get(name, CLEAR) is CLEAR]
        if missing:
            raise Refusal("CANNOT_BE_NULL", f"Element {missing[0]} is needed in {node.tag}.", "Send it.")
        return {name: value for name, value in values.items() if value is not CLEAR}

    return decode


def reference(table: str) -> Decoder:
    """``{id}`` of an existing record; other members of the record are allowed and ignored."""

    def decode(node: Node, context: Context) -> Any:
        if node.empty:
            return cleared(node, context)
        return {"id": existing_id(node, context, table)}

    return decode


def user(node: Node, context: Context) -> Any:
    """``{id}`` of a user, or ``{username}`` where the switch has it; a user's other members are allowed and ignored."""
    if node.empty:
        return cleared(node, context)
    names = dict.fromkeys(("username", "firstName", "lastName"), text(256))
    values = members(node, {"id": integer(1), **names}, context)
    if "id" in values:
        key = int(values["id"])
    elif "username" in values and context.switches.on("user_by_name"):
        found = [held["id"] for held in context.state.users.values() if held["username"] == values["username"]]
        if not found:
            raise invalid(f"{node.tag} {values['username']} does not exist.", "Send an existing user.")
        (key,) = found
    else:
        raise Refusal("CANNOT_BE_NULL", f"Element id is needed in {node.tag}.", "Send the id.")
    if key not in context.state.users:
        raise invalid(f"{node.tag} {key} does not exist or is not in your scope.", "Send an existing id.")
    return {"id": key}


def existing_id(node: Node, context: Context, table: str) -> int:
    """The id inside a reference; raises Refusal when it does not exist."""
    key = plain_id(node, context)
    if key not in getattr(context.state, table):
        raise invalid(f"{node.tag} {key} does not exist or is not in your scope.", "Send an existing id.")
    return key


def plain_id(node: Node, context: Context) -> int:
    """The id inside a reference, existing or not."""
    number = integer(1)
    values = members(node, {"id": number, "name": text(256)}, context)
    if "id" not in values:
        raise Refusal("CANNOT_BE_NULL", f"Element id is needed in {node.tag}.", "Send the id.")
    return int(values["id"])

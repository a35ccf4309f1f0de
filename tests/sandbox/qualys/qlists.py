# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collections on write: set, add, remove, update (docs/vendors/qualys_was.md 8)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from . import decode as d
from .decode import CLEAR, Context, Decoder
from .envelope import Refusal, invalid
from .node import VALUE_CLASSES, Node

ALL = ("set", "add", "remove", "update")
Key = Callable[[Any, Context], Hashable]


@dataclass(frozen=True, slots=True)
class ListSpec:
    """One collection: item element, decoders, key and the operations it has.

    ``read`` decodes an item to store; ``read_key`` decodes an item of ``remove`` to its key. ``merge``
    completes a written item from the present one with the same key, ``merge_in_set`` also in a set. ``numbered``
    items have ids, by which they may be found again instead.
    """

    item: str
    read: Decoder
    key: Key
    read_key: Decoder
    operations: tuple[str, ...] = ALL
    merge: bool = False
    merge_in_set: bool = True
    numbered: bool = False


def apply(spec: ListSpec, node: Node, current: list[Any], context: Context) -> list[Any]:
    """The collection after the operations in ``node``.

    remove is done before add and update, so an item that is removed and added in one request ends up there.
    """
    operations = _operations(spec, node)
    if "set" in operations:
        return _set(spec, operations["set"], current, context)
    values = list(current)
    if "remove" in operations:
        gone = set(_items(spec, operations["remove"], spec.read_key, lambda value, _context: value, context))
        if gone - {spec.key(value, context) for value in values} and context.switches["missing_list_entry"] == "reject":
            raise invalid(f"An item to remove is not in {node.tag}.", "Send only what is there.")
        values = [value for value in values if spec.key(value, context) not in gone]
    for name in ("update", "add"):
        if name in operations:
            insert = name == "add" or context.switches.on("list_update_inserts") or by_id(spec, context)
            values = _upsert(spec, operations[name], values, context, insert=insert)
    return values


def by_id(spec: ListSpec, context: Context) -> bool:
    """Whether items are found again by their id. An update that names none then adds an item."""
    return spec.numbered and context.switches["auth_field_key"] == "id"


def _operations(spec: ListSpec, node: Node) -> dict[str, Node]:
    if node.text.strip():
        raise invalid(f"Unexpected text inside {node.tag}.")
    operations: dict[str, Node] = {}
    for child in node.children:
        if child.tag not in spec.operations:
            raise invalid(f"{child.tag} is not allowed for {node.tag}.", f"Allowed: {', '.join(spec.operations)}.")
        if child.tag in operations:
            raise invalid(f"Element {child.tag} is repeated in {node.tag}.")
        operations[child.tag] = child
    if "set" in operations and len(operations) > 1:
        raise invalid(f"set cannot be combined with other operations in {node.tag}.")
    return operations


def _items(spec: ListSpec, node: Node, read: Decoder, key: Key, context: Context) -> list[Any]:
    """The decoded items of one operation, each key once."""
    if node.text.strip():
        raise invalid(f"Unexpected text inside {node.tag}.")
    values: dict[Hashable, Any] = {}
    for child in node.children:
        if child.tag != spec.item:
            raise invalid(f"Unknown element {child.tag} in {node.tag}.", f"Allowed: {spec.item}.")
        _check_shape(child, context)
        value = read(child, context)
        if key(value, context) in values and context.switches["duplicate_in_set"] == "reject":
            raise invalid(f"{spec.item} is given twice in {node.tag}.")
        values[key(value, context)] = value
    return list(values.values())


def _check_shape(node: Node, context: Context) -> None:
    """JSON writes of Url-like items come as text or as ``{"value": ...}``."""
    accepted = context.switches["json_url_shape"]
    if node.tag in VALUE_CLASSES and node.shape in ("plain", "value") and accepted not in ("both", node.shape):
        raise invalid(f"Invalid JSON form of {node.tag}.", f"Expected: {accepted}.")


def _set(spec: ListSpec, node: Node, current: list[Any], context: Context) -> list[Any]:
    values = _items(spec, node, spec.read, spec.key, context)
    if values:
        return [_merged(spec, value, current, context) for value in values] if spec.merge_in_set else values
    mode = context.switches["empty_set_clears"]
    if mode == "reject":
        raise invalid("An empty set is not allowed.", "Remove the items one by one.")
    return [] if mode == "true" else current


def _merged(spec: ListSpec, value: Any, current: list[Any], context: Context) -> Any:
    """A written item, completed from the item with the same key where the spec says so."""
    if not spec.merge:
        return value
    known = next((item for item in current if spec.key(item, context) == spec.key(value, context)), None)
    return {**known, **value} if known is not None else value


def _upsert(spec: ListSpec, node: Node, current: list[Any], context: Context, *, insert: bool) -> list[Any]:
    values = list(current)
    keys = [spec.key(item, context) for item in values]
    for value in _items(spec, node, spec.read, spec.key, context):
        key = spec.key(value, context)
        if key in keys:
            values[keys.index(key)] = _merged(spec, value, values, context)
        elif insert:
            values.append(value)
            keys.append(key)
    return values


def _whole(value: Any, _context: Context) -> Hashable:
    return value  # type: ignore[no-any-return]


def _by_name(value: Any, _context: Context) -> Hashable:
    return str(value["name"])


def _by_value(value: Any, _context: Context) -> Hashable:
    return str(value["value"])


def _item_text(node: Node, _context: Context) -> str:
    value = node.text
    if node.children or not value.strip():
        raise invalid(f"Element {node.tag} needs a text.")
    if node.attributes:
        raise invalid(f"Element {node.tag} has no attribute {next(iter(node.attributes))}.")
    return value


def _header_key(value: Any, context: Context) -> Hashable:
    if context.switches["header_key"] == "name":
        return str(value).partition(":")[0].strip().lower()
    return str(value)


def _header(node: Node, context: Context) -> str:
    value = _item_text(node, context)
    name, colon, _rest = value.partition(":")
    if not colon or not name.strip() or "\n" in value or "\r" in value:
        raise invalid(f"Invalid value '{value}' for element {node.tag}.", "Expected: Name: value.")
    return value


def _read_header_key(node: Node, context: Context) -> Hashable:
    return _header_key(_item_text(node, context), context)


def _url_entry(node: Node, _context: Context) -> dict[str, Any]:
    if set(node.attributes) - {"regex"} or node.attributes.get("regex", "false") not in ("true", "false"):
        raise invalid(f"{node.tag} takes the attribute regex, true or false.")
    value = node.text
    if node.children or not value.strip():
        raise invalid(f"Element {node.tag} needs a text.")
    return {"value": value, "regex": node.attributes.get("regex", "false") == "true"}


def _url_entry_key(node: Node, context: Context) -> str:
    return str(_url_entry(node, context)["value"])


def _attribute_key(node: Node, context: Context) -> str:
    names: dict[str, Decoder] = {"name": d.text(256, required=True), "value": d.text(), "category": d.text(256)}
    values = d.members(node, names, context)
    if "name" not in values:
        raise Refusal("CANNOT_BE_NULL", "Element name is needed in Attribute.", "Send the name.")
    return str(values["name"])


def texts(item: str) -> ListSpec:
    """A collection of texts (uris, domains)."""
    return ListSpec(item, _item_text, _whole, _item_text)


def headers() -> ListSpec:
    """WebAppHeader items."""
    return ListSpec("WebAppHeader", _header, _header_key, _read_header_key)


def url_entries() -> ListSpec:
    """UrlEntry items; the key is the text, so the same text with another regex flag replaces."""
    return ListSpec("UrlEntry", _url_entry, _by_value, _url_entry_key)


def attributes() -> ListSpec:
    """Attribute items, by name."""
    names: dict[str, Decoder] = {"name": d.text(256, required=True), "value": d.text(), "category": d.text(256)}
    read = d.obj(names, ("name", "value"))
    return ListSpec("Attribute", read, _by_name, _attribute_key)


def references(item: str, table: str, *, update: bool = False) -> ListSpec:
    """A collection of existing records, by id."""
    operations = ALL if update else ("set", "add", "remove")

    def read(node: Node, context: Context) -> int:
        return d.existing_id(node, context, table)

    return ListSpec(item, read, _whole, d.plain_id, operations)


def comments() -> ListSpec:
    """Comment items; they cannot be removed one by one, and an equal one is added again."""
    read = d.obj({"contents": d.text(8192, required=True)}, ("contents",))

    def key(value: Any, _context: Context) -> Hashable:
        return id(value)

    return ListSpec("Comment", read, key, read, ("set", "add"))


def scripts() -> ListSpec:
    """SeleniumScript items, by id; a new one gets an id."""
    fields: dict[str, Decoder] = {
        "id": d.integer(1),
        "name": d.text(256, required=True),
        "data": d.text(1_000_000, required=True),
        "regex": d.text(),
        "requiresAuthentication": d.boolean,
        "startingUrl": d.text(),
        "startingUrlRegex": d.boolean,
    }

    def read(node: Node, context: Context) -> dict[str, Any]:
        values = d.members(node, fields, context)
        if "id" not in values:
            if "name" not in values or "data" not in values:
                raise Refusal("CANNOT_BE_NULL", f"{node.tag} needs name and data.", "Send them.")
            values["id"] = context.state.new_item_id()
        return {name: value for name, value in values.items() if value is not CLEAR}

    def key(value: Any, _context: Context) -> Hashable:
        return int(value["id"])

    def read_key(node: Node, context: Context) -> int:
        return int(read(node, context)["id"])

    return ListSpec("SeleniumScript", read, key, read_key, ALL, merge=True)

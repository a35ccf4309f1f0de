# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags: create, update, delete (docs/vendors/qualys_was.md 14.2)."""

from __future__ import annotations

import re
from typing import Any

from ..tables import Record, Table
from ..wire import Reply
from . import decode as d
from . import qlists
from .decode import CLEAR, Context, Decoder
from .envelope import invalid
from .node import Node
from .search import find
from .world import Call, Operation, Resource, World
from .writes import (
    check_known,
    created_reply,
    data_of,
    doomed,
    ids_reply,
    need,
    no_data,
    no_filters,
    no_id,
    same_id,
    store,
)

RULE_TYPES = (
    "STATIC", "GROOVY", "OS_REGEX", "NETWORK_RANGE", "NAME_CONTAINS", "INSTALLED_SOFTWARE", "OPEN_PORTS",
    "VULN_EXIST", "ASSET_SEARCH", "CLOUD_ASSET", "BUSINESS_INFORMATION", "GLOBAL_ASSET_VIEW", "TAG_SET",
)  # fmt: skip
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


def _color(node: Node, _context: Context) -> str:
    if node.children or not _COLOR.fullmatch(node.text.strip()):
        raise invalid(f"Invalid value '{node.text}' for element color.", "Expected: #RRGGBB.")
    return node.text.strip()


def _parent(node: Node, context: Context) -> Any:
    key = d.integer(1, optional=True)(node, context)
    if key is not CLEAR and key not in context.state.tags:
        raise invalid(f"Tag {key} does not exist or is not in your scope.", "Send an existing id.")
    return key


_FIELDS: dict[str, Decoder] = {
    "name": d.text(1024, required=True),
    "parentTagId": _parent,
    "color": _color,
    "ruleType": d.keyword(*RULE_TYPES),
    "ruleText": d.text(8192),
    "criticalityScore": d.integer(1),
    "description": d.text(8192),
}
_CHILD = d.obj({"id": d.integer(1), "name": d.text(1024)})
_CHILDREN = qlists.ListSpec(
    "TagSimple", _CHILD, lambda value, _context: str(value.get("name", value.get("id"))), _CHILD, ("set", "add")
)
_KNOWN = ("id", *_FIELDS, "children")
_READ_ONLY = ("created", "modified")


def operations() -> dict[str, Operation]:
    """The writing operations."""
    return {
        "create": Operation(("POST",), "none", create),
        "update": Operation(("POST",), "required", update),
        "delete": Operation(("POST",), "optional", delete),
    }


def _written(node: Node, record: Record, world: World) -> tuple[dict[str, Any], list[str]]:
    """New values, and names of children to make."""
    context = Context(world.state, world.switches)
    values = {child.tag: _FIELDS[child.tag](child, context) for child in node.children if child.tag in _FIELDS}
    if "name" in values and world.switches["unique_tag"] == "name":
        others = (other for other in world.state.tags.values() if other is not record)
        if any(other["name"] == values["name"] for other in others):
            raise invalid(f"A tag with the name '{values['name']}' exists already.", "Choose another.")
    children = node.one("children")
    made = qlists.apply(_CHILDREN, children, [], context) if children is not None else []
    if any("name" not in item for item in made):
        raise invalid("TagSimple needs a name.", "Send the name.")
    return values, [item["name"] for item in made]


def _put(world: World, fields: dict[str, Any]) -> Record:
    key = world.state.tags.new_id()
    base = {"color": "#FFFFFF", "ruleType": "STATIC", "criticalityScore": 2}
    world.state.tags[key] = Record({"id": key, **base, **fields, "created": world.now(), "modified": world.now()})
    return world.state.tags[key]


def create(resource: Resource, call: Call) -> Reply:
    """``create``: a tag, with children when they are sent."""
    world = resource.world
    with world.state.lock:
        node = data_of(resource, call)
        no_filters(call, "create")
        check_known(node, _KNOWN, _READ_ONLY)
        no_id(node)
        need(node, "name")
        values, children = _written(node, Record(), world)
        record = _put(world, {name: value for name, value in values.items() if value is not CLEAR})
        for name in children:
            _put(world, {"name": name, "parentTagId": record["id"]})
        world.wrote()
        return created_reply(resource, call, record)


def update(resource: Resource, call: Call) -> Reply:
    """``update``: what is written changes, children are added; the id comes back."""
    world = resource.world
    with world.state.lock:
        record = find(resource, call.path_id)
        node = data_of(resource, call)
        no_filters(call, "update")
        check_known(node, _KNOWN, _READ_ONLY)
        same_id(node, call.path_id)
        values, children = _written(node, record, world)
        store(record, values)
        record["modified"] = world.now()
        for name in children:
            _put(world, {"name": name, "parentTagId": record["id"]})
        world.wrote()
    return ids_reply(resource, call, [record["id"]])


def delete(resource: Resource, call: Call) -> Reply:
    """``delete``: one or many, none with children that stay; records lose the tag."""
    world = resource.world
    no_data(resource, call)
    with world.state.lock:
        gone = set(doomed(resource, call))
        for key in sorted(gone):
            left = [other["id"] for other in resource.table.values() if other.get("parentTagId") == key]
            if set(left) - gone:
                raise invalid(f"Tag {key} has children.", "Delete them first.")
        resource.table.remove_many(gone)
        for table in world.state.tables():
            _untag(table, gone)
        if gone:
            world.wrote()
    return ids_reply(resource, call, sorted(gone))


def _untag(table: Table, gone: set[int]) -> None:
    for record in table.values():
        for name in ("tags", "defaultScannerTags"):
            if gone.intersection(record.get(name) or ()):
                record[name] = [key for key in record[name] if key not in gone]

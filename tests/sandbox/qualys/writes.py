# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every writing operation does the same way: data in, targets, signatures, ids out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from ..tables import Record
from ..wire import Reply
from . import json_codec, xml_codec
from .decode import CLEAR
from .envelope import Page, Refusal, invalid
from .node import Node
from .search import encoder, matching
from .world import Call, Resource, World


def data_of(resource: Resource, call: Call, *, required: bool = True) -> Node:
    """The one object under ``data``; an empty one when it is absent and not required."""
    element, data = resource.element, call.body.data
    if data is None:
        if required:
            raise invalid("Element data is needed.", f"Send data with one {element}.")
        return Node(element)
    if data.text.strip() or len(data.children) != 1 or data.children[0].tag != element:
        raise invalid(f"data must hold exactly one {element}.", f"Send data with one {element}.")
    node = data.children[0]
    if node.text.strip() or node.attributes:
        raise invalid(f"Unexpected text or attribute in {element}.")
    return node


def no_data(resource: Resource, call: Call) -> None:
    """Refuse a body with data."""
    if call.body.data is not None:
        raise invalid(f"Data is not allowed here for {resource.element}.", "Send an id in the path or filters.")


def no_filters(call: Call, operation: str) -> None:
    """Refuse a body with filters."""
    if call.body.criteria:
        raise invalid(f"{operation} takes no filters.", "Put the id into the path.")


def check_known(node: Node, known: Collection[str], read_only: Collection[str] = ()) -> None:
    """Refuse unknown, read-only and repeated elements."""
    seen: set[str] = set()
    for child in node.children:
        if child.tag in read_only:
            raise invalid(f"Element {child.tag} is read only.", "Leave it out.")
        if child.tag not in known:
            allowed = ", ".join(sorted(known))
            raise invalid(f"Unknown element {child.tag} in {node.tag}.", f"Allowed: {allowed}.")
        if child.tag in seen:
            raise invalid(f"Element {child.tag} is repeated in {node.tag}.")
        seen.add(child.tag)


def need(node: Node, *names: str) -> None:
    """Refuse when an element is missing."""
    for name in names:
        if node.one(name) is None:
            raise Refusal("CANNOT_BE_NULL", f"Element {name} is needed in {node.tag}.", f"Send {name}.")


def no_id(node: Node) -> None:
    """Refuse an id on create."""
    if node.one("id") is not None:
        raise invalid("Element id is not allowed on create.", "Leave it out.")


def same_id(node: Node, path_id: str) -> None:
    """Refuse an id in the data that is not the one in the path."""
    given = node.one("id")
    if given is not None and given.text.strip() != path_id:
        raise invalid(f"The id in {node.tag} differs from the id in the path.", "Leave it out.")


def store(record: Record, values: dict[str, Any]) -> None:
    """Put decoded values into a record; CLEAR takes one out."""
    for name, value in values.items():
        if value is CLEAR:
            record.pop(name, None)
        else:
            record[name] = value


def new_record(world: World, **fields: Any) -> Record:
    """A record that the calling user creates now."""
    record = Record(fields)
    record["owner"] = {"id": world.user_id()}
    record["createdBy"] = {"id": world.user_id()}
    record["createdDate"] = world.now()
    return record


def sign_update(record: Record, world: World) -> None:
    """updatedBy and updatedDate."""
    record["updatedBy"] = {"id": world.user_id()}
    record["updatedDate"] = world.now()


def sign_comments(comments: list[dict[str, Any]], world: World) -> None:
    """Author and date of comments that have none yet."""
    for comment in comments:
        comment.setdefault("author", {"id": world.user_id()})
        comment.setdefault("createdDate", world.now())


def path_key(resource: Resource, path_id: str) -> int:
    """The id of the path of a delete, cancel or the like; raises Refusal when it does not exist."""
    if not path_id.isdigit():
        raise Refusal("INVALID_URL", f"Invalid id {path_id} in the URL.", "The id must be a number.")
    if int(path_id) not in resource.table:
        raise invalid(f"{resource.element} {path_id} does not exist or is not in your scope.", "Check the id.")
    return int(path_id)


def targets(resource: Resource, call: Call) -> list[int]:
    """Ids that a write is about: the id of the path, or all that match the filters."""
    if call.path_id:
        if call.path_id.isdigit() and call.body.criteria:
            raise invalid("Send an id in the path or filters, not both.")
        return [path_key(resource, call.path_id)]
    return filtered(resource, call)


def doomed(resource: Resource, call: Call) -> list[int]:
    """Ids that a delete takes: its targets, or silently none."""
    found = targets(resource, call)
    return found if resource.world.switches["delete_takes"] == "all" else []


def filtered(resource: Resource, call: Call) -> list[int]:
    """Ids of all that match the filters, of which there must be one."""
    if not call.body.criteria:
        raise invalid("At least one criterion is needed.", "Send an id in the path or filters.")
    query = resource.world.engine.compile(resource.fields, call.body.criteria)
    return matching(resource.table, query)


def trees_reply(resource: Resource, call: Call, trees: Sequence[dict[str, Any]]) -> Reply:
    """A data reply of ready trees."""
    encode = json_codec.encode if call.request.wants_json else xml_codec.encode
    page = Page(resource.element, [encode(resource.element, tree) for tree in trees])
    return resource.world.responder.page(call.request, page, resource.xsd)


def ids_reply(resource: Resource, call: Call, ids: Sequence[int]) -> Reply:
    """The ids of what was written."""
    return trees_reply(resource, call, [{"id": key} for key in ids])


def taken(node: Node, world: World, *needed: str) -> Node:
    """What a create takes of its data, which is all, or silently no more than what is needed."""
    if world.switches["create_takes"] == "all":
        return node
    return replace(node, children=[child for child in node.children if child.tag in needed])


def created_reply(resource: Resource, call: Call, record: Record) -> Reply:
    """The whole of what was created, or less of it."""
    mode = resource.world.switches["create_answer"]
    if mode != "full":
        names = ("id", "name") if mode == "short" else ("id",)
        return trees_reply(resource, call, [{name: record[name] for name in names}])
    page = Page(resource.element, [encoder(resource, call, "full")(record)])
    return resource.world.responder.page(call.request, page, resource.xsd)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication records: create, update, delete (docs/vendors/qualys_was.md 10)."""

from __future__ import annotations

from typing import Any

from ..tables import Record
from ..wire import Reply
from . import auth_spec, qlists
from . import decode as d
from .decode import CLEAR, Context
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
    new_record,
    no_data,
    no_filters,
    no_id,
    same_id,
    sign_comments,
    sign_update,
    store,
    taken,
)


def operations() -> dict[str, Operation]:
    """The three writing operations."""
    return {
        "create": Operation(("POST",), "none", create),
        "update": Operation(("POST",), "required", update),
        "delete": Operation(("POST",), "optional", delete),
    }


def users_of(world: World, key: int) -> list[int]:
    """Ids of the web applications that a record is attached to."""
    found = []
    for app in world.state.webapps.in_order():
        default = ((app.get("config") or {}).get("defaultAuthRecord") or {}).get("id")
        if key in app["authRecords"] or key == default:
            found.append(app["id"])
    return found


def _written(node: Node, record: Record, context: Context, world: World) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for child in node.children:
        tag = child.tag
        if d.ignored(child, context):
            continue
        if tag in auth_spec.LISTS:
            values[tag] = qlists.apply(auth_spec.LISTS[tag], child, record.get(tag) or [], context)
        elif tag in auth_spec.PARTS:
            values[tag] = auth_spec.PARTS[tag](child, record.get(tag), context)
        elif tag in auth_spec.SCALARS:
            values[tag] = auth_spec.SCALARS[tag](child, context)
    if "comments" in values:
        sign_comments(values["comments"], world)
    _check(values, record, world)
    return values


def _check(values: dict[str, Any], record: Record, world: World) -> None:
    """Rules across the parts: OAuth2 and a form exclude each other."""
    if values.get("owner") is CLEAR:
        raise invalid("owner cannot be empty.", "Send an id.")
    merged = {name: values.get(name, record.get(name)) for name in auth_spec.PARTS}
    present = {name for name, value in merged.items() if value is not None and value is not CLEAR}
    if {"formRecord", "oauth2Record"} <= present:
        _settle(values, world)
    if "name" in values and world.switches["unique_auth_record"] == "name":
        others = (other for other in world.state.auth_records.values() if other is not record)
        if any(other["name"] == values["name"] for other in others):
            raise invalid("An authentication record with this name exists already.", "Choose another.")


def _settle(values: dict[str, Any], world: World) -> None:
    both = {"formRecord", "oauth2Record"} <= set(values)
    if both or world.switches["form_oauth2_swap"] == "needs_none":
        hint = "Send type NONE or grantType NONE for the other one."
        raise invalid("formRecord and oauth2Record exclude each other.", hint)
    values["formRecord" if "oauth2Record" in values else "oauth2Record"] = CLEAR


def create(resource: Resource, call: Call) -> Reply:
    """``create``: the whole new record comes back."""
    world = resource.world
    context = Context(world.state, world.switches)
    node = data_of(resource, call)
    no_filters(call, "create")
    with world.state.lock:
        check_known(node, auth_spec.KNOWN, auth_spec.READ_ONLY)
        no_id(node)
        need(node, "name")
        record = new_record(world, tags=[], comments=[])
        store(record, _written(taken(node, world, "name", *auth_spec.PARTS), record, context, world))
        if not any(record.get(name) for name in auth_spec.PARTS):
            raise invalid("A record needs a formRecord, serverRecord or oauth2Record.", "Send one of them.")
        sign_update(record, world)
        key = resource.table.new_id()
        resource.table[key] = Record({"id": key, **record})
        world.wrote()
        return created_reply(resource, call, resource.table[key])


def update(resource: Resource, call: Call) -> Reply:
    """``update``: only what is written changes; the id comes back."""
    world = resource.world
    context = Context(world.state, world.switches)
    with world.state.lock:
        record = find(resource, call.path_id)
        node = data_of(resource, call)
        no_filters(call, "update")
        check_known(node, auth_spec.KNOWN, auth_spec.READ_ONLY)
        same_id(node, call.path_id)
        store(record, _written(node, record, context, world))
        sign_update(record, world)
        world.wrote()
    return ids_reply(resource, call, [record["id"]])


def delete(resource: Resource, call: Call) -> Reply:
    """``delete``: one or many; those in use are refused or detached."""
    world = resource.world
    no_data(resource, call)
    with world.state.lock:
        ids = doomed(resource, call)
        used = {key: users_of(world, key) for key in ids}
        for key, apps in used.items():
            if apps and world.switches["delete_attached_auth_record"] == "refuse":
                message = f"WebAppAuthRecord {key} is used by web application {apps[0]}."
                raise invalid(message, "Detach it first.")
        for key, apps in used.items():
            for app_id in apps:
                _detach(world.state.webapps[app_id], key)
        resource.table.remove_many(ids)
        if ids:
            world.wrote()
    return ids_reply(resource, call, ids)


def _detach(app: Record, key: int) -> None:
    app["authRecords"] = [other for other in app["authRecords"] if other != key]
    config = app.get("config") or {}
    if (config.get("defaultAuthRecord") or {}).get("id") == key:
        app["config"] = {name: value for name, value in config.items() if name != "defaultAuthRecord"}

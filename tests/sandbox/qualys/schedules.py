# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: criteria, view, operations (docs/vendors/qualys_was.md 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables import Record
from ..wire import Reply
from . import scan_target, schedule_spec, schedule_times
from .common import Tree, at, owner_fields, users_view
from .criteria import Field
from .decode import CLEAR, Context, ignored
from .envelope import invalid
from .node import Node
from .scan_writes import TYPES, plan
from .scans import STATUSES
from .search import find, read_operations
from .state import State
from .tree import QList
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
    sign_update,
    store,
    taken,
    targets,
)

_NEEDED = ("name", "type", "target", "scheduling")


def resource(world: World) -> Resource:
    """The object ``wasscanschedule``."""
    state = world.state

    def webapps(record: Mapping[str, Any]) -> list[Record]:
        return [state.webapps[key] for key in scan_target.webapps_of(state, record["target"])]

    def tags(record: Mapping[str, Any]) -> list[int] | None:
        return [key for app in webapps(record) for key in app["tags"]] or None

    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        **owner_fields(state),
        "createdDate": Field("date", at("createdDate")),
        "updatedDate": Field("date", at("updatedDate")),
        "active": Field("boolean", at("active")),
        "invalid": Field("boolean", lambda record: not webapps(record)),
        "type": Field("keyword", at("type"), TYPES),
        "webApp.name": Field("text", lambda record: [app["name"] for app in webapps(record)]),
        "webApp.id": Field("integer", lambda record: [app["id"] for app in webapps(record)]),
        "webApp.tags": Field("element", tags, extra=("NONE",)),
        "webApp.tags.id": Field("integer", tags),
        "lastScan": Field("element", at("lastScan"), extra=("NONE",)),
        "lastScan.launchedDate": Field("date", at("lastScan", "launchedDate")),
        "lastScan.status": Field("keyword", at("lastScan", "status"), STATUSES),
        "multi": Field("boolean", lambda record: scan_target.is_multi(record["target"])),
    }

    def stamp(_record: Record) -> int:
        tables = (state.webapps, state.tags, state.users, state.option_profiles, state.auth_records, state.proxies)
        seconds = int(world.clock.now().timestamp())  # nextLaunchDate moves with the time
        return world.switches.generation + sum(table.generation for table in tables) + seconds

    def view(record: Record, detail: str) -> Tree:
        return _view(world, record, full=detail == "full" or world.switches["schedule_search"] == "full")

    operations = {
        **read_operations(),
        "create": Operation(("POST",), "none", create),
        "update": Operation(("POST",), "required", update),
        "activate": Operation(("POST",), "optional", lambda owner, call: _switch(owner, call, active=True)),
        "deactivate": Operation(("POST",), "optional", lambda owner, call: _switch(owner, call, active=False)),
        "delete": Operation(("POST",), "optional", delete),
        "download": Operation(("GET", "POST"), "optional", download),
    }
    return Resource(
        world, "3.0", "was", "wasscanschedule", "WasScanSchedule", state.schedules, fields, view, stamp, operations
    )  # fmt: skip


def _view(world: World, record: Record, *, full: bool) -> Tree:
    state = world.state
    tree: Tree = {"id": record["id"], "name": record["name"], "owner": state.user(record["owner"]["id"])}
    tree.update(active=record["active"], type=record["type"])
    if full:
        bare = world.switches["defaults_read"] == "absent"
        tree["target"] = scan_target.view(state, record["target"], bare=bare)
        for name, table in (
            ("profile", state.option_profiles), ("proxy", state.proxies), ("dnsOverride", state.dns_overrides)
        ):  # fmt: skip
            if name in record:
                tree[name] = state.named(table, record[name]["id"])
        tree["scheduling"] = _scheduling_view(record["scheduling"])
        tree["notification"] = _notification_view(record.get("notification"))
        for name in ("sendMail", "sendOneMail"):
            tree[name] = record.get(name) or (None if bare else False)
    elif "webApp" in record["target"]:
        tree["target"] = {"webApp": scan_target.webapp_view(state, record["target"]["webApp"]["id"])}
    tree["launchedCount"] = record["launchedCount"]
    if record["active"]:
        tree["nextLaunchDate"] = schedule_times.next_launch(record["scheduling"], world.now())
    tree["lastScan"] = record.get("lastScan")
    tree.update(users_view(state, record))
    return tree


def _scheduling_view(values: Mapping[str, Any]) -> Tree:
    tree = dict(values)
    weekly = (tree.get("occurrence") or {}).get("weeklyOccurrence")
    if weekly:
        tree["occurrence"] = {"weeklyOccurrence": {**weekly, "onDays": {"WeekDay": list(weekly["onDays"])}}}
    return tree


def _notification_view(values: Mapping[str, Any] | None) -> Tree | None:
    if values is None:
        return None
    return {**values, "recipients": QList("EmailAddress", list(values.get("recipients", ())), bare=True)}


def _written(node: Node, record: Record, world: World) -> dict[str, Any]:
    context = Context(world.state, world.switches)
    values: dict[str, Any] = {}
    for child in node.children:
        if ignored(child, context):
            continue
        if child.tag in schedule_spec.PARTS:
            values[child.tag] = schedule_spec.PARTS[child.tag](child, record.get(child.tag), context)
        elif child.tag in schedule_spec.SCALARS:
            values[child.tag] = schedule_spec.SCALARS[child.tag](child, context)
    merged = {**record, **{name: value for name, value in values.items() if value is not CLEAR}}
    if CLEAR in (values.get("target"), values.get("owner")):
        raise invalid("owner and target cannot be empty.", "Send them.")
    if "target" in values or "scheduling" in values:
        scan_target.check_cancel(merged["target"], merged["scheduling"])
    if "target" in values or "profile" in values:
        plan(world, {**merged, "profile": None if values.get("profile") is CLEAR else merged.get("profile")})
    return values


def create(resource: Resource, call: Call) -> Reply:
    """``create``: the whole new schedule comes back; it is active unless the request says otherwise."""
    world = resource.world
    with world.state.lock:
        node = data_of(resource, call)
        no_filters(call, "create")
        check_known(node, schedule_spec.KNOWN, schedule_spec.READ_ONLY)
        no_id(node)
        need(node, *_NEEDED)
        record = new_record(world, active=True, launchedCount=0)
        store(record, _written(taken(node, world, *_NEEDED), record, world))
        sign_update(record, world)
        key = resource.table.new_id()
        resource.table[key] = Record({"id": key, **record})
        note_scheduled(world.state)
        world.wrote()
        return created_reply(resource, call, resource.table[key])


def update(resource: Resource, call: Call) -> Reply:
    """``update``: only what is written changes; a target is replaced as a whole."""
    world = resource.world
    with world.state.lock:
        record = find(resource, call.path_id)
        node = data_of(resource, call)
        no_filters(call, "update")
        check_known(node, schedule_spec.KNOWN, schedule_spec.READ_ONLY)
        same_id(node, call.path_id)
        store(record, _written(node, record, world))
        sign_update(record, world)
        note_scheduled(world.state)
        world.wrote()
    return ids_reply(resource, call, [record["id"]])


def _switch(resource: Resource, call: Call, *, active: bool) -> Reply:
    world = resource.world
    no_data(resource, call)
    with world.state.lock:
        ids = targets(resource, call)
        for key in ids:
            resource.table[key]["active"] = active
            sign_update(resource.table[key], world)
        note_scheduled(world.state)
        if ids:
            world.wrote()
    return ids_reply(resource, call, ids)


def delete(resource: Resource, call: Call) -> Reply:
    """``delete``: one or many."""
    world = resource.world
    no_data(resource, call)
    with world.state.lock:
        ids = doomed(resource, call)
        resource.table.remove_many(ids)
        note_scheduled(world.state)
        if ids:
            world.wrote()
    return ids_reply(resource, call, ids)


def note_scheduled(state: State) -> None:
    """isScheduled of each web application: whether an active schedule means it."""
    meant: set[int] = set()
    for schedule in state.schedules.values():
        if schedule["active"]:
            meant.update(scan_target.webapps_of(state, schedule["target"]))
    for app in state.webapps.values():
        if app["isScheduled"] is not (app["id"] in meant):
            app["isScheduled"] = app["id"] in meant


def download(resource: Resource, call: Call) -> Reply:
    """``download``: iCalendar."""
    no_data(resource, call)
    with resource.world.state.lock:
        ids = targets(resource, call)
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Sandbox//WAS//EN"]
        for key in ids:
            lines += schedule_times.calendar_event(resource.table[key], resource.world.now())
    body = "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()
    headers = {"Content-Disposition": 'attachment; filename="schedules.ics"'}
    return Reply(200, [body], "text/calendar;charset=UTF-8", headers, response_code="SUCCESS")

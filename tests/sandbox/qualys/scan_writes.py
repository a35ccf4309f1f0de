# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans: launch, cancel, scan again, delete, status (docs/vendors/qualys_was.md 12)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..tables import Record
from ..wire import Reply
from . import decode as d
from . import scan_machine, scan_target
from .decode import CLEAR, Context, Decoder
from .envelope import Refusal, invalid
from .search import find
from .world import Call, Operation, Resource, World
from .writes import check_known, data_of, doomed, ids_reply, need, no_data, no_filters, trees_reply

TYPES = ("VULNERABILITY", "DISCOVERY")
Values = dict[str, Any]

LAUNCH: dict[str, Decoder] = {
    "name": d.text(256, required=True),
    "type": d.keyword(*TYPES),
    "target": scan_target.target,
    "profile": scan_target.profile,
    "cancelAfterNHours": d.integer(1),
    "cancelTime": d.text(64),
    "proxy": d.reference("proxies"),
    "dnsOverride": d.reference("dns_overrides"),
    "sendMail": d.boolean,
    "sendOneMail": d.boolean,
    "enableWAFAuth": d.boolean,
    "progressiveScanning": d.keyword("true", "false", "ENABLED", "DISABLED", "DEFAULT"),
}
_KEPT = ("cancelAfterNHours", "cancelTime", "proxy", "dnsOverride", "sendMail", "sendOneMail", "enableWAFAuth",
         "progressiveScanning")  # fmt: skip


def operations() -> dict[str, Operation]:
    """The writing operations, and status."""
    return {
        "launch": Operation(("POST",), "none", launch),
        "status": Operation(("GET",), "required", status, reads_body=False),
        "cancel": Operation(("POST",), "required", cancel),
        "delete": Operation(("POST",), "optional", delete),
    }


def launch(resource: Resource, call: Call) -> Reply:
    """``launch``: one scan for each web application of the target; their ids come back."""
    world = resource.world
    context = Context(world.state, world.switches)
    with world.state.lock:
        node = data_of(resource, call)
        no_filters(call, "launch")
        check_known(node, LAUNCH)
        need(node, "name", "type", "target")
        decoded = d.members(node, LAUNCH, context)
        values = {name: value for name, value in decoded.items() if value is not CLEAR}
        scan_target.check_cancel(values["target"], values)
        planned = plan(world, values)
        ids = [_create(world, scan, values) for scan in planned]
        world.wrote()
    if len(ids) > 1 and world.switches["multi_launch_reply"] == "first":
        ids = ids[:1]
    return ids_reply(resource, call, ids)


def plan(world: World, values: Mapping[str, Any]) -> list[Values]:
    """What would be scanned how: webAppId, profile, auth record; raises Refusal when something is missing."""
    chosen = scan_target.webapps_of(world.state, values["target"])
    if not chosen:
        raise invalid("The target has no web application.", "Choose other tags.")
    return [_planned(world, values, world.state.webapps[key]) for key in chosen]


def _planned(world: World, values: Mapping[str, Any], app: Record) -> Values:
    profile = values.get("profile") or app.get("defaultProfile")
    if not profile:
        message = f"An option profile is needed: web application {app['id']} has no default."
        raise Refusal("CANNOT_BE_NULL", message, "Send profile.")
    return {"webAppId": app["id"], "profile": dict(profile), "_auth": _auth_id(world, values["target"], app)}


def _auth_id(world: World, target: Mapping[str, Any], app: Record) -> int:
    """The record to log in with; 0 for none."""
    asked = target.get("webAppAuthRecord") or {}
    if "id" in asked:
        if world.switches["scan_auth_record"] == "attached" and asked["id"] not in app["authRecords"]:
            raise invalid(f"WebAppAuthRecord {asked['id']} is not attached to web application {app['id']}.")
        return int(asked["id"])
    if not asked.get("isDefault") and target.get("authRecordOption") != "DEFAULT":
        return 0
    default = ((app.get("config") or {}).get("defaultAuthRecord") or {}).get("id")
    if default or app["authRecords"]:
        return int(default or app["authRecords"][0])
    if asked.get("isDefault") and world.switches["scan_default_auth_missing"] == "reject":
        raise invalid(f"Web application {app['id']} has no default authentication record.", "Send an id.")
    return 0


def _create(world: World, planned: Values, values: Mapping[str, Any]) -> int:
    state = world.state
    key = state.scans.new_id()
    app = state.webapps[planned["webAppId"]]
    now = world.now()
    moment = int(datetime.fromisoformat(now.replace("Z", "+00:00")).timestamp())
    target = copy.deepcopy(dict(values["target"]))
    multi = scan_target.is_multi(target)
    fields: Values = {
        "id": key,
        "name": values["name"],
        "reference": f"was/{moment * 1000 + key % 1000}.{2_000_000 + key % 1_000_000}",
        "type": values["type"],
        "mode": "API",
        "multi": multi,
        **planned,
        "launchedDate": now,
        "launchedBy": {"id": world.user_id()},
        "status": "SUBMITTED",
        "options": [{"name": "Web Application Name", "value": app["name"]}, {"name": "Performance", "value": "LOW"}],
        "summary": {"resultsStatus": "SUBMITTED", "authStatus": "NONE"},
        "_target": {**target, "webApp": {"id": app["id"]}},
        **{name: values[name] for name in _KEPT if name in values},
    }
    state.scans[key] = Record(fields)
    scan_machine.start(world, state.scans[key])
    return key


def status(resource: Resource, call: Call) -> Reply:
    """``status``: a look at one scan."""
    with resource.world.state.lock:
        scan = find(resource, call.path_id)
        summary = {name: scan["summary"][name] for name in ("resultsStatus", "authStatus")}
        tree = {"id": scan["id"], "status": scan["status"], "summary": summary}
        scan_machine.seen(resource.world, [scan["id"]])
    return trees_reply(resource, call, [tree])


def cancel(resource: Resource, call: Call) -> Reply:
    """``cancel``: one scan that is under way, with or without its results."""
    world = resource.world
    with world.state.lock:
        scan = find(resource, call.path_id)
        no_filters(call, "cancel")
        node = data_of(resource, call, required=False)
        values = d.members(node, {"cancelWithResults": d.boolean}, Context(world.state, world.switches))
        if scan["status"] not in scan_machine.STATES:
            message = f"Scan is not in a running state. Scan status: {scan['status']}"
            raise invalid(message, "Only a running scan can be canceled.")
        scan_machine.cancel(world, scan, keep=values.get("cancelWithResults", False))
        world.wrote()
    return ids_reply(resource, call, [scan["id"]])


def delete(resource: Resource, call: Call) -> Reply:
    """``delete``: one or many, none of them running."""
    world = resource.world
    no_data(resource, call)
    with world.state.lock:
        ids = doomed(resource, call)
        busy = [key for key in ids if resource.table[key]["status"] in scan_machine.RUNNING]
        if busy and (call.path_id or world.switches["delete_running_scans"] == "refuse"):
            raise invalid(f"Scan {busy[0]} is running and cannot be deleted.", "Cancel it first.")
        ids = [key for key in ids if key not in busy]
        _forget_last(world, set(ids))
        resource.table.remove_many(ids)
        if ids:
            world.wrote()
    return ids_reply(resource, call, ids)


def _forget_last(world: World, gone: set[int]) -> None:
    """A web application whose last scan goes has the one before as its last."""
    state = world.state
    for app in state.webapps.values():
        if not app.get("lastScan") or app["lastScan"]["id"] not in gone:
            continue
        del app["lastScan"]
        left = [key for key in state.scans_of(app["id"]) if key not in gone]
        if left:
            scan = state.scans[left[-1]]
            scan_machine.note(state, scan, scan["status"])


def again(resource: Resource, call: Call) -> Reply:
    """``scanagain``: the same scan once more, with another name when one is sent."""
    world = resource.world
    wanted = world.switches["scan_again_path"]
    if wanted not in ("any", f"{resource.name}"):
        raise Refusal("INVALID_URL", f"Invalid URL {call.request.path}.", "Check the path of the request.")
    context = Context(world.state, world.switches)
    with world.state.lock:
        old = find(resource, call.path_id)
        no_filters(call, "scanagain")
        values = d.members(
            data_of(resource, call, required=False), {"name": d.text(256, required=True)}, context
        )  # fmt: skip
        if old["status"] in scan_machine.RUNNING:
            raise invalid(f"Scan {old['id']} has not ended yet.", "Wait for its end.")
        if old["webAppId"] not in world.state.webapps:
            raise invalid(f"The web application of scan {old['id']} does not exist.", "Launch another scan.")
        planned = {"webAppId": old["webAppId"], "profile": dict(old["profile"]), "_auth": old.get("_auth", 0)}
        target = old.get("_target") or {"webApp": {"id": old["webAppId"]}}
        kept = {name: old[name] for name in _KEPT if name in old}
        key = _create(world, planned, {"name": old["name"], "type": old["type"], "target": target, **kept, **values})
        world.wrote()
    return ids_reply(resource, call, [key])

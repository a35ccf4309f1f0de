# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Web applications: criteria and operations (docs/vendors/qualys_was.md 9)."""

from __future__ import annotations

from typing import Any

from ..tables import Record
from ..wire import Reply
from . import json_codec, qlists, webapp_spec, webapp_view, xml_codec
from .common import Tree, at, listed, tag_names
from .criteria import Field
from .decode import CLEAR, Context, ignored
from .envelope import Criterion, Page, Refusal, invalid
from .node import Node
from .search import find, read_operations
from .world import Call, Operation, Resource, World
from .writes import (
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
    targets,
)

LAST_SCAN_STATUSES = (
    "SUBMITTED", "RUNNING", "FINISHED", "TIME_LIMIT_EXCEEDED", "SCAN_NOT_LAUNCHED", "SCANNER_NOT_AVAILABLE", "ERROR",
    "CANCELED",
)  # fmt: skip


def resource(world: World) -> Resource:
    """The object ``webapp``."""
    state = world.state
    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        "url": Field("text", at("url")),
        "tags": Field("element", listed(), extra=("NONE",)),
        "tags.name": Field("text", tag_names(state)),
        "tags.id": Field("integer", listed()),
        "createdDate": Field("date", at("createdDate")),
        "updatedDate": Field("date", at("updatedDate")),
        "isScheduled": Field("boolean", at("isScheduled")),
        "isScanned": Field("boolean", lambda record: bool(record.get("lastScan"))),
        "lastScan": Field("element", at("lastScan"), extra=("NONE",)),
        "lastScan.status": Field("keyword", at("lastScan", "status"), LAST_SCAN_STATUSES),
        "lastScan.date": Field("date", at("lastScan", "date")),
        "attributes": Field("attribute", at("attributes")),
    }

    def stamp(_record: Record) -> int:
        # Generations only grow, so their sum changes whenever one of them does.
        tables = (state.tags, state.users, state.auth_records, state.option_profiles, state.dns_overrides)
        return world.switches.generation + sum(table.generation for table in tables)

    def view(record: Record, detail: str) -> Tree:
        return webapp_view.view(world, record, detail)

    operations = {
        **read_operations(),
        "create": Operation(("POST",), "none", create),
        "update": Operation(("POST",), "required", update),
        "delete": Operation(("POST",), "optional", delete),
        "purge": Operation(("POST",), "optional", purge),
        "downloadSeleniumScript": Operation(("POST",), "none", download_script),
    }
    return Resource(world, "3.0", "was", "webapp", "WebApp", state.webapps, fields, view, stamp, operations)


def _written(node: Node, record: Record, context: Context, world: World) -> dict[str, Any]:
    """The new values of the written elements; CLEAR where a value is to go."""
    values: dict[str, Any] = {}
    for child in node.children:
        tag = webapp_spec.canonical(child.tag, context)
        if ignored(child, context):
            continue
        if tag in webapp_spec.LISTS:
            current = record.get(tag) or []
            values[tag] = qlists.apply(webapp_spec.LISTS[tag], child, current, context)
        elif tag in webapp_spec.FIELDS:
            values[tag] = webapp_spec.FIELDS[tag](child, context)
    if "comments" in values:
        sign_comments(values["comments"], world)
    if context.switches["empty_element"] == "ignored" and isinstance(values.get("defaultScanner"), dict):
        values["defaultScanner"] = {**record.get("defaultScanner", {}), **values["defaultScanner"]}
    if "config" in values:
        values["config"] = _config(values["config"], record, context)
    return values


def _config(written: dict[str, Any], record: Record, context: Context) -> Any:
    """A config element replaces or merges, depending on the switch."""
    cancel = ("cancelScansAfterNHours", "cancelScansAt")
    kept = {} if context.switches.on("partial_config_wipes") else dict(record.get("config") or {})
    if any(name in written for name in cancel):
        kept = {name: value for name, value in kept.items() if name not in cancel}
    kept.update(written)
    kept = {name: value for name, value in kept.items() if value is not CLEAR}
    return kept or CLEAR


def _check(values: dict[str, Any], record: Record, world: World) -> None:
    """Rules across fields."""
    merged: dict[str, Any] = {**record, **{name: item for name, item in values.items() if item is not CLEAR}}
    for name, value in values.items():
        if value is CLEAR and name in ("name", "url"):
            raise Refusal("CANNOT_BE_NULL", f"Element {name} cannot be empty.", "Send a value.")
    if "scope" in values and merged["scope"] == "SUBDOMAIN" and not merged.get("subDomain"):
        raise invalid("Scope SUBDOMAIN needs subDomain.", "Send subDomain.")
    if "scope" in values and merged["scope"] == "DOMAINS" and not merged.get("domains"):
        raise invalid("Scope DOMAINS needs domains.", "Send domains.")
    if values.get("swaggerFile", CLEAR) is not CLEAR and values.get("postmanCollection", CLEAR) is not CLEAR:
        raise invalid("swaggerFile and postmanCollection exclude each other.", "Send one of them.")
    if not str(merged["url"]).startswith(("http://", "https://")):
        raise invalid(f"Invalid value '{merged['url']}' for element url.", "Expected: an http or https URL.")
    if "name" in values or "url" in values:
        _check_unique(merged, record, world)


def _check_unique(merged: dict[str, Any], record: Record, world: World) -> None:
    mode = world.switches["unique_webapp"]
    if mode == "none":
        return
    names = ("name", "url") if mode == "name_url" else (mode,)
    for other in world.state.webapps.values():
        if other is not record and all(other[name] == merged[name] for name in names):
            raise invalid(f"A web application with this {' and '.join(names)} exists already.", "Choose another.")


def _empty_record(world: World) -> Record:
    lists: dict[str, Any] = {name: [] for name in webapp_spec.LISTS}
    return new_record(world, **webapp_spec.DEFAULTS, **lists, isScheduled=False, riskScore=0)


def create(resource: Resource, call: Call) -> Reply:
    """``create``: the whole new web application comes back."""
    world = resource.world
    context = Context(world.state, world.switches)
    node = data_of(resource, call)
    with world.state.lock:
        webapp_spec.check_known(node, "create", context)
        no_id(node)
        need(node, "name", "url")
        record = _revived(node, world) or _empty_record(world)
        values = _written(taken(node, world, "name", "url"), record, context, world)
        _check(values, record, world)
        store(record, values)
        sign_update(record, world)
        if "id" not in record:
            record["id"] = world.state.webapps.new_id()
        world.state.in_subscription.pop((record["name"], record["url"]), None)
        world.state.webapps[record["id"]] = record
        world.wrote()
        return created_reply(resource, call, record)


def _revived(node: Node, world: World) -> Record | None:
    """A record that was deleted from WAS only; raises Refusal unless reactivation is asked for."""
    name, url = node.one("name"), node.one("url")
    assert name is not None
    assert url is not None
    key = (name.text, url.text)
    flag = node.one("reactivateIfExists")
    if flag is not None and flag.text.strip() not in ("true", "false"):
        raise invalid(f"Invalid value '{flag.text}' for element reactivateIfExists.", "Expected: true, false.")
    known = world.state.in_subscription.get(key)
    if known is None:
        return None
    if flag is None or flag.text.strip() != "true":
        message = f"Web application {key[0]} exists already in the subscription."
        raise invalid(message, "Send reactivateIfExists to reactivate it.")
    return known


def update(resource: Resource, call: Call) -> Reply:
    """``update``: only what is written changes; the id comes back."""
    world = resource.world
    context = Context(world.state, world.switches)
    with world.state.lock:
        record = find(resource, call.path_id)
        node = data_of(resource, call)
        no_filters(call, "update")
        webapp_spec.check_known(node, "update", context)
        same_id(node, call.path_id)
        values = _written(node, record, context, world)
        _check(values, record, world)
        store(record, values)
        sign_update(record, world)
        world.wrote()
    return ids_reply(resource, call, [record["id"]])


def delete(resource: Resource, call: Call) -> Reply:
    """``delete``: out of WAS, and out of the subscription when data says so."""
    world = resource.world
    context = Context(world.state, world.switches)
    with world.state.lock:
        node = data_of(resource, call, required=False)
        webapp_spec.check_known(node, "delete", context)
        if any(child.tag != "removeFromSubscription" for child in node.children):
            raise invalid("delete takes only removeFromSubscription in WebApp.")
        forever = _flag(node.one("removeFromSubscription"))
        ids = doomed(resource, call)
        for key in ids:
            record = resource.table[key]
            if not forever:
                world.state.in_subscription[(record["name"], record["url"])] = _stripped(record)
        world.state.forget_scan_data(set(ids))
        resource.table.remove_many(ids)
        if ids:
            world.wrote()
    return ids_reply(resource, call, ids)


def _flag(node: Node | None) -> bool:
    if node is None:
        return False
    if node.text.strip() not in ("true", "false"):
        raise invalid(f"Invalid value '{node.text}' for element {node.tag}.", "Expected: true, false.")
    return node.text.strip() == "true"


def _stripped(record: Record) -> Record:
    """What the subscription keeps of a web application without WAS."""
    return Record({name: value for name, value in record.items() if name != "lastScan"})


def purge(resource: Resource, call: Call) -> Reply:
    """``purge``: findings and scans go, the web application stays."""
    world = resource.world
    no_data(resource, call)
    with world.state.lock:
        ids = targets(resource, call)
        mode = world.switches["purge_takes"]
        world.state.forget_scan_data(set(ids) if mode != "nothing" else set())
        for key in ids if mode == "all" else ():
            resource.table[key].pop("lastScan", None)
        if ids:
            world.wrote()
    return ids_reply(resource, call, ids)


def download_script(resource: Resource, call: Call) -> Reply:
    """``downloadSeleniumScript``: filters id and crawlingScripts.id, both EQUALS."""
    webapp_id = _equals(call.body.criteria, "id")
    script_id = _equals(call.body.criteria, "crawlingScripts.id")
    with resource.world.state.lock:
        record = resource.table.get(webapp_id)
        known = record["crawlingScripts"] if record is not None else []
        scripts = [item for item in known if item["id"] == script_id]
    if not scripts:
        raise invalid(f"Script {script_id} of WebApp {webapp_id} does not exist.", "Check the ids.")
    if resource.world.switches["selenium_reply"] == "raw":
        return Reply(200, [scripts[0]["data"].encode()], "text/html", response_code="SUCCESS")
    encode = json_codec.encode if call.request.wants_json else xml_codec.encode
    page = Page("SeleniumScript", [encode("SeleniumScript", dict(scripts[0]))])
    return resource.world.responder.page(call.request, page, resource.xsd)


def _equals(criteria: list[Criterion], name: str) -> int:
    found = [item for item in criteria if item.field == name]
    if len(criteria) != 2 or len(found) != 1 or found[0].operator != "EQUALS" or not found[0].value.isdigit():
        raise invalid("Criteria id and crawlingScripts.id with EQUALS are needed.", "Send both ids.")
    return int(found[0].value)

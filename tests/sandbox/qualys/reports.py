# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports and report templates (docs/vendors/qualys_was.md 15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables import Record
from ..wire import Reply
from . import progress, qlists, report_files, report_spec, scan_results
from .common import Tree, at, listed, tag_names, tags_view, users_view
from .criteria import Field
from .decode import CLEAR, Context
from .envelope import Refusal, invalid
from .node import Node
from .search import find, read_operations
from .tree import QList
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
    trees_reply,
)

_HOSTILE_NAME = '../../../tmp/report"; x=y.pdf'


def resources(world: World) -> list[Resource]:
    """The objects ``report`` and ``reporttemplate``."""
    return [_reports(world), _templates(world)]


def _reports(world: World) -> Resource:
    state = world.state
    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        "tags.id": Field("integer", listed()),
        "tags.name": Field("text", tag_names(state)),
        "creationDate": Field("date", at("creationDate")),
        "type": Field("keyword", at("type"), tuple(report_spec.TYPES)),
        "format": Field("keyword", at("format"), report_spec.FORMATS),
        "status": Field("keyword", at("status"), report_spec.STATUSES),
    }

    def view(record: Record, detail: str) -> Tree:
        tree: Tree = {"id": record["id"], "name": record["name"], "owner": state.user(record["owner"]["id"])}
        for name in ("description", "type", "format", "status", "size", "creationDate"):
            tree[name] = record.get(name)
        tree.update(lastDownloadDate=record.get("lastDownloadDate"), downloadCount=record["downloadCount"])
        tree["tags"] = tags_view(state, record)
        if detail == "full":
            tree["distributionList"] = QList("EmailAddress", record["distributionList"], bare=True)
            if record.get("template"):
                tree["template"] = state.named(state.report_templates, record["template"]["id"])
        return tree

    def stamp(_record: Record) -> int:
        tables = (state.tags, state.users, state.report_templates)
        return sum(table.generation for table in tables)

    def seen(ids: list[int]) -> None:
        for key in state.running_reports.intersection(ids):
            progress.look(state.reports[key])

    operations = {
        **read_operations(),
        "create": Operation(("POST",), "none", create),
        "status": Operation(("GET",), "required", status, reads_body=False),
        "download": Operation(("GET",), "required", download, reads_body=False),
        "send": Operation(("POST",), "required", send),
        "update": Operation(("POST",), "required", update),
        "delete": Operation(("POST",), "optional", delete),
    }
    return Resource(world, "3.0", "was", "report", "Report", state.reports, fields, view, stamp, operations, seen)


def _templates(world: World) -> Resource:
    state = world.state
    fields = {
        "id": Field("integer", at("id")),
        "name": Field("text", at("name")),
        "type": Field("keyword", at("type"), tuple(report_spec.TYPES)),
    }

    def view(record: Record, _detail: str) -> Tree:
        tree: Tree = {name: record[name] for name in ("id", "name", "type", "isDefault")}
        tree["owner"] = state.user(record["owner"]["id"])
        tree.update(users_view(state, record))
        return tree

    return Resource(
        world, "3.0", "was", "reporttemplate", "ReportTemplate", state.report_templates, fields, view,
        lambda _record: state.users.generation, read_operations(),
    )  # fmt: skip


def _written(node: Node, record: Mapping[str, Any], world: World) -> dict[str, Any]:
    context = Context(world.state, world.switches)
    values: dict[str, Any] = {}
    for child in node.children:
        if child.tag in report_spec.SCALARS:
            values[child.tag] = report_spec.SCALARS[child.tag](child, context)
        elif child.tag == "tags":
            values["tags"] = qlists.apply(report_spec.TAGS, child, record.get("tags") or [], context)
        elif child.tag == "distributionList":
            present = record.get("distributionList") or []
            values["distributionList"] = report_spec.distribution(child, present, context)
    return values


def create(resource: Resource, call: Call) -> Reply:
    """``create``: the report starts; its whole object comes back."""
    world = resource.world
    with world.state.lock:
        node = data_of(resource, call)
        no_filters(call, "create")
        check_known(node, report_spec.KNOWN, report_spec.READ_ONLY)
        no_id(node)
        need(node, "name", "type", "format")
        values = _written(node, {}, world)
        _add_config(node, values, world)
        report_spec.check(values)
        if world.switches["report_storage"] == "full":
            message = "The report storage limit of your subscription is reached."
            raise Refusal("OTHER_ERROR", message, "Delete reports that are not needed any more.")
        record = Record({"tags": [], "distributionList": [], "downloadCount": 0, "status": "RUNNING"})
        record.update(owner={"id": world.user_id()}, creationDate=world.now())
        store(record, values)
        key = resource.table.new_id()
        resource.table[key] = Record({"id": key, **record})
        _start(world, resource.table[key])
        world.wrote()
        return created_reply(resource, call, resource.table[key])


def _add_config(node: Node, values: dict[str, Any], world: World) -> None:
    config = node.one("config")
    if config is not None:
        values["config"] = report_spec.config(values["type"], config, Context(world.state, world.switches))
    elif "template" not in values:
        raise Refusal("CANNOT_BE_NULL", "Element config is needed in Report.", "Send config or template.")


def _start(world: World, record: Record) -> None:
    progress.begin(world, record)
    world.state.running_reports.add(record["id"])
    settle(world, record)


def settle(world: World, record: Record) -> None:
    """Complete the report when its time has come."""
    if progress.position(world, record, "report", 1) < 1:
        return
    world.state.running_reports.discard(record["id"])
    if world.switches["report_outcome"] == "error":
        record["status"] = "ERROR"
        return
    record["status"] = "COMPLETE"
    record["size"] = len(_file(world, record))


def settle_all(world: World) -> None:
    """Bring all running reports up to date."""
    for key in sorted(world.state.running_reports):
        record = world.state.reports.get(key)
        if record is None:
            world.state.running_reports.discard(key)
        else:
            settle(world, record)


def _file(world: World, record: Record) -> bytes:
    return report_files.content(record, _findings(world, record))


def _findings(world: World, record: Record) -> list[Record]:
    state, config = world.state, record.get("config") or {}
    target: Any = next(iter(config.values()), {})
    target = target.get("target", {}) if isinstance(target, dict) else {}
    found: list[Record] = []
    for key in target.get("scans", ()):
        if key in state.scans:
            found += scan_results.detected(world, state.scans[key])
    for key in target.get("webapps", ()):
        found += [state.findings[finding] for finding in state.findings_of(key)]
    return found


def status(resource: Resource, call: Call) -> Reply:
    """``status``: a look at one report."""
    with resource.world.state.lock:
        record = find(resource, call.path_id)
        tree = {"id": record["id"], "status": record["status"]}
        _look(resource, record)
    return trees_reply(resource, call, [tree])


def _look(resource: Resource, record: Record) -> None:
    if record["id"] in resource.world.state.running_reports:
        progress.look(record)


def download(resource: Resource, call: Call) -> Reply:
    """``download``: the file itself, named by Content-Disposition."""
    world = resource.world
    with world.state.lock:
        record = find(resource, call.path_id)
        if record["status"] == "RUNNING":
            _look(resource, record)
            raise Refusal("STILL_PROCESSING", f"Report {record['id']} is still being generated.", "Try again later.")
        if record["status"] == "ERROR":
            raise invalid(f"Report {record['id']} could not be generated.", "Create it again.")
        body = _file(world, record)
        extension, media = report_files.KINDS[record["format"]]
        record["downloadCount"] += 1
        record["lastDownloadDate"] = world.now()
    name = f"WAS_Report_{record['id']}.{extension}"
    if world.switches["report_filename"] == "hostile":
        name = _HOSTILE_NAME
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Reply(200, [body], media, headers, response_code="SUCCESS")


def _complete(record: Record) -> None:
    if record["status"] != "COMPLETE":
        raise invalid(f"Report {record['id']} is not complete. Report status: {record['status']}")


def send(resource: Resource, call: Call) -> Reply:
    """``send``: an encrypted report to a distribution list."""
    world = resource.world
    with world.state.lock:
        record = find(resource, call.path_id)
        node = data_of(resource, call)
        check_known(node, ("distributionList",))
        need(node, "distributionList")
        if record["format"] != "PDF_ENCRYPTED":
            raise invalid("Only a report of format PDF_ENCRYPTED can be sent.", "Create such a report.")
        _complete(record)
        store(record, _written(node, record, world))
        world.wrote()
    return ids_reply(resource, call, [record["id"]])


def update(resource: Resource, call: Call) -> Reply:
    """``update``: name, description, tags and recipients."""
    world = resource.world
    with world.state.lock:
        record = find(resource, call.path_id)
        node = data_of(resource, call)
        no_filters(call, "update")
        check_known(node, ("id", "name", "description", "tags", "distributionList"), report_spec.READ_ONLY)
        same_id(node, call.path_id)
        store(record, {name: value for name, value in _written(node, record, world).items() if value is not CLEAR})
        world.wrote()
    return ids_reply(resource, call, [record["id"]])


def delete(resource: Resource, call: Call) -> Reply:
    """``delete``: one or many."""
    world = resource.world
    no_data(resource, call)
    with world.state.lock:
        ids = doomed(resource, call)
        resource.table.remove_many(ids)
        world.state.running_reports.difference_update(ids)
        if ids:
            world.wrote()
    return ids_reply(resource, call, ids)

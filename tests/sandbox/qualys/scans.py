# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans: criteria and view (docs/vendors/qualys_was.md 12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..tables import Record
from . import scan_machine, scan_results, scan_target, scan_writes
from .auth_records import AUTH_STATUSES
from .common import Tree, at
from .criteria import Field
from .search import read_operations
from .tree import QList
from .world import Operation, Resource, World

STATUSES = ("SUBMITTED", "RUNNING", "FINISHED", "ERROR", "CANCELED", "PROCESSING")
RESULTS_STATUSES = (
    "NOT_USED", "TO_BE_PROCESSED", "NO_HOST_ALIVE", "NO_WEB_SERVICE", "SERVICE_ERROR", "TIME_LIMIT_REACHED",
    "SCAN_INTERNAL_ERROR", "SCAN_RESULTS_INVALID", "SUCCESSFUL", "PROCESSING", "TIME_LIMIT_EXCEEDED",
    "SCAN_NOT_LAUNCHED", "SCANNER_NOT_AVAILABLE", "SUBMITTED", "RUNNING", "FINISHED", "CANCELED", "CANCELING", "ERROR",
    "DELETED", "CANCELED_WITH_RESULTS",
)  # fmt: skip


def resource(world: World) -> Resource:
    """The object ``wasscan``."""
    state = world.state

    def webapp(record: Any) -> Any:
        return state.webapps.get(record["webAppId"]) or {}

    def tags(record: Any) -> list[int] | None:
        return webapp(record).get("tags") or None

    fields = {
        "id": Field("integer", at("id")),
        "webApp.id": Field("integer", at("webAppId")),
        "webApp.tags.id": Field("integer", tags),
        "name": Field("text", at("name")),
        "webApp.name": Field("text", lambda record: webapp(record).get("name")),
        "reference": Field("text", at("reference")),
        "webApp.tags": Field("element", tags, extra=("NONE",)),
        "launchedDate": Field("date", at("launchedDate")),
        "type": Field("keyword", at("type"), ("VULNERABILITY", "DISCOVERY")),
        "mode": Field("keyword", at("mode"), ("ONDEMAND", "SCHEDULED", "API")),
        "status": Field("keyword", at("status"), STATUSES),
        "authStatus": Field("keyword", at("summary", "authStatus"), AUTH_STATUSES),
        "resultsStatus": Field("keyword", at("summary", "resultsStatus"), RESULTS_STATUSES),
    }

    def stamp(_record: Record) -> int:
        tables = (state.webapps, state.users, state.option_profiles, state.auth_records, state.proxies)
        return world.switches.generation + sum(table.generation for table in tables)

    def view(record: Record, detail: str) -> Tree:
        return _view(world, record, full=detail == "full")

    def seen(ids: list[int]) -> None:
        scan_machine.seen(world, ids)

    operations = {**read_operations(), **scan_writes.operations(), **scan_results.operations(_full)}
    operations["scanAgain"] = Operation(("POST",), "required", scan_writes.again)
    return Resource(
        world, "3.0", "was", "wasscan", "WasScan", state.scans, fields, view, stamp, operations, seen
    )  # fmt: skip


def again_resource(scans: Resource) -> Resource:
    """The odd object ``scan``, which only scanagain has."""
    operations = {"scanagain": Operation(("POST",), "required", scan_writes.again)}
    return replace(scans, name="scan", operations=operations)


def _full(world: World, record: Record) -> Tree:
    return _view(world, record, full=True)


def _view(world: World, record: Record, *, full: bool) -> Tree:
    state = world.state
    chosen = record.get("_target") or {"webApp": {"id": record["webAppId"]}}
    target = scan_target.view(state, {name: value for name, value in chosen.items() if name not in ("webApps", "tags")})
    auth = record.get("_auth")
    if auth:
        target["webAppAuthRecord"] = state.named(state.auth_records, auth)
    tree: Tree = {name: record[name] for name in ("id", "name", "reference", "type", "mode", "multi")}
    tree["target"] = target
    tree["profile"] = state.named(state.option_profiles, record["profile"]["id"])
    tree["launchedDate"] = record["launchedDate"]
    tree["launchedBy"] = state.user(record["launchedBy"]["id"])
    tree["status"] = record["status"]
    if record["multi"]:
        tree["consolidatedStatus"] = record["status"]
    tree["summary"] = {name: record["summary"][name] for name in ("resultsStatus", "authStatus")}
    if full:
        target["cancelOption"] = chosen.get("cancelOption", "DEFAULT")
        _add_details(world, record, tree)
    return tree


def _add_details(world: World, record: Record, tree: Tree) -> None:
    sdk = world.switches.on("qualysdk_readable")
    for name in ("cancelAfterNHours", "cancelTime", "progressiveScanning"):
        if not sdk:
            tree[name] = record.get(name)
    tree["options"] = QList("WasScanOption", record["options"])
    if not sdk:
        tree["endScanDate"] = record.get("endScanDate")
    tree["scanDuration"] = record.get("scanDuration")
    tree["summary"] = record["summary"]
    tree["cancelMode"] = record.get("cancelMode")
    if record.get("canceledBy"):
        tree["canceledBy"] = world.state.user(record["canceledBy"]["id"])
    for name in ("sendMail", "enableWAFAuth"):
        tree[name] = record.get(name, False)
    tree["sendOneMail"] = record.get("sendOneMail")

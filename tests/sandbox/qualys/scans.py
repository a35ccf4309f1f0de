# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans, read side (sheet section 6.4)."""

from __future__ import annotations

from typing import Any

from ..tables import Record
from .auth_records import AUTH_STATUSES
from .common import Tree, at
from .criteria import Field
from .search import read_operations
from .tree import QList
from .world import Resource, World

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
        return state.webapps.generation + state.users.generation + state.option_profiles.generation

    def view(record: Record, detail: str) -> Tree:
        return _view(world, record, full=detail == "full")

    return Resource(
        world, "3.0", "was", "wasscan", "WasScan", state.scans, fields, view, stamp, read_operations()
    )  # fmt: skip


def _view(world: World, record: Record, *, full: bool) -> Tree:
    state = world.state
    webapp = state.webapps.get(record["webAppId"]) or {"id": record["webAppId"]}
    target: Tree = {"webApp": {name: webapp.get(name) for name in ("id", "name", "url")}}
    target["scannerAppliance"] = {"type": "EXTERNAL"}
    tree: Tree = {name: record[name] for name in ("id", "name", "reference", "type", "mode", "multi")}
    tree["target"] = target
    tree["profile"] = state.named(state.option_profiles, record["profile"]["id"])
    tree["launchedDate"] = record["launchedDate"]
    tree["launchedBy"] = state.user(record["launchedBy"]["id"])
    tree["status"] = record["status"]
    tree["summary"] = {name: record["summary"][name] for name in ("resultsStatus", "authStatus")}
    if full:
        target["cancelOption"] = "DEFAULT"
        tree["options"] = QList("WasScanOption", record["options"])
        tree["endScanDate"] = record.get("endScanDate")
        tree["scanDuration"] = record.get("scanDuration")
        tree["summary"] = record["summary"]
        tree["sendMail"] = False
        tree["enableWAFAuth"] = False
    return tree

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: criteria and view (docs/vendors/qualys_was.md 11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables import Record
from ..wire import Reply
from . import finding_writes
from .common import Tree, at, tag_names, tags_view
from .criteria import Field
from .envelope import Page
from .evidence import results, ssl_data
from .search import encoder, read_operations
from .tree import QList, SetList
from .world import Call, Operation, Resource, World

TYPES = ("VULNERABILITY", "SENSITIVE_CONTENT", "INFORMATION_GATHERED")
STATUSES = ("NEW", "ACTIVE", "REOPENED", "PROTECTED", "FIXED")

# Fields that a qualysdk 0.3.17 data class does not have; it fails on them.
_UNKNOWN_TO_QUALYSDK = ("originalSeverity", "editedSeverityDate", "externalRef", "function", "content")


def _codes(name: str, part: str) -> Any:
    return lambda record: [item[part] for item in record.get(name) or ()] or None


def resource(world: World) -> Resource:
    """The object ``finding``."""
    state = world.state

    def webapp(record: Mapping[str, Any]) -> Any:
        return state.webapps.get(record["webApp"]["id"]) or {}

    app_tag_names = tag_names(state)
    fields = {
        "id": Field("integer", at("id")),
        "uniqueId": Field("text", at("uniqueId")),
        "qid": Field("integer", at("qid")),
        "name": Field("text", at("name")),
        "url": Field("text", at("url")),
        "type": Field("keyword", at("type"), TYPES),
        "findingType": Field("keyword", at("findingType"), ("QUALYS", "BURP", "BUGCROWD"), uncertain=True),
        "status": Field("keyword", at("status"), STATUSES),
        "patch": Field("integer", at("patch")),
        "webApp.id": Field("integer", at("webApp", "id")),
        "webApp.name": Field("text", lambda record: webapp(record).get("name")),
        "webApp.tags": Field("element", lambda record: webapp(record).get("tags"), extra=("NONE",)),
        "webApp.tags.id": Field("integer", lambda record: webapp(record).get("tags") or None),
        "webApp.tags.name": Field("text", lambda record: app_tag_names(webapp(record))),
        "severity": Field("integer", at("severity")),
        "externalRef": Field("text", at("externalRef"), extra=("IS EMPTY",)),
        "ignoredDate": Field("date", at("ignoredDate")),
        "firstDetectedDate": Field("date", at("firstDetectedDate")),
        "lastDetectedDate": Field("date", at("lastDetectedDate")),
        "lastTestedDate": Field("date", at("lastTestedDate")),
        "fixedDate": Field("date", at("fixedDate"), uncertain=True),
        "ignoredReason": Field("keyword", at("ignoredReason"), finding_writes.REASONS),
        "isIgnored": Field("boolean", at("isIgnored"), uncertain=True),
        "group": Field("keyword", at("group"), ("XSS", "SQL", "INFO", "PATH", "CC", "SSN_US", "CUSTOM")),
        "owasp.name": Field("text", _codes("owasp", "name")),
        "owasp.code": Field("integer", _codes("owasp", "code")),
        "wasc.name": Field("text", _codes("wasc", "name")),
        "wasc.code": Field("integer", _codes("wasc", "code")),
        "cwe.id": Field("integer", lambda record: record.get("cwe") or None),
        "timesDetected": Field("integer", at("timesDetected")),
    }

    def stamp(record: Record) -> int:
        # All three only grow, so their sum changes whenever one of them does.
        app = state.webapps.get(record["webApp"]["id"])
        return world.switches.generation + state.tags.generation + (app.version if app is not None else 0)

    def view(record: Record, detail: str) -> Tree:
        return _View(world, record).tree(detail)

    read = {**read_operations(), "get": Operation(("GET",), "required", get, reads_body=False)}
    operations = {**read, **finding_writes.operations()}
    return Resource(world, "3.0", "was", "finding", "Finding", state.findings, fields, view, stamp, operations)


def get(resource: Resource, call: Call) -> Reply:
    """``get`` by id or uniqueId."""
    with resource.world.state.lock:
        record = finding_writes.found(resource, call.path_id)
        page = Page(resource.element, [encoder(resource, call, "full")(record)])
    return resource.world.responder.page(call.request, page, resource.xsd)


class _View:
    """Builds the reply tree of one finding, in the vendor's order."""

    def __init__(self, world: World, record: Record) -> None:
        self._world = world
        self._record = record
        self._info = record["type"] == "INFORMATION_GATHERED"
        self._sdk = world.switches.on("qualysdk_readable")

    def tree(self, detail: str) -> Tree:
        """summary, verbose, ``verbose:N`` (N history entries) or full."""
        kind, _colon, limit = detail.partition(":")
        verbose = kind != "summary"
        tree = self._identity()
        if verbose:
            tree.update(self._classification())
        tree.update(self._place())
        if verbose:
            tree.update(self._details(int(limit) if limit else None))
        tree["severity"] = str(self._record["severity"])
        tree.update(self._life(verbose=verbose))
        if kind == "full":
            tree.update(self._only_in_get())
        if self._sdk:
            for name in _UNKNOWN_TO_QUALYSDK:
                tree.pop(name, None)
        return tree

    def _identity(self) -> Tree:
        record = self._record
        tree: Tree = {"id": record["id"], "uniqueId": record["uniqueId"], "qid": record["qid"]}
        if not self._world.switches.on("old_tenant"):
            tree["detectionScore"] = record.get("detectionScore")
        for name in ("name", "type", "potential", "findingType"):
            tree[name] = record.get(name)
        return tree

    def _classification(self) -> Tree:
        record = self._record
        tree: Tree = {"group": record.get("group")}
        lists = {"cwe": ("long", True), "owasp": ("OWASP", False), "wasc": ("WASC", False)}
        for name, (item, bare) in lists.items():
            values = record.get(name)
            if values or (values is not None and not self._sdk):
                tree[name] = QList(item, values, bare)
        return tree

    def _place(self) -> Tree:
        record = self._record
        tree: Tree = {"param": record.get("param")}
        if not self._info:
            tree["url"] = record.get("url")
            tree["status"] = record.get("status")
        return tree

    def _details(self, limit: int | None) -> Tree:
        record = self._record
        target = self._world.settings.finding_bytes
        tree: Tree = {"function": record.get("function"), "content": record.get("content")}
        # A test may put its own resultList, as a reply tree, into the record.
        own = record.get("resultList")
        tree["resultList"] = own if own is not None else results(record, padding=self._sdk, target=target)
        tree["cvssV3"] = record.get("cvssV3")
        history = self._history()
        if history:
            entries = history if limit is None else history[:limit]
            tree["history"] = SetList("WebAppFindingHistory", entries)
        return tree

    def _history(self) -> list[Tree]:
        scans = self._world.state.scans
        entries: list[Tree] = []
        for key in self._record.get("_scans", ()):
            scan = scans.get(key)
            if scan is not None:
                data = {"id": key, "reference": scan["reference"], "launchedDate": scan["launchedDate"]}
                entries.append({"scanData": data})
        return entries

    def _life(self, *, verbose: bool) -> Tree:
        record, state = self._record, self._world.state
        tree: Tree = {}
        for name in ("firstDetectedDate", "lastDetectedDate", "lastTestedDate", "fixedDate", "updatedDate"):
            tree[name] = record.get(name)
        tree["webApp"] = self._webapp(verbose=verbose)
        for name in ("externalRef", "patch", *finding_writes.EDITED):
            tree[name] = record.get(name)
        if not self._info:
            for name in ("timesDetected", "isIgnored", *finding_writes.IGNORED):
                tree[name] = record.get(name)
        for name in ("ignoredBy", "editedSeverityUser"):
            if tree.get(name):
                tree[name] = state.user(tree[name]["id"])
        return tree

    def _webapp(self, *, verbose: bool) -> Tree:
        state = self._world.state
        app = state.webapps.get(self._record["webApp"]["id"])
        if app is None:
            return {"id": self._record["webApp"]["id"]}
        tree: Tree = {"id": app["id"], "name": app["name"], "url": app["url"]}
        if verbose:
            tree["tags"] = tags_view(state, app)
        return tree

    def _only_in_get(self) -> Tree:
        tree: Tree = {}
        if self._record.get("_evidence") == "ssl":
            tree["sslData"] = ssl_data(self._record)
        retest = self._record.get("retest")
        if retest:
            tree["retest"] = {**retest, "retestedUser": self._world.state.user(retest["retestedUser"]["id"])}
        return tree

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a web application is read (docs/vendors/qualys_was.md 9.2)."""

from __future__ import annotations

from typing import Any

from ..tables import Record
from .common import Tree, comments_view, references, tags_view, users_view
from .tree import Attributed, QList, Url
from .webapp_spec import NEW_NAMES
from .world import World

_SCALARS_BEFORE = ("os", "riskScore")


def view(world: World, record: Record, detail: str) -> Tree:
    """The reply tree for summary, verbose or full."""
    if detail == "summary":
        return _summary(world, record)
    if detail == "full" or world.switches["webapp_verbose"] == "full":
        return _full(world, record)
    tree = _summary(world, record)
    tree["tags"] = tags_view(world.state, record)
    return tree


def _hidden(world: World) -> set[str]:
    hidden: set[str] = set()
    if world.switches.on("old_tenant"):
        hidden.add("riskScore")
    if world.switches.on("qualysdk_readable"):
        hidden.update(("proxy", "lastScanStatus", "malwareTaskId"))
    return hidden


def _summary(world: World, record: Record) -> Tree:
    tree: Tree = {"id": record["id"], "name": record["name"], "url": record["url"]}
    if "riskScore" not in _hidden(world):
        tree["riskScore"] = record.get("riskScore")
    if record.get("owner"):
        tree["owner"] = {"id": record["owner"]["id"]}
    tree["tags"] = {"count": len(record["tags"])}
    tree["createdDate"] = record["createdDate"]
    tree["updatedDate"] = record["updatedDate"]
    return tree


def _entries(values: list[dict[str, Any]]) -> QList:
    listed = [Attributed(item["value"], {"regex": str(item["regex"]).lower()}) for item in values]
    return QList("UrlEntry", listed)


def _text_items(world: World, item: str, values: list[str]) -> QList:
    if world.switches["json_item_read_shape"] == "plain":
        return QList(item, list(values))
    return QList(item, [Url(value) for value in values])


_DEFAULTS = {"scope": "ALL", "useRobots": "IGNORE", "useSitemap": False}
_NO_VALUE = object()


def _config(record: Record) -> Tree | None:
    config = record.get("config")
    return dict(config) if config else None


def _lists(world: World, record: Record) -> Tree:
    state = world.state
    tree: Tree = {
        "uris": QList("Url", [Url(value) for value in record["uris"]]),
        "domains": _text_items(world, "Domain", record["domains"]),
        "attributes": QList("Attribute", record["attributes"]),
        "defaultScannerTags": references("Tag", state, "tags", record["defaultScannerTags"]),
        "authRecords": references("WebAppAuthRecord", state, "auth_records", record["authRecords"]),
        "dnsOverrides": references("DnsOverride", state, "dns_overrides", record["dnsOverrides"]),
        "headers": _text_items(world, "WebAppHeader", record["headers"]),
        "tags": tags_view(state, record),
        "comments": comments_view(state, record),
        "crawlingScripts": QList("SeleniumScript", record["crawlingScripts"]),
    }
    old = world.switches.on("old_tenant")
    for name in ("urlExcludelist", "urlAllowlist", "postDataExcludelist"):
        tree[NEW_NAMES[name] if old else name] = _entries(record[name])
    tree["logoutRegexList"] = _entries(record["logoutRegexList"])
    return tree


def _last_scan(record: Record) -> Tree | None:
    scan = record.get("lastScan")
    if not scan:
        return None
    summary = {"resultsStatus": scan["resultsStatus"], "authStatus": scan["authStatus"]}
    return {"id": scan["id"], "name": scan["name"], "summary": summary}


def _full(world: World, record: Record) -> Tree:
    state = world.state
    tree: Tree = {"id": record["id"], "name": record["name"], "url": record["url"]}
    tree.update({name: record.get(name) for name in _SCALARS_BEFORE})
    tree["owner"] = state.user(record["owner"]["id"]) if record.get("owner") else None
    tree["scope"] = record.get("scope")
    tree["subDomain"] = record.get("subDomain")
    profile = record.get("defaultProfile")
    tree["defaultProfile"] = state.named(state.option_profiles, profile["id"]) if profile else None
    plain = (
        "defaultScanner", "scannerLocked", "progressiveScanning", "redundancyLinks", "maxRedundancyLinks", "useRobots",
        "useSitemap", "malwareMonitoring", "malwareNotification", "malwareTaskId", "malwareScheduling", "isScheduled",
        "postmanCollection", "swaggerFile", "screenshot",
    )  # fmt: skip
    tree.update({name: record.get(name) for name in plain})
    tree["lastScan"] = _last_scan(record)
    tree["lastScanStatus"] = (record.get("lastScan") or {}).get("status")
    proxy = record.get("proxy")
    tree["proxy"] = dict(state.proxies[proxy["id"]]) if proxy and proxy["id"] in state.proxies else None
    tree["config"] = _config(record)
    tree.update(_lists(world, record))
    tree.update(users_view(state, record))
    for name in _hidden(world):
        tree.pop(name, None)
    if world.switches["defaults_read"] == "absent":
        return {name: value for name, value in tree.items() if value != _DEFAULTS.get(name, _NO_VALUE)}
    return tree

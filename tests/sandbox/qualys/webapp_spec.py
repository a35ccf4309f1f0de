# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written to a web application: decoder of each element (docs/vendors/qualys_was.md 9)."""

from __future__ import annotations

from typing import Any

from . import decode as d
from . import qlists
from .decode import CLEAR, Context, Decoder
from .envelope import invalid
from .node import Node
from .qlists import ListSpec

# 2018 names of the lists, still used by old tenants.
OLD_NAMES = {
    "urlBlacklist": "urlExcludelist",
    "urlWhitelist": "urlAllowlist",
    "postDataBlacklist": "postDataExcludelist",
}
NEW_NAMES = {new: old for old, new in OLD_NAMES.items()}

LISTS: dict[str, ListSpec] = {
    "uris": qlists.texts("Url"),
    "domains": qlists.texts("Domain"),
    "attributes": qlists.attributes(),
    "defaultScannerTags": qlists.references("Tag", "tags", update=True),
    "urlExcludelist": qlists.url_entries(),
    "urlAllowlist": qlists.url_entries(),
    "postDataExcludelist": qlists.url_entries(),
    "logoutRegexList": qlists.url_entries(),
    "authRecords": qlists.references("WebAppAuthRecord", "auth_records"),
    "dnsOverrides": qlists.references("DnsOverride", "dns_overrides"),
    "headers": qlists.headers(),
    "tags": qlists.references("Tag", "tags", update=True),
    "comments": qlists.comments(),
    "crawlingScripts": qlists.scripts(),
}

READ_ONLY = (
    "os", "riskScore", "malwareTaskId", "isScheduled", "lastScan", "lastScanStatus", "createdBy", "createdDate",
    "updatedBy", "updatedDate", "screenshot",
)  # fmt: skip


def _config(node: Node, context: Context) -> Any:
    allowed: dict[str, Decoder] = {
        "cancelScansAfterNHours": d.integer(1, optional=True),
        "cancelScansAt": d.text(64),
        "defaultAuthRecord": d.reference("auth_records"),
        "defaultDnsOverride": d.reference("dns_overrides"),
    }
    if node.empty:
        return {}
    values = d.members(node, allowed, context)
    if {"cancelScansAfterNHours", "cancelScansAt"} <= {name for name in values if values[name] is not CLEAR}:
        raise invalid("cancelScansAfterNHours and cancelScansAt exclude each other.", "Send one of them.")
    return values


def _scanner(node: Node, context: Context) -> Any:
    types = d.keyword("EXTERNAL", "INTERNAL", "scannerTags")
    read = d.obj({"type": types, "friendlyName": d.text(256)}, ("type",))
    value = read(node, context)
    if value is not CLEAR and value["type"] == "INTERNAL" and "friendlyName" not in value:
        raise invalid("defaultScanner of type INTERNAL needs friendlyName.", "Send friendlyName.")
    return value


_FILE: dict[str, Decoder] = {"id": d.integer(1), "name": d.text(256), "content": d.text(5_000_000)}

FIELDS: dict[str, Decoder] = {
    "name": d.text(256, required=True),
    "url": d.text(2048, required=True),
    "owner": d.user,
    "scope": d.keyword("ALL", "LIMIT", "SUBDOMAIN", "DOMAINS"),
    "subDomain": d.text(),
    "defaultProfile": d.reference("option_profiles"),
    "defaultScanner": _scanner,
    "scannerLocked": d.boolean,
    "progressiveScanning": d.keyword("true", "false", "ENABLED", "DISABLED", "DEFAULT"),
    "redundancyLinks": d.text(8192),
    "maxRedundancyLinks": d.integer(0),
    "useRobots": d.robots,
    "useSitemap": d.boolean,
    "malwareMonitoring": d.boolean,
    "malwareNotification": d.boolean,
    "malwareScheduling": d.anything,
    "proxy": d.reference("proxies"),
    "config": _config,
    "postmanCollection": d.obj(
        {"collection": d.obj(_FILE), "environmentVariable": d.obj(_FILE), "globalVariable": d.obj(_FILE)}
    ),
    "swaggerFile": d.obj({**_FILE, "fileSize": d.integer()}),
}

FLAGS = {"reactivateIfExists": "create", "removeFromSubscription": "delete"}

DEFAULTS: dict[str, Any] = {
    "scope": "ALL",
    "useRobots": "IGNORE",
    "useSitemap": False,
    "scannerLocked": False,
    "progressiveScanning": "DEFAULT",
    "malwareMonitoring": False,
    "malwareNotification": False,
}


def canonical(tag: str, context: Context) -> str:
    """The present name of a list; the 2018 names are known to old tenants only."""
    if tag in OLD_NAMES and context.switches.on("old_tenant"):
        return OLD_NAMES[tag]
    return tag


def check_known(node: Node, operation: str, context: Context) -> None:
    """Refuse unknown, read-only, repeated and misplaced elements."""
    seen: set[str] = set()
    for child in node.children:
        tag = canonical(child.tag, context)
        if tag in READ_ONLY:
            raise invalid(f"Element {tag} is read only.", "Leave it out.")
        known = tag in FIELDS or tag in LISTS or tag == "id" or FLAGS.get(tag) == operation
        if not known:
            raise invalid(f"Unknown element {child.tag} in WebApp.", "Check the name of the element.")
        if tag in seen:
            raise invalid(f"Element {child.tag} is repeated in WebApp.")
        seen.add(tag)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The target of a scan or a schedule: decoding, resolving to web applications, view.

See docs/vendors/qualys_was.md 12.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tables import Record
from . import decode as d
from . import qlists
from .common import Tree, references
from .decode import CLEAR, Context, Decoder
from .envelope import Refusal, invalid
from .node import Node
from .qlists import ListSpec
from .state import State

Values = dict[str, Any]
_OPTIONS = ("SINGLE", "ALL", "NONE", "DEFAULT")
_SELECTORS = ("authRecordOption", "profileOption", "scannerOption")


def _only_set(item: str, table: str) -> Decoder:
    """A collection that is always written as a whole."""
    listed = qlists.references(item, table)
    spec = ListSpec(item, listed.read, listed.key, listed.read_key, ("set",))

    def decode(node: Node, context: Context) -> list[int]:
        values = qlists.apply(spec, node, [], context)
        if not values:
            raise Refusal("CANNOT_BE_NULL", f"{node.tag} needs at least one {item}.", "Send an id.")
        return values

    return decode


def _selector(node: Node, context: Context) -> str:
    if context.switches["scan_option_words"] == "any":
        return str(d.text(64, required=True)(node, context))
    return str(d.keyword(*_OPTIONS)(node, context))


def _appliance(node: Node, context: Context) -> Any:
    read = d.obj({"type": d.keyword("EXTERNAL", "INTERNAL", "scannerTags"), "friendlyName": d.text(256)}, ("type",))
    value = read(node, context)
    if value is not CLEAR and value["type"] == "INTERNAL" and "friendlyName" not in value:
        raise invalid("scannerAppliance of type INTERNAL needs friendlyName.", "Send friendlyName.")
    return value


def _auth(node: Node, context: Context) -> Values:
    values = d.members(node, {"id": d.integer(1), "name": d.text(256), "isDefault": d.boolean}, context)
    if ("id" in values) == ("isDefault" in values):
        raise invalid("webAppAuthRecord takes either id or isDefault.", "Send one of them.")
    if "id" in values and values["id"] not in context.state.auth_records:
        raise invalid(f"WebAppAuthRecord {values['id']} does not exist or is not in your scope.", "Send another id.")
    return {name: values[name] for name in ("id", "isDefault") if name in values}


_TAG_SIDE = d.obj(
    {"option": d.keyword("ALL", "ANY"), "tagList": _only_set("Tag", "tags")}, ("option", "tagList")
)  # fmt: skip
_FIELDS: dict[str, Decoder] = {
    "webApp": d.reference("webapps"),
    "webApps": _only_set("WebApp", "webapps"),
    "tags": d.obj({"included": _TAG_SIDE, "excluded": _TAG_SIDE}, ("included",)),
    "webAppAuthRecord": _auth,
    "scannerAppliance": _appliance,
    "scannerTags": _only_set("Tag", "tags"),
    **dict.fromkeys(_SELECTORS, _selector),
    "randomizeScan": d.boolean,
    "cancelOption": d.keyword("DEFAULT", "SPECIFIC"),
    "proxy": d.reference("proxies"),
    "dnsOverride": d.reference("dns_overrides"),
}


def target(node: Node, context: Context) -> Values:
    """A checked target."""
    values = {name: value for name, value in d.members(node, _FIELDS, context).items() if value is not CLEAR}
    given = [name for name in ("webApp", "webApps", "tags") if name in values]
    if not given:
        raise Refusal("CANNOT_BE_NULL", "target needs webApp, webApps or tags.", "Send one of them.")
    if len(given) > 1:
        raise invalid(f"{' and '.join(given)} exclude each other in target.", "Send one of them.")
    by_tags = (values.get("scannerAppliance") or {}).get("type") == "scannerTags"
    if by_tags != ("scannerTags" in values):
        raise invalid("scannerTags and scannerAppliance of type scannerTags go together.", "Send both.")
    return values


def is_multi(values: Mapping[str, Any]) -> bool:
    """Whether the target is more than one web application."""
    return "webApp" not in values


def webapps_of(state: State, values: Mapping[str, Any]) -> list[int]:
    """Ids of the web applications that a target means now."""
    if "webApp" in values:
        return [values["webApp"]["id"]] if values["webApp"]["id"] in state.webapps else []
    if "webApps" in values:
        return [key for key in values["webApps"] if key in state.webapps]
    sides = values["tags"]
    chosen = [app for app in state.webapps.in_order() if _tagged(app, sides["included"])]
    excluded = sides.get("excluded")
    return [app["id"] for app in chosen if excluded is None or not _tagged(app, excluded)]


def _tagged(app: Record, side: Mapping[str, Any]) -> bool:
    wanted, has = set(side["tagList"]), set(app["tags"])
    return wanted <= has if side["option"] == "ALL" else bool(wanted & has)


def profile(node: Node, context: Context) -> Values:
    """``{id}`` of an option profile that was named by id or by name."""
    values = d.members(node, {"id": d.integer(1), "name": d.text(256, required=True)}, context)
    if "id" in values:
        return {"id": d.existing_id(node, context, "option_profiles")}
    if "name" not in values:
        raise Refusal("CANNOT_BE_NULL", "Element id or name is needed in profile.", "Send one of them.")
    for record in context.state.option_profiles.in_order():
        if record["name"] == values["name"]:
            return {"id": record["id"]}
    raise invalid(f"Option profile '{values['name']}' does not exist or is not in your scope.", "Send another.")


def check_cancel(values: Mapping[str, Any], where: Mapping[str, Any]) -> None:
    """cancelAfterNHours and cancelTime exclude each other; SPECIFIC needs one."""
    given = [name for name in ("cancelAfterNHours", "cancelTime") if name in where]
    if len(given) > 1:
        raise invalid("cancelAfterNHours and cancelTime exclude each other.", "Send one of them.")
    if values.get("cancelOption") == "SPECIFIC" and not given:
        raise invalid("cancelOption SPECIFIC needs cancelAfterNHours or cancelTime.", "Send one of them.")


def view(state: State, values: Mapping[str, Any], *, bare: bool = False) -> Tree:
    """The target as it is read; ``bare`` without a scanner that nobody chose."""
    tree: Tree = {}
    if "webApp" in values:
        tree["webApp"] = webapp_view(state, values["webApp"]["id"])
    if "webApps" in values:
        tree["webApps"] = references("WebApp", state, "webapps", values["webApps"])
    if "tags" in values:
        tree["tags"] = {side: _side_view(state, listed) for side, listed in values["tags"].items()}
    if "webAppAuthRecord" in values:
        tree["webAppAuthRecord"] = _auth_view(state, values["webAppAuthRecord"])
    tree["scannerAppliance"] = values.get("scannerAppliance") or (None if bare else {"type": "EXTERNAL"})
    if "scannerTags" in values:
        tree["scannerTags"] = references("Tag", state, "tags", values["scannerTags"])
    for name in (*_SELECTORS, "randomizeScan", "cancelOption"):
        tree[name] = values.get(name)
    for name, table in (("proxy", state.proxies), ("dnsOverride", state.dns_overrides)):
        if name in values:
            tree[name] = state.named(table, values[name]["id"])
    return tree


def webapp_view(state: State, key: int) -> Tree:
    """``{id, name, url}``, or the id alone of one that is gone."""
    app = state.webapps.get(key) or {"id": key}
    return {name: app.get(name) for name in ("id", "name", "url")}


def _side_view(state: State, side: Mapping[str, Any]) -> Tree:
    return {"option": side["option"], "tagList": references("Tag", state, "tags", side["tagList"])}


def _auth_view(state: State, values: Mapping[str, Any]) -> Tree:
    return state.named(state.auth_records, values["id"]) if "id" in values else dict(values)

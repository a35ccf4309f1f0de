# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a change of an authentication record is written (docs/vendors/qualys_was.md 8, 10).

This module is private to the collection and may change at any time.

A secret that is not known here has to survive the write. So fields are added, updated and removed one by one, by their
key, and never set as a list that lacks their values; an object that holds a secret (script, certificate) is left out
unless it is written whole. Whether Qualys keeps a member that is left out of a part is not documented, so every member
that is known is written along with the one that changes; :mod:`.auth_record` looks afterwards whether a secret is gone.
"""

from __future__ import annotations

import typing as t

from ..._reconcile.plan import Plan
from ..._reconcile.redact import MARKER
from ..api.shapes import Raw
from ..api.xml import Node
from ..resource.elements import COMMENTS, TAGS, list_node
from .auth_record_parts import OAUTH2_SECRETS, OAUTH2_TEXTS, Part

_FORM_FIELD = "WebAppAuthFormRecordField"
_SERVER_FIELD = "WebAppAuthServerRecordField"


def write_data(plan: Plan, _raw: Raw | None) -> dict[str, Node]:
    """The ``WebAppAuthRecord`` element that carries out a plan to create or update."""
    record: dict[str, Node] = {}
    for change in plan.changes:
        name = change.field.name
        if name in _LISTS:
            element, shape = name, _LISTS[name]
            record[element] = list_node(shape, change, create=plan.action == "create")
        elif name in _PARTS:
            element, node = _PARTS[name]
            record[element] = node(change.before, change.after)
        else:
            record[name] = str(change.after)
    return {"WebAppAuthRecord": record}


def _flags(part: Part) -> dict[str, Node]:
    return {"sslOnly": part["ssl_only"], "authVault": part["auth_vault"]}


def _form_node(before: Part | None, after: Part | None) -> Node:
    if after is None:
        return {"type": "NONE"}
    node: dict[str, Node] = {"type": after["type"], **_flags(after)}
    if after["type"] == "SELENIUM":
        node["seleniumCreds"] = after["selenium_creds"]
        node |= _script_node(after)
    elif before is not None and before["type"] == "SELENIUM":
        node |= {"seleniumScript": None, "seleniumCreds": False}
    # A form of another type is written anew; all its values are known then.
    anew = before is None or (before["type"] != after["type"] and after["fields"])
    held = None if anew or before is None else before["fields"]
    return node | _fields_node(_FORM_FIELD, "name", held, after["fields"], _form_field_node)


def _form_field_node(field: Part) -> Node:
    node: dict[str, Node] = {"name": field["name"], "secured": field["secured"]}
    return node if field["value"] == MARKER else node | {"value": field["value"]}


def _server_node(before: Part | None, after: Part | None) -> Node:
    if after is None:
        there = before or {}
        # There is no word for "no server part": one without fields and certificate is none.
        gone: dict[str, Node] = {} if there.get("certificate") is None else {"certificate": None}
        return gone | _fields_node(_SERVER_FIELD, "type", there.get("fields"), [], _server_field_node)
    node: dict[str, Node] = _flags(after)
    certificate = after["certificate"]
    if certificate is None:
        if before is not None and before["certificate"] is not None:
            node["certificate"] = None
    elif certificate["contents"] != MARKER:
        node["certificate"] = {name: value for name, value in certificate.items() if value is not None}
    held = None if before is None else before["fields"]
    return node | _fields_node(_SERVER_FIELD, "type", held, after["fields"], _server_field_node)


def _server_field_node(field: Part) -> Node:
    return {name: value for name, value in field.items() if value not in (None, MARKER)}


def _fields_node(
    item: str, key: str, before: list[Part] | None, after: list[Part], node: t.Callable[[Part], Node]
) -> dict[str, Node]:
    """The ``fields`` element.

    Args:
        item: element of one field.
        key: what tells fields apart.
        before: the fields that there are; None when the whole list is written.
        after: the fields that there shall be.
        node: the element of one field, without a secret that is not known.
    """
    if before is None:
        return {"fields": {"set": {item: [node(field) for field in after]}}} if after else {}
    held = {field[key]: field for field in before}
    wanted = {field[key]: field for field in after}
    operations: dict[str, list[Node]] = {
        "add": [node(field) for name, field in wanted.items() if name not in held],
        "remove": [{key: name} for name in held if name not in wanted],
        "update": [
            _cleared(node(field), held[name], field)
            for name, field in wanted.items()
            if name in held and field != held[name]
        ],
    }
    if not any(operations.values()):
        # Nothing differs: one field is written as far as it is known, so that the list is no member that is left out.
        operations["update"] = [node(field) for field in sorted(after, key=lambda item: MARKER in item.values())][:1]
    found: Node = {name: {item: nodes} for name, nodes in operations.items() if nodes}
    return {"fields": found} if found else {}


def _cleared(node: Node, before: Part, after: Part) -> Node:
    """With an empty element for each member of a field that goes."""
    gone = {name: None for name, value in after.items() if value is None and before[name] is not None}
    return {**t.cast(dict[str, Node], node), **gone}


def _oauth2_node(before: Part | None, after: Part | None) -> Node:
    if after is None:
        return {"grantType": "NONE"}
    held = before if before is not None and before["grant_type"] == after["grant_type"] else {}
    node: dict[str, Node] = {"grantType": after["grant_type"]}
    node |= _script_node(after)
    if after["selenium_creds"] or held.get("selenium_creds"):
        node["seleniumCreds"] = after["selenium_creds"]
    for name, element in (OAUTH2_TEXTS | OAUTH2_SECRETS).items():
        value = after[name]
        if value is None and held.get(name) is not None:
            node[element] = None
        elif value not in (None, MARKER):
            node[element] = value
    return node


def _script_node(part: Part) -> dict[str, Node]:
    script = part["selenium_script"]
    if script is None or script["data"] == MARKER:
        return {}
    return {"seleniumScript": {name: value for name, value in script.items() if value is not None}}


_LISTS = {"tags": TAGS, "comments": COMMENTS}
_PARTS: dict[str, tuple[str, t.Callable[[Part | None, Part | None], Node]]] = {
    "form": ("formRecord", _form_node),
    "server": ("serverRecord", _server_node),
    "oauth2": ("oauth2Record", _oauth2_node),
}

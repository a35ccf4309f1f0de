# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the XML for a change of an authentication record (docs/vendors/qualys_was.md 8, 10).

This module is private to the collection and may change at any time.

Secrets that are not known here must survive a write. So fields are added, updated and removed individually by their
key, and never set as a list without their values; an object with a secret (script, certificate) is omitted unless it is
written as a whole. It is not documented whether Qualys keeps the omitted members of a part, so all known members are
written together with those that change. :mod:`.auth_record` checks afterwards that no secret is lost.
"""

from __future__ import annotations

import collections
import typing as t

from ..._reconcile.plan import Plan
from ..._records.redaction.values import MARKER
from ..api.shapes import Raw, items, number, text
from ..api.xml import Node
from ..resource.field import write_fields
from .auth_record_parts import FORM_KEYS, LOGIN_KEYS, OAUTH2_SECRETS, OAUTH2_TEXTS, Part, paired

_FORM_FIELD = "WebAppAuthFormRecordField"
_SERVER_FIELD = "WebAppAuthServerRecordField"

PartWriter = t.Callable[[t.Optional[Part], t.Optional[Part], Raw], Node]
"""Returns the XML for the present part (None if there is none), the desired part, and Qualys' own part."""


def write_data(plan: Plan, raw: Raw | None) -> dict[str, Node]:
    """Return the ``WebAppAuthRecord`` element for a plan to create or update."""
    return {"WebAppAuthRecord": write_fields(plan, raw)}


def _flags(part: Part) -> dict[str, Node]:
    return {"sslOnly": part["ssl_only"], "authVault": part["auth_vault"]}


def form_node(before: Part | None, after: Part | None, raw: Raw) -> Node:
    """Return the element ``formRecord``."""
    if after is None:
        return {"type": "NONE"}
    node: dict[str, Node] = {"type": after["type"], **_flags(after)}
    if after["type"] == "SELENIUM":
        node["seleniumCreds"] = after["selenium_creds"]
        node |= _script_node(after)
    elif before is not None and before["type"] == "SELENIUM":
        node |= {"seleniumScript": None, "seleniumCreds": False}
    # A form of another type is written as a whole. Then all its values are known.
    anew = before is None or (before["type"] != after["type"] and after["fields"])
    held = None if anew or before is None else before["fields"]
    return node | _fields_node(_FORM_FIELD, FORM_KEYS, held, after["fields"], raw)


def server_node(before: Part | None, after: Part | None, raw: Raw) -> Node:
    """Return the element ``serverRecord``."""
    if after is None:
        there = before or {}
        # Qualys has no value for "no server part", so its fields and its certificate are removed.
        gone: dict[str, Node] = {} if there.get("certificate") is None else {"certificate": None}
        return gone | _fields_node(_SERVER_FIELD, LOGIN_KEYS, there.get("fields"), [], raw)
    node: dict[str, Node] = _flags(after)
    certificate = after["certificate"]
    if certificate is None:
        if before is not None and before["certificate"] is not None:
            node["certificate"] = None
    elif certificate["contents"] != MARKER:
        node["certificate"] = {name: value for name, value in certificate.items() if value is not None}
    held = None if before is None else before["fields"]
    return node | _fields_node(_SERVER_FIELD, LOGIN_KEYS, held, after["fields"], raw)


def _field_node(field: Part) -> dict[str, Node]:
    """Return the XML of one field, without unknown values."""
    return {name: value for name, value in field.items() if value not in (None, MARKER)}


def _fields_node(
    item: str, keys: tuple[str, ...], before: list[Part] | None, after: list[Part], raw: Raw
) -> dict[str, Node]:
    """Return the ``fields`` element.

    Args:
        item: element of one field.
        keys: members that identify a field, the most important first.
        before: the present fields; None to write the whole list.
        after: the desired fields.
        raw: Qualys' part, which has the ids of the fields.
    """
    if before is None:
        return {"fields": {"set": {item: [_field_node(field) for field in after]}}} if after else {}
    ids = _ids(before, raw)
    pairs = paired(before, after, keys)
    stay = {id(held) for held, _wanted in pairs if held is not None}
    operations: dict[str, list[dict[str, Node]]] = {
        "add": [_field_node(wanted) for held, wanted in pairs if held is None],
        "remove": [ids[id(held)] | {keys[0]: held[keys[0]]} for held in before if id(held) not in stay],
        "update": [
            ids[id(held)] | _cleared(_field_node(wanted), held, wanted)
            for held, wanted in pairs
            if held is not None and wanted != held
        ],
    }
    if not any(operations.values()):
        # If no field differs, one field is written all the same, so that the list is not an omitted member. It must not
        # share its name with others, which Qualys might overwrite if it identifies fields by name.
        names = collections.Counter(held[keys[0]] for held in before)
        alone = [pair for pair in pairs if names[pair[1][keys[0]]] == 1]
        known = sorted(alone, key=lambda pair: MARKER in pair[1].values())[:1]
        operations["update"] = [ids[id(held)] | _field_node(wanted) for held, wanted in known]
    found: dict[str, Node] = {name: {item: nodes} for name, nodes in operations.items() if nodes}
    return {"fields": found} if found else {}


def _ids(before: list[Part], raw: Raw) -> dict[int, dict[str, Node]]:
    """Return the element with the id of each present field. It is not documented whether Qualys uses id or key."""
    found = [item for item in items(raw.get("fields")) if isinstance(item, dict)]
    ids: dict[int, dict[str, Node]] = {id(field): {} for field in before}
    for field, item in zip(before, found, strict=False):
        key = number(item.get("id"))
        if key is not None and text(item.get("name" if "name" in field else "type")) == field.get(
            "name", field.get("type")
        ):
            ids[id(field)] = {"id": key}
    return ids


def _cleared(node: dict[str, Node], before: Part, after: Part) -> dict[str, Node]:
    """Add an empty element for each member of a field that is removed."""
    gone = {name: None for name, value in after.items() if value is None and before[name] is not None}
    return {**node, **gone}


def oauth2_node(before: Part | None, after: Part | None, _raw: Raw) -> Node:
    """Return the element ``oauth2Record``."""
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

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written to an authentication record, part by part (docs/vendors/qualys_was.md 10)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Hashable, Mapping
from typing import Any

from . import decode as d
from . import qlists
from .decode import CLEAR, Context, Decoder
from .envelope import Refusal, invalid
from .node import Node
from .qlists import ListSpec

FORM_TYPES = ("STANDARD", "CUSTOM", "SELENIUM")
GRANTS: dict[str, tuple[str, ...]] = {
    "AUTH_CODE": ("seleniumScript", "redirectUrl", "accessTokenUrl"),
    "IMPLICIT": ("seleniumScript", "redirectUrl"),
    "PASSWORD": ("accessTokenUrl", "username", "password"),
    "CLIENT_CREDS": ("accessTokenUrl",),
}
_CLIENT = ("clientId", "clientSecret", "scope")
OPTIONAL: dict[str, tuple[str, ...]] = {
    "AUTH_CODE": (*_CLIENT, "accessTokenExpiredMsgPattern", "seleniumCreds"),
    # RFC 6749 section 4.2.1 has a scope, which the vendor's page does not list.
    "IMPLICIT": ("scope", "seleniumCreds"),
    "PASSWORD": (*_CLIENT, "accessTokenExpiredMsgPattern"),
    "CLIENT_CREDS": _CLIENT,
}
READ_ONLY = ("createdBy", "createdDate", "updatedBy", "updatedDate", "lastScan", "isUsed")
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\r?\n(.*?)\r?\n-----END \1-----", re.DOTALL)

Values = dict[str, Any]


def is_pem(text: str) -> bool:
    """Whether there is at least one PEM block, and every block is base64."""
    blocks = _PEM.findall(text)
    try:
        for _label, body in blocks:
            base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error:
        return False
    return bool(blocks) and text.count("-----BEGIN ") == len(blocks)


def _pem(node: Node, context: Context) -> Any:
    value = d.secret(200_000)(node, context)
    if value is not CLEAR and not is_pem(value):
        raise invalid(f"Element {node.tag} is not a PEM document.", "Send PEM text with BEGIN and END lines.")
    return value


def _script(node: Node, context: Context) -> Any:
    read = d.obj({"name": d.text(256), "data": d.secret(1_000_000), "regex": d.text()}, ("name", "data", "regex"))
    return read(node, context)


def _fields(item: str, key: str, members: Mapping[str, Decoder]) -> ListSpec:
    """Credential fields, found again by name or by type; their ids are given by the service."""

    def read(node: Node, context: Context) -> Values:
        values = d.members(node, {"id": d.integer(1), **members}, context)
        if values.get(key, CLEAR) is CLEAR:
            raise Refusal("CANNOT_BE_NULL", f"Element {key} is needed in {node.tag}.", f"Send {key}.")
        return {name: value for name, value in values.items() if value is not CLEAR}

    def key_of(value: Any, context: Context) -> Hashable:
        if context.switches["auth_field_key"] == "id":
            return value.get("id") or ("new", id(value))
        return str(value[key])

    def read_key(node: Node, context: Context) -> Hashable:
        return key_of(read(node, context), context)

    return ListSpec(item, read, key_of, read_key, merge=True, merge_in_set=False, numbered=True)


FORM_FIELDS = _fields(
    "WebAppAuthFormRecordField", "name", {"name": d.text(256), "secured": d.boolean, "value": d.secret()}
)
SERVER_FIELDS = _fields(
    "WebAppAuthServerRecordField", "type",
    {"type": d.keyword("BASIC", "DIGEST", "NTLM"), "domain": d.text(256), "username": d.secret(),
     "password": d.secret()},
)  # fmt: skip

_FLAGS: dict[str, Decoder] = {"sslOnly": d.boolean, "authVault": d.boolean}
_FORM: dict[str, Decoder] = {
    "type": d.keyword(*FORM_TYPES, "NONE"),
    **_FLAGS,
    "seleniumScript": _script,
    "seleniumCreds": d.boolean,
}
_SERVER: dict[str, Decoder] = {
    **_FLAGS,
    "certificate": d.obj(
        {"name": d.text(256), "contents": _pem, "passphrase": d.secret()}, ("name", "contents")
    ),
}  # fmt: skip
_OAUTH2: dict[str, Decoder] = {
    "grantType": d.keyword(*GRANTS, "NONE"),
    "seleniumScript": _script,
    "seleniumCreds": d.boolean,
    **{name: d.text() for name in ("redirectUrl", "accessTokenUrl", "scope", "accessTokenExpiredMsgPattern")},
    **{name: d.secret() for name in ("clientId", "clientSecret", "username", "password")},
}


def _merged(node: Node, allowed: Mapping[str, Decoder], current: Values | None, context: Context) -> Values:
    """The part after the write: over the present one, or alone, depending on the switch."""
    values = d.members(node, {**allowed, "fields": d.later}, context)
    values.pop("fields", None)
    kept = dict(current or {}) if context.switches["object_update"] == "merge" else {}
    kept.update(values)
    return {name: value for name, value in kept.items() if value is not CLEAR}


def _with_fields(node: Node, part: Values, current: Values | None, spec: ListSpec, context: Context) -> None:
    """Apply the written operations to the fields, and give new ones an id."""
    written = node.one("fields")
    present = list((current or {}).get("fields") or [])
    if written is not None:
        part["fields"] = qlists.apply(spec, written, present, context)
    part.setdefault("fields", [])
    known = {item["id"] for item in present}
    if any(item.get("id", 0) not in known for item in part["fields"] if "id" in item):
        raise invalid(f"There is no field with this id in {node.tag}.", "Leave the id out to add one.")
    ids = {spec.key(item, context): item["id"] for item in present}
    numbered = []
    for item in part["fields"]:
        key = ids.get(spec.key(item, context)) or item.get("id") or context.state.new_item_id()
        numbered.append({"id": key, **{name: value for name, value in item.items() if name != "id"}})
    part["fields"] = numbered


def _lacking(node: Node, item: Values, *names: str) -> None:
    for name in names:
        if name not in item:
            raise Refusal("CANNOT_BE_NULL", f"Element {name} is needed in a field of {node.tag}.", f"Send {name}.")


def form(node: Node, current: Values | None, context: Context) -> Any:
    """The formRecord after the write; CLEAR for type NONE."""
    if node.empty:
        raise Refusal("CANNOT_BE_NULL", "formRecord cannot be empty.", "Send type NONE to clear it.")
    part = _merged(node, _FORM, current, context)
    if part.get("type") == "NONE":
        _alone(node, "type")
        return CLEAR
    if "type" not in part:
        raise Refusal("CANNOT_BE_NULL", "Element type is needed in formRecord.", "Send type.")
    if part["type"] != "SELENIUM" and (current or {}).get("type") == "SELENIUM":
        for name in ("seleniumScript", "seleniumCreds"):
            if node.one(name) is None:
                part.pop(name, None)
    _with_fields(node, part, current, FORM_FIELDS, context)
    for item in part["fields"]:
        _lacking(node, item, "value")
        item.setdefault("secured", False)
    for name in _FLAGS:
        part.setdefault(name, False)
    _check_form(part)
    return part


def _alone(node: Node, name: str) -> None:
    if len(node.children) > 1:
        raise invalid(f"{node.tag} with {name} NONE takes nothing else.", f"Send {name} only.")


def _check_form(part: Values) -> None:
    kind, names = part["type"], {item["name"] for item in part["fields"]}
    if kind == "SELENIUM":
        if "seleniumScript" not in part:
            raise Refusal("CANNOT_BE_NULL", "Element seleniumScript is needed for SELENIUM.", "Send the script.")
    elif "seleniumScript" in part or part.get("seleniumCreds"):
        raise invalid(f"seleniumScript and seleniumCreds are not allowed for type {kind}.", "Use type SELENIUM.")
    if kind == "STANDARD":
        unknown = names - {"username", "password"}
        if unknown:
            raise invalid(f"Field {min(unknown)} is not allowed for type STANDARD.", "Allowed: username, password.")
        if not part["authVault"] and len(names) < 2:
            raise Refusal("CANNOT_BE_NULL", "Fields username and password are needed for STANDARD.", "Send both.")
    if kind == "CUSTOM" and not names:
        raise Refusal("CANNOT_BE_NULL", "At least one field is needed for CUSTOM.", "Send fields.")


def server(node: Node, current: Values | None, context: Context) -> Any:
    """The serverRecord after the write; CLEAR for an empty one."""
    if node.empty:
        return d.cleared(node, context)
    part = _merged(node, _SERVER, current, context)
    _with_fields(node, part, current, SERVER_FIELDS, context)
    for name in _FLAGS:
        part.setdefault(name, False)
    for item in part["fields"]:
        if not part["authVault"]:
            _lacking(node, item, "username", "password")
        if item["type"] != "NTLM" and "domain" in item and context.switches["server_domain"] == "ntlm_only":
            raise invalid(f"domain is not allowed for a field of type {item['type']}.", "Use type NTLM.")
    if not part["fields"] and "certificate" not in part:
        return CLEAR
    return part


def oauth2(node: Node, current: Values | None, context: Context) -> Any:
    """The oauth2Record after the write; CLEAR for grantType NONE."""
    if node.empty:
        raise Refusal("CANNOT_BE_NULL", "oauth2Record cannot be empty.", "Send grantType NONE to clear it.")
    values = d.members(node, _OAUTH2, context)
    if values.get("grantType") == "NONE":
        _alone(node, "grantType")
        return CLEAR
    kept = dict(current or {}) if context.switches["object_update"] == "merge" else {}
    if "grantType" in values and values["grantType"] != kept.get("grantType"):
        kept = {}  # another grant has other members
    part = {name: value for name, value in {**kept, **values}.items() if value is not CLEAR}
    if "grantType" not in part:
        raise Refusal("CANNOT_BE_NULL", "Element grantType is needed in oauth2Record.", "Send grantType.")
    _check_grant(part)
    return part


def _check_grant(part: Values) -> None:
    grant = part["grantType"]
    for name in GRANTS[grant]:
        if name not in part:
            raise Refusal("CANNOT_BE_NULL", f"Element {name} is needed for grantType {grant}.", f"Send {name}.")
    allowed = {"grantType", *GRANTS[grant], *OPTIONAL[grant]}
    unknown = set(part) - allowed
    if unknown:
        listed = ", ".join(sorted(allowed))
        raise invalid(f"Element {min(unknown)} is not allowed for grantType {grant}.", f"Allowed: {listed}.")


PARTS = {"formRecord": form, "serverRecord": server, "oauth2Record": oauth2}
SCALARS: dict[str, Decoder] = {"name": d.text(256, required=True), "owner": d.user}
LISTS: dict[str, ListSpec] = {
    "tags": qlists.references("Tag", "tags", update=True),
    "comments": qlists.comments(),
}
KNOWN = ("id", *SCALARS, *PARTS, *LISTS)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written to a report (docs/vendors/qualys_was.md 15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import decode as d
from . import qlists
from .decode import CLEAR, Context, Decoder
from .envelope import Refusal, invalid
from .node import Node
from .schedule_spec import addresses

FORMATS = ("HTML_ZIPPED", "HTML_BASE64", "PDF", "PDF_ENCRYPTED", "POWERPOINT", "CSV", "CSV_V2", "XML", "WORD")
TYPES = {
    "WAS_SCAN_REPORT": "scanReport",
    "WAS_WEBAPP_REPORT": "webAppReport",
    "WAS_SCORECARD_REPORT": "scorecardReport",
    "WAS_CATALOG_REPORT": "catalogReport",
    "DATALIST_REPORT": "dataListReport",
}
STATUSES = ("RUNNING", "COMPLETE", "ERROR")
Values = dict[str, Any]


def loose(node: Node, context: Context) -> Any:
    """Nested options that are kept as they come; repeated elements become lists."""
    if not node.children:
        return node.text.strip()
    values: Values = {}
    for child in node.children:
        value = loose(child, context)
        if child.tag not in values:
            values[child.tag] = value
        elif isinstance(values[child.tag], list):
            values[child.tag].append(value)
        else:
            values[child.tag] = [values[child.tag], value]
    return values


def _ids(item: str, table: str) -> Decoder:
    """Items that stand directly inside their container, without ``set``."""

    def decode(node: Node, context: Context) -> list[int]:
        if node.text.strip() or any(child.tag != item for child in node.children):
            raise invalid(f"{node.tag} holds {item} elements only.", f"Send {item} with an id.")
        keys = [d.existing_id(child, context, table) for child in node.children]
        if not keys:
            raise Refusal("CANNOT_BE_NULL", f"{node.tag} needs at least one {item}.", "Send an id.")
        return keys

    return decode


_TARGETS: dict[str, dict[str, Decoder]] = {
    "scanReport": {"scans": _ids("WasScan", "scans")},
    "webAppReport": {"webapps": _ids("WebApp", "webapps"), "tags": loose},
    "scorecardReport": {"tags": loose},
    "catalogReport": {},
    "dataListReport": {},
}


def config(kind: str, node: Node, context: Context) -> Values:
    """The one part of the config that belongs to the type of the report."""
    name = TYPES[kind]
    if [child.tag for child in node.children] != [name]:
        raise invalid(f"config of a {kind} takes exactly {name}.", f"Send {name}.")
    targets = _TARGETS[name]
    allowed: dict[str, Decoder] = {"target": _target(targets), "display": loose, "filters": loose}
    part = node.children[0]
    if not targets:
        return {name: loose(part, context)}
    values = d.members(part, allowed, context)
    if "target" not in values:
        raise Refusal("CANNOT_BE_NULL", f"Element target is needed in {name}.", "Send target.")
    return {name: values}


def _target(allowed: Mapping[str, Decoder]) -> Decoder:
    def decode(node: Node, context: Context) -> Values:
        values = d.members(node, allowed, context)
        if not values:
            raise Refusal("CANNOT_BE_NULL", "target of a report is empty.", f"Send {' or '.join(allowed)}.")
        return values

    return decode


def distribution(node: Node, current: list[str], context: Context) -> list[str]:
    """The recipients after the write."""
    return list(qlists.apply(addresses(), node, current, context))


SCALARS: dict[str, Decoder] = {
    "name": d.text(256, required=True),
    "description": d.text(8192),
    "format": d.keyword(*FORMATS),
    "type": d.keyword(*TYPES),
    "password": d.secret(256),
    "template": d.reference("report_templates"),
}
TAGS = qlists.references("Tag", "tags", update=True)
KNOWN = ("id", *SCALARS, "config", "distributionList", "tags")
READ_ONLY = ("status", "size", "creationDate", "owner", "lastDownloadDate", "downloadCount")


def check(values: Mapping[str, Any]) -> None:
    """An encrypted report needs a password and recipients."""
    if values["format"] != "PDF_ENCRYPTED":
        if "password" in values:
            raise invalid("password is for PDF_ENCRYPTED only.", "Leave it out.")
        return
    for name in ("password", "distributionList"):
        if values.get(name, CLEAR) in (CLEAR, []):
            raise Refusal("CANNOT_BE_NULL", f"Element {name} is needed for PDF_ENCRYPTED.", f"Send {name}.")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ArcSight's Common Event Format, version 0.

This module is private to the collection and may change at any time.

Attackers choose the URL and the user agent, so every character that could end a field or a line is escaped or removed.
"""

from __future__ import annotations

import re
import typing as t

from .._records.times import parse_time
from .view import cef_fields, view

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SEVERITY = {"critical": 10, "high": 8, "medium": 5, "low": 3, "info": 1, "unknown": 5}
_PRODUCTS = {
    "edgecast": ("Edgecast", "WAF"),
    "scutum": ("Secure Sky Technology", "Scutum"),
    "indusface": ("Indusface", "WAS"),
    "carbon_black": ("Carbon Black", "Cloud Container"),
    "qualys": ("Qualys", "WAS"),
}


def header(text: t.Any) -> str:
    """Escape a text for a header field."""
    return _plain(text).replace("\\", "\\\\").replace("|", "\\|")


def extension(text: t.Any) -> str:
    """Escape a text for a value of the extension."""
    escaped = str(text).replace("\\", "\\\\").replace("=", "\\=")
    return _CONTROL.sub(" ", escaped.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n"))


def message(document: t.Mapping[str, t.Any], version: str) -> str:
    """Convert a record to a CEF message.

    Args:
        document: an event, finding, scan, gap, change or application.
        version: the version of this collection, for the header.
    """
    more, document = cef_fields(document), view(document)
    source = str(document.get("source") or "perimeter")
    vendor, product = _PRODUCTS.get(source, ("appsec.perimeter", source))
    rules = document.get("rule_ids") or [document.get("rule_id")]
    name = document.get("message") or document.get("title") or document.get("name") or document.get("record")
    severity = _SEVERITY.get(str(document.get("severity")), 0)
    head = "|".join(
        header(part) for part in (vendor, product, version, rules[0] or document.get("record"), name, severity)
    )
    fields = (*_extension(document), *more)
    pairs = " ".join(f"{key}={extension(value)}" for key, value in fields if value not in (None, ""))
    return f"CEF:0|{head}|{pairs}"


def _extension(document: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, t.Any]]:
    asset = document.get("asset") or {}
    yield "rt", _milliseconds(document.get("time") or document.get("last_seen"))
    yield "src", document.get("client_ip")
    yield "dhost", document.get("host") or asset.get("name")
    yield "request", document.get("url") or document.get("path")
    yield "requestMethod", document.get("method")
    yield "requestClientApplication", document.get("user_agent")
    yield "act", document.get("action") or document.get("status")
    yield "cat", ",".join(document.get("categories") or [])
    yield "externalId", document.get("id") or document.get("key")


def _milliseconds(moment: t.Any) -> int | None:
    try:
        return int(parse_time(str(moment)).timestamp() * 1000) if moment else None
    except ValueError:
        return None


def _plain(text: t.Any) -> str:
    return _CONTROL.sub(" ", str(text))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts Scutum's defence logs to :class:`Event` (docs/vendors/scutum_waf.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import re
import typing as t

from .._records.coerce import text
from .._records.model import Event
from .._records.redact import redact_text, redact_url
from .._records.times import utc_text
from .._vendor.blank import blank_event
from .._vendor.client import Raw
from .._vendor.normaliser import SHOWN, Normaliser
from .fields import CATEGORY_LABELS, FIELDS, READERS, log_time

SOURCE = "scutum"
DetailState = t.Literal["read", "not_asked", "not_found", "skipped", "failed"]
"""The state of the detail; ``skipped`` means that the budget of calls did not allow it."""

_FOREIGN = re.compile(rb"[^A-Za-z0-9+/]+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_BLANK = blank_event(SOURCE)


class AlertNormaliser(Normaliser):
    """Converts the vendor's logs to ours, and counts unknown values.

    Args:
        host: the FQDN that the key belongs to, which the logs do not contain.
        scutum_id: the console id of that FQDN.
        more: see :class:`Normaliser`.
    """

    def __init__(self, host: str, scutum_id: str, **more: t.Any) -> None:
        super().__init__(**more)
        self._host = host
        self._scutum_id = scutum_id

    def event(self, raw: Raw, detail: DetailState = "not_asked") -> Event:
        """Convert one log, from the list or in detail. Never fails on a value: an unknown one is None, and counted."""
        record = _BLANK | {"host": self._host, "categories": [], "rule_ids": [], "sub_events": []}
        for vendor, value in raw.items():
            reader = READERS.get(vendor)
            if reader is not None:
                record[reader[0]] = reader[1](value)
            elif vendor not in FIELDS:
                self._count(f"field {vendor[:SHOWN]}")
        record["id"] = record["id"] or ""
        self._add_time(record, raw.get("ts"))
        self._add_action(record, raw.get("block"))
        labels = [CATEGORY_LABELS.get(name, name) for name in record["categories"]]
        record["message"] = ", ".join(labels) or None
        record["details"] = {
            "scutum_id": self._scutum_id,
            "category_labels": labels,
            "query": None,
            "detail": detail,
            "request": None,
            "response": None,
        }
        self._add_target(record, text(raw.get("uri")))
        self._add_recorded(record, raw)
        return t.cast(Event, self._with_raw(record, raw))

    def _add_time(self, record: dict[str, t.Any], ts: t.Any) -> None:
        moment = log_time(ts)
        if moment is None:
            self._count("ts")
        else:
            record["time"] = utc_text(moment)

    def _add_action(self, record: dict[str, t.Any], block: t.Any) -> None:
        if isinstance(block, bool):
            record["action"] = "blocked" if block else "alerted"
            record["action_native"] = "true" if block else "false"
        else:
            record["action_native"] = text(block)
            self._count("block")

    def _add_target(self, record: dict[str, t.Any], uri: str | None) -> None:
        if uri is None:
            return
        shown = uri if self._keep else redact_url(uri) or ""
        record["url"] = shown
        # No URL parser here: what an attacker sends may not be a URL, and "//x/y" is a path.
        path, _mark, query = _ORIGIN.sub("", shown, count=1).partition("?")
        record["path"] = path or "/"
        record["details"]["query"] = query or None

    def _add_recorded(self, record: dict[str, t.Any], raw: Raw) -> None:
        for name in ("request", "response"):
            recorded = decode(raw.get(name))
            record["details"][name] = recorded if self._keep else redact_text(recorded)
        head = request_head(record["details"]["request"])
        record["method"], record["user_agent"], record["referer"] = head.method, head.user_agent, head.referer


def decode(value: t.Any) -> str | None:
    """Base64 as text; None when nothing was recorded.

    Characters outside the alphabet and missing padding are ignored, and so is a last character that does not complete a
    byte. Bytes that are not UTF-8 become U+FFFD; the original is in the vendor's object (``include_raw``).
    """
    if not isinstance(value, str) or not value:
        return None
    data = _FOREIGN.sub(b"", value.encode("ascii", "ignore").translate(_URL_SAFE))
    if len(data) % 4 == 1:
        data = data[:-1]
    return base64.b64decode(data + b"=" * (-len(data) % 4)).decode("utf-8", "replace") or None


class RequestHead(t.NamedTuple):
    """The content of the first lines of a request."""

    method: str | None
    host: str | None
    user_agent: str | None
    referer: str | None


def request_head(request: str | None) -> RequestHead:
    """Parse the method and three headers of a request; None for each that is missing. Do not trust these values."""
    head, _blank, _body = (request or "").replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.split("\n")
    method = first.partition(" ")[0]
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    valid = re.fullmatch(r"[A-Za-z!#$%&'*+.^_`|~0-9-]{1,32}", method) is not None
    return RequestHead(
        method if valid else None,
        headers.get("host") or None,
        headers.get("user-agent") or None,
        headers.get("referer") or None,
    )

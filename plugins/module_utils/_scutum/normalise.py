# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scutum's defence logs to :class:`Event` (docs/vendors/scutum_waf.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import re
import typing as t

from .._records.model import SCHEMA, Event
from .._records.redact import redact_text, redact_url
from .._records.times import utc_text
from .client import Raw
from .fields import CATEGORY_LABELS, FIELDS, READERS, text
from .listing import log_time
from .recorded import decode, request_head

SOURCE = "scutum"
SHOWN = 40
"""Characters of the name of an unknown field that are counted: it may be anything."""

MOST_WORDS = 100
"""Unknown words that are counted apart, as each of them may come from an attacker; all others are counted together."""
OTHERS = "others"

DetailState = t.Literal["read", "not_asked", "not_found", "skipped", "failed"]
"""What became of the detail: ``skipped`` when the budget of calls had none left for it."""

_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_BLANK: dict[str, t.Any] = {
    "record": "event",
    "schema": SCHEMA,
    "source": SOURCE,
    "id": "",
    "time": None,
    "action": "unknown",
    "action_native": None,
    "client_ip": None,
    "country": None,
    "host": None,
    "url": None,
    "path": None,
    "method": None,
    "user_agent": None,
    "referer": None,
    "message": None,
    # Scutum gives none.
    "severity": "unknown",
    "severity_native": None,
    "profile": None,
}


class AlertNormaliser:
    """Turns the vendor's logs into ours. It counts what it does not know.

    Args:
        host: the FQDN that the key belongs to; the logs themselves do not repeat it.
        scutum_id: the console id of that FQDN.
        keep_sensitive: keep cookies, credentials and tokens.
        include_raw: add the vendor's object, as it came, as ``raw``.
        raw_as: how ``raw`` is stored; JSON text in a spool, so that query engines agree on one schema.
    """

    def __init__(
        self,
        host: str,
        scutum_id: str,
        *,
        keep_sensitive: bool = False,
        include_raw: bool = False,
        raw_as: t.Callable[[Raw], t.Any] = dict,
    ) -> None:
        self._host = host
        self._scutum_id = scutum_id
        self._keep = keep_sensitive
        self._include_raw = include_raw
        self._raw_as = raw_as
        self.unknown: collections.Counter[str] = collections.Counter()

    def event(self, raw: Raw, detail: DetailState = "not_asked") -> Event:
        """One log, of the list or in detail. Never fails on a value: what is not understood is None, and counted."""
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
        if self._include_raw:
            record["raw"] = self._raw_as(raw)
        return t.cast(Event, record)

    def _count(self, word: str) -> None:
        self.unknown[word if word in self.unknown or len(self.unknown) < MOST_WORDS else OTHERS] += 1

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
        # Not by a URL parser: what an attacker sends need not be a URL, and "//x/y" is a path here.
        path, _mark, query = _ORIGIN.sub("", shown, count=1).partition("?")
        record["path"] = path or "/"
        record["details"]["query"] = query or None

    def _add_recorded(self, record: dict[str, t.Any], raw: Raw) -> None:
        for name in ("request", "response"):
            recorded = decode(raw.get(name))
            record["details"][name] = recorded if self._keep else redact_text(recorded)
        head = request_head(record["details"]["request"])
        record["method"], record["user_agent"], record["referer"] = head.method, head.user_agent, head.referer

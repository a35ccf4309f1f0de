# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs in a consistent form: one spelling of keys, one type for each id, nested scan logs lifted out.

This module is private to the collection and may change at any time.

See docs/vendors/indusface_was.md 7, 10.
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from .._records.coerce import text
from .._spool.disk.source import content_hash
from .._vendor.client import Raw
from .fields import SCAN_LOG, SPELLINGS, VULNERABILITY

LIST_KEY = "Vulnerabilities"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IDS = frozenset({"ScanlogId", "ServiceId", "UniqueAlertId", "TotalFoundVulnerabilities", "CVSS_Score"})


class Row(t.NamedTuple):
    """One scan log.

    Attributes:
        fields: its fields with the spelling of the vendor's table, without the vulnerabilities.
        alerts: the vulnerabilities.
        raw: the original object, without scan logs that were nested in it.
        odd: entries among the vulnerabilities that are not objects.
    """

    fields: Raw
    alerts: list[Raw]
    raw: Raw
    odd: int


def scan_rows_of(data: t.Iterable[Raw]) -> t.Iterator[Row]:
    """The scan logs of an answer. Those inside another are lifted out (docs/vendors/indusface_was.md 7.4)."""
    waiting = list(reversed(list(data)))
    while waiting:
        raw = waiting.pop()
        listed = raw.get(LIST_KEY)
        entries = listed if isinstance(listed, list) else []
        nested = [entry for entry in entries if isinstance(entry, dict) and "ScanlogId" in entry]
        if nested:
            entries = [entry for entry in entries if not (isinstance(entry, dict) and "ScanlogId" in entry)]
            raw = raw | {LIST_KEY: entries}
            waiting.extend(reversed(nested))
        alerts = [entry for entry in entries if isinstance(entry, dict)]
        odd = len(entries) - len(alerts) + (listed is not None and not isinstance(listed, list))
        yield Row(spelled(raw), alerts, raw, odd)


def spelled(raw: Raw) -> Raw:
    """The fields under the names of the vendor's table; if both spellings exist, that of the table wins."""
    fields = {SPELLINGS.get(name, name): value for name, value in raw.items() if name != LIST_KEY}
    fields.update({name: raw[name] for name in SPELLINGS.values() if name in raw})
    return fields


def log_day_of(value: t.Any) -> dt.date | None:
    """A day in the form YYYY-MM-DD; None for what is not one."""
    found = text(value) or ""
    try:
        return dt.date.fromisoformat(found) if _DAY.fullmatch(found) else None
    except ValueError:
        return None


def scan_key(row: Row) -> str:
    """Identity of a scan log: ``ServiceId:ScanlogId``; its content if it lacks an id."""
    service, scan = text(row.fields.get("ServiceId")), text(row.fields.get("ScanlogId"))
    return f"{service}:{scan}" if service and scan else f"content:{scan_content(row)}"


def alert_keys(row: Row) -> list[tuple[str, Raw]]:
    """Identity of each observation: that of the scan log, and ``UniqueAlertId``.

    An id that occurs twice in one scan log is numbered, in an order that does not depend on the answer's; otherwise
    each of the two would look like a changed version of the other in every run.
    """
    scan = scan_key(row)
    counted: dict[str, int] = {}
    keys: list[tuple[str, Raw]] = []
    seen: set[tuple[str, str]] = set()
    for content, alert in sorted(((alert_content(alert), alert) for alert in row.alerts), key=_by_place):
        name = text(alert.get("UniqueAlertId")) or f"content-{content}"
        if (name, content) in seen:
            continue
        seen.add((name, content))
        turn = counted[name] = counted.get(name, 0) + 1
        keys.append((f"{scan}:{name}" if turn == 1 else f"{scan}:{name}~{turn}", alert))
    return keys


def _by_place(item: tuple[str, Raw]) -> tuple[str, ...]:
    content, alert = item
    return (*(text(alert.get(name)) or "" for name in ("UniqueAlertId", "FoundOn", "Title")), content)


def alert_content(alert: Raw) -> str:
    """Hash of one vulnerability, independent of the type of its ids."""
    return content_hash(_canonical(alert, VULNERABILITY))


def scan_content(row: Row) -> str:
    """Hash of one scan log and its vulnerabilities, independent of order, types of ids and spelling of keys."""
    return content_hash([_canonical(row.fields, SCAN_LOG), sorted(alert_content(alert) for alert in row.alerts)])


def _canonical(fields: Raw, table: t.Mapping[str, t.Any]) -> list[t.Any]:
    known = [[name, text(fields[name]) if name in _IDS else fields[name]] for name in table if name in fields]
    return [*known, *([name, fields[name]] for name in sorted(fields) if name not in table)]

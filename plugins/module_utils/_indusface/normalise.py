# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts Indusface's scan logs to :class:`Scan` and :class:`Finding` (docs/vendors/indusface_was.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from .._records.coerce import items, text, texts, whole
from .._records.fingerprint import fingerprint
from .._records.model import SEVERITIES, Asset, Finding, Scan, SeverityCounts
from .._records.redact import redact_url
from .._vendor.blank import blank_finding, blank_scan
from .._vendor.client import Raw
from .._vendor.normaliser import SHOWN, Normaliser
from .fields import (
    OPEN_STATUSES,
    SCAN_LOG,
    SCAN_STATUSES,
    SERVICE_TYPES,
    VULNERABILITY,
    letters,
    score,
)
from .fields import (
    SEVERITIES as SEVERITY_WORDS,
)
from .rows import Row, log_day_of

SOURCE = "indusface"


class ScanLogNormaliser(Normaliser):
    """Converts the vendor's scan logs to ours, and counts unknown values."""

    def scan(self, row: Row) -> Scan:
        """Convert one scan. Never fails on a value: an unknown one becomes None or ``unknown``, and is counted."""
        fields = row.fields
        self._count_foreign(fields, SCAN_LOG)
        if row.odd:
            self._count("Vulnerabilities", row.odd)
        native = text(fields.get("ScanStatus"))
        status, reason, conclusive = self._known("ScanStatus", native, SCAN_STATUSES, ("unknown", None, False))
        service_type = text(fields.get("ServiceType"))
        if service_type not in SERVICE_TYPES:
            self._count(f"ServiceType={(service_type or '')[:SHOWN]}")
        seal = text(fields.get("SealStatus"))
        record = blank_scan(SOURCE) | {
            "id": text(fields.get("ScanlogId")),
            "asset": self._asset(fields),
            "time": self._midnight("ScanDate", fields.get("ScanDate")),
            "status": status,
            "status_native": native,
            "end_reason": reason,
            "conclusive": conclusive,
            "counts": _counts(row.alerts),
            "details": {
                "service_type": service_type,
                "seal_status": seal.lower() if letters(seal) in ("pass", "fail") and seal else seal,
                "reported_total": whole(fields.get("TotalFoundVulnerabilities")),
                "listed_total": len(row.alerts),
                "time_precision": "day",
            },
        }
        return t.cast(Scan, self._with_raw(record, row.raw))

    def finding(self, row: Row, alert: Raw) -> Finding:
        """Convert one observation of a finding in one scan. Never fails on a value, like :meth:`scan`."""
        self._count_foreign(alert, VULNERABILITY)
        fields = row.fields
        service, alert_id = text(fields.get("ServiceId")), text(alert.get("UniqueAlertId"))
        url, title = text(alert.get("FoundOn")), text(alert.get("Title"))
        severity, status = text(alert.get("Severity")), text(alert.get("OpenStatus"))
        seen = self._midnight("ScanDate", fields.get("ScanDate"))
        record = blank_finding(SOURCE) | {
            "id": alert_id or "",
            # Stable across the scans of a service (docs/vendors/indusface_was.md 7.2).
            "unique_id": f"{service}:{alert_id}" if service and alert_id else None,
            "title": title,
            "severity": self._known("Severity", severity, SEVERITY_WORDS, "unknown"),
            "severity_native": severity,
            "cvss_score": score(alert.get("CVSS_Score")),
            "status": self._known("OpenStatus", status, OPEN_STATUSES, "unknown"),
            "asset": self._asset(fields),
            "url": url if self._keep else redact_url(url),
            # FoundDate changes with each scan; the history stores the first one (docs/vendors/indusface_was.md 9).
            "last_seen": seen,
            "last_tested": seen,
            "fingerprint": fingerprint(SOURCE, service, None, url, None, None, title),
            "details": {
                "scan_id": text(fields.get("ScanlogId")),
                "service_type": text(fields.get("ServiceType")),
                "status_native": status,
                "cvss_score_native": text(alert.get("CVSS_Score")),
                "found_date": text(alert.get("FoundDate")),
                "time_precision": "day",
            },
        }
        return t.cast(Finding, self._with_raw(record, alert))

    def _asset(self, fields: Raw) -> Asset:
        url = text(fields.get("URL"))
        return {
            "id": text(fields.get("ServiceId")),
            "name": text(fields.get("ApplicationName")) or _host(url),
            "url": url if self._keep else redact_url(url),
            "tags": sorted(texts(items(fields.get("groups")))),
        }

    def _midnight(self, name: str, value: t.Any) -> str | None:
        day = log_day_of(value)
        if day is None:
            self._count(name)
            return None
        return f"{day.isoformat()}T00:00:00Z"

    def _known(self, name: str, word: str | None, table: t.Mapping[str, t.Any], otherwise: t.Any) -> t.Any:
        found = table.get(letters(word))
        if found is None:
            self._count(f"{name}={(word or '')[:SHOWN]}")
            return otherwise
        return found

    def _count_foreign(self, fields: Raw, table: t.Mapping[str, t.Any]) -> None:
        for name in fields.keys() - table.keys():
            self._count(f"field {name[:SHOWN]}")


def _counts(alerts: list[Raw]) -> SeverityCounts:
    """The number of listed vulnerabilities of each severity, without closed ones."""
    counts: dict[str, int] = dict.fromkeys(SEVERITIES, 0)
    for alert in alerts:
        if OPEN_STATUSES.get(letters(text(alert.get("OpenStatus")))) != "fixed":
            counts[SEVERITY_WORDS.get(letters(text(alert.get("Severity"))), "unknown")] += 1
    return t.cast(SeverityCounts, counts)


def _host(url: str | None) -> str | None:
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None

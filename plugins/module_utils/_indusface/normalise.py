# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indusface's scan logs to :class:`Scan` and :class:`Finding` (docs/vendors/indusface_was.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import typing as t
from urllib.parse import urlsplit

from .._records.fingerprint import fingerprint
from .._records.model import SCHEMA, SEVERITIES, Asset, Finding, Scan, SeverityCounts
from .._records.redact import redact_url
from .client import Raw
from .fields import (
    OPEN_STATUSES,
    SCAN_LOG,
    SCAN_STATUSES,
    SERVICE_TYPES,
    VULNERABILITY,
    letters,
    number,
    score,
    text,
    texts,
)
from .fields import (
    SEVERITIES as SEVERITY_WORDS,
)
from .rows import Row, day_of

SOURCE = "indusface"
SHOWN = 40
"""Characters of an unknown word that are counted apart: it may be anything."""

MOST_WORDS = 100
"""Unknown words that are counted apart, as each of them may be anything; all others are counted together."""
OTHERS = "others"


class ScanLogNormaliser:
    """Turns the vendor's scan logs into ours. It counts what it does not know.

    Args:
        keep_sensitive: keep query values that look like credentials.
        include_raw: add the vendor's objects, as they came, as ``raw``.
        raw_as: how ``raw`` is stored; JSON text in a spool, so that query engines agree on one schema.
    """

    def __init__(
        self,
        *,
        keep_sensitive: bool = False,
        include_raw: bool = False,
        raw_as: t.Callable[[Raw], t.Any] = dict,
    ) -> None:
        self._keep = keep_sensitive
        self._include_raw = include_raw
        self._raw_as = raw_as
        self.unknown: collections.Counter[str] = collections.Counter()

    def scan(self, row: Row) -> Scan:
        """One scan. Never fails on a value: what is not understood is None or ``unknown``, and counted."""
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
        record = {
            "record": "scan",
            "schema": SCHEMA,
            "source": SOURCE,
            "id": text(fields.get("ScanlogId")),
            "name": None,
            "reference": None,
            "kind": "vulnerability",
            "mode": None,
            "profile": None,
            "asset": self._asset(fields),
            "time": self._midnight("ScanDate", fields.get("ScanDate")),
            "ended": None,
            "duration": None,
            "status": status,
            "status_native": native,
            "results_status": None,
            "auth_status": None,
            "end_reason": reason,
            "conclusive": conclusive,
            "links_crawled": None,
            "requests_sent": None,
            "launched_by": None,
            "counts": _counts(row.alerts),
            "malware": None,
            "details": {
                "service_type": service_type,
                "seal_status": seal.lower() if letters(seal) in ("pass", "fail") and seal else seal,
                "reported_total": number(fields.get("TotalFoundVulnerabilities")),
                "listed_total": len(row.alerts),
                "time_precision": "day",
            },
        }
        if self._include_raw:
            record["raw"] = self._raw_as(row.raw)
        return t.cast(Scan, record)

    def finding(self, row: Row, alert: Raw) -> Finding:
        """One observation of a finding, in one scan. Never fails on a value, as above."""
        self._count_foreign(alert, VULNERABILITY)
        fields = row.fields
        service, alert_id = text(fields.get("ServiceId")), text(alert.get("UniqueAlertId"))
        url, title = text(alert.get("FoundOn")), text(alert.get("Title"))
        severity, status = text(alert.get("Severity")), text(alert.get("OpenStatus"))
        seen = self._midnight("ScanDate", fields.get("ScanDate"))
        record = {
            "record": "finding",
            "schema": SCHEMA,
            "source": SOURCE,
            "id": alert_id or "",
            # Stable across the scans of a service (docs/vendors/indusface_was.md 7.2).
            "unique_id": f"{service}:{alert_id}" if service and alert_id else None,
            "rule_id": None,
            "title": title,
            "kind": "vulnerability",
            "severity": self._known("Severity", severity, SEVERITY_WORDS, "unknown"),
            "severity_native": severity,
            "original_severity": None,
            "cvss_score": score(alert.get("CVSS_Score")),
            "cvss_vector": None,
            "detection_score": None,
            "status": self._known("OpenStatus", status, OPEN_STATUSES, "unknown"),
            "ignored": None,
            "asset": self._asset(fields),
            "url": url if self._keep else redact_url(url),
            "method": None,
            "parameter": None,
            # FoundDate moves with each scan, so the history remembers the first (docs/vendors/indusface_was.md 9).
            "first_seen": None,
            "last_seen": seen,
            "last_tested": seen,
            "fixed_at": None,
            "times_seen": None,
            "cwe": [],
            "owasp": [],
            "wasc": [],
            "group": None,
            "finding_type": None,
            "potential": None,
            "external_ref": None,
            "patch": None,
            "ssl": None,
            "evidence": [],
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
        if self._include_raw:
            record["raw"] = self._raw_as(alert)
        return t.cast(Finding, record)

    def _asset(self, fields: Raw) -> Asset:
        url = text(fields.get("URL"))
        return {
            "id": text(fields.get("ServiceId")),
            "name": text(fields.get("ApplicationName")) or _host(url),
            "url": url if self._keep else redact_url(url),
            "tags": sorted(texts(fields.get("groups"))),
        }

    def _midnight(self, name: str, value: t.Any) -> str | None:
        day = day_of(value)
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

    def _count(self, word: str, times: int = 1) -> None:
        self.unknown[word if word in self.unknown or len(self.unknown) < MOST_WORDS else OTHERS] += times

    def _count_foreign(self, fields: Raw, table: t.Mapping[str, t.Any]) -> None:
        for name in fields.keys() - table.keys():
            self._count(f"field {name[:SHOWN]}")


def _counts(alerts: list[Raw]) -> SeverityCounts:
    """How many of the listed vulnerabilities there are of each severity, the closed ones left out."""
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

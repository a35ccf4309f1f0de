# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts scan logs of Carbon Black Cloud to :class:`Scan`, and to :class:`Finding` if there is malware.

This module is private to the collection and may change at any time.

See docs/vendors/carbon_black.md 10.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import typing as t

from .._records.coerce import text, truth, whole
from .._records.fingerprint import fingerprint
from .._records.model import Asset, Finding, Scan, SeverityCounts
from .._records.times import canonical_time, parse_time
from .._vendor.blank import blank_finding, blank_scan
from .._vendor.client import Raw
from .._vendor.normaliser import Normaliser
from .fields import NAMES, SEVERITIES, SOURCES, key_of

SOURCE = "carbon_black"
MALWARE = "malware"
"""Rule id of the finding for a row with malware."""


def row_id_of(row: Raw) -> str:
    """32 hexadecimal digits for a row, of all that identifies it."""
    return hashlib.blake2b("\x1f".join(key_of(row)).encode("utf-8", "replace"), digest_size=16).hexdigest()


def scan_time_of(row: Raw) -> dt.datetime | None:
    """When an image was scanned, UTC; None when it cannot be read."""
    try:
        return parse_time(row["scan_time"])
    except (KeyError, AttributeError, TypeError, ValueError):
        return None


class ScanNormaliser(Normaliser):
    """Converts rows to scans and findings, and counts unknown values."""

    def scan(self, row: Raw) -> Scan:
        """Convert one scan. Never fails on a value: an unknown one becomes None, and is counted."""
        for name in row.keys() - NAMES:
            self._count_value("field", name)
        digest, full_tag, source = (text(row.get(name)) for name in ("manifest_digest", "full_tag", "source"))
        if source is not None and source not in SOURCES:
            self._count_value("source", source)
        time = canonical_time(text(row.get("scan_time")))
        counts, listed = self._counts(row.get("vulnerabilities_summary"))
        malware = truth(row.get("has_malware"))
        image, tag = split_image(full_tag)
        scan = blank_scan(SOURCE) | {
            "id": row_id_of(row),
            "name": full_tag,
            "reference": digest,
            "mode": source,
            "asset": _asset(full_tag, digest),
            "time": time,
            "ended": time,
            # A row has no status; images that were not scanned have no digest (docs/vendors/carbon_black.md 7.2).
            "status": "finished" if digest else "unknown",
            "end_reason": "finished" if digest else None,
            "conclusive": digest is not None,
            "counts": counts,
            "malware": None if malware is None else int(malware),
            "details": {
                "image": image,
                "tag": tag,
                "source": source,
                "workloads": whole(row.get("workloads")),
                "vulnerabilities": listed,
                "total": sum(item["amount"] for item in listed),
                "highest": next((word for name, word in SEVERITIES.items() if _has(listed, name)), None),
                "has_malware": malware,
            },
        }
        return t.cast(Scan, self._with_raw(scan, row))

    def malware(self, row: Raw) -> Finding | None:
        """Return the finding for a row with malware; None for a row without."""
        if not truth(row.get("has_malware")):
            return None
        digest, full_tag = text(row.get("manifest_digest")), text(row.get("full_tag"))
        time = canonical_time(text(row.get("scan_time")))
        finding = blank_finding(SOURCE) | {
            "id": f"{row_id_of(row)}-{MALWARE}",
            "rule_id": MALWARE,
            "title": "Malware in a container image",
            "severity": "critical",
            "asset": _asset(full_tag, digest),
            "last_seen": time,
            "last_tested": time,
            "group": MALWARE,
            "potential": False,
            "fingerprint": fingerprint(SOURCE, digest or full_tag, MALWARE, None, None, None),
        }
        return t.cast(Finding, self._with_raw(finding, row))

    def _counts(self, summary: t.Any) -> tuple[SeverityCounts | None, list[dict[str, t.Any]]]:
        """Return counts for each severity, and the vendor's own severities with theirs, where zero is omitted.

        There are no counts if one of the numbers cannot be parsed: it may be any number, and must not pass for zero.
        """
        if not isinstance(summary, dict):
            return None, []
        counts: SeverityCounts = {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0, "unknown": 0}
        listed, readable = [], True
        for name, value in summary.items():
            told = value.get("amount") if isinstance(value, dict) else value
            amount = None if isinstance(told, str) else whole(told)
            if amount is None or amount < 0:
                self._count_value("amount", name)
                readable = False
                continue
            if name not in SEVERITIES:
                self._count_value("severity", name)
            counts[SEVERITIES.get(name, "unknown")] += amount
            listed.append({"severity": str(name), "amount": amount})
        return counts if readable else None, sorted(listed, key=lambda item: str(item["severity"]))


def _has(listed: list[dict[str, t.Any]], name: str) -> bool:
    return any(item["severity"] == name and item["amount"] for item in listed)


def _asset(full_tag: str | None, digest: str | None) -> Asset:
    return {"id": digest, "name": full_tag, "url": None, "tags": []}


def split_image(full_tag: str | None) -> tuple[str | None, str | None]:
    """Split an image into name and tag at ``@``, else at the last colon after the last slash (ports have colons)."""
    if not full_tag:
        return None, None
    name, at, digest = full_tag.partition("@")
    if at:
        return name, digest or None
    path, slash, last = full_tag.rpartition("/")
    name, _colon, tag = last.partition(":") if last.count(":") < 2 else last.rpartition(":")
    return path + slash + name, tag or None

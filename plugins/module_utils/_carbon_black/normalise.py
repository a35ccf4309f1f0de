# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs of Carbon Black Cloud to :class:`Scan`, and to :class:`Finding` where there is malware.

This module is private to the collection and may change at any time.

See docs/vendors/carbon_black.md 10.
"""

from __future__ import annotations

import collections
import datetime as dt
import hashlib
import typing as t

from .._records.fingerprint import fingerprint
from .._records.model import SCHEMA, Asset, Finding, Scan, SeverityCounts
from .._records.times import canonical_time, parse_time
from .client import Raw
from .fields import NAMES, SEVERITIES, SOURCES
from .listing import key_of

SOURCE = "carbon_black"
MALWARE = "malware"
"""Rule of the finding that a row with malware gives."""

_COUNTED = 9_007_199_254_740_992
"""Larger amounts are nonsense, and no JSON reader agrees on them."""


def id_of(row: Raw) -> str:
    """32 hexadecimal digits for a row, of all that identifies it."""
    return hashlib.blake2b("\x1f".join(key_of(row)).encode("utf-8", "replace"), digest_size=16).hexdigest()


def time_of(row: Raw) -> dt.datetime | None:
    """When an image was scanned, UTC; None when it cannot be read."""
    try:
        return parse_time(row["scan_time"])
    except (KeyError, AttributeError, TypeError, ValueError):
        return None


class ScanNormaliser:
    """Turns rows into scans and findings. It counts what it does not know.

    Args:
        include_raw: add the vendor's row, as it came, as ``raw``.
        raw_as: how ``raw`` is stored; JSON text for a file, so that query engines agree on one schema.
    """

    def __init__(self, *, include_raw: bool = False, raw_as: t.Callable[[Raw], t.Any] = dict) -> None:
        self._include_raw = include_raw
        self._raw_as = raw_as
        self.unknown: collections.Counter[str] = collections.Counter()

    def scan(self, row: Raw) -> Scan:
        """One scan. Never fails on a value: what is not understood is None, and counted."""
        for name in row.keys() - NAMES:
            self._count("field", name)
        digest, full_tag, source = (text(row.get(name)) for name in ("manifest_digest", "full_tag", "source"))
        if source is not None and source not in SOURCES:
            self._count("source", source)
        time = canonical_time(text(row.get("scan_time")))
        counts, listed = self._counts(row.get("vulnerabilities_summary"))
        malware = truth(row.get("has_malware"))
        image, tag = split_image(full_tag)
        scan: Scan = {
            "record": "scan",
            "schema": SCHEMA,
            "source": SOURCE,
            "id": id_of(row),
            "name": full_tag,
            "reference": digest,
            "kind": "vulnerability",
            "mode": source,
            "profile": None,
            "asset": _asset(full_tag, digest),
            "time": time,
            "ended": time,
            "duration": None,
            # A row has no status; images that were not scanned have no digest (docs/vendors/carbon_black.md 7.2).
            "status": "finished" if digest else "unknown",
            "status_native": None,
            "results_status": None,
            "auth_status": None,
            "end_reason": "finished" if digest else None,
            "conclusive": digest is not None,
            "links_crawled": None,
            "requests_sent": None,
            "launched_by": None,
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
        if self._include_raw:
            scan["raw"] = self._raw_as(row)
        return scan

    def malware(self, row: Raw) -> Finding | None:
        """The finding that a row with malware is; None for a row without."""
        if not truth(row.get("has_malware")):
            return None
        digest, full_tag = text(row.get("manifest_digest")), text(row.get("full_tag"))
        time = canonical_time(text(row.get("scan_time")))
        finding: Finding = {
            "record": "finding",
            "schema": SCHEMA,
            "source": SOURCE,
            "id": f"{id_of(row)}-{MALWARE}",
            "unique_id": None,
            "rule_id": MALWARE,
            "title": "Malware in a container image",
            "kind": "vulnerability",
            "severity": "critical",
            "severity_native": None,
            "original_severity": None,
            "cvss_score": None,
            "cvss_vector": None,
            "detection_score": None,
            "status": "open",
            "ignored": None,
            "asset": _asset(full_tag, digest),
            "url": None,
            "method": None,
            "parameter": None,
            "first_seen": None,
            "last_seen": time,
            "last_tested": time,
            "fixed_at": None,
            "times_seen": None,
            "cwe": [],
            "owasp": [],
            "wasc": [],
            "group": MALWARE,
            "finding_type": None,
            "potential": False,
            "external_ref": None,
            "patch": None,
            "ssl": None,
            "evidence": [],
            "fingerprint": fingerprint(SOURCE, digest or full_tag, MALWARE, None, None, None),
        }
        if self._include_raw:
            finding["raw"] = self._raw_as(row)
        return finding

    def _counts(self, summary: t.Any) -> tuple[SeverityCounts | None, list[dict[str, t.Any]]]:
        """Counts for each severity, and the vendor's own words with theirs; one without findings is absent there.

        There are no counts when one of the amounts cannot be read: it may be any, and must not pass for none.
        """
        if not isinstance(summary, dict):
            return None, []
        counts: SeverityCounts = {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0, "unknown": 0}
        listed, readable = [], True
        for name, value in summary.items():
            amount = whole(value.get("amount") if isinstance(value, dict) else value)
            if amount is None or amount < 0:
                self._count("amount", name)
                readable = False
                continue
            if name not in SEVERITIES:
                self._count("severity", name)
            counts[SEVERITIES.get(name, "unknown")] += amount
            listed.append({"severity": str(name), "amount": amount})
        return counts if readable else None, sorted(listed, key=lambda item: str(item["severity"]))

    def _count(self, field: str, value: t.Any) -> None:
        # A vendor's new word must not fill the counter with garbage, so it is cut to a name's length.
        self.unknown[f"{field}={str(value)[:40]}"] += 1


def _has(listed: list[dict[str, t.Any]], name: str) -> bool:
    return any(item["severity"] == name and item["amount"] for item in listed)


def _asset(full_tag: str | None, digest: str | None) -> Asset:
    return {"id": digest, "name": full_tag, "url": None, "tags": []}


def split_image(full_tag: str | None) -> tuple[str | None, str | None]:
    """Name and tag of an image: apart at ``@``, else at the last colon after the last slash: a port has a colon too."""
    if not full_tag:
        return None, None
    name, at, digest = full_tag.partition("@")
    if at:
        return name, digest or None
    path, slash, last = full_tag.rpartition("/")
    name, _colon, tag = last.partition(":") if last.count(":") < 2 else last.rpartition(":")
    return path + slash + name, tag or None


def text(value: t.Any) -> str | None:
    """A vendor's text; numbers become text, and nothing and empty text are None."""
    if isinstance(value, str):
        return value or None
    return None if value is None or isinstance(value, (dict, list, bool)) else str(value)


def whole(value: t.Any) -> int | None:
    """A vendor's whole number; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _COUNTED:
        return value
    return None


def truth(value: t.Any) -> bool | None:
    """A vendor's boolean, also as text; None for anything else."""
    if isinstance(value, bool):
        return value
    word = value.casefold() if isinstance(value, str) else ""
    return True if word == "true" else False if word == "false" else None

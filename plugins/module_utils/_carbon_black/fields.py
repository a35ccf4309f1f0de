# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a row: the vendor's name, ours, and type (docs/vendors/carbon_black.md 7, 10).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._vendor.client import Raw


class CarbonBlackField(t.NamedTuple):
    """One field: name at the vendor, where it stands in our record, and the vendor's type."""

    vendor: str
    ours: tuple[str, ...]
    type: str


FIELDS: tuple[CarbonBlackField, ...] = (
    CarbonBlackField("full_tag", ("asset.name", "name", "details.image", "details.tag"), "string"),
    CarbonBlackField("manifest_digest", ("asset.id", "reference"), "string"),
    CarbonBlackField("workloads", ("details.workloads",), "integer"),
    CarbonBlackField("scan_time", ("time", "ended"), "string"),
    CarbonBlackField("source", ("details.source", "mode"), "string"),
    CarbonBlackField(
        "vulnerabilities_summary", ("counts", "details.vulnerabilities", "details.total", "details.highest"), "object"
    ),
    CarbonBlackField("has_malware", ("malware", "details.has_malware"), "boolean"),
)
"""Every field of a search result. A row has no id: tag, digest, time and source identify it."""

NAMES = frozenset(field.vendor for field in FIELDS)

SEVERITIES: dict[str, t.Literal["critical", "high", "medium", "low", "unknown"]] = {
    "CRITICAL": "critical",
    "HIGH": "high",
    "MEDIUM": "medium",
    "LOW": "low",
    "UNKNOWN": "unknown",
}
"""Worst first. Answers omit a severity without findings, and may contain others."""

SOURCES = frozenset({"CLI", "CLUSTER_SCAN", "FEED_UPDATE"})
"""The possible triggers of a scan; the list is open."""

Key = tuple[t.Any, ...]


def key_of(row: Raw) -> Key:
    """Identity of a row, which has no id: tag, digest, time and source (docs/vendors/carbon_black.md 7.1)."""
    return tuple(str(row.get(name) or "") for name in ("full_tag", "manifest_digest", "scan_time", "source"))

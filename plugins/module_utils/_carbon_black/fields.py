# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a row: the vendor's name, ours, and type (docs/vendors/carbon_black.md 7, 10).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .._vendor.client import Raw


class LogField(t.NamedTuple):
    """One field: name at the vendor, name in our record, and the vendor's type."""

    vendor: str
    ours: tuple[str, ...]
    type: str


FIELDS: tuple[LogField, ...] = (
    LogField("full_tag", ("asset.name", "name", "details.image", "details.tag"), "string"),
    LogField("manifest_digest", ("asset.id", "reference"), "string"),
    LogField("workloads", ("details.workloads",), "integer"),
    LogField("scan_time", ("time", "ended"), "string"),
    LogField("source", ("details.source", "mode"), "string"),
    LogField(
        "vulnerabilities_summary", ("counts", "details.vulnerabilities", "details.total", "details.highest"), "object"
    ),
    LogField("has_malware", ("malware", "details.has_malware"), "boolean"),
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

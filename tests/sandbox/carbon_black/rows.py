# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs made from their number, with what filters and facets need and a search does not show."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

REGISTRIES = ("docker.io", "registry.example.com", "quay.io")
REPOSITORIES = (
    "shop/cart",
    "demo/demo-server",
    "library/nginx",
    "b\u00fccher/\u65e5\u672c",
    "x/{{ lookup('pipe','id') }}",
)
SOURCES = ("CLUSTER_SCAN", "CLI", "FEED_UPDATE", "CLUSTER_SCAN", "TOMORROWS_SOURCE")
CLUSTERS = ("prod:cluster-a", "test:cluster-b", "kafka")
NAMESPACES = ("default", "kube-system", "shop")
HOSTS = ("node-1", "node-2", "demo-hostname")
STATUSES = ("SCANNED", "SCANNED", "SCANNED", "SCAN_FAILED", "PENDING_SCAN", "NOT_SCANNED")
SUMMARIES: tuple[dict[str, Any], ...] = (
    {"CRITICAL": {"amount": 1}, "HIGH": {"amount": 6}, "UNKNOWN": {"amount": 2}},
    {"HIGH": {"amount": 17}, "MEDIUM": {"amount": 10}},
    {},
    {"LOW": {"amount": 3}},
    {"NEGLIGIBLE": {"amount": 4}, "LOW": {"amount": 1}},
)
TAGS = ("1.4.2", "latest", "=cmd|' /C calc'!A0", "v0.1.2-\u202e\U0001f600", "\x1b[2J")


@dataclass(slots=True)
class Row:
    """One scan: what a search shows, and the labels of the image."""

    shown: dict[str, Any]
    time: datetime
    labels: Mapping[str, Sequence[str]]


def make_row(number: int, time: datetime) -> Row:
    """The row of a number, at a time in whole seconds."""
    registry = REGISTRIES[number % len(REGISTRIES)]
    repository = REPOSITORIES[number % len(REPOSITORIES)]
    digest = "sha256:" + hashlib.sha256(f"image {number}".encode()).hexdigest()
    tag = f"@{digest}" if number % 13 == 5 else f":{TAGS[number % len(TAGS)]}"
    summary = SUMMARIES[number % len(SUMMARIES)]
    source = SOURCES[number % len(SOURCES)]
    status = STATUSES[number % len(STATUSES)]
    shown: dict[str, Any] = {
        "full_tag": f"{registry}/{repository}{'' if tag[0] == '@' else '-' + str(number)}{tag}",
        "manifest_digest": digest,
        "workloads": number % 4,
        "scan_time": f"{time:%Y-%m-%dT%H:%M:%S}Z",
        "source": source,
        "vulnerabilities_summary": summary,
        "has_malware": number % 17 == 3,
    }
    if number % 11 == 7:
        del shown["manifest_digest"]
    labels = {
        "full_tags": [shown["full_tag"]],
        "repositories": [repository],
        "digests": [shown["manifest_digest"]] if "manifest_digest" in shown else [],
        "sources": [source],
        "registries": [registry],
        "vulnerabilities": list(summary),
        "clusters": [CLUSTERS[number % len(CLUSTERS)]],
        "namespaces": [NAMESPACES[number % len(NAMESPACES)]],
        "hostnames": [HOSTS[number % len(HOSTS)]],
        "scan_status": [status],
    }
    return Row(shown, time, labels)


@functools.lru_cache(maxsize=4)
def seeded(records: int, days: float, burst: int, anchor: datetime) -> tuple[Row, ...]:
    """Rows over the days before the anchor, every third at the time of the one before; ``burst`` more in one second.

    They are kept for the next reset: whoever changes rows takes copies.
    """
    step = days * 86400 / max(1, records)
    rows = [
        make_row(number, anchor - timedelta(seconds=int((number + (0 if number and number % 3 == 0 else 1)) * step)))
        for number in range(records)
    ]
    moment = anchor - timedelta(seconds=int(days * 43200))
    rows += [make_row(records + number, moment) for number in range(burst)]
    return tuple(rows)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finding and its application are known by: from run to run, and from the gate to the report.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import hashlib
import typing as t

from .coerce import bounded, mapping

AppKey = tuple[str, str]
"""An application: its source, and its id there (``name:`` and the name where it has none)."""

UNKNOWN_SOURCE = "unknown"


def app_key(source: str, asset: t.Mapping[str, t.Any]) -> AppKey:
    """Which application a record belongs to."""
    return source, bounded(asset.get("id")) or f"name:{bounded(asset.get('name')) or ''}"


def run_key(unique_id: str | None, fingerprint: str | None, own_id: str | None) -> str | None:
    """What makes it the same finding in the next run, within its source; None when the record tells nothing.

    The vendor's unique id, else the fingerprint, else the id. Each says in its first letter which of them it is.
    """
    if unique_id:
        return f"u:{unique_id}"
    if fingerprint:
        return f"f:{fingerprint}"
    return f"i:{own_id}" if own_id else None


def identity_of(finding: t.Mapping[str, t.Any]) -> str:
    """What makes it the same finding in the next run, whatever its source: the source and its :func:`run_key`."""
    return f"{finding['source']}\0{run_key(finding['unique_id'], finding['fingerprint'], finding['id'])}"


def record_digest(application: str, record: t.Mapping[str, t.Any]) -> bytes:
    """12 bytes that tell one record of a finding from all others, in what the gate writes and in what a report reads.

    Args:
        application: the second part of :func:`app_key`.
        record: has ``source``, ``id``, ``unique_id`` and ``fingerprint``.
    """
    source = bounded(record["source"]) or UNKNOWN_SOURCE
    names = (bounded(record[name]) or "" for name in ("id", "unique_id", "fingerprint"))
    words = "\0".join((application, source, *names))
    return hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=12).digest()


def finding_digest(finding: t.Mapping[str, t.Any]) -> bytes:
    """:func:`record_digest` of a finding, by its own application."""
    source = bounded(finding["source"]) or UNKNOWN_SOURCE
    return record_digest(app_key(source, mapping(finding["asset"]))[1], finding)

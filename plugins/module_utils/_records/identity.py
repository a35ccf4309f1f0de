# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of a finding and of its application, the same from run to run and in the gate and the report.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import hashlib
import typing as t

from .coerce import bounded, mapping

AppKey = tuple[str, str]
"""An application: its source, and its id there (``name:`` and its name if it has no id)."""

UNKNOWN_SOURCE = "unknown"


def app_key(source: str, asset: t.Mapping[str, t.Any]) -> AppKey:
    """The application that a record belongs to."""
    return source, bounded(asset.get("id")) or f"name:{bounded(asset.get('name')) or ''}"


def run_key(unique_id: str | None, fingerprint: str | None, own_id: str | None) -> str | None:
    """The identity of a finding from run to run, within its source; None when the record has none.

    It is the vendor's unique id, else the fingerprint, else the id. The first letter says which.
    """
    if unique_id:
        return f"u:{unique_id}"
    if fingerprint:
        return f"f:{fingerprint}"
    return f"i:{own_id}" if own_id else None


def identity_of(finding: t.Mapping[str, t.Any]) -> str:
    """The identity of a finding from run to run, across all sources: the source and its :func:`run_key`."""
    return f"{finding['source']}\0{run_key(finding['unique_id'], finding['fingerprint'], finding['id'])}"


def record_digest(application: str, record: t.Mapping[str, t.Any]) -> bytes:
    """12 bytes that distinguish the record of a finding from all others. The gate writes them and reports read them.

    Args:
        application: the second part of :func:`app_key`.
        record: has ``source``, ``id``, ``unique_id`` and ``fingerprint``.
    """
    source = bounded(record["source"]) or UNKNOWN_SOURCE
    names = (bounded(record[name]) or "" for name in ("id", "unique_id", "fingerprint"))
    words = "\0".join((application, source, *names))
    return hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=12).digest()


def finding_digest(finding: t.Mapping[str, t.Any]) -> bytes:
    """:func:`record_digest` of a finding, with its own application."""
    source = bounded(finding["source"]) or UNKNOWN_SOURCE
    return record_digest(app_key(source, mapping(finding["asset"]))[1], finding)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types that the gate's inputs must have where another one would be taken for nothing.

This module is private to the collection and may change at any time.

A value of another type is never read as one that is missing: what is missing may be harmless, and what cannot be read
may be anything.
"""

from __future__ import annotations

import typing as t

from .facts import Record

Fits = t.Callable[[t.Any], bool]


def _text(value: t.Any) -> bool:
    return value is None or isinstance(value, str)


def _identity(value: t.Any) -> bool:
    """Some hands write ids as numbers."""
    return value is None or (isinstance(value, (str, int)) and not isinstance(value, bool))


def _count(value: t.Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _flag(value: t.Any) -> bool:
    return value is None or isinstance(value, bool)


def _list(value: t.Any) -> bool:
    return value is None or isinstance(value, list)


def _mapping(value: t.Any) -> bool:
    return value is None or isinstance(value, dict)


SCAN: dict[str, Fits] = {
    "source": _text,
    "id": _identity,
    "name": _text,
    "kind": _text,
    "profile": _identity,
    "asset": _mapping,
    "time": _text,
    "ended": _text,
    "status": _text,
    "status_native": _text,
    "results_status": _text,
    "auth_status": _text,
    "end_reason": _text,
    "conclusive": _flag,
    "links_crawled": _count,
    "details": _mapping,
}
MANIFEST: dict[str, Fits] = {
    "source": _text,
    "detail": _text,
    "complete": _flag,
    "started": _text,
    "finished": _text,
    "announced_after": _count,
    "records": _count,
    "sha256": _text,
}
FINDING: dict[str, Fits] = {
    "asset": _mapping,
    "rule_id": _identity,
    "url": _text,
    "cwe": _list,
    "owasp": _list,
    "potential": _flag,
}


def mistyped(record: Record, types: t.Mapping[str, Fits]) -> str | None:
    """The first field of a record that has a wrong type; None when there is none."""
    return next((name for name, fits in types.items() if not fits(record.get(name))), None)


def mistyped_finding(record: Record) -> str | None:
    """As :func:`mistyped`, for a finding with the tags of its application."""
    wrong = mistyped(record, FINDING)
    tags = None if wrong is not None else (record.get("asset") or {}).get("tags")
    if tags is not None and not (isinstance(tags, list) and all(map(_identity, tags))):
        return "asset.tags"
    return wrong

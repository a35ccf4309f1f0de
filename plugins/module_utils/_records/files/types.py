# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The required types of record values, where a value of another type could pass for a missing one.

This module is private to the collection and may change at any time.

A value of a wrong type is never treated as missing: a missing value may be harmless, but an unreadable one may be
anything.
"""

from __future__ import annotations

import typing as t

Record = t.Mapping[str, t.Any]
Fits = t.Callable[[t.Any], bool]


def _is_text(value: t.Any) -> bool:
    return value is None or isinstance(value, str)


def _is_identity(value: t.Any) -> bool:
    """Ids may be numbers, because some tools write them so."""
    return value is None or (isinstance(value, (str, int)) and not isinstance(value, bool))


def _is_count(value: t.Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_flag(value: t.Any) -> bool:
    return value is None or isinstance(value, bool)


def _is_list(value: t.Any) -> bool:
    return value is None or isinstance(value, list)


def _is_mapping(value: t.Any) -> bool:
    return value is None or isinstance(value, dict)


SCAN: dict[str, Fits] = {
    "source": _is_text,
    "id": _is_identity,
    "name": _is_text,
    "kind": _is_text,
    "profile": _is_identity,
    "asset": _is_mapping,
    "time": _is_text,
    "ended": _is_text,
    "status": _is_text,
    "status_native": _is_text,
    "results_status": _is_text,
    "auth_status": _is_text,
    "end_reason": _is_text,
    "conclusive": _is_flag,
    "links_crawled": _is_count,
    "details": _is_mapping,
}
MANIFEST: dict[str, Fits] = {
    "source": _is_text,
    "detail": _is_text,
    "complete": _is_flag,
    "started": _is_text,
    "finished": _is_text,
    "announced_after": _is_count,
    "records": _is_count,
    "sha256": _is_text,
}
FINDING: dict[str, Fits] = {
    "asset": _is_mapping,
    "rule_id": _is_identity,
    "url": _is_text,
    "cwe": _is_list,
    "owasp": _is_list,
    "potential": _is_flag,
}


def mistyped(record: Record, types: t.Mapping[str, Fits]) -> str | None:
    """The first field of a record with a wrong type; None when all types are right."""
    return next((name for name, fits in types.items() if not fits(record.get(name))), None)


def mistyped_finding(record: Record) -> str | None:
    """Like :func:`mistyped`, for a finding and the tags of its application."""
    wrong = mistyped(record, FINDING)
    tags = None if wrong is not None else (record.get("asset") or {}).get("tags")
    if tags is not None and not (isinstance(tags, list) and all(map(_is_identity, tags))):
        return "asset.tags"
    return wrong

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which applications a snapshot of findings covers, according to the filters in its manifest.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..coerce import bounded, items, mapping
from ..identity import AppKey

APPLICATION_FIELDS = frozenset({"webApp.id", "webApp.name"})
"""Fields of filters that only choose applications."""
FilterIdentity = tuple[str, str, frozenset[str], str]


def as_items(value: t.Any) -> frozenset[str]:
    """The value of a filter as a set of texts: vendors accept both ``1,2`` and ``[1, 2]``."""
    parts = value if isinstance(value, list) else str(value).split(",")
    return frozenset(str(part).strip() for part in parts)


def filter_identity(item: t.Mapping[str, t.Any]) -> FilterIdentity:
    """Field, operator, values and name of a filter, the same for every way to write it."""
    value = item.get("value")
    operator = str(item.get("operator") or ("IN" if isinstance(value, list) else "EQUALS")).upper().replace("_", " ")
    # Only IN takes several values; in the value of another operator, a comma is an ordinary character.
    parts = as_items(value if operator == "IN" else [value])
    if operator == "IN" and len(parts) == 1:
        operator = "EQUALS"
    return str(item.get("field")), operator, parts, str(item.get("name") or "")


def filters_of(manifest: t.Mapping[str, t.Any]) -> list[FilterIdentity]:
    """The filters that a manifest names."""
    return [filter_identity(mapping(item)) for item in items(manifest.get("filters"))]


def covers(manifest: t.Mapping[str, t.Any], present: t.Container[AppKey], app: AppKey, name: str | None) -> bool:
    """Whether a snapshot would hold the findings of an application, if it had any.

    Args:
        manifest: the manifest of the snapshot.
        present: the applications that have findings in it.
        app: the application.
        name: its name.
    """
    if bounded(manifest.get("source")) != app[0]:
        return False
    for field, operator, values, _name in filters_of(manifest):
        if field not in APPLICATION_FIELDS:
            continue
        identity = app[1] if field == "webApp.id" else (name or "").strip()
        if operator in ("EQUALS", "IN"):
            fits = bool(identity) and identity in values
        elif operator == "NOT EQUALS":
            fits = bool(identity) and identity not in values
        else:
            # Only the vendor knows what this operator matches; a finding in the snapshot proves that it does.
            fits = app in present
        if not fits:
            return False
    return True

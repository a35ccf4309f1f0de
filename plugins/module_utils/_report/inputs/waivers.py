# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the waivers of a file, as far as a report shows them. The gate decides which findings they cover.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import pathlib
import typing as t

from ..._base.errors import FileError, PolicyError
from ..._records.coerce import items, mapping
from ..._records.policy.documents import read_document
from .. import text

_LIMIT = 8 << 20
_LISTED = 2000
_HINT = "Give the file of waivers that the gate reads."
_SOON = 14


class WaiverRow(t.NamedTuple):
    """One waiver. ``days_left`` counts from the time of the data, None when that time or the expiry is not known."""

    id: str
    type: str
    owner: str
    reason: str
    ticket: str
    expires: str
    days_left: int | None

    @property
    def state(self) -> str:
        """expired, expiring, valid, or not known."""
        if self.days_left is None:
            return "not known"
        return "expired" if self.days_left < 0 else "expiring" if self.days_left <= _SOON else "valid"


def read_waivers(path: pathlib.Path, now: str) -> tuple[WaiverRow, ...]:
    """Read the waivers of a file; those that expire first come first.

    Args:
        path: JSON or YAML, with a list at its key ``waivers``.
        now: the time of the data.

    Raises:
        FileError: the file cannot be read, or has no such list.
        MissingLibrary: the file is YAML, and PyYAML is not installed.
    """
    try:
        document = read_document(path, "waivers", limit=_LIMIT).data
    except PolicyError as error:
        raise FileError(error.message, hint=_HINT) from error
    if not isinstance(document, dict) or not isinstance(document.get("waivers"), list):
        raise FileError(f"waivers: {path} has no list of waivers.", hint=_HINT)
    moment = text.read_time(now)
    today = moment.date() if moment else None
    rows = [_row(mapping(item), today) for item in items(document["waivers"])[:_LISTED]]
    return tuple(sorted(rows, key=lambda row: (row.days_left is None, row.days_left or 0, row.id)))


def _row(item: dict[str, t.Any], today: dt.date | None) -> WaiverRow:
    words = (_words(item.get(name)) for name in ("id", "type", "owner", "reason", "ticket", "expires"))
    identity, kind, owner, reason, ticket, expires = words
    try:
        left = (dt.date.fromisoformat(expires) - today).days if today else None
    except ValueError:
        left = None
    return WaiverRow(identity, kind, owner, reason, ticket, expires, left)


def _words(value: t.Any) -> str:
    # A list or an object is not text.
    return "" if value is None or isinstance(value, (dict, list)) else text.clip(str(value), 500)

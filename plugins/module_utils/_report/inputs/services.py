# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome of reading each service, as reported by whoever read it, such as the role audit.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError
from ..._records.coerce import bounded, whole
from .. import text

_LISTED = 100


class ServiceRow(t.NamedTuple):
    """One service. ``state`` is complete, incomplete or failed."""

    name: str
    state: str
    records: int | None
    reason: str


def read_services(given: t.Iterable[t.Any]) -> tuple[ServiceRow, ...]:
    """The services in the given order.

    Raises:
        OptionError: an item is not a mapping with a name.
    """
    rows = []
    for index, item in enumerate(given):
        name = bounded(item.get("name")) if isinstance(item, dict) else None
        if not name:
            raise OptionError(f"`services[{index}]` has no name.", hint="Give mappings with a name.")
        failed, complete = item.get("failed"), item.get("complete")
        rows.append(
            ServiceRow(
                text.clip(name, 100),
                "failed" if failed is True else "complete" if complete is True else "incomplete",
                whole(item.get("records")),
                text.clip(bounded(item.get("reason")) or "", 1000),
            )
        )
    return tuple(rows[:_LISTED])

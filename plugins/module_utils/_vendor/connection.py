# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of a service and its credentials: the base of all vendors' connections.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Connection:
    """A resolved connection. A vendor adds its own fields, and marks its credentials with ``repr=False``."""

    api_url: str

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must never be shown: the fields that are excluded from the representation."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self) if not field.repr)
        return tuple(value for value in values if value)

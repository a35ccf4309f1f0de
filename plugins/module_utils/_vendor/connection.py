# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a service is, and who asks: what the connections of all vendors have in common.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Connection:
    """Resolved connection. A vendor adds its own fields, and marks its credentials with ``repr=False``."""

    api_url: str

    def secrets(self) -> tuple[str, ...]:
        """Return every value that must never be shown: each field that is left out of the representation."""
        values = (getattr(self, field.name) for field in dataclasses.fields(self) if not field.repr)
        return tuple(value for value in values if value)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stateful, strict stand-in for the vendors' APIs on loopback; it never imports the collection."""

from __future__ import annotations

from .app import Sandbox, Settings
from .faults import Fault

__all__ = ["Fault", "Sandbox", "Settings"]

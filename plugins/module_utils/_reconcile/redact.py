# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a secret is shown: not at all.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

MARKER = "VALUE_REDACTED"
"""Stands wherever a secret would, on both sides of a diff."""

CHANGED = "VALUE_REDACTED (changed)"
"""Stands on the new side of a diff in which only secrets differ."""

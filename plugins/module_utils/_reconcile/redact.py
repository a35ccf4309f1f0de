# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that are shown in place of secrets.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from .._records.redaction.values import MARKER

__all__ = ["CHANGED", "MARKER"]

CHANGED = f"{MARKER} (changed)"
"""Replaces the secret on the new side of a diff in which only secrets differ."""

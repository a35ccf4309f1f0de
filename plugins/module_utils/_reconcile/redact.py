# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that are shown in place of secrets.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

MARKER = "VALUE_REDACTED"
"""Replaces a secret, on both sides of a diff."""

CHANGED = "VALUE_REDACTED (changed)"
"""Replaces the secret on the new side of a diff in which only secrets differ."""

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the plugins of the controller."""

from __future__ import annotations

from tests.unit.plugins.module_utils.qualys_kit import estate, no_pauses, shared_estate

__all__ = ["estate", "no_pauses", "shared_estate"]

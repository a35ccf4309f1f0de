# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of this room."""

from __future__ import annotations

from tests.unit.plugins.module_utils.scutum_kit import alone, scutum

__all__ = ["alone", "scutum"]

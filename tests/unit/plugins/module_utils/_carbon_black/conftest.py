# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of this room."""

from __future__ import annotations

from tests.unit.plugins.module_utils.carbon_black_kit import sandbox, shared_logs
from tests.unit.plugins.module_utils.qualys_kit import no_pauses

__all__ = ["no_pauses", "sandbox", "shared_logs"]

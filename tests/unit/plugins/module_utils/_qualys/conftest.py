# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of this room."""

from __future__ import annotations

from tests.unit.plugins.module_utils.auth_record_kit import records, running
from tests.unit.plugins.module_utils.qualys_kit import empty, estate, no_pauses, sandbox, shared_estate

__all__ = ["empty", "estate", "no_pauses", "records", "running", "sandbox", "shared_estate"]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: listed, counted, one in full (docs/vendors/qualys_was.md 13).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from ..._records.result import Result
from ..api.client import QualysClient
from ..resource import resource_info
from ..resource.resource import Written
from .schedule import SCHEDULE


def run(params: Written, client: QualysClient, _check_mode: bool) -> Result:
    """Logic of ``qualys_was_schedule_info``. Reads only, so that check mode changes nothing."""
    return resource_info.run(SCHEDULE, params, client)

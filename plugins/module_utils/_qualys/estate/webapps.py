# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many web applications in one task (docs/vendors/qualys_was.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

from ..._records.result import Result
from ..api.client import QualysClient
from ..resource import resources
from ..resource.resource import Written
from .webapp import WEBAPP


def run(params: Written, client: QualysClient, check_mode: bool) -> Result:
    """Logic of ``qualys_was_webapps``.

    Raises:
        PerimeterError: any of the collection's errors.
    """
    return resources.run(WEBAPP, params, client, check_mode)

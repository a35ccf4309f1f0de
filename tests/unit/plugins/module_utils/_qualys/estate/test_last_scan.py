# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last scan of a web application: its status stands beside it (docs/vendors/qualys_was.md 9.2)."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import from_raw

SCAN = {"id": 7, "name": "nightly", "summary": {"resultsStatus": "NO_HOST_ALIVE", "authStatus": "NONE"}}


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ({"lastScan": SCAN, "lastScanStatus": "ERROR"}, "ERROR"),
        ({"lastScan": SCAN | {"status": "FINISHED"}}, "FINISHED"),
        ({"lastScan": SCAN}, None),
    ],
)
def test_status(raw: dict[str, Any], status: str | None) -> None:
    assert from_raw({"id": 1, **raw})["last_scan"]["status"] == status


def test_never_scanned() -> None:
    assert from_raw({"id": 1, "lastScanStatus": "NONE"})["last_scan"] is None

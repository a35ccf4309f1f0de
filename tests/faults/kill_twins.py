# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As ``kill_collect.py``, for a service with rows of the same key and different contents: Carbon Black.

Windows are cut at a few rows, so that most runs are killed between two parts of a dense window. Rows are added while a
run reads: late ones, and twins that agree in everything but their counts.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".build")]

from tests.faults.kill_collect import (  # noqa: E402
    FAULTS,
    LAG_S,
    LOOKBACK_HOURS,
    STEP_MINUTES,
    Campaign,
    Content,
    do_not_wait,
    main,
)
from tests.sandbox.carbon_black.rows import Row  # noqa: E402

PAGE_ROWS, MOST_ROWS = 4, 24
OVERLAP_S = 600
"""The service's default, of the collector."""


def collect_once(begin: Callable[[], None], url: str, folder: str, now: str, compress: bool) -> str:
    """What the killed process does: one run of the collector; returns its error."""
    from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import client, export, listing

    moment = dt.datetime.fromisoformat(now)
    do_not_wait()
    listing.MAX_ROWS, listing.AIM, listing.PAGE_ROWS = MOST_ROWS, MOST_ROWS // 2, PAGE_ROWS
    listing.Search.__init__.__defaults__ = (None, listing.OLDEST_FIRST, PAGE_ROWS)
    params: dict[str, Any] = {
        "api_url": url, "org_key": "ABCD1234", "api_id": "APIID00001", "api_secret_key": "SECRETSECRETSECRET000001",
        "timeout": 30, "retries": 10, "max_wait": 600, "criteria": None, "search": None, "malware_findings": True,
        "sensitive": "redact", "include_raw": False, "dest": f"{folder}/stream", "state_dir": f"{folder}/state",
        "first_run": "lookback", "lookback": f"{LOOKBACK_HOURS}h", "lag": f"{LAG_S}s", "compress": compress,
    }  # fmt: skip
    with client.connect(params, {}) as connected:
        begin()
        return str(export.run(params, connected, False, clock=lambda: moment).error or "")


class TwinCampaign(Campaign):
    """Rows of the same key and different contents."""

    WORK = staticmethod(collect_once)
    SETTINGS = {"carbon_black": {"records": 800, "days": 1}}
    FAULTS = FAULTS

    def meddle(self) -> None:
        """Late rows, and now and then a twin of the newest."""
        room = self.sandbox.carbon_black
        room.add_rows(self.random.randint(0, 2), LAG_S + self.random.uniform(0, OVERLAP_S - 5))
        if self.random.random() < 0.3:
            room.add_twins(1)

    def go_on(self) -> None:
        """Time passes, and rows arrive: new ones, twins, and late ones that are within the overlap."""
        self.meddle()
        self.sandbox.log_clock.advance(STEP_MINUTES * 60)
        self.now += dt.timedelta(minutes=STEP_MINUTES)
        count = self.random.randint(10, 40)
        self.sandbox.carbon_black.add_rows(count, 0, STEP_MINUTES * 60 / count)
        self.sandbox.carbon_black.add_twins(2)

    def contents(self, rows: list[Row]) -> set[Content]:
        """Keys with their contents, findings of malware included."""
        from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import export, normalise

        found: set[Content] = set()
        for row in rows:
            key, content = normalise.row_id_of(row.shown), export.row_content_of(row.shown)
            found.add((key, content))
            if row.shown["has_malware"]:
                found.add((f"{key}-malware", content))
        return found

    def expected(self) -> tuple[set[Content], set[Content]]:
        """What must be there, and what may be: the same, for the time that was to be collected."""
        start = (self.promised or self.now) - dt.timedelta(hours=LOOKBACK_HOURS)
        end = self.now - dt.timedelta(seconds=LAG_S)
        found = self.contents([row for row in self.sandbox.carbon_black.rows if start <= row.time < end])
        return found, found


if __name__ == "__main__":
    sys.exit(main(TwinCampaign, __doc__))

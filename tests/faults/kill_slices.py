# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As ``kill_collect.py``, for a service whose logs come in the order of their times: Scutum.

Pages are small, and are committed in short slices, so that most runs are killed between two of them. Logs are added
while a run reads, late ones too, and markers expire.
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
    OVERLAP_S,
    STEP_MINUTES,
    Campaign,
    Content,
    do_not_wait,
    main,
)
from tests.sandbox import Sandbox  # noqa: E402
from tests.sandbox.scutum.seed import Alert  # noqa: E402

PAGE_SIZE = 4
SLICE_PAGES = 3


def collect_once(begin: Callable[[], None], url: str, folder: str, now: str, compress: bool) -> str:
    """What the killed process does: one run of the collector; returns its error."""
    from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import alert_export, client
    from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk import reader

    moment = dt.datetime.fromisoformat(now)
    do_not_wait()
    client.PER_SECONDS = 0.001
    reader.SLICE_PAGES = SLICE_PAGES
    params: dict[str, Any] = {
        "api_url": url, "api_key": "sandbox-scutum-key-0001", "scutum_host": "www.example.jp", "scutum_id": "ABC1234",
        "timeout": 30, "retries": 10, "max_wait": 600, "ip": None, "details": "none", "details_limit": None,
        "sensitive": "redact", "include_raw": False, "dest": f"{folder}/stream", "state_dir": f"{folder}/state",
        "first_run": "lookback", "lookback": f"{LOOKBACK_HOURS}h", "lag": f"{LAG_S}s", "compress": compress,
    }  # fmt: skip
    with client.connect(params, {}) as connected:
        begin()
        return str(alert_export.run(params, connected, False, clock=lambda: moment).error or "")


class AlertCampaign(Campaign):
    """Logs in order, in slices."""

    WORK = staticmethod(collect_once)
    SETTINGS = {"scutum": {"records": 2000, "days": 1, "page_size": PAGE_SIZE}}
    FAULTS = FAULTS

    def __init__(self, sandbox: Sandbox, folder: str, seed: int) -> None:
        super().__init__(sandbox, folder, seed)
        sandbox.switches["scutum_rate_limit"] = 0

    def meddle(self) -> None:
        """Late logs, and now and then a marker that is refused."""
        room = self.sandbox.scutum
        room.add(self.random.randint(0, 2), LAG_S + self.random.uniform(0, OVERLAP_S - 5))
        if self.random.random() < 0.2:
            room.expire_markers(1)

    def go_on(self) -> None:
        """Time passes, and logs arrive: new ones, and late ones that are within the overlap."""
        self.meddle()
        self.sandbox.log_clock.advance(STEP_MINUTES * 60)
        self.now += dt.timedelta(minutes=STEP_MINUTES)
        for _number in range(self.random.randint(20, 60)):
            self.sandbox.scutum.add(1, self.random.uniform(0, STEP_MINUTES * 60))

    def contents(self, alerts: list[Alert]) -> set[Content]:
        """Keys with their contents."""
        from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import content_hash

        return {(item.log_id, content_hash(item.row())) for item in alerts}

    def expected(self) -> tuple[set[Content], set[Content]]:
        """What must be there, and what may be: the same, for the time that was to be collected."""
        start = (self.promised or self.now) - dt.timedelta(hours=LOOKBACK_HOURS)
        end = self.now - dt.timedelta(seconds=LAG_S)
        found = self.contents([item for item in self.sandbox.scutum.alerts if start <= item.ts < end])
        return found, found


if __name__ == "__main__":
    sys.exit(main(AlertCampaign, __doc__))

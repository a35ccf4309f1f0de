# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As ``kill_collect.py``, for a service that knows days only and whose rows change: Indusface.

Each run reads the open days again. Between two runs, and while one reads, scan logs are added (late ones too), and scan
logs and findings of the open days change. The union of all segments must hold each version that stands in the end
once, no version twice, and none that never was.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".build")]

from tests.faults.kill_collect import ANCHOR, Campaign, Content, do_not_wait, main  # noqa: E402
from tests.sandbox import Sandbox  # noqa: E402
from tests.sandbox.indusface.seed import ScanLog  # noqa: E402

LOOKBACK_DAYS = 4
OVERLAP_DAYS = 2
STEP_HOURS = 5


def collect_once(begin: Callable[[], None], url: str, folder: str, now: str, compress: bool) -> str:
    """What the killed process does: one run of the collector; returns its error."""
    from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import client, scan_log_export

    moment = dt.datetime.fromisoformat(now)
    do_not_wait()
    client.PER_SECONDS = 0.001
    params: dict[str, Any] = {
        "api_url": url, "access_key": "AKSANDBOX0001", "secret_key": "sk-sandbox-indusface-0001", "timeout": 30,
        "retries": 10, "max_wait": 600, "chunk_days": 1, "sensitive": "redact", "include_raw": False,
        "dest": f"{folder}/stream", "state_dir": f"{folder}/state", "first_run": "lookback",
        "lookback": f"{LOOKBACK_DAYS}d", "compress": compress,
    }  # fmt: skip
    with client.connect(params, {}) as connected:
        begin()
        return str(scan_log_export.run(params, connected, False, clock=lambda: moment).error or "")


class ScanLogCampaign(Campaign):
    """Scan logs that come late, and change."""

    WORK = staticmethod(collect_once)
    SETTINGS = {"indusface": {"records": 60, "days": 12}}
    FAULTS = (
        {"kind": "status", "status": 503, "probability": 0.1, "times": -1},
        {"kind": "status", "status": 429, "probability": 0.1, "times": -1},
        {"kind": "reset", "probability": 0.1, "times": -1},
        {"kind": "truncated_json", "probability": 0.1, "times": -1},
    )

    def __init__(self, sandbox: Sandbox, folder: str, seed: int) -> None:
        super().__init__(sandbox, folder, seed)
        self.versions = self.standing()
        self.version = 0

    def meddle(self) -> None:
        """Late scan logs, and changes within the open days; nothing ever changes back."""
        room = self.sandbox.indusface
        before = len(room.scan_logs)
        room.add(self.random.randint(0, 2), self.random.randint(0, OVERLAP_DAYS))
        self.versions |= self.contents(room.scan_logs[before:])
        first = self.now.date() - dt.timedelta(days=OVERLAP_DAYS)
        open_logs = [item for item in room.scan_logs if item.day >= first]
        for item in self.random.sample(open_logs, min(2, len(open_logs))):
            self.version += 1
            name = item.fields["ScanlogId"]
            if item.alerts and self.random.random() < 0.5:
                room.change_alert(name, 0, {"Title": f"Finding, version {self.version}"})
            else:
                room.change(name, {"TotalFoundVulnerabilities": self.version})
            # Each of them may be read before the next change.
            self.versions |= self.contents([item])

    def go_on(self) -> None:
        """Time passes, over a midnight now and then."""
        self.meddle()
        self.sandbox.log_clock.advance(STEP_HOURS * 3600)
        self.now += dt.timedelta(hours=STEP_HOURS)

    def contents(self, scan_logs: list[ScanLog]) -> set[Content]:
        """Keys with their contents of scan logs and their findings, as the sandbox shows them at this moment."""
        from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import rows

        found: set[Content] = set()
        for row in rows.scan_rows_of([self.sandbox.indusface._spelled(item) for item in scan_logs]):
            found.add((rows.scan_key(row), rows.scan_content(row)))
            found.update((key, rows.alert_content(alert)) for key, alert in rows.alert_keys(row))
        return found

    def standing(self) -> set[Content]:
        """What the days hold at this moment that are collected since the first durable run."""
        first = (self.promised or ANCHOR).date() - dt.timedelta(days=LOOKBACK_DAYS)
        return self.contents([item for item in self.sandbox.indusface.scan_logs if item.day >= first])

    def expected(self) -> tuple[set[Content], set[Content]]:
        """What must be there, and what may be: a version that was replaced may have been read before, or not."""
        return self.standing(), self.versions


if __name__ == "__main__":
    sys.exit(main(ScanLogCampaign, __doc__))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One stream of Edgecast's events for the tests of faults: runs in this process or in one of their own, and a judge."""

from __future__ import annotations

import collections
import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import export
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.fields import event_content_of
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
ANCHOR = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
LOOKBACK = 6 * HOUR
LAG = dt.timedelta(minutes=2)
TOKEN = "11111111-2222-3333-4444-555555555555"
EVENTS_PER_DAY = 3_000
export.WIDEST = dt.timedelta(minutes=30)  # or so few events would be one window, and no run would have a middle
COLLECT = """
import datetime, json, resource, sys
from tests.conftest import make_import_tree
sys.path.insert(0, str(make_import_tree()))
from tests.faults.event_stream import collect
params, now, largest = json.load(sys.stdin)
if largest:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
print("begin", flush=True)
result = collect(params, datetime.datetime.fromisoformat(now))
print(json.dumps({"error": str(result.error or ""), **result.values}), flush=True)
"""


def collect(params: dict[str, Any], now: dt.datetime) -> Result:
    """One run of the collector by a clock that stands."""
    with connect(params, {}) as client:
        return export.run(params, client, False, clock=lambda: now)


class EventStream:
    """A directory and a state folder, and the sandbox whose events go there."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.dest = folder / "stream"
        self.state = folder / "state"
        self.now = ANCHOR

    def params(self, **options: Any) -> dict[str, Any]:
        """The options of ``edgecast_waf_event_export`` as the module hands them over."""
        return {
            "api_url": self.sandbox.url, "account_number": "0001", "token": TOKEN, "timeout": 30, "retries": 1,
            "max_wait": 30, "dest": str(self.dest), "state_dir": str(self.state), "first_run": "lookback",
            "lookback": f"{LOOKBACK // HOUR}h", "event_filters": None, "sensitive": "redact", "include_raw": False,
            **options,
        }  # fmt: skip

    def run(self, **options: Any) -> Result:
        """One run in this process."""
        return collect(self.params(**options), self.now)

    def start(self, *, largest: int = 0) -> subprocess.Popen[str]:
        """One run in a process of its own, which has begun; no file of it may be larger than this."""
        process = subprocess.Popen(
            [sys.executable, "-c", COLLECT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "no_proxy": "*"},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([self.params(), self.now.isoformat(), largest]))
        process.stdin.close()
        process.stdin = None
        assert process.stdout.readline() == "begin\n"
        return process

    def outcome(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """What a process of its own returned."""
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return dict(json.loads(out))

    def goes_on(self) -> None:
        """The next run, with nothing wrong any more, completes the stream: each event is there once."""
        result = self.run()
        assert result.error is None, result.error
        assert result.values["complete"]
        self.holds_each_once()

    def holds_each_once(self, until: dt.datetime | None = None) -> None:
        """Every event of the time up to this, the lag before now unless given, stands in the segments once."""
        end = (until or self.now - LAG).timestamp() * 1e6
        begin = (ANCHOR - LOOKBACK).timestamp() * 1e6
        store = self.sandbox.edgecast.store
        expected: collections.Counter[tuple[str, str]] = collections.Counter()
        for number in range(store.seed.records + len(store._added)):
            if begin <= store.time_us(number) < end:
                event = json.loads(store.text(number))
                expected[event["id"], event_content_of(event)] += 1
        # How far a run comes before a disk is full depends on which window is ready first.
        assert until is not None or len(expected) > 100
        assert self.records() == expected

    def records(self) -> collections.Counter[tuple[str, str]]:
        """How often each (key, content) stands in the segments."""
        files = sorted(self.dest.glob("dt=*/[!._]*"))
        records = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
        return collections.Counter((record["key"], record["content"]) for record in records)

    def position_file(self) -> Path:
        """Where the position is."""
        (path,) = (self.state / "collect").glob("edgecast-*.json")
        return path

    def files(self) -> dict[str, bytes]:
        """Everything that is on the disk, lock files excepted."""
        paths = [path for root in (self.dest, self.state) for path in root.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in paths if not path.name.endswith(".lock")}

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the collector at random instants, and see that nothing is lost and nothing is there twice.

A real process collects the event log of Edgecast from the sandbox, which has faults on, and to which events are added:
new ones, late ones, and late ones between two pages, which shifts the pages. It is killed with SIGKILL, the clock moves
on, and the next one begins. In the end one may finish. The union of all segments must then hold each event once, as the
sandbox has it. ``--kills`` says how often, ``--seed`` repeats a campaign.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import gzip
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Content = tuple[str, str]
"""Key and hash of a record."""
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".build")]

from tests.conftest import make_import_tree  # noqa: E402
from tests.faults.forks import Fork  # noqa: E402
from tests.sandbox import Sandbox  # noqa: E402

ANCHOR = dt.datetime(2026, 11, 20, 20, tzinfo=dt.UTC)
"""Four hours before midnight, so that most runs cross a few of them."""
LOOKBACK_HOURS = 2
STEP_MINUTES = 25
LAG_S, OVERLAP_S = 120, 300
WINDOW_MINUTES = 40
"""Long, so that some are dense and cut. Longer than the overlap, which would otherwise read again what a wrong order of
commits has lost."""
SLICE_PAGES = 6
"""Pages of a window that is not cut."""
PAGE_SIZE = 5
"""Events a page instead of 1,000, so that a window has several pages, which can shift."""
MEDDLING = 4
"""How often something changes while a collector reads."""
FAULTS = (
    {"kind": "status", "status": 503, "probability": 0.03, "times": -1},
    {"kind": "status", "status": 429, "probability": 0.03, "times": -1},
    {"kind": "reset", "probability": 0.03, "times": -1},
    {"kind": "truncated_json", "probability": 0.02, "times": -1},
    {"kind": "duplicate_record", "probability": 0.05, "times": -1},
)


def collect_once(begin: Callable[[], None], url: str, folder: str, now: str, compress: bool) -> str:
    """What the killed process does: one run of the collector.

    Returns:
        An error of the service that ended it early, as the faults make some do, or nothing.
    """
    from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import export
    from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import connect

    moment = dt.datetime.fromisoformat(now)
    do_not_wait()
    export.WIDEST = dt.timedelta(minutes=WINDOW_MINUTES)
    export.SLICE_PAGES = SLICE_PAGES
    export.Question.__init__.__defaults__ = (PAGE_SIZE, None)
    token = "11111111-2222-3333-4444-555555555555"
    params: dict[str, Any] = {
        "api_url": url, "account_number": "0001", "token": token, "timeout": 30, "retries": 10, "max_wait": 600,
        "event_filters": None, "sensitive": "redact", "include_raw": False, "dest": f"{folder}/stream",
        "state_dir": f"{folder}/state", "first_run": "lookback", "lookback": f"{LOOKBACK_HOURS}h", "compress": compress,
    }  # fmt: skip
    with connect(params, {}) as client:
        begin()
        return str(export.run(params, client, False, clock=lambda: moment).error or "")


def do_not_wait() -> None:
    """What is killed shall be at work: the pauses between tries are waited for elsewhere."""
    from ansible_collections.appsec.perimeter.plugins.module_utils._http import governor

    real = governor.WaitBudget.wait
    governor.WaitBudget.wait = lambda self, _seconds, *, reason="": real(self, 0.001, reason=reason)


class Campaign:
    """The sandbox, the directory, and one run after the other."""

    WORK: Callable[..., str] = staticmethod(collect_once)
    """What the killed process does."""
    SETTINGS: dict[str, Any] = {"edgecast": {"records": 2000, "days": 1}}
    FAULTS: tuple[dict[str, Any], ...] = FAULTS

    def __init__(self, sandbox: Sandbox, folder: str, seed: int) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.random = random.Random(seed)
        self.now = ANCHOR
        self.promised: dt.datetime | None = None
        """When the first run began that left something durable: nothing is promised for an earlier one."""
        self.killed_at_work = 0
        self.duration = 0.5

    def start(self, *, new: bool = False) -> Fork:
        """A collector that has begun to work; ``new``: in a new Python."""
        compress = self.random.random() < 0.5
        return Fork(self.WORK, self.sandbox.url, self.folder, self.now.isoformat(), compress, new=new)

    def note_what_is_durable(self, begun: dt.datetime) -> None:
        """Remember when the first run began that left a segment or a position."""
        if self.promised is None and any(
            [*Path(self.folder, "stream").glob("dt=*/[!._]*"), *Path(self.folder, "state").rglob("*.json")]
        ):
            self.promised = begun

    def finish(self) -> None:
        """One run that may end, without faults."""
        self.sandbox.faults.clear()
        error = self.start(new=True).result(120)
        self.note_what_is_durable(self.now)
        if error:
            raise SystemExit(f"the collector failed: {error}")

    def kill_one(self) -> None:
        """One run that is killed, at an instant between its beginning and a bit after its usual end."""
        moment = self.now
        process = self.start()
        begun = time.monotonic()
        instant = self.random.uniform(0, self.duration * 1.1)
        for _part in range(MEDDLING):
            process.ended(instant / MEDDLING)
            self.meddle()
        if process.ended(0):
            # How long an undisturbed run takes, for instants that are spread over it.
            self.duration = (self.duration + time.monotonic() - begun) / 2
        else:
            self.killed_at_work += 1
        process.kill()
        self.note_what_is_durable(moment)

    def meddle(self) -> None:
        """Something changes while the collector reads: late events, which shift the pages."""
        late = LAG_S + self.random.uniform(0, OVERLAP_S - 5)
        self.sandbox.edgecast.add_events(self.random.randint(0, 2), late, 0.1)

    def go_on(self) -> None:
        """Time passes, and events arrive: new ones, and late ones that are within the overlap."""
        self.meddle()
        self.sandbox.log_clock.advance(STEP_MINUTES * 60)
        self.now += dt.timedelta(minutes=STEP_MINUTES)
        count = self.random.randint(20, 60)
        self.sandbox.edgecast.add_events(count, 0, STEP_MINUTES * 60 / count)

    def expected(self) -> tuple[set[Content], set[Content]]:
        """Keys with their contents for the time that was to be collected: what must be there, and what may be."""
        from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.fields import event_content_of

        start = ((self.promised or self.now) - dt.timedelta(hours=LOOKBACK_HOURS)).timestamp() * 1e6
        end = (self.now - dt.timedelta(seconds=LAG_S)).timestamp() * 1e6
        store = self.sandbox.edgecast.store
        found = set()
        for number in range(store.seed.records + len(store._added)):
            if start <= store.time_us(number) < end:
                event = json.loads(store.text(number))
                found.add((event["id"], event_content_of(event)))
        return found, found

    def found(self) -> collections.Counter[Content]:
        """How often each (key, content) is in the segments."""
        count: collections.Counter[Content] = collections.Counter()
        for path in Path(self.folder, "stream").glob("dt=*/[!._]*"):
            data = path.read_bytes()
            for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines():
                record = json.loads(line)
                count[record["key"], record["content"]] += 1
        return count


def campaign(kills: int, seed: int, kind: type[Campaign] = Campaign) -> str:
    """Kill a collector so often while it is at work.

    Returns:
        A sentence on what was seen.

    Raises:
        SystemExit: something was lost, or is there twice; the seed is in the message.
    """
    make_import_tree()
    anchor = ANCHOR.isoformat().replace("+00:00", "Z")
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(findings=0, webapps=1, seed=seed, latency_ms=4, log_anchor=anchor, **kind.SETTINGS) as sandbox,
    ):
        sandbox.faults.add(*kind.FAULTS)
        run = kind(sandbox, folder, seed)
        runs = 0
        while run.killed_at_work < kills:
            run.kill_one()
            run.go_on()
            runs += 1
        run.finish()
        found, (must, may) = run.found(), run.expected()
        fired = sum(sandbox.counters.snapshot()["faults_fired"].values())
        if sandbox.counters.internal_errors:
            raise SystemExit(f"seed {seed}: the sandbox has a defect")
    twice = [item for item, times in found.items() if times > 1]
    lost, strange = must - found.keys(), found.keys() - may
    if twice or lost or strange:
        raise SystemExit(
            f"seed {seed}: {len(lost)} lost, {len(twice)} twice, {len(strange)} strange: {[*lost, *twice][:3]}"
        )
    return f"{runs} runs, {kills} of them killed at work, {fired} faults: each of {len(found)} records is there once."


def main(kind: type[Campaign], about: str | None) -> int:
    """Entry point of a campaign."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    print(campaign(options.kills, seed, kind))
    return 0


if __name__ == "__main__":
    sys.exit(main(Campaign, __doc__))

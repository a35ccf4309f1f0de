# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the lake at random instants, and see that each day is there as a whole, with the newest content of each key.

A real process writes the lake of a stream, to which records are added meanwhile: new days, late records, and changed
ones. It is killed with SIGKILL, and after each kill every Parquet file that an engine would read is whole. From time to
time the segments of a day are removed, once the lake has them. In the end one run may finish: then the lake holds of
each key what came last. ``--kills`` says how often, ``--seed`` repeats a campaign.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / ".build")]

from tests.conftest import make_import_tree  # noqa: E402
from tests.faults.forks import Fork  # noqa: E402

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
RECORDS = 400
"""Records of a new day."""


def write_once(begin: Callable[[], None], folder: str, today: str) -> None:
    """What the killed process does: one run of the module's logic.

    Raises:
        SystemExit: it has an error, or warnings.
    """
    from tests.unit.plugins.module_utils.lake_kit import lake

    begin()
    now = dt.datetime.fromisoformat(today)
    result = lake(Path(folder, "lake"), [Path(folder, "stream")], now=now)
    if result.error or result.warnings:
        raise SystemExit(f"{result.error} {result.warnings}")


class Campaign:
    """The stream, what was written to it, and one run after the other."""

    def __init__(self, folder: str, seed: int) -> None:
        from tests.unit.plugins.module_utils.lake_kit import StreamFolder

        self.folder = folder
        self.random = random.Random(seed)
        self.stream = StreamFolder(Path(folder, "stream"), compress=True)
        self.days = 0
        self.truth: dict[str, tuple[dt.date, str]] = {}
        self.killed_at_work = 0
        self.removed = 0
        self.duration = 0.5

    def add_day(self) -> None:
        """One more day is over."""
        self.add([(self.days, number) for number in range(RECORDS)])
        self.days += 1

    def add(self, places: list[tuple[int, int]]) -> None:
        """Commit records, given as day and number, each with a content of its own."""
        from tests.unit.plugins.module_utils.lake_kit import event

        by_day: dict[int, list[dict[str, Any]]] = {}
        for day, number in places:
            record = event(day * RECORDS * 2 + number, START + day * DAY, content=f"{self.random.getrandbits(64):016x}")
            by_day.setdefault(day, []).append(record)
            self.truth[record["key"]] = (START + day * DAY).date(), record["content"]
        for day, records in by_day.items():
            self.stream.add(records, START + day * DAY)

    def go_on(self) -> None:
        """Records arrive: of a new day, late ones, and changed ones."""
        if self.random.random() < 0.5:
            self.add_day()
        late = [(self.random.randrange(self.days), self.random.randrange(RECORDS * 2)) for _item in range(5)]
        self.add(late)

    def start(self, *, new: bool = False) -> Fork:
        """A run that has begun to work; ``new``: in a new Python."""
        return Fork(write_once, self.folder, (START + self.days * DAY).isoformat(), new=new)

    def kill_one(self) -> None:
        """One run that is killed, at an instant between its beginning and a bit after its usual end."""
        process = self.start()
        begun = time.monotonic()
        if process.ended(self.random.uniform(0, self.duration * 1.1)):
            self.duration = (self.duration + time.monotonic() - begun) / 2
        else:
            self.killed_at_work += 1
            self.duration *= 1.02  # on a slow machine, later instants have to come up too
        process.kill()

    def finish(self) -> None:
        """One run that may end."""
        self.start(new=True).result(120)

    def remove_a_day(self) -> None:
        """The segments of a day are removed, as ``retain_days`` of an export does, once the lake has them."""
        self.finish()
        day = (START + self.random.randrange(self.days) * DAY).date()
        for path in self.stream.segments(day):
            path.unlink()
        self.removed += 1

    def found(self) -> dict[str, tuple[dt.date, str]]:
        """What an engine reads.

        Raises:
            SystemExit: a key is there twice.
        """
        import duckdb

        files = sorted(map(str, Path(self.folder, "lake").glob("record=*/*/*/*.parquet")))
        if not files:
            return {}
        with duckdb.connect(":memory:") as database:
            query = "SELECT key, dt, content FROM read_parquet(?, hive_partitioning = true)"
            rows = database.execute(query, [files]).fetchall()
        found = {key: (day, content) for key, day, content in rows}
        if len(found) != len(rows):
            raise SystemExit(f"{len(rows) - len(found)} records are there twice")
        return found


def campaign(kills: int, seed: int) -> str:
    """Kill the lake so often while it is at work.

    Returns:
        A sentence on what was seen.

    Raises:
        SystemExit: something was lost, or is there twice.
    """
    make_import_tree()
    with tempfile.TemporaryDirectory() as folder:
        run = Campaign(folder, seed)
        run.add_day()
        run.add_day()
        runs = 0
        while run.killed_at_work < kills:
            run.kill_one()
            unknown = run.found().keys() - run.truth.keys()
            if unknown:
                raise SystemExit(f"seed {seed}: {len(unknown)} records come from nowhere")
            run.go_on()
            runs += 1
            if runs % 4 == 0:
                run.remove_a_day()
        run.finish()
        found = run.found()
        left = [path for path in Path(folder, "lake").rglob("*") if path.name.endswith(".tmp") or path.name == "work"]
    lost = {key for key, value in run.truth.items() if found.get(key) != value}
    if lost or left or found.keys() - run.truth.keys():
        raise SystemExit(f"seed {seed}: {len(lost)} records are lost or old, and {left} are left")
    return (
        f"{runs} runs, {kills} of them killed at work, {run.removed} days removed from the stream:"
        f" the newest content of each of {len(found)} records is there once."
    )


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    print(campaign(options.kills, seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())

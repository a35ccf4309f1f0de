# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the history that are killed at random instants: the store is as before the run, or as after it.

Each day the estate changes. A run is begun, killed, and begun again until it ends; in between the store is looked at.
In the end it has to be, row by row, what a store is that was fed with the same days and never disturbed.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from pathlib import Path
from typing import Any

from tests.unit.plugins.module_utils.history_kit import BLOG, Desk, finding, scan, time_of

FINDINGS = 400
DAYS = 3
"""At least; each has a run that ends."""
STATUSES = ("new", "open", "reopened", "fixed", "protected")
SEVERITIES = ("critical", "high", "medium", "low")


class Estate:
    """Findings that change from day to day."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._records = {number: finding(number) for number in range(FINDINGS)}

    def of_day(self, day: int) -> list[dict[str, Any]]:
        """The findings of a day: some are changed, some are gone, and some are back."""
        for number in self._chance.sample(sorted(self._records), 60):
            status = self._chance.choice(STATUSES)
            self._records[number] = finding(
                number,
                status=status,
                severity=self._chance.choice(SEVERITIES),
                fixed_at=time_of(day) if status == "fixed" else None,
                asset=self._chance.choice((finding()["asset"], BLOG)),
            )
        missing = set(self._chance.sample(sorted(self._records), 20))
        return [record for number, record in self._records.items() if number not in missing]


def begin(desk: Desk, findings: list[dict[str, Any]], day: int) -> int:
    """A run in a process of its own; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        record(desk, findings, day)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
        traceback.print_exc()
    finally:
        os._exit(code)


def record(desk: Desk, findings: list[dict[str, Any]], day: int) -> Any:
    """One run."""
    return desk.run(findings, day, run_id=str(day), scans=[scan(number) for number in range(day + 1)])


def ended(child: int, instant: float) -> bool:
    """Whether a process ended before an instant, at which it is killed otherwise."""
    until = time.monotonic() + instant
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            if status:
                raise SystemExit(f"the run failed with status {status}")
            return True
        if time.monotonic() >= until:
            os.kill(child, signal.SIGKILL)
            _found, status = os.waitpid(child, 0)
            # It may have ended in this very moment.
            return status == 0
        time.sleep(0.001)


def campaign(kills: int, seed: int, folder: Path, url: str | None = None) -> str:
    """Kill runs so often while they are at work.

    Args:
        kills: how often.
        seed: of everything that is left to chance.
        folder: for the exports and the stores.
        url: the database; None for a SQLite file.

    Raises:
        SystemExit: something was lost, is there twice, or is there by half; the seed is in the message.
    """
    chance = random.Random(seed)
    places = [folder / name for name in ("killed", "calm")]
    for place in places:
        place.mkdir()
    desk, calm = Desk(places[0], url), Desk(places[1])
    estate, killed, duration, day = Estate(chance), 0, 0.3, 0
    record(desk, [], 0)
    record(calm, [], 0)
    while killed < kills or day < DAYS:
        day += 1
        findings = estate.of_day(day)
        before = desk.everything()
        record(calm, findings, day)
        after = calm.everything()
        while True:
            began = time.monotonic()
            child = begin(desk, findings, day)
            if ended(child, chance.uniform(0, duration * 1.1)):
                duration = (duration + time.monotonic() - began) / 2
                break
            killed += 1
            # One that is killed often goes on for longer, so that the campaign gets on.
            duration *= 1.2
            seen = desk.everything()
            if seen not in (before, after):
                raise SystemExit(f"seed {seed}: the store is neither as before nor as after the run of day {day}")
        if desk.everything() != after:
            raise SystemExit(f"seed {seed}: after day {day} the store is not what it would be without kills")
    return f"{day} days, {killed} kills: each of {len(after['observations'])} observations is there once."

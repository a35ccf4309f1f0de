# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that takes its time at the vendor: it moves with each look at it, or with the clock.

A record that is under way has ``_looks`` (how often it was shown since) and ``_started``. Looks are counted after the
answer, so the first look shows the first state.
"""

from __future__ import annotations

from datetime import datetime

from ..tables import Record
from .world import World


def begin(world: World, record: Record) -> None:
    """The work starts now."""
    record["_looks"] = 0
    record["_started"] = world.now()


def look(record: Record) -> None:
    """The record was shown."""
    record["_looks"] = record.get("_looks", 0) + 1


def position(world: World, record: Record, kind: str, stages: int) -> int:
    """How many of ``stages`` are over, by the switches ``progress``, ``<kind>_polls`` and ``<kind>_seconds``."""
    if world.switches["progress"] == "polls":
        polls = world.switches.number(f"{kind}_polls")
        return stages if polls == 0 else min(stages, record.get("_looks", 0) // polls)
    seconds = world.switches.number(f"{kind}_seconds")
    started = datetime.fromisoformat(str(record.get("_started", world.now())).replace("Z", "+00:00"))
    world.now()  # puts the clock into its mode
    elapsed = (world.clock.now() - started).total_seconds()
    return stages if seconds == 0 else max(0, min(stages, int(elapsed * stages / seconds)))

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Retests of findings: UNDER_RETEST, then RETESTED with what was found."""

from __future__ import annotations

from ..tables import Record
from . import progress
from .world import World


def under_way(record: Record) -> bool:
    """Whether a retest of the finding is running."""
    return bool((record.get("retest") or {}).get("retestStatus") == "UNDER_RETEST")


def start(world: World, record: Record) -> None:
    """Begin a retest; its outcome is the next one that was asked for, or the switch."""
    state = world.state
    outcome = state.retest_outcomes.popleft() if state.retest_outcomes else world.switches["retest_outcome"]
    record["_outcome"] = outcome
    record["_before"] = record.get("status", "ACTIVE")
    record["retest"] = {
        "retestStatus": "UNDER_RETEST",
        "retestedDate": world.now(),
        "retestedUser": {"id": world.user_id()},
        "findingStatus": record["_before"],
        "reason": "Requested by API",
    }
    if world.switches.on("retest_in_status"):
        record["status"] = "RETESTING"
    progress.begin(world, record)
    state.retests.add(record["id"])
    settle(world, record)


def seen(world: World, record: Record) -> None:
    """Count a look at the retest; those of the seed begin to move with the first look."""
    if under_way(record):
        if "_started" not in record:
            progress.begin(world, record)
        progress.look(record)
        world.state.retests.add(record["id"])


def settle(world: World, record: Record) -> None:
    """End the retest when its time has come."""
    if not under_way(record):
        world.state.retests.discard(record["id"])
        return
    if progress.position(world, record, "retest", 1) < 1:
        return
    world.state.retests.discard(record["id"])
    _finish(world, record, record.pop("_outcome", None) or world.switches["retest_outcome"])


def _finish(world: World, record: Record, outcome: str) -> None:
    now = world.now()
    before = record.pop("_before", "ACTIVE")
    status = {"fixed": "FIXED", "canceled": before}.get(outcome)
    if status is None:
        status = "REOPENED" if before == "FIXED" else "ACTIVE"
    record["status"] = status
    if outcome != "canceled":
        record["lastTestedDate"] = now
        record["updatedDate"] = now
    if outcome == "fixed":
        record["fixedDate"] = now
    elif outcome == "still_there":
        record.pop("fixedDate", None)
        record["lastDetectedDate"] = now
        record["timesDetected"] = record.get("timesDetected", 0) + 1
    ended = "CANCELED" if outcome == "canceled" else "RETESTED"
    reason = {"fixed": "Not detected any more", "canceled": "Canceled"}.get(outcome, "Still detected")
    record["retest"] = {
        **record["retest"],
        "retestStatus": ended,
        "retestedDate": now,
        "findingStatus": status,
        "reason": reason,
    }

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scan from SUBMITTED to its end (docs/vendors/qualys_was.md 12.3)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..tables import Record
from . import progress, scan_effects
from .scan_outcomes import ENDS, End, checked
from .state import State
from .world import World

RUNNING = ("SUBMITTED", "RUNNING", "PROCESSING", "CANCELING")
STATES = RUNNING[:3]
# lastScan.status of a web application has no word for these.
_LAST = {"PROCESSING": "RUNNING", "CANCELING": "RUNNING"}


def start(world: World, scan: Record) -> None:
    """A scan that is in its table begins."""
    state = world.state
    end = checked(state.scan_outcomes.popleft() if state.scan_outcomes else world.switches["scan_outcome"])
    stages = STATES[: end.stages]
    if not world.switches.on("scan_processing"):
        stages = tuple(word for word in stages if word != "PROCESSING")
    scan["_end"] = asdict(end)
    scan["_stages"] = list(stages)
    scan["_kind"] = "scan"
    progress.begin(world, scan)
    state.running_scans.add(scan["id"])
    _enter(world, scan, "SUBMITTED")
    settle(world, scan)


def cancel(world: World, scan: Record, *, keep: bool) -> None:
    """The scan is called off; ``keep`` keeps what was found so far."""
    scan["_end"] = asdict(ENDS["canceled_with_results" if keep else "canceled"])
    scan["_stages"] = ["CANCELING"]
    scan["_kind"] = "cancel"
    scan["cancelMode"] = "USER"
    scan["canceledBy"] = {"id": world.user_id()}
    progress.begin(world, scan)
    world.state.running_scans.add(scan["id"])
    _enter(world, scan, "CANCELING")
    settle(world, scan)


def seen(world: World, ids: list[int]) -> None:
    """Count a look at each of these scans that is under way."""
    for key in world.state.running_scans.intersection(ids):
        progress.look(world.state.scans[key])


def settle(world: World, scan: Record) -> None:
    """Bring the scan to the state that it has reached by now."""
    stages = scan["_stages"]
    reached = progress.position(world, scan, scan["_kind"], len(stages))
    if reached >= len(stages):
        _finish(world, scan)
    elif stages[reached] != scan["status"]:
        _enter(world, scan, stages[reached])


def settle_all(world: World) -> None:
    """Bring all running scans up to date."""
    for key in sorted(world.state.running_scans):
        scan = world.state.scans.get(key)
        if scan is None:
            world.state.running_scans.discard(key)
        else:
            settle(world, scan)


def _enter(world: World, scan: Record, word: str) -> None:
    scan["status"] = word
    scan["summary"] = {**scan["summary"], "resultsStatus": word}
    note(world.state, scan, _LAST.get(word, word))


def note(state: State, scan: Record, status: str) -> None:
    """Make it the last scan of its web application."""
    app = state.webapps.get(scan["webAppId"])
    if app is None:
        return
    known = app.get("lastScan")
    if known and known["id"] > scan["id"]:
        return
    app["lastScan"] = {
        "id": scan["id"],
        "name": scan["name"],
        "date": scan["launchedDate"],
        "status": status,
        "resultsStatus": scan["summary"]["resultsStatus"],
        "authStatus": scan["summary"]["authStatus"],
    }


def _finish(world: World, scan: Record) -> None:
    end = End(**scan["_end"])
    world.state.running_scans.discard(scan["id"])
    scan["status"] = end.status
    scan["endScanDate"] = world.now()
    scan["scanDuration"] = 0 if end.stages == 1 else 60 + 7 * end.links
    scan["summary"] = _summary(world, scan, end)
    note(world.state, scan, end.last or end.status)
    record = world.state.auth_records.get(scan.get("_auth", 0))
    if record is not None:
        record["lastScan"] = {"date": scan["launchedDate"], "authStatus": scan["summary"]["authStatus"]}
    scan["_detected"] = scan_effects.apply(world, scan, end)


def _summary(world: World, scan: Record, end: End) -> dict[str, Any]:
    seconds = scan["scanDuration"]
    tried = bool(scan.get("_auth")) and end.finds != "none"
    auth = end.auth or ("SUCCESSFUL" if tried else "NONE")
    if world.switches["auth_word_unused"] == "NOT_USED" and auth == "NONE":
        auth = "NOT_USED"
    summary: dict[str, Any] = {"crawlDuration": seconds // 4, "testDuration": seconds - seconds // 4}
    summary.update(linksCrawled=end.links, nbRequests=end.links * 37, resultsStatus=end.results, authStatus=auth)
    if end.finds != "none":
        summary["os"] = "Linux 3.2 - 5.15"
    return summary

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the inputs other than findings: scans, events, matches, history, waivers, and the outcome of each service.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ..inputs.history import read_history
from ..inputs.matches import Matches
from ..inputs.model import Beside
from ..inputs.records import Gaps, paths_of
from ..inputs.scans import read_scan_inputs
from ..inputs.services import read_services
from ..inputs.waivers import read_waivers
from .attacks import AttackTally

Params = t.Mapping[str, t.Any]


def newest_time(beside: Beside) -> str:
    """The newest time of these inputs, for a report without findings; empty when there is none."""
    known = [beside.history.at if beside.history else "", (beside.attacks["last"] if beside.attacks else None) or ""]
    known += [scan.ended or scan.time or "" for scan in beside.scans or ()]
    known += [image.time or "" for image in beside.images or ()]
    return max(known)


def read_beside(params: Params, gaps: Gaps) -> Beside:
    """Read all inputs that do not depend on the findings.

    Raises:
        OptionError: an option is invalid.
        FileError: a file cannot be read, or has the wrong content.
    """
    scans = None if params.get("scans") is None else read_scan_inputs(params["scans"])
    if scans is not None:
        gaps.count += scans.gaps.count
        gaps.listed += scans.gaps.listed
    images = scans.images() if scans is not None else ()
    events, matches = _attacks(params, gaps), _matches(params, gaps)
    history = params.get("history")
    return Beside(
        scans=None if scans is None else scans.scans(),
        # Somebody who scans no images does not want a section that says so.
        images=images or None,
        attacks=events.figures() if events else None,
        hosts=events.host_counts() if events else {},
        matches=matches,
        history=read_history(pathlib.Path(history).expanduser()) if history else None,
        services=read_services(params.get("services") or ()),
    )


def with_waivers(beside: Beside, params: Params, gaps: Gaps, now: str) -> Beside:
    """Add the waivers, whose remaining days count from the time of the data, and the gaps of all inputs."""
    given = params.get("waivers")
    waivers = read_waivers(pathlib.Path(given).expanduser(), now) if given else None
    return dataclasses.replace(beside, waivers=waivers, gaps=tuple(gaps.listed))


def _attacks(params: Params, gaps: Gaps) -> AttackTally | None:
    paths = paths_of(params.get("events"), "events")
    if not paths:
        return None
    tally = AttackTally()
    for path in paths:
        tally.read(path, gaps)
    return tally


def _matches(params: Params, gaps: Gaps) -> Matches | None:
    paths = paths_of(params.get("matches"), "matches")
    if not paths:
        return None
    matches = Matches()
    for path in paths:
        matches.read(path, gaps)
    return matches

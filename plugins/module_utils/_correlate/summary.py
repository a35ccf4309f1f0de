# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a run, and how reliable its events are.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import datetime as dt
import typing as t

from .._base.log_text import short
from .._records.files.duck import Engine
from .._records.model import MATCH_CLASSES, SEVERITIES, Match
from .._records.times import read_time, utc_text
from .findings import Counts
from .job import CorrelationJob

LISTED = 20
"""Maximum number of gaps, hosts and matches in the result."""


class MatchTally:
    """Figures of the matches that were written."""

    def __init__(self) -> None:
        self.classes: collections.Counter[str] = collections.Counter()
        self.attacked: collections.Counter[str] = collections.Counter()
        self.sample: dict[str, list[Match]] = {name: [] for name in MATCH_CLASSES[:-1]}

    def add(self, match: Match, severity: str) -> None:
        """Count one match."""
        name = match["class"]
        self.classes[name] += 1
        if name == MATCH_CLASSES[0]:
            self.attacked[severity] += 1
        listed = self.sample.get(name)
        if listed is not None and len(listed) < LISTED:
            listed.append(match)

    @property
    def matches(self) -> int:
        """Number of matches."""
        return self.classes.total()

    def shown(self) -> list[Match]:
        """A few matches, most important first."""
        return [match for name in self.sample for match in self.sample[name]][:LISTED]


def summary_of(
    job: CorrelationJob,
    counts: Counts,
    tally: MatchTally,
    events: dict[str, t.Any],
    gaps: list[dict[str, t.Any]],
    problems: list[str],
) -> dict[str, t.Any]:
    """The summary that the module returns."""
    return {
        "findings": {
            "read": counts.read,
            "fixed": counts.fixed,
            "repeated": counts.repeated,
            "without_place": counts.without_place,
            "without_family": counts.without_family,
        },
        "classes": {name: tally.classes[name] for name in MATCH_CLASSES},
        "attacked_by_severity": {name: tally.attacked[name] for name in SEVERITIES},
        "events": events,
        "window": {"from": None if job.since is None else utc_text(job.since), "to": utc_text(_second(job.now))},
        "complete": not problems,
        "problems": problems[:LISTED],
        "gaps": gaps[:LISTED],
    }


def _second(moment: dt.datetime) -> dt.datetime:
    return moment.replace(microsecond=0)


def event_figures(engine: Engine) -> dict[str, t.Any]:
    """Counts and span of the events that were read, and the hosts of findings that have no events."""
    found = engine.run("""
        SELECT source, count(*), count(*) FILTER (stopped), count(*) FILTER ("time" IS NULL), min("time"), max("time")
        FROM staged GROUP BY source ORDER BY source
    """)
    scanners = engine.run("SELECT count(*) FROM located WHERE scanner")[0][0]
    silent = engine.run("""
        SELECT host FROM hosts ANTI JOIN (SELECT DISTINCT host FROM located) USING (host) ORDER BY host
    """)
    firsts = [row[4] for row in found if row[4] is not None]
    lasts = [row[5] for row in found if row[5] is not None]
    return {
        "read": sum(row[1] for row in found),
        "stopped": sum(row[2] for row in found),
        "without_time": sum(row[3] for row in found),
        "of_scanners": scanners,
        "by_source": {short(row[0], 40): row[1] for row in found[:LISTED]},
        "first": _text(min(firsts, default=None)),
        "last": _text(max(lasts, default=None)),
        "hosts": engine.run("SELECT count(*) FROM hosts")[0][0],
        "hosts_without_events": len(silent),
        "silent_hosts": [short(host, 200) for (host,) in silent[:LISTED]],
    }


def gaps_of(engine: Engine, job: CorrelationJob) -> list[dict[str, t.Any]]:
    """Return the gaps that overlap the window, oldest first. Gaps with invalid times count as overlapping."""
    found = []
    for source, stream, start, until, reason in engine.run(
        "SELECT DISTINCT source, stream, start, until, reason FROM gaps ORDER BY ALL"
    ):
        end = read_time(until)
        if job.since is None or end is None or end > job.since:
            gap = {"source": source, "stream": stream, "from": start, "to": until, "reason": reason}
            found.append({name: None if value is None else short(value, 200) for name, value in gap.items()})
    return sorted(found, key=lambda item: (item["from"] or "", str(item)))


def problems_of(problems: list[str], gaps: list[dict[str, t.Any]], events: dict[str, t.Any]) -> list[str]:
    """Why events may be missing, as sentences without their full stop."""
    found = list(problems)
    if gaps:
        first = gaps[0]
        where = f"of {first['source']} from {first['from']} to {first['to']}"
        found.append(
            f"the events have {len(gaps)} gaps, the first {where}"
            if len(gaps) > 1
            else f"the events have a gap {where}"
        )
    if not events["read"] and not problems:
        found.append("there are no events in the window")
    return found


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else utc_text(moment.replace(tzinfo=dt.UTC))

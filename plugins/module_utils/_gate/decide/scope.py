# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether the input is complete and fresh enough to judge an application at all.

This module is private to the collection and may change at any time.

Each function yields problems, pairs of a code and a sentence. Any problem makes the application inconclusive, because
its current findings are unknown.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from ..._base.log_text import short
from ..._records.coerce import bounded, mapping, number
from ..._records.files.snapshot_scope import APPLICATION_FIELDS, filter_identity
from ..._records.files.types import SCAN, mistyped
from ..._records.times import read_time
from ..inputs.facts import Record
from ..inputs.records import Problem, scan_time
from ..inputs.snapshots import Snapshot
from ..policy.policy import Policy, Quality

FILTERED = "snapshot_filtered"
"""Code of a reason that decides nothing, but has to be shown."""
CLOCK_SKEW = 60.0
"""Seconds by which the clocks of two machines may differ. Only larger differences between times count."""

_LOGGED_IN = frozenset({"SUCCESSFUL", "SUCCESS"})
_NO_LOGIN = frozenset({"", "NONE", "NOT_USED"})
_ENDS = {
    "no_host_alive": "found no live host",
    "no_web_service": "found no web service",
    "authentication_failed": "could not log in, or only in part",
    "time_limit": "was cut short by its time limit",
    "cancelled": "was cancelled",
    "not_launched": "was not launched",
    "scanner_not_available": "had no scanner available",
    "service_error": "ended with a service error",
    "error": "ended with an error",
    "still_running": "has not ended",
}
_INDUSFACE_ENDS = {
    "partial scan": ("cut_short", "covered only a part (Partial Scan)"),
    "scan error": ("scan_failed", "could not reach the site (Scan Error)"),
}


def snapshot_problems(snapshot: Snapshot, policy: Policy, now: dt.datetime, max_age: float) -> t.Iterator[Problem]:
    """Yield why a snapshot cannot be used: its age, filters that the policy does not list, and missing details."""
    finished = snapshot.time("finished")
    if finished is not None:
        yield from _age_problems(finished, now, max_age, f"{snapshot.path.name} was made", "snapshot")
    if policy.needs_details and (snapshot.manifest or {}).get("detail") == "summary":
        words = "holds summaries, without the weaknesses, categories and scores that the policy uses"
        yield "details_missing", f"{snapshot.path.name} {words}: export it again in more detail"
    asked = set(map(filter_identity, policy.scope.filters))
    for item in _hiding(snapshot):
        if filter_identity(item) not in asked:
            words = f"{snapshot.path.name} has the filter {_shown(item)}, which scope.filters does not list"
            yield "filtered", words


def _hiding(snapshot: Snapshot) -> t.Iterator[Record]:
    """Yield the filters of a snapshot that do more than select applications."""
    for item in snapshot.filters:
        field, operator, _values, _name = filter_identity(item)
        if field not in APPLICATION_FIELDS or operator not in ("EQUALS", "IN"):
            yield item


def _shown(item: Record) -> str:
    field, operator, _values, _name = filter_identity(item)
    return f"{field} {operator} {short(str(item.get('value')), 60)}"


def filters_shown(snapshot: Snapshot, policy: Policy) -> t.Iterator[str]:
    """Yield a sentence for each filter that hides findings and is listed in the policy. Others are problems."""
    asked = set(map(filter_identity, policy.scope.filters))
    for item in _hiding(snapshot):
        if filter_identity(item) in asked:
            yield f"{snapshot.path.name} holds only findings that match the filter {_shown(item)}"


def _age_problems(when: dt.datetime, now: dt.datetime, limit: float, what: str, code: str) -> t.Iterator[Problem]:
    age = (now - when).total_seconds()
    if age > limit:
        yield f"{code}_too_old", f"{what} {_hours(age)} ago, and at most {_hours(limit)} are allowed"
    elif age < -5 * CLOCK_SKEW:
        yield f"{code}_in_the_future", f"{what} in the future, by {_hours(-age)}: a clock is wrong"


def _hours(seconds: float) -> str:
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def names_asked(snapshot: Snapshot, wanted: str = "webApp.name") -> t.Iterator[str]:
    """Yield the names, or the values of another field, of the applications that a snapshot was restricted to."""
    for item in snapshot.filters:
        field, operator, values, _name = filter_identity(item)
        if field == wanted and operator in ("EQUALS", "IN"):
            yield from sorted(values)


def scan_problems(
    scan: Record | None, quality: Quality, before: Record | None, required: bool, now: dt.datetime
) -> t.Iterator[Problem]:
    """Yield why the scan of an application allows no conclusion.

    Args:
        scan: the newest scan, or None.
        quality: the requirements for the scan.
        before: the scan of the baseline run, or None.
        required: whether a missing scan is a problem.
        now: the current time, UTC.
    """
    if scan is None:
        if required:
            yield "scan_missing", "no scan of this application was given, so it is unknown whether it was scanned"
        return
    name = f"scan {short(bounded(scan.get('id')) or bounded(scan.get('name')) or '?', 60)}"
    wrong = mistyped(scan, SCAN)
    if wrong is not None:
        yield "scan_mistyped", f"{name} has a value of the wrong type in {wrong}"
    ended = list(_end_problems(scan, name))
    yield from ended
    yield from _time_problems(scan, name, quality.max_scan_age, now)
    if not ended:
        yield from _login_problems(scan, name, quality, before)
        yield from _crawl_problems(scan, name, quality, before)
        yield from _profile_problems(scan, name, quality, before)


def is_running(scan: Record) -> bool:
    """Whether a scan is still running. Its missing end is then no problem of a snapshot."""
    return scan.get("status") == "running" or scan.get("end_reason") == "still_running"


def _end_problems(scan: Record, name: str) -> t.Iterator[Problem]:
    if scan.get("kind") == "discovery":
        yield "discovery_scan", f"{name} is a discovery scan, which does not test for vulnerabilities"
        return
    if scan.get("kind") != "vulnerability":
        yield "scan_kind_unknown", f"{name} is not marked as a vulnerability scan"
        return
    if str(scan.get("source")).startswith("indusface"):
        words = {str(scan.get(field)).strip().casefold() for field in ("status_native", "results_status")}
        for word, (code, message) in _INDUSFACE_ENDS.items():
            if word in words:
                yield code, f"{name} {message}"
                return
    end, status = scan.get("end_reason"), scan.get("status")
    if isinstance(end, str) and end != "finished":
        code = {"time_limit": "cut_short", "authentication_failed": "authentication_failed"}.get(end, "scan_failed")
        how = _ENDS.get(end, "ended for an unknown reason")
        yield code if end != "still_running" else "scan_running", f"{name} {how}"
    elif status == "finished" and end is None:
        yield "results_processing", f"{name} has finished, but its results are still being processed"
    elif status == "running":
        yield "scan_running", f"{name} has not finished"
    elif status != "finished" or scan.get("conclusive") is not True:
        yield "scan_failed", f"{name} has the status {short(str(status), 40)} and allows no conclusion"


def _time_problems(scan: Record, name: str, limit: float, now: dt.datetime) -> t.Iterator[Problem]:
    yield from scan_age_problems(scan_time(scan), now, limit, name)
    launched = read_time(scan.get("time"))
    if launched is not None and scan.get("ended"):
        # A launch in the future would make this scan newer than every other scan of the application.
        yield from _age_problems(launched, now, float("inf"), f"{name} was launched", "scan")


def scan_age_problems(time: str, now: dt.datetime, limit: float, name: str) -> t.Iterator[Problem]:
    """Yield a problem if a scan is too old or in the future. A scan without a time is too old."""
    when = read_time(time)
    if when is None:
        yield "scan_too_old", f"{name} has no time"
    else:
        yield from _age_problems(when, now, limit, f"{name} was", "scan")


def _login(scan: Record | None) -> str:
    return (bounded((scan or {}).get("auth_status")) or "").strip().upper()


def _login_problems(scan: Record, name: str, quality: Quality, before: Record | None) -> t.Iterator[Problem]:
    word = _login(scan)
    if quality.authentication == "any" or word in _LOGGED_IN:
        return
    if word not in _NO_LOGIN:
        yield "authentication_failed", f"the login of {name} has the status {short(word, 40)}"
    elif quality.authentication == "required":
        yield "authentication_not_used", f"{name} did not log in, which the policy requires"
    elif _login(before) in _LOGGED_IN:
        yield "authentication_not_used", f"{name} did not log in, but the scan of the baseline run did"


def _crawl_problems(scan: Record, name: str, quality: Quality, before: Record | None) -> t.Iterator[Problem]:
    if quality.min_links == 0:
        return
    links, usual = number(scan.get("links_crawled")), number((before or {}).get("links_crawled"))
    if links is None:
        # Only Qualys reports the number of links, so scans of other sources cannot be checked.
        if scan.get("source") == "qualys":
            yield "crawl_unknown", f"{name} does not say how many links it crawled: read it with its details"
    elif links < quality.min_links:
        yield "nothing_crawled", f"{name} crawled {links:.0f} links, but the policy requires {quality.min_links}"
    elif usual and links < usual * quality.min_links_ratio:
        yield "crawled_less", f"{name} crawled {links:.0f} links, compared with {usual:.0f} in the baseline run"


def _profile_problems(scan: Record, name: str, quality: Quality, before: Record | None) -> t.Iterator[Problem]:
    wanted = quality.profile or bounded((before or {}).get("profile"))
    found = bounded(scan.get("profile"))
    if wanted is not None and found != wanted:
        source = "the policy requires" if quality.profile else "the baseline run used"
        yield "other_profile", f"{name} used the option profile {short(str(found), 80)}; {source} {short(wanted, 80)}"


def order_problem(snapshot: Snapshot, scan: Record) -> Problem | None:
    """Return a problem if the snapshot was started before the scan ended, as it then lacks findings of the scan.

    If only the day of the end is known, or only the launch, the scan is taken to end with that UTC day, which is the
    latest time that the value can mean.
    """
    started, ended = snapshot.time("started"), read_time(scan.get("ended"))
    precise = ended is not None and mapping(scan.get("details")).get("time_precision") != "day"
    if not precise:
        launched = ended or read_time(scan.get("time"))
        ended = None if launched is None else _next_day(launched)
    if started is None or ended is None or (ended - started).total_seconds() <= (CLOCK_SKEW if precise else 0):
        return None
    if precise:
        return "snapshot_before_scan", f"{snapshot.path.name} was exported before the scan ended: export it again"
    words = "may have been exported before the scan ended (only the day of the scan is known)"
    return "snapshot_before_scan", f"{snapshot.path.name} {words}: export it on a later day (UTC)"


def _next_day(when: dt.datetime) -> dt.datetime:
    try:
        day = when.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day + dt.timedelta(days=1)
    except OverflowError:
        # At the first or last day of the calendar. Such a scan is reported as too old or in the future.
        return when

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Summarises a report in five sentences, for people who read no further.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from .. import text
from ..inputs import model
from ..inputs.history import TrendPoint
from ..inputs.matches import NOT_BLOCKED
from ..inputs.model import ReportInput
from . import collect

TOP = 5
OLD_DAYS = 90


class Sentence(t.NamedTuple):
    """One sentence. ``mood`` is bad, good or plain.

    ``section`` is the section of the page that says more; empty for none.
    """

    topic: str
    words: str
    section: str
    mood: str


def sentences(report: ReportInput) -> list[Sentence]:
    """Open risks, what got worse, what is attacked, what is overdue, and how sure all this is."""
    return [_open(report), _worse(report), _attacked(report), _overdue(report), _sure(report)]


def _open(report: ReportInput) -> Sentence:
    risks, applications = model.headline(report.summary)
    counts = report.summary["open_by_severity"]
    if not risks:
        known = bool(report.files or report.summary["total"])
        words = "No risk is open." if known else "No findings were given."
        return Sentence("Open risks", words, "applications", "good" if known else "plain")
    where = text.plural(applications, "application")
    worst = _listed(f"{counts[name]:,} {name}" for name in ("critical", "high") if counts[name])
    rest = f", {worst} among them" if worst else ", none of them critical or high"
    words = f"{text.plural(risks, 'risk')} {_is(risks)} open in {where}{rest}."
    return Sentence("Open risks", words, "applications", "bad" if counts["critical"] or counts["high"] else "plain")


def _worse(report: ReportInput) -> Sentence:
    found = report.changes
    topic, section = "What got worse", "changes"
    if found is None:
        history = report.history
        if history is None or len(history.trend) < 2:
            return Sentence(topic, "Not known: there is no earlier run to compare with.", section, "plain")
        before, now, counts = history.trend[-2].risks, history.trend[-1].risks, history.counts
        return _change_sentence(before, now, counts, history.trend[-2].at)
    before = found["open_before"] - found["open_by_severity_before"]["info"]
    now = found["open_now"] - report.summary["open_by_severity"]["info"]
    return _change_sentence(before, now, found["counts"] if found["listed"] else {}, found["previous_generated"])


def _change_sentence(before: int, now: int, counts: t.Mapping[str, int], when: str) -> Sentence:
    worse = _listed(f"{counts[name]:,} {name}" for name in ("new", "reopened", "escalated") if counts.get(name))
    trend = f"the open risks {'rose' if now > before else 'fell'} from {before:,} to {now:,}"
    if now == before:
        trend = f"the open risks stayed at {now:,}"
    fixed = f", {counts['fixed']:,} fixed" if counts.get("fixed") else ""
    since = f"Since {text.readable_date(when) or 'the previous run'}"
    words = f"{since}: {worse or 'nothing new, reopened or escalated'}{fixed}; {trend}."
    return Sentence("What got worse", words, "changes", "bad" if worse else "good")


def _attacked(report: ReportInput) -> Sentence:
    attacks, hit = report.attacks, report.summary["attacked"].get(NOT_BLOCKED, 0)
    topic, section = "What is attacked", "attacks"
    if attacks is None and report.matches is None:
        return Sentence(topic, "Not known: no events of a firewall were given.", "", "plain")
    parts = []
    if attacks is not None:
        clients = f"{'at least ' if attacks['missed'] else ''}{text.plural(attacks['clients_seen'], 'source')}"
        parts.append(
            f"{text.plural(attacks['total'], 'event')} from {clients}, {attacks['not_blocked']:,} not blocked"
            if attacks["total"]
            else "the firewalls reported no event"
        )
    if report.matches is not None:
        hits = f"{text.plural(hit, 'open finding')} {'was' if hit == 1 else 'were'} attacked and not blocked"
        parts.append(hits if hit else "no open finding was attacked without being blocked")
    words = "; ".join(parts) + "."
    return Sentence(topic, words[0].upper() + words[1:], section, "bad" if hit else "plain" if attacks else "good")


def _overdue(report: ReportInput) -> Sentence:
    history = report.history
    if history is not None and history.with_policy:
        late, soon = history.breached_total, history.due_total
        worst = _listed(f"{counts[0]:,} {name}" for name, counts in history.by_severity.items() if counts[0])
        words = f"{text.plural(late, 'risk')} {_is(late)} past the due date" + (f" ({worst})" if worst else "")
        if not late:
            words = "No risk is past its due date"
        if history.horizon:
            words += f", {soon:,} more {'is' if soon == 1 else 'are'} due within {horizon_words(history.horizon)}"
        return Sentence("What is overdue", f"{words}.", "sla", "bad" if late else "good")
    ages, oldest = report.summary["by_age"], [item["oldest_days"] for item in report.summary["applications"]]
    days = max((day for day in oldest if day is not None), default=None)
    if days is None:
        return Sentence(
            "What is overdue", "Not known: no history was given, and no finding has an age.", "sla", "plain"
        )
    old = sum(sum(counts.values()) - counts["info"] for label, counts in ages.items() if label in _OLD)
    aged = f"{text.plural(old, 'open risk')} {_is(old)} older than {OLD_DAYS} days"
    words = f"{aged}, the oldest finding {text.plural(days, 'day')}."
    return Sentence("What is overdue", words, "overview", "bad" if old else "good")


_OLD = frozenset(label for label, _last in model.AGE_BUCKETS[3:])


def _sure(report: ReportInput) -> Sentence:
    doubts = [text.plural(len(collect.warnings_of(report)), "warning")] if collect.warnings_of(report) else []
    never = len(collect.never_scanned(report))
    if never:
        doubts.append(f"{text.plural(never, 'application')} never scanned")
    unsure = sum(scan.conclusive is False for scan in report.scans or ())
    if unsure:
        doubts.append(f"{text.plural(unsure, 'scan')} without a conclusion")
    as_of = f"The data is from {text.readable_time(report.generated)}" if report.generated else "The data has no time"
    if not doubts:
        return Sentence("How sure this is", f"{as_of}, and nothing is known to be missing.", "quality", "good")
    return Sentence("How sure this is", f"{as_of}, with {_listed(doubts)}.", "quality", "bad")


_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}


def horizon_words(horizon: str) -> str:
    """A duration such as ``7d`` as people write it; anything else as it is."""
    number, unit = horizon[:-1], _UNITS.get(horizon[-1:])
    return text.plural(int(number), unit) if unit and number.isdecimal() else horizon


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _listed(words: t.Iterable[str]) -> str:
    known = list(words)
    return " and ".join(filter(None, (", ".join(known[:-1]), known[-1] if known else "")))


def trend_of(report: ReportInput) -> list[TrendPoint]:
    """The open risks of each run, oldest first: from the history, else from the previous run and this one."""
    if report.history is not None and report.history.trend:
        return list(report.history.trend)
    changes = report.changes
    if changes is None:
        return []
    before = TrendPoint(changes["previous_generated"], changes["open_by_severity_before"], 0, 0, 0, 0)
    counts = [changes["counts"].get(name, 0) for name in ("new", "fixed", "reopened", "escalated")]
    return [before, TrendPoint(report.generated, report.summary["open_by_severity"], *counts)]

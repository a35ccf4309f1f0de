# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the deadlines for fixing findings: which are overdue, and which will be.

This module is private to the collection and may change at any time.

The policy is a policy of the gate, whose ``sla`` and application overrides apply here, or days by severity. The
deadline counts from when a finding was first seen, as in the gate; an unknown severity counts as critical in both.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
import typing as t

from .._base.errors import PolicyError
from .._records.coerce import items, mapping, number
from .._records.model import SEVERITIES
from .._records.policy.documents import read_document
from .._records.policy.patterns import application_test
from .._records.times import parse_duration, read_time, utc_text

DAY = 86400.0
_LONGEST = 36600 * DAY
LISTED = 100
"""Maximum number of listed findings: of those overdue, and of those that will be."""
Days = dict[str, float]


@dataclasses.dataclass(frozen=True)
class SlaPolicy:
    """Seconds by severity, for all applications and for those with rules of their own.

    Attributes:
        base: the limits without an override.
        overrides: limits, each with a test for id and name of an application; None removes a limit.
        told: whether there is a policy at all.
    """

    base: Days = dataclasses.field(default_factory=dict)
    overrides: tuple[tuple[t.Callable[[str, str | None], bool], dict[str, float | None]], ...] = ()
    told: bool = True

    def for_application(self, identity: str, name: str | None) -> Days:
        """The seconds by severity of one application."""
        chosen: dict[str, float | None] = {**self.base}
        for means, own in self.overrides:
            if means(identity, name):
                chosen |= own
        kept = {severity: seconds for severity, seconds in chosen.items() if seconds is not None}
        if "critical" in kept:
            kept.setdefault("unknown", kept["critical"])
        return kept

    @property
    def days(self) -> Days:
        """The days by severity, without overrides."""
        return {severity: _whole(self.base[severity] / DAY) for severity in SEVERITIES if severity in self.base}


def _whole(value: float) -> float:
    return int(value) if value == int(value) else round(value, 4)


def load_sla(value: t.Any) -> SlaPolicy:
    """Load the SLA from the option ``policy``.

    Args:
        value: None, a path, or the mapping itself.

    Raises:
        PolicyError: it cannot be read, or is invalid; the message names the key.
        MissingLibrary: it is YAML, and PyYAML is not installed.
    """
    if value is None:
        return SlaPolicy(told=False)
    data = read_document(value, "policy").data
    if not isinstance(data, dict) or not data:
        raise PolicyError("policy: this is not a mapping.", hint="Give a policy of the gate, or days by severity.")
    if "schema" not in data and "sla" not in data:
        return SlaPolicy({severity: _days(days, f"policy: {severity}") for severity, days in _checked(data, "policy")})
    overrides = []
    for index, item in enumerate(items(data.get("applications"))):
        where = f"policy: applications[{index}]"
        own = _ages(mapping(item).get("sla"), f"{where}.sla")
        match = mapping(item).get("match")
        if not isinstance(match, list) or not all(isinstance(word, str) for word in match):
            raise PolicyError(f"{where}.match is not a list of names.", hint="See the reference of the policy.")
        if own:
            overrides.append((application_test(match), own))
    base = _ages(data.get("sla"), "policy: sla")
    for severity, seconds in base.items():
        if seconds is None:
            raise PolicyError(
                f"policy: sla.{severity} is null, which is not a limit.", hint="Give a duration such as 7d."
            )
    found = {severity: seconds for severity, seconds in base.items() if seconds is not None}
    return SlaPolicy(found, tuple(overrides))


def _checked(data: dict[str, t.Any], where: str) -> t.Iterator[tuple[str, t.Any]]:
    for severity, value in data.items():
        if severity not in SEVERITIES:
            raise PolicyError(
                f"{where}: {severity!r} is not a severity.", hint=f"The severities are {', '.join(SEVERITIES)}."
            )
        yield severity, value


def _days(value: t.Any, where: str) -> float:
    days = number(value)
    if days is None or not 0 < days * DAY <= _LONGEST:
        raise PolicyError(f"{where} is {value!r}, which is not a number of days.", hint="Give days, such as 7.")
    return days * DAY


def _ages(value: t.Any, where: str) -> dict[str, float | None]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PolicyError(f"{where} is not a mapping.", hint="Give durations by severity, such as {critical: 7d}.")
    return {severity: _age(age, f"{where}.{severity}") for severity, age in _checked(value, where)}


def _age(value: t.Any, where: str) -> float | None:
    if value is None:
        return None
    try:
        seconds = parse_duration(value if isinstance(value, str) else repr(value))
    except ValueError as error:
        raise PolicyError(f"{where}: {error}.") from error
    if not 0 < seconds <= _LONGEST:
        raise PolicyError(f"{where}: {value} is not a valid time to fix.", hint="Give a duration such as 7d.")
    return seconds


class DueFinding(t.NamedTuple):
    """An open finding, with when it has to be fixed."""

    due: dt.datetime
    rank: int
    key: str
    row: t.Mapping[str, t.Any]

    def as_data(self) -> dict[str, t.Any]:
        """The finding as plain data, for the list."""
        row = self.row
        told = {name: row[name] for name in ("source", "unique_id", "title", "severity", "first_seen")}
        return {
            **told,
            "id": row["finding_id"],
            "asset": {"id": row["app_id"], "name": row["app_name"]},
            "due_at": utc_text(self.due),
        }


class SlaClock:
    """Counts the open findings that are overdue, and those that will be within a horizon.

    Args:
        policy: the SLA.
        at: the current time.
        horizon: seconds, or None.
    """

    def __init__(self, policy: SlaPolicy, at: dt.datetime, horizon: float | None) -> None:
        self._policy = policy
        self._at = at
        self._until = at if horizon is None else at + dt.timedelta(seconds=horizon)
        self._rules: dict[tuple[str, str | None], Days] = {}
        self.counts = {"breached": dict.fromkeys(SEVERITIES, 0), "due": dict.fromkeys(SEVERITIES, 0)}
        self._listed: dict[str, list[tuple[t.Any, ...]]] = {"breached": [], "due": []}

    def take(self, row: t.Mapping[str, t.Any]) -> None:
        """Count one open finding."""
        app = row["app_id"] or f"name:{row['app_name'] or ''}", row["app_name"]
        rules = self._rules.get(app)
        if rules is None:
            rules = self._rules[app] = self._policy.for_application(*app)
        allowed, first = rules.get(row["severity"]), read_time(row["first_seen"])
        if allowed is None or first is None:
            return
        try:
            due = first + dt.timedelta(seconds=allowed)
        except OverflowError:
            return
        what = "breached" if due < self._at else "due" if due <= self._until else ""
        if not what or (what == "due" and self._until == self._at):
            return
        self.counts[what][row["severity"]] += 1
        item = DueFinding(due, SEVERITIES.index(row["severity"]), row["key"], dict(row))
        # The heap has the least urgent first, which makes room for a more urgent one.
        entry = (-due.timestamp(), -item.rank, -int(item.key, 16), item)
        listed = self._listed[what]
        if len(listed) < LISTED:
            heapq.heappush(listed, entry)
        else:
            heapq.heappushpop(listed, entry)

    def listed(self, what: str) -> list[dict[str, t.Any]]:
        """The most urgent of the findings."""
        return [entry[-1].as_data() for entry in sorted(self._listed[what], reverse=True)]

    def as_data(self, horizon: str | None) -> dict[str, t.Any]:
        """All figures of the SLA."""
        breached, due = self.counts["breached"], self.counts["due"]
        return {
            "policy": self._policy.days,
            "horizon": horizon,
            "breached_total": sum(breached.values()),
            "due_total": sum(due.values()),
            "by_severity": {name: {"breached": breached[name], "due": due[name]} for name in SEVERITIES},
            "breached": self.listed("breached"),
            "due": self.listed("due"),
        }

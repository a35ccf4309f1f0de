# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a schedule launches next, and the iCalendar form of it. Dates are taken as UTC."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any

from .schedule_spec import DAYS, ORDERS

_LIMIT = 3000


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _daily(start: datetime, every: int) -> Iterator[datetime]:
    return (start + timedelta(days=every * turn) for turn in count())


def _weekly(start: datetime, occurrence: Mapping[str, Any]) -> Iterator[datetime]:
    monday = start - timedelta(days=start.weekday())
    for turn in count():
        for name in occurrence["onDays"]:
            moment = monday + timedelta(weeks=turn * occurrence["everyNWeeks"], days=DAYS.index(name))
            if moment >= start:
                yield moment


def _monthly(start: datetime, kind: Mapping[str, Any]) -> Iterator[datetime]:
    (rule,) = kind.values()
    for turn in count():
        month = start.month - 1 + turn * rule["everyNMonths"]
        year, number = start.year + month // 12, month % 12 + 1
        day = _day(year, number, rule)
        if day and (moment := start.replace(year=year, month=number, day=day)) >= start:
            yield moment


def _day(year: int, month: int, rule: Mapping[str, Any]) -> int:
    """The day of the month; 0 when this month has none."""
    last = calendar.monthrange(year, month)[1]
    if "dayNb" in rule:
        return int(rule["dayNb"]) if rule["dayNb"] <= last else 0
    wanted = DAYS.index(rule["dayOfMonth"])
    days = [day for day in range(1, last + 1) if calendar.weekday(year, month, day) == wanted]
    return days[-1] if rule["dayOrder"] == "LAST" else days[ORDERS.index(rule["dayOrder"])]


def _launches(values: Mapping[str, Any]) -> Iterator[datetime]:
    start = _moment(values["startDate"])
    if values["occurrenceType"] == "ONCE":
        return iter([start])
    (occurrence,) = values["occurrence"].values()
    if values["occurrenceType"] == "DAILY":
        moments = _daily(start, occurrence["everyNDays"])
    elif values["occurrenceType"] == "WEEKLY":
        moments = _weekly(start, occurrence)
    else:
        moments = _monthly(start, occurrence["monthlyType"])
    return islice(moments, occurrence.get("occurrenceCount", _LIMIT))


def next_launch(values: Mapping[str, Any], now: str) -> str | None:
    """The first launch after now, if there is one."""
    return next((_stamp(moment) for moment in _launches(values) if _stamp(moment) > now), None)


def _rule(values: Mapping[str, Any]) -> str:
    kind = values["occurrenceType"]
    (occurrence,) = values["occurrence"].values()
    parts = [f"FREQ={kind}"]
    if kind == "DAILY":
        parts.append(f"INTERVAL={occurrence['everyNDays']}")
    elif kind == "WEEKLY":
        days = ",".join(day[:2] for day in occurrence["onDays"])
        parts += [f"INTERVAL={occurrence['everyNWeeks']}", f"BYDAY={days}"]
    else:
        (rule,) = occurrence["monthlyType"].values()
        parts.append(f"INTERVAL={rule['everyNMonths']}")
        if "dayNb" in rule:
            parts.append(f"BYMONTHDAY={rule['dayNb']}")
        else:
            order = -1 if rule["dayOrder"] == "LAST" else ORDERS.index(rule["dayOrder"]) + 1
            parts.append(f"BYDAY={order}{rule['dayOfMonth'][:2]}")
    if "occurrenceCount" in occurrence:
        parts.append(f"COUNT={occurrence['occurrenceCount']}")
    return ";".join(parts)


def _escaped(text: str) -> str:
    for old, new in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\n", "\\n")):
        text = text.replace(old, new)
    return text


def calendar_event(record: Mapping[str, Any], now: str) -> list[str]:
    """The lines of one VEVENT."""
    values = record["scheduling"]
    plain = now.replace("-", "").replace(":", "")
    start = values["startDate"].replace("-", "").replace(":", "")
    lines = ["BEGIN:VEVENT", f"UID:was-schedule-{record['id']}@sandbox.example", f"DTSTAMP:{plain}", f"DTSTART:{start}"]
    if values["occurrenceType"] != "ONCE":
        lines.append(f"RRULE:{_rule(values)}")
    return [*lines, f"SUMMARY:{_escaped(record['name'])}", "END:VEVENT"]

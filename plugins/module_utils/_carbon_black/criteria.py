# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options ``criteria``, ``search`` and ``sort``: checked, and as the service takes them.

This module is private to the collection and may change at any time.

See docs/vendors/carbon_black.md 4.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import typing as t

from .._base.errors import OptionError
from .._records.times import parse_time

Criteria = dict[str, t.Any]
Options = t.Mapping[str, t.Any]

SCAN_TIME = "scan_time"
ALIAS = "time_range"
"""What the vendor's table calls ``scan_time``; its schemas and samples do not."""

LISTS = (
    "full_tags",
    "repositories",
    "digests",
    "sources",
    "registries",
    "vulnerabilities",
    "clusters",
    "namespaces",
    "hostnames",
)
"""Criteria that are lists of texts, of which one must match."""

ORDERS = ("ASC", "DESC")
_RANGE = re.compile(r"-([1-9][0-9]{0,6})([Mwdhms])")
_UNIT_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_TIME_HINT = "Give range, such as -2w (M month, w week, d day, h hour, m minute, s second), or both start and end."


def check_criteria(given: t.Any) -> tuple[Criteria, list[str]]:
    """The criteria of a task as the service takes them, and warnings.

    A single text stands for a list of one. Empty members are left out, as the service has no use for them.

    Raises:
        OptionError: an unknown name, a value of the wrong form, or a span of time that is none.
    """
    if not given:
        return {}, []
    if not isinstance(given, t.Mapping):
        raise OptionError("criteria must be an object: names with their values.")
    if given.get(SCAN_TIME) and given.get(ALIAS):
        raise OptionError(
            f"criteria: {SCAN_TIME} and {ALIAS} are two names of the same thing.", hint="Give one of them."
        )
    criteria: Criteria = {}
    warnings: list[str] = []
    for name, value in given.items():
        if name in (SCAN_TIME, ALIAS):
            if value:
                criteria[SCAN_TIME], said = _scan_time(name, value)
                warnings += said
        elif name in LISTS:
            texts = _texts(name, value)
            if texts:
                criteria[name] = texts
        else:
            raise OptionError(f"criteria: {name!s} is not known.", hint=f"One of {', '.join((SCAN_TIME, *LISTS))}.")
    return criteria, warnings


def _texts(name: str, value: t.Any) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    for item in values:
        if not isinstance(item, str) or not item:
            raise OptionError(f"criteria: {name} must be a text or a list of texts, none of them empty.")
    return list(values)


def _scan_time(name: str, value: t.Any) -> tuple[dict[str, str], list[str]]:
    if not isinstance(value, t.Mapping) or set(value) - {"range", "start", "end"}:
        raise OptionError(f"criteria: {name} takes range, or start and end.", hint=_TIME_HINT)
    given = {key: item for key, item in value.items() if item not in (None, "")}
    if "range" in given:
        if len(given) > 1:
            raise OptionError(f"criteria: {name} takes range, or start and end, not both.", hint=_TIME_HINT)
        return {"range": _range(name, given["range"])}, _month_warning(name, given["range"])
    if set(given) != {"start", "end"}:
        raise OptionError(f"criteria: {name} needs both start and end.", hint=_TIME_HINT)
    start, end = (_moment(f"{name}.{key}", given[key]) for key in ("start", "end"))
    if start >= end:
        raise OptionError(f"criteria: {name}.start must be before {name}.end.", hint=_TIME_HINT)
    return absolute(start, end), []


def _range(name: str, value: t.Any) -> str:
    if not isinstance(value, str) or not _RANGE.fullmatch(value):
        raise OptionError(f"criteria: {name}.range: {str(value)[:40]!r} is not a span of time.", hint=_TIME_HINT)
    return value


def _month_warning(name: str, value: str) -> list[str]:
    if not value.endswith("M"):
        return []
    return [f"criteria: {name}.range: {value} means months, as M is month and m is minute."]


def _moment(name: str, value: t.Any) -> dt.datetime:
    try:
        return parse_time(str(value))
    except ValueError:
        raise OptionError(
            f"criteria: {name}: {str(value)[:40]!r} is not a time.",
            hint="Give a UTC date or time such as 2026-01-31T08:00:00Z.",
        ) from None


def absolute(start: dt.datetime, end: dt.datetime) -> dict[str, str]:
    """A span of time as the service takes it: UTC with milliseconds and ``Z``; the end is rounded up."""
    if end.microsecond % 1000:
        end += dt.timedelta(milliseconds=1)
    return {"start": _text(start), "end": _text(end)}


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def span_of(scan_time: t.Mapping[str, str] | None, now: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    """The span of time that checked criteria name, with a relative one counted back from ``now``; None for none."""
    if not scan_time:
        return None
    if "range" not in scan_time:
        return parse_time(scan_time["start"]), parse_time(scan_time["end"])
    match = t.cast("re.Match[str]", _RANGE.fullmatch(scan_time["range"]))
    count, unit = int(match[1]), match[2]
    try:
        start = _months_before(now, count) if unit == "M" else now - dt.timedelta(seconds=count * _UNIT_SECONDS[unit])
    except (OverflowError, ValueError):
        start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return start, now


def _months_before(now: dt.datetime, months: int) -> dt.datetime:
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))


def check_sort(given: t.Any) -> list[dict[str, str]]:
    """The option ``sort``: fields with ``ASC`` (the default) or ``DESC``; empty for none.

    Raises:
        OptionError: an entry without a field, or another order.
    """
    rules = []
    for rule in given or []:
        field, order = rule.get("field"), (rule.get("order") or "ASC").upper()
        if not field or order not in ORDERS:
            raise OptionError("sort needs a field, and ASC or DESC as the order.")
        rules.append({"field": field, "order": order})
    return rules

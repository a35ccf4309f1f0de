# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies of searches and facets: checked strictly, and applied."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ..switches import Switches
from .rows import Row

MAX_ROWS = 10_000
LISTS = (
    "full_tags", "repositories", "digests", "sources", "registries", "vulnerabilities", "clusters", "namespaces",
    "hostnames",
)  # fmt: skip
FACETS = ("sources", "repositories", "registries", "clusters", "scan_status")
_RANGE = re.compile(r"-(\d+)([Mwdhms])")
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_STRICT_TIME = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z)?")
_LENIENT_TIME = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})T(.*)Z")


class Refused(Exception):
    """The request gets an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Test = Callable[[Row], bool]


def row_test(body: Mapping[str, Any], switches: Switches, now: datetime) -> Test:
    """The condition that ``criteria`` and ``query`` make together."""
    tests: list[Test] = []
    criteria = body.get("criteria", {})
    if not isinstance(criteria, dict):
        raise Refused(400, "criteria must be an object")
    for name, value in criteria.items():
        if name == "scan_time":
            tests += _time_test(value, switches, now)
        elif name in LISTS:
            tests.append(_list_test(name, value))
        else:
            raise Refused(400, f"unknown criteria {name}")
    query = body.get("query", "")
    if not isinstance(query, str):
        raise Refused(400, "query must be a string")
    if query:
        tests.append(lambda row: query.casefold() in row.shown["full_tag"].casefold())
    return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)


def _list_test(name: str, value: Any) -> Test:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused(400, f"{name} must be a list of strings")
    wanted = frozenset(value)
    return lambda row: not wanted or not wanted.isdisjoint(row.labels[name])


def _time_test(value: Any, switches: Switches, now: datetime) -> list[Test]:
    if not isinstance(value, dict) or set(value) - {"range", "start", "end"}:
        raise Refused(400, "scan_time takes range, start and end")
    if not value:
        return []
    if "range" in value and len(value) > 1 and switches["carbon_black_both_times"] == "reject":
        raise Refused(400, "scan_time takes range, or start and end")
    if "start" not in value and "end" not in value:
        first = _back(now, value["range"])
        return [lambda row: first <= row.time <= now]
    if "start" not in value or "end" not in value:
        raise Refused(400, "start and end go together")
    start, end = (_moment(value[name], switches) for name in ("start", "end"))
    if start >= end:
        raise Refused(400, "start must be before end")
    bounds = switches["carbon_black_bounds"]
    if bounds == "both":
        return [lambda row: start <= row.time <= end]
    if bounds == "neither":
        return [lambda row: start < row.time < end]
    return [lambda row: start <= row.time < end]


def _back(now: datetime, text: Any) -> datetime:
    match = _RANGE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Refused(400, "range is -<quantity><unit>, units M w d h m s")
    count = int(match[1])
    if match[2] != "M":
        return now - timedelta(seconds=count * _UNITS[match[2]])
    months = now.year * 12 + now.month - 1 - count
    year, month = divmod(months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))


def _moment(text: Any, switches: Switches) -> datetime:
    if not isinstance(text, str):
        raise Refused(400, "start and end are ISO 8601 dates")
    if not _STRICT_TIME.fullmatch(text):
        lenient = _LENIENT_TIME.fullmatch(text)
        if lenient is None or switches["carbon_black_times"] == "strict":
            raise Refused(400, f"{text} is not an ISO 8601 date")
        text = f"{lenient[1]}-{int(lenient[2]):02d}-{int(lenient[3]):02d}T{lenient[4]}Z"
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if "T" in text else datetime.fromisoformat(text + "T00:00Z")
    except ValueError:
        raise Refused(400, f"{text} is not a date") from None


def window(body: Mapping[str, Any], switches: Switches) -> tuple[int, int]:
    """``start`` and ``rows``."""
    start, rows = _whole(body, "start", 0, 0), _whole(body, "rows", 20, 1)
    if rows > MAX_ROWS:
        raise Refused(400, "rows is at most 10000")
    deep = switches["carbon_black_deep_start"]
    if start + rows > MAX_ROWS and deep != "allow":
        raise Refused(int(deep), "start and rows reach beyond 10000")
    return start, rows


def _whole(body: Mapping[str, Any], name: str, default: int, least: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Refused(400, f"{name} must be a whole number from {least}")
    return value


def ordered(rows: list[Row], sort: Any) -> list[Row]:
    """In the order that was asked for; newest first by default, ties by tag."""
    if not isinstance(sort, list):
        raise Refused(400, "sort must be a list")
    rows.sort(key=lambda row: row.shown["full_tag"])
    for rule in reversed(sort or [{"field": "scan_time", "order": "DESC"}]):
        if (
            not isinstance(rule, dict)
            or set(rule) - {"field", "order"}
            or rule.get("order", "ASC") not in ("ASC", "DESC")
        ):
            raise Refused(400, "sort takes field, and order ASC or DESC")
        field = rule.get("field")
        if field not in ("scan_time", "full_tag", "source", "workloads"):
            raise Refused(400, f"cannot sort by {field}")
        rows.sort(key=lambda row: row.shown[field], reverse=rule.get("order") == "DESC")
    return rows


def facets(rows: Sequence[Row], terms: Any, switches: Switches) -> list[dict[str, Any]]:
    """Counts by field, in another order than that of the request."""
    if not isinstance(terms, dict) or not isinstance(terms.get("fields"), list):
        raise Refused(400, "terms needs fields")
    most = _whole(terms, "rows", 20, 1)
    answer = []
    for field in reversed(terms["fields"]):
        if field not in FACETS:
            if switches["carbon_black_unknown_facet"] == "reject":
                raise Refused(400, f"unknown facet {field}")
            continue
        values = Counter(value for row in rows for value in row.labels[field])
        listed = sorted(values.items(), key=lambda item: (-item[1], item[0]))[:most]
        answer.append({"field": field, "values": [{"name": name, "total": total} for name, total in listed]})
    return answer

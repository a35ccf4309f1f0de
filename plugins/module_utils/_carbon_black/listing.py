# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row that matches, however many there are (docs/vendors/carbon_black.md 6).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
import math
import re
import typing as t

from .._base.errors import IncompleteRead, OptionError
from .._records.times import parse_time, utc_text
from .._vendor.client import Raw
from .client import MAX_ROWS, CarbonBlackClient
from .fields import key_of

Criteria = dict[str, t.Any]

SCAN_TIME = "scan_time"
ALIAS = "time_range"
"""The name of ``scan_time`` in the vendor's table; its schemas and samples use ``scan_time``."""

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

OLDEST_FIRST = ({"field": SCAN_TIME, "order": "ASC"},)
PAGE_ROWS = 1000
AIM = 7000
"""Intended rows in a part of a dense span, with a margin below the maximum that the service returns."""
_BURST = 0.0005
"""If a thousand rows take a smaller share of a span than this, they are a burst, or over two million rows follow."""
_SECOND = dt.timedelta(seconds=1)
_HALF = dt.timedelta(milliseconds=500)


@dataclasses.dataclass(frozen=True)
class Search:
    """The parameters of a search, without its span of time."""

    criteria: Criteria
    text: str | None = None
    sort: t.Sequence[dict[str, str]] = OLDEST_FIRST
    rows: int = PAGE_ROWS

    def body(self, start: int, span: tuple[dt.datetime, dt.datetime] | None = None) -> Raw:
        """The body of one request; ``rows`` is always sent, because the service's own default is 20."""
        criteria = dict(self.criteria)
        if span is not None:
            criteria[SCAN_TIME] = absolute(*span)
        body: Raw = {"criteria": criteria} if criteria else {}
        if self.text:
            body["query"] = self.text
        return {**body, "start": start, "rows": self.rows, "sort": list(self.sort)}


def read_span(
    client: CarbonBlackClient, search: Search, start: dt.datetime, end: dt.datetime, warnings: list[str] | None = None
) -> t.Iterator[list[Raw]]:
    """Yield every row of a span of time, oldest first. A row may repeat.

    A span with 10,000 rows or more is read in halves. They meet between two seconds, and rows have times in whole
    seconds, so it does not matter whether the service's bounds are inclusive.

    Args:
        client: the organisation.
        search: the parameters of the search.
        start: start of the span.
        end: end of the span.
        warnings: receives warnings for the user.

    Raises:
        IncompleteRead: a single second has 10,000 rows or more, or the rows do not match ``num_found``, twice.
    """
    warnings = [] if warnings is None else warnings
    try:
        yield from read_window(client, search, start, end, warnings)
    except TooMany as found:
        middle = _between(start, end)
        if middle is None:
            raise too_many(found.rows, end) from None
        yield from read_span(client, search, start, middle, warnings)
        yield from read_span(client, search, middle, end, warnings)


class TooMany(Exception):
    """A span has more rows than the service returns.

    Attributes:
        rows: the minimum number of rows.
        share: the share of the span that a thousand rows take, if all are as dense as those that were read.
    """

    def __init__(self, rows: int, share: float) -> None:
        super().__init__(f"{rows} rows")
        self.rows = rows
        self.share = share

    def parts(self) -> int:
        """Return the number of parts in which to read the span.

        The service may announce 10,000 for any higher number; then the density follows from the rows that were read. In
        a burst, the rest of the span may be empty, so the span is halved.
        """
        if self.rows > MAX_ROWS:
            return math.ceil(self.rows / AIM)
        return math.ceil(PAGE_ROWS / self.share / AIM) if self.share > _BURST else 2


def too_many(rows: int, end: dt.datetime) -> IncompleteRead:
    """Return the error for a second with too many rows."""
    return IncompleteRead(
        f"{rows} rows or more were scanned in the second of {utc_text(end.replace(microsecond=0))}: more than the"
        " service shows.",
        hint="Narrow the criteria, by registries or repositories.",
    )


def read_window(
    client: CarbonBlackClient, search: Search, start: dt.datetime, end: dt.datetime, warnings: list[str]
) -> t.Iterator[list[Raw]]:
    """Yield every row of a span with fewer than 10,000 rows, oldest first. A row may repeat.

    Args:
        client: the organisation.
        search: the parameters of the search.
        start: start of the span.
        end: end of the span.
        warnings: receives warnings for the user.

    Raises:
        TooMany: the span has 10,000 rows or more. Rows may have been yielded, if the service announced fewer.
        IncompleteRead: the rows do not match ``num_found``, twice.
    """
    first = client.search(search.body(0, (start, end)))
    if first.num_found >= MAX_ROWS:
        raise TooMany(first.num_found, _share(first.rows, start, end))
    yield from _read_pages(client, search, (start, end), first.rows, first.num_found, warnings)


def _share(rows: list[Raw], start: dt.datetime, end: dt.datetime) -> float:
    """The share of a span that a thousand rows take, if all are as dense as these."""
    last = parse_time(rows[-1]["scan_time"]) if rows and isinstance(rows[-1].get("scan_time"), str) else end
    return min(max((last - start) / (end - start), 0.0), 1.0) * PAGE_ROWS / max(len(rows), 1)


def _between(start: dt.datetime, end: dt.datetime) -> dt.datetime | None:
    """A moment between two seconds, near the middle; None if at most one second is left."""
    middle = (start + (end - start) / 2).replace(microsecond=0) + _HALF
    if end - start <= _SECOND:
        return None
    if not start < middle < end:
        middle -= _SECOND
    return middle if start < middle < end else None


def _mark(row: Raw) -> int:
    """A number in place of a row. Two scans of an image in one second may differ in what they found."""
    return hash((key_of(row), repr(row.get("vulnerabilities_summary")), repr(row.get("has_malware"))))


class _RowPass(t.NamedTuple):
    """What one way through the pages came to.

    Attributes:
        marks: numbers in place of the rows.
        rows: number of rows sent.
        num_found: number of rows announced at the end.
        steady: whether that number did not change.
    """

    marks: set[int]
    rows: int
    num_found: int
    steady: bool


def _read_pages(
    client: CarbonBlackClient,
    search: Search,
    span: tuple[dt.datetime, dt.datetime],
    rows: list[Raw],
    num_found: int,
    warnings: list[str],
) -> t.Iterator[list[Raw]]:
    once = yield from _one_pass(client, search, span, rows, num_found)
    # Equal rows are collapsed. On several pages they may also indicate a shift: rows of one second have no order of
    # their own, so at the border of two pages one may repeat and another be missed.
    several = once.rows > len(rows)
    if once.steady and once.rows >= once.num_found and (not several or len(once.marks) == once.rows):
        if once.rows > once.num_found:
            warnings.append(_understated(span, once))
        return
    # A single page has no border, and fewer rows match than a page can hold.
    search = dataclasses.replace(search, rows=MAX_ROWS)
    first = client.search(search.body(0, span))
    again = yield from _one_pass(client, search, span, first.rows, first.num_found)
    if again.rows < again.num_found and len(once.marks | again.marks) < again.num_found:
        raise IncompleteRead(
            f"Carbon Black Cloud announced {again.num_found} rows and sent {again.rows}, twice.",
            hint="Try again: rows appear or vanish while they are read.",
        )
    if again.rows > again.num_found:
        warnings.append(_understated(span, again))


def _understated(span: tuple[dt.datetime, dt.datetime], found: _RowPass) -> str:
    start, end = map(utc_text, span)
    return (
        f"Carbon Black Cloud announced {found.num_found} rows for {start} to {end}, and sent {found.rows}:"
        " reading continued until a page was not full."
    )


def _one_pass(
    client: CarbonBlackClient,
    search: Search,
    span: tuple[dt.datetime, dt.datetime],
    rows: list[Raw],
    num_found: int,
) -> t.Generator[list[Raw], None, _RowPass]:
    """All pages, up to a short one at the announced end or behind it."""
    marks: set[int] = set()
    announced = {num_found}
    offset, asked = 0, search.rows
    while rows:
        marks.update(map(_mark, rows))
        offset += len(rows)
        yield rows
        if offset >= MAX_ROWS:
            raise TooMany(offset, _share(rows, *span) * len(rows) / offset)
        if offset >= num_found and len(rows) < asked:
            break
        asked = min(search.rows, MAX_ROWS - offset)
        page = client.search(dataclasses.replace(search, rows=asked).body(offset, span))
        rows, num_found = page.rows, page.num_found
        announced.add(num_found)
    return _RowPass(marks, offset, num_found, len(announced) == 1)


def check_criteria(given: t.Any) -> tuple[Criteria, list[str]]:
    """Return the criteria of a task in the service's form, and warnings.

    A single text becomes a list of one. Empty members are left out, because the service has no use for them.

    Raises:
        OptionError: an unknown name, a value of the wrong form, or an invalid span of time.
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
    """A span of time in the service's form: UTC with milliseconds and ``Z``; the end is rounded up."""
    if end.microsecond % 1000:
        end += dt.timedelta(milliseconds=1)
    return {"start": _shown(start), "end": _shown(end)}


def _shown(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def span_of(scan_time: t.Mapping[str, str] | None, now: dt.datetime) -> tuple[dt.datetime, dt.datetime] | None:
    """The span of time in checked criteria, with a relative one counted back from ``now``; None if there is none."""
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
    """Return the option ``sort``: fields with ``ASC`` (the default) or ``DESC``; empty if not given.

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

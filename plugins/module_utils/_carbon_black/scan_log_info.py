# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs as a query (docs/vendors/carbon_black.md 4).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from .._base.errors import OptionError
from .._records.coerce import items, text, texts, whole
from .._records.query import Query
from .._records.result import Result
from .._vendor.client import Raw
from .client import MAX_ROWS, CarbonBlackClient
from .fields import Key, key_of
from .listing import OLDEST_FIRST, PAGE_ROWS, SCAN_TIME, Search, check_criteria, check_sort, read_span, span_of
from .normalise import ScanNormaliser, scan_time_of

Options = t.Mapping[str, t.Any]
FACETS = ("sources", "repositories", "registries", "clusters", "scan_status")
"""The fields that the vendor's table allows and its sample requests."""
ROWS = 50
"""Entries for each field. It is always sent, because the service's default is not documented."""
_MINUTE = dt.timedelta(minutes=1)


@dataclasses.dataclass
class _FoundRows:
    """Rows without repeats. ``num_found`` is what the service announced."""

    limit: int | None
    num_found: int = 0
    rows: list[Raw] = dataclasses.field(default_factory=list)
    duplicates: int = 0
    keys: set[Key] = dataclasses.field(default_factory=set)
    more: bool = False
    warnings: list[str] = dataclasses.field(default_factory=list)

    def take(self, rows: list[Raw]) -> bool:
        """Add rows; returns False when there is no room for more."""
        for row in rows:
            key = key_of(row)
            if key in self.keys:
                self.duplicates += 1
            elif self.limit is not None and len(self.rows) >= self.limit:
                self.more = True
                return False
            else:
                self.keys.add(key)
                self.rows.append(row)
        return True


def run(params: Options, client: CarbonBlackClient, check_mode: bool) -> Result:
    """Logic of ``carbon_black_scan_log_info``. It only reads, so check mode makes no difference."""
    query = Query(params.get("query"))
    criteria, warnings = check_criteria(params.get("criteria"))
    _check(params)
    search = Search(
        criteria,
        params.get("search") or None,
        check_sort(params.get("sort")) or OLDEST_FIRST,
        params.get("rows") or PAGE_ROWS,
    )
    found = _FoundRows(params.get("limit"))
    if params.get("start") is not None:
        page = client.search(search.body(params["start"]))
        found.num_found = page.num_found
        found.take(page.rows)
        found.more = found.more or len(page.rows) < page.num_found
    else:
        _read_all(client, search, found)
    normaliser = ScanNormaliser(include_raw=params["include_raw"], raw_as=lambda row: row)
    scans = [normaliser.scan(row) for row in found.rows]
    values = {
        "scan_logs": query(scans),
        "findings": [finding for finding in map(normaliser.malware, found.rows) if finding is not None],
        "num_found": found.num_found,
        "total": found.num_found,
        "truncated": found.more,
        "duplicates": found.duplicates,
        "unknown_values": dict(sorted(normaliser.unknown.items())),
    }
    return Result(values=values, warnings=warnings + found.warnings)


def _check(params: Options) -> None:
    start, rows, limit = (params.get(name) for name in ("start", "rows", "limit"))
    if start is not None and start < 0:
        raise OptionError("start must not be negative.")
    if rows is not None and not 1 <= rows <= MAX_ROWS:
        raise OptionError(f"rows must be 1 to {MAX_ROWS}, not {rows}.")
    if limit is not None and limit < 0:
        raise OptionError("limit must not be negative.")


def _read_all(client: CarbonBlackClient, search: Search, found: _FoundRows) -> None:
    """Everything that matches: at once when one page holds it, else with a frozen span of time."""
    first = client.search(search.body(0))
    found.num_found = first.num_found
    # A full page may be followed by others, whatever number the service announces.
    if first.num_found <= len(first.rows) < min(search.rows, MAX_ROWS):
        found.take(first.rows)
        return
    if tuple(search.sort) != OLDEST_FIRST:
        _read_sorted(client, search, found)
        return
    span = span_of(search.criteria.get(SCAN_TIME), client.server_time() or dt.datetime.now(dt.UTC))
    if span is None:
        span = _whole_span(client, search, first.rows)
    for rows in read_span(client, search, *span, found.warnings):
        if not found.take(rows):
            return
    # The service may say 10,000 when there are more (docs/vendors/carbon_black.md 4.4).
    found.num_found = max(found.num_found, len(found.rows))


def _whole_span(client: CarbonBlackClient, search: Search, rows: list[Raw]) -> tuple[dt.datetime, dt.datetime]:
    """The span from the oldest matching row to now."""
    now = client.server_time() or dt.datetime.now(dt.UTC)
    oldest = scan_time_of(rows[0]) if rows else None
    if oldest is None or oldest > now:
        oldest = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return oldest - _MINUTE, now + _MINUTE


def _read_sorted(client: CarbonBlackClient, search: Search, found: _FoundRows) -> None:
    """In the order that was asked for, which spans of time would break: so no more than the service gives out."""
    if search.criteria.get(SCAN_TIME, {}).get("range"):
        now = client.server_time() or dt.datetime.now(dt.UTC)
        span = span_of(search.criteria[SCAN_TIME], now)
    else:
        span = None
    offset = 0
    while offset < MAX_ROWS:
        rows = min(search.rows, MAX_ROWS - offset)
        page = client.search(dataclasses.replace(search, rows=rows).body(offset, span))
        found.num_found = page.num_found
        if not page.rows or not found.take(page.rows):
            break
        offset += len(page.rows)
        # A full page may be followed by others, whatever number the service announces.
        if len(page.rows) < rows and offset >= page.num_found:
            break
    if offset > found.num_found:
        found.warnings.append(
            f"Carbon Black Cloud announced {found.num_found} rows, and sent {offset}:"
            " reading continued until a page was not full."
        )
        found.num_found = offset
    if (found.num_found > offset or offset >= MAX_ROWS) and not found.more:
        found.more = True
        found.warnings.append(
            f"{found.num_found} rows or more match, of which the service gives out {MAX_ROWS} in this order:"
            " leave out sort, or narrow criteria."
        )


def run_facets(params: Options, client: CarbonBlackClient, check_mode: bool) -> Result:
    """Logic of ``carbon_black_scan_log_facet_info``. It only reads, so check mode makes no difference."""
    fields, rows = list(dict.fromkeys(params["fields"])), params["rows"]
    if not fields:
        raise OptionError("fields is empty.", hint=f"Give some of {', '.join(FACETS)}.")
    if rows < 1:
        raise OptionError("rows must be 1 or more.")
    criteria, warnings = check_criteria(params.get("criteria"))
    warnings += [
        f"fields: {name} is not known here; the service may leave it out." for name in fields if name not in FACETS
    ]
    body: Raw = {"terms": {"fields": fields, "rows": rows}}
    if criteria:
        body["criteria"] = criteria
    if params.get("search"):
        body["query"] = params["search"]
    answered = {term.get("field"): term.get("values") for term in client.facets(body)}
    facets = [{"field": name, "buckets": _buckets(answered.get(name))} for name in fields]
    return Result(values={"facets": facets}, warnings=warnings)


def _buckets(values: t.Any) -> list[Raw]:
    return [
        {"name": text(value.get("name")), "total": whole(value.get("total"))}
        for value in items(values)
        if isinstance(value, dict)
    ]


def run_metadata(params: Options, client: CarbonBlackClient, check_mode: bool) -> Result:
    """Logic of ``carbon_black_scan_log_metadata_info``. It only reads, so check mode makes no difference."""
    answer = client.metadata()
    return Result(values={name: texts(items(answer.get(name))) for name in ("clusters", "namespaces", "hostnames")})

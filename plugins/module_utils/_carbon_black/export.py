# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scan logs as a stream for the collector (docs/vendors/carbon_black.md 9.3).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from .._base.errors import OptionError
from .._records.result import Result
from .._records.times import utc_now
from .._spool.disk.source import Dense, Identity, SpoolEntry, Timing, Window, content_hash
from .._vendor.client import Raw
from .._vendor.log_source import LogSource, Options, export
from .._vendor.normaliser import raw_text
from .client import CarbonBlackClient
from .listing import SCAN_TIME, Search, TooMany, check_criteria, read_window, too_many
from .normalise import SOURCE, ScanNormaliser, row_id_of, scan_time_of

WIDEST = dt.timedelta(days=366)
"""The span of a window before the volume is known. How long the service keeps rows is not documented."""
TIMING = Timing(lag=dt.timedelta(minutes=1), overlap=dt.timedelta(minutes=10), window=WIDEST)

_HALF = dt.timedelta(milliseconds=500)
_SECOND = dt.timedelta(seconds=1)


class CarbonBlackScanLogs(LogSource[CarbonBlackClient]):
    """The stream: scan logs of one organisation under one set of criteria."""

    def __init__(self, params: Options, client: CarbonBlackClient) -> None:
        criteria, warnings = check_criteria(params.get("criteria"))
        if SCAN_TIME in criteria:
            raise OptionError(
                "criteria: scan_time is set by the collector.", hint="Use lookback, backfill or the _info module."
            )
        self._search = Search(criteria, params.get("search") or None)
        self._malware = params["malware_findings"]
        identity = Identity(
            source=SOURCE,
            account=client.connection.org_key,
            stream="scan_logs",
            parameters={
                "criteria": criteria,
                "search": self._search.text,
                "malware_findings": self._malware,
                "sensitive": params["sensitive"],
                "include_raw": params["include_raw"],
            },
        )
        super().__init__(client, identity, TIMING)
        self._normaliser = ScanNormaliser(include_raw=params["include_raw"], raw_as=raw_text)
        self.unknown = self._normaliser.unknown
        self.warnings += warnings

    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        """Every row of the window, and half a second around it: whether the bounds are inclusive is not known."""
        span = window.start - _HALF, window.end + _HALF
        try:
            for rows in read_window(self.client, self._search, *span, self.warnings):
                yield [entry for row in rows for entry in self._entries(row, window.start)]
        except TooMany as found:
            if window.end - window.start <= _SECOND:
                raise too_many(found.rows, window.start) from None
            raise Dense(found.parts()) from None

    def _entries(self, row: Raw, default: dt.datetime) -> t.Iterator[SpoolEntry]:
        # A row without a time stands at the start of the window that brought it.
        moment = scan_time_of(row) or default
        content = row_content_of(row)
        yield SpoolEntry(row_id_of(row), moment, content, self._normaliser.scan(row))
        finding = self._normaliser.malware(row) if self._malware else None
        if finding is not None:
            yield SpoolEntry(finding["id"], moment, content, finding)


def row_content_of(row: Raw) -> str:
    """Short hash of a row, without the number of workloads, which says how often the image runs now."""
    names = sorted(row.keys() - {"workloads"})
    ordered = {name: row[name] for name in names}
    summary = ordered.get("vulnerabilities_summary")
    if isinstance(summary, dict):
        ordered["vulnerabilities_summary"] = {name: summary[name] for name in sorted(summary)}
    return content_hash(ordered)


def run(
    params: Options, client: CarbonBlackClient, check_mode: bool, clock: t.Callable[[], dt.datetime] = utc_now
) -> Result:
    """Logic of ``carbon_black_scan_log_export``."""
    return export(params, CarbonBlackScanLogs(params, client), check_mode, clock)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs and their findings as a stream for the collector (docs/vendors/indusface_was.md 9).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import typing as t

from .._records.result import Result
from .._records.times import utc_now
from .._spool.disk.source import Identity, SpoolEntry, Timing, Window
from .._vendor.log_source import LogSource, Options, export
from .._vendor.normaliser import raw_text
from .client import Days, IndusfaceClient
from .normalise import SOURCE, ScanLogNormaliser
from .rows import Row, alert_content, alert_keys, log_day_of, scan_content, scan_key, scan_rows_of
from .scan_log_info import chunk_days, outside_warning

_DAY = dt.timedelta(days=1)
OVERLAP = 2 * _DAY
"""The time zone of days is unknown, and a running scan changes its log, so the last days are read again."""


class ScanLogSource(LogSource[IndusfaceClient]):
    """The stream of one account: one scan for each scan log, and one finding for each of its vulnerabilities.

    The content hash of a record ignores what varies in the vendor's answers: the spelling of keys, whether ids are
    numbers, and the order of the vulnerabilities.
    """

    def __init__(self, client: IndusfaceClient, params: Options) -> None:
        timing = Timing(
            lag=dt.timedelta(0), overlap=OVERLAP, window=chunk_days(params) * _DAY, retention=None, granularity=_DAY
        )
        identity = Identity(
            source=SOURCE,
            # The access key identifies the account, but changes with each rotation. The address and the name that the
            # user gives the account are stable.
            account=" ".join(filter(None, (client.connection.api_url, (params.get("account") or "").strip()))),
            stream="scan_logs",
            parameters={"sensitive": params["sensitive"], "include_raw": params["include_raw"]},
        )
        super().__init__(client, identity, timing)
        self._normaliser = ScanLogNormaliser(
            keep_sensitive=params["sensitive"] == "keep", include_raw=params["include_raw"], raw_as=raw_text
        )
        self.unknown = self._normaliser.unknown
        self.outside = 0

    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        """The scan logs of the days that the window touches, in one page: the service has no smaller ones."""
        days = Days(window.start.date(), (window.end - dt.timedelta(microseconds=1)).date())
        entries: list[SpoolEntry] = []
        for row in scan_rows_of(self.client.scan_logs(days).rows):
            entries.extend(self._entries(row, days, window))
        yield entries

    def _entries(self, row: Row, days: Days, window: Window) -> t.Iterator[SpoolEntry]:
        day = log_day_of(row.fields.get("ScanDate"))
        if day is not None and day not in days:
            self.outside += 1
        # A scan log without a day is kept, at the start of the window that returned it.
        time = window.start if day is None else dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
        yield SpoolEntry(scan_key(row), time, scan_content(row), self._normaliser.scan(row))
        for key, alert in alert_keys(row):
            yield SpoolEntry(key, time, alert_content(alert), self._normaliser.finding(row, alert))


def run(
    params: Options, client: IndusfaceClient, check_mode: bool, clock: t.Callable[[], dt.datetime] = utc_now
) -> Result:
    """Logic of ``indusface_scan_log_export``."""
    source = ScanLogSource(client, params)
    result = export(params, source, check_mode, clock)
    result.warnings += outside_warning(source.outside)
    return result

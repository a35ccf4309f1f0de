# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defence logs as a stream for the collector, with details as far as the budget of calls allows.

This module is private to the collection and may change at any time.

See docs/vendors/scutum_waf.md 3.4, 5, 8.
"""

from __future__ import annotations

import collections
import datetime as dt
import math
import typing as t

from .._base.errors import AuthenticationFailed, OptionError, PerimeterError, RateLimited, TransportError, VendorError
from .._records.coerce import text
from .._records.result import Result
from .._records.times import parse_time, utc_now
from .._spool.disk.source import Identity, SpoolEntry, Timing, Window, content_hash
from .._vendor.client import Raw
from .._vendor.log_source import LogSource, Options, export
from .._vendor.normaliser import raw_text
from .alert_info import RETENTION, checked_address
from .client import AlertQuery, ScutumClient
from .fields import log_time
from .listing import pages
from .normalise import SOURCE, AlertNormaliser, DetailState

FIRST_N = 20
"""Details that ``details: first_n`` reads, unless ``details_limit`` says otherwise."""

TIMING = Timing(
    lag=dt.timedelta(minutes=1),
    overlap=dt.timedelta(minutes=5),
    # Each window costs at least one call, of 25 in five minutes, and one marker can page through a whole year.
    window=RETENTION,
    retention=RETENTION,
    margin=dt.timedelta(hours=1),
    ascending=True,
)


class AlertSource(LogSource[ScutumClient]):
    """The stream of one host's alerts.

    The content hash of a record covers only the row of the list, so a detail that could not be read this time does not
    make the record look changed the next time.
    """

    def __init__(self, client: ScutumClient, params: Options, clock: t.Callable[[], dt.datetime] = utc_now) -> None:
        who = client.connection
        self._ip = checked_address(params.get("ip"))
        self._details = params["details"]
        self._left = _details_limit(params)
        self._until = _end_of_backfill(params)
        self._clock = clock
        self._begun: dt.datetime | None = None
        self._reached: dt.datetime | None = None
        self._pages = 0
        self._rows: dict[str, Raw] = {}
        self.refused: str | None = None
        self.counts: collections.Counter[str] = collections.Counter()
        identity = Identity(
            source=SOURCE,
            account=f"{who.host}/{who.id}",
            stream="events",
            parameters={
                "ip": self._ip,
                "details": self._details,
                "sensitive": params["sensitive"],
                "include_raw": params["include_raw"],
            },
        )
        super().__init__(client, identity, TIMING)
        self._normaliser = AlertNormaliser(
            who.host,
            who.id,
            keep_sensitive=params["sensitive"] == "keep",
            include_raw=params["include_raw"],
            raw_as=raw_text,
        )
        self.unknown = self._normaliser.unknown

    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        """The alerts of the window, oldest first. The bounds of Scutum are those of the window: from, not to."""
        self._begun = self._begun or window.start
        for page in pages(self.client, AlertQuery("asc", window.start, window.end, self._ip)):
            self._pages += 1
            entries = [self._entry(row, window) for row in page.rows]
            self._rows = {entry.key: row for entry, row in zip(entries, page.rows, strict=True)}
            self._reached = entries[-1].time if page.marker and entries else window.end
            yield entries

    def _entry(self, row: Raw, window: Window) -> SpoolEntry:
        event = self._normaliser.event(row)
        content = content_hash(row)
        # A log without id or time is not lost for that: it stands under its content, at the start of its window.
        return SpoolEntry(event["id"] or f"content:{content}", log_time(row.get("ts")) or window.start, content, event)

    def enrich(self, entries: list[SpoolEntry]) -> list[SpoolEntry]:
        """Add the details to alerts that are about to be written; the collector calls this with new ones only."""
        if self._details == "none":
            return entries
        return [self._with_detail(entry) for entry in entries]

    def _with_detail(self, entry: SpoolEntry) -> SpoolEntry:
        event = entry.record
        if not event["id"] or (self._details == "blocked_only" and event["action"] != "blocked"):
            return entry
        raw, state = self._detail(event["id"])
        self.counts[state] += 1
        if raw is None:
            event["details"]["detail"] = state
            return entry
        # Values that the detail omits come from the list.
        whole = self._rows.get(entry.key, {}) | {name: value for name, value in raw.items() if value is not None}
        return entry._replace(record=self._normaliser.event(whole, state))

    def _detail(self, log_id: str) -> tuple[Raw | None, DetailState]:
        if self._left == 0 or not self.client.has_spare_call(self._still_needed()):
            return None, "skipped"
        if self._left is not None:
            self._left -= 1
        try:
            raw = self.client.detail(log_id, spare=True)
        except AuthenticationFailed:
            raise
        except RateLimited:
            self._left = 0
            return None, "skipped"
        except PerimeterError as error:
            # An alert without its detail is better than none, so only the detail is dropped, and counted.
            forbidden = isinstance(error, VendorError) and error.code == "403"
            if forbidden or isinstance(error, TransportError):
                # Further details would fail too, and cost calls that the logs themselves need.
                self._left, self.refused = 0, error.message
            return None, "failed"
        if raw is None:
            return None, "not_found"
        return (raw, "read") if text(raw.get("log_id")) == log_id else (None, "failed")

    def _still_needed(self) -> int:
        """Number of calls that the rest of the time will need, if it is as dense as what was read."""
        end = self._until or self.client.server_time() or self._clock()
        if self._begun is None or self._reached is None or not self._begun < self._reached < end:
            return 0
        return math.ceil(self._pages * ((end - self._reached) / (self._reached - self._begun)))


def _end_of_backfill(params: Options) -> dt.datetime | None:
    try:
        return parse_time(str((params.get("backfill") or {})["to"]))
    except (KeyError, ValueError):
        return None  # the collector validates the option


def _details_limit(params: Options) -> int | None:
    limit = params.get("details_limit")
    if limit is not None and limit < 0:
        raise OptionError(f"details_limit must be at least 0, not {limit}.")
    if limit is None and params["details"] == "first_n":
        return FIRST_N
    return t.cast("int | None", limit)


def run(
    params: Options, client: ScutumClient, check_mode: bool, clock: t.Callable[[], dt.datetime] = utc_now
) -> Result:
    """Logic of ``scutum_alert_export``."""
    source = AlertSource(client, params, clock)
    result = export(params, source, check_mode, clock)
    result.values["details"] = {state: source.counts[state] for state in ("read", "skipped", "not_found", "failed")}
    if source.counts["failed"]:
        failed = source.counts["failed"]
        result.warnings.append(f"{failed} details could not be read; the alerts were written without them.")
    if source.refused:
        result.warnings.append(f"No more details were read in this run: {source.refused}")
    return result

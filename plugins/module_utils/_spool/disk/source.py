# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a vendor room provides to the collector: the stream's identity, its timing, and its records in pages.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import typing as t

from ..._records.codec import dump_line, dumps_sorted

SLICE_PAGES = 10
"""Pages of one commit: enough for files of a useful size, few enough to lose little at a limit."""


@dataclasses.dataclass(frozen=True)
class Window:
    """A span of time, UTC: ``start`` is inclusive, ``end`` exclusive.

    Attributes:
        cut: whether it is a part of a window that was :class:`Dense`.
    """

    start: dt.datetime
    end: dt.datetime
    cut: bool = dataclasses.field(default=False, compare=False)


class Dense(Exception):
    """A window contains more than should be read at once. What was read is discarded, and it is read again in parts.

    Args:
        parts: number of parts, at least two, assuming that the records are spread evenly.
        start: where the first part begins, if not at the start of the window.
    """

    def __init__(self, parts: int, start: dt.datetime | None = None) -> None:
        super().__init__(f"read in {parts} parts")
        self.parts = max(2, parts)
        self.start = start

    def rest(self, window: Window) -> Window:
        """Return the span that has to be read in parts."""
        return dataclasses.replace(window, start=self.start or window.start)


class SpoolEntry(t.NamedTuple):
    """One record for the spool.

    Attributes:
        key: identity within the stream. It never changes, and is the same for a changed row.
        time: the record's own time, UTC. It decides to which window and day's folder the record belongs.
        content: short hash of the vendor's data (:func:`content_hash`), without the parts that change with every
            answer. Another hash for a known key means a changed row, which is written again.
        record: the normalised record, to which the collector adds ``key`` and ``content``; or its whole line, as
            :meth:`line` returns it, if worker processes have encoded it already.
    """

    key: str
    time: dt.datetime
    content: str
    record: t.Any

    def line(self) -> bytes:
        """Return the line of the record, with its key and content, as it is written."""
        if isinstance(self.record, bytes):
            return self.record
        self.record["key"] = self.key
        self.record["content"] = self.content
        return dump_line(self.record)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """Identifies a stream. If any of these values differs, it is another stream with its own position.

    Attributes:
        source: vendor room, such as ``edgecast``.
        account: account number, host or organisation of the credentials. Not secret.
        stream: ``events`` or ``scan_logs``.
        parameters: everything that decides which records are returned and what they contain: filters, ``sensitive``,
            ``include_raw``. Not the window, and nothing secret.
    """

    source: str
    account: str
    stream: str
    parameters: t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """The timing of requests to a service (docs/vendors/log_collection.md 5); ``lag`` and ``overlap`` are options.

    Attributes:
        lag: records younger than this are not requested, because others may still arrive.
        overlap: how far before the position each run begins, for late records.
        window: longest span of a window. Windows begin wide: a source divides one that turns out to be :class:`Dense`.
        retention: age up to which the service keeps records; None if unknown.
        margin: how far from the end of the retention a run stays.
        granularity: the finest step of the service's time bounds: a second, or a day.
        parallel: windows that may be read in parallel.
        ascending: pages come in the order of the records' times. Everything older than the newest record is complete
            then, and is committed every :data:`SLICE_PAGES` pages and when a page fails. Only with ``parallel`` 1.
    """

    lag: dt.timedelta
    overlap: dt.timedelta
    window: dt.timedelta
    retention: dt.timedelta | None = None
    margin: dt.timedelta = dt.timedelta(minutes=5)
    granularity: dt.timedelta = dt.timedelta(seconds=1)
    parallel: int = 1
    ascending: bool = False


class Source(t.Protocol):
    """A stream of records at a service."""

    identity: Identity
    timing: Timing

    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        """Yield every record of the window, page by page, with constant parameters for the whole window.

        The vendor's bounds may be inclusive or not, so a page may contain records from outside the window: the
        collector drops them, because they belong to another window. A record may come twice, and in any order unless
        the timing is ``ascending``. A source that has to read a window again (pages shifted, a marker expired) does so
        here, and repeats records.

        Raises:
            Dense: the window contains too much. Never raised for a window of one step of the granularity.
            PerimeterError: the window could not be read completely. Nothing of it is committed, unless the timing is
                ``ascending``.
        """

    def server_time(self) -> dt.datetime | None:
        """Return the ``Date`` of the newest answer, or None. The collector warns when the clocks differ."""


@t.runtime_checkable
class Enriching(t.Protocol):
    """A source that can add details to its records, at a cost that is spent on new records only."""

    def enrich(self, entries: list[SpoolEntry]) -> list[SpoolEntry]:
        """Return the same entries, with the same keys, times and contents, and more in their records.

        The collector calls this with the entries that it will write, and not in check mode.
        """


def content_hash(raw: t.Any) -> str:
    """Return 16 hexadecimal digits that hash the vendor's data, independent of the order of its keys."""
    return hashlib.blake2b(dumps_sorted(raw), digest_size=8).hexdigest()

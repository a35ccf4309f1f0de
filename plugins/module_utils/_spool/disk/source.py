# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a vendor room gives the collector: who the stream is, how it is best asked, and its records in pages.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import typing as t

from ..._records.codec import dumps_sorted


@dataclasses.dataclass(frozen=True)
class Window:
    """A span of time, UTC: ``start`` is inclusive, ``end`` exclusive."""

    start: dt.datetime
    end: dt.datetime


class Entry(t.NamedTuple):
    """One record on its way into the spool.

    Attributes:
        key: identity within the stream, stable for ever; the same for a changed row.
        time: the record's own time, UTC. It decides which window owns the record, and which day's folder it stands in.
        content: short hash of what the vendor sent (:func:`content_hash`), without what changes from answer to answer.
            Another hash under a known key is a changed row, which is written again.
        record: the normalised record. The collector adds ``key`` and ``content`` to it.
    """

    key: str
    time: dt.datetime
    content: str
    record: t.Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """Which stream this is. Another value of any of these is another stream, with a position of its own.

    Attributes:
        source: vendor room, such as ``edgecast``.
        account: what the credentials see: account number, host, organisation. No secret.
        stream: ``events`` or ``scan_logs``.
        parameters: everything that decides which records come and what they hold: filters, ``sensitive``,
            ``include_raw``. Not the window, and no secret.
    """

    source: str
    account: str
    stream: str
    parameters: t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timing:
    """How a service is best asked (docs/vendors/log_collection.md 5); ``lag`` and ``overlap`` are options too.

    Attributes:
        lag: younger than this is not asked for, as records may still arrive.
        overlap: how far before the position each run begins, for records that arrived late.
        window: span of one window at most.
        retention: older than this the service refuses or forgets; None when it is not known.
        margin: how much before the retention's edge a run stays.
        granularity: the finest step of the service's time bounds: a second, or a day.
        parallel: windows that may be read side by side.
    """

    lag: dt.timedelta
    overlap: dt.timedelta
    window: dt.timedelta
    retention: dt.timedelta | None = None
    margin: dt.timedelta = dt.timedelta(minutes=5)
    granularity: dt.timedelta = dt.timedelta(seconds=1)
    parallel: int = 1


class Source(t.Protocol):
    """A stream of records at a service."""

    identity: Identity
    timing: Timing

    def pages(self, window: Window) -> t.Iterator[list[Entry]]:
        """Every record whose time is in the window, page by page, with the parameters frozen for the whole window.

        The vendor's own bounds may be inclusive or not, so a page may hold records from outside the window: the
        collector leaves them out, as another window owns them. A record may come twice, and in any order. A source that
        must read a window again (it shifted, a marker expired) or in halves does so here: what came before counts.

        Raises:
            PerimeterError: the window could not be read to its end. Nothing of it is then committed.
        """

    def server_time(self) -> dt.datetime | None:
        """The ``Date`` of the newest answer, or None: the collector warns when the two clocks differ."""


@t.runtime_checkable
class Enriching(t.Protocol):
    """A source whose records can be made richer at a price, which is paid for new ones only."""

    def enrich(self, entries: list[Entry]) -> list[Entry]:
        """The same entries, same keys, times and contents, with more in their records.

        The collector calls this with entries that it is about to write, and not in check mode.
        """


def content_hash(raw: t.Any) -> str:
    """16 hexadecimal digits of what the vendor sent, as compact JSON with its keys in order, whoever writes it."""
    return hashlib.blake2b(dumps_sorted(raw), digest_size=8).hexdigest()

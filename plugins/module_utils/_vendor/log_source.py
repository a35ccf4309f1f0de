# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A vendor's log as a stream for the collector, and the logic of the export modules.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import abc
import collections
import datetime as dt
import threading
import typing as t

from .._http.session import HttpSession
from .._records.result import Result
from .._records.times import utc_now
from .._spool.collect.entry import collect
from .._spool.disk.source import Identity, SpoolEntry, Timing, Window

Options = t.Mapping[str, t.Any]


class LogClient(t.Protocol):
    """What a source requires of its client."""

    http: HttpSession

    def server_time(self) -> dt.datetime | None:
        """Return the ``Date`` of the newest answer."""


K = t.TypeVar("K", bound=LogClient)


class LogSource(abc.ABC, t.Generic[K]):
    """A stream of records at a service.

    Args:
        client: the account.
        identity: identifies the stream.
        timing: how to time requests to the service.

    Attributes:
        unknown: values of the vendor that this version does not know, counted over all threads.
        warnings: warnings for the user at the end, in any order.
    """

    def __init__(self, client: K, identity: Identity, timing: Timing) -> None:
        self.client = client
        self.identity = identity
        self.timing = timing
        self.warnings: list[str] = []
        self.unknown: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    @abc.abstractmethod
    def pages(self, window: Window) -> t.Iterator[list[SpoolEntry]]:
        """Yield every record whose time is in the window; see :class:`.source.Source`."""

    def server_time(self) -> dt.datetime | None:
        """Return the ``Date`` of the newest answer, or None."""
        return self.client.server_time()

    def take_unknown(self, counted: collections.Counter[str]) -> None:
        """Add the counts of a thread's normaliser, which are emptied."""
        with self._lock:
            self.unknown.update(counted)
        counted.clear()


def export(
    params: Options, source: LogSource[t.Any], check_mode: bool, clock: t.Callable[[], dt.datetime] = utc_now
) -> Result:
    """Collect a stream: the logic that all log exports share.

    Raises:
        PerimeterError: the errors of :func:`.entry.collect`.
    """
    result = collect(params, source, check_mode=check_mode, clock=clock)
    result.values["unknown_values"] = dict(sorted(source.unknown.items()))
    result.warnings += sorted(source.warnings)
    return result

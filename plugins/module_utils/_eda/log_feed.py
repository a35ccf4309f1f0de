# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The events of a WAF log for the rule engine, read with the sources of the exports.

This module is private to the collection and may change at any time.

As in a collection: the lag, the overlap, windows that are divided where they are dense, the limits of the service, and
redaction. Different: an event is identified by its key alone and given once, even if the service changes it later; and
no worker processes are used, because a process with a Java virtual machine in it must not be forked.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import logging
import pathlib
import typing as t

from .._base.errors import OptionError
from .._records.model import SCHEMA
from .._records.query import Query
from .._records.times import parse_duration, parse_time, utc_now, utc_text
from .._spool.collect.plan import cut, floor, horizon, oldest, parts, reread_from, windows
from .._spool.disk.source import Dense, Enriching, Source, SpoolEntry, Timing, Window
from .._spool.disk.stream import identity_hash
from .log_position import LogPosition, LogPositionFile
from .steps import Step, event_step, event_uuid

log = logging.getLogger("appsec.perimeter.eda")

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FUTURE = dt.timedelta(seconds=60)
_BETWEEN_MARKS = 200
_SECOND = dt.timedelta(seconds=1)
_KEPT_FOR_ALL = "older than what the service keeps"


class LogFeed:
    """The events after the position, as steps.

    Args:
        source: the stream, used for its identity and timing. Each poll has its own source.
        arguments: checked arguments.
        state: the state directory.
        clock: returns the current time.
    """

    def __init__(
        self,
        source: Source,
        arguments: t.Mapping[str, t.Any],
        state: pathlib.Path,
        clock: t.Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._timing = _timing(source.timing, arguments)
        self._stream = identity_hash(source.identity)
        self._about = f"{source.identity.source}/{source.identity.stream}"
        self._file = LogPositionFile(state, source.identity, arguments["consumer"])
        self._clock = clock
        self._arguments = arguments
        self._where = Query(arguments["where"])
        self._ahead = False
        self.lock = self._file.path.with_suffix(".lock")

    def begin(self) -> None:
        """Read the position. A first run writes one at once, so that a kill does not move the start.

        Raises:
            StateError: the position cannot be used or written.
            OptionError: ``since`` is missing or not a time.
        """
        found = self._file.read()
        if found is None:
            start = self._start()
            found = LogPosition(start, start)
            self._file.write(found)
        self._position = found
        # The progress given to the engine, which may be ahead of what it has confirmed.
        self._given = found.copy()

    def write(self) -> None:
        """Make the position durable.

        Raises:
            StateError: it cannot be written.
        """
        self._file.write(self._position)

    def poll(self, source: Source) -> t.Iterator[list[Step]]:
        """Yield the events since the last poll, in batches. Call it from one thread at a time.

        Raises:
            PerimeterError: the service failed. Batches yielded before are valid.
        """
        now, timing, given = self._clock(), self._timing, self._given
        if given.until > now + _FUTURE:
            self._say_ahead()
            return
        edge = oldest(now, timing)
        # Within the margin, the service still has the events while polls fail one after the other.
        if edge is not None and given.until < edge - timing.margin:
            yield [self._gap(given.until, edge), self._mark(edge)]
        start = reread_from(given.until, given.origin, timing)
        if edge is not None:
            start = max(start, min(edge, given.until))
        end = horizon(now, timing)
        left = collections.deque(cut(windows(start, given.until, end, timing), end, timing))
        while left:
            window = left.popleft()
            try:
                yield from self._window(source, window)
            except Dense as dense:
                left.extendleft(reversed(parts(dense.rest(window), dense.parts, timing)))

    def _window(self, source: Source, window: Window) -> t.Iterator[list[Step]]:
        """Yield the steps of a window. If the pages of the service are in order of time, each is given at once."""
        held: list[SpoolEntry] = []
        newest, ordered = window.start, True
        for page in source.pages(window):
            entries = [entry for entry in page if window.start <= entry.time < window.end]
            if not source.timing.ascending:
                held += entries
                continue
            steps = self._fresh(source, entries)
            # If a page is out of order, the rest may be too, and the position waits for the end of the window.
            ordered = ordered and all(entry.time >= newest for entry in entries)
            if ordered and entries:
                newest = max(entry.time for entry in entries).replace(microsecond=0)
                steps.append(self._mark(min(newest, self._safe_end(source, window))))
            yield steps
        held.sort(key=lambda entry: (entry.time, entry.key))
        end = self._safe_end(source, window)
        # The whole window has been read, so the position can follow the events through it.
        for start in range(0, len(held), _BETWEEN_MARKS):
            part = held[start : start + _BETWEEN_MARKS]
            yield [*self._fresh(source, part), self._mark(min(part[-1].time.replace(microsecond=0), end))]
        yield [self._mark(end)]

    def _safe_end(self, source: Source, window: Window) -> dt.datetime:
        """The time up to which a window is complete: our clock may be ahead of the service's."""
        own, theirs = self._clock(), source.server_time()
        return min(window.end, horizon(min(own, theirs or own), self._timing))

    def _fresh(self, source: Source, entries: list[SpoolEntry]) -> list[Step]:
        """The steps of the entries that were not given yet and that the rulebook wants.

        A key counts as given only after the last operation that can fail.
        """
        new: dict[str, SpoolEntry] = {}
        for entry in entries:
            if self._given.knows(entry.key):
                self._given.take(entry.key, entry.time)
            else:
                new.setdefault(entry.key, entry)
        wanted = [entry for entry in new.values() if not self._arguments["where"] or self._where(entry.record)]
        if isinstance(source, Enriching) and wanted:
            wanted = source.enrich(wanted)
        steps = []
        for entry in wanted:
            key = event_uuid(self._stream, entry.key)
            steps.append(event_step(entry.record, key, _TakenEvent(self, entry.key, entry.time)))
        for entry in new.values():
            self._given.take(entry.key, entry.time)
        return steps

    def _mark(self, until: dt.datetime) -> Step:
        """Return a mark: the steps before it contain everything before a time."""
        self._given.move(until, self._remember_from(until))
        return Step(lambda: self._position.move(until, self._remember_from(until)), is_mark=True)

    def _remember_from(self, until: dt.datetime) -> dt.datetime:
        return reread_from(until, self._given.origin, self._timing)

    def _gap(self, start: dt.datetime, end: dt.datetime) -> Step:
        """Return an event for a span that can no longer be read."""
        record = {
            "record": "gap",
            "schema": SCHEMA,
            "stream": self._about,
            "from": utc_text(start),
            "to": utc_text(end),
            "reason": _KEPT_FOR_ALL,
        }
        log.error(
            "%s: the events from %s to %s are gone: %s.", self._about, record["from"], record["to"], _KEPT_FOR_ALL
        )
        return event_step(record, event_uuid(self._stream, f"gap:{record['from']}"), lambda: None)

    def taken(self, key: str, time: dt.datetime) -> None:
        """Record that the engine has an event."""
        self._position.take(key, time)

    def _say_ahead(self) -> None:
        if not self._ahead:
            self._ahead = True
            log.error(
                "%s: the position %s is in the future: the clock is or was wrong. Nothing is read until then.",
                self._about,
                utc_text(self._given.until),
            )

    def _start(self) -> dt.datetime:
        now = self._clock()
        newest, edge = horizon(now, self._timing), oldest(now, self._timing) or _EPOCH
        initial = self._arguments["initial"]
        if initial == "now":
            return newest
        if initial == "all":
            return edge
        return floor(min(max(since(self._arguments, now), edge), newest), _SECOND)


@dataclasses.dataclass(slots=True)
class _TakenEvent:
    """Records a confirmed event. It is small, because there is one for each event in flight."""

    feed: LogFeed
    key: str
    time: dt.datetime

    def __call__(self) -> None:
        self.feed.taken(self.key, self.time)


def since(arguments: t.Mapping[str, t.Any], now: dt.datetime) -> dt.datetime:
    """Return the start for ``initial: since``.

    Raises:
        OptionError: ``since`` is missing, or neither a time nor a duration.
    """
    text = arguments["since"]
    hint = "Give a UTC time such as 2026-01-31T08:00:00Z, or a duration such as 7d."
    if not text:
        raise OptionError("initial is since, and since is missing.", hint=hint)
    try:
        return now - dt.timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        return parse_time(text)
    except ValueError:
        raise OptionError("since is neither a time nor a duration.", hint=hint) from None


def _timing(timing: Timing, arguments: t.Mapping[str, t.Any]) -> Timing:
    lag, overlap = arguments["lag"], arguments["overlap"]
    return dataclasses.replace(
        timing,
        lag=timing.lag if lag is None else dt.timedelta(seconds=lag),
        overlap=timing.overlap if overlap is None else dt.timedelta(seconds=overlap),
    )

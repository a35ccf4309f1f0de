# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commits what an ordinary run reads: first the segments, then the position.

This module is private to the collection and may change at any time.

Each segment is durable before its rename, and the position is written afterwards. After a crash in between, the next
run adopts the segments that the position does not list before it sends any request.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt

from ..._base.errors import PerimeterError
from ..._records.codec import dump_line
from ..._records.model import SCHEMA, Gap
from ..disk.files import size_of, window_of
from ..disk.kept import Kept
from ..disk.keys import KeyTable
from ..disk.position import Position
from ..disk.reader import StagedWindow
from ..disk.segment import Writer
from ..disk.source import Window, content_hash
from .adopt import keys_on_disk, upper_of
from .job import CollectJob
from .plan import reread_from
from .report import RunReport


class Progress:
    """The position of a stream while it moves. This is the keeper of an ordinary run.

    Attributes:
        position: the position.
        end: nothing after this time is committed as read; set once the service's clock is known.
    """

    def __init__(self, job: CollectJob, report: RunReport, position: Position) -> None:
        self._job = job
        self._report = report
        self.position = position
        self.end = position.committed_until
        self._failed: list[tuple[dt.datetime, PerimeterError]] = []

    def known(self, window: Window) -> list[KeyTable]:
        """Return the pairs already written, for a window."""
        seen = self.position.seen
        if window.start >= self.position.keys_since:
            return [seen]
        return [keys_on_disk(self._job.options.dest, window, self._job.timing), seen]

    def remember_from(self, until: dt.datetime) -> dt.datetime:
        """Return the time from which records can come again, once everything up to ``until`` is read."""
        return reread_from(min(until, self.end), self.position.origin, self._job.timing)

    def commit(self, staged: StagedWindow) -> None:
        """Commit a window or a slice of one. One that failed becomes a gap when a later one could be read."""
        until = min(staged.window.end, self.end)
        if staged.error is not None:
            self._failed.append((until, staged.error))
            return
        # Only now is it certain that the service as a whole is not down.
        for bound, error in self._failed:
            self.skip(bound, f"it could not be read: {error.message.rstrip('.')}")
        self._failed.clear()
        self.begin()
        self.move(until, staged.keys, self._report.committed(staged, until))

    def check_gaps(self) -> None:
        """Fail if nothing could be read after windows that failed: they are not gaps then.

        Raises:
            PerimeterError: the error of the first of them.
        """
        if self._failed:
            raise self._failed[0][1]

    def begin(self) -> None:
        """Store that there was an ordinary run, before any of its windows is committed."""
        kept = self._job.kept.kept
        if kept is None or kept.until is None:
            self._job.kept.replace(dataclasses.replace(kept or Kept(), until=self.position.committed_until))

    def move(self, until: dt.datetime, keys: KeyTable, names: list[str]) -> None:
        """Move the position, and drop pairs of records that cannot come again.

        Args:
            until: everything before this was read.
            keys: the pairs that were written, or found again on the disk.
            names: the segments that were written.
        """
        position, timing = self.position, self._job.timing
        position.committed_until = max(position.committed_until, until)
        since = reread_from(position.committed_until, position.origin, timing)
        moment = int(since.timestamp())
        # A new table each time, because windows in progress still use the previous one.
        seen = position.seen.since(moment)
        seen.update(keys, moment)
        position.seen = seen
        position.keys_since = max(position.keys_since, since)
        spans = {name: window_of(name.rpartition("/")[2]) for name in [*position.tail, *names]}
        position.tail = [name for name, span in spans.items() if span and upper_of(span, timing) > since]
        position.note_sizes({name: size_of(self._job.options.dest / name) for name in names})
        position.generation += 1
        self.save()

    def save(self) -> None:
        """Write the position; not in check mode."""
        if not self._job.check_mode:
            self._job.place.write(self.position)

    def skip(self, end: dt.datetime, reason: str) -> None:
        """Record a lost span in the stream and in the position, and continue after it."""
        identity = self._job.source.identity
        told = self._report.gap(self.position.committed_until, end, reason)
        gap: Gap = {
            "record": "gap",
            "schema": SCHEMA,
            "source": identity.source,
            "stream": identity.stream,
            "from": told["from"],
            "to": told["to"],
            "reason": reason,
        }
        names: list[str] = []
        self.begin()
        if not self._job.check_mode:
            writer = Writer(Window(end, end), self._job.options, self._job.kept.kept)
            with contextlib.ExitStack() as stack:
                stack.callback(writer.discard)
                line = dict(gap) | {"key": f"gap:{gap['from']}", "content": content_hash(told)}
                writer.write(end.date(), dump_line(line))
                names = writer.commit(end)
        self.position.gaps.append(told)
        self._report.gaps_written += 1
        self._report.segments += names
        self.move(end, KeyTable(), names)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the segments of a spool as batches of records that have not been delivered yet.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from .._base.errors import FileError
from .._base.files import reason
from .._records.files.ndjson import Unreadable, read_lines
from .._spool.disk.files import list_segments
from .sink import Record, Rejected, delivery_record_of


@dataclasses.dataclass(frozen=True)
class DeliveryProgress:
    """How far a spool was delivered.

    Attributes:
        done: segments that have been delivered completely.
        partial: number of delivered lines of each partly delivered segment.
        stamps: the files that had these names at the time, see :func:`stamps_of`; may contain further names.
    """

    done: frozenset[str] = frozenset()
    partial: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    stamps: t.Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)

    def of_files(self, stamps: t.Mapping[str, str]) -> DeliveryProgress:
        """The same, as far as it is about these files: one that was replaced under its name is not delivered."""

        def same(name: str) -> bool:
            return name in stamps and self.stamps.get(name, stamps[name]) == stamps[name]

        partial = {name: lines for name, lines in self.partial.items() if same(name)}
        return DeliveryProgress(frozenset(name for name in self.done if same(name)), partial, stamps)

    def reached(self, name: str, lines: int) -> DeliveryProgress:
        """The same, and ``lines`` lines of a segment."""
        return DeliveryProgress(self.done, {**self.partial, name: lines}, self.stamps)

    def finished(self, name: str) -> DeliveryProgress:
        """The same, and a segment to its end."""
        partial = {other: lines for other, lines in self.partial.items() if other != name}
        return DeliveryProgress(self.done | {name}, partial, self.stamps)


@dataclasses.dataclass
class Batch:
    """Records to send, lines that are not records, and the progress once both have been handled.

    ``filtered`` counts the records among them that are not wanted.
    """

    progress: DeliveryProgress
    records: list[Record] = dataclasses.field(default_factory=list)
    rejected: list[Rejected] = dataclasses.field(default_factory=list)
    size: int = 0
    filtered: int = 0

    @property
    def lines(self) -> int:
        """Number of lines of the spool that the batch covers."""
        return len(self.records) + len(self.rejected) + self.filtered

    def take(self, found: Record | Rejected, line: bytes) -> None:
        """Add the content of a line."""
        if isinstance(found, Record):
            self.records.append(found)
        else:
            self.rejected.append(found)
        self.size += len(line)


Wanted = t.Callable[[Record], bool]


def batches(
    root: pathlib.Path,
    stream: str,
    progress: DeliveryProgress,
    *,
    records: int,
    size: int,
    wanted: Wanted | None = None,
) -> t.Iterator[Batch]:
    """Yield batches of what has not been delivered yet.

    Args:
        root: the spool.
        stream: identity of the stream.
        progress: the progress of previous deliveries.
        records: maximum number of records in a batch.
        size: maximum bytes of a batch; a larger record is a batch of its own.
        wanted: decides which records are sent; None sends all.

    Raises:
        FileError: a segment cannot be read, or is damaged. It is raised at the end, after everything before the damage
            and in the other segments has been yielded.
    """
    # In the order in which they were written: a changed row is in a later segment than the row that it replaces.
    present = [segment.name for segment in list_segments(root)]
    begun = progress.of_files(stamps_of(root, present))
    batch = Batch(begun)
    damaged: list[FileError] = []
    for name in present:
        if name in batch.progress.done:
            continue
        try:
            for number, line in _lines(root / name, batch.progress.partial.get(name, 0)):
                if batch.lines and (batch.lines >= records or batch.size + len(line) > size):
                    yield batch
                    batch = Batch(batch.progress)
                found = delivery_record_of(stream, line, name, number)
                if wanted is None or not isinstance(found, Record) or wanted(found):
                    batch.take(found, line)
                else:
                    batch.filtered += 1
                batch.progress = batch.progress.reached(name, number)
        except FileError as error:
            damaged.append(error)
            continue
        batch.progress = batch.progress.finished(name)
    if batch.progress != begun:
        yield batch
    if damaged:
        raise damaged[0]


def stamps_of(root: pathlib.Path, names: t.Iterable[str]) -> dict[str, str]:
    """Size and commit time of segments, in which a file that replaced another under the same name differs.

    Raises:
        FileError: a segment is missing, or cannot be accessed.
    """
    try:
        found = {name: (root / name).stat() for name in names}
    except OSError as error:
        raise FileError(f"spool: {root} cannot be read: {reason(error)}.", hint="The next run continues.") from error
    return {name: f"{stat.st_size}/{stat.st_mtime_ns}" for name, stat in found.items()}


def _lines(path: pathlib.Path, skip: int) -> t.Iterator[tuple[int, bytes]]:
    try:
        for number, line in read_lines(path):
            if number > skip:
                yield number, line.rstrip(b"\r\n")
    except Unreadable as error:
        raise FileError(
            f"spool: {path} cannot be read: {error}.",
            hint="Everything else was delivered. Restore the file, or move it away and collect its span again.",
        ) from error

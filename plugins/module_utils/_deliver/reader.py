# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The segments of a spool, as batches of records that were not delivered yet.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import gzip
import pathlib
import typing as t
import zlib

from .._http.errors import FileError
from .._spool.files import list_segments
from .._state.files import reason
from .sink import Record, Rejected, record_of


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a spool was delivered: whole segments, and the lines of one more."""

    done: frozenset[str] = frozenset()
    segment: str | None = None
    lines: int = 0


@dataclasses.dataclass
class Batch:
    """Records to be sent, lines that are none, and how far the spool is delivered when both are dealt with."""

    progress: Progress
    records: list[Record] = dataclasses.field(default_factory=list)
    rejected: list[Rejected] = dataclasses.field(default_factory=list)
    size: int = 0

    @property
    def lines(self) -> int:
        """How many lines of the spool the batch stands for."""
        return len(self.records) + len(self.rejected)


def batches(root: pathlib.Path, stream: str, progress: Progress, *, records: int, size: int) -> t.Iterator[Batch]:
    """What is not delivered yet.

    Args:
        root: the spool.
        stream: identity of the stream.
        progress: how far it was delivered before.
        records: ceiling of one batch.
        size: ceiling of one batch in bytes; a single larger record is a batch of its own.

    Raises:
        FileError: a segment cannot be read, or is damaged.
    """
    # In the order in which they were written: a changed row stands in a later segment than the row that it replaces.
    present = [segment.name for segment in list_segments(root)]
    done = progress.done & frozenset(present)
    batch = Batch(progress)
    for name in present:
        if name in done:
            continue
        skip = progress.lines if name == progress.segment else 0
        lines = _lines(root / name, skip)
        while True:
            try:
                number, line = next(lines)
            except StopIteration:
                break
            except FileError:
                # What stands before the damage is good.
                yield batch
                raise
            if batch.lines and (batch.lines >= records or batch.size + len(line) > size):
                yield batch
                batch = Batch(batch.progress)
            _put(batch, record_of(stream, line, name, number))
            batch.size += len(line)
            batch.progress = Progress(done, name, number)
        done |= {name}
        batch.progress = Progress(done)
    if batch.progress != progress:
        yield batch


def _put(batch: Batch, found: Record | Rejected) -> None:
    if isinstance(found, Record):
        batch.records.append(found)
    else:
        batch.rejected.append(found)


def _lines(path: pathlib.Path, skip: int) -> t.Iterator[tuple[int, bytes]]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number > skip and line.strip():
                    yield number, line.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        why = reason(error) if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise FileError(
            f"spool: {path} cannot be read: {why}.", hint="What came before was delivered; nothing was lost."
        ) from error

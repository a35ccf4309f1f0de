# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of sinks, and the records that they receive.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t

from .._base.errors import OptionError, PerimeterError
from .._records.codec import loads


class Record(t.NamedTuple):
    """One line of a spool.

    Attributes:
        id: always the same for a record, even after a change; receivers use it to remove duplicates.
        content: hash of the vendor's data; a different one with the same id is a changed row.
        line: the line as stored in the segment, without its newline.
        document: the parsed line.
        segment: path of the segment, relative to the spool.
        number: line number in the segment, from one.
    """

    id: str
    content: str
    line: bytes
    document: dict[str, t.Any]
    segment: str
    number: int

    @property
    def version_id(self) -> str:
        """An id for each version of a changed row, for receivers that only add."""
        return f"{self.id}-{self.content}"


class Rejected(t.NamedTuple):
    """A line that the receiver will never accept, or that is not a record. It goes to quarantine.

    ``detail`` is the receiver's message. It may quote the record, so only the quarantine contains it.
    """

    segment: str
    number: int
    line: bytes
    reason: str
    detail: str = ""


@dataclasses.dataclass
class BatchOutcome:
    """The outcome of a batch. Every record is counted once: delivered + duplicate + dropped + rejected.

    ``dropped`` are records that the receiver accepted and discarded by a rule of its own, such as a pipeline.
    """

    delivered: int = 0
    duplicate: int = 0
    dropped: int = 0
    rejected: list[Rejected] = dataclasses.field(default_factory=list)

    def add(self, other: BatchOutcome) -> None:
        """Add the outcome of another batch."""
        self.delivered += other.delivered
        self.duplicate += other.duplicate
        self.dropped += other.dropped
        self.rejected += other.rejected

    @property
    def total(self) -> int:
        """Number of records that are counted."""
        return self.delivered + self.duplicate + self.dropped + len(self.rejected)


class Sink(t.Protocol):
    """A receiver of records.

    ``kind`` and ``target`` identify it, without credentials: each pair has its own position. ``batch_records`` and
    ``batch_bytes`` limit the size of one batch. ``taken`` is whether the receiver accepted, or may have accepted,
    anything at all: a batch can fail halfway.
    """

    kind: str
    target: str
    batch_records: int
    batch_bytes: int
    taken: bool

    def send(self, batch: t.Sequence[Record]) -> BatchOutcome:
        """Hand a batch over, and return only when the receiver has acknowledged it.

        Raises:
            PerimeterError: the batch as a whole was not acknowledged; the next run will send it again.
        """

    def stats(self) -> dict[str, t.Any]:
        """Counters of the transport."""

    def close(self) -> None:
        """Close all connections."""


def delivery_record_of(stream: str, line: bytes, segment: str, number: int) -> Record | Rejected:
    """The record in a line of a segment, or why there is none.

    Args:
        stream: identity of the stream, which makes ids of different streams differ.
        line: the line without its newline.
        segment: path of the segment, relative to the spool.
        number: line number, from one.
    """
    try:
        document = loads(line)
    except ValueError:
        return Rejected(segment, number, line, "the line is not JSON")
    if not isinstance(document, dict) or "record" not in document:
        return Rejected(segment, number, line, "the line is not a record")
    key = str(document.get("key") or hashlib.sha256(line).hexdigest())
    content = str(document.get("content") or hashlib.blake2b(line, digest_size=8).hexdigest())
    identity = hashlib.sha256(f"{stream}\0{key}".encode("utf-8", "replace")).hexdigest()[:32]
    return Record(identity, content, line, document, segment, number)


def number_option(options: t.Mapping[str, t.Any], name: str, default: int, least: int, most: int | None = None) -> int:
    """Read a numeric sink option; 0 is a value and does not mean that it was left out.

    Raises:
        OptionError: it is smaller than ``least``, or larger than ``most``.
    """
    given = options.get(name)
    value = default if given is None else int(given)
    if value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"from {least} to {most}"
        raise OptionError(f"sink_options.{name} must be {bounds}, not {value}.")
    return value


def rejected(record: Record, reason: str, detail: str = "") -> Rejected:
    """Mark a record that the receiver will never accept."""
    return Rejected(record.segment, record.number, record.line, reason, detail)


def halved(
    send: t.Callable[[t.Sequence[Record]], BatchOutcome], batch: t.Sequence[Record], error: PerimeterError
) -> BatchOutcome:
    """Send the two halves of a batch that was refused as a whole, down to the one record that is at fault.

    Args:
        send: sends a batch; may call this again.
        batch: the refused batch.
        error: the reason, which the quarantine states once only one record is left.
    """
    if len(batch) == 1:
        return BatchOutcome(rejected=[rejected(batch[0], error.message)])
    middle = len(batch) // 2
    outcome = send(batch[:middle])
    outcome.add(send(batch[middle:]))
    return outcome

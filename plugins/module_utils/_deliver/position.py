# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a spool was delivered to one sink, under ``state_dir``.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import typing as t

from .._http.errors import StateError
from .._records.codec import dumps, loads
from .._records.times import now_text
from .._state.files import PRIVATE, reason, replace_file
from .reader import Progress

VERSION = 1
FOLDER = "deliver"


@dataclasses.dataclass
class Position:
    """What was delivered of one stream to one sink. Counters are since the position exists."""

    stream: str
    sink: str
    target: str
    progress: Progress = dataclasses.field(default_factory=Progress)
    generation: int = 0
    delivered: int = 0
    duplicate: int = 0
    quarantined: int = 0


class PositionFile:
    """The position on the disk.

    Args:
        state: the state directory.
        stream: identity of the stream.
        sink: kind of the sink.
        target: where it delivers to, without credentials.
    """

    def __init__(self, state: pathlib.Path, stream: str, sink: str, target: str) -> None:
        self._blank = Position(stream, sink, target)
        name = hashlib.sha256("\0".join((stream, sink, target)).encode()).hexdigest()[:16]
        self.folder = state / FOLDER
        self.path = self.folder / f"{sink}-{name}.json"
        self.quarantine = self.folder / f"{sink}-{name}.quarantine.ndjson"

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Hold the position for this run alone.

        Raises:
            StateError: another run holds it, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, PRIVATE)
        except OSError as error:
            raise StateError(
                f"state_dir: {self.folder} cannot be written: {reason(error)}.",
                hint="Give a folder that this user can write.",
            ) from error
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError(
                f"Another run delivers this spool to {self._blank.target} at this moment.",
                hint="Wait until it has ended; nothing was sent.",
            ) from None

    def read(self) -> Position:
        """The position; a blank one when there is none yet.

        Raises:
            StateError: it is damaged, of a newer version, or of another stream.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return dataclasses.replace(self._blank)
        except OSError as error:
            raise StateError(f"The position {self.path} cannot be read: {reason(error)}.") from error
        try:
            return self._parsed(loads(data))
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"The position {self.path} is damaged.",
                hint="Restore it, or remove it to deliver everything again: receivers know records by their id.",
            ) from error

    def _parsed(self, document: t.Any) -> Position:
        if document["version"] != VERSION:
            raise StateError(
                f"The position {self.path} has version {document['version']}, and this release knows {VERSION}.",
                hint="Use the release that wrote it, or a newer one.",
            )
        position = Position(**{name: document[name] for name in _FIELDS})
        if (position.stream, position.sink, position.target) != (
            self._blank.stream,
            self._blank.sink,
            self._blank.target,
        ):
            raise StateError(f"The position {self.path} belongs to another stream or sink.")
        progress = document["progress"]
        position.progress = Progress(frozenset(progress["done"]), progress["segment"], int(progress["lines"]))
        return position

    def write(self, position: Position) -> None:
        """Replace the position, durably.

        Raises:
            StateError: it cannot be written.
        """
        position.generation += 1
        progress = position.progress
        document: dict[str, t.Any] = {name: getattr(position, name) for name in _FIELDS}
        document |= {
            "version": VERSION,
            "updated_at": now_text(),
            "progress": {"done": sorted(progress.done), "segment": progress.segment, "lines": progress.lines},
        }
        try:
            with replace_file(self.path, mode=PRIVATE) as file:
                file.write(dumps(document))
        except OSError as error:
            raise StateError(
                f"The position {self.path} cannot be written: {reason(error)}.",
                hint="The last batch was delivered; the next run sends it again.",
            ) from error


_FIELDS = ("stream", "sink", "target", "generation", "delivered", "duplicate", "quarantined")

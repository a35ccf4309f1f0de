# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the rule engine has received the events of a log; stored under ``state_dir``.

This module is private to the collection and may change at any time.

The file is ``<state_dir>/eda/<source>-<stream>-<identity>-<consumer>.json``, mode 0600, replaced as a whole. It
contains no secret: the keys in it are hashes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from .._records.times import now_text, parse_time, utc_text
from .._spool.disk.keys import KeyState, KeyTable, key_digest
from .._spool.disk.source import Identity
from .._spool.disk.stream import describe, identity_hash
from .._state.document import StateDocument

FOLDER = "eda"
VERSION = 1
_RESTORE = "Restore it from a backup. If there is none, remove it, and choose with initial where to begin."
_HINT = "The events after the position on the disk are repeated after a restart."


def place_of(state: pathlib.Path, identity: Identity, consumer: str) -> pathlib.Path:
    """Return the position file of a stream; files that belong to it have the same stem."""
    name = f"{identity.source}-{identity.stream}-{identity_hash(identity)[:16]}-{consumer}.json"
    return state / FOLDER / name


def position_document_of(
    path: pathlib.Path, identity: Identity, consumer: str, called: str = "The position"
) -> StateDocument:
    """Return the document at a path, which belongs to this stream and this consumer."""
    same = {"identity_hash": identity_hash(identity), "consumer": consumer}
    return StateDocument(path, VERSION, restore=_RESTORE, called=called, same=same)


@dataclasses.dataclass
class LogPosition:
    """How far the engine has received a stream.

    Attributes:
        until: it has every event before this time, except late ones.
        origin: nothing before this time was requested.
        seen: keys that it has and that the source can return again.
    """

    until: dt.datetime
    origin: dt.datetime
    seen: KeyTable = dataclasses.field(default_factory=KeyTable)

    def knows(self, key: str) -> bool:
        """Whether the key was taken."""
        return self.seen.look(key_digest(key), 0) is not KeyState.NOTHING

    def take(self, key: str, time: dt.datetime) -> None:
        """Record a key. The later of two times is kept."""
        self.seen.put(key_digest(key), 0, max(0, int(time.timestamp())))

    def move(self, until: dt.datetime, remember_from: dt.datetime) -> None:
        """Move forward, and forget the keys that cannot come again."""
        if until <= self.until:
            return
        self.until = until
        self.seen = self.seen.since(int(remember_from.timestamp()))

    def copy(self) -> LogPosition:
        """Return a copy that moves independently."""
        return LogPosition(self.until, self.origin, self.seen.since(0))


class LogPositionFile:
    """The position file of a stream.

    Args:
        state: the state directory.
        identity: the stream.
        consumer: identifies one of several readers of the stream.
    """

    def __init__(self, state: pathlib.Path, identity: Identity, consumer: str) -> None:
        self.path = place_of(state, identity, consumer)
        self._about = describe(identity)
        self._document = position_document_of(self.path, identity, consumer)

    def read(self) -> LogPosition | None:
        """Return the position, or None if there is none.

        Raises:
            StateError: the file cannot be read, is damaged, or belongs to another stream or a newer release.
        """
        return self._document.read(_parsed)

    def write(self, position: LogPosition) -> None:
        """Replace the position durably.

        Raises:
            StateError: the file cannot be written.
        """
        content = {
            "identity": self._about,
            "until": utc_text(position.until),
            "origin": utc_text(position.origin),
            "updated_at": now_text(),
            "seen": position.seen.pack(),
        }
        self._document.write(content, hint=_HINT)


def _parsed(content: dict[str, t.Any]) -> LogPosition:
    return LogPosition(parse_time(content["until"]), parse_time(content["origin"]), KeyTable.unpack(content["seen"]))

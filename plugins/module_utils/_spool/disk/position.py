# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a stream has been collected; stored under ``state_dir``.

This module is private to the collection and may change at any time.

The file is ``<state_dir>/collect/<source>-<stream>-<identity>.json``, mode 0600, replaced as a whole. It contains no
secret: the keys in it are hashes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from ..._records.times import now_text, parse_time, utc_text
from ..._state.directory import make_folder
from ..._state.document import StateDocument
from .keys import KeyTable
from .source import Identity
from .stream import describe, identity_hash

VERSION = 2
FOLDER = "collect"
GAPS_KEPT = 100
"""The position lists only the newest gaps; the stream itself has a record of every gap."""
SIZES_KEPT = 64
"""Segments whose size the position remembers: the newest, which a crash of the machine may have truncated."""


@dataclasses.dataclass
class Position:
    """How far a stream has been collected.

    Attributes:
        owner: random number of the directory that it belongs to.
        committed_until: every record before this time is in the segments, except late ones.
        origin: start of the stream; only a backfill requests records before it.
        keys_since: ``seen`` is complete from this time, for the segments in ``tail`` and all older ones.
        seen: the pairs of key and content that the source can return again.
        tail: names of their segments. Other segments of that time are newer than this position.
        sizes: bytes of the segments that were written last, by name.
        gaps: spans that were not read and never will be: from, to, reason.
        generation: how often it was written; zero until a window was committed. It is not compared with anything: an
            older copy of a position does no harm, because the segments show what came later.
    """

    owner: str
    committed_until: dt.datetime
    origin: dt.datetime
    keys_since: dt.datetime
    seen: KeyTable = dataclasses.field(default_factory=KeyTable)
    tail: list[str] = dataclasses.field(default_factory=list)
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)
    gaps: list[dict[str, str]] = dataclasses.field(default_factory=list)
    generation: int = 0

    def note_sizes(self, sizes: t.Mapping[str, int | None]) -> None:
        """Remember the sizes of segments, the newest last; None for a segment that no longer exists."""
        known = {name: size for name, size in {**self.sizes, **sizes}.items() if size is not None}
        self.sizes = dict(list(known.items())[-SIZES_KEPT:])


class PositionFile:
    """The position file of a stream; nothing is created before :meth:`write`.

    Args:
        state: the state directory.
        identity: the stream.
    """

    def __init__(self, state: pathlib.Path, identity: Identity) -> None:
        self._identity = identity
        hashed = identity_hash(identity)
        self.folder = state / FOLDER
        self.path = self.folder / f"{identity.source}-{identity.stream}-{hashed[:16]}.json"
        self.lock = self.path.with_suffix(".lock")
        self._document = StateDocument(
            self.path,
            VERSION,
            restore="Restore it from a backup. If there is none, remove it, and choose with first_run where to begin.",
            called="The position",
            same={"identity_hash": hashed},
        )

    def make_folder(self) -> None:
        """Create the folder for positions.

        Raises:
            StateError: the folder cannot be created.
        """
        make_folder(self.folder)

    def read(self) -> Position | None:
        """Return the position, or None if there is none.

        Raises:
            StateError: the file cannot be read, is damaged, or belongs to another stream or a newer release.
        """
        return self._document.read(_parsed)

    def write(self, position: Position) -> None:
        """Replace the position durably.

        Raises:
            StateError: the file cannot be written. Committed segments stay committed.
        """
        content = {
            "identity": describe(self._identity),
            "owner": position.owner,
            "generation": position.generation,
            "committed_until": utc_text(position.committed_until),
            "origin": utc_text(position.origin),
            "keys_since": utc_text(position.keys_since),
            "gaps": position.gaps[-GAPS_KEPT:],
            "tail": position.tail,
            "sizes": position.sizes,
            "updated_at": now_text(),
            "seen": position.seen.pack(),
        }
        self._document.write(
            content, hint="The records are safe: the next run finds them in dest and continues after them."
        )


def _parsed(content: dict[str, t.Any]) -> Position:
    times = {name: parse_time(content[name]) for name in ("committed_until", "origin", "keys_since")}
    return Position(
        owner=str(content["owner"]),
        seen=KeyTable.unpack(content["seen"]),
        tail=[str(name) for name in content["tail"]],
        sizes={str(name): int(size) for name, size in content["sizes"].items()},
        gaps=[{str(name): str(value) for name, value in gap.items()} for gap in content["gaps"]],
        generation=int(content["generation"]),
        **times,
    )

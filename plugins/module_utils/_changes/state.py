# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is stored about the last compared snapshot, under ``state_dir``.

This module is private to the collection and may change at any time.

The file is ``<state_dir>/changes/<source>-<identity>.json``; it names the ledger beside it. A segment and the state
cannot be renamed in one step, so the state that belongs to a segment is announced first, in a file of its own. It
becomes valid if that segment exists. So a kill at any instant neither loses nor repeats anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import pathlib
import typing as t

from .._base.errors import StateError
from .._base.files import reason, sync_directory
from .._records.times import now_text, parse_time, utc_text
from .._spool.disk.files import list_segments
from .._spool.disk.source import Identity
from .._spool.disk.stream import describe, identity_hash
from .._state.directory import make_folder
from .._state.document import Content, StateDocument
from .ledger import RESTORE, Ledger

VERSION = 1
FOLDER = "changes"
_HINT = "Everything written to dest is complete; the next run continues from there."


@dataclasses.dataclass(frozen=True)
class State:
    """The stored state.

    Attributes:
        owner: random number of the stream's directory.
        generation: number of snapshots processed so far; zero before the first.
        finished: when the last compared snapshot was made, UTC; None before the first.
        sha256: hash of that snapshot.
        ledger: content of that snapshot; None before the first.
    """

    owner: str
    generation: int = 0
    finished: dt.datetime | None = None
    sha256: str | None = None
    ledger: Ledger | None = None


@dataclasses.dataclass(frozen=True)
class _Announced:
    """A state that is valid if the directory has a segment of ``day`` that is not in ``present``."""

    day: dt.date
    present: frozenset[str]
    state: State


class StateFiles:
    """The files of one stream's state; nothing is created before something is written.

    Args:
        root: the state directory.
        dest: the stream's directory.
        identity: the stream.
    """

    def __init__(self, root: pathlib.Path, dest: pathlib.Path, identity: Identity) -> None:
        self._identity, self._dest = identity, dest
        hashed = identity_hash(identity)
        self.folder = root / FOLDER
        # The source is text from the manifest, and must not act as part of a path.
        self.stem = f"{''.join(letter for letter in identity.source if letter.isalnum())[:40]}-{hashed[:16]}"
        self.path = self.folder / f"{self.stem}.json"
        self.lock = self.folder / f"{self.stem}.lock"
        self._document = self._made(self.path, "The state", hashed)
        self._announced = self._made(self.folder / f"{self.stem}.announced.json", "The announced state", hashed)

    @staticmethod
    def _made(path: pathlib.Path, called: str, hashed: str) -> StateDocument:
        return StateDocument(path, VERSION, restore=RESTORE, called=called, same={"identity_hash": hashed})

    def make_folder(self) -> None:
        """Create the folder.

        Raises:
            StateError: it cannot be created.
        """
        make_folder(self.folder)

    def read(self) -> tuple[State | None, bool]:
        """Return the state, or None if there is none; and whether it was announced and its segment exists.

        Raises:
            StateError: a file cannot be read, is damaged, or is of a newer release.
            FileError: the stream's directory cannot be read.
        """
        state, announced = self._document.read(self._parsed), self._announced.read(self._parsed_announcement)
        if announced is None or (state is not None and announced.state.generation <= state.generation):
            return state, False
        there = {item.name for item in list_segments(self._dest, since=announced.day, until=announced.day)}
        return (announced.state, True) if there - announced.present else (state, False)

    def ledger_path(self, generation: int) -> pathlib.Path:
        """Return the path of the ledger of a generation."""
        return self.folder / f"{self.stem}.{generation}.ledger.gz"

    def announce(self, day: dt.date, state: State) -> None:
        """Store the state that belongs to the next segment to be committed, which is one of ``day``.

        Raises:
            StateError: the file cannot be written.
        """
        present = sorted(item.name for item in list_segments(self._dest, since=day, until=day))
        content = {"day": day.isoformat(), "present": present, "state": self._content(state)}
        self._announced.write(content, hint="Nothing was written to dest.")

    def write(self, state: State) -> None:
        """Replace the state, and remove files that only an earlier state needed.

        Raises:
            StateError: a file cannot be written.
        """
        self._document.write(self._content(state), hint=_HINT)
        self.tidy(state)

    def tidy(self, state: State) -> None:
        """Remove a settled announcement, and ledgers that the state does not refer to.

        Raises:
            StateError: a file cannot be removed.
        """
        kept = state.ledger.path.name if state.ledger else None
        old = [path for path in self.folder.glob(f"{self.stem}.*.ledger.gz") if path.name != kept]
        try:
            # First, because it may refer to one of the ledgers.
            self._announced.path.unlink(missing_ok=True)
            sync_directory(self.folder)
        except OSError as error:
            raise StateError(f"{self._announced.path} cannot be removed: {reason(error)}.", hint=_HINT) from error
        for path in old:
            with contextlib.suppress(OSError):
                path.unlink()

    def _content(self, state: State) -> Content:
        ledger = state.ledger
        return {
            "identity": describe(self._identity),
            "owner": state.owner,
            "generation": state.generation,
            "finished": None if state.finished is None else utc_text(state.finished),
            "sha256": state.sha256,
            "ledger": None if ledger is None else {"file": ledger.path.name, "sha256": ledger.sha256},
            "updated_at": now_text(),
        }

    def _parsed(self, content: Content) -> State:
        ledger: t.Mapping[str, str] | None = content["ledger"]
        found = None
        if ledger is not None:
            name = pathlib.PurePath(ledger["file"]).name
            found = Ledger(self.folder / name, str(ledger["sha256"]))
        finished = content["finished"]
        return State(
            owner=str(content["owner"]),
            generation=int(content["generation"]),
            finished=None if finished is None else parse_time(finished),
            sha256=content["sha256"],
            ledger=found,
        )

    def _parsed_announcement(self, content: Content) -> _Announced:
        return _Announced(
            dt.date.fromisoformat(content["day"]), frozenset(content["present"]), self._parsed(content["state"])
        )

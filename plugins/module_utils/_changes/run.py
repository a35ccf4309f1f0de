# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logic of the ``finding_changes`` module, without Ansible: from a snapshot of findings to records of the changes.

This module is private to the collection and may change at any time.

All changes of a snapshot form one segment, so one rename commits them. Every check that can refuse a snapshot runs
before that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import typing as t

from .._base.errors import StateError
from .._records.changes import CHANGES
from .._records.codec import dump_line
from .._records.coerce import bounded, number
from .._records.files.knowledge import read_knowledge
from .._records.files.snapshot_reader import Record
from .._records.result import Result
from .._records.times import utc_now, utc_text
from .._spool.disk.files import TEMPORARY, check_dest, list_segments, make_dest, remove_temporary_files, write_failed
from .._spool.disk.kept import KEPT_FILE, Kept, read_kept
from .._spool.disk.lock import LOCK_FILE, locked
from .._spool.disk.options import Options
from .._spool.disk.retain import remove_old
from .._spool.disk.segment import Writer
from .._spool.disk.source import Window
from .._spool.disk.stream import (
    STREAM_FILE,
    Stream,
    check_directory,
    check_owner,
    describe,
    identity_hash,
    new_owner,
    read_stream_document,
    stream_id,
    write_stream,
)
from .._state.directory import state_directory, warn_of_group
from .comparison import Comparison
from .inputs import Params, option_path_of, read_webapps, stream_options
from .ledger import LedgerWriter
from .records import ChangeRecorder, Knowledge
from .snapshot import CheckedSnapshot, open_snapshot
from .state import State, StateFiles

Clock = t.Callable[[], dt.datetime]
_CHUNK = 1 << 20


def run(params: Params, check_mode: bool, clock: Clock = utc_now) -> Result:
    """Write what changed since the previous snapshot.

    Args:
        params: the options of the module.
        check_mode: True to compare and write nothing.
        clock: returns the current time, UTC, which decides what is old enough to be removed.

    Raises:
        OptionError: an option is invalid.
        FileError: the snapshot is not complete, or a file cannot be read or written.
        StateError: the state is damaged, of a newer release or of another directory, or another run is active.
    """
    options = stream_options(params)
    snapshot = open_snapshot(option_path_of(params["findings"]))
    webapps = read_webapps(params.get("webapps"))
    explained = params.get("knowledge")
    knowledge = Knowledge(read_knowledge(option_path_of(explained))) if explained else None
    check_dest(options.dest)
    root = state_directory(params.get("state_dir"), os.environ, create=not check_mode)
    files = StateFiles(root, options.dest, snapshot.identity)
    _ChangesJob(options, snapshot, files, check_mode).look()  # every refusal comes before anything is created
    if not check_mode:
        make_dest(options)
        files.make_folder()
    with contextlib.ExitStack() as stack:
        for path, doing in (
            (files.lock, "compares findings for this stream"),
            (options.dest / LOCK_FILE, f"writes into {options.dest}"),
        ):
            stack.enter_context(locked(path, doing, create=not check_mode))
        result = _ChangesJob(options, snapshot, files, check_mode).compare(
            webapps, knowledge, initial=params.get("initial") != "none"
        )
        if not check_mode and options.retain_days is not None:
            _retain(options, root, clock(), snapshot.finished, result)
        result.warnings += warn_of_group(root)
        return result


@dataclasses.dataclass
class _OnDisk:
    """The state and the owner of a stream. ``announced`` says that the state is adopted from a killed run."""

    state: State | None
    held: Stream | None
    announced: bool


class _ChangesJob:
    """One run on a stream, which is locked for it.

    Args:
        options: the options of the stream's directory.
        snapshot: the current findings.
        files: the files of the state.
        check_mode: True to write nothing.
    """

    def __init__(self, options: Options, snapshot: CheckedSnapshot, files: StateFiles, check_mode: bool) -> None:
        self._options, self._snapshot, self._files, self._check_mode = options, snapshot, files, check_mode

    def look(self) -> _OnDisk:
        """Read the state, and refuse a snapshot that cannot be compared with it. Writes nothing.

        Raises:
            StateError: the directory or the state belongs to another stream, or the snapshot is older than the last.
        """
        dest, snapshot = self._options.dest, self._snapshot
        held = read_stream_document(dest)
        check_directory(dest, held, snapshot.identity, has_segments=bool(list_segments(dest)))
        state, announced = self._files.read()
        if state is not None:
            fresh = state.generation == 0
            check_owner(dest, held, state.owner, known_as=f"the state {self._files.path}", fresh=fresh)
            if state.finished is not None and snapshot.finished < state.finished:
                raise StateError(
                    f"findings: {snapshot.path} was finished at {snapshot.at}, before the snapshot that was compared"
                    f" last ({utc_text(state.finished)}); nothing was changed.",
                    hint="Give a newer snapshot, and check the clock of the machine that exports.",
                )
        return _OnDisk(state, held, announced)

    def compare(self, webapps: list[Record] | None, knowledge: Knowledge | None, *, initial: bool) -> Result:
        """Compare, and write the changes."""
        if not self._check_mode:
            remove_temporary_files(self._options.dest, (TEMPORARY, f".{STREAM_FILE}.", f".{KEPT_FILE}."))
            remove_temporary_files(self._files.folder, (f".{self._files.stem}.",))
        found = self.look()  # another run may have ended meanwhile
        state = found.state or State(found.held.owner if found.held else new_owner())
        if not self._check_mode:
            self._begin(found, state)
        result = Result(warnings=self._warnings(found, initial))
        path = None if self._check_mode else self._files.ledger_path(state.generation + 1)
        scores = {bounded(item.get("id")) or "": number(item.get("risk_score")) for item in webapps or ()}
        recorder = ChangeRecorder(self._snapshot, knowledge, scores)
        with LedgerWriter(path) as ledger:
            comparison = Comparison(self._snapshot, webapps, state.ledger, initial=initial, ledger=ledger)
            names = self._written(comparison.records(recorder), state, ledger)
        self._tell(result, comparison, names, adopted=found.announced)
        return result

    def _begin(self, found: _OnDisk, state: State) -> None:
        """Store the owner of the directory, and adopt the state that a killed run has announced."""
        if found.state is None or found.announced:
            self._files.write(state)
        else:
            self._files.tidy(state)
        if found.held is None:
            identity = self._snapshot.identity
            stream = Stream(identity_hash(identity), state.owner, describe(identity))
            try:
                write_stream(self._options.dest, stream, mode=self._options.mode)
            except OSError as error:
                raise write_failed(self._options.dest, error) from error

    def _warnings(self, found: _OnDisk, initial: bool) -> list[str]:
        if found.state is not None or found.held is None:
            return []
        start = "each open finding is new, because initial is all"
        what = start if initial else "nothing is new, because initial is none"
        missing = f"The state {self._files.path} was missing although {self._options.dest} holds this stream already."
        return [f"{missing} The stream was restarted: {what}, and other changes since then are lost."]

    def _written(self, records: t.Iterator[Record], state: State, ledger: LedgerWriter) -> list[str]:
        """Write the records as one segment, then the state, and return the names of the segments."""
        end = self._snapshot.finished
        start = end if state.finished is None else state.finished
        writer = Writer(Window(start, end), self._options, read_kept(self._options.dest))
        with contextlib.ExitStack() as stack:
            stack.callback(writer.discard)
            lines: list[bytes] = []
            size = count = 0
            for record in records:
                count += 1
                if self._check_mode:
                    continue
                lines.append(dump_line(record))
                size += len(lines[-1])
                if size >= _CHUNK:
                    writer.write(end.date(), b"".join(lines))
                    lines, size = [], 0
            if self._check_mode:
                return []
            if lines:
                writer.write(end.date(), b"".join(lines))
            now = State(state.owner, state.generation + 1, end, self._snapshot.sha256, ledger.commit())
            if not count:
                self._files.write(now)
                return []
            self._files.announce(end.date(), now)
            names = writer.commit(end)
            self._files.write(now)
            return names

    def _tell(self, result: Result, comparison: Comparison, names: list[str], *, adopted: bool) -> None:
        changes = {word: comparison.counts[word] for word in CHANGES}
        records = sum(changes.values()) + comparison.webapps
        result.changed = bool(records)
        result.values = {
            "records": records,
            "changes": changes,
            "webapps": comparison.webapps,
            "segments": names,
            "position": self._snapshot.at,
            "complete": True,
            "stats": {"findings": comparison.findings, "adopted": int(adopted), "removed": 0},
        }


def _retain(options: Options, root: pathlib.Path, now: dt.datetime, reached: dt.datetime, result: Result) -> None:
    """Remove segments that are old and delivered."""
    dest = options.dest
    before = (now - dt.timedelta(days=options.retain_days or 0)).date()
    found = remove_old(options, root, stream_id(dest) or "", before, read_kept(dest) or Kept(), reached)
    result.values["stats"]["removed"] = len(found.removed)
    if found.problem:
        result.warnings.append(found.problem)
    if found.waiting:
        result.warnings.append(
            f"retain_days: {len(found.waiting)} old files stay, because they are not yet delivered to"
            f" {', '.join(found.lagging)}."
        )

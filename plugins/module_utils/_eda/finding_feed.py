# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes of findings since the last poll, for the rule engine.

This module is private to the collection and may change at any time.

Each poll exports a full snapshot, because only that shows which findings are fixed or gone. An incomplete snapshot is
not compared.
"""

from __future__ import annotations

import datetime as dt
import pathlib
import typing as t

from .._base.errors import FileError, IncompleteRead, PerimeterError
from .._records.changes import CHANGES, Keys, state_of, what_changed
from .._records.files.ndjson import Unreadable
from .._records.files.snapshot_reader import BadLine, SnapshotLines, record_of
from .._records.identity import run_key
from .._records.model import SCHEMA, Finding
from .._records.query import Query
from .._records.result import Result
from .._records.times import now_text, read_time, utc_now
from .._spool.disk.source import Identity
from .._spool.disk.stream import identity_hash
from .finding_baseline import KnownFinding, KnownFindings
from .log_feed import since
from .steps import Step, event_step, event_uuid

Export = t.Callable[[pathlib.Path], Result]
"""Writes a snapshot of the findings to a path, and returns the result of the export module."""
OFFERED = tuple(change for change in CHANGES if change != "changed")
"""The changes that a rulebook may request."""
BATCH = 500


class FindingFeed:
    """The changes since the last poll, as steps.

    Args:
        identity: the stream.
        arguments: checked arguments.
        state: the state directory.
        clock: returns the current time.
    """

    def __init__(
        self,
        identity: Identity,
        arguments: t.Mapping[str, t.Any],
        state: pathlib.Path,
        clock: t.Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._baseline = KnownFindings(state, identity, arguments["consumer"])
        self._stream = identity_hash(identity)
        self._arguments = arguments
        self._wanted = frozenset(arguments["changes"])
        self._severities = frozenset(arguments["severities"] or ())
        self._where = Query(arguments["where"])
        self._clock = clock
        self._snapshot = self._baseline.path.with_suffix(".snapshot.ndjson")
        self._first = False
        # The findings as given to the engine, which may be ahead of the confirmed ones.
        self._given: dict[str, KnownFinding] = {}
        # For findings that changed without an event in this poll, how they were given before.
        self._before: dict[str, KnownFinding | None] = {}
        self.lock = self._baseline.path.with_suffix(".lock")

    def begin(self) -> None:
        """Read the state of the findings that the engine knows.

        Raises:
            StateError: a file cannot be used.
            OptionError: ``since`` is missing or not a time.
        """
        self._baseline.read()
        self._first = not self._baseline.complete
        self._given = dict(self._baseline.known)
        initial = self._arguments["initial"]
        self._since = since(self._arguments, self._clock()) if initial == "since" else None

    def write(self) -> None:
        """Make the state that the engine knows durable.

        Raises:
            StateError: it cannot be written.
        """
        self._baseline.write()

    def poll(self, export: Export) -> t.Iterator[list[Step]]:
        """Yield the changes since the last poll, in batches. Call it from one thread at a time.

        Raises:
            PerimeterError: the service failed, or the snapshot is not complete.
        """
        result = export(self._snapshot)
        if result.error is not None:
            raise result.error
        if not result.values["complete"]:
            raise IncompleteRead(
                "The findings changed while they were read, twice, so they are not compared this time.",
                hint="Poll less often, or at times without scans.",
            )
        self._before.clear()
        batch: list[Step] = []
        quiet: dict[str, KnownFinding | None] = {}
        left = dict.fromkeys(self._given)
        try:
            for key, finding in self._findings():
                left.pop(key, None)
                self._compare(key, finding, batch, quiet)
                if len(batch) >= BATCH:
                    yield batch
                    batch = []
        except PerimeterError:
            # Changes without a step are undone, so that the next poll finds them again.
            for key, known in self._before.items():
                if key in quiet:
                    self._note(key, known)
            yield batch
            raise
        for key in left:
            self._compare_gone(key, batch, quiet)
        if quiet or self._first:
            batch.append(self._quiet(quiet))
        self._first = False
        yield batch

    def _note(self, key: str, known: KnownFinding | None) -> None:
        if known is None:
            self._given.pop(key, None)
        else:
            self._given[key] = known

    def _findings(self) -> t.Iterator[tuple[str, Finding]]:
        keys = Keys()
        try:
            for _number, line in SnapshotLines(self._snapshot):
                record = record_of(line)
                if record["record"] != "finding":
                    continue
                finding = t.cast("Finding", record)
                who = run_key(finding["unique_id"], finding["fingerprint"], finding["id"])
                yield keys.key(f"{finding['source']}\0{who}"), finding
        except (Unreadable, BadLine, OSError) as error:
            raise FileError(f"The snapshot {self._snapshot} cannot be read back.") from error

    def _compare(self, key: str, finding: Finding, batch: list[Step], quiet: dict[str, KnownFinding | None]) -> None:
        before = self._given.get(key)
        now = KnownFinding(state_of(finding), finding["severity"], before.revision if before else 0)
        change = what_changed(before, now)
        if before == now:
            return
        if not self._is_wanted(change, finding):
            self._before[key] = before
            self._given[key] = now
            quiet[key] = now
            return
        now = KnownFinding(now.state, now.severity, now.revision + 1)
        self._given[key] = now
        batch.append(self._step(key, change, finding, before, now))

    def _compare_gone(self, key: str, batch: list[Step], quiet: dict[str, KnownFinding | None]) -> None:
        before = self._given.pop(key)
        change = what_changed(before, None)
        if change not in self._wanted or (self._severities and before.severity not in self._severities):
            quiet[key] = None
            return
        batch.append(self._step(key, change, None, before, None))

    def _is_wanted(self, change: str, finding: Finding) -> bool:
        if change not in self._wanted or (self._severities and finding["severity"] not in self._severities):
            return False
        if self._arguments["where"] and not self._where(finding):
            return False
        if not self._first or self._arguments["initial"] == "all":
            return True
        seen = read_time(finding["first_seen"])
        return self._since is not None and seen is not None and seen >= self._since

    def _step(
        self, key: str, change: str, finding: Finding | None, before: KnownFinding | None, now: KnownFinding | None
    ) -> Step:
        source, _zero, identity = key.partition("\0")
        record: dict[str, t.Any] = {
            "record": "change",
            "schema": SCHEMA,
            "change": change,
            "at": now_text(),
            "identity": f"{source}/{identity}",
            "before": None if before is None else {"state": before.state, "severity": before.severity},
            "finding": finding,
        }
        revision = now.revision if now is not None else (before.revision + 1 if before else 1)
        stated = now or before
        words = (key, change, str(revision), stated.state if stated else "", stated.severity if stated else "")
        return event_step(record, event_uuid(self._stream, "\0".join(words)), lambda: self._baseline.change(key, now))

    def _quiet(self, changes: dict[str, KnownFinding | None]) -> Step:
        """Return the step that records changes without an event, and the end of the first poll."""

        def done() -> None:
            self._baseline.complete = True
            for key, known in changes.items():
                self._baseline.change(key, known)

        return Step(done)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes closed days of streams, and snapshots, as Parquet if they are missing or outdated, and leaves the rest alone.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import os
import pathlib
import secrets
import shutil
import tempfile
import typing as t

from .._base.errors import FileError, PartialFailure, PerimeterError
from .._base.files import reason
from .._records.files.duck import Engine, Refused, check_library
from .._records.result import Result
from .._records.times import utc_now
from .._spool.disk.files import check_dest
from .._spool.disk.lock import locked
from .build import Day, emptied, open_engine
from .feeds import STREAM, Feed, feeds_of
from .folder import (
    HIDDEN,
    WHOLE,
    Content,
    HeldFile,
    Lake,
    Pair,
    commit,
    drop,
    examine,
    file_facts,
    file_name,
    folder_of,
    read_lake_manifest,
    write_manifest,
)  # fmt: skip
from .plan import EXPIRED, OPEN, DayPlan, plan_day
from .retain import old_folders, remove, retained_from

Params = t.Mapping[str, t.Any]
_SHOWN = 10
"""Maximum number of failed days in a message."""


def run(params: Params, check_mode: bool, *, clock: t.Callable[[], dt.datetime] = utc_now) -> Result:
    """Update the lake. Check mode writes nothing, and returns what would be written.

    Raises:
        OptionError: an option is invalid.
        MissingLibrary: DuckDB is not installed, or too old.
        FileError: the lake or an input cannot be read.
        StateError: another run writes this lake, or a stream's own files are damaged.
    """
    check_library()
    dest = pathlib.Path(os.path.expanduser(params["dest"])).absolute()
    today = clock().date()
    before = retained_from(params.get("retain_days"), today)
    feeds, failed = feeds_of(params.get("streams") or [], params.get("snapshots") or [])
    check_dest(dest)
    job = LakeJob(dest, feeds, today, before, bool(params.get("rebuild")), check_mode)
    with _working_folder(dest, check_mode) as work:
        roots = [dest, *(piece.path.parent for feed in feeds for day in feed.days.values() for piece in day)]
        with open_engine(work, dict.fromkeys(roots)) as database:
            return _Run(job, database, work, failed).result()


@contextlib.contextmanager
def _working_folder(dest: pathlib.Path, check_mode: bool) -> t.Iterator[pathlib.Path]:
    """Yield the folder for unfinished files, locked for this run; leftovers of a killed run are removed.

    Raises:
        FileError: it cannot be created.
        StateError: another run has locked it.
    """
    if check_mode:
        with tempfile.TemporaryDirectory(prefix="lake-") as temporary:
            yield pathlib.Path(temporary)
        return
    hidden = dest / HIDDEN
    try:
        if not dest.is_dir():
            dest.mkdir(mode=0o700, parents=True)
        hidden.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise FileError(f"dest: {hidden} cannot be created: {reason(error)}.") from error
    with locked(hidden / "lock", "writes this lake"):
        work = hidden / "work"
        try:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(mode=0o700)
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


@dataclasses.dataclass(frozen=True)
class LakeJob:
    """The checked options of a run.

    Attributes:
        dest: the directory of the lake.
        feeds: streams and snapshots.
        today: the first day that is not closed, UTC.
        before: days before this one are removed and not written; None to keep all.
        rebuild: whether to rewrite days that have not changed.
        check_mode: True to write nothing.
    """

    dest: pathlib.Path
    feeds: list[Feed]
    today: dt.date
    before: dt.date | None
    rebuild: bool
    check_mode: bool


class _Run:
    """One run over all feeds and days. A day that fails does not prevent the others from being written."""

    def __init__(self, job: LakeJob, database: Engine, work: pathlib.Path, failed: t.Iterable[PerimeterError]) -> None:
        self._job = job
        self._engine = database
        self._work = work
        self._written: list[Content] = []
        self._skipped: list[Content] = []
        self._warnings: list[str] = []
        self._failed = list(failed)
        self._lake = Lake(job.dest, {feed.id for feed in job.feeds})

    def result(self) -> Result:
        """Process all feeds, and return what was done."""
        job = self._job
        old = old_folders(job.dest, job.before)
        for feed in job.feeds:
            for day in sorted({*feed.days, *self._lake.days(feed.id)}):
                self._day(feed, day)
        if not job.check_mode:
            try:
                remove(old)
            except FileError as error:
                self._failed.append(error)
        removed = [str(folder.relative_to(job.dest)) for folder in old]
        return Result(
            changed=bool(self._written or removed),
            # Not "skipped": Ansible treats a task with that key in its result as not run.
            values={"written": self._written, "skipped_days": self._skipped, "removed": removed},
            warnings=self._warnings,
            error=_summed(self._failed),
        )

    def _day(self, feed: Feed, day: dt.date) -> None:
        if self._job.before and day < self._job.before:
            self._skip(feed, day, EXPIRED)
            return
        # A snapshot never changes, so its day need not be over.
        if feed.origin == STREAM and day >= self._job.today:
            self._skip(feed, day, OPEN)
            return
        try:
            self._closed_day(feed, day)
        except OSError as error:
            words = reason(error)
            self._failed.append(
                FileError(f"dest: writing {day} of {feed.label} failed: {words}.", hint="Free disk space.")
            )
        except Refused as error:
            self._failed.append(FileError(f"DuckDB cannot read {day} of {feed.label} ({error})."))
        except FileError as error:
            self._failed.append(error)

    def _closed_day(self, feed: Feed, day: dt.date) -> None:
        held = self._lake.held.get((feed.id, day), [])
        for item in held:
            before = item.entry
            examine(item, self._engine)
            if item.entry is not before and not self._job.check_mode:
                # The run that wrote this file was killed before it wrote the manifest.
                write_manifest(self._work, item.folder, {**read_lake_manifest(item.folder), item.name: item.entry})
        plan = plan_day(feed, day, held, rebuild=self._job.rebuild)
        for item in held:
            if item.state != WHOLE:
                self._warnings.append(f"{item.path} is {item.state}: it is written again from {feed.label}.")
        if not plan.writes:
            self._skip(feed, day, plan.reason)
            return
        with emptied(self._work):
            self._build(feed, day, plan, held)

    def _build(self, feed: Feed, day: dt.date, plan: DayPlan, held: list[HeldFile]) -> None:
        source = Day(self._engine, feed, plan.pieces, self._work)
        pairs = source.pairs()
        for unknown in source.unknown:
            self._warnings.append(f"Records of the kind {unknown} in {feed.label} on {day} are not in the lake.")
        olds = {item.pair: item for item in held if plan.merge}
        every = sorted({*pairs, *olds})
        if self._job.check_mode:
            self._written += [self._told(feed, day, pair, plan) for pair in every]
            return
        entry: Content = {
            "stream": feed.id, "about": feed.about, "origin": feed.origin, "as_of": feed.as_of,
            "pairs": every, "segments": plan.segments, "write": secrets.token_hex(8),
        }  # fmt: skip
        staged: list[tuple[pathlib.Path, HeldFile]] = []
        for number, pair in enumerate(every):
            target = self._work / f"part-{number}.parquet"
            old = olds.get(pair)
            source.write(pair, target, entry, old.path if old else None)
            facts = file_facts(target, self._engine)
            place = folder_of(self._job.dest, pair, day)
            staged.append((target, HeldFile(place, pair, file_name(feed.id), {**entry, **facts})))
        for target, item in staged:
            commit(self._work, target, item)
            self._written.append(self._told(feed, day, item.pair, plan, item))
        for item in held:
            if item.pair not in every:
                drop(self._work, item)

    def _told(self, feed: Feed, day: dt.date, pair: Pair, plan: DayPlan, item: HeldFile | None = None) -> Content:
        place = folder_of(self._job.dest, pair, day) / file_name(feed.id)
        entry = item.entry if item else {}
        return {
            "path": str(place.relative_to(self._job.dest)),
            "record": pair[0],
            "source": pair[1],
            "day": day.isoformat(),
            "from": feed.label,
            "reason": plan.reason,
            "segments": len(plan.segments),
            "rows": entry.get("rows"),
        }

    def _skip(self, feed: Feed, day: dt.date, reason_: str) -> None:
        self._skipped.append({"from": feed.label, "day": day.isoformat(), "reason": reason_})


def _summed(failed: list[PerimeterError]) -> PerimeterError | None:
    """Combine the errors of several days into one."""
    if len(failed) < 2:
        return failed[0] if failed else None
    shown = " ".join(error.message for error in failed[:_SHOWN])
    return PartialFailure(f"{len(failed)} parts of the lake could not be processed. {shown}", hint=failed[0].hint)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress of a run, and its result for the module.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ..._base.errors import PerimeterError
from ..._records.result import Result
from ..._records.times import utc_text
from ..disk.reader import StagedWindow, WindowTally


@dataclasses.dataclass
class RunReport:
    """The progress of a run.

    Attributes:
        tally: counts of the records of committed windows.
        segments: names of the segments that were written.
        gaps: spans that were not read and never will be.
        gaps_written: number of gaps that have a record in the stream.
        warnings: sentences for the user.
        adopted: segments of an interrupted run that were adopted.
        removed: old segments that were removed.
        paused: whether the run stopped at a limit after some progress; the next run continues.
        error: why the run failed; None if it did not.
    """

    tally: WindowTally = dataclasses.field(default_factory=WindowTally)
    segments: list[str] = dataclasses.field(default_factory=list)
    gaps: list[dict[str, str]] = dataclasses.field(default_factory=list)
    gaps_written: int = 0
    warnings: list[str] = dataclasses.field(default_factory=list)
    adopted: int = 0
    removed: int = 0
    paused: bool = False
    error: PerimeterError | None = None

    def warn(self, text: str) -> None:
        """Add a warning, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def committed(self, staged: StagedWindow, until: dt.datetime) -> list[str]:
        """Rename a window's segments to their names, and count its records; in check mode there are no segments.

        Returns:
            The names of the segments.

        Raises:
            FileError: a segment could not be written.
        """
        names = staged.commit(until)
        self.segments += names
        # From here on the records are durable, even if the position cannot be written.
        self.tally.add(staged.tally)
        if staged.disordered:
            self.warn(
                "The service sent records out of time order, although that order was requested. They were written, but"
                " an interrupted run may miss others until a sweep."
            )
        return names

    def gap(self, start: dt.datetime, end: dt.datetime, reason: str) -> dict[str, str]:
        """Add a span that will not be read, and return it as data."""
        gap = {"from": utc_text(start), "to": utc_text(end), "reason": reason}
        self.gaps.append(gap)
        self.warnings.append(f"Nothing was read from {gap['from']} to {gap['to']}: {reason}.")
        return gap

    def result(self, position: dt.datetime | None) -> Result:
        """Return the result for the module."""
        records = self.tally.new + self.tally.changed
        return Result(
            changed=bool(records or self.gaps_written),
            values={
                "records": records,
                "duplicates": self.tally.duplicate,
                "changed_rows": self.tally.changed,
                "gaps": self.gaps,
                "segments": self.segments,
                "position": None if position is None else utc_text(position),
                "complete": self.error is None and not self.paused,
                "stats": self._stats(),
            },
            warnings=self.warnings,
            error=self.error,
        )

    def _stats(self) -> dict[str, t.Any]:
        tally = self.tally
        return {
            "windows": tally.windows,
            "pages": tally.pages,
            "seen": tally.seen,
            "new": tally.new,
            "duplicate": tally.duplicate,
            "outside": tally.outside,
            "oldest": None if tally.oldest is None else utc_text(tally.oldest),
            "newest": None if tally.newest is None else utc_text(tally.newest),
            "gaps": len(self.gaps),
            "adopted": self.adopted,
            "removed": self.removed,
        }

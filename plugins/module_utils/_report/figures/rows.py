# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks over the findings once and gives each one to every format.

This module is private to the collection and may change at any time.

What all formats say about a finding (its standing, what changed, its age) is decided here, once. A writer keeps no
findings: it gets ``begin``, then each finding in report order, then ``end``.
"""

from __future__ import annotations

import contextlib
import typing as t

from ..._records.changes import state_of
from ..._records.model import Finding
from .. import text
from ..inputs.matches import MatchView
from ..inputs.model import ReportInput
from .standing import Standing, standing_of


class FindingRow(t.NamedTuple):
    """One finding with what a report says about it.

    ``state`` is open, ignored, protected, fixed or information; ``change`` is empty for none; ``age`` is in days;
    ``encoded`` is the finding as compact ASCII JSON; ``match`` says whether it was attacked, None without matches.
    """

    position: int
    finding: Finding
    state: str
    standing: Standing
    change: str
    age: int | None
    encoded: str
    match: MatchView | None = None


class FormatWriter:
    """One format of one report."""

    def begin(self) -> None:
        """Write what comes before the findings."""

    def row(self, row: FindingRow) -> None:
        """Write or count one finding."""
        raise NotImplementedError

    def end(self) -> None:
        """Write what comes after the findings."""

    def close(self) -> None:
        """Free the resources of the writer, also after a failure."""


class Unwritable(Exception):
    """The output of one format cannot be written."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(str(error))
        self.name = name
        self.error = error


def rows_of(report: ReportInput) -> t.Iterator[FindingRow]:
    """The findings in report order, each read once."""
    for position, (finding, encoded) in enumerate(report.findings.encoded()):
        yield FindingRow(
            position,
            finding,
            state_of(finding),
            standing_of(report, finding),
            report.mark(position),
            text.age_in_days(finding["first_seen"], report.generated),
            encoded,
            report.matches.of(finding) if report.matches else None,
        )


def feed(report: ReportInput, writers: t.Mapping[str, FormatWriter]) -> None:
    """Give a report to all its writers in one walk over the findings.

    Raises:
        Unwritable: the output of a writer cannot be written.
    """
    with contextlib.ExitStack() as stack:
        for writer in writers.values():
            stack.callback(writer.close)
        _each(writers, lambda writer: writer.begin())
        takers = [(name, writer.row) for name, writer in writers.items()]
        for row in rows_of(report):
            for name, take in takers:
                try:
                    take(row)
                except OSError as error:
                    raise Unwritable(name, error) from error
        _each(writers, lambda writer: writer.end())


def _each(writers: t.Mapping[str, FormatWriter], step: t.Callable[[FormatWriter], None]) -> None:
    for name, writer in writers.items():
        try:
            step(writer)
        except OSError as error:
            raise Unwritable(name, error) from error

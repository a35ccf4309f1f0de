# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the records of a file or of a stream's directory one by one, with only one in memory.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ..._base.errors import FileError, OptionError
from ..._records.coerce import bounded
from ..._records.files.ndjson import Unreadable, read_lines, stream_files
from ..._records.files.snapshot_reader import BadLine, record_of
from .. import text

GAPS_LISTED = 200
_HINT = "Give NDJSON files, or directories of streams, that this collection wrote."


class GapRow(t.NamedTuple):
    """A span of a stream that was not read. Times are UTC, ISO-8601 with ``Z``."""

    source: str
    stream: str
    start: str
    end: str
    reason: str


@dataclasses.dataclass
class Gaps:
    """The gaps of all inputs: their number, and the first of them."""

    count: int = 0
    listed: list[GapRow] = dataclasses.field(default_factory=list)

    def add(self, record: t.Mapping[str, t.Any]) -> None:
        """Count one gap record, and list it while there is room."""
        self.count += 1
        if len(self.listed) < GAPS_LISTED:
            words = (text.line(bounded(record.get(name)), 300) for name in ("source", "stream", "from", "to", "reason"))
            self.listed.append(GapRow(*words))


def paths_of(given: t.Any, option: str) -> list[pathlib.Path]:
    """The paths of an option that takes a list of them.

    Raises:
        OptionError: an item is not a path.
    """
    listed = given if isinstance(given, (list, tuple)) else [] if given is None else [given]
    for item in listed:
        if not isinstance(item, (str, pathlib.Path)) or not str(item):
            raise OptionError(f"`{option}` contains an item that is not a path.", hint=_HINT)
    return [pathlib.Path(item).expanduser() for item in listed]


def records_in(path: pathlib.Path, option: str) -> t.Iterator[dict[str, t.Any]]:
    """The records of an NDJSON file, plain or gzip, or of all segments of a stream, in their order.

    Raises:
        FileError: a file cannot be read, or a line is not a record of this version.
    """
    try:
        for file in stream_files(path):
            for number, line in read_lines(file):
                try:
                    yield record_of(line)
                except BadLine as error:
                    raise FileError(f"{option}: line {number} of {file} {error}.", hint=_HINT) from error
    except Unreadable as error:
        raise FileError(f"{option}: {path} cannot be read: {error}.", hint=_HINT) from error

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of events: the segments of streams, NDJSON files, and the Parquet files of a lake.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from .._base.errors import FileError
from .._base.files import reason
from .._spool.disk.files import folder_day_of, list_segments
from .._spool.disk.stream import STREAM_FILE
from .job import CorrelationJob

_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_EVENTS, _GAPS = "record=event", "record=gap"


@dataclasses.dataclass(frozen=True)
class File:
    """A file of events or gaps. ``order`` grows from older to newer content; the last content of an event counts."""

    path: pathlib.Path
    order: int
    kind: t.Literal["plain", "gzip", "parquet"]


@dataclasses.dataclass
class CorrelationInputs:
    """The files to read.

    Attributes:
        files: the files with events.
        gaps: Parquet files with gaps; gaps of streams are among their events.
        problems: sentences about why events may be missing.
    """

    files: list[File] = dataclasses.field(default_factory=list)
    gaps: list[File] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)

    def add(self, path: pathlib.Path, *, gaps: bool = False) -> None:
        """Add a file, which is newer than all before it."""
        files = self.gaps if gaps else self.files
        files.append(File(path, len(self.files) + len(self.gaps), _kind(path)))


def find_inputs(job: CorrelationJob) -> CorrelationInputs:
    """Find the files.

    Raises:
        FileError: a path cannot be read, or is neither a stream, nor a lake, nor a file of events.
    """
    inputs = CorrelationInputs()
    since = job.since.date() if job.since else None
    try:
        # The content of a lake is older than that of its streams.
        for path in sorted(job.events, key=lambda item: not _is_lake(item)):
            if not path.exists():
                inputs.problems.append(f"{path} does not exist: nothing was collected there")
            elif path.is_file():
                inputs.add(path)
            elif _is_lake(path):
                _add_lake(inputs, path, since)
            else:
                _add_stream(inputs, path, since)
    except OSError as error:
        raise FileError(f"events: {error.filename or 'a path'} cannot be read: {reason(error)}.") from error
    return inputs


def _is_lake(path: pathlib.Path) -> bool:
    names = ("record=", "source=")
    return path.name.startswith(names) or (path.is_dir() and any(path.glob("record=*")))


def _add_lake(inputs: CorrelationInputs, path: pathlib.Path, since: dt.date | None) -> None:
    found = [file for file in sorted(path.rglob("*.parquet")) if _is_shown(file.relative_to(path))]
    events = [file for file in found if _EVENTS in file.parts]
    if not events:
        inputs.problems.append(f"{path} holds no day of events")
    for file in found:
        day = folder_day_of(file.parent.name)
        if since is not None and day is not None and day < since:
            continue
        if file in events or _GAPS in file.parts:
            inputs.add(file, gaps=_GAPS in file.parts)


def _add_stream(inputs: CorrelationInputs, path: pathlib.Path, since: dt.date | None) -> None:
    segments = list_segments(path)
    if not segments:
        names = [item.name for item in path.iterdir()]
        if names and STREAM_FILE not in names and not any(map(folder_day_of, names)):
            raise FileError(
                f"events: {path} is neither the directory of a stream nor a lake.",
                hint="Give the dest of an export module, the dest of lake, or an NDJSON file.",
            )
        inputs.problems.append(f"{path} holds no event: nothing was collected there")
    for segment in segments:
        day = folder_day_of(segment.name.partition("/")[0])
        if since is None or day is None or day >= since:
            inputs.add(path / segment.name)


def _is_shown(path: pathlib.Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.parts)


def _kind(path: pathlib.Path) -> t.Literal["plain", "gzip", "parquet"]:
    # Decided by the first bytes, not by the name.
    with path.open("rb") as file:
        head = file.read(len(_PARQUET))
    if head == _PARQUET or path.suffix == ".parquet":
        return "parquet"
    return "gzip" if head[: len(_GZIP)] == _GZIP else "plain"

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the collector: writes everything new of one stream to segments, and then its position.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import typing as t

from ..._records.result import Result
from ..._records.times import utc_now
from ..._state.directory import state_directory, warn_of_group
from ..disk.files import TEMPORARY, check_dest, make_dest, remove_temporary_files
from ..disk.kept import KEPT_FILE, KeptFile
from ..disk.lock import LOCK_FILE, locked
from ..disk.options import read_options
from ..disk.position import PositionFile
from ..disk.source import Source
from ..disk.stream import STREAM_FILE
from .begin import check, look
from .job import CollectJob
from .live import Live
from .report import RunReport
from .sweep import backfill


def collect(
    params: t.Mapping[str, t.Any],
    source: Source,
    *,
    check_mode: bool,
    clock: t.Callable[[], dt.datetime] = utc_now,
) -> Result:
    """Read the new records and write them. In check mode they are only read.

    Args:
        params: the options that all log exports share, and ``state_dir``.
        source: the stream.
        check_mode: True to write nothing.
        clock: returns the current time, UTC.

    Returns:
        The result; ``changed`` is whether records or gaps were written. An error after the start is in ``error``,
        together with the values of what was committed before it, and ``complete`` False.

    Raises:
        OptionError: an option is invalid.
        FileError: ``dest`` cannot be used.
        StateError: the position is missing, damaged, newer or of another directory, or another run is active.
    """
    options = read_options(params, source.timing)
    check_dest(options.dest)
    state = state_directory(params.get("state_dir"), os.environ, create=not check_mode)
    place = PositionFile(state, source.identity)
    job = CollectJob(options, source, state, place, KeptFile(options, check_mode=check_mode), check_mode, clock)
    check(job, look(job))  # every refusal comes before anything is created
    if not check_mode:
        make_dest(options)
        place.make_folder()
    with contextlib.ExitStack() as stack:
        for path, doing in (
            (place.lock, "collects this stream"),
            (options.dest / LOCK_FILE, f"collects into {options.dest}"),
        ):
            stack.enter_context(locked(path, doing, create=not check_mode))
        if not check_mode:
            remove_temporary_files(options.dest, (TEMPORARY, f".{STREAM_FILE}.", f".{KEPT_FILE}."))
            remove_temporary_files(place.folder, (f".{place.path.name}.",))
        found = look(job)  # another run may have ended meanwhile
        check(job, found)
        report = RunReport(warnings=warn_of_group(state))
        if options.backfill is not None:
            return backfill(job, found, report, options.backfill)
        return Live(job, found, report).collect()

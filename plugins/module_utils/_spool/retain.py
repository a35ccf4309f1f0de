# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old segments removed, unless somebody still has to deliver them.

This module is private to the collection and may change at any time.

The contract with those who deliver: for each sink of a stream there is a JSON file ``<state_dir>/deliver/*.json`` with

- ``stream``: :func:`.stream.stream_id` of the directory that is delivered,
- ``progress.done``: names of the segments that are delivered to the end, relative to that directory.

A segment is removed only when each such file of its stream has it in ``done``. When one cannot be read, nothing is
removed. A stream that nobody ever delivered has no such file, and age alone decides.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib

from .._http.errors import FileError
from .._records.codec import loads
from .._state.files import reason, sync_directory
from .files import list_segments

DELIVER_FOLDER = "deliver"


def delivered(state: pathlib.Path, stream: str) -> frozenset[str] | None:
    """The segments that every sink of the stream has; None when it has no sink.

    Raises:
        ValueError: a delivery position cannot be read or understood.
    """
    done: frozenset[str] | None = None
    for path in sorted((state / DELIVER_FOLDER).glob("*.json")):
        try:
            document = loads(path.read_bytes())
            if document["stream"] != stream:
                continue
            names = frozenset(document["progress"]["done"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the delivery position {path} cannot be read") from error
        done = names if done is None else done & names
    return done


def remove_old(
    dest: pathlib.Path, state: pathlib.Path, stream: str, before: dt.date
) -> tuple[list[str], list[str], str | None]:
    """Remove the segments of days before ``before``, and folders that are empty then.

    Returns:
        The segments that were removed, those that wait for their delivery, and what went wrong, or None. None of it
        makes a collection fail: what was collected is safe.
    """
    removed: list[str] = []
    waiting: list[str] = []
    try:
        done = delivered(state, stream)
        for segment in list_segments(dest, until=before - dt.timedelta(days=1)):
            if done is not None and segment.name not in done:
                waiting.append(segment.name)
                continue
            (dest / segment.name).unlink(missing_ok=True)
            removed.append(segment.name)
        _remove_empty(dest, removed)
    except ValueError as error:
        return removed, waiting, f"retain_days: no file was removed, as {error}."
    except FileError as error:
        return removed, waiting, f"retain_days: {error.message}"
    except OSError as error:
        return removed, waiting, f"retain_days: an old file in {dest} could not be removed: {reason(error)}."
    return removed, waiting, None


def _remove_empty(dest: pathlib.Path, removed: list[str]) -> None:
    for folder in sorted({(dest / name).parent for name in removed}):
        with contextlib.suppress(OSError):  # it still holds something
            folder.rmdir()
    if removed:
        sync_directory(dest)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes old segments, unless they still have to be delivered.

This module is private to the collection and may change at any time.

The contract with ``deliver``: for each sink of a stream there is a JSON file ``<state_dir>/deliver/*.json`` with

- ``stream``: :func:`.stream.stream_id` of the directory that is delivered,
- ``progress.done``: names of the completely delivered segments, relative to that directory,
- ``owner``: random number of that directory; a file of another directory of the stream does not count for this one,
- ``sink`` and ``target``: the sink that lags, for the message.

A delivery also creates a hidden file in the directory, ``.delivered-<name of that JSON file>``, which shows that the
sink exists, so that the loss of state_dir is detected.

A segment is removed only if each such JSON file of its stream lists it in ``done``. If a file cannot be read, or is
missing for a hidden file, nothing is removed. A stream that was never delivered has neither, and only age decides.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import pathlib

from ..._base.errors import FileError
from ..._base.files import reason, sync_directory
from ..._records.codec import loads
from .files import list_segments, number_of
from .kept import Kept, write_kept
from .options import Options
from .stream import read_stream_document

DELIVER_FOLDER = "deliver"
DELIVERED_MARK = ".delivered-"


@dataclasses.dataclass
class Retained:
    """The result of removing old segments.

    Attributes:
        removed: names of the removed segments.
        waiting: names of the segments that are not delivered yet.
        lagging: descriptions of the sinks that have not received them.
        problem: what went wrong, or None. It does not fail the collection, because the collected records are safe.
    """

    removed: list[str] = dataclasses.field(default_factory=list)
    waiting: list[str] = dataclasses.field(default_factory=list)
    lagging: list[str] = dataclasses.field(default_factory=list)
    problem: str | None = None


def delivered(dest: pathlib.Path, state: pathlib.Path, stream: str) -> dict[str, frozenset[str]]:
    """Return the delivered segments of each sink of the stream, by the sink's description.

    Raises:
        ValueError: a delivery position cannot be read or understood, or one is missing.
        StateError: the directory's hidden file is damaged.
    """
    held = read_stream_document(dest)
    owners = (None, held.owner if held else None)
    done: dict[str, frozenset[str]] = {}
    known: set[str] = set()
    for path in sorted((state / DELIVER_FOLDER).glob("*.json")):
        try:
            document = loads(path.read_bytes())
            if document["stream"] != stream or document.get("owner") not in owners:
                continue
            names = frozenset(document["progress"]["done"])
            told = [str(document[name]) for name in ("sink", "target") if document.get(name)]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the delivery position {path} cannot be read") from error
        known.add(path.stem)
        done[" ".join(told) or path.stem] = names
    for mark in sorted(dest.glob(f"{DELIVERED_MARK}*")):
        if mark.name.removeprefix(DELIVERED_MARK) not in known:
            raise ValueError(
                f"the mark {mark} shows that a sink has received records, but {state / DELIVER_FOLDER} has no position"
                " for it. Restore the state_dir of the delivery, or deliver again; if the sink no longer exists, remove"
                " the mark"
            )
    return done


def remove_old(
    options: Options, state: pathlib.Path, stream: str, before: dt.date, kept: Kept, until: dt.datetime
) -> Retained:
    """Remove the segments of days before ``before``, and folders that become empty.

    Args:
        options: the options, with ``dest``.
        state: the state directory.
        stream: identity of the stream.
        before: days before this one are removed.
        kept: the directory's memory.
        until: the time up to which the stream is collected, which is stored in ``kept`` too.
    """
    dest, found = options.dest, Retained()
    try:
        done = delivered(dest, state, stream)
        old = [segment.name for segment in list_segments(dest, until=before - dt.timedelta(days=1))]
        found.lagging = [sink for sink, names in done.items() if not names.issuperset(old)]
        found.waiting = [name for name in old if not all(name in names for names in done.values())]
        ready = [name for name in old if name not in set(found.waiting)]
        if ready:
            # Store first what has to be remembered about them: afterwards it is lost.
            day = before if kept.removed_before is None else max(before, kept.removed_before)
            highest = max(kept.highest, *map(number_of, ready))
            write_kept(dest, Kept(day, highest, until), mode=options.mode)
        for name in ready:
            (dest / name).unlink(missing_ok=True)
            found.removed.append(name)
        _remove_empty(dest, found.removed)
    except ValueError as error:
        found.problem = f"retain_days: no file was removed, because {error}."
    except FileError as error:
        found.problem = f"retain_days: {error.message}"
    except OSError as error:
        found.problem = f"retain_days: an old file in {dest} could not be removed: {reason(error)}."
    return found


def _remove_empty(dest: pathlib.Path, removed: list[str]) -> None:
    for folder in sorted({(dest / name).parent for name in removed}):
        with contextlib.suppress(OSError):  # the folder is not empty
            folder.rmdir()
    if removed:
        sync_directory(dest)

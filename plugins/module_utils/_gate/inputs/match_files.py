# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the age of match files: attacks that a firewall blocked last month prove nothing about today.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import pathlib
import typing as t

from ..._base.files import sha256_of
from ..._records.files.snapshot_reader import BadManifest, read_manifest
from ..._records.times import read_time
from .records import Problem

_SKEW = 300.0
"""Seconds by which the clock of another machine may be ahead."""


def match_problems(given: t.Iterable[t.Any], now: dt.datetime, max_age: float) -> t.Iterator[Problem]:
    """Yield why match files cannot be used. Records in the task come from the same play, so they count as fresh.

    Args:
        given: the value of the option ``matches``.
        now: the current time, UTC.
        max_age: the maximum age in seconds.
    """
    for item in given:
        path = pathlib.Path(item).expanduser() if isinstance(item, str) and item else None
        if path is not None and path.exists():
            yield from _problems(path, now, max_age)


def _problems(path: pathlib.Path, now: dt.datetime, max_age: float) -> t.Iterator[Problem]:
    try:
        manifest = _manifest(path)
        made = _written(path) if manifest is None else _stated(path, manifest)
    except (BadManifest, OSError):
        yield "matches_unreadable", f"{path.name}: its manifest cannot be read: correlate again"
        return
    if made is None:
        yield "matches_changed", f"{path.name} is not the file that its manifest describes: correlate again"
        return
    age = (now - made).total_seconds()
    if age > max_age:
        words = f"{path.name} was made {age / 3600:.0f} hours ago, and at most {max_age / 3600:g} are allowed"
        yield "matches_too_old", f"{words}: correlate again"
    elif age < -_SKEW:
        yield "matches_in_the_future", f"{path.name} was made in the future: a clock is wrong"


def _manifest(path: pathlib.Path) -> t.Mapping[str, t.Any] | None:
    try:
        return read_manifest(path)
    except BadManifest as error:
        if error.kind == "missing":
            return None
        raise


def _stated(path: pathlib.Path, manifest: t.Mapping[str, t.Any]) -> dt.datetime | None:
    """Return when the manifest says that the file was made; None if it does not describe this file."""
    same = manifest.get("stream") == "matches" and manifest.get("sha256") == sha256_of(path)
    return read_time(manifest.get("started")) if same else None


def _written(path: pathlib.Path) -> dt.datetime:
    """Return when a file, or the newest file in a directory, was last written."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return dt.datetime.fromtimestamp(max((file.stat().st_mtime for file in files), default=0), dt.UTC)

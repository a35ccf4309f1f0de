# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a collection, checked before anything is created or requested.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import grp
import os
import pathlib
import re
import typing as t

from ..._base.errors import OptionError
from ..._records.times import parse_duration, parse_time
from .source import Timing, Window

Params = t.Mapping[str, t.Any]

_MODE = re.compile(r"0?[0-7]{3}")
_OWNER = 0o600
_LONGEST = dt.timedelta(days=36_500)
"""A hundred years: a time that is longer ago may not be a valid date."""
_FIRST_YEAR = 1970


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The checked options. ``timing`` is the source's, with the user's ``lag`` and ``overlap``."""

    dest: pathlib.Path
    timing: Timing
    first_run: str
    lookback: dt.timedelta
    sweep: dt.timedelta | None
    backfill: Window | None
    compress: bool
    retain_days: int | None
    mode: int
    group: int | None
    on_failed_window: str = "stop"

    @property
    def folder_mode(self) -> int:
        """Permissions of new directories: users who may read the files may also list them."""
        return self.mode | (self.mode & 0o444) >> 2


def read_options(params: Params, timing: Timing) -> Options:
    """Check the options.

    Raises:
        OptionError: an option is invalid.
    """
    retain_days = params.get("retain_days")
    if retain_days is not None and not 1 <= retain_days <= _LONGEST.days:
        raise OptionError(
            f"retain_days must be from 1 to {_LONGEST.days}, not {retain_days}.", hint="Leave it out to keep all files."
        )
    lag, overlap = _duration(params, "lag"), _duration(params, "overlap")
    sweep, backfill = _duration(params, "sweep"), _backfill(params.get("backfill"))
    if sweep is not None and backfill is not None:
        raise OptionError("sweep and backfill exclude each other.", hint="Run them one after the other.")
    return Options(
        dest=pathlib.Path(os.path.expanduser(params["dest"])).absolute(),
        timing=dataclasses.replace(
            timing, lag=timing.lag if lag is None else lag, overlap=timing.overlap if overlap is None else overlap
        ),
        first_run=params.get("first_run") or "fail",
        lookback=_duration(params, "lookback") or dt.timedelta(),
        sweep=sweep,
        backfill=backfill,
        compress=bool(params.get("compress")),
        retain_days=retain_days,
        mode=_mode(params.get("segment_mode") or "0600"),
        group=_group(params.get("segment_group")),
        on_failed_window=params.get("on_failed_window") or "stop",
    )


def _duration(params: Params, name: str) -> dt.timedelta | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        duration = dt.timedelta(seconds=parse_duration(str(text)))
    except OverflowError:
        duration = dt.timedelta.max
    except ValueError as error:
        raise OptionError(f"{name}: {error}.") from error
    if duration > _LONGEST:
        raise OptionError(f"{name}: {text!r} is longer than a hundred years.", hint="Give a shorter time.")
    return duration


def _backfill(span: t.Mapping[str, str] | None) -> Window | None:
    if span is None:
        return None
    ends = {}
    for name in ("from", "to"):
        try:
            ends[name] = parse_time(str(span[name])).replace(microsecond=0)
        except ValueError as error:
            raise OptionError(f"backfill.{name}: {span[name]!r} is not an ISO-8601 date or time.") from error
    if ends["from"].year < _FIRST_YEAR:
        raise OptionError(f"backfill.from: {span['from']!r} is before {_FIRST_YEAR}.")
    if ends["from"] >= ends["to"]:
        raise OptionError("backfill.from must be before backfill.to.")
    return Window(ends["from"], ends["to"])


def _mode(text: str) -> int:
    if not _MODE.fullmatch(text):
        raise OptionError(f"segment_mode: {text!r} is not a mode.", hint="Give octal digits as text, such as '0640'.")
    mode = int(text, 8)
    if mode & _OWNER != _OWNER:
        raise OptionError(f"segment_mode: {text!r} keeps the owner from reading and writing.", hint="Begin it with 6.")
    return mode


def _group(name: str | None) -> int | None:
    if not name:
        return None
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OptionError(
            f"segment_group: there is no group {name} here.", hint="Give a name or number of one."
        ) from None

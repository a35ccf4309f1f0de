# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a run.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import typing as t

from ..disk.kept import KeptFile
from ..disk.options import Options
from ..disk.position import PositionFile
from ..disk.source import Source, Timing
from .plan import DAY, floor


@dataclasses.dataclass(frozen=True)
class CollectJob:
    """The inputs of a run.

    Attributes:
        options: the checked options.
        source: the stream.
        state: the state directory.
        place: the file of the position.
        kept: the directory's memory.
        check_mode: True to write nothing.
        clock: returns the current time, UTC.
    """

    options: Options
    source: Source
    state: pathlib.Path
    place: PositionFile
    kept: KeptFile
    check_mode: bool
    clock: t.Callable[[], dt.datetime]

    @property
    def timing(self) -> Timing:
        """The source's timing, with the user's ``lag`` and ``overlap``."""
        return self.options.timing

    def retained_from(self, now: dt.datetime) -> dt.datetime | None:
        """Return the midnight before which days are removed, or None to keep all."""
        days = self.options.retain_days
        return None if days is None else floor(now - days * DAY, DAY)

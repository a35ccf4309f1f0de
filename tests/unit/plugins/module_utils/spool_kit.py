# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream in memory, and a collector around it, for the tests of the spool."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError, TransportError
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.collect.entry import collect
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import (
    Dense,
    Identity,
    SpoolEntry,
    Timing,
    Window,
)

DAY, HOUR, MINUTE, SECOND = (dt.timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes", "seconds"))
NOON = dt.datetime(2026, 5, 10, 12, tzinfo=dt.UTC)
TIMING = Timing(lag=MINUTE, overlap=5 * MINUTE, window=HOUR)


def at(text: str) -> dt.datetime:
    """``"12:30"`` on the day of NOON, or ``"9T12:30"`` on another of its month."""
    day, _t, clock = text.rpartition("T")
    hour, minute = clock.split(":")[:2]
    return NOON.replace(day=int(day or NOON.day), hour=int(hour), minute=int(minute))


@dataclasses.dataclass
class Row:
    key: str
    time: dt.datetime
    content: str = "a"


class MemorySource:
    """A service that holds rows, answers in pages, and can fail."""

    def __init__(self, rows: list[Row] | None = None, *, timing: Timing = TIMING, page_size: int = 3) -> None:
        self.identity = Identity(source="memory", account="me", stream="events", parameters={"filter": None})
        self.timing = timing
        self.rows = rows or []
        self.page_size = page_size
        self.asked: list[Window] = []
        self.date: dt.datetime | None = None
        self.answered = False
        self.failures: dict[int, Exception] = {}
        self.most: int | None = None
        """Rows that a window may hold, and a part twice as many; one with more is dense, unless it is a second."""

    def add(self, *times: str, content: str = "a") -> MemorySource:
        for time in times:
            self.rows.append(Row(f"k{time}", at(time), content))
        return self

    def pages(self, window: Window) -> Iterator[list[SpoolEntry]]:
        number = len(self.asked)
        self.asked.append(window)
        # Bounds that are wider than what was asked for, as some services have them.
        rows = [row for row in self.rows if window.start - SECOND <= row.time <= window.end + SECOND]
        self.answered = True
        if self.most and len(rows) > self.most * (1 + window.cut) and window.end - window.start > SECOND:
            raise Dense(math.ceil(len(rows) / self.most))
        if self.timing.ascending:
            rows.sort(key=lambda row: row.time)
        for start in range(0, len(rows), self.page_size):
            yield [
                SpoolEntry(row.key, row.time, row.content, {"record": "event", "schema": 1, "id": row.key})
                for row in rows[start : start + self.page_size]
            ]
        if number in self.failures:
            raise self.failures[number]

    def server_time(self) -> dt.datetime | None:
        return self.date if self.answered else None


class Collector:
    """A directory and a state folder, with a clock that stands."""

    def __init__(self, folder: Path, source: MemorySource, now: dt.datetime = NOON) -> None:
        self.dest = folder / "stream"
        self.state = folder / "state"
        self.source = source
        self.now = now
        self.options: dict[str, Any] = {"first_run": "lookback", "lookback": "3h"}

    def run(self, now: dt.datetime | str | None = None, *, check: bool = False, **options: Any) -> Result:
        """One run, at a time of its own; the error that it ended in, if any, is in the result."""
        if now is not None:
            self.now = at(now) if isinstance(now, str) else now
        self.source.asked.clear()
        self.source.answered = False
        params = {"dest": str(self.dest), "state_dir": str(self.state), **self.options, **options}
        return collect(params, self.source, check_mode=check, clock=lambda: self.now)

    def ok(self, now: dt.datetime | str | None = None, **options: Any) -> dict[str, Any]:
        """One run that must end well; its values, with ``changed`` and ``warnings``."""
        result = self.run(now, **options)
        assert result.error is None, str(result.error)
        return {**result.values, "changed": result.changed, "warnings": result.warnings}

    @property
    def position_path(self) -> Path:
        return next((self.state / "collect").glob("*.json"))

    def position(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.position_path.read_text())
        return document

    def names(self) -> list[str]:
        """Every file of the stream that an engine would read."""
        return sorted(path.relative_to(self.dest).as_posix() for path in self.dest.glob("dt=*/[!._]*"))

    def hidden(self) -> list[str]:
        return sorted(path.name for path in self.dest.iterdir() if path.name.startswith("."))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for name in self.names() for line in read(self.dest / name).splitlines()]

    def records(self) -> collections.Counter[tuple[str, str]]:
        """How often each (key, content) is in the segments; gaps left out."""
        return collections.Counter((line["key"], line["content"]) for line in self.lines() if line["record"] != "gap")

    def holds_once(self, rows: list[Row]) -> None:
        assert self.records() == collections.Counter({(row.key, row.content) for row in rows})


def read(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def broken(message: str = "The service is away.") -> PerimeterError:
    return TransportError(message)

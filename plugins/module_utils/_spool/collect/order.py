# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads windows in parallel and returns them strictly in order; divides dense windows.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading
import typing as t

from ..._base.errors import PerimeterError
from ..disk.reader import StagedWindow, Stopped
from ..disk.source import Dense, Timing, Window
from .plan import parts

Read = t.Callable[[Window], t.Iterator[StagedWindow]]


def in_order(
    windows: t.Sequence[Window], read: Read, timing: Timing, stop: threading.Event
) -> t.Generator[StagedWindow, None, None]:
    """Read windows, as many at a time as the timing allows, and yield what is staged strictly in order.

    A dense window is replaced by its parts. When the iterator is closed, or a window fails, windows that were read
    ahead are discarded.

    Args:
        windows: the windows.
        read: reads one window.
        timing: the timing of the source.
        stop: set at the end, so that windows in progress stop.

    Raises:
        PerimeterError: a window failed; earlier windows were yielded.
    """
    if timing.parallel > 1:
        yield from _side_by_side(windows, read, timing, stop)
        return
    waiting = collections.deque(windows)
    while waiting:
        window = waiting.popleft()
        try:
            yield from read(window)
        except Dense as dense:
            waiting.extendleft(reversed(parts(dense.rest(window), dense.parts, timing)))


@dataclasses.dataclass
class _QueuePlace:
    """A window in the queue, and its reading, once that has begun."""

    window: Window
    reading: concurrent.futures.Future[list[StagedWindow]] | None = None


def _side_by_side(
    windows: t.Sequence[Window], read: Read, timing: Timing, stop: threading.Event
) -> t.Generator[StagedWindow, None, None]:
    queue = collections.deque(map(_QueuePlace, windows))
    with concurrent.futures.ThreadPoolExecutor(max_workers=timing.parallel) as pool:
        try:
            while queue:
                # Twice as many as can be read at a time: otherwise readers would be idle while the first is awaited.
                for place in list(queue)[: 2 * timing.parallel]:
                    place.reading = place.reading or pool.submit(lambda window: list(read(window)), place.window)
                first = queue.popleft()
                try:
                    yield from first.reading.result() if first.reading else ()
                except Dense as dense:
                    queue.extendleft(map(_QueuePlace, reversed(parts(dense.rest(first.window), dense.parts, timing))))
        finally:
            stop.set()
            for place in queue:
                if place.reading is not None and not place.reading.cancel():
                    place.reading.add_done_callback(_throw_away)


def _throw_away(reading: concurrent.futures.Future[list[StagedWindow]]) -> None:
    try:
        for staged in reading.result():
            staged.writer.discard()
    except (Dense, Stopped, PerimeterError):
        pass  # the window cleaned up itself
    except Exception:  # noqa: BLE001, S110 - the error that ends the run is another one, and is being raised
        pass

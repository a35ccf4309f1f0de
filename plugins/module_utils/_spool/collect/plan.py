# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Computes which windows a run requests. Pure arithmetic, all times UTC.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math

from ..disk.source import Timing, Window

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)


def floor(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """Return a time, rounded down to a whole step."""
    return moment - (moment - _EPOCH) % max(step, SECOND)


def ceil(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """Return a time, rounded up to a whole step."""
    return moment + (_EPOCH - moment) % max(step, SECOND)


def horizon(now: dt.datetime, timing: Timing) -> dt.datetime:
    """Return the end of a run. Records younger than the lag are left to the next run."""
    return floor(now - timing.lag, SECOND)


def oldest(now: dt.datetime, timing: Timing) -> dt.datetime | None:
    """Return the time from which the service certainly has records, or None if unknown."""
    return None if timing.retention is None else ceil(now - timing.retention + timing.margin, SECOND)


def reread_from(committed: dt.datetime, origin: dt.datetime, timing: Timing) -> dt.datetime:
    """Return the start of a run that continues from ``committed``; everything from there can come again."""
    return floor(max(committed - timing.overlap, origin), timing.granularity)


def windows(start: dt.datetime, pivot: dt.datetime, end: dt.datetime, timing: Timing) -> list[Window]:
    """Cut ``[start, end)`` into windows; both ends are widened to whole steps of the granularity.

    The overlap costs no extra request: the first window covers the time before ``pivot`` and one span after it.

    Args:
        start: inclusive.
        pivot: the time up to which the stream was collected.
        end: exclusive.
        timing: span and granularity of a window.
    """
    if start >= end:
        return []
    step = max(floor_span(timing), SECOND)
    first, last = floor(start, timing.granularity), ceil(end, timing.granularity)
    # With coarse bounds, windows begin at the start: each day costs a request, even if it was read before.
    base = first if timing.granularity > SECOND else max(pivot, first)
    bounds = [first]
    while (bound := base + step * len(bounds)) < last:
        bounds.append(bound)
    bounds.append(last)
    return [Window(left, right) for left, right in itertools.pairwise(bounds)]


def floor_span(timing: Timing) -> dt.timedelta:
    """Return a window's span in whole steps of the granularity, at least one."""
    step = max(timing.granularity, SECOND)
    return max(timing.window // step, 1) * step


def cut(planned: list[Window], end: dt.datetime, timing: Timing) -> list[Window]:
    """Return the windows, cut off at an earlier end."""
    last = ceil(end, timing.granularity)
    return [Window(item.start, min(item.end, last)) for item in planned if item.start < last]


def parts(window: Window, count: int, timing: Timing) -> list[Window]:
    """Divide a dense window into ``count`` parts, give or take a few, of whole steps of the granularity.

    Parts end at midnight: long parts so that each day stays in one segment, and parts shorter than a day so that each
    is within one day.

    Raises:
        ValueError: the window is a single step, and cannot be divided.
    """
    step = max(timing.granularity, SECOND)
    if window.end - window.start <= step:
        raise ValueError("a single step cannot be cut")
    bounds = {window.start, window.end}
    length = (window.end - window.start) / count
    midnight = floor(window.start, DAY) + DAY
    if length >= DAY:
        apart = max(round(length / DAY), 1) * DAY
        while midnight < window.end:
            bounds.add(midnight)
            midnight += apart
    else:
        begin = window.start
        while begin < window.end:
            end = min(midnight, window.end)
            pieces = math.ceil((end - begin) / length)
            bounds |= {min(ceil(begin + (end - begin) * number / pieces, step), end) for number in range(1, pieces + 1)}
            begin, midnight = end, midnight + DAY
    return [Window(left, right, cut=True) for left, right in itertools.pairwise(sorted(bounds))]

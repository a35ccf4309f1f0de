# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows leave no hole and do not overlap, and runs keep their promise on any schedule."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._spool.collect.plan import (
    ceil,
    cut,
    floor,
    parts,
    windows,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Timing, Window
from tests.unit.plugins.module_utils.spool_kit import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    Collector,
    MemorySource,
    Row,
    broken,
)

MOMENTS = st.integers(-200_000, 200_000).map(lambda seconds: NOON + seconds * SECOND)
TIMINGS = st.builds(
    Timing,
    lag=st.just(MINUTE),
    overlap=st.sampled_from([0 * MINUTE, 5 * MINUTE, 2 * HOUR, 2 * DAY]),
    window=st.sampled_from([15 * MINUTE, HOUR, DAY, 3 * DAY]),
    granularity=st.sampled_from([SECOND, DAY]),
    parallel=st.sampled_from([1, 3]),
)


@given(MOMENTS, MOMENTS, MOMENTS, TIMINGS)
def test_windows_cover_the_span_exactly(
    start: dt.datetime, pivot: dt.datetime, end: dt.datetime, timing: Timing
) -> None:
    planned = windows(start, pivot, end, timing)
    if start >= end:
        assert planned == []
        return
    step = timing.granularity
    assert (planned[0].start, planned[-1].end) == (floor(start, step), ceil(end, step))
    assert all(left.end == right.start for left, right in itertools.pairwise(planned))
    assert all(window.start < window.end for window in planned)
    longest = max(timing.window, step)
    assert all(window.end - window.start <= longest for window in planned[1:])
    assert planned[0].end - planned[0].start <= longest + max(pivot - planned[0].start, 0 * SECOND)
    earlier = start + (end - start) // 2
    assert cut(planned, earlier, timing) == [
        Window(window.start, min(window.end, ceil(earlier, step)))
        for window in planned
        if window.start < ceil(earlier, step)
    ]


@given(MOMENTS, st.integers(2, 400_000), st.integers(2, 60), st.sampled_from([SECOND, DAY]))
def test_parts_of_a_dense_window_cover_it_and_end_at_midnights(
    start: dt.datetime, seconds: int, count: int, step: dt.timedelta
) -> None:
    timing = Timing(lag=MINUTE, overlap=MINUTE, window=DAY, granularity=step)
    window = Window(floor(start, step), ceil(floor(start, step) + max(seconds * SECOND, 2 * step), step))
    found = parts(window, count, timing)
    assert (found[0].start, found[-1].end) == (window.start, window.end)
    assert all(left.end == right.start for left, right in itertools.pairwise(found))
    assert len(found) > 1
    for part in found:
        assert part.cut
        assert part.start < part.end
        # Whole days, or within one day.
        borders = {part.start, part.end} - {window.start, window.end}
        assert floor(part.start, DAY) == floor(part.end - SECOND, DAY) or all(
            border == floor(border, DAY) for border in borders
        )
    longest = max((window.end - window.start) / count, step)
    assert all(part.end - part.start <= 1.5 * longest + step for part in found)
    assert len(found) <= 2 * count + 2 + (window.end - window.start) // DAY


def test_a_single_step_cannot_be_cut() -> None:
    with pytest.raises(ValueError):
        parts(Window(NOON, NOON + SECOND), 2, Timing(lag=MINUTE, overlap=MINUTE, window=DAY))


ROWS = st.lists(
    st.tuples(st.integers(0, 6 * 3600), st.integers(0, 240), st.sampled_from("ab")),
    max_size=25,
    unique_by=lambda row: row[0],
)
"""Seconds after the beginning, seconds until the row can be seen, and its content in the end."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ROWS,
    st.lists(st.integers(30, 2 * 3600), min_size=1, max_size=6),
    TIMINGS,
    st.booleans(),
    st.sampled_from([None, 2, 5]),
)
def test_any_schedule_of_runs_collects_each_row_once(
    rows: list[tuple[int, int, str]], pauses: list[int], timing: Timing, ascending: bool, most: int | None
) -> None:
    """Rows that come within the lag and the overlap are in the segments once, whenever the collector runs or fails."""
    begin = NOON.replace(hour=20)  # midnight is in the middle
    timing = dataclasses.replace(timing, overlap=max(timing.overlap, 5 * MINUTE))
    if ascending:
        timing = dataclasses.replace(timing, ascending=True, parallel=1)
    with tempfile.TemporaryDirectory() as folder:
        source = MemorySource(timing=timing, page_size=1 if ascending else 3)
        source.most = most if timing.granularity == SECOND else None
        stream = Collector(Path(folder), source)
        now = begin
        for number, pause in enumerate([*pauses, 7 * 3600]):
            now += pause * SECOND
            source.rows = [
                Row(f"k{after}", begin + after * SECOND, content)
                for after, late, content in rows
                if begin + (after + late) * SECOND <= now
            ]
            if number % 3 == 1:
                source.failures[len(pauses) % 2] = broken()
            stream.run(now, lookback="4h", compress=number % 2 == 1)
            source.failures.clear()
        stream.ok(now)
        stream.holds_once(source.rows)
        for name in stream.names():
            day = name[3:13]
            assert day in {row.time.date().isoformat() for row in source.rows}

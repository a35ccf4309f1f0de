# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and files follow the volume, and what was read is kept, whatever ends a run."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import RateLimited
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk import reader
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import SLICE_PAGES, SpoolEntry, Window
from tests.unit.plugins.module_utils.spool_kit import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    SECOND,
    TIMING,
    Collector,
    MemorySource,
    Row,
    at,
    broken,
)

WIDE = dataclasses.replace(TIMING, window=30 * DAY)
ORDERED = dataclasses.replace(WIDE, ascending=True)


def spread(count: int, days: float) -> list[Row]:
    """Rows spread evenly over the days before noon."""
    step = days * DAY / max(count, 1)
    return [Row(f"k{number}", (NOON - number * step).replace(microsecond=0) - HOUR) for number in range(count)]


def files_a_day(stream: Collector) -> collections.Counter[str]:
    return collections.Counter(name.partition("/")[0] for name in stream.names())


# --- dense and sparse


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_sparse_month_is_one_request_and_a_file_for_each_day(tmp_path: Path, parallel: int) -> None:
    source = MemorySource(spread(60, 20), timing=dataclasses.replace(WIDE, parallel=parallel))
    source.most = 100
    stream = Collector(tmp_path, source)
    stream.ok(lookback="29d")
    assert len(source.asked) == 1
    stream.holds_once(source.rows)
    assert set(files_a_day(stream).values()) == {1}


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize(("count", "days"), [(500, 25.0), (2000, 25.0), (2000, 0.5), (700, 0.001)])
def test_a_dense_window_is_cut(tmp_path: Path, parallel: int, count: int, days: float) -> None:
    source = MemorySource(spread(count, days), timing=dataclasses.replace(WIDE, parallel=parallel), page_size=100)
    source.most = 100
    stream = Collector(tmp_path, source)
    result = stream.ok(lookback="29d")
    stream.holds_once(source.rows)
    assert result["records"] == count
    assert len(source.asked) <= 2 * count / source.most + 60
    assert stream.ok()["changed"] is False
    assert len(source.asked) == 1
    if days > count / source.most:
        assert set(files_a_day(stream).values()) == {1}, "the parts of whole days end at midnights"


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_failed_part_keeps_the_parts_before_it(tmp_path: Path, parallel: int) -> None:
    source = MemorySource(spread(500, 20), timing=dataclasses.replace(WIDE, parallel=parallel))
    source.most = 50
    stream = Collector(tmp_path, source)
    # Side by side, the order of requests is that of the threads: the first part is done by then in any case.
    source.failures[5 if parallel == 1 else 10] = broken()
    result = stream.run(lookback="29d")
    assert result.error is not None
    assert 0 < result.values["records"] < 500
    assert [name for name in stream.hidden() if name.endswith(".tmp")] == []
    source.failures.clear()
    stream.ok()
    stream.holds_once(source.rows)


def test_a_year_of_days_needs_few_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    source = MemorySource(spread(1200, 330), timing=dataclasses.replace(WIDE, window=366 * DAY), page_size=100)
    source.rows.sort(key=lambda row: hash(row.key))
    stream = Collector(tmp_path, source)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 60, hard))
    try:
        stream.ok(lookback="340d", compress=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    stream.holds_once(source.rows)
    assert set(files_a_day(stream).values()) == {1}


# --- slices of a window whose records come in the order of their times


@pytest.fixture
def ordered(tmp_path: Path) -> Collector:
    """Sixty pages over twenty days."""
    return Collector(tmp_path, MemorySource(spread(180, 20), timing=ORDERED))


def limit_after(source: MemorySource, pages: int) -> None:
    """The next window fails after so many pages, at a limit of the service."""
    real = source.pages

    def limited(window: Window) -> Iterator[list[SpoolEntry]]:
        for number, page in enumerate(real(window)):
            if number == pages:
                raise RateLimited("No more than so many calls.")
            yield page

    source.pages = limited  # type: ignore[method-assign]


def test_a_long_window_is_committed_in_slices_that_end_at_midnights(
    ordered: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = ordered.ok(lookback="29d")
    assert result["records"] == 180
    assert ordered.position()["generation"] == 60 // SLICE_PAGES + 1
    assert set(files_a_day(ordered).values()) == {1}
    assert (result["stats"]["windows"], result["stats"]["pages"]) == (1, 60)
    ordered.holds_once(ordered.source.rows)


@pytest.mark.parametrize("pages", [1, 5, SLICE_PAGES, SLICE_PAGES + 1, 59])
def test_a_limit_ends_the_run_well_and_keeps_what_was_read(ordered: Collector, pages: int) -> None:
    limit_after(ordered.source, pages)
    result = ordered.run(lookback="29d")
    assert result.error is None
    assert result.values["complete"] is False
    assert "and the next run continues from there" in result.warnings[-1]
    # All but the second of the newest row, of which there may be more.
    assert result.values["records"] == ordered.records().total() == 3 * pages - 1
    del ordered.source.pages  # type: ignore[method-assign]
    result2 = ordered.ok(first_run="fail")
    assert ordered.source.asked[0].start >= dt.datetime.fromisoformat(result.values["position"]) - TIMING.overlap
    assert result2["records"] == 180 - (3 * pages - 1)
    ordered.holds_once(ordered.source.rows)


def test_rows_of_the_second_that_a_slice_ends_in_are_not_lost(tmp_path: Path) -> None:
    moment = at("11:00")
    rows = [Row(f"k{number}", moment + number // 20 * SECOND) for number in range(100)]
    stream = Collector(tmp_path, MemorySource(rows, timing=ORDERED, page_size=7))
    for pages in (4, 6):
        limit_after(stream.source, pages)
        assert stream.run().values["complete"] is False
        del stream.source.pages  # type: ignore[method-assign]
    stream.ok()
    stream.holds_once(rows)


def test_a_second_with_more_rows_than_are_held_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_HELD", 10)
    rows = [Row(f"k{number}", at("11:00") + (number > 90) * MINUTE) for number in range(100)]
    stream = Collector(tmp_path, MemorySource(rows, timing=ORDERED))
    limit_after(stream.source, 20)
    result = stream.run()
    assert isinstance(result.error, RateLimited), "within a second there is no place to go on from"
    assert stream.records().total() == result.values["records"] == 0
    del stream.source.pages  # type: ignore[method-assign]
    stream.ok()
    stream.holds_once(rows)


class Disordered(MemorySource):
    """A service that was asked for the order of time, and gives another."""

    def pages(self, window: Window) -> Iterator[list[SpoolEntry]]:
        pages = list(super().pages(window))
        yield from (*pages[10:], *pages[:10])


def test_records_out_of_order_are_written_and_told(tmp_path: Path) -> None:
    stream = Collector(tmp_path, Disordered(spread(180, 20), timing=ORDERED))
    result = stream.ok(lookback="29d")
    assert any("out of time order" in warning for warning in result["warnings"])
    stream.holds_once(stream.source.rows)
    assert stream.ok()["changed"] is False
    assert stream.ok("12:05", sweep="30d")["changed"] is False, "each segment is found by the span in its name"


def test_a_backfill_that_meets_a_limit_says_where_to_go_on(ordered: Collector) -> None:
    span = {"from": "2026-04-20", "to": "2026-05-10"}
    limit_after(ordered.source, 25)
    result = ordered.run(backfill=span)
    assert isinstance(result.error, RateLimited)
    assert result.values["complete"] is False
    (warning,) = result.warnings
    assert warning.startswith("backfill came up to 2026-")
    del ordered.source.pages  # type: ignore[method-assign]
    ordered.ok(backfill={**span, "from": warning.split()[4].rstrip(":Z") + "Z"})
    assert set(ordered.records().values()) == {1}
    ordered.ok(backfill=span)
    ordered.holds_once([row for row in ordered.source.rows if row.time < at("10T00:00")])


# --- segments that are not what they were


@pytest.mark.parametrize("compress", [False, True])
def test_a_segment_that_lost_its_end_is_named(tmp_path: Path, compress: bool) -> None:
    source = MemorySource(spread(40, 2), timing=WIDE)
    stream = Collector(tmp_path, source)
    stream.ok(lookback="5d", compress=compress)
    path = stream.dest / stream.names()[1]
    path.write_bytes(path.read_bytes()[:-20])
    (warning,) = stream.ok("12:30")["warnings"]
    assert f"{path} is damaged: it has" in warning
    assert "backfill from 2026-05-09T00:00:00Z to 2026-05-10T00:00:00Z" in warning
    path.unlink()
    stream.ok("12:31", backfill={"from": "2026-05-09T00:00:00Z", "to": "2026-05-10T00:00:00Z"})
    stream.holds_once(source.rows)
    assert stream.ok("12:32")["warnings"] == []


def test_a_segment_that_lost_whole_lines_is_named_and_a_backfill_brings_them_back(tmp_path: Path) -> None:
    source = MemorySource(spread(40, 2), timing=WIDE)
    stream = Collector(tmp_path, source)
    stream.ok(lookback="5d")
    path = stream.dest / stream.names()[1]
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))
    assert "is damaged" in stream.ok("12:30")["warnings"][0]
    assert stream.ok("12:31", backfill={"from": "2026-05-09", "to": "2026-05-10"})["records"] == 2
    stream.holds_once(source.rows)

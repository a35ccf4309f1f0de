# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key may have several contents at the same time: each pair of key and content is written once, whatever happens."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest

from tests.unit.plugins.module_utils.spool_kit import DAY, MINUTE, TIMING, Collector, MemorySource, Row, at

TIMINGS = {
    "windows": TIMING,
    "side by side": dataclasses.replace(TIMING, window=20 * MINUTE, parallel=4),
    "in order": dataclasses.replace(TIMING, window=DAY, ascending=True),
    "days": dataclasses.replace(TIMING, lag=0 * DAY, overlap=2 * DAY, window=DAY, granularity=DAY),
}


def twins(time: str = "11:57") -> list[Row]:
    """Rows of one key with different contents, between others."""
    moment = at(time)
    return [Row("a", moment, "1"), Row("b", moment, "x"), Row("a", moment, "2"), Row("c", moment, "y")]


@pytest.fixture(params=TIMINGS.values(), ids=TIMINGS)
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Collector:
    return Collector(tmp_path, MemorySource(twins(), timing=request.param, page_size=2))


def test_the_second_run_is_unchanged(stream: Collector) -> None:
    first = stream.ok()
    assert (first["records"], first["changed_rows"]) == (4, 1)
    stream.holds_once(stream.source.rows)
    for run in range(1, 6):
        result = stream.ok(stream.now + MINUTE)
        assert (result["changed"], result["records"]) == (False, 0), run
    stream.holds_once(stream.source.rows)


def test_the_order_does_not_matter(stream: Collector) -> None:
    stream.ok()
    for order in itertools.permutations(stream.source.rows):
        stream.source.rows = list(order)
        assert stream.ok()["changed"] is False
    stream.holds_once(stream.source.rows)


def test_a_sweep_and_a_backfill_write_no_pair_again(stream: Collector) -> None:
    stream.ok()
    stream.now = at("11T12:00")
    for _run in range(2):
        stream.source.rows.reverse()
        assert stream.ok(sweep="3d")["changed"] is False
        assert stream.ok(backfill={"from": "2026-05-09", "to": "2026-05-11"})["changed"] is False
    stream.holds_once(stream.source.rows)


def test_adopted_segments_bring_all_pairs(stream: Collector) -> None:
    stream.ok("11:30")
    before = stream.position_path.read_bytes()
    stream.ok("12:00")
    stream.position_path.write_bytes(before)  # as if the run had been killed before it wrote the position
    stream.source.rows.reverse()
    assert stream.ok("12:00")["changed"] is False
    stream.holds_once(stream.source.rows)


def test_a_lost_position_brings_all_pairs(stream: Collector) -> None:
    stream.ok()
    stream.position_path.unlink()
    stream.source.rows.reverse()
    assert stream.ok("12:01")["changed"] is False
    stream.holds_once(stream.source.rows)


def test_a_return_to_an_old_content_is_not_a_new_record(stream: Collector) -> None:
    stream.ok()
    row = stream.source.rows[1]
    stream.source.rows[1] = Row(row.key, row.time, "new")
    assert stream.ok("12:00")["changed_rows"] == 1
    stream.source.rows[1] = row
    assert stream.ok("12:01")["changed"] is False
    assert set(stream.records().values()) == {1}

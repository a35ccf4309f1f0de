# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time read once more, by ``sweep`` and ``backfill``, and old files removed."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import RateLimited, StateError
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.position import PositionFile
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import SpoolEntry, Window
from tests.unit.plugins.module_utils.spool_kit import (
    DAY,
    TIMING,
    Collector,
    MemorySource,
    at,
)


@pytest.fixture
def source() -> MemorySource:
    return MemorySource().add("9:30", "10:15", "11:00", "11:58")


@pytest.fixture
def stream(tmp_path: Path, source: MemorySource) -> Collector:
    return Collector(tmp_path, source)


class Days(MemorySource):
    """A service that is asked for days, as Indusface is."""

    def __init__(self) -> None:
        super().__init__(timing=dataclasses.replace(TIMING, lag=0 * DAY, overlap=2 * DAY, window=DAY, granularity=DAY))


def test_sweep_finds_rows_that_came_very_late(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    source.add("9:10", "10:40")
    assert stream.ok("12:05")["records"] == 0
    result = stream.ok("12:06", sweep="2h")
    assert (result["records"], result["duplicates"]) == (1, 3)
    assert result["position"] == "2026-05-10T12:05:00Z"
    result = stream.ok("12:07", sweep="1d")
    assert result["records"] == 1
    assert source.asked[1].start == at("9:00")
    stream.holds_once(source.rows)
    assert stream.ok("12:08", sweep="1d")["changed"] is False


def test_a_limit_in_a_sweep_ends_the_run_well(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    real, asked = source.pages, itertools.count()

    def limited(window: Window) -> Iterator[list[SpoolEntry]]:
        if next(asked):
            raise RateLimited("No more than so many calls.")
        yield from real(window)

    source.pages = limited  # type: ignore[method-assign]
    source.add("12:03")
    result = stream.run("12:10", sweep="2h")
    assert result.error is None
    assert (result.values["records"], result.values["complete"]) == (1, False)
    assert "Not all of the older times were read again" in result.warnings[-1]
    del source.pages  # type: ignore[method-assign]
    assert stream.run("12:11", sweep="2h").values["complete"] is True


def test_backfill_reads_a_span_and_leaves_the_position_alone(stream: Collector, source: MemorySource) -> None:
    source.add("6:30", "7:15")
    stream.ok()
    before = stream.position_path.read_bytes()
    span = {"from": "2026-05-10T06:00:00Z", "to": "2026-05-10T10:00:00Z"}
    result = stream.ok("12:05", backfill=span)
    assert (result["records"], result["duplicates"], result["position"]) == (2, 1, "2026-05-10T11:59:00Z")
    assert stream.position_path.read_bytes() == before
    stream.holds_once(source.rows)
    assert stream.ok("12:05", backfill=span)["changed"] is False
    result = stream.ok("12:05", backfill={"from": "2026-05-10T11:50", "to": "2026-05-11"})
    assert "later times are left to ordinary runs" in result["warnings"][0]


def test_backfill_needs_no_position(stream: Collector, source: MemorySource) -> None:
    result = stream.ok(backfill={"from": "2026-05-10T09:00", "to": "2026-05-10T10:00"})
    assert (result["records"], result["position"]) == (1, None)
    stream.ok()
    stream.holds_once(source.rows)


def test_a_backfill_within_the_overlap_is_adopted(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    source.add("11:57")
    assert stream.ok(backfill={"from": "2026-05-10T11:00", "to": "2026-05-10T11:59"})["records"] == 1
    assert stream.ok("12:00")["records"] == 0
    stream.holds_once(source.rows)


def test_a_changed_row_is_backfilled_once(tmp_path: Path) -> None:
    source = Days().add("8T00:00", "9T00:00")
    stream = Collector(tmp_path, source)
    stream.ok(lookback="3d")
    source.rows[1].content = "b"
    span = {"from": "2026-05-08", "to": "2026-05-10"}
    assert [stream.ok("12:05", backfill=span)["changed_rows"] for _time in range(2)] == [1, 0]
    assert stream.ok("12:10")["records"] == 0
    assert set(stream.records().values()) == {1}


def test_a_backfill_brings_back_what_was_moved_away_within_the_overlap(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    for name in stream.names():
        (stream.dest / name).unlink()
    stream.ok("12:01", backfill={"from": "2026-05-10T09:00", "to": "2026-05-10T12:00"})
    stream.holds_once(source.rows)


def test_a_longer_overlap_repeats_no_row_that_had_changed(tmp_path: Path) -> None:
    source = MemorySource().add("11:57")
    stream = Collector(tmp_path, source)
    stream.ok("12:00")
    source.rows[0].content = "b"
    assert stream.ok("12:03")["changed_rows"] == 1
    stream.ok("12:05")
    stream.ok("12:06")
    # Of the two segments that hold the row, the position still knows the newer one only.
    assert stream.ok("12:06", overlap="10m")["records"] == 0


def test_records_are_told_also_when_the_position_could_not_be_written(
    stream: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.ok("11:00")

    def refuse(_self: PositionFile, _position: object) -> None:
        raise StateError("The position cannot be written.")

    monkeypatch.setattr(PositionFile, "write", refuse)
    result = stream.run("12:00")
    assert isinstance(result.error, StateError)
    assert len(result.values["segments"]) == 1
    assert (result.changed, result.values["records"]) == (True, 2)


@pytest.mark.parametrize("delivered", [None, True, False])
def test_old_segments_are_removed_when_they_are_delivered(tmp_path: Path, delivered: bool | None) -> None:
    source = MemorySource(timing=dataclasses.replace(TIMING, window=DAY)).add("6T12:30", "7T12:30", "9T12:30", "11:00")
    stream = Collector(tmp_path, source)
    stream.ok(lookback="5d")
    old = [name for name in stream.names() if name < "dt=2026-05-08"]
    assert len(old) == 2
    if delivered is not None:
        marker = json.loads((stream.dest / ".stream.json").read_text())
        document = {
            "stream": f"memory/events/{marker['identity']}",
            "progress": {"done": old if delivered else old[:1], "segment": None, "lines": 0},
        }
        (stream.state / "deliver").mkdir()
        (stream.state / "deliver" / "sql-1.json").write_text(json.dumps(document))
        (stream.state / "deliver" / "sql-2.json").write_text(json.dumps({**document, "stream": "other", "progress": 1}))
    result = stream.ok("12:30", retain_days=2)
    left = [name for name in old if (stream.dest / name).exists()]
    assert left == ([] if delivered is not False else old[1:])
    assert result["changed"] is False
    assert result["stats"]["removed"] == 2 - len(left)
    assert any("not yet delivered" in text for text in result["warnings"]) is (delivered is False)
    assert any(path.name == "dt=2026-05-06" for path in stream.dest.iterdir()) is False


def test_sweep_does_not_bring_back_what_was_removed(tmp_path: Path) -> None:
    source = MemorySource(timing=dataclasses.replace(TIMING, window=DAY)).add("6T12:30", "9T12:30", "11:00")
    stream = Collector(tmp_path, source)
    stream.ok(lookback="5d", retain_days=2)
    assert stream.ok("12:05", sweep="5d", retain_days=2)["changed"] is False

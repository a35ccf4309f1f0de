# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector: run after run, everything is in the segments once, and the position says how far it came."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError, StateError
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.lock import locked
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import SpoolEntry, Window
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


@pytest.fixture
def source() -> MemorySource:
    return MemorySource().add("9:30", "10:15", "11:00", "11:58")


@pytest.fixture
def stream(tmp_path: Path, source: MemorySource) -> Collector:
    return Collector(tmp_path, source)


def test_the_first_run_reads_the_lookback_up_to_the_lag(stream: Collector, source: MemorySource) -> None:
    result = stream.ok()
    assert (result["changed"], result["records"], result["complete"]) == (True, 4, True)
    assert result["position"] == "2026-05-10T11:59:00Z"
    assert source.asked == [
        Window(at("9:00"), at("10:00")),
        Window(at("10:00"), at("11:00")),
        Window(at("11:00"), at("11:59")),
    ]
    assert result["segments"] == stream.names()
    assert stream.names() == [
        "dt=2026-05-10/20260510T090000Z-20260510T100000Z.ndjson",
        "dt=2026-05-10/20260510T100000Z-20260510T110000Z.ndjson",
        "dt=2026-05-10/20260510T110000Z-20260510T115900Z.ndjson",
    ]
    stream.holds_once(source.rows)
    assert stream.lines()[0] == {"record": "event", "schema": 1, "id": "k9:30", "key": "k9:30", "content": "a"}


def test_nothing_new_costs_one_request_and_changes_nothing(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    before = stream.names()
    result = stream.ok("12:05")
    assert source.asked == [Window(at("11:54"), at("12:04"))]
    assert (result["changed"], result["records"], result["duplicates"]) == (False, 0, 1)
    assert result["segments"] == []
    assert result["position"] == "2026-05-10T12:04:00Z"
    assert stream.names() == before


def test_late_rows_within_the_overlap_are_found_and_others_are_not_repeated(
    stream: Collector, source: MemorySource
) -> None:
    stream.ok()
    source.add("11:56", "12:01")
    assert stream.ok("12:05")["records"] == 2
    stream.holds_once(source.rows)


def test_a_changed_row_is_written_again_and_counted(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    before = list(source.rows)
    source.rows[-1] = Row("k11:58", at("11:58"), "b")
    result = stream.ok("12:05")
    assert (result["records"], result["changed_rows"], result["duplicates"]) == (1, 1, 0)
    stream.holds_once([*before, source.rows[-1]])
    assert stream.ok("12:05:30")["records"] == 0


def test_a_stale_copy_of_a_row_that_changed_while_it_was_read_is_left_out(tmp_path: Path) -> None:
    rows = [Row("k", at("11:30"), content) for content in "abab"]
    stream = Collector(tmp_path, MemorySource(rows))
    result = stream.ok()
    assert (result["records"], result["changed_rows"], result["duplicates"]) == (2, 1, 2)
    stream.holds_once(rows)


def test_after_an_outage_it_catches_up_in_slices(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    source.add("13:00", "15:30", "17:59")
    stream.ok("18:02")
    assert [item.start for item in source.asked] == [at("11:54"), *(at(f"{hour}:59") for hour in range(12, 18))]
    assert source.asked[-1].end == at("18:01")
    stream.holds_once(source.rows)


def test_a_window_over_midnight_is_one_series_and_a_segment_for_each_day(tmp_path: Path) -> None:
    source = MemorySource(timing=dataclasses.replace(TIMING, window=DAY)).add("9T23:50", "9T23:59", "0:00", "0:10")
    stream = Collector(tmp_path, source)
    stream.ok("0:30", lookback="1h")
    assert len(source.asked) == 1
    assert stream.names() == [
        "dt=2026-05-09/20260509T233000Z-20260510T000000Z.ndjson",
        "dt=2026-05-10/20260510T000000Z-20260510T002900Z.ndjson",
    ]
    stream.holds_once(source.rows)


def test_a_failed_window_stops_the_run_and_keeps_what_came_before(stream: Collector, source: MemorySource) -> None:
    source.failures[1] = broken()
    result = stream.run()
    assert str(result.error) == "The service is away."
    assert (result.values["complete"], result.values["position"]) == (False, "2026-05-10T10:00:00Z")
    assert (result.changed, result.values["records"], stream.records().total()) == (True, 1, 1)
    assert stream.hidden() == [".kept.json", ".lock", ".stream.json"]
    source.failures.clear()
    stream.ok("12:01", first_run="fail")
    stream.holds_once(source.rows)


@pytest.mark.parametrize("failed", range(6))
def test_windows_side_by_side_are_committed_in_order(tmp_path: Path, failed: int) -> None:
    source = MemorySource(timing=dataclasses.replace(TIMING, window=30 * MINUTE, parallel=4))
    source.add(*(f"{hour}:{minute:02}" for hour in (9, 10, 11) for minute in range(0, 59, 7)))
    stream = Collector(tmp_path, source)
    source.failures[failed] = broken()
    result = stream.run()
    assert result.error is not None
    until = at(result.values["position"][11:16])
    # Whether an ordinary run was ever there is known from the first window on.
    assert stream.hidden() == [*[".kept.json"] * bool(stream.names()), ".lock", ".stream.json"]
    stream.holds_once([row for row in source.rows if row.time < until])
    source.failures.clear()
    stream.ok()
    stream.holds_once(source.rows)


def test_first_run_fail_refuses_and_leaves_nothing(stream: Collector) -> None:
    with pytest.raises(StateError, match="first_run is fail"):
        stream.run(first_run="fail")
    assert not stream.dest.exists()
    assert not (stream.state / "collect").exists()


def test_first_run_now_begins_now_but_proves_that_it_can_ask(stream: Collector, source: MemorySource) -> None:
    result = stream.ok(first_run="now")
    assert (result["changed"], result["records"], result["position"]) == (False, 0, "2026-05-10T11:59:00Z")
    assert len(source.asked) == 1
    source.add("11:59", "12:01")
    stream.ok("12:05", first_run="fail")
    assert sorted(key for key, _content in stream.records()) == ["k11:59", "k12:01"]


def test_a_first_run_that_failed_is_still_the_first_run(stream: Collector, source: MemorySource) -> None:
    source.failures[0] = broken()
    assert stream.run().error is not None
    source.failures.clear()
    stream.ok("12:10", lookback="4h")
    assert source.asked[0].start == at("8:10")
    stream.holds_once(source.rows)


def test_what_the_service_no_longer_keeps_is_a_gap(tmp_path: Path) -> None:
    timing = dataclasses.replace(TIMING, retention=2 * HOUR, margin=10 * MINUTE)
    source = MemorySource(timing=timing).add("11:30")
    stream = Collector(tmp_path, source)
    stream.ok(lookback="30m")
    source.add("15:30")
    result = stream.ok("16:00")
    gap = {"from": "2026-05-10T11:59:00Z", "to": "2026-05-10T14:10:00Z", "reason": "older than what the service keeps"}
    assert (result["gaps"], result["changed"]) == ([gap], True)
    assert source.asked[0].start == at("14:10")
    lines = [line for line in stream.lines() if line["record"] == "gap"]
    assert lines == [{"record": "gap", "schema": 1, "source": "memory", "stream": "events", **gap,
                      "key": "gap:2026-05-10T11:59:00Z", "content": lines[0]["content"]}]  # fmt: skip
    assert stream.position()["gaps"] == [gap]
    stream.holds_once(source.rows)
    assert stream.ok("16:05")["gaps"] == []


def test_check_mode_reads_everything_and_writes_nothing(stream: Collector, source: MemorySource) -> None:
    result = stream.ok(check=True)
    assert (result["changed"], result["records"], result["segments"]) == (True, 4, [])
    assert not stream.dest.exists()
    assert not stream.state.exists()
    stream.ok()
    source.add("12:01")
    before = sorted((str(path), path.stat().st_mtime_ns) for path in stream.dest.parent.rglob("*"))
    result = stream.ok("12:05", check=True)
    assert (result["changed"], result["records"], result["duplicates"]) == (True, 1, 1)
    assert stream.ok("12:01", check=True)["changed"] is False
    assert sorted((str(path), path.stat().st_mtime_ns) for path in stream.dest.parent.rglob("*")) == before


def test_compressed_segments_with_mode_and_group(stream: Collector, source: MemorySource) -> None:
    stream.ok(compress=True, segment_mode="0640", segment_group=str(os.getgid()))
    assert all(name.endswith(".ndjson.gz") for name in stream.names())
    stream.holds_once(source.rows)
    path = stream.dest / stream.names()[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750
    assert stat.S_IMODE(stream.position_path.stat().st_mode) == 0o600


class Days(MemorySource):
    """A service that is asked for days, as Indusface is."""

    def __init__(self) -> None:
        super().__init__(timing=dataclasses.replace(TIMING, lag=0 * DAY, overlap=2 * DAY, window=DAY, granularity=DAY))


def test_open_days_are_read_again_and_only_what_changed_is_written(tmp_path: Path) -> None:
    source = Days().add("7T0:00", "8T0:00", "9T0:00", "0:00")
    stream = Collector(tmp_path, source)
    stream.ok(lookback="3d")
    assert [item.start.day for item in source.asked] == [7, 8, 9, 10]
    source.rows[2] = Row(source.rows[2].key, source.rows[2].time, "b")
    source.rows.append(Row("new", at("0:00")))
    result = stream.ok("18:00")
    assert [item.start.day for item in source.asked] == [8, 9, 10]
    assert (result["records"], result["changed_rows"], result["position"]) == (2, 1, "2026-05-10T18:00:00Z")
    assert [name[3:] for name in stream.names()][-4:] == [
        "2026-05-09/20260509T000000Z-20260510T000000Z-2.ndjson",
        "2026-05-09/20260509T000000Z-20260510T000000Z.ndjson",
        "2026-05-10/20260510T000000Z-20260510T120000Z.ndjson",
        "2026-05-10/20260510T000000Z-20260510T180000Z.ndjson",
    ]
    assert stream.ok("18:00")["changed"] is False
    assert stream.ok("11T7:00")["changed"] is False


def test_a_day_that_is_collected_from_now_on_is_collected_whole(tmp_path: Path) -> None:
    source = Days().add("9T0:00", "0:00")
    stream = Collector(tmp_path, source)
    assert stream.ok(first_run="now")["records"] == 1


# --- clocks


@pytest.mark.parametrize("first_run", ["lookback", "now"])
def test_a_clock_that_is_an_hour_ahead_loses_nothing(tmp_path: Path, first_run: str) -> None:
    source = MemorySource().add("10:30")
    stream = Collector(tmp_path, source)
    source.date = NOON
    result = stream.ok(NOON + HOUR, first_run=first_run, lookback="30m")
    assert "3600 seconds ahead" in result["warnings"][0]
    assert result["position"] == "2026-05-10T11:59:00Z"
    source.add("11:59", "12:04")
    source.date = at("12:10")
    stream.ok("13:10")
    assert sorted(key for key, _content in stream.records()) == ["k11:59", "k12:04"]


def test_a_clock_that_is_behind_is_told_and_used(stream: Collector, source: MemorySource) -> None:
    source.date = NOON + HOUR
    result = stream.ok()
    assert "3600 seconds behind" in result["warnings"][0]
    assert result["position"] == "2026-05-10T11:59:00Z"


def test_a_clock_that_goes_back_repeats_nothing(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    result = stream.ok("10:00")
    assert (result["position"], result["changed"]) == ("2026-05-10T09:59:00Z", False)
    assert "2026-05-10T11:59:00Z is in the future" in result["warnings"][0]
    source.add("11:30", "12:10")
    assert stream.ok("12:30")["records"] == 2
    stream.holds_once(source.rows)


@pytest.mark.parametrize("told", [True, False], ids=["date", "no date"])
@pytest.mark.parametrize("rows", [("11:50",), ("11:50", "11:59"), ()])
def test_a_clock_that_was_ahead_loses_nothing(tmp_path: Path, rows: tuple[str, ...], told: bool) -> None:
    source = MemorySource().add(*rows)
    stream = Collector(tmp_path, source)
    stream.ok("12:00")
    stream.ok("15:00")  # three hours ahead, and the service sends no Date
    source.add("12:01", "12:30", "13:30")
    source.date = at("14:00") if told else None
    result = stream.ok("14:00")
    assert "2026-05-10T14:59:00Z is in the future" in result["warnings"][0]
    assert result["position"] == "2026-05-10T13:59:00Z"
    stream.holds_once(source.rows)
    source.add("14:30", "15:30")
    source.date = None
    assert stream.ok("16:00")["warnings"] == []
    stream.holds_once(source.rows)


# --- position and directory


def test_a_lost_position_is_told_loudly(stream: Collector) -> None:
    stream.ok()
    stream.position_path.unlink()
    with pytest.raises(StateError, match=r"is missing although .* holds records up to 2026-05-10T11:59:00Z"):
        stream.run(first_run="fail")


def test_a_lost_position_is_rebuilt_by_lookback_without_repeating(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    stream.position_path.unlink()
    source.add("9:45", "12:10")
    result = stream.ok("12:30", lookback="1h")
    assert "was missing although" in result["warnings"][0]
    stream.holds_once([row for row in source.rows if row.key != "k9:45"])
    assert stream.ok("12:31", first_run="fail")["changed"] is False
    stream.position_path.unlink()
    assert stream.ok("12:31", lookback="3h")["records"] == 1
    stream.holds_once(source.rows)


def test_a_lost_position_with_now_tells_the_gap(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    stream.position_path.unlink()
    source.add("12:10", "14:40")
    result = stream.ok("14:30", first_run="now")
    assert result["gaps"] == [
        {
            "from": "2026-05-10T11:59:00Z",
            "to": "2026-05-10T14:29:00Z",
            "reason": "the position was lost, and first_run is now",
        }
    ]
    stream.ok("15:00", first_run="fail")
    stream.holds_once([row for row in source.rows if row.key != "k12:10"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 1}, "has version 1, and this release knows 2"),
        ({"version": 3}, "has version 3, and this release knows 2"),
        ({"committed_until": "soon"}, "is damaged"),
        ({"seen": "AAAA"}, "is damaged"),
        ({"owner": "somebody"}, "has another owner"),
        ({"identity_hash": "0" * 32}, "belongs to another stream"),
    ],
)
def test_a_position_that_cannot_be_used_is_left_alone(stream: Collector, change: dict[str, Any], message: str) -> None:
    stream.ok()
    text = json.dumps(stream.position() | change)
    stream.position_path.write_text(text)
    before = stream.names()
    with pytest.raises(StateError, match=message):
        stream.run("12:30")
    assert (stream.position_path.read_text(), stream.names()) == (text, before)


def test_a_position_that_is_no_json_is_left_alone(stream: Collector) -> None:
    stream.ok()
    stream.position_path.write_bytes(b"\0\xff")
    with pytest.raises(StateError, match="is damaged"):
        stream.run("12:30")


def test_another_directory_is_refused(stream: Collector) -> None:
    stream.ok()
    stream.dest = stream.dest.with_name("other")
    with pytest.raises(StateError, match="not the directory that the position"):
        stream.run("12:30")
    assert not stream.dest.exists()


def test_a_directory_may_move_with_its_file(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    stream.dest = stream.dest.rename(stream.dest.with_name("other"))
    source.add("12:01")
    assert stream.ok("12:05", first_run="fail")["records"] == 1


def test_other_filters_are_another_stream(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    source.identity = dataclasses.replace(source.identity, parameters={"filter": "x"})
    with pytest.raises(StateError, match="holds another stream: filter differs"):
        stream.run("12:05")


def test_a_second_run_at_the_same_time_fails_at_once(stream: Collector) -> None:
    stream.ok()
    path = stream.position_path.with_suffix(".lock")
    with locked(path, "this stream", create=False), pytest.raises(StateError, match="Another run collects this stream"):
        stream.run("12:05")
    with locked(stream.dest / ".lock", "x", create=False), pytest.raises(StateError, match="Another run collects into"):
        stream.run("12:05", check=True)
    assert stream.ok("12:05")["complete"]


# --- what cannot work


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lag": "soon"}, "lag: 'soon' is not a duration"),
        ({"overlap": "5"}, "overlap"),
        ({"sweep": "x"}, "sweep"),
        ({"lookback": "x"}, "lookback"),
        ({"lookback": "150000w"}, "lookback: '150000w' is longer than a hundred years"),
        ({"overlap": "9" * 400 + "w"}, "overlap"),
        ({"retain_days": 0}, "retain_days"),
        ({"retain_days": 10**12}, "retain_days"),
        ({"backfill": {"from": "1960-01-01", "to": "1960-01-02"}}, "is before 1970"),
        ({"segment_mode": "384"}, "segment_mode"),
        ({"segment_mode": "0440"}, "segment_mode"),
        ({"segment_group": "no-such-group"}, "segment_group: there is no group no-such-group"),
        ({"backfill": {"from": "x", "to": "2026-05-10"}}, "backfill.from"),
        ({"backfill": {"from": "2026-05-11", "to": "2026-05-10"}}, "must be before"),
        ({"backfill": {"from": "2026-05-09", "to": "2026-05-10"}, "sweep": "1d"}, "exclude each other"),
    ],
)
def test_options_are_checked_before_anything_is_touched(
    stream: Collector, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        stream.run(**options)
    assert not stream.dest.exists()


def test_dest_must_be_a_directory(stream: Collector, source: MemorySource) -> None:
    stream.dest.write_text("x")
    with pytest.raises(FileError, match="is not a directory"):
        stream.run()
    stream.dest = stream.dest / "deeper"
    with pytest.raises(FileError, match="is not a directory"):
        stream.run(check=True)
    stream.dest = stream.dest.parent.with_name("dangling")
    stream.dest.symlink_to("nowhere")
    with pytest.raises(FileError, match="dangling symbolic link"):
        stream.run()
    assert source.asked == []


def test_dest_may_be_a_link_to_a_directory_and_its_days_may_not(stream: Collector, source: MemorySource) -> None:
    real = stream.dest.with_name("real")
    real.mkdir()
    stream.dest.symlink_to(real)
    (real / "dt=2026-05-10").symlink_to(real.parent)
    result = stream.run()
    assert "dt=2026-05-10 is a link, or not a directory" in str(result.error)
    (real / "dt=2026-05-10").unlink()
    stream.ok()
    stream.holds_once(source.rows)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_told_before_any_request(stream: Collector, source: MemorySource) -> None:
    stream.dest.mkdir(mode=0o500)
    with pytest.raises(FileError, match=r"cannot write in .*: permission denied"):
        stream.run()
    assert source.asked == []


def test_a_file_system_that_is_read_only_is_told_before_any_request(
    stream: Collector, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_options: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    stream.dest.mkdir()
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(FileError, match="read-only file system"):
        stream.run()
    assert source.asked == []


def test_segments_without_their_stream_file_are_refused(stream: Collector) -> None:
    stream.ok()
    (stream.dest / ".stream.json").unlink()
    with pytest.raises(StateError, match=r"its file \.stream\.json is missing"):
        stream.run()


def test_a_damaged_segment_that_is_needed_is_told(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    folder = stream.dest / "dt=2026-05-10"
    (folder / "20260510T115500Z-20260510T115930Z.ndjson").write_bytes(b'{"record":')
    with pytest.raises(FileError, match=r"20260510T115930Z\.ndjson cannot be read: it is damaged"):
        stream.run("12:05")
    assert source.asked == []


# --- enriching, counters


class Rich(MemorySource):
    """A source with more to tell of what is new."""

    enriched: list[str]

    def enrich(self, entries: list[SpoolEntry]) -> list[SpoolEntry]:
        self.enriched += [entry.key for entry in entries]
        return [entry._replace(record=entry.record | {"more": True}) for entry in entries]


def test_only_what_is_about_to_be_written_is_enriched(tmp_path: Path) -> None:
    source = Rich()
    source.enriched = []
    source.add("11:58")
    stream = Collector(tmp_path, source)
    stream.ok(check=True)
    assert source.enriched == []
    stream.ok()
    source.add("12:01")
    stream.ok("12:05")
    assert source.enriched == ["k11:58", "k12:01"]
    assert all(line["more"] for line in stream.lines())


def test_stats_say_what_was_seen(stream: Collector, source: MemorySource) -> None:
    source.rows.append(Row("edge", at("10:00") - SECOND))
    stats = stream.ok()["stats"]
    assert stats == {
        "windows": 3, "pages": 3, "seen": 5, "new": 5, "duplicate": 0, "outside": 2, "gaps": 0, "adopted": 0,
        "removed": 0, "oldest": "2026-05-10T09:30:00Z", "newest": "2026-05-10T11:58:00Z",
    }  # fmt: skip


def test_files_that_are_gone_are_told(stream: Collector, source: MemorySource) -> None:
    stream.ok()
    (stream.dest / stream.names()[-1]).unlink()
    assert "files" in stream.ok("12:05")["warnings"][0]


def test_the_position_holds_only_what_can_come_again(stream: Collector) -> None:
    stream.ok()
    position = stream.position()
    assert position["tail"] == ["dt=2026-05-10/20260510T110000Z-20260510T115900Z.ndjson"]
    # Two keys of twenty bytes, in base64: that of 11:58, and that of 11:00, which may be a record without a time.
    assert len(position["seen"]) == 56
    assert position["generation"] == 3

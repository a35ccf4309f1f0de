# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a directory remembers: removed files stay removed, whatever else is lost."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import StateError
from ansible_collections.appsec.perimeter.plugins.module_utils._records import codec
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.files import list_segments
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import content_hash
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.stream import stream_id
from tests.unit.plugins.module_utils.spool_kit import DAY, TIMING, Collector, MemorySource, Row, at

DAYS = dataclasses.replace(TIMING, lag=0 * DAY, overlap=2 * DAY, window=DAY, granularity=DAY)


def week(folder: Path) -> Collector:
    """A stream of a week, of which three days and today are left."""
    source = MemorySource(timing=DAYS).add(*[f"{day}T00:00" for day in range(4, 11)])
    stream = Collector(folder, source)
    stream.ok("10T12:00", lookback="7d", retain_days=3)
    assert [name[3:13] for name in stream.names()] == [f"2026-05-{day:02}" for day in range(7, 11)]
    return stream


def delivered(stream: Collector, names: list[str], *, name: str = "sql-1", target: str = "db/x") -> None:
    folder = stream.state / "deliver"
    folder.mkdir(exist_ok=True, parents=True)
    document = {"stream": stream_id(stream.dest), "sink": "sql", "target": target, "progress": {"done": names}}
    (folder / f"{name}.json").write_text(json.dumps(document))


def test_a_removed_name_is_never_given_again(tmp_path: Path) -> None:
    stream = Collector(tmp_path, MemorySource(timing=DAYS).add("4T00:00", "10T00:00"))
    stream.ok("10T12:00", lookback="7d")
    before = stream.names()
    delivered(stream, before)
    assert stream.ok("10T12:10", retain_days=3)["stats"]["removed"] == 1
    stream.source.rows.append(Row("late", at("4T00:00")))
    span = {"from": "2026-05-04", "to": "2026-05-05"}
    result = stream.ok("10T12:20", backfill=span)
    assert result["segments"] == ["dt=2026-05-04/20260504T000000Z-20260505T000000Z-2.ndjson"]
    # It is not delivered, so it stays; once it is, the next one has yet another name.
    assert stream.ok("10T12:30", retain_days=3)["stats"]["removed"] == 0
    delivered(stream, stream.names())
    assert stream.ok("10T12:40", retain_days=3)["stats"]["removed"] == 1
    assert stream.ok("10T12:50", backfill=span)["segments"][0].endswith("-3.ndjson")


@pytest.mark.parametrize("way", ["overlap", "sweep", "lookback", "lookback, nothing left"])
def test_what_was_removed_does_not_come_back(tmp_path: Path, way: str) -> None:
    stream = week(tmp_path)
    if way == "overlap":
        result = stream.ok("10T12:20", overlap="6d")
    elif way == "sweep":
        result = stream.ok("10T12:20", sweep="7d")
    else:
        stream.position_path.unlink()
        if "nothing" in way:
            shutil.rmtree(stream.dest / "dt=2026-05-07")
        result = stream.ok("10T12:20", lookback="7d")
    assert result["records"] == ("nothing" in way)
    assert stream.names()[0] >= "dt=2026-05-07"


def test_a_lost_position_is_noticed_when_no_segment_is_left(tmp_path: Path) -> None:
    source = MemorySource().add("9T11:50")
    stream = Collector(tmp_path, source)
    stream.ok("9T12:00", retain_days=1)
    stream.ok("11T12:00", retain_days=1)
    assert stream.names() == []
    stream.position_path.unlink()
    with pytest.raises(StateError, match=r"was collected up to 2026-05-11T11:59:00Z at least"):
        stream.run("11T15:00", first_run="fail")
    result = stream.ok("11T15:00", first_run="now")
    assert [(gap["from"], gap["to"]) for gap in result["gaps"]] == [("2026-05-11T11:59:00Z", "2026-05-11T14:59:00Z")]
    assert "was missing although" in result["warnings"][0]


@pytest.mark.parametrize("first_run", ["now", "lookback"])
def test_a_backfill_before_the_first_run_is_no_lost_position(tmp_path: Path, first_run: str) -> None:
    source = MemorySource().add("3T11:50", "9T23:00", "10T00:30")
    stream = Collector(tmp_path, source)
    stream.ok("10T01:30", backfill={"from": "2026-05-03", "to": "2026-05-10T01:00:00"})
    result = stream.ok("10T01:30", first_run=first_run)
    assert (result["gaps"], result["warnings"], result["records"]) == ([], [], 0)
    stream.holds_once(source.rows)
    stream.position_path.unlink()
    source.add("10T01:40")
    assert stream.ok("10T02:00", first_run="now")["gaps"] != []


def test_a_backfill_that_is_refused_creates_nothing(tmp_path: Path) -> None:
    stream = Collector(tmp_path, MemorySource().add("11:20"))
    stream.ok("12:00")
    other = tmp_path / "other"
    with pytest.raises(StateError, match="is not the directory") as refused:
        stream.run("12:01", dest=str(other), backfill={"from": "2026-05-09", "to": "2026-05-10"})
    assert not other.exists()
    assert "a state_dir of its own" in (refused.value.hint or "")
    assert "remove" not in (refused.value.hint or "")


@pytest.mark.parametrize("lost", ["state_dir", "position"])
def test_a_lost_state_dir_keeps_what_a_sink_still_needs(tmp_path: Path, lost: str) -> None:
    stream = Collector(tmp_path, MemorySource(timing=DAYS).add("4T00:00", "5T00:00", "10T00:00"))
    stream.ok("10T12:00", lookback="7d")
    delivered(stream, stream.names()[:1])
    delivered(stream, stream.names(), name="sql-2", target="db/y")
    (stream.dest / ".delivered-sql-1").write_text("{}")
    result = stream.ok("10T12:10", retain_days=3)
    assert result["stats"]["removed"] == 1
    assert result["warnings"] == ["retain_days: 1 old files stay, because they are not yet delivered to sql db/x."]
    path = stream.state / "deliver" / "sql-1.json"
    if lost == "state_dir":
        shutil.rmtree(stream.state)
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), "owner": "another directory"}))
    result = stream.ok("10T12:20", retain_days=3)
    assert result["stats"]["removed"] == 0
    assert ".delivered-sql-1 shows that a sink has received records" in result["warnings"][-1]


def test_a_damaged_file_is_left_alone(tmp_path: Path) -> None:
    stream = week(tmp_path)
    for text, message in (("{", "is damaged"), (json.dumps({"version": 9}), "has version 9")):
        (stream.dest / ".kept.json").write_text(text)
        with pytest.raises(StateError, match=message):
            stream.run("10T12:20")


def test_a_copy_without_times_keeps_the_order_of_versions(tmp_path: Path) -> None:
    source = MemorySource(timing=DAYS).add("8T00:00")
    stream = Collector(tmp_path, source)
    for content in "abc":
        source.rows[0].content = content
        stream.ok("10T12:00", lookback="3d")
    for number, name in enumerate(stream.names()):  # -2, -3, and the first one last
        os.utime(stream.dest / name, (2_000_000_000 + number,) * 2)
    assert [segment.number for segment in list_segments(stream.dest)] == [1, 2, 3]
    stream.position_path.unlink()
    assert stream.ok("10T12:10", lookback="3d")["records"] == 0


def test_content_hashes_depend_neither_on_order_nor_on_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [b'{"a":1e-7,"b":{"x":0.00001,"y":[0.000021]}}', b'{"id":123456789012345678901234}', b'{"t":"one-2"}']
    hashes = [content_hash(codec.loads(document)) for document in documents]
    monkeypatch.setattr(codec, "HAS_ORJSON", False)
    assert [content_hash(codec.loads(document)) for document in documents] == hashes
    assert content_hash({"b": 2, "a": 1}) == content_hash({"a": 1, "b": 2})

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed days as Parquet: what is written, what is skipped, and that nothing is ever replaced by less."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    FileError,
    MissingLibrary,
    OptionError,
    PartialFailure,
    StateError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._lake import folder, run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.files import duck
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.lock import locked
from tests.unit.plugins.module_utils.lake_kit import (
    DAY,
    HOSTILE,
    HOUR,
    MONDAY,
    NOW,
    StreamFolder,
    event,
    files_of,
    lake,
    line,
    naive,
    parquet_files,
    query,
    reasons,
    traffic,
)


@pytest.fixture
def stream(tmp_path: Path) -> StreamFolder:
    """Two closed days of three segments each, and the day that is not over."""
    made = StreamFolder(tmp_path / "stream")
    for day in range(2):
        for part in range(3):
            start = MONDAY + day * DAY + part * HOUR
            made.add([event(day * 100 + part * 10 + n, start + n * HOUR / 10) for n in range(5)], start)
    made.add([event(900, NOW - HOUR)], NOW - HOUR)
    return made


def test_closed_days_are_written_once_and_the_open_day_is_not(tmp_path: Path, stream: StreamFolder) -> None:
    dest = tmp_path / "lake"
    first = lake(dest, [stream.root])
    assert first.changed
    assert reasons(first) == {"2026-11-16": "new", "2026-11-17": "new", "2026-11-20": "open"}
    assert [(item["rows"], item["segments"]) for item in first.values["written"]] == [(15, 3), (15, 3)]
    assert query(dest, "SELECT source, dt, count(*) FROM lake GROUP BY ALL ORDER BY dt") == [
        ("edgecast", dt.date(2026, 11, 16), 15),
        ("edgecast", dt.date(2026, 11, 17), 15),
    ]
    before = files_of(dest)
    again = lake(dest, [stream.root])
    assert not again.changed
    assert reasons(again) == {"2026-11-16": "unchanged", "2026-11-17": "unchanged", "2026-11-20": "open"}
    assert files_of(dest) == before
    assert reasons(lake(dest, [stream.root], now=NOW + DAY))["2026-11-20"] == "new"


def test_the_folders_files_and_manifest_are_those_of_the_guide(tmp_path: Path, stream: StreamFolder) -> None:
    dest = tmp_path / "lake"
    (item, *_rest) = lake(dest, [stream.root]).values["written"]
    path = dest / item["path"]
    assert path.parent == dest / "record=event" / "source=edgecast" / "dt=2026-11-16"
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["_manifest.json", path.name]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    told = json.loads((path.parent / "_manifest.json").read_bytes())["files"][path.name]
    assert [segment["name"] for segment in told["segments"]] == [
        segment.relative_to(stream.root).as_posix() for segment in stream.segments(MONDAY.date())
    ]
    assert all(len(segment["sha256"]) == 64 for segment in told["segments"])
    assert (told["rows"], told["bytes"]) == (15, path.stat().st_size)
    with duckdb.connect(":memory:") as connection:
        found = connection.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(path)]).fetchall()
        assert found == [("ZSTD",)]
    assert not list((dest / ".lake").glob("work*"))


def test_columns_have_one_type_in_all_kinds_and_each_value_is_typed(tmp_path: Path, stream: StreamFolder) -> None:
    from ansible_collections.appsec.perimeter.plugins.module_utils._lake.columns import ADDED, KINDS

    types: dict[str, set[str]] = {}
    for kind in KINDS.values():
        for column in (*ADDED, *kind.columns, *kind.derived):
            types.setdefault(column.name, set()).add(column.type)
            assert column.name not in ("record", "source", "dt")
    # What a match and a change call "events" and "finding" is JSON text, as everything nested.
    assert [name for name, found in types.items() if len(found) > 1] == []
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    (row,) = query(
        dest,
        "SELECT time, typeof(time), rule_ids, categories, sub_events, host, host_native, path_template, parameter,"
        " attack_family, lake_origin, lake_as_of FROM lake WHERE id = 'id-0'",
    )
    assert row[:4] == (MONDAY.replace(tzinfo=None), "TIMESTAMP", ["942100"], ["OWASP_CRS/WEB_ATTACK/SQLI"])
    assert json.loads(row[4])[0]["rule_id"] == "942100"
    assert row[5:] == ("shop.example.com", "shop.example.com", "/cart/{id}", "q", "sqli", "stream", None)


def test_late_records_rewrite_their_day_and_the_newest_content_of_a_key_counts(
    tmp_path: Path, stream: StreamFolder
) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    late = [event(0, MONDAY, content="f" * 16, action="allowed"), event(77, MONDAY + HOUR)]
    stream.add([*late, event(0, MONDAY, content="e" * 16, action="redirected")], MONDAY)
    other = (dest / "record=event/source=edgecast/dt=2026-11-17").stat().st_mtime_ns
    assert reasons(lake(dest, [stream.root]))["2026-11-16"] == "late"
    assert query(dest, "SELECT content, action FROM lake WHERE key = 'id-0'") == [("e" * 16, "redirected")]
    assert query(dest, "SELECT count(*) FROM lake WHERE dt = DATE '2026-11-16'") == [(16,)]
    assert (dest / "record=event/source=edgecast/dt=2026-11-17").stat().st_mtime_ns == other


def test_rows_are_sorted_and_groups_carry_their_bounds(tmp_path: Path) -> None:
    made = StreamFolder(tmp_path / "stream", compress=True)
    made.add(reversed(list(traffic(3000, MONDAY))), MONDAY)
    dest = tmp_path / "lake"
    lake(dest, [made.root])
    rows = query(dest, "SELECT time, key FROM lake")
    assert len(rows) == 3000
    assert rows == sorted(rows)


def remove_segments(stream: StreamFolder, day: dt.datetime) -> None:
    """As ``retain_days`` of an export does."""
    for path in stream.segments(day.date()):
        path.unlink()


def test_a_day_whose_segments_were_removed_stays_and_late_records_are_added(
    tmp_path: Path, stream: StreamFolder
) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    before = files_of(dest)
    remove_segments(stream, MONDAY)
    assert reasons(lake(dest, [stream.root]))["2026-11-16"] == "unchanged"
    assert reasons(lake(dest, [stream.root], rebuild=True)) == {
        "2026-11-16": "kept", "2026-11-17": "rebuild", "2026-11-20": "open",
    }  # fmt: skip
    name = "record=event/source=edgecast/dt=2026-11-16/"
    assert {path: digest for path, digest in files_of(dest).items() if name in path} == {
        path: digest for path, digest in before.items() if name in path
    }
    stream.add([event(1, MONDAY, content="f" * 16, action="allowed"), event(78, MONDAY)], MONDAY)
    assert reasons(lake(dest, [stream.root]))["2026-11-16"] == "late"
    monday = "WHERE dt = DATE '2026-11-16'"
    assert query(dest, f"SELECT count(*), count(DISTINCT key), count(path_template) FROM lake {monday}") == [(16,) * 3]
    assert query(dest, "SELECT action FROM lake WHERE key = 'id-1'") == [("allowed",)]
    # What was added may be removed as well.
    remove_segments(stream, MONDAY)
    assert reasons(lake(dest, [stream.root]))["2026-11-16"] == "unchanged"
    assert query(dest, f"SELECT count(*) FROM lake {monday}") == [(16,)]


def test_accounts_of_one_source_have_files_of_their_own(tmp_path: Path, stream: StreamFolder) -> None:
    other = StreamFolder(tmp_path / "other", account="0002")
    other.add([event(0, MONDAY, message="of the other account")], MONDAY)
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    before = files_of(dest)
    result = lake(dest, [other.root])
    assert reasons(result) == {"2026-11-16": "new"}
    assert before.items() - files_of(dest).items() == {
        (name, digest) for name, digest in before.items() if name.endswith("dt=2026-11-16/_manifest.json")
    }
    assert query(dest, "SELECT count(*) FROM lake WHERE key = 'id-0'") == [(2,)]
    assert len(list((dest / "record=event/source=edgecast/dt=2026-11-16").glob("data-*.parquet"))) == 2
    assert reasons(lake(dest, [stream.root, other.root]))["2026-11-16"] == "unchanged"


def test_two_directories_of_one_stream_are_one_feed(tmp_path: Path, stream: StreamFolder) -> None:
    moved = StreamFolder(tmp_path / "begun anew")
    moved.add([event(500, MONDAY)], MONDAY)
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    assert reasons(lake(dest, [moved.root]))["2026-11-16"] == "late"
    assert query(dest, "SELECT count(*) FROM lake WHERE dt = DATE '2026-11-16'") == [(16,)]
    assert reasons(lake(dest, [stream.root, moved.root]))["2026-11-16"] == "unchanged"


def test_check_mode_foretells_and_writes_nothing(tmp_path: Path, stream: StreamFolder) -> None:
    dest = tmp_path / "lake"
    foretold = lake(dest, [stream.root], check=True)
    assert foretold.changed
    assert not dest.exists()
    done = lake(dest, [stream.root])
    assert [item | {"rows": None} for item in done.values["written"]] == foretold.values["written"]
    assert done.values["skipped_days"] == foretold.values["skipped_days"]
    before = files_of(dest)
    stream.add([event(300, MONDAY)], MONDAY)
    late = lake(dest, [stream.root], check=True)
    assert [item["reason"] for item in late.values["written"]] == ["late"]
    assert lake(dest, [stream.root], check=True, retain_days=3).values["removed"]
    assert files_of(dest) == before
    assert not lake(dest, [], check=True).changed


def harm(path: Path, how: str) -> None:
    """Damage a file."""
    data = bytearray(path.read_bytes())
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        data[len(data) // 3] ^= 0xFF
        path.write_bytes(data)
    elif how == "emptied":
        path.write_bytes(b"")
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["cut", "flipped", "emptied", "removed"])
def test_a_damaged_file_is_named_and_written_again_while_the_ndjson_is_there(
    tmp_path: Path, stream: StreamFolder, how: str
) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    path = parquet_files(dest)[0]
    harm(path, how)
    foretold = lake(dest, [stream.root], check=True)
    result = lake(dest, [stream.root])
    assert reasons(result) == {"2026-11-16": "damaged", "2026-11-17": "unchanged", "2026-11-20": "open"}
    (warning,) = result.warnings
    assert str(path) in warning
    assert foretold.warnings == result.warnings
    assert query(dest, "SELECT count(*) FROM lake") == [(30,)]
    harm(path, how)
    remove_segments(stream, MONDAY)
    lost = lake(dest, [stream.root])
    assert isinstance(lost.error, FileError)
    assert str(path) in lost.error.message
    assert {item["day"] for item in lost.values["skipped_days"]} == {"2026-11-17", "2026-11-20"}


def test_a_file_that_was_only_copied_is_not_damaged(tmp_path: Path, stream: StreamFolder) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    for path in (*parquet_files(dest), *stream.segments()):
        os.utime(path, ns=(1, 1))
    assert not lake(dest, [stream.root]).changed


@pytest.mark.parametrize("manifest", [None, b"", b"{", b"[]", b'{"schema": 99, "files": {}}', b'{"schema": 1}'])
def test_a_lost_manifest_is_written_again_from_the_files(
    tmp_path: Path, stream: StreamFolder, manifest: bytes | None
) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    before = files_of(dest)
    path = parquet_files(dest)[0].with_name("_manifest.json")
    path.unlink()
    if manifest is not None:
        path.write_bytes(manifest)
    remove_segments(stream, MONDAY)
    assert not lake(dest, [stream.root]).changed
    assert files_of(dest) == before


def test_a_run_that_ends_between_the_two_renames_has_committed(
    tmp_path: Path, stream: StreamFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    stream.add([event(300, MONDAY)], MONDAY)

    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "write_manifest", killed)
    with pytest.raises(KeyboardInterrupt):
        lake(dest, [stream.root])
    monkeypatch.undo()
    remove_segments(stream, MONDAY)
    result = lake(dest, [stream.root])
    assert reasons(result)["2026-11-16"] == "unchanged"
    assert result.warnings == []
    assert query(dest, "SELECT count(*) FROM lake WHERE dt = DATE '2026-11-16'") == [(16,)]


def test_leftovers_of_killed_runs_are_removed_and_never_read(tmp_path: Path, stream: StreamFolder) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    before = files_of(dest)
    work = dest / ".lake" / "work"
    (work / "duckdb_temp").mkdir(parents=True)
    (work / "part-0.parquet").write_bytes(b"half of it")
    (work / "duckdb_temp" / "block.tmp").write_bytes(b"x")
    assert not lake(dest, [stream.root]).changed
    assert files_of(dest) == before


def test_old_days_are_removed_and_not_written_again(tmp_path: Path, stream: StreamFolder) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    keep = dest / "record=event/source=edgecast/dt=2026-11-16/notes.txt"
    keep.write_text("of the user's own")
    result = lake(dest, [stream.root], retain_days=3)
    assert result.changed
    assert result.values["removed"] == ["record=event/source=edgecast/dt=2026-11-16"]
    assert reasons(result) == {"2026-11-16": "expired", "2026-11-17": "unchanged", "2026-11-20": "open"}
    assert [path.name for path in keep.parent.iterdir()] == ["notes.txt"]
    keep.unlink()
    lake(dest, [stream.root], retain_days=3)
    assert not keep.parent.exists()
    assert not lake(dest, [stream.root], retain_days=3).changed


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_the_days_to_retain_have_the_bounds_of_a_stream(tmp_path: Path, days: int) -> None:
    with pytest.raises(OptionError, match="retain_days must be from 1 to 36500"):
        lake(tmp_path / "lake", retain_days=days)


def test_hostile_texts_are_data_in_records_and_in_paths(tmp_path: Path) -> None:
    root = tmp_path / "it's [a] *?{x} \" stream"
    made = StreamFolder(root, account=HOSTILE)
    made.add([event(1, MONDAY, message=HOSTILE, url=HOSTILE, host=HOSTILE, key=HOSTILE, rule_ids=[HOSTILE])], MONDAY)
    dest = tmp_path / "la'ke [b] *"
    assert reasons(lake(dest, [root])) == {"2026-11-16": "new"}
    (path,) = parquet_files(dest)
    with duckdb.connect(":memory:") as connection:
        found = connection.execute("SELECT message, url, key, rule_ids FROM read_parquet(?)", [str(path)]).fetchall()
    assert found == [(HOSTILE, HOSTILE, HOSTILE, [HOSTILE])]
    assert not lake(dest, [root]).changed


ODD: dict[str, dict[str, Any]] = {
    "lists": {"rule_ids": "942100", "categories": {"a": 1}, "sub_events": "none"},
    "objects": {"message": {"a": [1]}, "host": ["x"], "details": 3},
    "numbers": {"country": 7, "severity": True, "client_ip": 1e300},
    "times": {"time": "2026-11-16T99:99:99Z"},
    "nothing": {"url": None, "path": None, "host": None, "rule_ids": None, "sub_events": None, "categories": None},
    "deep": {"details": {"a": {"b": [[[[[]]]]]}}},
    "long": {"message": "x" * 3_000_000},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_value_that_is_not_of_its_type_never_fails_a_day(tmp_path: Path, odd: dict[str, Any]) -> None:
    made = StreamFolder(tmp_path / "stream")
    path = made.root / made.add([event(1, MONDAY)], MONDAY)[0]
    path.write_bytes(line(event(1, MONDAY, **odd)) + line(event(2, MONDAY)))
    dest = tmp_path / "lake"
    assert reasons(lake(dest, [made.root])) == {"2026-11-16": "new"}
    assert query(dest, "SELECT count(*) FROM lake") == [(2,)]


def test_lines_that_only_our_own_reader_understands_are_in_the_lake(tmp_path: Path) -> None:
    made = StreamFolder(tmp_path / "stream")
    path = made.root / made.add([event(1, MONDAY)], MONDAY)[0]
    twice = line(event(2, MONDAY)).replace(b'"record": "event"', b'"record": "event", "record": "event"')
    half = line(event(3, MONDAY, message="half")).replace(b'"half"', b'"half \\ud800"')
    path.write_bytes(twice + b"\n" + half)
    dest = tmp_path / "lake"
    lake(dest, [made.root])
    assert query(dest, "SELECT key, message LIKE 'half%' FROM lake ORDER BY key") == [("id-2", False), ("id-3", True)]


@pytest.mark.parametrize("harmed", [b"{", b"12\n", b'{"record": "event"', b"\xff\n", gzip.compress(b"x" * 999)[:-9]])
def test_a_damaged_segment_fails_its_day_by_name_and_no_other(
    tmp_path: Path, stream: StreamFolder, harmed: bytes
) -> None:
    path = stream.segments(MONDAY.date())[1]
    path.write_bytes(path.read_bytes() + harmed if not harmed.startswith(b"\x1f") else harmed)
    dest = tmp_path / "lake"
    result = lake(dest, [stream.root])
    assert isinstance(result.error, FileError)
    assert str(path) in result.error.message
    assert [item["day"] for item in result.values["written"]] == ["2026-11-17"]


def test_several_failures_are_one_error_that_names_each(tmp_path: Path, stream: StreamFolder) -> None:
    paths = [stream.segments((MONDAY + day * DAY).date())[0] for day in range(2)]
    for path in paths:
        path.write_bytes(b"{")
    result = lake(tmp_path / "lake", [stream.root], [tmp_path / "missing.ndjson"])
    assert isinstance(result.error, PartialFailure)
    assert all(str(path) in result.error.message for path in (*paths, tmp_path / "missing.ndjson"))


def test_records_of_an_unknown_kind_stay_out_with_a_warning_and_newer_ones_are_refused(tmp_path: Path) -> None:
    made = StreamFolder(tmp_path / "stream")
    made.add([event(1, MONDAY), event(2, MONDAY, record="dream")], MONDAY)
    result = lake(tmp_path / "lake", [made.root])
    assert [item["rows"] for item in result.values["written"]] == [1]
    assert ["dream" in warning for warning in result.warnings] == [True]
    made.add([event(3, MONDAY + DAY, schema=2)], MONDAY + DAY)
    newer = lake(tmp_path / "lake", [made.root])
    assert isinstance(newer.error, FileError)
    assert "another version" in newer.error.message


@pytest.mark.parametrize("source", ["../../x", "a/b", "A B", "", "x" * 65, HOSTILE])
def test_a_source_that_is_no_name_never_becomes_a_path(tmp_path: Path, source: str) -> None:
    made = StreamFolder(tmp_path / "stream")
    made.add([event(1, MONDAY, source=source)], MONDAY)
    dest = tmp_path / "lake"
    result = lake(dest, [made.root])
    if source:
        assert isinstance(result.error, FileError)
        assert parquet_files(tmp_path) == []
    else:
        assert parquet_files(dest)[0].parts[-3] == "source=unknown"


def test_other_records_of_a_stream_have_folders_of_their_own(tmp_path: Path, stream: StreamFolder) -> None:
    gap = {
        "record": "gap", "schema": 1, "source": "edgecast", "stream": "events", "from": "2026-11-16T01:00:00Z",
        "to": "2026-11-16T02:00:00Z", "reason": "retention", "key": "gap:1", "content": "0" * 16,
    }  # fmt: skip
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    stream.add([gap], MONDAY)
    result = lake(dest, [stream.root])
    assert [(item["record"], item["rows"]) for item in result.values["written"]] == [("event", 15), ("gap", 1)]
    assert query(dest, "SELECT from_time, reason FROM lake", "gap") == [(naive("2026-11-16T01:00:00"), "retention")]
    # One of the two files is lost, with all that is in its folder: the day is not whole.
    for path in (dest / "record=gap/source=edgecast/dt=2026-11-16").iterdir():
        path.unlink()
    assert reasons(lake(dest, [stream.root]))["2026-11-16"] == "late"
    assert not lake(dest, [stream.root]).changed


def test_what_is_no_stream_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, words in ((tmp_path / "missing", "not a directory"), (tmp_path / "empty", "nothing was ever collected")):
        with pytest.raises(OptionError, match=words):
            lake(tmp_path / "lake", [path])
    assert not (tmp_path / "lake").exists()


def test_one_run_at_a_time(tmp_path: Path, stream: StreamFolder) -> None:
    dest = tmp_path / "lake"
    lake(dest, [stream.root])
    with locked(dest / ".lake" / "lock", "tests"), pytest.raises(StateError, match="writes this lake"):
        lake(dest, [stream.root])


def test_without_duckdb_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duck, "HAS_DUCKDB", False)
    with pytest.raises(MissingLibrary, match="duckdb"):
        lake(tmp_path / "lake")


def test_a_full_disk_is_told_in_one_sentence(
    tmp_path: Path, stream: StreamFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "commit", full)
    result = lake(tmp_path / "lake", [stream.root])
    assert isinstance(result.error, PartialFailure)
    assert "no space left on device" in result.error.message
    assert parquet_files(tmp_path) == []


def test_many_segments_become_one_file_a_day(tmp_path: Path) -> None:
    many = StreamFolder(tmp_path / "stream")
    for number in range(40):
        start = MONDAY + number * 2 * HOUR
        many.add([event(number, start)], start, 2 * HOUR)
    dest = tmp_path / "lake"
    lake(dest, [many.root])
    assert len(many.segments()) == 40
    assert len(parquet_files(dest)) == 4
    assert query(dest, "SELECT count(*) FROM lake") == [(40,)]

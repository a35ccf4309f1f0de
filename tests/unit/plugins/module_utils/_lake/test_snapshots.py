# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of findings, and matches: whole ones only, each for its day, and the last one of a day counts."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError
from tests.unit.plugins.module_utils._report import factory
from tests.unit.plugins.module_utils.lake_kit import (
    DAY,
    MONDAY,
    NOW,
    StreamFolder,
    event,
    lake,
    line,
    naive,
    parquet_files,
    query,
    reasons,
)  # fmt: skip


def snapshot(path: Path, count: int, finished: str, **changes: Any) -> Path:
    return factory.write_snapshot(path, factory.estate_findings(count, 20), finished=finished, **changes)


def test_a_snapshot_is_written_to_its_day_and_the_last_one_of_a_day_counts(tmp_path: Path) -> None:
    dest, path = tmp_path / "lake", tmp_path / "findings.ndjson.gz"
    snapshot(path, 40, "2026-11-20T09:30:00Z")
    first = lake(dest, snapshots=[path])
    assert [(item["record"], item["rows"]) for item in first.values["written"]] == [("finding", 40), ("snapshot", 1)]
    assert not lake(dest, snapshots=[path]).changed
    kept = path.read_bytes(), Path(f"{path}.manifest.json").read_bytes()
    snapshot(path, 35, "2026-11-20T10:30:00Z")
    lake(dest, snapshots=[path])
    assert query(dest, "SELECT count(*), max(lake_as_of) FROM lake", "finding") == [(35, naive("2026-11-20T10:30:00"))]
    path.write_bytes(kept[0])
    Path(f"{path}.manifest.json").write_bytes(kept[1])
    assert reasons(lake(dest, snapshots=[path])) == {"2026-11-20": "older"}
    snapshot(path, 0, "2026-11-20T11:00:00Z")
    lake(dest, snapshots=[path])
    assert [file.parts[-4] for file in parquet_files(dest)] == ["record=snapshot"]
    snapshot(path, 3, "2026-11-21T11:00:00Z")
    lake(dest, snapshots=[path])
    assert query(dest, "SELECT dt, records FROM lake ORDER BY dt", "snapshot") == [
        (dt.date(2026, 11, 20), 0), (dt.date(2026, 11, 21), 3),
    ]  # fmt: skip


def test_findings_have_typed_columns(tmp_path: Path) -> None:
    path = snapshot(tmp_path / "findings.ndjson", 60, "2026-11-20T09:30:00Z")
    dest = tmp_path / "lake"
    lake(dest, snapshots=[path])
    records = [json.loads(text) for text in path.read_text().splitlines()]
    rows = query(
        dest, "SELECT id, asset_name, asset_tags, cwe, cvss_score, first_seen, times_seen FROM lake", "finding"
    )
    assert sorted(rows, key=str) == sorted(
        (
            (
                record["id"], record["asset"]["name"], record["asset"]["tags"], record["cwe"], record["cvss_score"],
                dt.datetime.fromisoformat(record["first_seen"]).replace(tzinfo=None), record["times_seen"],
            )
            for record in records
        ),
        key=str,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"complete": False}, "not a complete snapshot"),
        ({"manifest": False}, "manifest"),
        ({"sha256": "0" * 64}, "not the file that its manifest describes"),
        ({"finished": "yesterday"}, "not a complete snapshot"),
    ],
)
def test_a_snapshot_that_proves_nothing_is_an_error_and_nothing_else_fails(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    stream = StreamFolder(tmp_path / "stream")
    stream.add([event(1, MONDAY), event(2, MONDAY + DAY)], MONDAY)
    path = snapshot(tmp_path / "findings.ndjson", 3, **{"finished": "2026-11-20T09:30:00Z", **changes})
    result = lake(tmp_path / "lake", [stream.root], [path])
    assert isinstance(result.error, FileError)
    assert words in result.error.message
    assert len(result.values["written"]) == 2


def test_two_snapshots_of_one_name_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / name / "findings.ndjson" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        snapshot(path, 3, "2026-11-20T09:30:00Z")
    with pytest.raises(OptionError, match="same name"):
        lake(tmp_path / "lake", snapshots=paths)


@pytest.mark.parametrize("with_manifest", [False, True], ids=["alone", "as correlate writes it"])
def test_matches_are_as_old_as_their_file_with_and_without_a_manifest(tmp_path: Path, with_manifest: bool) -> None:
    path = tmp_path / "matches.ndjson"
    if with_manifest:
        manifest = {"record": "manifest", "schema": 1, "stream": "matches", "started": "2026-11-29T00:00:00Z"}
        (tmp_path / "matches.ndjson.manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    match = {
        "record": "match", "schema": 1, "finding": {"source": "qualys", "id": "1", "unique_id": "u"},
        "class": "attacked_not_blocked", "outcome": "allowed", "strength": "path", "family": "sqli",
        "events": {"count": 3, "first": "2026-11-19T01:00:00Z", "last": "2026-11-19T02:00:00Z", "ids": ["a", "b"]},
        "sources": ["edgecast"], "host_events": 7,
    }  # fmt: skip
    path.write_bytes(line(match))
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    dest = tmp_path / "lake"
    lake(dest, snapshots=[path])
    assert query(
        dest,
        "SELECT source, dt, finding_unique_id, class, events_count, events_last, events_ids, sources, host_events"
        " FROM lake",
        "match",
    ) == [
        (
            "qualys",
            NOW.date(),
            "u",
            "attacked_not_blocked",
            3,
            naive("2026-11-19T02:00:00"),
            ["a", "b"],
            ["edgecast"],
            7,
        )
    ]
    assert not lake(dest, snapshots=[path]).changed
    path.write_bytes(b"")
    os.utime(path, (NOW.timestamp() + 60, NOW.timestamp() + 60))
    lake(dest, snapshots=[path])
    assert [file.parts[-4] for file in parquet_files(dest)] == ["record=snapshot"]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs collected from the sandbox run after run: a changed row is a new record, the same row is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface import scan_log_export
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..indusface_kit import calls, client_of


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    return {"dest": str(tmp_path / "spool"), "state_dir": str(tmp_path / "state"), "first_run": "lookback"}


def collect(sandbox: Sandbox, place: dict[str, Any], *, check: bool = False, **changed: Any) -> Result:
    blank = {
        **dict.fromkeys(("lag", "overlap", "sweep", "backfill", "retain_days", "segment_group")),
        "lookback": "30d",
        "compress": False,
        "segment_mode": "0600",
        "sensitive": "redact",
        "include_raw": False,
        "chunk_days": 1,
    }
    with client_of(sandbox) as client:
        return scan_log_export.run({**blank, **place, **changed}, client, check, clock=sandbox.log_clock.now)


def lines(place: dict[str, Any]) -> list[dict[str, Any]]:
    files = sorted(Path(place["dest"]).glob("dt=*/*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def keys(sandbox: Sandbox) -> list[str]:
    found = []
    for item in sandbox.indusface.scan_logs:
        scan = f"{item.fields['ServiceId']}:{item.fields['ScanlogId']}"
        found += [scan, *(f"{scan}:{alert['UniqueAlertId']}" for alert in item.alerts)]
    return sorted(found)


def test_the_first_run_takes_all_today_included_and_the_second_nothing(
    indusface: Sandbox, place: dict[str, Any]
) -> None:
    first = collect(indusface, place)
    assert (first.changed, first.values["complete"]) == (True, True)
    records = lines(place)
    assert sorted(record["key"] for record in records) == keys(indusface)
    assert {record["record"] for record in records} == {"scan", "finding"}
    indusface.reset_counters()
    indusface.log_clock.advance(3600)
    second = collect(indusface, place)
    assert (second.changed, second.values["records"]) == (False, 0)
    assert [call["date"] for call in calls(indusface)] == ["2026-10-30", "2026-10-31", "2026-11-01"]
    assert lines(place) == records


def test_today_is_provisional_and_the_days_before_it_too(indusface: Sandbox, place: dict[str, Any]) -> None:
    collect(indusface, place)
    for age in (0, 1, 2):
        indusface.indusface.add(1, age)
    indusface.log_clock.advance(3600)
    collect(indusface, place)
    assert sorted(record["key"] for record in lines(place)) == keys(indusface)


def test_a_changed_row_is_a_new_record_with_the_same_key(indusface: Sandbox, place: dict[str, Any]) -> None:
    collect(indusface, place)
    indusface.indusface.change("20450059", {"ScanStatus": "Scan Success"})
    indusface.log_clock.advance(3600)
    result = collect(indusface, place)
    assert (result.values["records"], result.values["changed_rows"]) == (1, 1)
    versions = [record for record in lines(place) if record["key"] == "78357:20450059"]
    assert sorted(version["conclusive"] for version in versions) == [False, True]
    indusface.log_clock.advance(3600)
    assert collect(indusface, place).values["records"] == 0


@pytest.mark.parametrize(
    "switches", [{"indusface_service_type": "table"}, {"indusface_ids": "swapped"}, {"indusface_shape": "nested"}]
)
def test_another_spelling_is_no_change(indusface: Sandbox, place: dict[str, Any], switches: dict[str, str]) -> None:
    collect(indusface, place)
    indusface.switches.update(switches)
    indusface.log_clock.advance(3600)
    assert collect(indusface, place, chunk_days=3).values["records"] == 0


def test_a_bad_day_stops_the_run_and_loses_nothing(indusface: Sandbox, place: dict[str, Any]) -> None:
    indusface.faults.add(kind="truncated_json", skip=10)
    result = collect(indusface, place)
    assert isinstance(result.error, PerimeterError)
    assert result.values["complete"] is False
    assert lines(place), "the days before it stay"
    collect(indusface, place)
    assert sorted(record["key"] for record in lines(place)) == keys(indusface)


def test_check_mode_reads_and_writes_nothing(indusface: Sandbox, place: dict[str, Any]) -> None:
    predicted = collect(indusface, place, check=True)
    assert (predicted.changed, predicted.values["records"]) == (True, len(keys(indusface)))
    assert not Path(place["dest"]).exists() or lines(place) == []

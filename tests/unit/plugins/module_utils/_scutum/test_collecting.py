# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts collected from the sandbox run after run: each once, late ones too, whatever the service does meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError, RateLimited
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import alert_export
from tests.sandbox import Sandbox

from ..scutum_kit import calls, client_of, small_sandbox


@pytest.fixture
def place(tmp_path: Path) -> dict[str, Any]:
    return {"dest": str(tmp_path / "spool"), "state_dir": str(tmp_path / "state"), "first_run": "lookback"}


def collect(
    sandbox: Sandbox, place: dict[str, Any], *, check: bool = False, max_wait: int = 900, **changed: Any
) -> Result:
    blank = {
        **dict.fromkeys(("lag", "overlap", "sweep", "backfill", "retain_days", "segment_group", "ip", "details_limit")),
        "lookback": "31d",
        "compress": False,
        "segment_mode": "0600",
        "sensitive": "redact",
        "include_raw": False,
        "details": "none",
    }
    with client_of(sandbox, max_wait=max_wait) as client:
        return alert_export.run({**blank, **place, **changed}, client, check, clock=sandbox.log_clock.now)


def lines(place: dict[str, Any]) -> list[dict[str, Any]]:
    files = sorted(Path(place["dest"]).glob("dt=*/*.ndjson"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def shown(sandbox: Sandbox) -> list[str]:
    return sorted(alert.log_id for alert in sandbox.scutum.alerts)


@pytest.fixture
def calm(scutum: Sandbox) -> Sandbox:
    """Without the limit of calls, as time stands still between runs."""
    scutum.switches["scutum_rate_limit"] = 0
    return scutum


def test_the_first_run_takes_all_and_the_second_nothing(calm: Sandbox, place: dict[str, Any]) -> None:
    calm.scutum.add(5, 120)
    first = collect(calm, place)
    assert (first.changed, first.values["records"], first.values["complete"]) == (True, 65, True)
    records = lines(place)
    assert sorted(record["key"] for record in records) == shown(calm)
    assert all(record["record"] == "event" and record["key"] == record["id"] for record in records)
    calm.log_clock.advance(120)
    calm.reset_counters()
    second = collect(calm, place)
    assert (second.changed, second.values["records"], second.values["complete"]) == (False, 0, True)
    assert len(calls(calm)) == 1, "a run with nothing new costs one call"
    assert lines(place) == records


def test_late_alerts_are_found_and_none_comes_twice(calm: Sandbox, place: dict[str, Any]) -> None:
    collect(calm, place)
    calm.scutum.add(3, 200)
    calm.log_clock.advance(600)
    calm.scutum.add(2, 90)
    result = collect(calm, place)
    assert result.values["records"] == 5
    calm.scutum.add(1, 7200)
    calm.log_clock.advance(600)
    assert collect(calm, place).values["records"] == 0, "later than the overlap"
    calm.log_clock.advance(60)
    assert collect(calm, place, sweep="1d").values["records"] == 1
    assert sorted(record["key"] for record in lines(place)) == shown(calm)


def test_check_mode_reads_and_writes_nothing(calm: Sandbox, place: dict[str, Any]) -> None:
    predicted = collect(calm, place, check=True, details="all", details_limit=2)
    assert (predicted.changed, predicted.values["records"]) == (True, 60)
    assert not Path(place["dest"]).exists() or lines(place) == []
    assert calls(calm, "/api/v1/alert_detail") == [], "details are for what is written"


def test_details_are_read_for_new_alerts_only(calm: Sandbox, place: dict[str, Any]) -> None:
    first = collect(calm, place, details="first_n", details_limit=3)
    assert first.values["details"] == {"read": 3, "skipped": 57, "not_found": 0, "failed": 0}
    calm.scutum.add(1, 90)
    calm.log_clock.advance(30)
    calm.reset_counters()
    second = collect(calm, place, details="first_n", details_limit=3)
    assert second.values["records"] == 1
    assert second.values["details"]["read"] == 1
    assert len(calls(calm, "/api/v1/alert_detail")) == 1
    assert "sandbox-cookie-value" not in json.dumps(lines(place))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 400, "skip": 3, "times": 2},  # the marker is refused, and then the listing
        {"kind": "html_200", "skip": 3},
        {"kind": "status", "status": 503, "skip": 3, "times": 6},
        {"kind": "wrong_count", "skip": 3, "times": 2},
    ],
)
def test_a_failed_run_loses_nothing(calm: Sandbox, place: dict[str, Any], fault: dict[str, Any]) -> None:
    calm.faults.add(fault)
    result = collect(calm, place)
    assert isinstance(result.error, PerimeterError)
    assert result.values["complete"] is False
    calm.faults.clear()
    collect(calm, place)
    assert sorted(record["key"] for record in lines(place)) == shown(calm)


def test_changes_between_pages_and_expired_markers_lose_nothing(place: dict[str, Any]) -> None:
    with small_sandbox(records=60, days=0.4) as sandbox:
        sandbox.switches["scutum_rate_limit"] = 0
        sandbox.scutum.add(20, 300)
        sandbox.scutum.expire_markers(2)
        sandbox.faults.add(kind="duplicate_record", skip=3)
        sandbox.faults.add(kind="mutate_between_pages", action="insert", n=2, skip=5)
        collect(sandbox, place)
        sandbox.log_clock.advance(60)
        collect(sandbox, place, sweep="1d")
        assert sorted(record["key"] for record in lines(place)) == shown(sandbox)


def test_the_same_budget_holds_for_a_run_that_has_much_to_do(scutum: Sandbox, place: dict[str, Any]) -> None:
    result = collect(scutum, place)
    assert result.values["complete"]
    statuses = {entry["status"] for entry in scutum.counters.snapshot()["recent"]}
    assert statuses == {200}, "16 windows and their pages within 25 calls, and none was refused"


@pytest.mark.parametrize("wait", [300, 900])
@pytest.mark.parametrize("details", ["blocked_only", "all"])
def test_details_leave_enough_calls_for_a_long_backlog(place: dict[str, Any], details: str, wait: int) -> None:
    with small_sandbox(records=400, page_size=1000) as sandbox:
        result = collect(sandbox, place, lookback="30d", details=details, max_wait=wait)
        assert (result.error, result.values["records"]) == (None, 400)
        assert result.values["details"]["read"] >= 10
        assert {entry["status"] for entry in sandbox.counters.snapshot()["recent"]} == {200}


def test_a_forbidden_detail_ends_the_details_and_not_the_run(calm: Sandbox, place: dict[str, Any]) -> None:
    calm.faults.add({"kind": "status", "status": 403, "times": 999, "match": {"route": "/api/v1/alert_detail"}})
    result = collect(calm, place, details="all")
    assert result.error is None
    assert result.values["details"] == {"read": 0, "skipped": 59, "not_found": 0, "failed": 1}
    expected = "No more details were read in this run: Scutum refused a detail (HTTP 403)"
    assert any(expected in text for text in result.warnings)
    assert sorted(record["key"] for record in lines(place)) == shown(calm)


def test_a_limit_of_calls_ends_a_run_well_and_the_next_one_goes_on(place: dict[str, Any]) -> None:
    with small_sandbox(page_size=2) as sandbox:  # thirty pages, and 25 calls
        first = collect(sandbox, place, max_wait=60)
        assert first.error is None
        assert (first.changed, first.values["complete"]) == (True, False)
        assert first.values["records"] == len(lines(place)) >= 46, "what 25 pages held, but for the last second"
        assert f"is read up to {first.values['position']}, and the next run continues from there." in first.warnings[-1]
        sandbox.log_clock.advance(300)
        sandbox.reset_counters()
        second = collect(sandbox, place, max_wait=60, first_run="fail")
        assert second.values["complete"]
        assert len(calls(sandbox)) <= 9, "from there on"
        keys = [record["key"] for record in lines(place)]
        assert sorted(keys) == shown(sandbox)


def test_a_limit_that_leaves_no_progress_is_an_error(scutum: Sandbox, place: dict[str, Any]) -> None:
    scutum.switches["scutum_rate_limit"] = 1
    collect(scutum, place, check=True, max_wait=0)
    result = collect(scutum, place, max_wait=0)
    assert isinstance(result.error, RateLimited)
    assert result.values["complete"] is False


def test_a_fault_in_the_middle_keeps_every_page_before_it(calm: Sandbox, place: dict[str, Any]) -> None:
    calm.faults.add({"kind": "html_200", "skip": 6, "times": 1})
    result = collect(calm, place)
    assert isinstance(result.error, PerimeterError)
    assert result.values["records"] == len(lines(place)) >= 6 * 7 - 4, "but for the second that may go on"
    calm.reset_counters()
    assert collect(calm, place, first_run="fail").values["complete"]
    assert len(calls(calm)) <= 4
    assert sorted(record["key"] for record in lines(place)) == shown(calm)


@pytest.mark.parametrize(("records", "page_size", "most"), [(0, 1000, 1), (300, 1000, 1), (6000, 1000, 7)])
def test_requests_follow_the_volume_and_not_the_time(
    place: dict[str, Any], records: int, page_size: int, most: int
) -> None:
    with small_sandbox(records=records, page_size=page_size, days=360) as sandbox:
        result = collect(sandbox, place, lookback="400d")
        assert result.values["records"] == records
        assert len(calls(sandbox)) <= most


def test_a_sparse_day_is_one_file(place: dict[str, Any]) -> None:
    with small_sandbox(records=3000, page_size=20, days=20) as sandbox:
        sandbox.switches["scutum_rate_limit"] = 0
        result = collect(sandbox, place, lookback="30d", max_wait=7200)
        assert result.values["records"] == 3000
        days = [path.parent.name for path in Path(place["dest"]).glob("dt=*/*.ndjson")]
        assert len(days) == len(set(days)) <= 21, "although there were fifteen commits"

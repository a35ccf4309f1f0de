# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exports for Edgecast and Carbon Black from request to file, by the machine's clock as collectors go by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast import export as edgecast_export
from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils import carbon_black_kit, edgecast_kit
from tests.unit.plugins.module_utils.qualys_kit import Ran, run_module

EDGECAST, CARBON_BLACK = "edgecast_waf_event_export", "carbon_black_scan_log_export"
EXPORTS = (EDGECAST, CARBON_BLACK)
EVENTS, ROWS = 200, 60
CANARIES = (
    "hunter2hunter2", "referer-token-canary", "url-password-canary", "matched-password-canary", "4111111111111111",
    edgecast_kit.TOKEN, carbon_black_kit.SECRET,
)  # fmt: skip


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    settings = {"edgecast": {"records": EVENTS, "days": 0.3}, "carbon_black": {"records": ROWS, "days": 2}}
    with Sandbox(findings=0, webapps=1, **settings) as running:
        yield running
        assert running.counters.internal_errors == 0


class Stream:
    """One export into one directory."""

    def __init__(self, sandbox: Sandbox, tmp_path: Path, module: str) -> None:
        self.sandbox, self.module = sandbox, module
        self.dest = tmp_path / "stream"
        kit: Any = edgecast_kit if module == EDGECAST else carbon_black_kit
        self.options = {**kit.connection(sandbox), "dest": str(self.dest), "state_dir": str(tmp_path / "state")}
        self.options |= {"first_run": "lookback", "lookback": "3d"}

    def __call__(self, **options: Any) -> Ran:
        self.sandbox.reset_counters()
        ran = run_module(self.module, None, **{**self.options, **options})
        assert CANARIES[-2] not in ran.printed
        assert CANARIES[-1] not in ran.printed
        return ran

    def done(self, **options: Any) -> dict[str, Any]:
        ran = self(**options)
        assert not ran.failed, ran.msg
        return ran.result

    def records(self) -> list[dict[str, Any]]:
        files = sorted(self.dest.glob("dt=*/*.ndjson"))
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]

    def add(self, *arguments: Any) -> None:
        if self.module == EDGECAST:
            self.sandbox.edgecast.add_events(*arguments)
        else:
            self.sandbox.carbon_black.add_rows(*arguments)


@pytest.fixture(params=EXPORTS)
def stream(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Stream:
    return Stream(sandbox, tmp_path, request.param)


@pytest.fixture
def edgecast(sandbox: Sandbox, tmp_path: Path) -> Stream:
    return Stream(sandbox, tmp_path, EDGECAST)


@pytest.fixture
def carbon_black(sandbox: Sandbox, tmp_path: Path) -> Stream:
    return Stream(sandbox, tmp_path, CARBON_BLACK)


def test_first_again_late_and_again(stream: Stream) -> None:
    first = stream.done()
    assert first["changed"]
    assert first["complete"]
    written = stream.records()
    assert len(written) == first["records"] == len({record["key"] for record in written}) > ROWS / 2
    assert {record["record"] for record in written} == {"event" if stream.module == EDGECAST else "scan"}
    again = stream.done()
    assert (again["changed"], again["records"], stream.sandbox.counters.requests) == (False, 0, 1)
    stream.add(5, 200, 1)  # late: before the position, and within the overlap
    late = stream.done()
    assert (late["changed"], late["records"]) == (True, 5)
    assert stream.done()["changed"] is False
    assert len({record["key"] for record in stream.records()}) == len(stream.records()) == len(written) + 5


def test_check_mode_reads_everything_and_writes_nothing(stream: Stream) -> None:
    predicted = stream.done(check=True)
    assert predicted["changed"]
    assert not stream.dest.exists()
    assert stream.done()["records"] == predicted["records"]
    assert stream.done(check=True)["changed"] is False


def test_nothing_sensitive_and_nothing_that_is_run_is_in_the_files(edgecast: Stream) -> None:
    edgecast.done()
    text = "".join(file.read_text(encoding="utf-8") for file in edgecast.dest.rglob("*.ndjson"))
    assert [canary for canary in CANARIES if canary in text] == []
    assert "lookup('pipe', 'id')" in text  # an attack, which is stored as it came


def test_sensitive_data_is_kept_when_asked_for(edgecast: Stream) -> None:
    edgecast.done(sensitive="keep", include_raw=True)
    records = edgecast.records()
    assert all(json.loads(record["raw"])["id"] == record["id"] for record in records)
    assert any(sub["matched_value"] for record in records for sub in record["sub_events"])


def test_filters_decide_what_is_collected(edgecast: Stream) -> None:
    edgecast.done(event_filters={"Host": ["shop.example.com"], "Action Type": "BLOCK_REQUEST"})
    assert {(record["host"], record["action_native"]) for record in edgecast.records()} == {
        ("shop.example.com", "BLOCK_REQUEST")
    }
    other = edgecast(event_filters={"Host": "api.example.com"})
    assert other.failed, "another stream must not go into the same directory"


def test_criteria_decide_what_is_collected(carbon_black: Stream) -> None:
    carbon_black.done(criteria={"sources": "CLI"}, search="demo")
    assert {record["mode"] for record in carbon_black.records()} == {"CLI"}


def test_malware_is_a_line_of_its_own(carbon_black: Stream) -> None:
    carbon_black.done(malware_findings=True)
    records = carbon_black.records()
    findings = [record for record in records if record["record"] == "finding"]
    assert len(findings) == sum(record["malware"] for record in records if record["record"] == "scan") > 0
    assert carbon_black.done(malware_findings=True)["changed"] is False


def test_a_span_of_time_is_not_for_the_collector(carbon_black: Stream) -> None:
    ran = carbon_black(criteria={"time_range": {"range": "-1d"}})
    assert (ran.failed, ran.result["error"]["kind"]) == (True, "option")
    assert carbon_black.sandbox.counters.requests == 0


def test_pages_that_shift_lose_nothing(edgecast: Stream) -> None:
    edgecast.sandbox.edgecast.add_events(2500, 1000, 0.1)
    edgecast.sandbox.faults.add(
        # In the first reading only: the second one finds pages that hold still.
        {"kind": "mutate_between_pages", "action": "delete", "n": 1, "times": 2},
        {"kind": "duplicate_record", "times": -1},
    )
    result = edgecast.done()
    edgecast.sandbox.faults.clear()
    assert result["complete"]
    assert edgecast.done(sweep="1d")["records"] == 0
    keys = [record["key"] for record in edgecast.records()]
    assert len(keys) == len(set(keys))


def test_a_refusal_keeps_what_was_committed(stream: Stream) -> None:
    route = "eventlogs" if stream.module == EDGECAST else "_search"
    stream.done()
    committed = stream.records()
    stream.sandbox.faults.add({"match": {"route": route}, "kind": "status", "status": 400, "body": "json"})
    ran = stream()
    assert (ran.failed, ran.result["complete"]) == (True, False)
    assert stream.records() == committed
    assert stream.done()["complete"]
    keys = [record["key"] for record in stream.records()]
    assert len(keys) == len(set(keys))
    # What is younger than the lag is left to the next run.
    assert len(keys) >= (EVENTS if stream.module == EDGECAST else ROWS) - 1


def test_a_refusal_in_the_middle_keeps_what_was_committed(edgecast: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edgecast_export, "SLICE_PAGES", 1)
    edgecast.sandbox.edgecast.add_events(2500, 1000, 1)
    edgecast.sandbox.faults.add(
        {"match": {"route": "eventlogs"}, "kind": "status", "status": 400, "body": "json", "skip": 2}
    )
    ran = edgecast()
    assert (ran.failed, ran.result["complete"]) == (True, False)
    assert edgecast.done()["complete"]
    keys = [record["key"] for record in edgecast.records()]
    assert len(keys) == len(set(keys)) >= EVENTS + 2500 - 1


def test_windows_are_read_side_by_side_for_edgecast_only(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    # A window of more pages is cut, so that there are several.
    monkeypatch.setattr(edgecast_export, "SLICE_PAGES", 1)
    stream.sandbox.edgecast.add_events(4500, 1000, 2)
    stream.sandbox.latency_ms = 10
    stream.done()
    most = stream.sandbox.counters.snapshot()["in_flight_max"]
    assert most == 1 if stream.module == CARBON_BLACK else 1 < most <= 4

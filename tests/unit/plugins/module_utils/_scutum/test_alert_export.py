# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of alerts as the collector sees it: windows, keys, contents, and details that never cost an alert."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import AuthenticationFailed, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.alert_export import AlertSource
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.client import DETAIL, ScutumClient
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import Enriching, SpoolEntry, Window
from tests.sandbox import Sandbox

from ..scutum_kit import ANCHOR, NOW, calls, client_of

MONTH = Window(NOW - dt.timedelta(days=31), NOW)


def options(**changed: Any) -> dict[str, Any]:
    blank = {"ip": None, "details": "none", "details_limit": None, "sensitive": "redact", "include_raw": False}
    return blank | changed


def source_of(client: ScutumClient, **changed: Any) -> AlertSource:
    return AlertSource(client, options(**changed))


def read(source: AlertSource, window: Window = MONTH) -> list[SpoolEntry]:
    return [entry for page in source.pages(window) for entry in page]


def test_every_alert_of_the_window_comes_oldest_first(scutum: Sandbox) -> None:
    with client_of(scutum) as client:
        entries = read(source_of(client))
    stored = scutum.scutum.alerts
    assert [(entry.key, entry.time) for entry in entries] == [(alert.log_id, alert.ts) for alert in stored]
    assert {call["time_order"] for call in calls(scutum)} == {"asc"}
    assert all(entry.record["id"] == entry.key for entry in entries)


def test_windows_tile_without_a_gap_or_an_overlap(scutum: Sandbox) -> None:
    border = scutum.scutum.alerts[20].ts
    with client_of(scutum) as client:
        source = source_of(client)
        before = read(source, Window(MONTH.start, border))
        after = read(source, Window(border, MONTH.end))
    assert [entry.key for entry in before + after] == [alert.log_id for alert in scutum.scutum.alerts]
    assert before[-1].time < border == after[0].time


def test_a_window_begins_again_after_an_expired_marker(scutum: Sandbox) -> None:
    scutum.faults.add(kind="status", status=400, skip=4)
    with client_of(scutum) as client:
        keys = [entry.key for entry in read(source_of(client))]
    assert sorted(set(keys)) == sorted(alert.log_id for alert in scutum.scutum.alerts)
    assert len(keys) > len(set(keys)), "the second of the last log is read again; the collector knows its keys"


def test_the_identity_tells_streams_apart(scutum: Sandbox) -> None:
    with client_of(scutum) as client:
        plain = source_of(client).identity
        others = [
            source_of(client, **change).identity
            for change in ({"ip": "1.2.3.4"}, {"details": "all"}, {"sensitive": "keep"}, {"include_raw": True})
        ]
        assert (plain.source, plain.account, plain.stream) == ("scutum", "www.example.jp/ABC1234", "events")
        assert all(other != plain for other in others)
        assert source_of(client, details="all", details_limit=3).identity == others[1]
        assert client.connection.api_key not in repr(plain)


def test_how_scutum_is_best_asked(scutum: Sandbox) -> None:
    with client_of(scutum) as client:
        timing = source_of(client).timing
    assert (timing.lag, timing.overlap) == (dt.timedelta(minutes=1), dt.timedelta(minutes=5))
    assert (timing.retention, timing.granularity) == (dt.timedelta(days=365), dt.timedelta(seconds=1))


def test_a_late_alert_is_in_a_window_that_is_read_again() -> None:
    late = {"records": 40, "days": 1, "late_every": 4, "late_s": 20000, "page_size": 7}
    with Sandbox(webapps=0, findings=0, log_anchor=ANCHOR, scutum=late) as sandbox, client_of(sandbox) as client:
        source = source_of(client)
        early = {entry.key for entry in read(source)}
        sandbox.log_clock.advance(20000)
        assert {entry.key for entry in read(source)} - early
        assert len(read(source)) == 40


# Details


def enriched(
    sandbox: Sandbox, wait: float = 900, **changed: Any
) -> tuple[list[SpoolEntry], list[SpoolEntry], dict[str, int]]:
    with client_of(sandbox, max_wait=wait) as client:
        source = source_of(client, **changed)
        assert isinstance(source, Enriching)
        plain = read(source)
        whole = source.enrich(plain)
        return plain, whole, dict(source.counts)


@pytest.mark.parametrize(
    ("details", "limit", "expected"),
    [("none", None, 0), ("first_n", None, 20), ("first_n", 3, 3), ("blocked_only", 5, 5), ("all", 0, 0), ("all", 4, 4)],
)
def test_as_many_details_as_asked(scutum: Sandbox, details: str, limit: int | None, expected: int) -> None:
    scutum.switches["scutum_rate_limit"] = 0
    _plain, whole, counts = enriched(scutum, details=details, details_limit=limit)
    read_them = [entry for entry in whole if entry.record["details"]["detail"] == "read"]
    assert len(calls(scutum, DETAIL)) == len(read_them) == counts.get("read", 0) == expected
    wanted = [entry for entry in whole if details != "blocked_only" or entry.record["action"] == "blocked"]
    assert counts.get("skipped", 0) == (0 if details == "none" else len(wanted) - expected)


def test_only_what_was_blocked(scutum: Sandbox) -> None:
    _plain, whole, counts = enriched(scutum, details="blocked_only", details_limit=10)
    states = {(entry.record["action"], entry.record["details"]["detail"]) for entry in whole}
    assert states == {("blocked", "read"), ("blocked", "skipped"), ("alerted", "not_asked")}
    assert counts == {"read": 10, "skipped": 35}


def test_details_change_neither_key_nor_content(scutum: Sandbox) -> None:
    plain, whole, _counts = enriched(scutum, details="first_n", include_raw=True)
    assert [entry[:3] for entry in whole] == [entry[:3] for entry in plain]
    assert "request" in json.loads(whole[0].record["raw"])
    assert "request" not in json.loads(whole[-1].record["raw"])


def test_too_few_calls_skip_details_and_no_alert(scutum: Sandbox) -> None:
    plain, whole, counts = enriched(scutum, wait=0, details="all")
    assert len(whole) == len(plain) == 60
    assert counts == {"read": 11, "skipped": 49}, "20 of 25 calls, nine of them for the list"


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"kind": "status", "status": 404}, "not_found"),
        ({"kind": "status", "status": 400}, "failed"),
        ({"kind": "html_200"}, "failed"),
        ({"kind": "status", "status": 200, "body": '{"log_id": "another"}'}, "failed"),
        ({"kind": "status", "status": 503, "times": 99}, "failed"),
    ],
)
def test_a_detail_that_fails_leaves_the_alert(scutum: Sandbox, fault: dict[str, Any], state: str) -> None:
    scutum.switches["scutum_rate_limit"] = 0
    scutum.faults.add({**fault, "match": {"route": DETAIL}})
    plain, whole, counts = enriched(scutum, details="first_n", details_limit=1)
    assert counts == {state: 1, "skipped": 59}
    assert whole[0].record["details"]["detail"] == state
    assert [entry.key for entry in whole] == [entry.key for entry in plain]
    assert len(calls(scutum, DETAIL)) == 1, "no detail is tried twice"


@pytest.mark.parametrize("number", [True, False])
def test_a_detail_adds_to_what_the_list_said(scutum: Sandbox, number: bool) -> None:
    scutum.switches["scutum_rate_limit"] = 0
    log_id = 4711 if number else scutum.scutum.alerts[0].log_id
    with client_of(scutum) as client:
        source = source_of(client, details="all")
        row = {"log_id": log_id, "ts": "2026-10-31T12:00:00+09:00", "block": True, "ip": "203.0.113.9"}
        source._rows = {str(log_id): row}
        body = json.dumps({"log_id": log_id, "uri": "/x", "ip": None})
        scutum.faults.add({"kind": "status", "status": 200, "body": body, "match": {"route": DETAIL}})
        (entry,) = source.enrich([source._entry(row, MONTH)])
    assert (entry.record["details"]["detail"], entry.record["path"]) == ("read", "/x")
    assert (entry.record["client_ip"], entry.record["action"]) == ("203.0.113.9", "blocked")


def test_refused_credentials_are_no_failed_detail(scutum: Sandbox) -> None:
    scutum.faults.add({"kind": "status", "status": 401, "match": {"route": DETAIL}})
    with pytest.raises(AuthenticationFailed):
        enriched(scutum, details="all")


def test_an_odd_log_keeps_its_place(scutum: Sandbox) -> None:
    with client_of(scutum) as client:
        source = source_of(client)
        entry = source._entry({"ip": "203.0.113.1", "ts": "never"}, MONTH)
        again = source._entry({"ip": "203.0.113.1", "ts": "never"}, MONTH)
        assert (entry.key, entry.time) == (again.key, MONTH.start)
        assert entry.key.startswith("content:")
        assert source.enrich([entry]) == [entry]
        assert source.unknown == {"ts": 2, "block": 2}


@pytest.mark.parametrize("change", [{"ip": "10.0.0.0/8"}, {"details": "all", "details_limit": -1}])
def test_wrong_options_are_refused_at_once(scutum: Sandbox, change: dict[str, Any]) -> None:
    with client_of(scutum) as client, pytest.raises(OptionError):
        source_of(client, **change)
    assert scutum.counters.requests == 0

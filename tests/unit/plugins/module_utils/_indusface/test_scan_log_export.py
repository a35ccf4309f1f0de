# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of scan logs as the collector sees it: days, keys, contents, records of two kinds."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.client import IndusfaceClient
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.scan_log_export import ScanLogSource
from ansible_collections.appsec.perimeter.plugins.module_utils._spool.disk.source import SpoolEntry, Window
from tests.sandbox import Sandbox

from ..indusface_kit import calls, client_of

DAY = dt.timedelta(days=1)
TODAY = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def source_of(client: IndusfaceClient, **changed: Any) -> ScanLogSource:
    return ScanLogSource(client, {"chunk_days": 1, "sensitive": "redact", "include_raw": False} | changed)


def read(sandbox: Sandbox, start: dt.datetime = TODAY, days: int = 1, **changed: Any) -> list[SpoolEntry]:
    with client_of(sandbox) as client:
        pages = source_of(client, **changed).pages(Window(start, start + days * DAY))
        return [entry for page in pages for entry in page]


def contents(entries: list[SpoolEntry]) -> dict[str, str]:
    return {entry.key: entry.content for entry in entries}


def test_one_scan_and_one_finding_for_each_vulnerability(indusface: Sandbox) -> None:
    entries = read(indusface)
    stored = indusface.indusface.scan_logs[-2:]
    scans = [entry for entry in entries if entry.record["record"] == "scan"]
    findings = [entry for entry in entries if entry.record["record"] == "finding"]
    assert [entry.key for entry in scans] == [
        f"{item.fields['ServiceId']}:{item.fields['ScanlogId']}" for item in stored
    ]
    expected = [
        f"{item.fields['ServiceId']}:{item.fields['ScanlogId']}:{alert['UniqueAlertId']}"
        for item in stored
        for alert in item.alerts
    ]
    assert [entry.key for entry in findings] == expected
    assert {entry.time for entry in entries} == {TODAY}


def test_a_window_of_one_day_is_a_date_and_a_longer_one_a_range(indusface: Sandbox) -> None:
    read(indusface)
    week = read(indusface, TODAY - 6 * DAY, 7)
    assert calls(indusface) == [{"date": "2026-11-01"}, {"fromDate": "2026-10-26", "toDate": "2026-11-01"}]
    assert {entry.time for entry in week} == {TODAY - number * DAY for number in range(7)}


def test_a_changed_row_is_a_new_record_and_the_same_row_is_not(indusface: Sandbox) -> None:
    before = contents(read(indusface))
    assert contents(read(indusface)) == before
    indusface.indusface.change("20450058", {"ScanStatus": "Partial Scan"})
    after = contents(read(indusface))
    assert [key for key in before if after[key] != before[key]] == ["78356:20450058"]


def test_a_changed_vulnerability_changes_itself_and_its_scan_log(indusface: Sandbox) -> None:
    before = contents(read(indusface))
    indusface.indusface.change_alert("20450058", 0, {"OpenStatus": "Closed"})
    after = contents(read(indusface))
    assert [key for key in before if after[key] != before[key]] == ["78356:20450058", "78356:20450058:3332201"]


@pytest.mark.parametrize(
    "switches",
    [{"indusface_service_type": "table"}, {"indusface_ids": "swapped"}, {"indusface_shape": "nested"}],
    ids=str,
)
def test_another_spelling_of_the_same_row_is_no_change(indusface: Sandbox, switches: dict[str, str]) -> None:
    before = contents(read(indusface))
    indusface.switches.update(switches)
    assert contents(read(indusface)) == before


def test_days_that_were_not_asked_for_stand_under_their_own_time(indusface: Sandbox) -> None:
    """The collector leaves out what another window owns; here it is counted, for a warning."""
    indusface.indusface.change("20450058", {"ScanDate": "2026-10-01"})
    with client_of(indusface) as client:
        source = source_of(client)
        entries = [entry for page in source.pages(Window(TODAY, TODAY + DAY)) for entry in page]
        assert source.outside == 1
        assert source.server_time() == indusface.log_clock.now().replace(microsecond=0)
    assert {entry.time for entry in entries if "20450058" in entry.key} == {dt.datetime(2026, 10, 1, tzinfo=dt.UTC)}


def test_a_scan_log_without_a_day_stands_in_the_window_it_came_in(indusface: Sandbox) -> None:
    indusface.indusface.change("20450058", {"ScanDate": ""})
    assert {entry.time for entry in read(indusface) if "20450058" in entry.key} == {TODAY}


def test_a_day_without_scans_is_an_empty_page(indusface: Sandbox) -> None:
    assert read(indusface, TODAY + 5 * DAY) == []


def test_raw_is_json_text(indusface: Sandbox) -> None:
    for entry in read(indusface, include_raw=True):
        raw = json.loads(entry.record["raw"])
        assert ("ScanlogId" in raw) == (entry.record["record"] == "scan")
        assert ("UniqueAlertId" in raw) == (entry.record["record"] == "finding")


def test_how_indusface_is_best_asked(indusface: Sandbox) -> None:
    with client_of(indusface) as client:
        one, week = source_of(client), source_of(client, chunk_days=7)
        assert (one.timing.granularity, one.timing.window, one.timing.overlap) == (DAY, DAY, 2 * DAY)
        assert (week.timing.window, one.timing.retention, one.timing.parallel) == (7 * DAY, None, 1)
        assert week.identity == one.identity != source_of(client, include_raw=True).identity
        assert source_of(client, account="").identity == one.identity != source_of(client, account="b").identity
        for secret in client.secrets():
            assert secret not in repr(one.identity)
        with pytest.raises(OptionError, match="chunk_days"):
            source_of(client, chunk_days=367)

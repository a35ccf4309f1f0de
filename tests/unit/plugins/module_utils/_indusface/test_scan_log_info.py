# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scan logs as a user asks for them, and every contradiction of the vendor's page.

See docs/vendors/indusface_was.md 10.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import BadResponse, OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.client import Days
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.fields import (
    ENVELOPE,
    HEADERS,
    PARAMETERS,
    SCAN_LOG,
    SPELLINGS,
    VULNERABILITY,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.scan_log_info import chunks
from tests.sandbox import Sandbox

from ..bent_time import BentTime
from ..indusface_kit import FIRST, LAST, calls, info

WEEK = {"from_date": "2026-10-26", "to_date": LAST}
ALL = {"from_date": FIRST, "to_date": LAST}


def test_the_tables_hold_what_the_page_of_the_vendor_lists() -> None:
    assert set(PARAMETERS) == {"date", "fromDate", "toDate"}
    assert set(HEADERS) == {"accessKey", "secretKey"}
    assert set(ENVELOPE) == {"status", "result.success", "result.error", "result.data"}
    assert set(SCAN_LOG) | set(SPELLINGS) == {
        *("ScanlogId", "ServicType", "ServiceType", "ServiceId", "URL", "ApplicationName", "SealStatus"),
        *("TotalFoundVulnerabilities", "ScanStatus", "ScanDate", "groups", "Vulnerabilities"),
    }
    assert set(VULNERABILITY) == {
        *("UniqueAlertId", "Title", "Severity", "CVSS_Score", "OpenStatus", "FoundOn", "FoundDate"),
    }


def test_one_day(indusface: Sandbox) -> None:
    result = info(indusface, date=LAST)
    assert calls(indusface) == [{"date": LAST}]
    assert [scan["id"] for scan in result.values["scan_logs"]] == ["20450058", "20450059"]
    assert {scan["time"] for scan in result.values["scan_logs"]} == {"2026-11-01T00:00:00Z"}
    assert (result.values["total"], result.values["truncated"], result.changed) == (2, False, False)
    assert result.values["messages"] == ["Data fetched successfully."]
    assert {finding["details"]["scan_id"] for finding in result.values["findings"]} <= {"20450058", "20450059"}


def test_a_range_is_read_day_by_day_and_both_ends_are_in(indusface: Sandbox) -> None:
    result = info(indusface, **WEEK)
    assert [call["date"] for call in calls(indusface)] == [f"2026-10-{day}" for day in range(26, 32)] + [LAST]
    assert result.values["total"] == 14
    assert [scan["time"][:10] for scan in result.values["scan_logs"]][:3] == ["2026-10-26", "2026-10-26", "2026-10-27"]


@pytest.mark.parametrize("chunk", [2, 3, 7, 30])
def test_a_range_in_larger_parts_is_the_same(indusface: Sandbox, chunk: int) -> None:
    by_day = info(indusface, **WEEK)
    indusface.reset_counters()
    in_parts = info(indusface, chunk_days=chunk, **WEEK)
    assert in_parts.values == by_day.values
    sent = calls(indusface)
    assert len(sent) == -(-7 // chunk)
    assert sent[0] == {"fromDate": "2026-10-26", "toDate": f"{dt.date(2026, 10, 25) + dt.timedelta(min(chunk, 7))}"}


def test_parts_never_name_a_day_beyond_the_calendar() -> None:
    last = dt.date.max
    assert list(chunks(Days(last - dt.timedelta(1), last), 366)) == [Days(last - dt.timedelta(1), last)]


def test_a_day_without_scans_is_no_error(indusface: Sandbox) -> None:
    result = info(indusface, date="2025-01-01")
    assert (result.values["scan_logs"], result.values["findings"], result.values["total"]) == ([], [], 0)
    assert result.values["messages"] == ["No data logs found."]
    assert result.warnings == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"date": "14-03-2026"}, "date"),
        ({"date": "2026-02-30"}, "date"),
        ({"date": "20260301"}, "date"),
        ({"date": "2026-W09-6"}, "date"),
        ({"from_date": "yesterday", "to_date": LAST}, "from_date"),
        ({"from_date": FIRST, "to_date": "2026-11-31"}, "to_date"),
        ({"from_date": LAST, "to_date": FIRST}, "from_date"),
        ({"date": LAST, "chunk_days": 0}, "chunk_days"),
        ({"date": LAST, "limit": 0}, "limit"),
        ({"date": LAST, "query": "[?"}, "query"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(
    indusface: Sandbox, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(OptionError) as caught:
        info(indusface, **options)
    assert caught.value.message.startswith(named)
    assert indusface.counters.requests == 0


def test_calls_are_a_second_apart_and_one_by_one(indusface: Sandbox) -> None:
    bent = BentTime(indusface)
    info(indusface, bent=bent, **WEEK)
    assert len(bent.waits) == 6
    assert all(1 <= wait < 1.5 for wait in bent.waits)
    assert indusface.counters.in_flight_max == 1


def test_a_limit_is_on_scan_logs_and_query_on_findings(indusface: Sandbox) -> None:
    whole = info(indusface, **WEEK)
    part = info(indusface, limit=3, query="[].details.scan_id", **WEEK)
    assert part.values["scan_logs"] == whole.values["scan_logs"][:3]
    assert (part.values["total"], part.values["truncated"]) == (14, True)
    kept = {scan["id"] for scan in part.values["scan_logs"]}
    expected = [item["details"]["scan_id"] for item in whole.values["findings"] if item["details"]["scan_id"] in kept]
    assert part.values["findings"] == expected


# What the page says in two ways


SPELLINGS_OF_THE_PAGE = [
    {"indusface_service_type": "table"},
    {"indusface_ids": "swapped"},
    {"indusface_shape": "nested"},
]


@pytest.mark.parametrize("switches", SPELLINGS_OF_THE_PAGE, ids=str)
def test_each_spelling_and_shape_means_the_same(indusface: Sandbox, switches: dict[str, str]) -> None:
    as_printed = info(indusface, chunk_days=30, **ALL)
    indusface.switches.update(switches)
    assert info(indusface, chunk_days=30, **ALL).values == as_printed.values
    assert as_printed.values["total"] == 60


def test_the_words_of_the_table_mean_those_of_the_samples(indusface: Sandbox) -> None:
    def essence(result: Any) -> list[Any]:
        seals = [scan["details"]["seal_status"] for scan in result.values["scan_logs"]]
        return [*seals, *((item["unique_id"], item["status"]) for item in result.values["findings"])]

    samples = essence(info(indusface, **ALL))
    indusface.switches["indusface_words"] = "table"
    assert essence(info(indusface, **ALL)) == samples
    assert {"pass", "fail"} <= set(samples)
    assert {status for _id, status in samples[60:]} == {"new", "open", "fixed", "reopened"}


def test_the_range_sample_as_it_is_printed_is_refused_with_the_position(indusface: Sandbox) -> None:
    indusface.switches["indusface_shape"] = "broken"
    with pytest.raises(BadResponse, match=r"not JSON .* character \d+"):
        info(indusface, chunk_days=7, **WEEK)
    with pytest.raises(BadResponse, match="not JSON"):
        info(indusface, date=LAST)


def test_days_that_were_not_asked_for_are_left_out_and_told(indusface: Sandbox) -> None:
    indusface.indusface.change("20450058", {"ScanDate": "2026-10-01"})
    result = info(indusface, date=LAST)
    assert [scan["id"] for scan in result.values["scan_logs"]] == ["20450059"]
    assert "1 scan logs of days that were not asked for" in result.warnings[0]


def test_a_scan_log_without_a_day_stays(indusface: Sandbox) -> None:
    indusface.indusface.change("20450058", {"ScanDate": None})
    result = info(indusface, date=LAST)
    assert result.values["scan_logs"][0]["time"] is None
    assert result.values["unknown_values"]["ScanDate"] >= 1


def test_an_exclusive_end_loses_nothing_day_by_day(indusface: Sandbox) -> None:
    """Whether toDate belongs to the range is not documented; single days do not depend on it."""
    inclusive = info(indusface, **WEEK)
    indusface.switches["indusface_range"] = "exclusive"
    assert info(indusface, **WEEK).values == inclusive.values
    assert info(indusface, chunk_days=7, **WEEK).values["total"] == 12


def test_both_totals_are_returned(indusface: Sandbox) -> None:
    scans = info(indusface, **ALL).values["scan_logs"]
    assert any(scan["details"]["reported_total"] > scan["details"]["listed_total"] for scan in scans)
    for scan in scans:
        stored = next(item for item in indusface.indusface.scan_logs if item.fields["ScanlogId"] == scan["id"])
        assert scan["details"]["reported_total"] == stored.fields["TotalFoundVulnerabilities"]
        assert scan["details"]["listed_total"] == len(stored.alerts)


def test_what_a_scan_proves(indusface: Sandbox) -> None:
    scans = info(indusface, **ALL).values["scan_logs"]
    ends = {scan["status_native"]: (scan["status"], scan["end_reason"], scan["conclusive"]) for scan in scans}
    assert ends == {
        "Scan Success": ("finished", "finished", True),
        "Scan Success Time Over": ("finished", "finished", True),
        "Partial Scan": ("finished", "time_limit", False),
        "Scan Error": ("failed", "error", False),
    }
    errors = [scan for scan in scans if scan["status_native"] == "Scan Error"]
    assert {scan["details"]["listed_total"] for scan in errors} == {0}
    assert {scan["details"]["seal_status"] for scan in errors} == {"fail"}


def test_an_empty_name_is_the_host(indusface: Sandbox) -> None:
    scans = info(indusface, **ALL).values["scan_logs"]
    unnamed = [item.fields["ScanlogId"] for item in indusface.indusface.scan_logs if not item.fields["ApplicationName"]]
    assert unnamed
    names = {scan["id"]: scan["asset"]["name"] for scan in scans}
    assert all(names[scan_id].startswith("app") and names[scan_id].endswith(".example.com") for scan_id in unnamed)


def test_types_beyond_the_examples_are_kept_and_counted(indusface: Sandbox) -> None:
    result = info(indusface, **ALL)
    assert {scan["details"]["service_type"] for scan in result.values["scan_logs"]} == {"AA", "MM", "VA", "XX"}
    assert result.values["unknown_values"] == {"ServiceType=XX": 15}


def test_a_finding_keeps_its_id_through_its_life(indusface: Sandbox) -> None:
    seen: dict[str, list[str]] = {}
    for finding in info(indusface, **ALL).values["findings"]:
        seen.setdefault(finding["unique_id"], []).append(finding["status"])
    assert any(len(set(statuses)) >= 3 for statuses in seen.values())


def test_include_raw_is_the_object_untouched(indusface: Sandbox) -> None:
    result = info(indusface, date=LAST, include_raw=True)
    stored = indusface.indusface.scan_logs[-2:]
    assert [scan["raw"] for scan in result.values["scan_logs"]] == [
        {**item.fields, "Vulnerabilities": item.alerts} for item in stored
    ]
    assert all("UniqueAlertId" in finding["raw"] for finding in result.values["findings"])


def test_values_that_look_like_credentials_are_redacted(indusface: Sandbox) -> None:
    assert "sandbox-query-token" not in repr(info(indusface, **WEEK).values)
    assert "sandbox-query-token" in repr(info(indusface, sensitive="keep", **WEEK).values)

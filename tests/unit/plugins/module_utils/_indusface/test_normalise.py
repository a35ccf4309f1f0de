# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indusface's scan logs in our form: each field has its place, and nothing odd or hostile breaks one."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.fields import SCAN_LOG, VULNERABILITY
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.normalise import ScanLogNormaliser
from ansible_collections.appsec.perimeter.plugins.module_utils._indusface.rows import (
    alert_content,
    alert_keys,
    scan_content,
    scan_key,
    scan_rows_of,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Finding, Scan

ALERT = {
    "UniqueAlertId": 3332161,
    "Title": "Insecure Content Security Policy (CSP)/X-Frame-Options",
    "Severity": "Medium",
    "CVSS_Score": "6.1",
    "OpenStatus": "NEW",
    "FoundOn": "https://reports.example.com/?a=1",
    "FoundDate": "2024-08-02",
}
LOG = {
    "ScanlogId": "12832867",
    "ServicType": "AA",
    "ServiceId": 78346,
    "URL": "https://reports.example.com/as/aa/fail",
    "ApplicationName": "",
    "SealStatus": "PASS",
    "TotalFoundVulnerabilities": 31,
    "ScanStatus": "Scan Success Time Over",
    "ScanDate": "2024-08-02",
    "groups": ["b", "a"],
    "Vulnerabilities": [ALERT],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=4), children, max_size=3),
    max_leaves=5,
)
LOGS = st.fixed_dictionaries(
    {},
    optional={
        **{name: JSON for name in [*SCAN_LOG, "ServicType", "new"] if name != "Vulnerabilities"},
        "Vulnerabilities": JSON | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(VULNERABILITY, JSON))),
    },
)


def row_of(log: dict[str, Any]) -> Any:
    (row,) = scan_rows_of([log])
    return row


def scan(log: dict[str, Any], **options: Any) -> dict[str, Any]:
    return cast(dict[str, Any], ScanLogNormaliser(**options).scan(row_of(log)))


def finding(alert: dict[str, Any], **options: Any) -> dict[str, Any]:
    row = row_of({**LOG, "Vulnerabilities": [alert]})
    return cast(dict[str, Any], ScanLogNormaliser(**options).finding(row, row.alerts[0]))


def look(record: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        record = record[name]
    return record


def test_the_sample_of_the_vendor_as_a_scan() -> None:
    found = scan(LOG)
    assert set(found) == set(Scan.__annotations__) - {"raw"}
    assert {name: value for name, value in found.items() if value is not None} == {
        "record": "scan",
        "schema": 1,
        "source": "indusface",
        "id": "12832867",
        "kind": "vulnerability",
        "asset": {
            "id": "78346",
            "name": "reports.example.com",
            "url": "https://reports.example.com/as/aa/fail",
            "tags": ["a", "b"],
        },
        "time": "2024-08-02T00:00:00Z",
        "status": "finished",
        "status_native": "Scan Success Time Over",
        "end_reason": "finished",
        "conclusive": True,
        "counts": {"critical": 0, "high": 0, "medium": 1, "low": 0, "info": 0, "unknown": 0},
        "details": {
            "service_type": "AA",
            "seal_status": "pass",
            "reported_total": 31,
            "listed_total": 1,
            "time_precision": "day",
        },
    }


def test_the_sample_of_the_vendor_as_a_finding() -> None:
    found = finding(ALERT)
    assert set(found) == set(Finding.__annotations__) - {"raw"}
    assert len(found.pop("fingerprint")) == 32
    assert {name: value for name, value in found.items() if value not in (None, [])} == {
        "record": "finding",
        "schema": 1,
        "source": "indusface",
        "id": "3332161",
        "unique_id": "78346:3332161",
        "title": "Insecure Content Security Policy (CSP)/X-Frame-Options",
        "kind": "vulnerability",
        "severity": "medium",
        "severity_native": "Medium",
        "cvss_score": 6.1,
        "status": "new",
        "asset": scan(LOG)["asset"],
        "url": "https://reports.example.com/?a=1",
        "last_seen": "2024-08-02T00:00:00Z",
        "last_tested": "2024-08-02T00:00:00Z",
        "details": {
            "scan_id": "12832867",
            "service_type": "AA",
            "status_native": "NEW",
            "cvss_score_native": "6.1",
            "found_date": "2024-08-02",
            "time_precision": "day",
        },
    }


SCAN_CASES: list[tuple[str, Any, Any]] = [
    ("ScanlogId", "1", "1"),
    ("ScanlogId", 1, "1"),
    ("ServiceType", "MM", "MM"),
    ("ServiceId", 2, "2"),
    ("ServiceId", "2", "2"),
    ("URL", "http://x.example", "http://x.example"),
    ("ApplicationName", "Shop", "Shop"),
    ("ApplicationName", "", "reports.example.com"),
    ("SealStatus", "PASS", "pass"),
    ("SealStatus", "Fail", "fail"),
    ("SealStatus", "Pending", "Pending"),
    ("SealStatus", None, None),
    ("TotalFoundVulnerabilities", 0, 0),
    ("TotalFoundVulnerabilities", "30", 30),
    ("TotalFoundVulnerabilities", "many", None),
    ("ScanStatus", "Partial Scan", "Partial Scan"),
    ("ScanDate", "2024-08-05", "2024-08-05T00:00:00Z"),
    ("ScanDate", "2024-13-05", None),
    ("groups", ["x", "AAR", 3], ["3", "AAR", "x"]),
    ("groups", None, []),
    ("Vulnerabilities", [], dict.fromkeys(("critical", "high", "medium", "low", "info", "unknown"), 0)),
]


@pytest.mark.parametrize(("name", "value", "expected"), SCAN_CASES)
def test_each_field_of_a_scan_log_has_its_place(name: str, value: Any, expected: Any) -> None:
    assert look(scan({**LOG, name: value}), SCAN_LOG[name].scan or "") == expected
    assert {case[0] for case in SCAN_CASES} == set(SCAN_LOG)


ALERT_CASES: list[tuple[str, Any, Any]] = [
    ("UniqueAlertId", 9, "9"),
    ("UniqueAlertId", "9", "9"),
    ("UniqueAlertId", None, ""),
    ("Title", "{{ 7 * 7 }}", "{{ 7 * 7 }}"),
    ("Severity", "Critical", "critical"),
    ("Severity", "HIGH", "high"),
    ("Severity", "low", "low"),
    ("Severity", "Info", "info"),
    ("Severity", "Disastrous", "unknown"),
    ("CVSS_Score", "9.8", 9.8),
    ("CVSS_Score", 9.8, 9.8),
    ("CVSS_Score", 0, 0.0),
    ("CVSS_Score", "", None),
    ("CVSS_Score", "n/a", None),
    ("CVSS_Score", "nan", None),
    ("CVSS_Score", "11", None),
    ("OpenStatus", "NEW", "new"),
    ("OpenStatus", "New", "new"),
    ("OpenStatus", "OPEN", "open"),
    ("OpenStatus", "Opened", "open"),
    ("OpenStatus", "Closed", "fixed"),
    ("OpenStatus", "Re-Opened", "reopened"),
    ("OpenStatus", "REOPENED", "reopened"),
    ("OpenStatus", "Waiting", "unknown"),
    ("FoundOn", "https://x.example/a", "https://x.example/a"),
    ("FoundDate", "2024-08-05", "2024-08-05"),
]


@pytest.mark.parametrize(("name", "value", "expected"), ALERT_CASES)
def test_each_field_of_a_vulnerability_has_its_place(name: str, value: Any, expected: Any) -> None:
    assert look(finding({**ALERT, name: value}), VULNERABILITY[name].finding or "") == expected
    assert {case[0] for case in ALERT_CASES} == set(VULNERABILITY)


def test_unknown_words_and_fields_are_counted_and_kept() -> None:
    normaliser = ScanLogNormaliser()
    odd = {**ALERT, "OpenStatus": "Waiting", "Severity": "W" * 99, "Cwe": 79}
    row = row_of({**LOG, "ScanStatus": "Queued", "Vulnerabilities": [odd, 7], "Region": "x"})
    assert normaliser.scan(row)["status"] == "unknown"
    assert normaliser.finding(row, odd)["details"]["status_native"] == "Waiting"
    assert normaliser.unknown == {
        "ScanStatus=Queued": 1,
        "OpenStatus=Waiting": 1,
        f"Severity={'W' * 40}": 1,
        "field Cwe": 1,
        "field Region": 1,
        "Vulnerabilities": 1,
    }


def test_closed_findings_are_listed_and_not_counted() -> None:
    closed = {**ALERT, "UniqueAlertId": 2, "OpenStatus": "Closed"}
    found = scan({**LOG, "Vulnerabilities": [ALERT, closed]})
    assert (found["counts"]["medium"], found["details"]["listed_total"]) == (1, 2)


def test_credentials_in_urls_are_redacted_and_do_not_change_the_fingerprint() -> None:
    secret = {**ALERT, "FoundOn": "https://reports.example.com/?a=1&token=s3cr3t"}
    assert "s3cr3t" not in json.dumps(finding(secret))
    assert "s3cr3t" in json.dumps(finding(secret, keep_sensitive=True))
    assert finding(secret)["fingerprint"] == finding(secret, keep_sensitive=True)["fingerprint"]
    assert finding(ALERT)["fingerprint"] == finding({**ALERT, "OpenStatus": "Closed"})["fingerprint"]


# Identity and content


def test_the_table_s_spelling_wins_over_the_sample_s() -> None:
    assert scan({**LOG, "ServiceType": "VA"})["details"]["service_type"] == "VA"


def test_nested_scan_logs_are_lifted_at_any_depth() -> None:
    third = {**LOG, "ScanlogId": "3"}
    second = {**LOG, "ScanlogId": "2", "Vulnerabilities": [third, ALERT]}
    first = {**LOG, "Vulnerabilities": [ALERT, second]}
    rows = list(scan_rows_of([first, {**LOG, "ScanlogId": "4"}]))
    assert [scan_key(row) for row in rows] == ["78346:12832867", "78346:2", "78346:3", "78346:4"]
    assert [len(row.alerts) for row in rows] == [1, 1, 1, 1]
    assert rows[0].raw == LOG


SAME = [
    {"ServiceType": "AA", "ServicType": "AA"},
    {"ScanlogId": 12832867},
    {"ServiceId": "78346"},
    {"TotalFoundVulnerabilities": "31"},
    {"Vulnerabilities": [{**ALERT, "UniqueAlertId": "3332161", "CVSS_Score": 6.1}]},
]


@pytest.mark.parametrize("change", SAME, ids=str)
def test_the_same_row_in_another_spelling_is_no_change(change: dict[str, Any]) -> None:
    assert scan_key(row_of({**LOG, **change})) == scan_key(row_of(LOG))
    assert scan_content(row_of({**LOG, **change})) == scan_content(row_of(LOG))


@pytest.mark.parametrize(
    "change",
    [{"ScanStatus": "Partial Scan"}, {"Region": "x"}, {"Vulnerabilities": [{**ALERT, "OpenStatus": "OPEN"}]}],
    ids=str,
)
def test_another_value_is_a_change_of_the_same_record(change: dict[str, Any]) -> None:
    assert scan_key(row_of({**LOG, **change})) == scan_key(row_of(LOG))
    assert scan_content(row_of({**LOG, **change})) != scan_content(row_of(LOG))


def test_the_order_of_vulnerabilities_is_no_content() -> None:
    others = [ALERT, {**ALERT, "UniqueAlertId": 2}, {**ALERT, "FoundOn": "https://reports.example.com/b"}]
    one, other = row_of({**LOG, "Vulnerabilities": others}), row_of({**LOG, "Vulnerabilities": others[::-1]})
    assert scan_content(one) == scan_content(other)
    assert alert_keys(one) == alert_keys(other)
    keys = [key for key, _alert in alert_keys(one)]
    assert keys == ["78346:12832867:2", "78346:12832867:3332161", "78346:12832867:3332161~2"]


def test_a_vulnerability_twice_is_one() -> None:
    row = row_of({**LOG, "Vulnerabilities": [ALERT, dict(ALERT), {**ALERT, "UniqueAlertId": "3332161"}]})
    assert len(alert_keys(row)) == 1


def test_without_ids_the_content_is_the_identity() -> None:
    nameless = {name: value for name, value in LOG.items() if name != "ScanlogId"}
    row = row_of({**nameless, "Vulnerabilities": [{**ALERT, "UniqueAlertId": None}]})
    assert scan_key(row) == f"content:{scan_content(row)}"
    ((key, alert),) = alert_keys(row)
    assert key.endswith(f":content-{alert_content(alert)}")


@given(LOGS)
def test_no_value_breaks_a_scan_log(log: dict[str, Any]) -> None:
    for row in scan_rows_of([log]):
        normaliser = ScanLogNormaliser()
        assert set(normaliser.scan(row)) == set(Scan.__annotations__) - {"raw"}
        keys = alert_keys(row)
        assert len({key for key, _alert in keys}) == len(keys)
        for _key, alert in keys:
            found = normaliser.finding(row, alert)
            assert set(found) == set(Finding.__annotations__) - {"raw"}
            assert found["severity"] in ("critical", "high", "medium", "low", "info", "unknown")


@given(LOGS, st.randoms())
def test_content_does_not_depend_on_the_order_of_keys(log: dict[str, Any], random: Any) -> None:
    names = list(log)
    random.shuffle(names)
    shuffled = {name: log[name] for name in names}
    assert [scan_content(row) for row in scan_rows_of([log])] == [scan_content(row) for row in scan_rows_of([shuffled])]

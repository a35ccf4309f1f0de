# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters: everything that the vendor's pages promise is accepted, here and by the server; nothing else is sent."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import TABLES, build
from tests.sandbox import Sandbox

from ...qualys_kit import client_of

INTEGER = ("EQUALS", "NOT EQUALS", "GREATER", "LESSER", "IN")
SOME_INTEGER = ("EQUALS", "NOT EQUALS", "IN")
TEXT = ("CONTAINS", "EQUALS", "NOT EQUALS")
DATE = ("EQUALS", "NOT EQUALS", "GREATER", "LESSER")
DATE_IN = (*DATE, "IN")
KEYWORD = ("EQUALS", "NOT EQUALS", "IN")
BOOLEAN = ("EQUALS", "NOT EQUALS")
DATES = ("2026-01-31", "2026-01-31T08:00:00Z")
LAST_SCAN = (
    *("SUBMITTED", "RUNNING", "FINISHED", "TIME_LIMIT_EXCEEDED", "SCAN_NOT_LAUNCHED", "SCANNER_NOT_AVAILABLE"),
    *("ERROR", "CANCELLED"),
)
GROUPS = ("XSS", "SQL", "INFO", "PATH", "CC", "SSN_US", "CUSTOM")

# The tables of vendor-docs/qualysdk-was.txt, row by row: field (with the vendor's dots), operators, sample values.
SDK_WEBAPPS: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "id": (INTEGER, (410001, "410001")),
    "name": (TEXT, ("prod",)),
    "url": (TEXT, ("https://example.com",)),
    "tags.name": (TEXT, ("deprecated",)),
    "tags.id": (INTEGER, (12345, "54321")),
    "createdDate": (DATE, DATES),
    "updatedDate": (DATE, DATES),
    "isScheduled": (BOOLEAN, (True, False, "true", "False")),
    "isScanned": (BOOLEAN, (True, False)),
    "lastScan.status": (KEYWORD, LAST_SCAN),
    "lastScan.date": (DATE, DATES),
}
SDK_FINDINGS: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "id": (INTEGER, (5100001,)),
    "uniqueId": (("EQUALS",), ("01234567-89ab-4def-a123-456789abcdef",)),
    "qid": (INTEGER, (150001,)),
    "name": (TEXT, ("Cross-Site",)),
    "type": (KEYWORD, ("VULNERABILITY", "SENSITIVE_CONTENT", "INFORMATION_GATHERED")),
    "url": (TEXT, ("https://example.com",)),
    "webApp.tags.id": (SOME_INTEGER, (12345,)),
    "webApp.tags.name": (TEXT, ("PROD",)),
    "status": (KEYWORD, ("NEW", "ACTIVE", "REOPENED", "PROTECTED", "FIXED")),
    "patch": (SOME_INTEGER, (7,)),
    "webApp.id": (SOME_INTEGER, (410001,)),
    "webApp.name": (TEXT, ("shop",)),
    "severity": (SOME_INTEGER, (1, 2, 3, 4, 5)),
    "externalRef": (TEXT, ("JIRA-1",)),
    "ignoredDate": (DATE_IN, DATES),
    "ignoredReason": (KEYWORD, ("FALSE_POSITIVE", "RISK_ACCEPTED", "NOT_APPLICABLE")),
    "group": (KEYWORD, GROUPS),
    "owasp.name": (TEXT, ("Injection",)),
    "owasp.code": (SOME_INTEGER, (3,)),
    "wasc.name": (TEXT, ("XSS",)),
    "wasc.code": (SOME_INTEGER, (8,)),
    "cwe.id": (SOME_INTEGER, (79,)),
    "firstDetectedDate": (DATE_IN, DATES),
    "lastDetectedDate": (DATE_IN, DATES),
    "lastTestedDate": (DATE_IN, DATES),
    "timesDetected": (INTEGER, (4,)),
    "fixedDate": (DATE_IN, DATES),
}
# What docs/vendors/qualys_was.md 7 adds to the SDK's page.
PAGE_WEBAPPS: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "tags": (("NONE",), (None, "")),
    "lastScan.status": (KEYWORD, ("CANCELED",)),
}
PAGE_FINDINGS: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "uniqueId": (TEXT, ("01234567-89ab-4def-a123-456789abcdef",)),
    "findingType": (KEYWORD, ("QUALYS", "BURP", "BUGCROWD")),
    "isIgnored": (BOOLEAN, (True, False)),
    "webApp.tags": (("NONE",), (None,)),
    "externalRef": (("IS EMPTY",), (None, "")),
    "webApp.id": (INTEGER, (410001,)),
    "webApp.tags.id": (INTEGER, (9,)),
    "patch": (INTEGER, (7,)),
    "severity": (INTEGER, (3,)),
    "owasp.code": (INTEGER, (3,)),
    "wasc.code": (INTEGER, (8,)),
    "cwe.id": (INTEGER, (79,)),
}


def rows(resource: str, *tables: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]]) -> list[tuple[str, str, str, Any]]:
    return [
        (resource, field, operator, value)
        for table in tables
        for field, (operators, values) in table.items()
        for operator in operators
        for value in values
    ]


ROWS = rows("webapp", SDK_WEBAPPS, PAGE_WEBAPPS) + rows("finding", SDK_FINDINGS, PAGE_FINDINGS)


def one(resource: str = "finding", *, strict: bool = True, **criterion: Any) -> dict[str, str]:
    (found,) = build([criterion], resource, strict=strict)
    return found


def test_every_field_operator_and_value_of_the_vendors_pages_is_accepted_here_and_by_the_server(
    estate: Sandbox,
) -> None:
    refused = []
    with client_of(estate) as client:
        for resource, field, operator, value in ROWS:
            criterion = one(resource, field=field, operator=operator, value=value)
            # The SDK's page allows IN for dates; the vendor's own does not, and the sandbox follows the vendor.
            if field.endswith("Date") and operator == "IN":
                continue
            try:
                client.count(resource, [criterion])
            except Exception as error:  # noqa: BLE001
                refused.append((criterion, str(error)))
    assert refused == []
    assert len(ROWS) > 250


@pytest.mark.parametrize("resource", ["webapp", "finding"])
def test_every_field_of_our_table_stands_on_one_of_the_vendors_pages(resource: str) -> None:
    pages = {"webapp": SDK_WEBAPPS | PAGE_WEBAPPS, "finding": SDK_FINDINGS | PAGE_FINDINGS}[resource]
    assert set(TABLES[resource]) - set(pages) == ({"attributes"} if resource == "webapp" else set())


@pytest.mark.parametrize("spelling", ["CANCELLED", "CANCELED", "cancelled", " Canceled "])
def test_cancelled_is_sent_with_one_l(spelling: str) -> None:
    assert one("webapp", field="lastScan.status", value=spelling)["value"] == "CANCELED"
    listed = one("webapp", field="lastScan.status", value=["RUNNING", spelling])
    assert (listed["operator"], listed["value"]) == ("IN", "RUNNING,CANCELED")


@pytest.mark.parametrize(
    ("criterion", "sent"),
    [
        ({"field": "severity", "value": 5}, ("EQUALS", "5")),
        ({"field": "severity", "value": [4, 5]}, ("IN", "4,5")),
        ({"field": "severity", "value": "4, 5", "operator": "IN"}, ("IN", "4,5")),
        ({"field": "severity", "value": [4, 5], "operator": "in"}, ("IN", "4,5")),
        ({"field": "severity", "value": [4], "operator": "not_equals"}, ("NOT EQUALS", "4")),
        ({"field": "webApp.tags"}, ("NONE", "")),
        ({"field": "externalRef", "operator": "is_empty"}, ("IS EMPTY", "")),
        ({"field": "name", "value": " a, b "}, ("EQUALS", " a, b ")),
        ({"field": "isIgnored", "value": "TRUE"}, ("EQUALS", "true")),
        ({"field": "status", "value": "new"}, ("EQUALS", "NEW")),
        ({"field": "lastTestedDate", "value": "2026-01-31T08:00:00+02:00"}, ("EQUALS", "2026-01-31T06:00:00Z")),
        ({"field": "lastTestedDate", "value": "2026-01-31 08:00:00.75"}, ("EQUALS", "2026-01-31T08:00:00Z")),
        ({"field": "lastTestedDate", "value": "2026-01-31"}, ("EQUALS", "2026-01-31")),
        ({"field": "lastTestedDate", "value": "2026-W05-6"}, ("EQUALS", "2026-01-31T00:00:00Z")),
        ({"field": "lastTestedDate", "value": ["2026-01-31", "2026-02-01"]}, ("IN", "2026-01-31,2026-02-01")),
    ],
)
def test_what_is_sent(criterion: dict[str, Any], sent: tuple[str, str]) -> None:
    found = one(**criterion)
    assert (found["operator"], found["value"]) == sent
    assert "name" not in found


def test_a_custom_attribute_carries_its_name(estate: Sandbox) -> None:
    criterion = one("webapp", field="attributes", name="Business Unit", value="Retail")
    assert criterion == {"field": "attributes", "operator": "EQUALS", "value": "Retail", "name": "Business Unit"}
    with client_of(estate) as client:
        with_it = client.count("webapp", [criterion])
        without = client.count("webapp", [criterion | {"operator": "NOT EQUALS"}])
    assert 0 < with_it < 200
    assert with_it + without == 200


@pytest.mark.parametrize(
    ("criterion", "words", "hint"),
    [
        ({"field": "colour", "value": 1}, "colour is not a known search field", "webApp.id"),
        ({"field": "Severity", "value": 1}, "Severity is not a known search field", "filters_strict"),
        ({"field": "severity", "operator": "CONTAINS", "value": 1}, "severity does not support", "GREATER"),
        ({"field": "name", "operator": "IN", "value": ["a"]}, "name does not support", "CONTAINS"),
        ({"field": "name", "value": ["a", "b"]}, "name does not support", "CONTAINS"),
        ({"field": "severity", "value": 6}, "'6' is not a valid value of severity", "1, 2, 3, 4, 5"),
        ({"field": "severity", "value": [5, 6]}, "'6' is not a valid value of severity", "1, 2, 3, 4, 5"),
        ({"field": "status", "value": "OPEN"}, "'OPEN' is not a valid value of status", "REOPENED"),
        ({"field": "qid", "value": "x"}, "'x' is not a valid value of qid", "digits"),
        ({"field": "qid", "value": -1}, "'-1' is not a valid value of qid", "digits"),
        ({"field": "qid", "value": "٣"}, "is not a valid value of qid", "digits"),
        ({"field": "isIgnored", "value": "yes"}, "'yes' is not a valid value of isIgnored", "true or false"),
        ({"field": "fixedDate", "value": "yesterday"}, "'yesterday' is not a valid value of fixedDate", "2026-01-31"),
        ({"field": "fixedDate", "value": "2026-02-30"}, "is not a valid value of fixedDate", "2026-01-31T08:00:00Z"),
        ({"field": "fixedDate", "value": "0001-01-01T00:00:00+10:00"}, "is not a valid value of fixedDate", "UTC"),
        ({"field": "severity", "value": None}, "severity requires a value", ""),
        ({"field": "severity", "value": []}, "severity requires a value", ""),
        ({"field": "severity", "value": [5, None]}, "severity requires a value", ""),
        ({"field": "name", "value": "  "}, "name requires a value", "everything"),
        ({"field": "severity", "operator": "IN", "value": "4,,5"}, "severity requires a value", ""),
        ({"field": "severity", "operator": "EQUALS", "value": [4, 5]}, "severity with the operator EQUALS", "IN"),
        ({"field": "webApp.tags", "value": "x"}, "webApp.tags with the operator NONE takes no value", ""),
        ({"field": "severity", "value": 5, "name": "x"}, "name is required with the field attributes", "attributes"),
        ({"field": "name", "value": {"a": 1}}, "the value of name must be", ""),
        ({"field": "severity", "value": [[5]]}, "the value of severity must be", ""),
    ],
)
def test_a_wrong_filter_is_refused_with_the_field_and_what_is_allowed(
    criterion: dict[str, Any], words: str, hint: str
) -> None:
    with pytest.raises(OptionError) as caught:
        one(**criterion)
    assert caught.value.message.startswith("filters: ")
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_a_custom_attribute_without_a_name_is_refused() -> None:
    with pytest.raises(OptionError, match="name is required with the field attributes"):
        one("webapp", field="attributes", value="x")


def test_a_new_vendor_field_passes_when_filters_are_not_strict() -> None:
    listed = one(strict=False, field="newField", value=["a", 1, True])
    assert listed == {"field": "newField", "operator": "IN", "value": "a,1,true"}
    assert one(strict=False, field="newField", value="x")["operator"] == "EQUALS"
    assert one(strict=False, field="newField", operator="starts_with", value="x")["operator"] == "STARTS WITH"


def test_a_known_field_is_checked_also_when_filters_are_not_strict() -> None:
    with pytest.raises(OptionError, match="severity"):
        one(strict=False, field="severity", value=9)


@pytest.mark.parametrize("filters", [None, []])
def test_no_filters_are_no_criteria(filters: Any) -> None:
    assert build(filters, "webapp") == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(DATES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(
    field=st.sampled_from(sorted({*SDK_WEBAPPS, *SDK_FINDINGS, "tags", "attributes", "nonsense"})),
    operator=st.none() | st.sampled_from([*INTEGER, "CONTAINS", "NONE", "IS EMPTY"]) | st.text(max_size=8),
    value=VALUES,
    name=st.none() | st.text(max_size=5),
    resource=st.sampled_from(sorted(TABLES)),
    strict=st.booleans(),
)
def test_no_filter_fails_in_any_other_way(
    field: str, operator: str | None, value: Any, name: str | None, resource: str, strict: bool
) -> None:
    with contextlib.suppress(OptionError):
        found = one(resource, strict=strict, field=field, operator=operator, value=value, name=name)
        assert all(isinstance(item, str) for item in found.values())

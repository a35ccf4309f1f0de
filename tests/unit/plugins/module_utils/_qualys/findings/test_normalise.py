# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Qualys' findings in our form: every row of the field table, on what the server really sends and on anything else."""

from __future__ import annotations

import base64
import collections
import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.listing import Listing
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.shapes import Raw
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import (
    FIELDS as WEBAPP_FIELDS,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp_fields import from_raw
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_fields
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.finding_fields import (
    FIELDS,
    GET,
    KINDS,
    SEVERITY_LEVELS,
    STATUS_WORDS,
    SUMMARY,
    VERBOSE,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.normalise import FindingNormaliser
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile.plan import shown_record
from ansible_collections.appsec.perimeter.plugins.module_utils._records import model
from ansible_collections.appsec.perimeter.plugins.module_utils._records.codec import dumps
from ansible_collections.appsec.perimeter.plugins.module_utils._records.redaction.values import MARKER
from tests.sandbox import Sandbox

from ...qualys_kit import client_of

LEVELS = (SUMMARY, VERBOSE, GET)
KEYS = set(model.Finding.__annotations__) - {"raw", "details"}


def finding(raw: Raw, **options: Any) -> Any:
    return FindingNormaliser(**options).finding(raw)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode().rstrip("=")


RAW: Raw = {
    "id": 9001,
    "uniqueId": "01234567-89ab-4def-a123-456789abcdef",
    "qid": 150001,
    "detectionScore": 88,
    "name": "Reflected XSS",
    "type": "VULNERABILITY",
    "potential": "false",
    "findingType": "QUALYS",
    "group": "XSS",
    "cwe": {"count": 1, "list": [79]},
    "owasp": {"count": 1, "list": [{"OWASP": {"name": "Injection", "url": "https://owasp.test", "code": 3}}]},
    "wasc": {"count": 1, "list": [{"WASC": {"name": "XSS", "url": "https://wasc.test", "code": "8"}}]},
    "param": "user%5Bname%5D",
    "severity": "4",
    "originalSeverity": "5",
    "url": "https://shop.test/search?q=x&token=canary",
    "status": "ACTIVE",
    "firstDetectedDate": "2026-01-01T00:00:00Z",
    "lastDetectedDate": "2026-02-01T00:00:00Z",
    "lastTestedDate": "2026-03-01T00:00:00+01:00",
    "fixedDate": "2026-04-01T00:00:00Z",
    "timesDetected": 7,
    "webApp": {
        "id": 410001,
        "name": "shop",
        "url": "https://shop.test/",
        "tags": {"count": 2, "list": [{"Tag": {"id": 2, "name": "prod"}}, {"Tag": {"id": 1, "name": "pci"}}]},
    },
    "isIgnored": "true",
    "ignoredReason": "RISK_ACCEPTED",
    "ignoredBy": {"id": 1, "username": "ada"},
    "ignoredDate": "2026-01-05T00:00:00Z",
    "ignoredComment": "accepted",
    "reactivateDate": "2027-01-01T00:00:00Z",
    "externalRef": "JIRA-1",
    "patch": 5,
    "cvssV3": {"base": 6.1, "temporal": "5.8", "attackVector": "Network"},
    "resultList": {
        "count": 1,
        "list": [
            {
                "Result": {
                    "authentication": "true",
                    "payloads": {
                        "count": 1,
                        "list": [
                            {
                                "PayloadInstance": {
                                    "payload": "<script>",
                                    "request": {
                                        "method": "POST",
                                        "link": "https://shop.test/search?sid=canary",
                                        "headers": encoded("Host: shop.test\r\nCookie: SID=canary\r\n"),
                                        "body": encoded("q=<script>&password=canary"),
                                    },
                                    "response": "HTTP/1.1 200 OK\nSet-Cookie: SID=canary\n\n<script>",
                                    "payloadResult": "matched",
                                }
                            }
                        ],
                    },
                }
            }
        ],
    },
    "sslData": {"protocol": "tcp", "sslDataInfoList": {"list": [{"SSLDataInfo": {"a": {"count": 0, "list": []}}}]}},
}


def test_every_part_has_its_place() -> None:
    found = finding(RAW)
    assert set(found) == KEYS | {"details"}
    assert {key: found[key] for key in found if key not in ("evidence", "fingerprint", "url")} == {
        "record": "finding",
        "schema": 1,
        "source": "qualys",
        "id": "9001",
        "unique_id": "01234567-89ab-4def-a123-456789abcdef",
        "rule_id": "150001",
        "title": "Reflected XSS",
        "kind": "vulnerability",
        "severity": "high",
        "severity_native": "4",
        "original_severity": "5",
        "cvss_score": 6.1,
        "cvss_vector": "Network",
        "detection_score": 88,
        "status": "open",
        "ignored": {
            "reason": "RISK_ACCEPTED",
            "by": "ada",
            "at": "2026-01-05T00:00:00Z",
            "until": "2027-01-01T00:00:00Z",
            "comment": "accepted",
        },
        "asset": {"id": "410001", "name": "shop", "url": "https://shop.test/", "tags": ["pci", "prod"]},
        "method": "POST",
        "parameter": "user[name]",
        "first_seen": "2026-01-01T00:00:00Z",
        "last_seen": "2026-02-01T00:00:00Z",
        "last_tested": "2026-02-28T23:00:00Z",
        "fixed_at": "2026-04-01T00:00:00Z",
        "times_seen": 7,
        "cwe": [79],
        "owasp": [{"code": 3, "name": "Injection", "url": "https://owasp.test"}],
        "wasc": [{"code": 8, "name": "XSS", "url": "https://wasc.test"}],
        "group": "XSS",
        "finding_type": "QUALYS",
        "potential": False,
        "external_ref": "JIRA-1",
        "patch": "5",
        "ssl": {"protocol": "tcp", "sslDataInfoList": [{"a": []}]},
        "details": {"original_severity": "critical"},
    }


def test_an_original_severity_that_is_unknown_is_told_as_that() -> None:
    normaliser = FindingNormaliser()
    found = normaliser.finding({**RAW, "originalSeverity": "9"})
    assert (found["original_severity"], found["details"]) == ("9", {"original_severity": "unknown"})
    assert normaliser.unknown["originalSeverity=9"] == 1
    assert "details" not in finding({name: value for name, value in RAW.items() if name != "originalSeverity"})


def test_the_evidence_is_readable_and_holds_no_credential() -> None:
    found = finding(RAW)
    assert found["evidence"] == [
        {
            "payload": "<script>",
            "method": "POST",
            "url": f"https://shop.test/search?sid={MARKER}",
            "headers": f"Host: shop.test\r\nCookie: {MARKER}\r\n",
            "body": f"q=<script>&password={MARKER}",
            "response": f"HTTP/1.1 200 OK\nSet-Cookie: {MARKER}\n\n<script>",
            "result": "matched",
            "authenticated": True,
        }
    ]
    assert "canary" not in repr(found)


def test_keep_keeps_everything() -> None:
    found = finding(RAW, keep_sensitive=True)
    assert found["url"] == RAW["url"]
    assert repr(found).count("canary") == 5
    assert MARKER not in repr(found)


def test_matched_personal_data_is_hidden_with_the_response_that_holds_it() -> None:
    raw = RAW | {"type": "SENSITIVE_CONTENT"}
    hidden = finding(raw)["evidence"][0]
    assert (hidden["response"], hidden["result"]) == (MARKER, MARKER)
    assert finding(raw, keep_sensitive=True)["evidence"][0]["result"] == "matched"


def test_the_vendors_object_is_added_untouched() -> None:
    before = copy.deepcopy(RAW)
    found = finding(RAW, include_raw=True)
    assert found["raw"] == before == RAW
    assert "raw" not in finding(RAW)
    assert finding(RAW, include_raw=True, raw_as=lambda raw: dumps(raw).decode())["raw"] == dumps(RAW).decode()


# What the server really sends


@pytest.fixture(scope="module")
def sent(shared_estate: Sandbox) -> dict[str, list[Raw]]:
    """The same 700 findings at each level."""
    shared_estate.faults.clear()
    with client_of(shared_estate) as client:
        reads = {
            level: Listing(client, "finding", [], 1000, verbose=level == VERBOSE).read()[0]
            for level in (SUMMARY, VERBOSE)
        }
        full = (client.get("finding", raw["id"]) for raw in reads[SUMMARY])
        reads[GET] = [raw for raw in full if raw is not None]
    return reads


def test_each_row_of_the_table_appears_where_it_says(sent: dict[str, list[Raw]]) -> None:
    for vendor, entry in FIELDS.items():
        seen = {level: any(vendor in raw for raw in sent[level]) for level in LEVELS}
        expected = {level: LEVELS.index(level) >= LEVELS.index(entry.appears) for level in LEVELS}
        assert seen == expected, vendor


def test_a_row_that_says_always_is_in_every_finding(sent: dict[str, list[Raw]]) -> None:
    for vendor, entry in FIELDS.items():
        if not entry.always:
            continue
        present = [vendor in raw for raw in sent[entry.appears] if raw["type"] != "INFORMATION_GATHERED"]
        assert all(present), vendor


def test_the_server_sends_nothing_that_the_table_does_not_know(sent: dict[str, list[Raw]]) -> None:
    assert {vendor for level in LEVELS for raw in sent[level] for vendor in raw} == set(FIELDS)


def test_every_direct_row_is_read_as_the_table_says(sent: dict[str, list[Raw]]) -> None:
    compared: collections.Counter[str] = collections.Counter()
    for raw in sent[GET]:
        found = finding(raw, keep_sensitive=True)
        for vendor, (ours, read) in finding_fields.DIRECT.items():
            if vendor in raw:
                assert found[ours] == read(raw[vendor])
                compared[vendor] += found[ours] not in (None, [], "")
            else:
                assert found[ours] in (None, [])
    assert set(compared) == set(finding_fields.DIRECT)
    assert all(compared.values()), compared


def test_every_finding_is_whole_typed_and_serialisable(sent: dict[str, list[Raw]]) -> None:
    for level in LEVELS:
        for raw in sent[level]:
            found = finding(raw)
            assert set(found) - {"details"} == KEYS
            assert found["severity"] in model.SEVERITIES
            assert found["status"] in model.STATUSES
            assert isinstance(found["id"], str)
            json.loads(dumps(found))


def test_information_without_url_and_status_is_open_and_has_an_identity(sent: dict[str, list[Raw]]) -> None:
    gathered = [finding(raw) for raw in sent[VERBOSE] if raw["type"] == "INFORMATION_GATHERED"]
    assert gathered
    for found in gathered:
        assert (found["kind"], found["status"], found["url"], found["ignored"]) == ("information", "open", None, None)
        assert found["fingerprint"]


def test_imported_findings_are_told_apart_by_their_title(sent: dict[str, list[Raw]]) -> None:
    imported = [raw for raw in sent[VERBOSE] if raw["qid"] == 0]
    assert imported
    for raw in imported:
        assert finding(raw)["rule_id"] == "0"
        assert finding(raw)["fingerprint"] != finding(raw | {"name": "something else"})["fingerprint"]


def test_words_that_are_not_documented_are_unknown_and_counted(sent: dict[str, list[Raw]]) -> None:
    normaliser = FindingNormaliser()
    found = [normaliser.finding(raw) for raw in sent[SUMMARY]]
    strange = sum(raw.get("status") == "UNDER_REVIEW" for raw in sent[SUMMARY])
    assert strange
    assert dict(normaliser.unknown) == {"status=UNDER_REVIEW": strange}
    assert sum(item["status"] == "unknown" for item in found) == strange


def test_booleans_of_the_server_are_read_as_they_are_written(sent: dict[str, list[Raw]]) -> None:
    # Defect 11 of qualysdk: the text "false" is true.
    pairs = {(raw.get("potential"), finding(raw)["potential"]) for raw in sent[SUMMARY]}
    assert pairs == {("true", True), ("false", False), (None, None)}
    ignored = {(raw.get("isIgnored"), finding(raw)["ignored"] is not None) for raw in sent[SUMMARY]}
    assert ignored == {("true", True), ("false", False), (None, False)}
    logged_in = {item["authenticated"] for raw in sent[VERBOSE] for item in finding(raw)["evidence"]}
    assert logged_in == {True, False}


def test_no_credential_of_the_servers_evidence_is_left(sent: dict[str, list[Raw]]) -> None:
    kept = dumps([finding(raw, keep_sensitive=True) for raw in sent[GET]]).decode()
    cleaned = dumps([finding(raw) for raw in sent[GET]]).decode()
    for secret in ("JSESSIONID=", "sid=abc123", "eyJhbGciOiJIUzI1NiJ9"):
        assert secret in kept
    for secret in ("A7F3; theme=dark", "JSESSIONID=0F1E2D3C4B5A", "sid=abc123", "eyJhbGciOiJIUzI1NiJ9"):
        assert secret not in cleaned


def test_encoded_requests_are_readable_with_and_without_padding(sent: dict[str, list[Raw]]) -> None:
    headers = [item["headers"] for raw in sent[VERBOSE] for item in finding(raw)["evidence"] if item["headers"]]
    assert headers
    assert all(text.startswith("Host: ") for text in headers)
    raws = json.dumps(sent[VERBOSE])
    assert "==" in raws


# Words


@pytest.mark.parametrize(("native", "severity"), SEVERITY_LEVELS.items())
def test_severities(native: str, severity: str) -> None:
    assert finding(RAW | {"severity": native})["severity"] == severity
    assert finding(RAW | {"severity": int(native)})["severity"] == severity


@pytest.mark.parametrize(("native", "status"), STATUS_WORDS.items())
def test_statuses(native: str, status: str) -> None:
    assert finding(RAW | {"status": native})["status"] == status


@pytest.mark.parametrize(("native", "kind"), KINDS.items())
def test_kinds(native: str, kind: str) -> None:
    assert finding(RAW | {"type": native})["kind"] == kind


@pytest.mark.parametrize("field", ["severity", "status", "type"])
@pytest.mark.parametrize("value", ["", "NEW_WORD", "9", None, 7, [], {"a": 1}, "x" * 500])
def test_what_is_not_understood_is_unknown_and_counted(field: str, value: Any) -> None:
    normaliser = FindingNormaliser()
    found = normaliser.finding(RAW | {field: value})
    assert found[{"type": "kind"}.get(field, field)] == "unknown"  # type: ignore[literal-required]
    ((name, count),) = normaliser.unknown.items()
    assert (name.partition("=")[0], count) == (field, 1)
    assert len(name) < 60


def test_a_fixed_list_of_words_is_what_the_model_allows() -> None:
    assert set(SEVERITY_LEVELS.values()) | {"unknown"} == set(model.SEVERITIES)
    assert set(STATUS_WORDS.values()) | {"unknown"} == set(model.STATUSES)


# Identity


def test_the_fingerprint_is_the_same_at_each_level(sent: dict[str, list[Raw]]) -> None:
    prints = {level: {raw["id"]: finding(raw)["fingerprint"] for raw in sent[level]} for level in LEVELS}
    assert prints[SUMMARY] == prints[VERBOSE] == prints[GET]


def changed_url(raw: Raw) -> Raw:
    return raw | {"url": "https://shop.test:443/search;jsessionid=1?token=other&sid=5&q=y"}


def reversed_results(raw: Raw) -> Raw:
    other = copy.deepcopy(raw["resultList"]["list"][0])
    other["Result"]["payloads"]["list"][0]["PayloadInstance"]["request"]["method"] = "GET"
    return raw | {"resultList": {"count": 2, "list": [other, *raw["resultList"]["list"]]}}


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw | {"name": "Reflected cross-site scripting"},
        lambda raw: raw | {"id": 1, "uniqueId": "x", "timesDetected": 99, "status": "FIXED", "severity": "1"},
        lambda raw: raw | {"lastTestedDate": "2027-01-01T00:00:00Z", "isIgnored": "false"},
        lambda raw: dict(reversed(raw.items())),
        changed_url,
        reversed_results,
    ],
    ids=["title", "life", "dates", "order of members", "url", "order of results"],
)
def test_the_fingerprint_survives_what_does_not_matter(change: Any) -> None:
    assert finding(change(RAW))["fingerprint"] == finding(RAW)["fingerprint"]


@pytest.mark.parametrize(
    "change",
    [{"qid": 150002}, {"url": "https://shop.test/other?q=x"}, {"param": "other"}, {"webApp": {"id": 5}}],
    ids=str,
)
def test_another_rule_place_parameter_or_application_is_another_finding(change: Raw) -> None:
    assert finding(RAW | change)["fingerprint"] != finding(RAW)["fingerprint"]


def test_the_title_of_information_with_a_rule_does_not_matter() -> None:
    raw = {key: value for key, value in RAW.items() if key not in ("url", "status", "param", "resultList")}
    raw["type"] = "INFORMATION_GATHERED"
    assert finding(raw)["fingerprint"] == finding(raw | {"name": "renamed"})["fingerprint"]


def test_the_payload_is_cleaned_as_everything_else_is() -> None:
    raw = copy.deepcopy(RAW)
    instance = raw["resultList"]["list"][0]["Result"]["payloads"]["list"][0]["PayloadInstance"]
    instance["payload"] = "q=<script>&newPassword=canary"
    assert finding(raw)["evidence"][0]["payload"] == f"q=<script>&newPassword={MARKER}"
    assert finding(raw, keep_sensitive=True)["evidence"][0]["payload"] == instance["payload"]


def test_redaction_does_not_change_the_identity() -> None:
    assert finding(RAW)["fingerprint"] == finding(RAW, keep_sensitive=True)["fingerprint"]


# Anything else

NAMES = ["list", "count", "value", "set", "Result", "PayloadInstance", "payloads", "request", "headers", "name", "id"]
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["true", "2026-01-31T08:00:00Z", "0001-01-01T00:00:00+10:00", "eHg", "\ud800", "http://["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=10,
)


@given(raw=st.dictionaries(st.sampled_from([*FIELDS, "somethingNew"]), ANYTHING, max_size=12), keep=st.booleans())
@settings(max_examples=300)
def test_no_json_value_breaks_the_normaliser(raw: Raw, keep: bool) -> None:
    found = finding(raw, keep_sensitive=keep)
    assert set(found) - {"details"} == KEYS
    assert found["severity"] in model.SEVERITIES
    json.loads(dumps(found))


WEBAPP_NAMES = [
    *("id", "name", "url", "riskScore", "owner", "scope", "subDomain", "domains", "uris", "attributes", "config"),
    *("defaultProfile", "defaultScanner", "defaultScannerTags", "urlExcludelist", "urlBlacklist", "authRecords"),
    *("dnsOverrides", "useRobots", "useSitemap", "headers", "tags", "comments", "isScheduled", "lastScan"),
    *("createdBy", "createdDate", "crawlingScripts"),
]


@given(raw=st.dictionaries(st.sampled_from(WEBAPP_NAMES), ANYTHING, max_size=12), level=st.integers(0, 2))
@settings(max_examples=300)
def test_no_json_value_breaks_the_reader_of_web_applications(raw: Raw, level: int) -> None:
    shown = shown_record(WEBAPP_FIELDS, from_raw(raw, level))
    assert shown is not None
    json.loads(dumps(shown))


def with_request(**request: Any) -> dict[str, Any]:
    """A finding whose request is this."""
    payload = {"payload": "x", "request": request}
    return RAW | {
        "resultList": {"count": 1, "list": [{"Result": {"payloads": {"list": [{"PayloadInstance": payload}]}}}]}
    }


@pytest.mark.parametrize("keep", [True, False])
def test_headers_and_body_that_only_look_like_base64_stay_as_they_are(keep: bool) -> None:
    raw = with_request(headers="123header456", body="username")
    (found,) = finding(raw, keep_sensitive=keep)["evidence"]
    assert (found["headers"], found["body"]) == ("123header456", "username")


def test_a_secret_among_bytes_that_are_no_text_is_found() -> None:
    body = b"password=canary123&photo=" + bytes(range(128, 256)) * 3
    raw = with_request(body=base64.b64encode(body).decode())
    (found,) = finding(raw)["evidence"]
    assert "canary" not in str(found["body"])
    assert base64.b64encode(b"password=canary")[:16].decode() not in str(found["body"])
    assert MARKER in str(found["body"])
    harmless = base64.b64encode(bytes(range(128, 256))).decode()
    assert finding(with_request(body=harmless))["evidence"][0]["body"] == harmless


def test_whole_numbers_that_come_as_doubles_are_whole_numbers() -> None:
    doubled = {"id": 12345670.0, "qid": 150003.0, "severity": 4.0, "timesDetected": 7.0, "originalSeverity": 5.0}
    doubled |= {"webApp": {"id": 410001.0, "name": "shop", "url": "https://shop.test/"}, "cwe": {"list": [79.0]}}
    whole = {name: value for name, value in doubled.items() if isinstance(value, float)}
    expected = finding(
        RAW | {name: int(value) for name, value in whole.items()} | {"severity": "4", "originalSeverity": "5"}
    )
    found = finding(RAW | doubled)
    names = ("id", "rule_id", "severity", "severity_native", "times_seen", "original_severity", "cwe", "details")
    assert {name: found[name] for name in names} == {name: expected[name] for name in names}
    assert (found["id"], found["asset"]["id"], found["cwe"]) == ("12345670", "410001", [79])


def test_a_detection_score_keeps_its_decimals() -> None:
    for value, score in ((71.5, 71.5), ("71.5", 71.5), (71.0, 71), (71, 71)):
        assert finding(RAW | {"detectionScore": value})["detection_score"] == score

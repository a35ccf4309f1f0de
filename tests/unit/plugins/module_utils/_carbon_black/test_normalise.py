# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows under our names: what each means, and that nothing a vendor sends can stop it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.export import row_content_of
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.fields import FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.listing import span_of
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.normalise import (
    ScanNormaliser,
    row_id_of,
    scan_time_of,
    split_image,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.codec import dumps
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import Finding, Scan

DIGEST = "sha256:1abc234d56ef7dda66d924651df9ea89831cd8b04f2a02d412d2f3b0a92e1a7b"
PAGE: dict[str, Any] = {
    "full_tag": "demo.io/demo-samples/microservices-demo/myservice:v0.1.2",
    "manifest_digest": DIGEST,
    "workloads": 2,
    "scan_time": "2023-04-05T08:03:13Z",
    "source": "CLUSTER_SCAN",
    "vulnerabilities_summary": {"HIGH": {"amount": 17}, "MEDIUM": {"amount": 10}},
    "has_malware": False,
}


def scan(row: dict[str, Any], **options: Any) -> Scan:
    return ScanNormaliser(**options).scan(row)


def test_the_sample_of_the_page_whole() -> None:
    assert scan(PAGE) == {
        "record": "scan",
        "schema": 1,
        "source": "carbon_black",
        "id": row_id_of(PAGE),
        "name": PAGE["full_tag"],
        "reference": DIGEST,
        "kind": "vulnerability",
        "mode": "CLUSTER_SCAN",
        "profile": None,
        "asset": {"id": DIGEST, "name": PAGE["full_tag"], "url": None, "tags": []},
        "time": "2023-04-05T08:03:13Z",
        "ended": "2023-04-05T08:03:13Z",
        "duration": None,
        "status": "finished",
        "status_native": None,
        "results_status": None,
        "auth_status": None,
        "end_reason": "finished",
        "conclusive": True,
        "links_crawled": None,
        "requests_sent": None,
        "launched_by": None,
        "counts": {"critical": 0, "high": 17, "medium": 10, "low": 0, "info": 0, "unknown": 0},
        "malware": 0,
        "details": {
            "image": "demo.io/demo-samples/microservices-demo/myservice",
            "tag": "v0.1.2",
            "source": "CLUSTER_SCAN",
            "workloads": 2,
            "vulnerabilities": [{"severity": "HIGH", "amount": 17}, {"severity": "MEDIUM", "amount": 10}],
            "total": 27,
            "highest": "high",
            "has_malware": False,
        },
    }


def test_every_key_is_there_in_the_order_of_the_model() -> None:
    keys = [name for name in Scan.__annotations__ if name != "raw"]
    assert list(scan({})) == list(scan(PAGE)) == keys
    assert list(scan(PAGE, include_raw=True)) == [*keys, "raw"]
    for field in FIELDS:
        for ours in field.ours:
            first, _dot, rest = ours.partition(".")
            assert first in keys
            assert not rest or rest in scan(PAGE)[first]  # type: ignore[literal-required]


def test_malware_is_a_finding_with_every_key() -> None:
    normaliser = ScanNormaliser(include_raw=True, raw_as=lambda row: dumps(row).decode())
    assert normaliser.malware(PAGE) is None
    finding = normaliser.malware({**PAGE, "has_malware": True})
    assert finding
    assert list(finding) == [name for name in Finding.__annotations__ if name != "details"]
    assert (finding["severity"], finding["status"], finding["rule_id"]) == ("critical", "open", "malware")
    assert finding["asset"] == {"id": DIGEST, "name": PAGE["full_tag"], "url": None, "tags": []}
    assert json.loads(finding["raw"])["has_malware"] is True
    later = normaliser.malware({**PAGE, "has_malware": "true", "scan_time": "2023-05-01T00:00:00Z"})
    assert later
    # The same image scanned again is another record of the same finding.
    assert (later["fingerprint"], later["id"] == finding["id"]) == (finding["fingerprint"], False)


def test_the_identity_is_tag_digest_time_and_source() -> None:
    for name in ("full_tag", "manifest_digest", "scan_time", "source"):
        assert row_id_of({**PAGE, name: "other"}) != row_id_of(PAGE)
        assert row_id_of({key: value for key, value in PAGE.items() if key != name}) != row_id_of(PAGE)
    for name in ("workloads", "vulnerabilities_summary", "has_malware"):
        assert row_id_of({**PAGE, name: None}) == row_id_of(PAGE)


def test_severities_that_are_not_known_are_kept_and_counted() -> None:
    normaliser = ScanNormaliser()
    summary = {"CRITICAL": {"amount": 1}, "NEGLIGIBLE": {"amount": 4}, "UNKNOWN": {"amount": 2}, "HIGH": 3}
    found = normaliser.scan({"vulnerabilities_summary": summary, "source": "TOMORROW", "new": 1})
    assert found["counts"] == {"critical": 1, "high": 3, "medium": 0, "low": 0, "info": 0, "unknown": 6}
    assert found["details"]["vulnerabilities"] == [
        {"severity": "CRITICAL", "amount": 1},
        {"severity": "HIGH", "amount": 3},
        {"severity": "NEGLIGIBLE", "amount": 4},
        {"severity": "UNKNOWN", "amount": 2},
    ]
    assert (found["details"]["total"], found["details"]["highest"]) == (10, "critical")
    assert normaliser.unknown == {"severity=NEGLIGIBLE": 1, "source=TOMORROW": 1, "field=new": 1}


@pytest.mark.parametrize("amount", [{}, {"amount": None}, {"amount": "3"}, {"amount": -1}, None, 1.5, True])
def test_an_amount_that_cannot_be_read_may_be_any(amount: Any) -> None:
    normaliser = ScanNormaliser()
    found = normaliser.scan({**PAGE, "vulnerabilities_summary": {"CRITICAL": amount, "HIGH": {"amount": 2}}})
    assert found["counts"] is None
    assert found["details"]["vulnerabilities"] == [{"severity": "HIGH", "amount": 2}]
    assert normaliser.unknown == {"amount=CRITICAL": 1}


def test_without_a_digest_nothing_is_concluded() -> None:
    found = scan({name: value for name, value in PAGE.items() if name != "manifest_digest"})
    assert (found["status"], found["end_reason"], found["conclusive"]) == ("unknown", None, False)
    assert scan({})["counts"] is None
    assert scan({})["malware"] is None


@pytest.mark.parametrize(
    ("full_tag", "image", "tag"),
    [
        ("docker.io/library/nginx:1.25", "docker.io/library/nginx", "1.25"),
        ("localhost:5000/nginx", "localhost:5000/nginx", None),
        ("localhost:5000/nginx:1", "localhost:5000/nginx", "1"),
        (f"docker.io/nginx@{DIGEST}", "docker.io/nginx", DIGEST),
        (f"docker.io/nginx:1@{DIGEST}", "docker.io/nginx:1", DIGEST),
        ("nginx", "nginx", None),
        ("nginx:", "nginx", None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_image_and_tag(full_tag: str | None, image: str | None, tag: str | None) -> None:
    assert split_image(full_tag) == (image, tag)


def test_months_are_months_of_the_calendar() -> None:
    now = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)
    assert span_of({"range": "-1M"}, now) == (dt.datetime(2026, 2, 28, 12, tzinfo=dt.UTC), now)
    assert span_of({"range": "-15M"}, now) == (dt.datetime(2024, 12, 31, 12, tzinfo=dt.UTC), now)
    assert span_of({"range": "-2w"}, now) == (now - dt.timedelta(days=14), now)
    assert span_of({"range": "-9999999M"}, now) == (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), now)
    assert span_of({"range": "-9999999w"}, now) == (dt.datetime(1970, 1, 1, tzinfo=dt.UTC), now)
    assert span_of(None, now) is None


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([field.vendor for field in FIELDS])
SUMMARY = st.dictionaries(
    st.sampled_from(["HIGH", "LOW", "X"]), st.fixed_dictionaries({"amount": ANY}) | ANY, max_size=3
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, ANY, max_size=7), SUMMARY)
def test_no_value_can_stop_it_and_every_record_has_the_same_types(row: dict[str, Any], summary: dict[str, Any]) -> None:
    if summary:
        row["vulnerabilities_summary"] = summary
    normaliser = ScanNormaliser(include_raw=True, raw_as=lambda found: dumps(found).decode())
    found = normaliser.scan(row)
    for name in ("name", "reference", "mode", "time", "ended"):
        assert found[name] is None or isinstance(found[name], str), name  # type: ignore[literal-required]
    assert found["counts"] is None or all(count >= 0 for count in found["counts"].values())  # type: ignore[operator]
    assert found["counts"] is None or found["details"]["total"] == sum(found["counts"].values())  # type: ignore[arg-type]
    dumps(found)
    dumps(normaliser.malware(row))
    row_content_of(row)
    scan_time_of(row)

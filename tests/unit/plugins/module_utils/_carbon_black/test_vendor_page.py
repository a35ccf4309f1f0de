# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's page "Scan Logs API", line by line: each parameter, field and contradiction.

The tables below are the page's, typed from it and not from the code; docs/vendors/carbon_black.md 10 lists the
contradictions.
"""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError, VendorError
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black import scan_log_info as facet_info
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.fields import FIELDS
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.listing import LISTS, check_criteria
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.scan_log_info import run
from tests.sandbox import Sandbox

from ..carbon_black_kit import RECORDS, Bodies, asked, client_of, info, info_options

CRITERIA = (
    "scan_time", "full_tags", "repositories", "digests", "sources", "registries", "vulnerabilities", "clusters",
    "namespaces", "hostnames",
)  # fmt: skip
BODY = ("criteria", "query", "start", "rows", "sort")
RESULT = (
    "full_tag", "manifest_digest", "workloads", "scan_time", "source", "vulnerabilities_summary", "has_malware",
)  # fmt: skip
FACETS = ("sources", "repositories", "registries", "clusters", "scan_status")
UNITS = {"M": 1, "w": 1, "d": 2, "h": 48, "m": 2880, "s": 172800}


def body_of(sandbox: Sandbox, **options: Any) -> dict[str, Any]:
    with client_of(sandbox) as client:
        bodies = Bodies(client)
        run(info_options(**options), client, False)
    return bodies.sent[0]


def test_each_part_of_the_body_is_sent(sandbox: Sandbox) -> None:
    options = {"criteria": {"sources": "CLI"}, "search": "nginx", "start": 1, "rows": 2}
    body = body_of(sandbox, **options, sort=[{"field": "scan_time", "order": "DESC"}])
    assert sorted(body) == sorted(BODY)
    assert body == {
        "criteria": {"sources": ["CLI"]},
        "query": "nginx",
        "start": 1,
        "rows": 2,
        "sort": [{"field": "scan_time", "order": "DESC"}],
    }


VALUES = {
    "repositories": ["shop/cart"],
    "sources": ["CLI", "FEED_UPDATE"],
    "registries": ["docker.io"],
    "vulnerabilities": ["CRITICAL"],
    "clusters": ["kafka"],
    "namespaces": ["kube-system"],
    "hostnames": ["demo-hostname"],
}


def test_the_criteria_are_the_page() -> None:
    assert set(CRITERIA) == {"scan_time", *LISTS}


@pytest.mark.parametrize("name", CRITERIA)
def test_each_criterion_narrows_the_search(sandbox: Sandbox, name: str) -> None:
    row = info(sandbox, start=4, rows=1, include_raw=True).values["scan_logs"][0]["raw"]
    value: Any = VALUES.get(name)
    if name == "scan_time":
        value = {"range": "-1d"}
    elif value is None:
        value = row[{"full_tags": "full_tag", "digests": "manifest_digest"}[name]]
    found = info(sandbox, criteria={name: value}).values["num_found"]
    assert 0 < found < RECORDS
    sent = body_of(sandbox, criteria={name: value})["criteria"]
    assert sent == {name: value if name == "scan_time" or isinstance(value, list) else [value]}


def test_criteria_are_and_and_their_values_or(sandbox: Sandbox) -> None:
    def found(**criteria: Any) -> int:
        return int(info(sandbox, criteria=criteria).values["num_found"])

    assert found(sources=["CLI", "FEED_UPDATE"]) == found(sources="CLI") + found(sources="FEED_UPDATE")
    assert found(sources="CLI", registries="docker.io") < found(sources="CLI")


EXPECTED = {
    "full_tag": ("name",),
    "manifest_digest": ("reference",),
    "workloads": ("details", "workloads"),
    "scan_time": ("time",),
    "source": ("details", "source"),
    "vulnerabilities_summary": ("details", "vulnerabilities"),
    "has_malware": ("details", "has_malware"),
}


def test_the_field_table_is_the_page() -> None:
    assert sorted(field.vendor for field in FIELDS) == sorted(RESULT)


@pytest.mark.parametrize("name", RESULT)
def test_each_field_of_a_row_arrives(sandbox: Sandbox, name: str) -> None:
    for scan in info(sandbox, include_raw=True).values["scan_logs"]:
        value: Any = scan
        for part in EXPECTED[name]:
            value = value[part]
        sent = scan["raw"].get(name)
        if name == "vulnerabilities_summary":
            sent = [{"severity": word, "amount": sent[word]["amount"]} for word in sorted(sent)]
        assert value == sent


def test_num_found_and_results(sandbox: Sandbox) -> None:
    values = info(sandbox, start=0, rows=7).values
    assert (values["num_found"], values["total"], len(values["scan_logs"])) == (RECORDS, RECORDS, 7)


@pytest.mark.parametrize("unit", sorted(UNITS))
def test_each_unit_of_a_range(sandbox: Sandbox, unit: str) -> None:
    span = {"range": f"-{UNITS[unit]}{unit}"}
    assert body_of(sandbox, criteria={"scan_time": span})["criteria"]["scan_time"] == span
    days = {"M": 14, "w": 7}.get(unit, 2)
    found = info(sandbox, criteria={"scan_time": span}).values["num_found"]
    assert abs(found - days * 30) <= 2


def test_start_and_end_are_sent_in_utc_with_milliseconds(sandbox: Sandbox) -> None:
    span = {"start": "2026-11-18T09:00:00+09:00", "end": "2026-11-19"}
    sent = body_of(sandbox, criteria={"scan_time": span})["criteria"]["scan_time"]
    assert sent == {"start": "2026-11-18T00:00:00.000Z", "end": "2026-11-19T00:00:00.000Z"}
    assert info(sandbox, criteria={"scan_time": span}).values["num_found"] == 30


def test_metadata(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        values = facet_info.run_metadata({}, client, False).values
    assert values == {
        "clusters": ["prod:cluster-a", "test:cluster-b", "kafka"],
        "namespaces": ["default", "kube-system", "shop"],
        "hostnames": ["node-1", "node-2", "demo-hostname"],
    }


def facets(sandbox: Sandbox, **options: Any) -> Any:
    blank = {"criteria": None, "search": None, "fields": ["sources"], "rows": 50}
    with client_of(sandbox) as client:
        return facet_info.run_facets({**blank, **options}, client, False)


@pytest.mark.parametrize("name", FACETS)
def test_each_facet(sandbox: Sandbox, name: str) -> None:
    result = facets(sandbox, fields=[name])
    (facet,) = result.values["facets"]
    assert facet["field"] == name
    assert sum(bucket["total"] for bucket in facet["buckets"]) == RECORDS
    assert all(isinstance(bucket["name"], str) for bucket in facet["buckets"])
    assert result.warnings == []


def test_facets_take_query_criteria_and_rows(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        bodies = Bodies(client)
        options = {"criteria": {"sources": "CLI"}, "search": "nginx", "fields": ["registries"], "rows": 1}
        values = facet_info.run_facets(options, client, False).values
    assert bodies.sent == [
        {"terms": {"fields": ["registries"], "rows": 1}, "criteria": {"sources": ["CLI"]}, "query": "nginx"}
    ]
    assert [len(facet["buckets"]) for facet in values["facets"]] == [0]
    assert len(facets(sandbox, fields=["registries"], rows=1).values["facets"][0]["buckets"]) == 1


def test_contradiction_facets_are_matched_by_field_and_not_by_position(sandbox: Sandbox) -> None:
    asked_for = ["registries", "sources", "clusters"]
    assert [facet["field"] for facet in facets(sandbox, fields=asked_for).values["facets"]] == asked_for
    first = facets(sandbox, fields=asked_for).values["facets"][0]
    assert {bucket["name"] for bucket in first["buckets"]} == {"docker.io", "registry.example.com", "quay.io"}


def test_contradiction_facets_beyond_the_table(sandbox: Sandbox) -> None:
    result = facets(sandbox, fields=["sources", "tomorrow"])
    assert result.values["facets"][1] == {"field": "tomorrow", "buckets": []}
    assert result.warnings == ["fields: tomorrow is not known here; the service may leave it out."]
    sandbox.switches["carbon_black_unknown_facet"] = "reject"
    with pytest.raises(VendorError, match="unknown facet tomorrow"):
        facets(sandbox, fields=["tomorrow"])


def test_contradiction_time_range_is_scan_time(sandbox: Sandbox) -> None:
    assert body_of(sandbox, criteria={"time_range": {"range": "-1d"}})["criteria"] == {"scan_time": {"range": "-1d"}}
    with pytest.raises(OptionError, match="two names of the same thing"):
        check_criteria({"time_range": {"range": "-1d"}, "scan_time": {"range": "-2d"}})


def test_contradiction_the_sample_has_both_times_and_a_day_of_one_digit(sandbox: Sandbox) -> None:
    with pytest.raises(OptionError, match="not both"):
        check_criteria({"scan_time": {"range": "-3h", "start": "2021-08-30T00:00:00Z", "end": "2021-09-03T00:00:00Z"}})
    with pytest.raises(OptionError, match="is not a time"):
        check_criteria({"scan_time": {"start": "2021-08-30T00:00:00Z", "end": "2021-09-3T00:00:00Z"}})
    assert asked(sandbox) == []


def test_contradiction_an_empty_time_is_left_out(sandbox: Sandbox) -> None:
    assert check_criteria({"scan_time": {}, "clusters": [], "hostnames": None, "sources": ["CLI"]})[0] == {
        "sources": ["CLI"]
    }
    assert "criteria" not in body_of(sandbox, criteria={"scan_time": {}})


def test_contradiction_m_is_minute_and_capital_m_is_month() -> None:
    assert check_criteria({"scan_time": {"range": "-5m"}})[1] == []
    (warning,) = check_criteria({"scan_time": {"range": "-5M"}})[1]
    assert "-5M means months" in warning
    with pytest.raises(OptionError, match="range"):
        check_criteria({"scan_time": {"range": "-5D"}})


def test_contradiction_the_instance_in_the_url_is_containers(sandbox: Sandbox) -> None:
    info(sandbox)
    path = sandbox.counters.snapshot()["recent"][0]["path"]
    assert path == "/containers/v1beta/orgs/ABCD1234/inventory/scan_logs/_search"


def test_contradiction_sort_has_no_documented_fields(sandbox: Sandbox) -> None:
    assert body_of(sandbox)["sort"] == [{"field": "scan_time", "order": "ASC"}]
    assert body_of(sandbox, sort=[{"field": "full_tag"}])["sort"] == [{"field": "full_tag", "order": "ASC"}]


def test_contradiction_rows_are_always_sent(sandbox: Sandbox) -> None:
    assert body_of(sandbox)["rows"] == 1000
    assert len(info(sandbox).values["scan_logs"]) == RECORDS


def test_contradiction_severities_without_findings_are_absent(sandbox: Sandbox) -> None:
    scans = info(sandbox, include_raw=True).values["scan_logs"]
    empty = next(scan for scan in scans if scan["raw"]["vulnerabilities_summary"] == {})
    assert empty["counts"] == {"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0, "unknown": 0}


def test_contradiction_metadata_may_lack_lists(sandbox: Sandbox) -> None:
    sandbox.switches["carbon_black_metadata"] = "missing"
    with client_of(sandbox) as client:
        values = facet_info.run_metadata({}, client, False).values
    assert values == {"clusters": [], "namespaces": [], "hostnames": []}


@pytest.mark.parametrize("bounds", ["start", "both", "neither"])
def test_contradiction_bounds_inclusive_or_not(sandbox: Sandbox, bounds: str) -> None:
    sandbox.switches["carbon_black_bounds"] = bounds
    span = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-21T00:00:00Z"}
    assert info(sandbox, criteria={"scan_time": span}).values["num_found"] == RECORDS


@pytest.mark.parametrize(
    ("options", "word"),
    [({"fields": []}, "fields is empty"), ({"rows": 0}, "rows must be 1"), ({"criteria": ["x"]}, "criteria")],
)
def test_wrong_options_for_facets(sandbox: Sandbox, options: dict[str, Any], word: str) -> None:
    with pytest.raises(OptionError, match=word):
        facets(sandbox, **options)
    assert asked(sandbox) == []

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host names, and how findings are counted; the rest is in tests/integration/test_inventory.py."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import IncompleteRead
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.hosts import host_names
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import severity_counts
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings.severity_counts import count_severities
from ansible_collections.appsec.perimeter.plugins.plugin_utils import _vendor_text
from tests.sandbox import Sandbox
from tests.sandbox.qualys import hostile
from tests.unit.plugins.module_utils.qualys_kit import client_of


def names(*given: str | None) -> list[str]:
    """Host names of applications with these names, and ids from 1."""
    webapps = [{"id": key, "name": name} for key, name in enumerate(given, 1)]
    found = host_names(webapps)[0]
    return [found[key] for key in range(1, len(given) + 1)]


@pytest.mark.parametrize("name", hostile.ALL)
def test_a_host_name_holds_nothing_that_means_something(name: str) -> None:
    (host,) = names(name)
    assert re.fullmatch(r"\w[\w.-]*", host)
    assert len(host) <= 120
    assert ".." not in host.split("_")


def test_names_are_readable() -> None:
    given = ("Checkout (prod)", "api.example.com", "Müller & Söhne", "予約サイト", "???", "", None)
    assert names(*given) == [
        "Checkout_prod",
        "api.example.com",
        "Müller_Söhne",
        "予約サイト",
        "webapp_5",
        "webapp_6",
        "webapp_7",
    ]


def test_a_decomposed_letter_is_the_same_letter() -> None:
    assert names("cafe\u0301", "café") == ["café_1", "café_2"]


def test_names_that_ansible_has_taken_have_their_id() -> None:
    assert names("localhost", "ALL", "127.0.0.1") == ["localhost_1", "ALL_2", "127.0.0.1_3"]


def test_all_namesakes_have_their_id_and_nobody_loses_a_name_to_them() -> None:
    given = ("shop", "shop!", "shop_2", "shop_1")
    found = names(*given)
    assert len(set(found)) == 4
    assert found[2:] == ["shop_2", "shop_1"]
    assert host_names([{"id": 1, "name": "a b"}, {"id": 2, "name": "a-b"}, {"id": 3, "name": "a b"}])[1] == ["a_b"]


def test_names_do_not_depend_on_the_order() -> None:
    webapps = [{"id": key, "name": name} for key, name in enumerate(["x", "x", "y", "x_1"])]
    assert host_names(webapps)[0] == host_names(webapps[::-1])[0]


def test_all_texts_are_marked_where_marks_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_vendor_text, "_unsafe", lambda value: ("unsafe", value))
    value = {"a{": ["plain", "{{ x }}", 7, None], "b": "%}"}
    assert _vendor_text.as_data(value) == {
        ("unsafe", "a{"): [("unsafe", "plain"), ("unsafe", "{{ x }}"), 7, None],
        ("unsafe", "b"): ("unsafe", "%}"),
    }


def expected(estate: Sandbox) -> dict[int, Counter[str]]:
    """What the findings of the sandbox come to."""
    levels = {5: "critical", 4: "high", 3: "medium", 2: "low", 1: "info"}
    counts: dict[int, Counter[str]] = {}
    for finding in estate.qualys.findings.values():
        if finding.get("status") in ("NEW", "ACTIVE", "REOPENED", "RETESTING") and not finding.get("isIgnored"):
            counts.setdefault(finding["webApp"]["id"], Counter())[levels[finding["severity"]]] += 1
    return counts


@pytest.mark.parametrize("connections", [1, 4])
def test_open_findings_are_counted_in_a_few_requests(estate: Sandbox, connections: int) -> None:
    with client_of(estate, max_connections=connections) as client:
        assert count_severities(client, None) == expected(estate)
    assert estate.counters.requests == 3


def test_findings_of_some_applications(estate: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(severity_counts, "IDS_PER_SEARCH", 20)
    wanted = sorted(expected(estate))[:50]
    with client_of(estate) as client:
        assert count_severities(client, wanted) == {key: expected(estate)[key] for key in wanted}
        assert count_severities(client, []) == {}


def test_findings_are_read_again_when_their_number_does_not_match(estate: Sandbox) -> None:
    estate.faults.add({"kind": "half_page", "match": {"route": "search/was/finding"}, "times": 1})
    with client_of(estate) as client:
        assert count_severities(client, None) == expected(estate)


def test_findings_that_never_match_are_an_error(estate: Sandbox) -> None:
    estate.faults.add({"kind": "half_page", "match": {"route": "search/was/finding"}, "times": -1})
    with client_of(estate) as client, pytest.raises(IncompleteRead, match="findings and sent"):
        count_severities(client, None)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings and events name an attack in the same words, and say nothing where nothing is known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records.attack_families import (
    event_columns,
    family_of_event,
    family_of_finding,
    finding_columns,
    parameter_name,
    parameter_of_event,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.attacks import tables
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.fields import CATEGORY_LABELS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def sub(rule: str | None, matched_on: str | None = None, message: str | None = None) -> dict[str, Any]:
    return {"rule_id": rule, "matched_on": matched_on, "message": message}


FINDINGS: list[tuple[dict[str, Any], str]] = [
    ({"cwe": [79]}, "xss"),
    ({"cwe": [79, 80]}, "xss"),
    ({"cwe": ["CWE-89"]}, "sqli"),
    ({"cwe": ["89"]}, "sqli"),
    ({"cwe": [22, 98]}, "lfi"),
    ({"cwe": [98]}, "rfi"),
    ({"cwe": [94, 1336]}, "ssti"),
    ({"cwe": [94]}, "code_injection"),
    ({"cwe": [78]}, "rce"),
    ({"cwe": [611]}, "xxe"),
    ({"cwe": [918]}, "ssrf"),
    ({"cwe": [502]}, "deserialization"),
    ({"cwe": [917, 502]}, "java"),
    ({"cwe": [1104, 79]}, "xss"),
    ({"cwe": [384]}, "session_fixation"),
    ({"cwe": [1021, 693]}, ""),
    ({"cwe": [], "source": "qualys", "rule_id": "150003", "title": "Something"}, "sqli"),
    ({"cwe": [], "source": "other", "rule_id": "150003", "title": "Something"}, ""),
    ({"cwe": [], "title": "Blind SQL Injection"}, "sqli"),
    ({"cwe": None, "title": "Reflected Cross-Site Scripting (XSS)"}, "xss"),
    ({"cwe": "79", "title": None}, ""),
    ({"title": "SQL server banner"}, ""),
    ({}, ""),
]

EVENTS: list[tuple[dict[str, Any], str, str]] = [
    ({"sub_events": [sub("942100", "ARGS:q")]}, "sqli", "q"),
    ({"sub_events": [sub("920320", "REQUEST_HEADERS:User-Agent"), sub("942100", "ARGS:q")]}, "sqli", "q"),
    ({"sub_events": [sub("942100", "ARGS:q"), sub("941100", "ARGS:page")]}, "sqli,xss", "page&q"),
    ({"sub_events": [sub("942100", "ARGS:q"), sub("949110", "TX:ANOMALY_SCORE")]}, "sqli", "q"),
    ({"sub_events": [sub("930110", "REQUEST_URI")]}, "lfi", ""),
    ({"sub_events": [sub("941100", "REQUEST_HEADERS:Referer")]}, "xss", "Referer"),
    ({"sub_events": [sub("941100", "ARGS_NAMES:a[b]")]}, "xss", "a[b]"),
    ({"sub_events": [sub("942100", "ARGS:json.user.name")]}, "sqli", "user.name"),
    ({"sub_events": [sub("932100", "REQUEST_COOKIES:sid")]}, "rce", "sid"),
    ({"sub_events": [sub("981255", "ARGS:card")]}, "sqli", "card"),
    ({"sub_events": [sub("80009", "ARGS:password", "Argument is too long")]}, "", "password"),
    ({"sub_events": [sub("80010", "ARGS:q", "SQL Injection detected")]}, "sqli", "q"),
    ({"rule_ids": ["941100", "942100"]}, "sqli,xss", ""),
    ({"rule_ids": ["949110"]}, "", ""),
    ({"rule_ids": ["942290"]}, "nosqli,sqli", ""),
    ({"rule_ids": ["944150"]}, "java", ""),
    ({"rule_ids": ["913100"]}, "scanner", ""),
    ({"rule_ids": ["941000000"]}, "", ""),
    ({"categories": ["OWASP_CRS/WEB_ATTACK/SQL_INJECTION"]}, "sqli", ""),
    ({"categories": ["attack-xss", "paranoia-level/1"]}, "xss", ""),
    ({"categories": ["OWASP_CRS/ANOMALY/EXCEEDED"]}, "", ""),
    ({"categories": ["BLACKLIST/COUNTRY"], "message": "Country not allowed"}, "access", ""),
    ({"categories": ["OWASP_CRS/POLICY/SIZE_LIMIT"]}, "protocol", ""),
    ({"categories": ["SQLインジェクション"]}, "sqli", ""),
    ({"categories": ["クロスサイトスクリプティング", "SQLインジェクション"]}, "sqli,xss", ""),
    ({"categories": ["Scutum攻撃テスト"]}, "test", ""),
    ({"categories": ["まだ知らない攻撃"]}, "", ""),
    (
        {
            "categories": ["OWASP_CRS/ANOMALY/EXCEEDED"],
            "message": "Inbound Anomaly Score Exceeded (Total Score: 8, SQLi=5, XSS=0): Last Matched Message: 942100-x",
        },
        "sqli",
        "",
    ),
    (
        {"message": "Inbound Anomaly Score Exceeded (Total Score: 8, SQLi=, XSS=0): Last Matched Message: 930100-x"},
        "lfi",
        "",
    ),
    ({"message": "Inbound Anomaly Score Exceeded (Total Score: 8)"}, "", ""),
    ({}, "", ""),
]


@pytest.mark.parametrize(("finding", "expected"), FINDINGS, ids=str)
def test_the_family_of_a_finding(finding: dict[str, Any], expected: str) -> None:
    assert family_of_finding(finding) == expected


@pytest.mark.parametrize(("event", "family", "parameter"), EVENTS, ids=str)
def test_the_family_and_the_parameter_of_an_event(event: dict[str, Any], family: str, parameter: str) -> None:
    assert (family_of_event(event), parameter_of_event(event)) == (family, parameter)


@given(st.dictionaries(st.sampled_from(["cwe", "title", "source", "rule_id", "url", "parameter"]), JSON))
def test_no_finding_breaks_the_columns(finding: dict[str, Any]) -> None:
    assert all(isinstance(value, str) for value in finding_columns(finding))


@given(
    st.dictionaries(st.sampled_from(["categories", "rule_ids", "sub_events", "message", "url", "host", "path"]), JSON)
)
def test_no_event_breaks_the_columns(event: dict[str, Any]) -> None:
    assert all(isinstance(value, str) for value in event_columns(event))


@given(st.text(max_size=40))
def test_a_parameter_never_holds_the_sign_that_separates_parameters(name: str) -> None:
    found = parameter_name(name)
    assert "&" not in found
    assert parameter_name(found) == found


def test_a_parameter_is_the_same_however_it_is_encoded() -> None:
    assert {parameter_name(name) for name in ("user[name]", "user%5Bname%5D", " user[name]", "'user[name]'")} == {
        "user[name]"
    }
    assert parameter_name("a&b") == parameter_name("a%26b") == "a%26b"


def test_an_event_goes_where_its_own_fields_say_and_else_where_its_url_says() -> None:
    both = {"host": "Shop.example.com", "path": "/a/1", "url": "https://other.example.com/b"}
    assert event_columns(both)[:2] == ("shop.example.com", "/a/{id}")
    assert event_columns({"url": "https://other.example.com/b?x"})[:2] == ("other.example.com", "/b")
    assert event_columns({"host": "shop.example.com", "url": "//b/c?x"})[:2] == ("shop.example.com", "//b/c")


def test_every_category_that_scutum_is_known_to_send_has_a_family() -> None:
    assert set(CATEGORY_LABELS) == set(tables.CATEGORIES)
    for japanese, english in CATEGORY_LABELS.items():
        words = family_of_event({"categories": [english]})
        assert words in ("", family_of_event({"categories": [japanese]})), english


def test_the_tables_agree_with_themselves() -> None:
    known = set(tables.WEAKNESSES) | tables.WEAK | {tables.MAIL}
    told = {family for _first, _last, families in tables.RULES for family in families}
    told |= {family for table in (tables.TAGS, tables.CATEGORIES) for families in table.values() for family in families}
    told |= {family for family, _pattern in tables.WORDS} | set(tables.CHECKS)
    assert told <= known
    numbers = [number for numbers in tables.WEAKNESSES.values() for number in numbers]
    assert len(numbers) == len(set(numbers))
    assert all(first <= last for first, last, _families in tables.RULES)
    for place, (first, last, _families) in enumerate(tables.RULES):
        hidden = [row for row in tables.RULES[:place] if row[0] <= first and last <= row[1]]
        assert not hidden, f"{first} is never reached"


def test_a_finding_without_a_url_is_on_the_host_of_its_application() -> None:
    found = finding_columns({"url": None, "asset": {"url": "https://Shop.example.com/app/"}, "parameter": "q"})
    assert (found.host, found.path_template, found.parameter) == ("shop.example.com", "", "q")

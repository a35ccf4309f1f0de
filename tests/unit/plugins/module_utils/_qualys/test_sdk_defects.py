# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of qualysdk 0.3.17 (docs/vendors/qualys_was.md 17.2) that web applications and listings must not have.

Every defect of that section has a test named after its number, here or beside the room that it is about; the last test
of this file counts them.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import webapp
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.findings import finding_info
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..qualys_kit import client_of, info_options, routes, webapp_options

APP, OTHER = 410005, 410006
DEFECTS = 21
TESTS = Path(__file__).resolve().parents[4]


def change(sandbox: Sandbox, **options: Any) -> Result:
    with client_of(sandbox) as client:
        return webapp.run(webapp_options(**options), client, False)


def entries(*values: tuple[str, bool]) -> list[dict[str, Any]]:
    return [{"value": value, "regex": regex} for value, regex in values]


@pytest.mark.parametrize("remove", [True, False])
def test_sdk_defect_02_the_flag_of_a_delete_travels_in_the_body(sandbox: Sandbox, remove: bool) -> None:
    before = len(sandbox.qualys.in_subscription)
    change(sandbox, id=APP, state="absent", remove_from_subscription=remove)
    assert len(sandbox.qualys.in_subscription) == before + (0 if remove else 1)
    assert routes(sandbox, "/delete/") == [f"POST /qps/rest/3.0/delete/was/webapp/{APP}"]


def test_sdk_defect_05_all_attributes_are_added_and_removed_in_one_update(sandbox: Sandbox) -> None:
    stored = sandbox.qualys.webapps[APP]
    stored["attributes"] = [{"name": name, "value": "old"} for name in ("a", "b", "c")]
    both: dict[str, Any] = {"attributes_add": {"d": "4", "e": "5"}, "attributes_remove": ["a", "b"]}
    assert change(sandbox, id=APP, **both).changed
    assert {item["name"]: item["value"] for item in stored["attributes"]} == {"c": "old", "d": "4", "e": "5"}
    assert len(routes(sandbox, "/update/")) == 1
    # A removal alone is a TypeError there.
    assert change(sandbox, id=APP, attributes_remove=["c", "d"]).changed
    assert stored["attributes"] == [{"name": "e", "value": "5"}]


def test_sdk_defect_07_profile_uris_tags_domains_and_scanner_tags_are_updated(sandbox: Sandbox) -> None:
    state = sandbox.qualys
    wanted: dict[str, Any] = {
        "default_profile": "API only & <beta>",
        "scope": "DOMAINS",
        "domains": ["shop.example.com", "cdn.example.com"],
        "uris": ["https://shop.example.com/a?x=1&y=2"],
        "tags": ["uat", "gdpr"],
        "scanner_tags": ["scanner-eu"],
    }
    assert change(sandbox, id=APP, **wanted).changed
    stored = state.webapps[APP]
    assert state.option_profiles[stored["defaultProfile"]["id"]]["name"] == wanted["default_profile"]
    assert sorted(stored["domains"]) == sorted(wanted["domains"])
    assert stored["uris"] == wanted["uris"]
    assert {state.tags[key]["name"] for key in stored["tags"]} == set(wanted["tags"])
    assert [state.tags[key]["name"] for key in stored["defaultScannerTags"]] == wanted["scanner_tags"]
    assert not change(sandbox, id=APP, **wanted).changed


def test_sdk_defect_08_an_entry_is_a_regular_expression_only_when_it_says_so(sandbox: Sandbox) -> None:
    plain = ["/admin", "/export.*", "https://shop.example.com/a?b=1"]
    patterns = ["https://.*/logout", r"^.*\.com/delete/\d+$", "sign[- ]?out"]
    listed = [*plain, *({"value": pattern, "regex": True} for pattern in patterns)]
    names = ("url_allowlist", "url_excludelist", "post_data_excludelist", "logout_regex_list")
    change(sandbox, id=APP, **dict.fromkeys(names, listed))
    for name in ("urlAllowlist", "urlExcludelist", "postDataExcludelist", "logoutRegexList"):
        stored = {item["value"]: item["regex"] for item in sandbox.qualys.webapps[APP][name]}
        assert stored == dict.fromkeys(plain, False) | dict.fromkeys(patterns, True), name


def test_sdk_defect_12_full_detail_loses_nothing_to_passing_faults(estate: Sandbox) -> None:
    estate.faults.add({"match": {"route": "get/was/finding"}, "kind": "status", "status": 500, "times": 5})
    filters = [{"field": "id", "operator": "IN", "value": estate.qualys.findings.ids[:30]}]
    with client_of(estate) as client:
        found = finding_info.run(info_options(filters=filters, detail="full"), client, False)
    assert [int(item["id"]) for item in found.values["findings"]] == estate.qualys.findings.ids[:30]
    assert estate.faults.pending() == 0


@pytest.mark.parametrize("wanted", [True, False, "true", "false"])
def test_sdk_defect_17_a_count_takes_booleans_and_leaves_the_filters_alone(estate: Sandbox, wanted: Any) -> None:
    filters = [{"field": "isIgnored", "value": wanted}, {"field": "severity", "value": [4, 5]}]
    before = [dict(item) for item in filters]
    with client_of(estate) as client:
        counted = finding_info.run(info_options(filters=filters, count_only=True), client, False)
    expected = [
        record
        for record in estate.qualys.findings.values()
        if record["severity"] in (4, 5) and bool(record.get("isIgnored")) is (wanted in (True, "true"))
    ]
    assert counted.values["total"] == len(expected) > 0
    assert filters == before


def test_sdk_defect_18_no_list_takes_the_place_of_another_when_it_is_read(sandbox: Sandbox) -> None:
    lists = {
        "urlAllowlist": entries(("https://a.example/", False)),
        "urlExcludelist": entries(("https://b.example/", False)),
        "postDataExcludelist": entries(("action=delete", False)),
        "logoutRegexList": entries(("sign[- ]?out", True)),
    }
    sandbox.qualys.webapps[APP].update(lists)
    # What an application does not have is no error either.
    sandbox.qualys.webapps[OTHER].update({name: [] for name in (*lists, "uris", "domains")})
    with client_of(sandbox) as client:
        [full] = webapp.run_info(info_options(id=APP), client, False).values["webapps"]
        [empty] = webapp.run_info(info_options(id=OTHER), client, False).values["webapps"]
    names = ("url_allowlist", "url_excludelist", "post_data_excludelist", "logout_regex_list")
    assert [full[name] for name in names] == list(lists.values())
    assert [empty[name] for name in (*names, "uris", "domains")] == [[]] * 6


def test_every_defect_of_the_page_has_a_test_named_after_it() -> None:
    names = [
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    prefix = "test_sdk_defect_"
    found = {name.removeprefix(prefix)[:2] for name in names if name.startswith(prefix)}
    assert sorted(found) == [f"{number:02}" for number in range(1, DEFECTS + 1)]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option profiles and tags are listed, filtered, and shown in our names."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.criteria import TABLES, build
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library import lookups
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.library.lookups import (
    OPTION_PROFILE,
    TAG,
    run_option_profiles,
    run_tags,
    shown,
)
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, routes
from ..life import living, shared_living

__all__ = ["living", "shared_living"]

RUNS = {"option_profiles": run_option_profiles, "tags": run_tags}


def go(sandbox: Sandbox, key: str, **options: Any) -> dict[str, Any]:
    blank = {**dict.fromkeys(("id", "name", "filters", "limit", "query")), "filters_strict": True, "detail": "summary"}
    with client_of(sandbox) as client:
        result = RUNS[key]({**blank, **options}, client, False)
    assert not result.changed
    assert sandbox.counters.writes == 0
    return result.values


def table_of(sandbox: Sandbox, key: str) -> Any:
    return {"option_profiles": sandbox.qualys.option_profiles, "tags": sandbox.qualys.tags}[key]


@pytest.mark.parametrize("key", RUNS)
def test_all_are_listed(living: Sandbox, key: str) -> None:
    values = go(living, key)
    ids = sorted(table_of(living, key).ids)
    assert [record["id"] for record in values[key]] == ids
    assert (values["total"], values["truncated"]) == (len(ids), False)


@pytest.mark.parametrize("key", RUNS)
def test_one_is_found_by_id_or_by_name(living: Sandbox, key: str) -> None:
    for record in list(table_of(living, key).in_order())[:3]:
        [by_id] = go(living, key, id=record["id"])[key]
        [by_name] = go(living, key, name=record["name"])[key]
        assert by_id["name"] == by_name["name"] == record["name"]
    assert go(living, key, id=7) == {key: [], "total": 0, "truncated": False}
    assert go(living, key, name="no such name") == {key: [], "total": 0, "truncated": False}


@pytest.mark.parametrize("key", RUNS)
def test_names_are_compared_exactly(living: Sandbox, key: str) -> None:
    living.switches["text_case_sensitive"] = False
    record = next(item for item in table_of(living, key).in_order() if item["name"].upper() != item["name"])
    assert go(living, key, name=record["name"].upper()) == {key: [], "total": 0, "truncated": False}
    assert go(living, key, name=record["name"])["total"] == 1


@pytest.mark.parametrize("key", RUNS)
def test_limit_and_query(living: Sandbox, key: str) -> None:
    values = go(living, key, limit=2, query="[].name")
    names = [record["name"] for record in table_of(living, key).in_order()]
    assert (values[key], values["total"], values["truncated"]) == (names[:2], len(names), True)


def test_full_detail_adds_the_settings(living: Sandbox) -> None:
    [short] = go(living, "option_profiles", limit=1)["option_profiles"]
    living.reset_counters()
    [full] = go(living, "option_profiles", limit=1, detail="full")["option_profiles"]
    assert set(short) == {entry.ours for entry in OPTION_PROFILE.values() if not entry.full}
    assert set(full) == {entry.ours for entry in OPTION_PROFILE.values()}
    assert full["max_crawl_requests"] == 300
    assert full["is_default"] in (True, False)
    assert len(routes(living, "get/was/optionprofile")) == 1


def test_tags_know_their_children(living: Sandbox) -> None:
    parent = next(item for item in living.qualys.tags.in_order() if item.get("parentTagId"))["parentTagId"]
    [tag] = go(living, "tags", id=parent)["tags"]
    assert tag["children"]
    assert {path.split("/")[3] for path in routes(living, "/tag")} == {"2.0"}
    children = go(living, "tags", filters=[{"field": "parent", "value": parent}])["tags"]
    assert [item["id"] for item in children] == [item["id"] for item in tag["children"]]


SAMPLES = {"integer": 1, "text": "x", "date": "2026-01-31", "boolean": True, "keyword": None}


@pytest.mark.parametrize("resource", ["optionprofile", "tag"])
def test_every_field_and_operator_is_accepted_by_the_server(living: Sandbox, resource: str) -> None:
    with client_of(living) as client:
        for field, kind in TABLES[resource].items():
            for operator in kind.operators:
                value = (kind.enum or ("EC2",))[0] if kind.name == "keyword" else SAMPLES[kind.name]
                client.count(resource, build([{"field": field, "operator": operator, "value": value}], resource))


def test_unknown_fields_are_refused(living: Sandbox) -> None:
    with pytest.raises(OptionError, match="url is not a known search field"):
        go(living, "tags", filters=[{"field": "url", "value": "x"}])
    with pytest.raises(OptionError, match="is not a valid value of ruleType"):
        go(living, "tags", filters=[{"field": "ruleType", "value": "x"}])
    with pytest.raises(OptionError, match="limit: -1"):
        go(living, "tags", limit=-1)


def test_odd_records_do_no_harm() -> None:
    raw = {
        "id": "7",
        "isDefault": "false",
        "owner": "x",
        "tags": {"list": ["x", {"Tag": {"id": "1"}}]},
        "sensitiveContent": {"creditCardNumber": "false", "socialSecurityNumber": "true", "customContents": "a|b"},
        "parameterSet": "x",
        "comments": {"list": [{"Comment": {"contents": "one"}}, "x", {"Comment": {"author": {"id": 1}}}]},
        "createdDate": "never",
    }
    found = shown(OPTION_PROFILE, raw, full=True)
    assert (found["id"], found["is_default"], found["owner"], found["created"]) == (7, False, None, None)
    assert found["tags"] == [{"id": 1, "name": None}]
    assert found["sensitive_content"] == {
        "credit_card_number": False,
        "social_security_number": True,
        "custom_contents": "a|b",
    }
    assert found["parameter_set"] is None
    assert found["comments"] == ["one", ""]
    assert shown(OPTION_PROFILE, {"sensitiveContent": "x"}, full=True)["sensitive_content"] is None
    empty = shown(TAG, {}, full=True)
    assert empty["children"] == []
    assert empty["children"] is not shown(TAG, {}, full=True)["children"]
    assert lookups.comments(None) == []

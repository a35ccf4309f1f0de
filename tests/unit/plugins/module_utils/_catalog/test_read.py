# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Catalogs that are wrong, and what is made of those that are not."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible.module_utils.common.validation import check_type_bool, check_type_int

from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.read import Catalog, read
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS

ONCE = "List each web application once; if several have the same name, give each its id."
TYPES = {"int": check_type_int, "bool": check_type_bool}
SHOP = {"name": "shop", "url": "https://shop.example.com/"}


def read_one(**content: Any) -> Catalog:
    return read([("a.yml", content)], KINDS, TYPES)


def webapps(*entries: dict[str, Any]) -> list[dict[str, Any]]:
    """The web applications of a catalog without mistakes."""
    catalog = read_one(webapps=list(entries))
    assert catalog.problems == []
    return catalog.entries["webapps"]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({"webapp": []}, "a.yml: webapp is not a key of a catalog. Did you mean webapps?"),
    "unlike-any-kind": (
        {"x": []},
        "a.yml: x is not a key of a catalog. Use one of auth_records, webapps, schedules.",
    ),
    "no-list": ({"webapps": {"name": "x"}}, "a.yml: webapps is not a list."),
    "no-mapping": ({"webapps": ["shop"]}, "a.yml: webapps[0] is not a mapping of options."),
    "no-name": ({"webapps": [{"url": "x"}]}, "a.yml: webapps[0] (''): name or id is required."),
    "option": (
        {"webapps": [SHOP | {"tgas": []}]},
        "a.yml: webapps[0] ('shop'): tgas is not an option. Did you mean tags?",
    ),
    "strange-option": ({"webapps": [SHOP | {"zzz": 1}]}, "a.yml: webapps[0] ('shop'): zzz is not an option."),
    "state": ({"webapps": [SHOP | {"state": "absent"}]}, "a.yml: webapps[0] ('shop'): state is not an option."),
    "list": ({"webapps": [SHOP | {"tags": "prod"}]}, "a.yml: webapps[0] ('shop'): tags is not a list."),
    "mapping": (
        {"webapps": [SHOP | {"attributes": ["x"]}]},
        "a.yml: webapps[0] ('shop'): attributes is not a mapping.",
    ),
    "choice": (
        {"webapps": [SHOP | {"tags_mode": "replace"}]},
        "a.yml: webapps[0] ('shop'): tags_mode is not one of set, add, remove.",
    ),
    "template-without-text": (
        {"webapps": [SHOP | {"default_profile": True}]},
        "a.yml: webapps[0] ('shop'): default_profile is not text. Make the template return text.",
    ),
    "template-without-text-in-a-list": (
        {"webapps": [SHOP | {"tags": ["prod", 1.1]}]},
        "a.yml: webapps[0] ('shop'): tags is not text. Make the template return text.",
    ),
    "whole-number": (
        {"webapps": [SHOP | {"cancel_after": "six"}]},
        "a.yml: webapps[0] ('shop'): cancel_after is not a whole number.",
    ),
    "whole-number-in-a-mapping": (
        {"schedules": [{"name": "x", "recurrence": {"type": "DAILY", "every": 1.5}}]},
        "a.yml: schedules[0] ('x'): recurrence.every is not a whole number.",
    ),
    "truth-value": (
        {"webapps": [SHOP | {"use_sitemap": "perhaps"}]},
        "a.yml: webapps[0] ('shop'): use_sitemap is not true or false.",
    ),
    "truth-value-in-a-list": (
        {"auth_records": [{"name": "x", "form": {"fields": [{"name": "a", "secured": []}]}}]},
        "a.yml: auth_records[0] ('x'): form.fields[0].secured is not true or false.",
    ),
    "id": ({"webapps": [{"id": "shop"}]}, "a.yml: webapps[0] (id shop): id is not a whole number."),
    "header": (
        {"webapps": [SHOP | {"headers": ["X-A: value", "X-B: "]}]},
        "a.yml: webapps[0] ('shop'): headers has an entry without a value. Is a variable not set?",
    ),
    "suboption": (
        {"webapps": [SHOP | {"default_scanner": {"type": "EXTERNAL", "friendlyname": "x"}}]},
        "a.yml: webapps[0] ('shop'): default_scanner.friendlyname is not an option. Did you mean friendly_name?",
    ),
    "suboption-of-a-list": (
        {"auth_records": [{"name": "x", "form": {"fields": [{"value": "v"}]}}]},
        "a.yml: auth_records[0] ('x'): form.fields[0].name is required.",
    ),
    "item": (
        {"auth_records": [{"name": "x", "form": {"fields": ["user"]}}]},
        "a.yml: auth_records[0] ('x'): form.fields[0] is not a mapping.",
    ),
    "twice": (
        {"webapps": [SHOP, {"name": " shop "}]},
        f"a.yml: webapps[1] ('shop'): already listed in a.yml: webapps[0] ('shop'). {ONCE}",
    ),
    "id-twice": (
        {"webapps": [{"id": 7}, {"id": "7", "name": "x"}]},
        "a.yml: webapps[1] ('x'): the id 7 is already listed in a.yml: webapps[0] (id 7).",
    ),
    "dangling": (
        {"webapps": [SHOP | {"like": "nobody"}]},
        "a.yml: webapps[0] ('shop'): like: there is no web application 'nobody' in the catalog.",
    ),
    "itself": (
        {"webapps": [SHOP | {"like": "shop"}]},
        "a.yml: webapps[0] ('shop'): like refers back to itself: 'shop' -> 'shop'.",
    ),
}


@pytest.mark.parametrize(("content", "problem"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_file_and_entry(content: dict[str, Any], problem: str) -> None:
    assert read_one(**content).problems == [problem]


@pytest.mark.parametrize(
    "options",
    [
        {"cancel_after": 8, "use_sitemap": True},
        {"cancel_after": "8", "use_sitemap": "yes"},
        {"cancel_after": 8.0, "use_sitemap": 0},
        {"cancel_after": None, "use_sitemap": None},
    ],
)
def test_what_the_module_takes_for_a_number_or_a_truth_value_is_no_mistake(options: dict[str, Any]) -> None:
    """A template of an older ansible-core gives texts."""
    assert webapps(SHOP | options) == [SHOP | options]


def test_a_circle_is_told_once_for_each_in_it() -> None:
    circle = [{"name": name, "like": other} for name, other in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"))]
    assert read_one(webapps=circle).problems == [
        "a.yml: webapps[0] ('a'): like refers back to itself: 'a' -> 'b' -> 'c' -> 'a'.",
        "a.yml: webapps[1] ('b'): like refers back to itself: 'b' -> 'c' -> 'a' -> 'b'.",
        "a.yml: webapps[2] ('c'): like refers back to itself: 'c' -> 'a' -> 'b' -> 'c'.",
    ]


def test_problems_of_all_files_are_told_at_once() -> None:
    documents = [("a.yml", {"webapps": [SHOP]}), ("b.yml", {"webapps": [SHOP | {"tgas": 1}]})]
    problems = read(documents, KINDS).problems
    assert [problem.partition(":")[0] for problem in problems] == ["b.yml", "b.yml"]
    assert "already listed in a.yml: webapps[0]" in problems[1]


def test_no_problem_quotes_a_value() -> None:
    secret = "canary"
    wrong = {"name": "x", "form": secret, "server": {"certificate": [secret]}, "update_secret": secret}
    other = SHOP | {"headers": secret, "cancel_after": secret, "use_sitemap": secret}
    problems = read_one(auth_records=[wrong], webapps=[other]).problems
    assert len(problems) == 6
    assert secret not in " ".join(problems)


def test_files_add_to_one_list_and_keep_their_order() -> None:
    catalog = read([("a.yml", {"webapps": [SHOP]}), ("b.yml", None), ("c.yml", {"webapps": [{"id": 7}]})], KINDS)
    assert catalog.entries == {"webapps": [SHOP, {"id": 7}]}


def test_a_kind_without_entries_is_listed_all_the_same() -> None:
    assert read_one(webapps=None, schedules=[]).entries == {"webapps": [], "schedules": []}


def test_schedules_of_one_name_are_told_apart_by_their_application() -> None:
    nightly = {"name": "nightly", "recurrence": {"type": "ONCE"}}
    assert read_one(schedules=[nightly | {"webapp": "a"}, nightly | {"webapp": "b"}]).problems == []
    assert len(read_one(schedules=[nightly | {"webapp": "a"}, nightly | {"webapp": "a"}]).problems) == 1


def test_an_entry_takes_the_options_of_another() -> None:
    base = SHOP | {"id": 7, "tags": ["prod"], "cancel_after": 8}
    middle = {"name": "middle", "url": "https://m.example.com/", "like": "shop", "tags": []}
    assert webapps(base, middle, {"name": "last", "like": "middle", "cancel_after": 1}) == [
        base,
        {"name": "middle", "url": "https://m.example.com/", "tags": [], "cancel_after": 8},
        {"name": "last", "url": "https://m.example.com/", "tags": [], "cancel_after": 1},
    ]


def test_the_modules_see_the_placeholders_themselves() -> None:
    script = {"name": "login", "data": "VALUE_REDACTED", "regex": "bye"}
    # A header that stands beside those, and is added by hand, has to differ.
    only = SHOP | {"headers": ["X-A: VALUE_REDACTED", "X-B: VALUE_REDACTED"], "crawling_scripts": [script]}
    mixed = {"name": "mixed", "headers": ["X-A: VALUE_REDACTED", "X-C: new"]}
    added = {"name": "added", "headers_add": ["X-A: VALUE_REDACTED", "X-C: new"]}
    assert webapps(only, mixed, added) == [only, mixed, added]
    record = {"name": "x", "form": {"fields": [{"name": "password", "value": "VALUE_REDACTED"}]}}
    assert read_one(auth_records=[record]).entries["auth_records"] == [record]


def test_what_yaml_takes_for_a_date_is_a_text_again() -> None:
    moment = datetime.datetime(2026, 12, 1, 2, tzinfo=datetime.UTC)
    entry = {"name": "x", "start": moment}
    assert read_one(schedules=[entry]).entries["schedules"][0]["start"] == "2026-12-01T02:00:00+00:00"

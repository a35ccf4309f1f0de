# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A catalog beside the estate."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.compare import (
    created,
    differences,
    failures,
    orphans,
    split_pending,
    summary,
    to_check,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._catalog.kinds import Kind
from ansible_collections.appsec.perimeter.plugins.plugin_utils._catalog_kinds import KINDS

BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
RECURRENCE = {"type": "WEEKLY", "every": 1, "days": ["MONDAY"]}
SCHEDULE = {"id": 5, "name": "nightly", "webapp": "shop", "active": True, "recurrence": RECURRENCE, "tags": ["a", "b"]}


def test_orphans_are_what_no_entry_can_be_about() -> None:
    records = [{"id": key, "name": name, "url": f"https://{key}/"} for key, name in enumerate(["a", "b", "b", "c "])]
    entries = [{"id": "0"}, {"name": "b", "url": "https://1/"}]
    assert orphans(records, entries) == [{"id": 3, "name": "c ", "url": "https://3/"}]
    # In doubt a record is none: it may be pruned.
    assert orphans(records, [*entries, {"name": "c"}]) == []


NEW = {"name": "new", "id": None}


def test_check_mode_leaves_out_what_a_run_would_create_before() -> None:
    entries: list[dict[str, Any]] = [
        {"name": "one", "auth_records": ["new", "old"]},
        {"name": "two", "auth_records_add": ["new"]},
        {"name": "three", "auth_records": ["new"], "auth_records_mode": "remove"},
        {"name": "four", "auth_records": ["old"]},
    ]
    planned, waiting, _missing = split_pending(entries, BY_NAME["webapps"], {"auth_records": [NEW]})
    assert planned == [
        {"name": "one", "auth_records": ["old"]},
        {"name": "two", "auth_records_add": []},
        *entries[2:],
    ]
    assert waiting == [
        {"id": None, "name": "one", "fields": {"auth_records": ["new", "old"]}},
        {"id": None, "name": "two", "fields": {"auth_records": ["new"]}},
    ]
    assert split_pending(entries, BY_NAME["webapps"], {}) == (entries, [], [])


def test_check_mode_means_a_record_that_is_renamed_by_its_id() -> None:
    coming = {"auth_records": [{"name": "renamed", "id": 7}, NEW]}
    entries: list[dict[str, Any]] = [
        {"name": "one", "auth_records": [" renamed ", "old"]},
        {"name": "two", "auth_records_add": ["renamed", "new"], "auth_records_remove": ["renamed"]},
        {"name": "three", "auth_records": ["renamed", "new"], "auth_records_mode": "remove"},
    ]
    planned, waiting, missing = split_pending(entries, BY_NAME["webapps"], coming)
    assert planned == [
        {"name": "one", "auth_records": ["7", "old"]},
        {"name": "two", "auth_records_add": ["7"], "auth_records_remove": ["7"]},
        {"name": "three", "auth_records": ["7", "new"], "auth_records_mode": "remove"},
    ]
    assert waiting == [{"id": None, "name": "two", "fields": {"auth_records": ["renamed", "new"]}}]
    schedules = [{"name": "a", "webapp": "renamed", "auth_record": "renamed"}]
    coming = {kind: [{"name": "renamed", "id": key}] for kind, key in (("webapps", 5), ("auth_records", 7))}
    planned, waiting, missing = split_pending(schedules, BY_NAME["schedules"], coming)
    assert (planned, waiting, missing) == ([{"name": "a", "webapp": "5", "auth_record": "7"}], [], [])


def test_check_mode_tells_of_a_name_that_the_catalog_takes_away() -> None:
    held = [{"id": 7, "name": "old"}, {"id": 8, "name": "twin"}, {"id": 9, "name": "twin"}]
    entries: list[dict[str, Any]] = [{"id": 7, "name": "new"}, {"id": 8, "name": "other"}]
    results = [{"id": entry["id"], "action": "update", "failed": False, "fields": ["name"]} for entry in entries]
    coming = created(entries, {"results": results}, held)
    # Another record has the second name still.
    assert [row["was"] for row in coming] == ["old", None]
    apps: list[dict[str, Any]] = [
        {"name": "a", "auth_records": ["old", "twin"]},
        {"name": "b", "auth_records_add": ["old"]},
        {"name": "c", "auth_records_remove": ["old", "twin"]},
        {"name": "d", "auth_records": ["old"], "auth_records_mode": "remove"},
    ]
    planned, waiting, missing = split_pending(apps, BY_NAME["webapps"], {"auth_records": coming})
    assert planned == [{"name": "c", "auth_records_remove": ["twin"]}, {**apps[3], "auth_records": []}]
    assert (waiting, [row["entry"]["name"] for row in missing]) == ([], ["a", "b"])
    nightly = {"name": "n", "webapp": "shop", "auth_record": "old"}
    split = split_pending([nightly], BY_NAME["schedules"], {"auth_records": coming})
    parts = {
        "webapps": part(count=4, missing=missing, wanted=apps, places=["a.yml: line 2", "a.yml: line 3", "", ""]),
        "schedules": part(count=1, missing=split.missing, wanted=[nightly], places=["b.yml: line 2"]),
        "auth_records": part(count=2),
    }
    found = summary(parts, list(KINDS), predicted=True)
    why = "there is no authentication record named 'old', and no entry of the catalog creates one."
    assert [line for line in found["lines"] if line.startswith("Failed")] == [
        f"Failed: a.yml: line 2: web application 'a': auth_records: {why}",
        f"Failed: a.yml: line 3: web application 'b': auth_records: {why}",
        f"Failed: b.yml: line 2: schedule 'n': auth_record: {why}",
    ]
    assert (found["objects"], found["counts"]["webapps"]["unchanged"]) == ([], 2)


def test_a_schedule_for_what_is_not_there_yet_waits_as_a_whole() -> None:
    schedules: list[dict[str, Any]] = [{"name": "a", "webapp": "shop"}, {"name": "b", "auth_record": "new"}]
    coming = {"webapps": [{"name": "shop", "id": None}], "auth_records": [NEW]}
    planned, waiting, _missing = split_pending(schedules, BY_NAME["schedules"], coming)
    assert planned == []
    assert [item["name"] for item in waiting] == ["a", "b"]


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "nightly"},
        {"id": "5", "recurrence": RECURRENCE | {"count": None}},
        {"name": "nightly", "webapp": "shop", "active": True, "tags": ["b", "a"]},
    ],
)
def test_what_is_as_written_needs_no_module(entry: dict[str, Any]) -> None:
    assert to_check([entry], [SCHEDULE]) == []


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"name": "nightly", "active": False}, True),
        ({"name": "nightly", "active": "yes"}, True),
        ({"name": "nightly", "tags": ["a"]}, True),
        ({"name": "nightly", "tags_add": ["a"]}, True),
        ({"name": "nightly", "recurrence": {"type": "WEEKLY", "days": ["MONDAY"]}}, True),
        ({"id": 5, "name": "other"}, True),
        ({"id": 6, "name": "nightly"}, False),
        ({"name": "weekly"}, False),
    ],
)
def test_everything_else_is_for_the_module_to_say(entry: dict[str, Any], found: bool) -> None:
    assert to_check([entry], [SCHEDULE]) == [{"entry": entry, "before": SCHEDULE if found else None}]


def test_namesakes_are_told_apart_by_their_application_or_not_at_all() -> None:
    other = SCHEDULE | {"id": 6, "webapp": "basket"}
    assert to_check([{"name": "nightly", "webapp": "basket"}], [SCHEDULE, other]) == []
    (left,) = to_check([{"name": "nightly"}], [SCHEDULE, other])
    assert left["before"] is None


def part(**values: Any) -> dict[str, Any]:
    return {"count": 0, "result": {"skipped": True}, "orphans": [], "deleted": [], **values}


def test_the_summary_has_a_row_for_each_difference() -> None:
    results = [
        {"id": 1, "name": "a", "action": "update", "changed": True, "fields": ["tags"]},
        {"id": 2, "name": "b", "action": "none", "changed": False, "fields": []},
        {"id": None, "name": "c", "action": "create", "changed": True, "fields": ["name", "url"]},
        {"id": 4, "name": "d", "action": "none", "changed": False, "fields": []},
    ]
    diff = [{"before": {"tags": []}, "after": {"tags": ["x"]}}, {"before": {}, "after": {"name": "c"}}]
    waiting = [{"id": None, "name": name, "fields": {"auth_records": ["new"]}} for name in ("c", "d")]
    schedule = {
        "changed": True,
        "schedule": {"id": 9, "name": "s", "active": False, "type": "DISCOVERY"},
        "item": {
            "entry": {"name": "s", "active": False, "type": "DISCOVERY"},
            "before": {"id": 9, "name": "s", "active": True, "type": "DISCOVERY"},
        },
    }
    created = {"changed": True, "schedule": None, "item": {"entry": {"name": "t"}, "before": None}}
    parts = {
        "auth_records": part(),
        "webapps": part(
            count=4,
            result={"results": results, "diff": diff},
            waiting=waiting,
            orphans=[{"id": key, "name": f"o{key}"} for key in range(25)],
            deleted=[{"id": 7, "name": "gone"}],
        ),
        "schedules": part(
            count=4,
            result={"results": [schedule, created, {"changed": False}]},
            waiting=[{"id": None, "name": "w", "fields": {}}],
        ),
    }
    kinds = [BY_NAME["webapps"], BY_NAME["schedules"]]
    found = summary(parts, kinds, predicted=True)
    assert [(row["kind"], row["id"], row["name"], row["action"], row["fields"]) for row in found["objects"]] == [
        ("webapps", 1, "a", "update", ["tags"]),
        ("webapps", None, "c", "create", ["name", "url", "auth_records"]),
        ("webapps", None, "d", "update", ["auth_records"]),
        ("schedules", 9, "s", "update", ["active"]),
        ("schedules", None, "t", "create", ["name"]),
        ("schedules", None, "w", "create", []),
    ]
    assert found["objects"][0]["after"] == {"tags": ["x"]}
    assert found["objects"][1]["after"] == {"name": "c", "auth_records": ["new"]}
    assert found["counts"]["webapps"] == {"create": 1, "update": 2, "delete": 1, "unchanged": 1, "orphans": 25}
    assert found["counts"]["schedules"] == {"create": 2, "update": 1, "delete": 0, "unchanged": 1, "orphans": 0}
    assert "auth_records" not in found["counts"]
    assert found["lines"][0] == (
        "Web applications: 1 to create, 2 to update, 1 to delete, 1 unchanged, 25 not in the catalog."
    )
    assert found["lines"][3] == "- to delete: gone"
    assert found["lines"][4].endswith("o19 and 5 more")
    # A real run has nothing that waits.
    done = summary(parts, kinds, predicted=False)
    assert done["counts"]["webapps"]["update"] == 1
    assert done["lines"][0].startswith("Web applications: 1 created, 1 updated, 1 deleted,")


MASKED = "********"


def test_a_name_that_a_record_is_about_to_get_has_to_be_waited_for_too() -> None:
    entries = [{"id": 7, "name": " new login "}, {"id": 8, "name": "kept", "tags": []}, {"id": 9, "name": "broken"}]
    fields = [["tags", "name"], ["tags"], ["name"]]
    results = [
        {"id": 7 + index, "action": "update", "failed": index == 2, "fields": names}
        for index, names in enumerate(fields)
    ]
    assert created(entries, {"results": results}) == [{"name": "new login", "id": 7, "was": None}]


def test_names_come_from_the_catalog_and_never_from_a_result_that_is_masked() -> None:
    entries = [{"name": " shop login ", "tags": []}, {"id": 7, "tags": []}, {"name": "old"}, {"name": "broken"}]
    actions = [("create", False), ("update", False), ("none", False), ("create", True)]
    results = [
        {"id": None, "name": MASKED, "action": action, "changed": True, "failed": failed, "fields": []}
        for action, failed in actions
    ]
    # Behind the results for entries come those for deletions that failed.
    results.append({"id": 9, "name": "gone", "action": "delete", "changed": False, "failed": True})
    result = {"results": results}
    assert created(entries, result) == [{"name": "shop login", "id": None, "was": None}]
    assert created(entries, {"skipped": True}) == []
    found = summary(
        {"auth_records": part(count=4, result=result, entries=entries)}, [BY_NAME["auth_records"]], predicted=True
    )
    assert [row["name"] for row in found["objects"]] == ["shop login", MASKED, "old", "broken"]
    assert "- to create: shop login, broken" in found["lines"]


def test_a_schedule_is_named_by_its_entry_too() -> None:
    checks = [{"entry": {"name": "nightly", "active": False}, "before": SCHEDULE}]
    result = {"results": [{"item": 0, "changed": True, "schedule": SCHEDULE | {"name": MASKED, "active": False}}]}
    found = summary({"schedules": part(count=1, result=result, entries=checks)}, [BY_NAME["schedules"]], predicted=True)
    assert [(row["name"], row["fields"]) for row in found["objects"]] == [("nightly", ["active"])]


@pytest.mark.parametrize("diff", [{}, {"before": {"active": True}, "after": {"active": False}}])
def test_a_default_that_is_not_shown_is_no_difference_of_a_schedule(diff: dict[str, Any]) -> None:
    held = SCHEDULE | {"randomize": None, "cancel_after": None}
    checks = [{"entry": {"name": "nightly", "active": False, "randomize": False, "cancel_after": 0}, "before": held}]
    done = {"changed": True, "schedule": held | {"active": False, "randomize": False}, "diff": diff}
    rows = differences(BY_NAME["schedules"], {"results": [done]}, entries=checks)
    assert [row["fields"] for row in rows] == [["active"]]


def test_a_schedule_that_only_the_module_could_find_is_an_update() -> None:
    # Of several namesakes the entry says which one by the id of an application, which no reading shows.
    checks = [{"entry": {"name": "nightly", "webapp": "5", "active": False}, "before": None}]
    done = {"changed": True, "schedule": SCHEDULE | {"active": False}}
    rows = differences(
        BY_NAME["schedules"],
        {"results": [done | {"diff": {"before": {"active": True}, "after": {"active": False}}}]},
        entries=checks,
    )
    assert [(row["action"], row["fields"]) for row in rows] == [("update", ["active"])]
    rows = differences(
        BY_NAME["schedules"], {"results": [done | {"diff": {"before": {}, "after": {"active": False}}}]}, entries=checks
    )
    assert [(row["action"], row["fields"]) for row in rows] == [("create", ["name", "active", "webapp"])]


def test_a_failure_has_file_and_line_and_does_not_hide_the_others() -> None:
    message = "webapps, web application 'a': tags: ##vso[task.x] are wrong."
    missing = {"option": "auth_records", "kind": "authentication record", "name": "typo"}
    results = [
        {"id": 1, "name": "a", "action": "none", "changed": False, "failed": True, "fields": [], "msg": message}
        | {"error": {"message": message}},
        {"id": 2, "name": "b", "action": "update", "changed": True, "failed": False, "fields": ["auth_records"]}
        | {"unresolved": [missing]},
        {"id": 3, "name": "c", "action": "update", "changed": True, "failed": False, "fields": ["tags"]},
        {"id": 4, "name": "d", "action": "none", "changed": False, "failed": False, "fields": []},
    ]
    wanted = [{"name": name} for name in "abcd"]
    places = [f"x.yml: line {line}" for line in (2, 5, 9, 12)]
    whole = part(count=4, result={"results": results}, entries=wanted, wanted=wanted, places=places)
    found = summary({"webapps": whole}, [BY_NAME["webapps"]], predicted=True)
    typo = "auth_records: there is no authentication record named 'typo', and no entry of the catalog creates one."
    assert found["failures"] == [
        {"kind": "webapps", "id": 1, "name": "a", "place": "x.yml: line 2", "message": message},
        {
            "kind": "webapps",
            "id": 2,
            "name": "b",
            "place": "x.yml: line 5",
            "message": f"web application 'b': {typo}",
        },
    ]
    assert [row["name"] for row in found["objects"]] == ["b", "c"]
    assert found["counts"]["webapps"] | {"update": 2, "unchanged": 1} == found["counts"]["webapps"]
    first, second = [line for line in found["lines"] if line.startswith("Failed: ")]
    assert first.startswith("Failed: x.yml: line 2: webapps, web application 'a': ")
    assert "##vso[" not in first
    assert second == f"Failed: x.yml: line 5: web application 'b': {typo}"


def test_a_schedule_that_fails_has_its_place() -> None:
    checks = [
        {"entry": {"name": "nightly", "webapp": "shop", "active": False}, "before": SCHEDULE},
        {"entry": {"name": "nightly", "webapp": "other"}, "before": None},
    ]
    wanted = [{"name": "fine"}, *(check["entry"] for check in checks)]
    places = {BY_NAME["schedules"].identify(entry): f"s.yml: line {line}" for line, entry in enumerate(wanted)}
    result = {"results": [{"msg": "No.", "error": {"kind": "option"}, "failed": True} | {"item": 0}, {"item": 1}]}
    assert failures(BY_NAME["schedules"], result, checks, places) == [
        {
            "kind": "schedules",
            "id": 5,
            "name": "nightly",
            "place": "s.yml: line 1",
            "message": "schedule 'nightly': No.",
        }
    ]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many web applications in one task: few requests, one result each, and deletions under a ceiling."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousMatch,
    IncompleteRead,
    OptionError,
    PartialFailure,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import listing
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run_info as info
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run_many as run
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, entry, fed_back, info_options, routes, webapps_options

APP = 410001
ALL = [{"field": "id", "operator": "GREATER", "value": 1}]


class Many:
    """Runs the room's logic against a sandbox and counts what it sees."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.counters: dict[str, Any] = {}

    def __call__(self, *webapps: dict[str, Any], check: bool = False, workers: int = 4, **options: Any) -> Result:
        self.sandbox.reset_counters()
        try:
            with client_of(self.sandbox, max_connections=workers, retries=1) as client:
                return run(webapps_options(*(entry(**app) for app in webapps), **options), client, check)
        finally:
            self.counters = self.sandbox.counters.snapshot()
            assert self.counters["internal_errors"] == 0
            assert not check or self.counters["writes"] == 0

    def app(self, key: int) -> Any:
        return self.sandbox.qualys.webapps[key]

    def ids(self) -> list[int]:
        return list(self.sandbox.qualys.webapps.ids)

    def deletions(self) -> list[str]:
        return sorted(item.rsplit("/", 1)[1] for item in routes(self.sandbox, "/delete/"))


@pytest.fixture
def many(sandbox: Sandbox) -> Many:
    return Many(sandbox)


def test_first_again_check_and_check_again(many: Many) -> None:
    wanted = (
        {"name": "brand new", "url": "https://new.test/", "tags": ["prod"]},
        {"id": APP, "use_sitemap": True},
        {"name": many.app(APP + 1)["name"], "tags": ["uat"]},
        {"id": APP + 2, "name": many.app(APP + 2)["name"]},
    )
    predicted = many(*wanted, check=True)
    first = many(*wanted)
    assert many.counters["writes"] == 3
    assert predicted.changed
    assert first.changed
    assert predicted.values["plan"] == first.values["plan"]
    assert first.values["plan"] == {
        "create": ["web application 'brand new'"],
        "update": [f"web application {APP}", f"web application {many.app(APP + 1)['name']!r}"],
        "delete": [],
        "unchanged": 1,
    }
    assert [result["action"] for result in first.values["results"]] == ["create", "update", "update", "none"]
    assert [result["changed"] for result in first.values["results"]] == [True, True, True, False]
    assert [result["fields"] for result in first.values["results"]] == [
        *(["name", "url", "tags"], ["use_sitemap"], ["tags"], [])
    ]
    assert [result["id"] for result in first.values["results"]] == [max(many.ids()), APP, APP + 1, APP + 2]
    assert [result["id"] for result in predicted.values["results"]] == [None, APP, APP + 1, APP + 2]
    again = many(*wanted)
    assert (again.changed, many.counters["writes"], again.values["plan"]["unchanged"]) == (False, 0, 4)
    assert not many(*wanted, check=True).changed


def test_a_thousand_unchanged_applications_cost_one_listing_and_no_more_than_fifteen_requests() -> None:
    with Sandbox(webapps=1000, findings=0) as sandbox:
        many = Many(sandbox)
        tags = {key: tag["name"] for key, tag in sandbox.qualys.tags.items()}
        wanted = [
            {"id": app["id"], "name": app["name"], "url": app["url"], "tags": [tags[key] for key in app["tags"]]}
            for app in sandbox.qualys.webapps.in_order()
        ]
        done = many(*wanted)
        assert (done.changed, done.values["plan"]["unchanged"]) == (False, 1000)
        assert many.counters["requests"] <= 15
        assert not routes(sandbox, "/get/")


def test_other_options_cost_one_request_for_each_application(many: Many) -> None:
    done = many(*({"id": key, "scope": many.app(key)["scope"]} for key in many.ids()))
    assert not done.changed
    assert many.counters["by_route"]["GET /qps/rest/3.0/get/was/webapp/<id>"] == 20
    assert many.counters["requests"] <= 20 + 5


def test_the_whole_estate_can_be_fed_back(estate: Sandbox) -> None:
    with client_of(estate) as client:
        shown = info(info_options(detail="full"), client, False).values["webapps"]
        wanted = [fed_back(app) for app in shown]
        for app in wanted:
            del app["headers"], app["crawling_scripts"]
        done = run(webapps_options(*(entry(**app) for app in wanted)), client, False)
    assert (len(wanted), done.changed, done.diff) == (200, False, [])


@pytest.mark.parametrize("workers", [1, 4])
def test_one_failure_does_not_stop_the_others_and_results_stay_in_order(many: Many, workers: int) -> None:
    wanted = [{"id": key, "use_sitemap": not many.app(key)["useSitemap"]} for key in range(APP, APP + 6)]
    many.sandbox.faults.add(
        kind="response_code", code="UNAUTHORIZED", message="No.", match={"route": f"/update/was/webapp/{APP + 2}"}
    )
    done = many(*wanted, workers=workers)
    assert [result["id"] for result in done.values["results"]] == list(range(APP, APP + 6))
    assert [result["failed"] for result in done.values["results"]] == [False, False, True, False, False, False]
    assert [result["changed"] for result in done.values["results"]] == [True, True, False, True, True, True]
    failed = done.values["results"][2]
    assert failed["error"]["code"] == "UNAUTHORIZED"
    assert "UNAUTHORIZED" in failed["msg"]
    assert isinstance(done.error, PartialFailure)
    assert done.error.message.startswith("1 of the web applications failed")
    assert done.changed


def test_refused_credentials_send_nothing_more_and_each_item_says_so(many: Many) -> None:
    many.sandbox.faults.add(kind="response_code", code="INVALID_CREDENTIALS", match={"route": "/update/"}, times=-1)
    done = many(*({"id": key, "use_robots": "ADD_PATHS", "cancel_after": 77} for key in many.ids()))
    assert {result["error"]["kind"] for result in done.values["results"]} == {"authentication"}
    assert isinstance(done.error, PartialFailure)
    assert many.counters["by_route"]["POST /qps/rest/3.0/update/was/webapp/<id>"] <= 4


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([{}], r"webapps\[0\]: id or name is required"),
        ([{"name": "a", "url": "https://a.test/"}, {"url": "https://b.test/"}], r"webapps\[1\]: id or name"),
        ([{"id": APP}, {"id": APP, "scope": "ALL"}], f"more than once.*{APP}"),
        ([{"name": "a", "url": "https://a.test/"}, {"name": "a", "url": "https://b.test/"}], "more than once.*a"),
        ([{"name": "a", "url": "https://a.test/"}, {"name": " a ", "url": "https://b.test/"}], "more than once.*a"),
    ],
)
def test_a_mistake_in_the_list_is_found_before_anything_is_written(
    many: Many, wanted: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        many({"id": APP + 5, "use_sitemap": True}, *wanted) if "[" not in words else many(*wanted)
    assert "webapps" in caught.value.message
    assert many.counters["writes"] == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "new"}, "url is required to create the web application 'new'"),
        ({"id": 5, "tags": ["prod"]}, "id: there is no web application 5"),
        ({"id": APP, "tags": ["no such tag"]}, "there is no tag named 'no such tag'"),
        ({"id": APP, "headers": ["no colon"]}, "does not have the form 'Name: value'"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_an_entry_that_cannot_be_judged_stops_only_itself(
    many: Many, wrong: dict[str, Any], words: str, check: bool
) -> None:
    if check and wrong.get("tags") == ["no such tag"]:
        # Check mode warns of a name that does not exist; an id that does not exist is an error in it.
        wrong, words = wrong | {"tags": ["99999999"]}, "there is no tag 99999999"
    wanted = ({"id": APP + 5, "use_sitemap": not many.app(APP + 5)["useSitemap"]}, wrong, {"id": APP + 6})
    done = many(*wanted, check=check)
    good, bad, same = done.values["results"]
    assert (good["changed"], good["failed"], same["changed"], same["failed"]) == (True, False, False, False)
    assert (bad["changed"], bad["failed"], bad["action"]) == (False, True, "none")
    assert words in bad["msg"]
    assert bad["msg"].startswith("webapps, web application ")
    assert isinstance(done.error, PartialFailure)
    assert words in done.error.message
    assert done.values["plan"]["unchanged"] == 1
    assert many.counters["writes"] == (0 if check else 1)


def test_an_entry_that_cannot_be_judged_keeps_everything_from_being_pruned(many: Many) -> None:
    # Check mode only warns of a name that does not exist.
    for check, tag in ((True, "99999999"), (False, "no such tag")):
        wanted = ({"id": APP}, {"id": APP + 1, "tags": [tag]})
        done = many(*wanted, prune=True, prune_filters=ALL, max_deletes=99, check=check)
        assert (done.values["deleted"], many.counters["writes"]) == ([], 0)
        assert "nothing was pruned: 18 applications" in str(done.error)


def test_one_application_listed_by_id_and_by_name_is_listed_twice(many: Many) -> None:
    with pytest.raises(OptionError, match="more than once"):
        many({"id": APP, "use_sitemap": True}, {"name": many.app(APP)["name"], "use_sitemap": False})
    assert many.counters["writes"] == 0


def test_two_applications_of_one_name_may_be_listed_by_their_ids(many: Many) -> None:
    many.app(APP + 1)["name"] = many.app(APP)["name"]
    twins = [{"id": key, "name": many.app(APP)["name"], "tags": ["prod"]} for key in (APP, APP + 1)]
    assert many(*twins).changed
    assert not many(*twins).changed
    done = many({"name": many.app(APP)["name"], "tags": ["uat"]})
    assert f"{APP}, {APP + 1}" in done.values["results"][0]["msg"]
    assert done.values["results"][0]["error"]["kind"] == AmbiguousMatch.kind


def test_an_empty_list_changes_nothing(many: Many) -> None:
    done = many()
    assert (done.changed, done.values["results"], done.values["deleted"]) == (False, [], [])


def test_an_incomplete_listing_refuses(many: Many) -> None:
    many.sandbox.faults.add(kind="half_page", match={"route": "/search/"}, times=-1)
    with pytest.raises(IncompleteRead, match="announced 20 web applications and sent 10"):
        many({"name": "x", "url": "https://x.test/"})
    assert many.counters["writes"] == 0


def test_a_create_in_doubt_is_adopted(many: Many) -> None:
    many.sandbox.faults.add(kind="apply_then_reset", match={"route": "/create/"})
    done = many({"name": "a", "url": "https://a.test/"}, {"name": "b", "url": "https://b.test/"})
    assert done.error is None
    assert len(many.ids()) == 22


# Prune


def test_what_is_not_listed_is_pruned_and_only_what_the_filter_owns(many: Many) -> None:
    owned = [key for key in many.ids() if key % 2]
    for key in many.ids():
        many.app(key)["name"] = f"{'owned' if key % 2 else 'foreign'} {key}"
    filters = [{"field": "name", "operator": "CONTAINS", "value": "owned"}]
    wanted = [{"name": many.app(key)["name"]} for key in owned[:4]]
    options: dict[str, Any] = {"prune": True, "prune_filters": filters, "max_deletes": 6}
    predicted = many(*wanted, check=True, **options)
    first = many(*wanted, **options)
    assert predicted.values == first.values
    assert [record["id"] for record in first.values["deleted"]] == owned[4:]
    assert many.deletions() == [str(key) for key in owned[4:]]
    assert set(many.ids()) == set(range(APP, APP + 20)) - set(owned[4:])
    again = many(*wanted, **options)
    assert (again.changed, again.values["deleted"], many.counters["writes"]) == (False, [], 0)


def test_an_application_that_is_renamed_in_the_same_task_is_spared(many: Many) -> None:
    filters = [{"field": "id", "operator": "IN", "value": [APP, APP + 1]}]
    done = many({"id": APP, "name": "renamed"}, prune=True, prune_filters=filters, max_deletes=1)
    assert [record["id"] for record in done.values["deleted"]] == [APP + 1]
    assert many.app(APP)["name"] == "renamed"


@pytest.mark.parametrize(
    ("wanted", "options", "words"),
    [
        ([], {"prune_filters": ALL, "max_deletes": 99}, "webapps is empty, so prune would delete everything"),
        ([{"id": APP}], {}, "prune requires prune_filters and max_deletes"),
        ([{"id": APP}], {"prune_filters": ALL}, "prune requires prune_filters and max_deletes"),
        ([{"id": APP}], {"prune_filters": [], "max_deletes": 9}, "prune requires prune_filters"),
        (
            [{"id": APP}],
            {"prune_filters": [{"field": "x", "value": 1}], "max_deletes": 9},
            "x is not a known search field",
        ),
        ([{"id": APP}], {"prune_filters": ALL, "max_deletes": 18}, "matches 19 web applications to delete"),
        ([{"id": APP, "scope": "LIMIT"}], {"prune_filters": ALL, "max_deletes": 0}, r"max_deletes \(0\)"),
    ],
)
def test_a_prune_that_is_not_safe_is_refused_before_anything_is_written(
    many: Many, wanted: list[dict[str, Any]], options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        many(*wanted, prune=True, **options)
    assert many.counters["writes"] == 0


def test_an_incomplete_listing_prunes_nothing(many: Many) -> None:
    many.sandbox.faults.add(kind="half_page", match={"route": "/search/"}, times=-1, skip=1)
    with pytest.raises(IncompleteRead):
        many({"id": APP}, prune=True, prune_filters=ALL, max_deletes=99)
    assert many.counters["writes"] == 0


def test_nothing_is_pruned_after_a_failure(many: Many) -> None:
    many.sandbox.faults.add(kind="response_code", code="UNAUTHORIZED", match={"route": "/update/"})
    done = many({"id": APP, "cancel_after": 99}, prune=True, prune_filters=ALL, max_deletes=99)
    assert isinstance(done.error, PartialFailure)
    assert (done.values["deleted"], done.values["plan"]["delete"]) == ([], [])
    assert many.deletions() == []
    assert len(many.ids()) == 20
    # It is said that the deletions were not carried out, and how many there would have been.
    assert "nothing was pruned: 19 applications that would have been deleted remain" in done.error.hint
    assert not done.error.hint.endswith("the others were written.")


def test_without_prune_a_failure_says_that_the_others_were_carried_out(many: Many) -> None:
    many.sandbox.faults.add(kind="response_code", code="UNAUTHORIZED", match={"route": "/update/"}, times=1)
    done = many({"id": APP, "cancel_after": 99}, {"id": APP + 1, "cancel_after": 99}, workers=1)
    assert isinstance(done.error, PartialFailure)
    assert done.error.hint.endswith("the others were written.")


# Absent


def test_many_ids_are_looked_up_in_parts(many: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "IDS_PER_SEARCH", 3)
    ids = [APP + number for number in (9, 1, 8, 2, 7, 3, 6)]
    done = many(state="absent", ids=[*ids, 999, ids[0]])
    assert sorted(record["id"] for record in done.values["deleted"]) == sorted(ids)
    assert many.counters["by_route"]["POST /qps/rest/3.0/count/was/webapp"] == 6


@pytest.mark.parametrize("shown", ["id", "filters"])
def test_applications_are_deleted_by_id_or_by_filter_and_then_are_gone(many: Many, shown: str) -> None:
    for key in (APP + 3, APP + 7):
        many.app(key)["name"] = f"old {key}"
    which: dict[str, Any] = {
        "id": {"ids": [APP + 3, APP + 7, 999]},
        "filters": {"filters": [{"field": "name", "operator": "CONTAINS", "value": "old "}], "max_deletes": 2},
    }[shown]
    predicted = many(state="absent", check=True, **which)
    first = many(state="absent", **which)
    assert predicted.values == first.values
    assert predicted.diff == first.diff
    assert [record["name"] for record in first.values["deleted"]] == [f"old {APP + 3}", f"old {APP + 7}"]
    assert len(many.ids()) == 18
    # A filter is never part of a delete call: each names one id in its path.
    assert many.deletions() == [str(APP + 3), str(APP + 7)]
    again = many(state="absent", **which)
    assert (again.changed, again.values["deleted"], many.counters["writes"]) == (False, [], 0)
    assert not many(state="absent", check=True, **which).changed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "requires either ids or filters"),
        ({"ids": []}, "requires either ids or filters"),
        ({"filters": [], "max_deletes": 5}, "requires either ids or filters"),
        ({"ids": [APP], "filters": ALL, "max_deletes": 5}, "requires either ids or filters"),
        ({"filters": ALL}, "filters with state absent requires max_deletes"),
        ({"filters": [{"field": "nonsense", "value": 1}], "max_deletes": 5}, "nonsense is not a known search field"),
    ],
)
def test_a_deletion_without_a_target_is_refused_before_any_request(
    many: Many, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        many(state="absent", **options)
    assert many.counters["requests"] == 0


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("which", [{"filters": ALL}, {"ids": [APP, APP + 1]}])
def test_more_than_the_ceiling_are_not_deleted(many: Many, which: dict[str, Any], check: bool) -> None:
    with pytest.raises(OptionError, match=r"more than max_deletes \(1\)") as caught:
        many(state="absent", max_deletes=1, check=check, **which)
    assert "Nothing was changed" in caught.value.hint
    assert (many.counters["writes"], len(many.ids())) == (0, 20)


def test_a_ceiling_of_exactly_that_many_is_enough(many: Many) -> None:
    assert len(many(state="absent", filters=ALL, max_deletes=20).values["deleted"]) == 20


def test_an_incomplete_listing_deletes_nothing(many: Many) -> None:
    many.sandbox.faults.add(kind="half_page", match={"route": "/search/"}, times=-1)
    with pytest.raises(IncompleteRead):
        many(state="absent", filters=ALL, max_deletes=99)
    assert many.counters["writes"] == 0


def test_one_deletion_that_fails_does_not_stop_the_others(many: Many) -> None:
    many.sandbox.faults.add(kind="response_code", code="UNAUTHORIZED", match={"route": f"/delete/was/webapp/{APP + 1}"})
    done = many(state="absent", ids=[APP, APP + 1, APP + 2])
    assert [record["id"] for record in done.values["deleted"]] == [APP, APP + 2]
    assert [(result["id"], result["failed"]) for result in done.values["results"]] == [(APP + 1, True)]
    assert isinstance(done.error, PartialFailure)
    assert done.changed


@pytest.mark.parametrize("remove", [True, False])
def test_deleted_applications_leave_the_subscription_unless_told_otherwise(many: Many, remove: bool) -> None:
    many(state="absent", ids=[APP, APP + 1], remove_from_subscription=remove)
    assert len(many.sandbox.qualys.in_subscription) == (0 if remove else 2)


def test_a_failed_update_is_reported_with_its_id(many: Many) -> None:
    many.sandbox.faults.add(kind="response_code", code="UNAUTHORIZED", match={"route": "/update/"})
    done = many({"name": many.app(APP)["name"], "cancel_after": 99})
    assert done.values["results"][0]["id"] == APP

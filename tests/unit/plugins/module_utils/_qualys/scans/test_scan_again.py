# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans that are run once more, and one launch for several applications."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousWrite,
    NotFound,
    OptionError,
    PartialFailure,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...scan_kit import APP, Scans, slow


@pytest.fixture
def scans(sandbox: Sandbox) -> Scans:
    return Scans(sandbox)


# Once more


@pytest.mark.parametrize("path", ["scan", "wasscan", "any"])
@pytest.mark.parametrize("name", [None, "second & <look>"])
def test_a_scan_that_has_ended_is_run_once_more(scans: Scans, path: str, name: str | None) -> None:
    scans.sandbox.switches["scan_again_path"] = path
    first = scans(profile="API only & <beta>", auth_record="Custom login & more", cancel_after=3)
    old = int(first.values["scan"]["id"])
    predicted = scans(check=True, again=old, name=name, state="launched")
    assert (predicted.changed, predicted.values["scan"]["id"]) == (True, None)
    again = scans(again=old, name=name)
    stored = scans.stored(again)
    assert again.changed
    assert stored["id"] > old
    assert again.values["scan"]["end_reason"] == "finished"
    assert stored["name"] == (name or "ci")
    for field in ("type", "profile", "cancelAfterNHours", "_target"):
        assert stored[field] == scans.sandbox.qualys.scans[old][field]
    assert scans.sandbox.counters.snapshot()["writes_applied"] == 1


def test_once_more_adopts_what_came_of_it_and_never_the_old_scan(scans: Scans) -> None:
    old = int(scans().values["scan"]["id"])
    # Within resume_within the old scan would do for a launch; here it is what is to be repeated.
    second = scans(again=old, resume_within="1d")
    assert second.changed
    third = scans(again=old, resume_within="1d")
    assert (third.changed, third.values["adopted"]) == (False, True)
    assert third.values["scan"]["id"] == second.values["scan"]["id"]
    assert scans(again=old).changed


def test_a_scan_under_way_is_not_run_once_more(scans: Scans) -> None:
    slow(scans)
    old = int(scans(state="launched").values["scan"]["id"])
    with pytest.raises(OptionError, match=f"again: the scan {old} is .*only a scan that has ended"):
        scans(again=old)
    with pytest.raises(NotFound, match="again: there is no scan 1"):
        scans(again=1)
    assert scans.writes == 0


@pytest.mark.parametrize("fault", ["apply_then_reset", "truncated_json"])
def test_once_more_is_never_sent_twice(scans: Scans, fault: str) -> None:
    old = int(scans().values["scan"]["id"])
    scans.fault("/scanagain/", fault)
    result = scans(again=old)
    assert result.changed
    assert scans.sandbox.counters.snapshot()["writes_applied"] == 1
    assert len(scans.of_app()) == scans.of_app().index(scans.stored(result)) + 1


@pytest.mark.parametrize("state", ["canceled", "absent"])
def test_once_more_is_for_launches_only(scans: Scans, state: str) -> None:
    with pytest.raises(OptionError, match=f"again cannot be combined with state: {state}"):
        scans(again=1, state=state)


def test_a_refusal_of_once_more_is_told_as_it_is(scans: Scans) -> None:
    old = int(scans().values["scan"]["id"])
    scans.fault("/scanagain/", "response_code", code="UNAUTHORIZED")
    with pytest.raises(VendorError, match="UNAUTHORIZED"):
        scans(again=old)
    assert scans.seen("scanAgain/was/wasscan") == 0


# Several applications

SEVERAL = [APP, APP + 1, APP + 2]


def given(scans: Scans) -> None:
    """Give each application what a scan needs."""
    for key in SEVERAL:
        scans.sandbox.qualys.webapps[key]["defaultProfile"] = {
            "id": next(iter(scans.sandbox.qualys.option_profiles.ids))
        }


def apps_of(result: Result) -> list[int]:
    return [int(scan["asset"]["id"]) for scan in result.values["scans"]]


@pytest.mark.parametrize("reply", ["all", "first"])
def test_several_applications_are_launched_in_one_request(scans: Scans, reply: str) -> None:
    given(scans)
    scans.sandbox.switches["multi_launch_reply"] = reply
    names = [str(key) for key in SEVERAL]
    predicted = scans(check=True, webapps=names, name="weekly & <1>")
    assert (predicted.changed, apps_of(predicted)) == (True, SEVERAL)
    result = scans(webapps=[*names, names[0]], name="weekly & <1>")
    assert (result.changed, scans.launches, apps_of(result)) == (True, 1, SEVERAL)
    assert {scan["end_reason"] for scan in result.values["scans"]} == {"finished"}
    assert result.values["scan"] is None
    again = scans(webapps=names, name="weekly & <1>", resume_within="1d")
    assert (again.changed, again.values["adopted"], scans.launches) == (False, True, 0)
    assert [scan["id"] for scan in again.values["scans"]] == [scan["id"] for scan in result.values["scans"]]


def test_only_what_is_missing_is_launched(scans: Scans) -> None:
    given(scans)
    slow(scans)
    one = scans(webapp=str(APP + 1), name="weekly", state="launched").values["scan"]["id"]
    result = scans(webapps=[str(key) for key in SEVERAL], name="weekly", state="launched")
    assert (result.changed, result.values["adopted"]) == (True, False)
    assert result.values["scans"][1]["id"] == one
    named = [scan for scan in scans.sandbox.qualys.scans.values() if scan["name"] == "weekly"]
    assert sorted(scan["webAppId"] for scan in named) == SEVERAL
    assert scans.sandbox.counters.snapshot()["writes_applied"] == 1


def test_tags_mean_the_applications_that_have_them_all(scans: Scans) -> None:
    given(scans)
    tags = list(scans.sandbox.qualys.tags.ids)[:2]
    for key, app in scans.sandbox.qualys.webapps.items():
        app["tags"] = tags if key in SEVERAL[:2] else tags[:1]
    result = scans(tags=[str(tag) for tag in tags], name="weekly", state="launched")
    assert apps_of(result) == SEVERAL[:2]
    with pytest.raises(OptionError, match="no web application has all of these tags"):
        scans(tags=[str(list(scans.sandbox.qualys.tags.ids)[-1]), str(tags[0])], name="weekly", state="launched")


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        ({"tags_match": "ANY"}, [0, 1, 2]),
        ({"tags_match": "ALL"}, [0]),
        ({"tags_match": "ANY", "excluded_tags": [2]}, [0, 1]),
        ({"tags_match": "ANY", "excluded_tags": [1, 2]}, []),
        ({"tags_match": "ANY", "excluded_tags": [1, 2], "excluded_tags_match": "ALL"}, [0, 1]),
    ],
)
def test_tags_can_be_combined_and_excluded(scans: Scans, options: dict[str, Any], meant: list[int]) -> None:
    given(scans)
    tags = list(scans.sandbox.qualys.tags.ids)[:3]
    held = {SEVERAL[0]: tags[:2], SEVERAL[1]: tags[1:2], SEVERAL[2]: tags[1:3]}
    for key, app in scans.sandbox.qualys.webapps.items():
        app["tags"] = held.get(key, [])
    if "excluded_tags" in options:
        options = {**options, "excluded_tags": [str(tags[place]) for place in options["excluded_tags"]]}
    wanted = {"tags": [str(tag) for tag in tags[:2]], "name": "weekly", "state": "launched", **options}
    if meant:
        assert apps_of(scans(**wanted)) == [SEVERAL[place] for place in meant]
        return
    with pytest.raises(OptionError, match="no web application has any of these tags and none of excluded_tags"):
        scans(**wanted)


@pytest.mark.parametrize("fault", ["apply_then_reset", "reset_mid_body"])
def test_a_launch_of_several_in_doubt_is_adopted_and_not_repeated(scans: Scans, fault: str) -> None:
    given(scans)
    scans.fault("/launch/", fault)
    result = scans(webapps=[str(key) for key in SEVERAL], name="weekly")
    assert (scans.sandbox.counters.snapshot()["writes_applied"], apps_of(result)) == (1, SEVERAL)
    scans.fault("/launch/", "reset")
    with pytest.raises(AmbiguousWrite, match="launch of 3 scans 'weekly' may or may not have happened"):
        scans(webapps=[str(key) for key in SEVERAL], name="weekly")


def test_scans_without_a_result_fail_together(scans: Scans) -> None:
    given(scans)
    scans.sandbox.switches["scan_outcome"] = "no_host_alive"
    result = scans(webapps=[str(key) for key in SEVERAL], name="weekly")
    assert isinstance(result.error, PartialFailure)
    assert "3 of 3 scans have no conclusive result" in result.error.message
    assert len(result.values["scans"]) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"webapps": [], "name": "x"}, "must not be empty"),
        ({"tags": [], "name": "x"}, "must not be empty"),
        ({"webapps": [str(APP)]}, "name is required"),
        ({"webapps": [str(APP)], "name": "x", "state": "canceled"}, "cannot be combined with state: canceled"),
        ({"webapps": ["no such one"], "name": "x"}, "webapps: "),
        ({"webapps": [str(APP)], "name": "x", "excluded_tags": ["prod"]}, "excluded_tags is only allowed with tags"),
        ({"tags": ["no such tag"], "name": "x"}, "tags: there is no tag"),
        ({"tags": ["prod"], "excluded_tags": ["no such tag"], "name": "x"}, "excluded_tags: there is no tag"),
    ],
)
def test_bad_options_for_several_are_told(scans: Scans, options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        scans(**options)
    assert scans.writes == 0

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client when things go wrong: markers, refusals, the limit of calls, answers that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    IncompleteRead,
    OptionError,
    PerimeterError,
    RateLimited,
    RedirectRefused,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import client as client_room
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum import listing as listing_room
from ansible_collections.appsec.perimeter.plugins.module_utils._scutum.client import ENVIRONMENT, resolve
from tests.sandbox import Sandbox

from ..bent_time import BentTime
from ..scutum_kit import RECORDS, WHOLE, calls, client_of, connection, info, small_sandbox


def ids(alerts: list[dict[str, Any]]) -> list[str]:
    return [alert["id"] for alert in alerts]


# The connection


def test_options_come_from_the_environment_and_the_task_wins() -> None:
    environ = {variable: f"from-{name}" for name, variable in ENVIRONMENT.items()}
    environ["SCUTUM_URL"] = "https://scutum.example.jp"
    found = resolve({"api_key": "mine"}, environ)
    assert (found.api_url, found.api_key) == ("https://scutum.example.jp", "mine")
    assert (found.host, found.id) == ("from-scutum_host", "from-scutum_id")
    assert resolve({}, environ | {"SCUTUM_URL": ""}).api_url == "https://api.scutum.jp"
    assert set(ENVIRONMENT.values()) == {"SCUTUM_URL", "SCUTUM_API_KEY", "SCUTUM_HOST", "SCUTUM_ID"}


@pytest.mark.parametrize("name", ["api_key", "scutum_host", "scutum_id"])
def test_what_is_missing_is_named_with_its_variable(name: str) -> None:
    given = {"api_key": "k", "scutum_host": "h", "scutum_id": "i"} | {name: None}
    with pytest.raises(OptionError, match=f"{name} is missing") as caught:
        resolve(given, {})
    assert ENVIRONMENT[name] in caught.value.hint


def test_the_key_stays_out_of_sight_and_off_plain_http() -> None:
    found = resolve({"api_key": "very-secret-key", "scutum_host": "h", "scutum_id": "i"}, {})
    assert "very-secret-key" not in repr(found)
    with pytest.raises(OptionError, match="plain http"):
        resolve({"api_url": "http://api.scutum.jp", "api_key": "k", "scutum_host": "h", "scutum_id": "i"}, {})


# Refusals


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"api_key": "wrong-key-wrong-key"}, 401),
        ({"scutum_host": "other.example.jp"}, 403),
        ({"scutum_id": "XYZ9999"}, 403),
    ],
)
def test_refused_credentials_name_all_three_reasons(scutum: Sandbox, change: dict[str, str], status: int) -> None:
    with client_of(scutum, **change) as client, pytest.raises(AuthenticationFailed, match=f"HTTP {status}") as caught:
        client.detail("1_1_1")
    for word in ("api_key", "scutum_host", "scutum_id", "address"):
        assert word in caught.value.hint
    assert scutum.counters.requests == 1
    assert "wrong-key-wrong-key" not in str(caught.value)


def test_a_refused_address_is_one_of_the_reasons(scutum: Sandbox) -> None:
    scutum.switches["scutum_source_address"] = "refused"
    with pytest.raises(AuthenticationFailed, match="address not allowed") as caught:
        info(scutum)
    assert "machine's address" in caught.value.hint


def test_the_stray_question_mark_of_the_page_is_refused(scutum: Sandbox) -> None:
    """The vendor's sample URL has ``&?id=``: copied as it is, the id is missing."""
    with client_of(scutum) as client, pytest.raises(VendorError, match="id is missing"):
        client.api.get("/api/v1/alert", (("host", "www.example.jp"), ("?id", "ABC1234")))


def test_no_message_repeats_the_key(scutum: Sandbox) -> None:
    key = scutum.scutum.settings.api_key
    scutum.faults.add(kind="status", status=400, body=json.dumps({"message": f"bad key {key}"}))
    with pytest.raises(VendorError) as caught:
        info(scutum)
    assert "bad key ***" in caught.value.message
    assert key not in repr(caught.value.to_dict())


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "html_200"}, BadResponse),
        ({"kind": "truncated_json"}, BadResponse),
        ({"kind": "redirect", "location": "https://elsewhere.example/"}, RedirectRefused),
        ({"kind": "status", "status": 200, "body": "[]"}, BadResponse),
        ({"kind": "status", "status": 200, "body": '{"data": {}}'}, BadResponse),
        ({"kind": "status", "status": 200, "body": '{"data": [1], "count": 1}'}, BadResponse),
    ],
)
def test_what_is_no_page_is_said_to_be_none(scutum: Sandbox, fault: dict[str, Any], kind: type[PerimeterError]) -> None:
    scutum.faults.add(fault)
    with pytest.raises(kind) as caught:
        info(scutum)
    assert caught.value.message.endswith(".")


def test_passing_faults_pass(scutum: Sandbox) -> None:
    scutum.faults.add({"kind": "status", "status": 503}, {"kind": "reset"}, {"kind": "reset_mid_body", "skip": 3})
    result = info(scutum)
    assert result.values["total"] == RECORDS


# Markers and pages


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("skip", [0, 3])
def test_an_expired_marker_goes_on_from_the_last_log(scutum: Sandbox, order: str, skip: int) -> None:
    if skip:
        scutum.faults.add(kind="status", status=410, skip=skip + 1)
    else:
        scutum.scutum.expire_markers(2)
    result = info(scutum, time_order=order, **WHOLE)
    expected = [alert.log_id for alert in scutum.scutum.alerts]
    assert ids(result.values["alerts"]) == (expected if order == "asc" else expected[::-1])
    begun = [call for call in calls(scutum) if "marker" not in call]
    assert len({call["from"] if order == "asc" else call["to"] for call in begun}) == len(begun) == (2 if skip else 3)


def test_a_marker_that_always_expires_ends_when_nothing_moves() -> None:
    with small_sandbox(records=0) as sandbox:
        sandbox.scutum.add(30, 60)  # all in one second, so that the place to begin again never moves
        sandbox.scutum.expire_markers(99)
        with pytest.raises(VendorError, match="the marker has expired"):
            info(sandbox)
        assert len(calls(sandbox)) == 2 * (listing_room.MAX_RESTARTS + 2)


def test_a_refusal_without_a_marker_is_no_expiry(scutum: Sandbox) -> None:
    scutum.faults.add(kind="status", status=400)
    with pytest.raises(VendorError):
        info(scutum)
    assert scutum.counters.requests == 1


def test_a_repeated_marker_is_an_error(scutum: Sandbox) -> None:
    scutum.switches["scutum_markers"] = "repeat"
    with pytest.raises(BadResponse, match="same next_marker twice"):
        info(scutum)
    assert scutum.counters.requests == 2


def test_truncated_without_a_marker_is_an_error(scutum: Sandbox) -> None:
    scutum.switches["scutum_markers"] = "missing"
    with pytest.raises(BadResponse, match="gives no next_marker"):
        info(scutum)


@pytest.mark.parametrize("truncated", [1, "true", None])
def test_truncated_is_true_or_false(truncated: Any) -> None:
    with pytest.raises(BadResponse, match="truncated is neither true nor false"):
        client_room._page({"data": [{"log_id": "1"}], "count": 1, "truncated": truncated, "next_marker": "abc"})


def test_truncated_false_ends_even_with_a_marker(scutum: Sandbox) -> None:
    scutum.switches["scutum_markers"] = "stray"
    result = info(scutum, **{"from": "2026-10-30"})
    assert 0 < result.values["total"] < 7
    assert scutum.counters.requests == 1


def test_a_listing_that_never_ends_is_ended(scutum: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing_room, "MAX_PAGES", 4)
    with pytest.raises(BadResponse, match="did not end within 4 pages"):
        info(scutum)


@pytest.mark.parametrize("fault", [{"kind": "half_page"}, {"kind": "wrong_count", "n": -2}])
def test_a_page_with_another_count_is_asked_for_again(scutum: Sandbox, fault: dict[str, Any]) -> None:
    scutum.faults.add({**fault, "skip": 2})
    assert info(scutum).values["total"] == RECORDS
    assert scutum.counters.requests == 10
    scutum.faults.add({**fault, "times": 2})
    with pytest.raises(IncompleteRead, match="count"):
        info(scutum)


def test_a_log_that_comes_twice_is_shown_once(scutum: Sandbox) -> None:
    scutum.faults.add(kind="duplicate_record", skip=2)
    result = info(scutum, time_order="asc")
    assert ids(result.values["alerts"]) == [alert.log_id for alert in scutum.scutum.alerts]


@pytest.mark.parametrize("action", ["insert", "delete"])
@pytest.mark.parametrize("where", ["seen", "unseen"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_changes_between_pages_lose_nothing_else(scutum: Sandbox, action: str, where: str, order: str) -> None:
    before = {alert.log_id for alert in scutum.scutum.alerts}
    scutum.faults.add(kind="mutate_between_pages", action=action, where=where, n=3, skip=4)
    shown = ids(info(scutum, time_order=order).values["alerts"])
    after = {alert.log_id for alert in scutum.scutum.alerts}
    assert len(shown) == len(set(shown))
    assert before & after <= set(shown)


# The limit of calls


def test_twenty_five_calls_and_then_the_window_is_waited_for() -> None:
    with small_sandbox(records=31 * 7) as sandbox:
        bent = BentTime(sandbox)
        result = info(sandbox, bent=bent, time_order="asc")
        assert result.values["total"] == 31 * 7
        assert sandbox.counters.requests == 31, "no call was refused"
        assert len(bent.waits) == 1
        assert 290 < bent.waits[0] <= 300.25


def test_list_and_detail_share_the_limit(scutum: Sandbox) -> None:
    bent = BentTime(scutum)
    with client_of(scutum, bent=bent) as client:
        for alert in scutum.scutum.alerts[:26]:
            client.detail(alert.log_id)
    assert len(bent.waits) == 1
    assert {entry["status"] for entry in scutum.counters.snapshot()["recent"]} == {200}


@pytest.mark.parametrize("retry_after", ["on", "off"])
def test_a_refusal_for_want_of_calls_waits_for_the_window(scutum: Sandbox, retry_after: str) -> None:
    """Another client of the same key used the calls up; without Retry-After it is 300 s from our oldest call."""
    scutum.switches.update({"scutum_rate_limit": 3, "scutum_retry_after": retry_after})
    bent = BentTime(scutum)
    result = info(scutum, bent=bent, limit=28)
    assert result.values["alerts"]
    statuses = [entry["status"] for entry in scutum.counters.snapshot()["recent"]]
    assert statuses == [200, 200, 200, 429, 200]
    assert all(280 < wait < 302 for wait in bent.waits)


def test_a_wait_that_is_too_long_is_not_begun() -> None:
    with small_sandbox(records=31 * 7) as sandbox:
        bent = BentTime(sandbox)
        with pytest.raises(RateLimited, match="No more than 25 requests in 300 seconds") as caught:
            info(sandbox, bent=bent, wait=60)
        assert "max_wait" in caught.value.hint
        assert bent.waits == []


def test_details_leave_calls_to_the_listing(scutum: Sandbox) -> None:
    scutum.switches["scutum_rate_limit"] = 0
    with client_of(scutum, max_wait=0) as client:
        made = 0
        while client.has_spare_call():
            client.detail("1_1_1")
            made += 1
        assert made == 20
    with client_of(scutum, max_wait=900) as client:
        made = 0
        while client.has_spare_call():
            client.detail("1_1_1")
            made += 1
        assert made == 50, "after one wait, half of max_wait is left to the listing"


def test_the_time_of_the_service_is_read_from_its_answers(scutum: Sandbox) -> None:
    with client_of(scutum) as client:
        assert client.server_time() is None
        client.detail("1_1_1")
        assert client.server_time() == scutum.log_clock.now().replace(microsecond=0)
    assert connection(scutum)["api_url"] == scutum.url

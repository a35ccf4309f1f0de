# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: who asks, what refusals become, what is tried again, how pages that move are read."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    IncompleteRead,
    NotFound,
    OptionError,
    RateLimited,
    ServerFault,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.client import (
    ENVIRONMENT,
    Bounds,
    check_filters,
    connect,
    resolve,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._edgecast.listing import read_pages
from tests.sandbox import Sandbox

from ..edgecast_kit import DAY, NOW, PER_DAY, SPAN, TOKEN, asked, client_of, info

CANARY = "99999999-canary-canary-canary-999999999999"


# Connection


def test_the_environment_binds_late() -> None:
    environ = {"EDGECAST_URL": "https://env.test", "EDGECAST_ACCOUNT_NUMBER": "0009", "EDGECAST_TOKEN": "env-token"}
    assert set(environ) == set(ENVIRONMENT.values())
    made = resolve({}, environ)
    assert (made.api_url, made.account_number, made.token) == ("https://env.test", "0009", "env-token")
    made = resolve({"api_url": "https://own.test", "account_number": "B2820", "token": "tok: own"}, environ)
    assert (made.api_url, made.account_number, made.token) == ("https://own.test", "B2820", "own")
    assert "own" not in repr(made).replace("own.test", "")


@pytest.mark.parametrize("missing", ["account_number", "token"])
def test_what_is_missing_is_named(missing: str) -> None:
    options = {"account_number": "0001", "token": "t"}
    del options[missing]
    with pytest.raises(OptionError, match=f"{missing} is missing.*{ENVIRONMENT[missing]}"):
        connect(options, {})


@pytest.mark.parametrize("account", ["../0002", "0001/waf", "0001 ", "a" * 41])
def test_an_account_number_cannot_change_the_path(account: str) -> None:
    with pytest.raises(OptionError, match="account_number"):
        resolve({"account_number": account, "token": "t"}, {})


def test_plain_http_only_to_this_machine() -> None:
    with pytest.raises(OptionError, match="api_url uses plain http"):
        resolve({"account_number": "0001", "token": "t", "api_url": "http://api.transactcdn.com"}, {})


# Refusals


def test_a_wrong_token_is_told_once_and_never_shown(sandbox: Sandbox) -> None:
    with client_of(sandbox, token=CANARY) as client:
        with pytest.raises(AuthenticationFailed) as caught:
            client.fields()
        with pytest.raises(AuthenticationFailed):
            client.fields()
    assert (caught.value.code, sandbox.counters.snapshot()["requests"]) == ("401", 1)
    assert str(caught.value).startswith("Edgecast refused the credentials (HTTP 401): Access Denied.")
    assert CANARY not in repr(caught.value.to_dict()) + repr(sandbox.counters.snapshot())


def test_a_user_without_the_permission(sandbox: Sandbox) -> None:
    with (
        client_of(sandbox, token="00000000-0000-0000-0000-000000000403") as client,
        pytest.raises(AuthenticationFailed, match=r"403.*permission for GET"),
    ):
        client.fields()


@pytest.mark.parametrize("shape", ["errors", "message"])
def test_the_vendors_words_are_quoted_in_both_shapes(sandbox: Sandbox, shape: str) -> None:
    sandbox.switches["edgecast_error_shape"] = shape
    with client_of(sandbox, account_number="0002") as client, pytest.raises(VendorError) as caught:
        client.page(DAY, {}, 1, 10)
    assert caught.value.code == "400"
    assert caught.value.message == "Edgecast refused the request (HTTP 400): unknown customer account number."
    assert "account_number" in caught.value.hint


def test_an_unknown_account_is_not_an_unknown_event(sandbox: Sandbox) -> None:
    with client_of(sandbox, account_number="0002") as client, pytest.raises(VendorError, match="unknown customer"):
        client.event("1")


def test_one_event_by_each_id(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        raw = client.page(DAY, {}, 1, 1).events[0]
        assert client.event(raw["Event ID"]) == client.event(raw["id"]) == raw
    assert asked(sandbox)[-1][0].endswith("%3D%3D")


def test_an_event_without_a_body_is_none(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 200, "body": "empty"})
    with client_of(sandbox) as client:
        assert client.event("1") is None


def test_an_id_cannot_change_the_path(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        assert client.event("../../../0002/x?y=z") is None
    assert asked(sandbox)[0][0] == "/..%2F..%2F..%2F0002%2Fx%3Fy%3Dz"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "html_200"}, BadResponse),
        ({"kind": "truncated_json"}, BadResponse),
        ({"kind": "status", "status": 200, "body": "[]"}, BadResponse),
        ({"kind": "status", "status": 200, "body": "empty"}, BadResponse),
        ({"kind": "status", "status": 200, "body": '{"events": [1]}'}, BadResponse),
        ({"kind": "status", "status": 404, "body": "json"}, NotFound),
    ],
)
def test_what_is_no_answer(sandbox: Sandbox, fault: dict[str, Any], kind: type[Exception]) -> None:
    sandbox.faults.add(fault)
    with client_of(sandbox) as client, pytest.raises(kind):
        client.page(DAY, {}, 1, 10)


@pytest.mark.parametrize("what", ["fields", "count"])
def test_other_answers_are_checked_too(sandbox: Sandbox, what: str) -> None:
    sandbox.faults.add({"kind": "status", "status": 200, "body": "{}"})
    with client_of(sandbox) as client, pytest.raises(BadResponse, match=f"answered {what} without"):
        client.fields() if what == "fields" else client.count(DAY)


# What is tried again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_passing_faults_are_tried_again(sandbox: Sandbox, status: int) -> None:
    sandbox.faults.add({"kind": "status", "status": status, "body": "json", "times": 2})
    with client_of(sandbox) as client:
        assert client.count(DAY) == PER_DAY
        assert client.http.stats.retries == 2


def test_a_fault_with_filters_is_tried_once_more_and_then_is_a_mistake_in_them(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client, pytest.raises(VendorError) as caught:
        client.page(DAY, {"Host": {}}, 1, 10)  # type: ignore[dict-item]
    assert (caught.value.code, len(asked(sandbox))) == ("500", 2)
    assert "event_filters" in str(caught.value)
    sandbox.faults.add({"kind": "status", "status": 500, "body": "json"})
    with client_of(sandbox) as client:
        assert client.page(DAY, {"Host": "shop.example.com"}, 1, 10).events
    with client_of(sandbox, retries=0) as client, pytest.raises(VendorError, match="event_filters"):
        client.page(DAY, {"Host": {}}, 1, 10)  # type: ignore[dict-item]


def test_a_fault_without_filters_is_the_servers(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 500, "body": "json", "times": -1})
    with client_of(sandbox, retries=2) as client, pytest.raises(ServerFault):
        client.page(DAY, {}, 1, 10)
    assert len(asked(sandbox)) == 3


def test_retry_after_is_obeyed_within_max_wait(sandbox: Sandbox) -> None:
    sandbox.switches.update({"edgecast_rate_limit": 1, "edgecast_rate_limit_window_s": 600})
    with client_of(sandbox, max_wait=5) as client:
        client.fields()
        with pytest.raises(RateLimited, match="asks to slow down"):
            client.fields()


# Filters


def test_filters_as_texts_and_lists() -> None:
    assert check_filters({"Host": ["a", "b"], "Rule ID": 981255}) == {"Host": ["a", "b"], "Rule ID": "981255"}
    assert check_filters(None) == check_filters({}) == {}


@pytest.mark.parametrize("given", [["Host"], {"Host": []}, {"Host": ""}, {"Host": None}, {"Host": {"a": 1}}, {"": "a"}])
def test_wrong_filters_are_refused_before_anything_is_sent(given: Any) -> None:
    with pytest.raises(OptionError, match="event_filters"):
        check_filters(given)


def test_filters_with_any_characters_arrive(sandbox: Sandbox) -> None:
    hostile = {"Host": ["b\u00fccher.example.com", '"&page=9#%'], "Action Type": "NOP"}
    with client_of(sandbox) as client:
        assert {raw["Host"] for raw in client.page(DAY, check_filters(hostile), 1, 1000).events} == {hostile["Host"][0]}


# Pages


def ids(sandbox: Sandbox, bounds: Bounds = DAY, page_size: int = 10) -> list[str]:
    with client_of(sandbox) as client:
        return [raw["id"] for page in read_pages(client, bounds, {}, page_size) for raw in page]


def everything(sandbox: Sandbox) -> set[str]:
    sandbox.faults.clear()
    return set(ids(sandbox, page_size=1000))


def test_each_page_is_asked_for_once_and_with_the_same_bounds(sandbox: Sandbox) -> None:
    found = ids(sandbox)
    assert len(found) == len(set(found)) == PER_DAY
    queries = [query for _path, query in asked(sandbox)]
    assert [query["page"] for query in queries] == [str(number) for number in range(1, 11)]
    assert len({(query["start_time"], query["end_time"]) for query in queries}) == 1


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "random"])
@pytest.mark.parametrize("action", ["insert", "delete"])
@pytest.mark.parametrize("where", ["seen", "unseen"])
def test_pages_that_shift_are_read_again(sandbox: Sandbox, order: str, action: str, where: str) -> None:
    sandbox.switches["edgecast_order"] = order
    sandbox.faults.add({"kind": "mutate_between_pages", "action": action, "where": where, "n": 11, "skip": 4})
    found = set(ids(sandbox))
    assert found >= everything(sandbox)


def test_a_repeat_across_pages_is_no_loss(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "duplicate_record", "times": -1})
    assert set(ids(sandbox)) == everything(sandbox)


def test_half_a_page_is_read_again_and_then_told(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "half_page", "skip": 2})
    assert set(ids(sandbox)) == everything(sandbox)
    sandbox.faults.add({"kind": "half_page", "skip": 2, "times": -1})
    with pytest.raises(IncompleteRead, match="twice"):
        ids(sandbox)


def test_more_than_fifty_pages_are_read_in_halves(sandbox: Sandbox) -> None:
    found = ids(sandbox, page_size=1)
    assert set(found) == everything(sandbox)
    spans = {(query["start_time"], query["end_time"]) for _path, query in asked(sandbox) if query["page_size"] == "1"}
    assert spans == {
        ("2026-11-19T12:00:00", "2026-11-20T12:00:00"),
        ("2026-11-19T23:59:59", "2026-11-20T12:00:00"),
        ("2026-11-19T12:00:00", "2026-11-20T00:00:00"),
    }


def test_a_span_of_seconds_is_not_halved_for_ever(sandbox: Sandbox) -> None:
    sandbox.edgecast.add_events(120, 60)
    narrow = Bounds(NOW.replace(hour=11, minute=58, second=59), NOW.replace(hour=11, minute=59, second=1))
    assert len(set(ids(sandbox, narrow, page_size=2))) == 120


def test_pages_of_one_span_are_never_asked_for_side_by_side(sandbox: Sandbox) -> None:
    assert threading.active_count() < 50
    sandbox.latency_ms = 2
    ids(sandbox)
    sandbox.latency_ms = 0
    assert sandbox.counters.snapshot()["in_flight_max"] == 1


def test_the_clock_of_the_service(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        assert client.server_time() is None
        client.fields()
        assert client.server_time() == NOW


def test_the_token_is_sent_and_stands_nowhere_else(sandbox: Sandbox) -> None:
    result = info(sandbox)
    assert TOKEN not in repr(result)
    assert TOKEN not in repr(sandbox.counters.snapshot())


@pytest.mark.parametrize(
    "body",
    ['"in words"', '{"errors": [{"message": 1}], "message": "in words"}', '{"errors": "x", "Message": "in words"}'],
)
def test_the_vendors_words_wherever_they_stand(sandbox: Sandbox, body: str) -> None:
    sandbox.faults.add({"kind": "status", "status": 418, "body": body})
    with client_of(sandbox) as client, pytest.raises(VendorError, match=r"HTTP 418\): in words\."):
        client.page(DAY, {}, 1, 10)


@pytest.mark.parametrize("date", ["some day", "Fri, 31 Dec 9999 23:59:59 -2300"])
def test_a_date_that_is_none_is_no_clock(sandbox: Sandbox, date: str) -> None:
    fault = {"kind": "status", "status": 200, "body": '{"count": 1}', "headers": {"Date": date}}
    sandbox.faults.add(fault)
    with client_of(sandbox) as client:
        client.count(DAY)
        assert client.server_time() is None


def test_numbers_of_pages_in_any_form(sandbox: Sandbox) -> None:
    body = {"events": [{"id": "a"}], "page": "1", "page_of": 1.0, "time_from": "x", "time_to": None}
    for changes in ({}, {"page_of": True}, {"page_of": "many", "page": None}):
        fault = {"kind": "status", "status": 200, "body": json.dumps({**body, **changes})}
        sandbox.faults.add(fault)
        with client_of(sandbox) as client:
            page = client.page(DAY, {}, 1, 10)
        assert (page.number, page.page_of, page.time_from) == (1, 1, None)


def test_a_span_that_the_service_names_wrongly_is_the_one_that_was_asked_for(sandbox: Sandbox) -> None:
    body = json.dumps({"events": [], "page": 1, "page_of": 0, "time_from": 1e300, "time_to": 0})
    sandbox.faults.add({"kind": "status", "status": 200, "body": body})
    values = info(sandbox, **SPAN, page=1).values
    assert (values["time_from"], values["time_to"]) == ("2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z")

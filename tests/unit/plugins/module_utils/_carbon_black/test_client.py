# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: who asks, what refusals become, what is tried again, and never two at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    NotFound,
    OptionError,
    RateLimited,
    ServerFault,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._carbon_black.client import ENVIRONMENT, connect, resolve
from tests.sandbox import Sandbox

from ..carbon_black_kit import CSP_CLIENT, CSP_TOKEN, NOW, RECORDS, SECRET, asked, client_of, connection

BODY = {"start": 0, "rows": 10, "sort": [{"field": "scan_time", "order": "ASC"}]}
CANARY = "CANARYCANARYCANARY999999"


# Connection


def test_the_environment_binds_late() -> None:
    environ = {
        "CBC_URL": "defense.conferdeploy.net",
        "CBC_ORG_KEY": "ENVORG",
        "CBC_API_ID": "ENVID",
        "CBC_API_SECRET_KEY": "env-secret",
    }
    made = resolve({}, environ)
    assert (made.api_url, made.org_key, made.api_id) == ("https://defense.conferdeploy.net", "ENVORG", "ENVID")
    made = resolve({"csp_api_token": "own-token", "org_key": "OWN"}, environ)
    assert (made.org_key, made.api_id, made.api_secret_key, made.csp_api_token) == ("OWN", None, None, "own-token")
    assert made.csp_url == "https://console.cloud.vmware.com"
    made = resolve({"api_id": "i", "api_secret_key": "s"}, {**environ, "CSP_API_TOKEN": "env-token"})
    assert (made.api_id, made.csp_api_token, made.csp_url) == ("i", None, None)
    assert set(environ) < set(ENVIRONMENT.values())


def test_two_ways_to_log_in_at_the_same_level_are_refused() -> None:
    environ = {"CBC_API_ID": "i", "CBC_API_SECRET_KEY": "s", "CSP_API_TOKEN": CANARY}
    with pytest.raises(OptionError, match=r"api_id and api_secret_key cannot be combined with csp_api_token") as caught:
        resolve({"api_url": "https://a.test", "org_key": "O"}, environ)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"api_url": "a.test", "api_id": "i", "api_secret_key": "s"}, "org_key"),
        ({"org_key": "O", "api_id": "i", "api_secret_key": "s"}, "api_url"),
        ({"api_url": "a.test", "org_key": "O", "api_id": "i"}, "api_secret_key"),
        ({"api_url": "a.test", "org_key": "O"}, "api_id"),
        ({"api_url": "a.test", "org_key": "O", "csp_client_id": "i"}, "csp_client_secret"),
    ],
)
def test_what_is_missing_is_named(options: dict[str, str], missing: str) -> None:
    with pytest.raises(OptionError, match=f"{missing} is missing.*{ENVIRONMENT[missing]}"):
        resolve(options, {})


@pytest.mark.parametrize("org_key", ["../X", "A/B", "A B"])
def test_an_org_key_cannot_change_the_path(org_key: str) -> None:
    with pytest.raises(OptionError, match="org_key"):
        resolve({"api_url": "a.test", "org_key": org_key, "api_id": "i", "api_secret_key": "s"}, {})


def test_plain_http_only_to_this_machine() -> None:
    options = {"api_url": "a.test", "org_key": "O", **CSP_TOKEN, "csp_url": "http://console.test"}
    with pytest.raises(OptionError, match="csp_url uses plain http"):
        resolve(options, {})


def test_no_secret_is_shown(sandbox: Sandbox) -> None:
    for way in ({}, CSP_CLIENT, CSP_TOKEN):
        made = resolve(connection(sandbox, **way), {})
        assert all(secret not in repr(made) for secret in made.secrets())
        assert made.secrets()


# Refusals


@pytest.mark.parametrize("shape", ["message", "error_message", "reason"])
def test_a_wrong_key_is_told_once_and_never_shown(sandbox: Sandbox, shape: str) -> None:
    sandbox.switches["carbon_black_error_shape"] = shape
    with client_of(sandbox, api_secret_key=CANARY) as client:
        for _time in range(2):
            with pytest.raises(AuthenticationFailed) as caught:
                client.search(BODY)
    assert (caught.value.code, len(asked(sandbox))) == ("401", 1)
    assert caught.value.message == "Carbon Black Cloud refused the credentials (HTTP 401): user is not authorized."
    assert CANARY not in repr(caught.value.to_dict()) + repr(sandbox.counters.snapshot())


def test_a_key_without_the_permission(sandbox: Sandbox) -> None:
    with client_of(sandbox, api_id="APIID00403") as client, pytest.raises(AuthenticationFailed) as caught:
        client.metadata()
    assert caught.value.code == "403"
    assert "READ of workloads.container.image" in caught.value.hint


def test_an_unknown_organisation(sandbox: Sandbox) -> None:
    with client_of(sandbox, org_key="OTHER") as client, pytest.raises(NotFound, match=r"unknown organization.*org_key"):
        client.metadata()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "html_200"}, BadResponse),
        ({"kind": "truncated_json"}, BadResponse),
        ({"kind": "status", "status": 200, "body": "[]"}, BadResponse),
        ({"kind": "status", "status": 200, "body": '{"results": []}'}, BadResponse),
        ({"kind": "status", "status": 200, "body": '{"num_found": 1, "results": [1]}'}, BadResponse),
        ({"kind": "status", "status": 400, "body": "json"}, VendorError),
    ],
)
def test_what_is_no_answer(sandbox: Sandbox, fault: dict[str, Any], kind: type[Exception]) -> None:
    sandbox.faults.add(fault)
    with client_of(sandbox) as client, pytest.raises(kind):
        client.search(BODY)


def test_other_answers_are_checked_too(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 200, "body": "[]", "times": 2})
    with client_of(sandbox) as client:
        with pytest.raises(BadResponse, match="facets without terms"):
            client.facets({"terms": {"fields": ["sources"]}})
        with pytest.raises(BadResponse, match="metadata"):
            client.metadata()


# What is tried again


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("call", ["search", "facets"])
def test_searches_by_post_are_tried_again(sandbox: Sandbox, status: int, call: str) -> None:
    fault = {"kind": "status", "status": status, "body": "json", "times": 2, "headers": {"Retry-After": "0"}}
    sandbox.faults.add(fault)
    with client_of(sandbox) as client:
        getattr(client, call)({**BODY, "terms": {"fields": ["sources"]}} if call == "facets" else BODY)
        assert client.http.stats.retries == 2


def test_a_reset_is_tried_again(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "reset", "times": 2}, {"kind": "reset_mid_body", "times": 1})
    with client_of(sandbox) as client:
        assert client.search(BODY).num_found == RECORDS


def test_a_fault_is_tried_once_more(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 500, "body": "json"})
    with client_of(sandbox) as client:
        assert client.search(BODY).num_found == RECORDS
    sandbox.faults.add({"kind": "status", "status": 500, "body": "json", "times": -1})
    sandbox.reset_counters()
    with client_of(sandbox) as client, pytest.raises(VendorError, match="HTTP 500") as caught:
        client.search(BODY)
    assert (len(asked(sandbox)), caught.value.code) == (2, "500")


def test_rows_beyond_ten_thousand_are_the_reason_of_a_fault(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client, pytest.raises(VendorError, match="reach beyond 10,000"):
        client.search({**BODY, "start": 9_995})


def test_other_faults_are_the_servers(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 503, "body": "json", "times": -1})
    with client_of(sandbox, retries=1) as client, pytest.raises(ServerFault):
        client.search(BODY)


# The rate limit


def test_retry_after_is_obeyed_in_full(sandbox: Sandbox) -> None:
    sandbox.switches.update({"carbon_black_rate_limit": 1, "carbon_black_rate_limit_window_s": 1})
    with client_of(sandbox) as client:
        began = time.monotonic()
        client.metadata()
        client.metadata()
        assert time.monotonic() - began >= 1
    statuses = [item["status"] for item in sandbox.counters.snapshot()["recent"]]
    assert statuses == [200, 429, 200]


def test_without_retry_after_a_minute_is_waited(sandbox: Sandbox) -> None:
    sandbox.faults.add({"kind": "status", "status": 429, "body": "json"})
    with client_of(sandbox, max_wait=59) as client, pytest.raises(RateLimited, match=r"another wait of 6[0-9] seconds"):
        client.metadata()


def test_calls_go_one_at_a_time_whatever_max_connections_says(sandbox: Sandbox) -> None:
    sandbox.latency_ms = 5
    with client_of(sandbox, max_connections=8) as client, ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _number: client.search(BODY), range(16)))
    sandbox.latency_ms = 0
    assert sandbox.counters.snapshot()["in_flight_max"] == 1


# Login of VMware Cloud


@pytest.mark.parametrize("way", [CSP_CLIENT, CSP_TOKEN], ids=["client", "api_token"])
def test_a_login_of_vmware_cloud(sandbox: Sandbox, way: dict[str, str]) -> None:
    with client_of(sandbox, **way) as client:
        assert client.search(BODY).num_found == RECORDS
        client.metadata()
        assert [secret for secret in client.secrets() if secret.startswith("csp-token-")]
    assert asked(sandbox) == ["token" if "csp_client_id" in way else "authorize", "_search", "metadata"]


def test_a_token_that_was_withdrawn_is_renewed_once(sandbox: Sandbox) -> None:
    with client_of(sandbox, **CSP_TOKEN) as client:
        client.metadata()
        sandbox.carbon_black.revoke_tokens()
        assert client.search(BODY).num_found == RECORDS
    assert asked(sandbox) == ["authorize", "metadata", "_search", "authorize", "_search"]


def test_a_new_token_that_is_refused_too_ends_it(sandbox: Sandbox) -> None:
    sandbox.faults.add(
        {"match": {"route": "/containers/"}, "kind": "status", "status": 401, "body": "json", "times": -1}
    )
    with client_of(sandbox, **CSP_TOKEN) as client, pytest.raises(AuthenticationFailed):
        client.metadata()
    assert asked(sandbox) == ["authorize", "metadata", "authorize", "metadata"]


def test_a_token_is_renewed_before_it_expires(sandbox: Sandbox) -> None:
    sandbox.switches["carbon_black_token_life_s"] = 1
    with client_of(sandbox, **CSP_CLIENT) as client:
        client.metadata()
        time.sleep(0.55)  # half of its life
        client.metadata()
    assert asked(sandbox) == ["token", "metadata", "token", "metadata"]


@pytest.mark.parametrize("way", [{**CSP_CLIENT, "csp_client_secret": CANARY}, {"csp_api_token": CANARY}])
def test_a_refused_login_is_told_once_and_never_shown(sandbox: Sandbox, way: dict[str, str]) -> None:
    with client_of(sandbox, **way) as client:
        for _time in range(2):
            with pytest.raises(AuthenticationFailed, match="VMware Cloud refused the login") as caught:
                client.metadata()
    assert len(asked(sandbox)) == 1
    assert CANARY not in repr(caught.value.to_dict()) + repr(sandbox.counters.snapshot())


@pytest.mark.parametrize("body", ["html", "empty", "{}", "[]", '{"access_token": "a b"}', '{"access_token": 1}'])
def test_a_login_without_a_token(sandbox: Sandbox, body: str) -> None:
    sandbox.faults.add({"match": {"route": "/csp/"}, "kind": "status", "status": 200, "body": body})
    with client_of(sandbox, **CSP_TOKEN) as client, pytest.raises(BadResponse, match="no token"):
        client.metadata()


def test_the_clock_of_the_service(sandbox: Sandbox) -> None:
    with connect(connection(sandbox), {}) as client:
        assert client.server_time() is None
        client.metadata()
        assert client.server_time() == NOW
    assert SECRET not in repr(sandbox.counters.snapshot())


@pytest.mark.parametrize("date", ["some day", "Fri, 31 Dec 9999 23:59:59 -2300"])
def test_a_date_that_is_none_is_no_clock(sandbox: Sandbox, date: str) -> None:
    sandbox.faults.add({"kind": "status", "status": 200, "body": "{}", "headers": {"Date": date}})
    with connect(connection(sandbox), {}) as client:
        client.metadata()
        assert client.server_time() is None

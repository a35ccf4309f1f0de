# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: credentials, tokens, envelopes. ``responseCode`` decides, and a refusal is never tried twice."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    NotFound,
    PerimeterError,
    RateLimited,
    ServerFault,
    TransportError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http import session
from ansible_collections.appsec.perimeter.plugins.module_utils._http.response import Headers, Response
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api import token as token_module
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import QualysClient, connect, page_of
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.envelope import judge
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.listing import Listing, read_excerpt
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, connection, routes

FIRST = 410001
both_modes = pytest.mark.parametrize("mode", ["always_200", "mapped"])


@contextlib.contextmanager
def token_client(sandbox: Sandbox, **options: Any) -> Iterator[QualysClient]:
    login = {"client_id": sandbox.client_id, "client_secret": sandbox.client_secret, "gateway_url": sandbox.url}
    with connect({"api_url": sandbox.url, **login, **options}, {}) as client:
        yield client


def count(client: QualysClient) -> int:
    return client.count("webapp", [])


def in_ten_threads(client: QualysClient) -> list[Any]:
    def attempt(_number: int) -> Any:
        try:
            return count(client)
        except PerimeterError as error:
            return type(error)

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        return list(pool.map(attempt, range(10)))


# Credentials


def test_basic_credentials_travel_in_utf_8(sandbox: Sandbox) -> None:
    sandbox.settings.password = sandbox._qualys._world.settings.password = "pässwörd:€"
    with client_of(sandbox) as client:
        assert count(client) == 20


@both_modes
@pytest.mark.parametrize("status", ["200", "401"])
def test_wrong_credentials_are_tried_once_also_from_ten_threads(estate: Sandbox, mode: str, status: str) -> None:
    estate.switches.update({"http_status_mode": mode, "auth_error_status": status})
    with client_of(estate, password="wrong-canary") as client:
        assert in_ten_threads(client) == [AuthenticationFailed] * 10
        with pytest.raises(AuthenticationFailed) as caught:
            count(client)
    assert estate.counters.snapshot()["failed_auth"] == 1
    assert "canary" not in str(caught.value)


def test_wrong_credentials_are_a_sentence_with_the_vendors_code(estate: Sandbox) -> None:
    with client_of(estate, username="nobody") as client, pytest.raises(AuthenticationFailed) as caught:
        count(client)
    assert caught.value.code == "INVALID_CREDENTIALS"
    assert "count/was/webapp" in caught.value.message
    assert "username and password" in caught.value.hint


def test_a_token_is_fetched_once_and_shared_by_all_threads(estate: Sandbox) -> None:
    with token_client(estate) as client:
        assert in_ten_threads(client) == [200] * 10
    assert len(routes(estate, "/auth/oidc")) == 1


def test_a_wrong_client_is_tried_once_also_from_ten_threads(estate: Sandbox) -> None:
    with token_client(estate, client_secret="wrong-canary") as client:
        assert in_ten_threads(client) == [AuthenticationFailed] * 10
    assert routes(estate) == ["POST /auth/oidc"]


def test_a_token_is_renewed_before_it_expires(estate: Sandbox) -> None:
    estate.switches["token_life_s"] = 1000
    with token_client(estate) as client:
        assert client._token is not None
        now = client._token._clock()
        count(client)
        client._token._clock = lambda: now + 930
        count(client)
        assert len(routes(estate, "/auth/oidc")) == 1
        client._token._clock = lambda: now + 945
        count(client)
        assert len(routes(estate, "/auth/oidc")) == 2


def test_a_withdrawn_token_is_renewed_once(estate: Sandbox) -> None:
    with token_client(estate) as client:
        count(client)
        estate._qualys._auth.revoke_all()
        assert in_ten_threads(client) == [200] * 10
    assert len(routes(estate, "/auth/oidc")) == 2


@pytest.mark.parametrize("status", ["200", "401"])
def test_a_token_that_is_refused_again_after_the_renewal_ends_the_run(estate: Sandbox, status: str) -> None:
    estate.switches.update({"user_token_for_was": "accept", "auth_error_status": status})
    with token_client(estate) as client:
        count(client)
        estate._qualys._auth.revoke_all()
        estate.switches["token_life_s"] = 0
        assert client._token is not None
        with pytest.raises(AuthenticationFailed):
            count(client)
        assert len(routes(estate, "/auth/oidc")) == 2
        with pytest.raises(AuthenticationFailed):
            count(client)
    assert len(routes(estate, "count/was/webapp")) == 3


@pytest.mark.parametrize(("status", "kind"), [(403, AuthenticationFailed), (404, BadResponse), (200, BadResponse)])
def test_a_gateway_that_gives_no_token_is_one_sentence(
    estate: Sandbox, status: int, kind: type[PerimeterError]
) -> None:
    estate.faults.add(kind="status", status=status, body="html", match={"route": "/auth/oidc"})
    with token_client(estate) as client, pytest.raises(kind, match="gateway") as caught:
        count(client)
    assert "client_secret" in caught.value.hint


@pytest.mark.parametrize("status", [401, 403])
def test_a_gateway_that_refuses_stops_everything(estate: Sandbox, status: int) -> None:
    estate.faults.add(kind="status", status=status, body="html", match={"route": "/auth/oidc"}, times=1)
    with token_client(estate) as client:
        assert in_ten_threads(client) == [AuthenticationFailed] * 10
        assert isinstance(client.http.stopped, AuthenticationFailed)
    assert routes(estate) == ["POST /auth/oidc"]


def test_a_clock_that_is_ahead_of_the_gateways_does_not_ask_for_a_token_each_time(
    estate: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = token_module.time.time()
    monkeypatch.setattr(token_module.time, "time", lambda: now + 10 * 86_400)
    with token_client(estate) as client:
        assert [count(client) for _turn in range(3)] == [200] * 3
    assert len(routes(estate, "/auth/oidc")) == 1


def test_a_token_of_a_short_life_is_used_for_half_of_it(estate: Sandbox) -> None:
    estate.switches["token_life_s"] = 40
    with token_client(estate) as client:
        assert client._token is not None
        now = client._token._clock()
        for later, fetched in ((0, 1), (19, 1), (22, 2)):
            client._token._clock = lambda later=later: now + later
            count(client)
            assert len(routes(estate, "/auth/oidc")) == fetched


def test_a_token_that_the_vendor_repeats_is_masked(estate: Sandbox) -> None:
    with token_client(estate) as client:
        count(client)
        assert client._token is not None
        token = client._token.value
        assert client.secrets() == (estate.client_secret, token)
        estate.faults.add(kind="response_code", code="INVALID_PARAM", message=f"Bearer {token}", resolution=token)
        with pytest.raises(VendorError) as caught:
            count(client)
    assert (caught.value.message[-13:], caught.value.hint) == (": Bearer ***.", "***.")


def jwt(claims: Any) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"h.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.s"


@pytest.mark.parametrize(
    ("token", "life"),
    [
        (jwt({"exp": 500}), 400.0),
        (jwt({"exp": "500.5"}), 400.5),
        (jwt({"exp": 500, "iat": 450}), 50.0),
        (jwt({"exp": 50, "iat": "20"}), 30.0),
        (jwt({"exp": 50, "iat": "x"}), None),
        (jwt({"exp": 100}), None),
        *((jwt(claims), None) for claims in ({}, {"exp": None}, {"exp": "x"}, [], "x", 5, b"\xff", b"{", b"[" * 99999)),
        ("h.!!!.s", None),
        ("h..s", None),
        (jwt({"exp": float("nan")}), None),
        (jwt({"exp": "inf"}), None),
        (jwt({"exp": 10**400}), None),
    ],
)
def test_the_life_of_a_token_is_read_defensively(token: str, life: float | None) -> None:
    assert token_module._life(token, 100.0) == (token_module.ASSUMED_LIFE if life is None else life)


def test_the_secrets_of_a_client_include_the_form_that_travels(estate: Sandbox) -> None:
    with client_of(estate) as client:
        encoded = base64.b64encode(f"{estate.username}:{estate.password}".encode()).decode()
        assert client.secrets() == (estate.password, encoded)
        assert estate.password not in repr(client.http)
    with token_client(estate) as client:
        assert client.secrets() == (estate.client_secret,)


# Envelopes


@both_modes
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_REQUEST", VendorError),
        ("INVALID_XML", VendorError),
        ("UNAUTHORIZED", VendorError),
        ("EVALUATION_EXPIRED", VendorError),
        ("OPERATION_NOT_SUPPORTED", VendorError),
        ("LIMIT_EXCEEDED", VendorError),
        ("NOT_FOUND", NotFound),
        ("UNKNOWN_OBJECT", NotFound),
        ("AUTH_CREDENTIALS_NEEDED", AuthenticationFailed),
    ],
)
def test_the_response_code_decides_whatever_the_status(
    estate: Sandbox, mode: str, code: str, kind: type[PerimeterError]
) -> None:
    estate.switches["http_status_mode"] = mode
    estate.faults.add(kind="response_code", code=code, message="The reason", resolution="Do this")
    with client_of(estate) as client, pytest.raises(kind) as caught:
        count(client)
    assert caught.value.__class__ is kind
    assert caught.value.code == code
    assert caught.value.message == f"Qualys answered count/was/webapp with {code}: The reason."
    assert caught.value.hint
    assert len(routes(estate)) == 1


@pytest.mark.parametrize("code", ["UNAUTHORIZED", "INVALID_REQUEST"])
def test_a_401_is_about_the_credentials_whatever_its_code(estate: Sandbox, code: str) -> None:
    body = {"ServiceResponse": {"responseCode": code, "responseErrorDetails": {"errorMessage": "No"}}}
    estate.faults.add(kind="status", status=401, body=json.dumps(body), times=-1)
    with client_of(estate) as client:
        assert in_ten_threads(client) == [AuthenticationFailed] * 10
        assert client.http.stopped is not None
        assert (client.http.stopped.code, client.http.stopped.message[-4:]) == (code, " No.")
    assert len(routes(estate)) == 1


def test_a_reason_that_a_terminal_or_a_ci_system_would_obey_is_made_harmless(estate: Sandbox) -> None:
    said = "\x1b[2J##vso[task.complete]\x9b31m ::error::x"
    estate.faults.add(kind="response_code", code="INVALID_PARAM", message=said, resolution=said)
    with client_of(estate) as client, pytest.raises(VendorError) as caught:
        count(client)
    shown = f"{caught.value} {caught.value.hint}"
    assert shown.isprintable()
    assert "##vso" not in shown
    assert "::error" not in shown


@both_modes
def test_the_details_of_an_error_may_be_missing_altogether(estate: Sandbox, mode: str) -> None:
    estate.switches["http_status_mode"] = mode
    estate.faults.add(kind="response_code", code="INVALID_PARAM")
    with client_of(estate) as client, pytest.raises(VendorError) as caught:
        count(client)
    assert str(caught.value) == "Qualys answered count/was/webapp with INVALID_PARAM."


def test_a_long_reason_is_cut_and_stays_one_line(estate: Sandbox) -> None:
    estate.faults.add(kind="response_code", code="INVALID_PARAM", message="a\nb " + "x" * 2000)
    with client_of(estate) as client, pytest.raises(VendorError) as caught:
        count(client)
    assert len(caught.value.message) < 400
    assert "\n" not in str(caught.value)


BAD_BODIES = {
    "an HTML page instead of JSON": {"kind": "html_200"},
    "JSON that is cut short or is not an envelope": {"kind": "truncated_json"},
    "XML instead of JSON": {"kind": "status", "status": 200, "body": '<?xml version="1.0"?><ServiceResponse/>'},
    "an empty body": {"kind": "status", "status": 200, "body": "empty"},
    "something that is not JSON": {"kind": "status", "status": 200, "body": "maintenance"},
}


@pytest.mark.parametrize("what", BAD_BODIES)
def test_an_answer_that_is_not_an_envelope_is_asked_for_again_and_then_described(estate: Sandbox, what: str) -> None:
    estate.faults.add({**BAD_BODIES[what], "times": 1})
    with client_of(estate) as client:
        assert count(client) == 200
    estate.faults.add({**BAD_BODIES[what], "times": -1})
    with client_of(estate, retries=2) as client, pytest.raises(BadResponse) as caught:
        count(client)
    assert caught.value.message == f"Qualys' count/was/webapp was answered with {what}."
    assert "api_url" in caught.value.hint
    assert len(routes(estate)) == 2 + 3


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_that_is_not_qualys_own_is_not_tried_again(estate: Sandbox, status: int) -> None:
    estate.faults.add(kind="status", status=status, body="html", times=-1)
    with client_of(estate) as client, pytest.raises(BadResponse, match=f"HTTP {status} and an HTML page"):
        count(client)
    assert len(routes(estate)) == 1


@pytest.mark.parametrize("status", [202, 500, 502, 503, 520])
def test_a_passing_fault_is_tried_again(estate: Sandbox, status: int) -> None:
    estate.faults.add(kind="status", status=status, body="html", times=3)
    with client_of(estate) as client:
        assert count(client) == 200
        assert client.http.stats.to_dict()["retries"] == 3


def test_a_lasting_fault_is_told_with_its_status(estate: Sandbox) -> None:
    estate.faults.add(kind="status", status=503, body="html", times=-1)
    with client_of(estate, retries=1) as client, pytest.raises(ServerFault, match="HTTP 503"):
        count(client)


@pytest.mark.parametrize("status", [409, 429])
@pytest.mark.parametrize("headers", [{}, {"X-RateLimit-ToWait-Sec": "0"}, {"Retry-After": "soon"}])
def test_being_told_to_slow_down_is_waited_for(estate: Sandbox, status: int, headers: dict[str, str]) -> None:
    estate.faults.add(kind="status", status=status, body="html", headers=headers, times=2)
    with client_of(estate) as client:
        assert count(client) == 200


def test_waiting_has_an_end(estate: Sandbox) -> None:
    estate.faults.add(kind="status", status=429, headers={"Retry-After": "3600"}, times=-1)
    with client_of(estate, max_wait=10) as client, pytest.raises(RateLimited):
        count(client)


ENVELOPES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["SUCCESS", "true"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("ServiceResponse", "responseCode", "responseErrorDetails", "data", "count", "lastId"),
                    *("hasMoreRecords", "errorMessage", "WebApp", "id"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    ENVELOPES.map(lambda value: json.dumps(value).encode()),
    ENVELOPES.map(lambda value: json.dumps({"ServiceResponse": value}).encode()),
    ENVELOPES.map(lambda value: json.dumps({"ServiceResponse": {"responseCode": "SUCCESS", "data": value}}).encode()),
)


@given(body=BODIES, status=st.sampled_from([200, 202, 302, 400, 401, 404, 409, 429, 500, 503]), read=st.booleans())
def test_no_answer_breaks_the_parser_of_envelopes(body: bytes, status: int, read: bool) -> None:
    response = Response(status, Headers(), body, "https://a.test/")
    with contextlib.suppress(PerimeterError):
        judge(response, "search/was/webapp", idempotent=read)
        if "envelope" in response.memo:
            page = page_of(response.memo["envelope"], "search/was/webapp")
            assert all(isinstance(record, dict) for record in page.records)


@given(ENVELOPES)
def test_no_envelope_breaks_the_parser_of_pages(envelope: Any) -> None:
    with contextlib.suppress(PerimeterError):
        page_of(envelope if isinstance(envelope, dict) else {"data": envelope, "hasMoreRecords": "true"}, "x")


@pytest.mark.parametrize(
    ("envelope", "words"),
    [
        ({"data": {"WebApp": {}}}, "data that is not a list"),
        ({"data": ["x"]}, "an entry that is not a record"),
        ({"data": [{"WebApp": {}, "Tag": {}}]}, "an entry that is not a record"),
        ({"data": [{"WebApp": []}]}, "an entry that is not a record"),
        ({"hasMoreRecords": "true"}, "its answer has no lastId"),
    ],
)
def test_a_page_that_is_not_one_is_described(envelope: dict[str, Any], words: str) -> None:
    with pytest.raises(BadResponse, match=words):
        page_of(envelope, "search/was/webapp")


def test_a_count_without_a_number_is_described(estate: Sandbox) -> None:
    estate.faults.add(kind="status", status=200, body='{"ServiceResponse": {"responseCode": "SUCCESS"}}')
    with client_of(estate) as client, pytest.raises(BadResponse, match="without a count"):
        count(client)


def test_the_cursor_is_the_last_record_when_the_envelope_does_not_say() -> None:
    page = page_of({"hasMoreRecords": "true", "data": [{"WebApp": {"id": 3}}, {"WebApp": {"id": "7"}}]}, "x")
    assert page.last_id == 7


# Records


@both_modes
@pytest.mark.parametrize("answer", ["NOT_FOUND", "INVALID_REQUEST", "EMPTY_SUCCESS"])
@pytest.mark.parametrize("shape", ["a", "b"])
def test_each_answer_for_a_missing_id_means_that_there_is_none(
    estate: Sandbox, mode: str, answer: str, shape: str
) -> None:
    estate.switches.update({"http_status_mode": mode, "missing_id": answer, "zero_result_shape": shape})
    with client_of(estate) as client:
        assert client.get("webapp", 1) is None
        found = client.get("webapp", FIRST)
        assert found is not None
        assert found["id"] == FIRST


@both_modes
def test_another_refusal_of_a_get_is_an_error(estate: Sandbox, mode: str) -> None:
    estate.switches["http_status_mode"] = mode
    with client_of(estate) as client, pytest.raises(VendorError) as caught:
        client.get("webapp", "x")
    assert caught.value.code == "INVALID_URL"


@pytest.mark.parametrize("shape", ["a", "b"])
def test_both_shapes_of_no_result_are_an_empty_page(estate: Sandbox, shape: str) -> None:
    estate.switches["zero_result_shape"] = shape
    criteria = [{"field": "name", "operator": "EQUALS", "value": "no such application"}]
    with client_of(estate) as client:
        page = client.page("webapp", criteria, limit=10)
        assert (page.records, page.last_id) == ([], None)
        assert client.count("webapp", criteria) == 0


def test_tags_are_searched_in_their_own_module(estate: Sandbox) -> None:
    criteria = [{"field": "name", "operator": "EQUALS", "value": "prod"}]
    with client_of(estate) as client:
        page = client.page("tag", criteria, limit=10)
    assert [record["name"] for record in page.records] == ["prod"]
    assert routes(estate) == ["POST /qps/rest/2.0/search/am/tag"]


# Writes


@pytest.mark.parametrize("fault", ["reset", "apply_then_reset", "html_200", "truncated_json"])
def test_a_write_whose_answer_is_lost_is_not_sent_again(sandbox: Sandbox, fault: str) -> None:
    sandbox.faults.add(kind=fault, match={"route": "/update/"})
    with client_of(sandbox) as client:
        count(client)
        with pytest.raises(TransportError) as caught:
            client.write("update", "webapp", {"WebApp": {"scope": "LIMIT"}}, FIRST)
    assert caught.value.sent
    assert len(routes(sandbox, "/update/")) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_write_that_meets_a_fault_is_in_doubt(sandbox: Sandbox, status: int) -> None:
    sandbox.faults.add(kind="apply_then_status", status=status, match={"route": "/update/"})
    with client_of(sandbox) as client, pytest.raises(ServerFault):
        client.write("update", "webapp", {"WebApp": {"scope": "LIMIT"}}, FIRST)
    assert len(routes(sandbox, "/update/")) == 1


def test_options_become_a_client_without_a_request(estate: Sandbox) -> None:
    with connect({**connection(estate), "max_connections": 7}, {}) as client:
        assert client.workers == 7
    assert estate.counters.snapshot()["requests"] == 0


def test_a_write_that_is_in_conflict_is_sent_once_and_says_why(estate: Sandbox) -> None:
    body = '{"ServiceResponse": {"responseCode": "INVALID_REQUEST", "responseErrorDetails": {"errorMessage": "Taken"}}}'
    estate.faults.add(kind="status", status=409, body=body, match={"route": "update/was/webapp"}, times=-1)
    estate.reset_counters()
    with client_of(estate) as client, pytest.raises(VendorError, match="Taken"):
        client.write("update", "webapp", {"WebApp": {"name": "x"}}, 410001)
    assert estate.counters.writes == 1


def test_a_read_that_pauses_before_its_next_try_leaves_no_connection_idle(
    estate: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "backoff", lambda _attempt, **_options: 0.5)
    estate.faults.add(kind="status", status=500, match={"route": "/get/"}, times=2)
    with client_of(estate, max_connections=2) as client:
        listing = Listing(client, "webapp", [], page_size=12)
        assert len(read_excerpt(listing, 12, in_full=True).records) == 12
    gets = routes(estate, "/get/")
    assert len(gets) == 14
    assert set(gets[-2:]) == set(gets[:2])

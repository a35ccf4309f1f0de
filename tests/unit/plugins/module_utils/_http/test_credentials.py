# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A refusal costs one attempt, stops everything, and nothing secret gets out."""

from __future__ import annotations

import base64
import time
import traceback

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AuthenticationFailed,
    BadResponse,
    PerimeterError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._base.masking import Mask
from ansible_collections.appsec.perimeter.plugins.module_utils._http.exchange import Call
from ansible_collections.appsec.perimeter.plugins.module_utils._http.pools import Route
from ansible_collections.appsec.perimeter.plugins.module_utils._http.response import Response
from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import ACCEPT, OK, Verdict
from ansible_collections.appsec.perimeter.plugins.module_utils._http.settings import HttpSettings, parse_proxy

from .conftest import MakeSession
from .servers import Action, Server, close, reply
from .test_session import run_threads

PASSWORD = "c4n4ry:pass/word+1"
BASIC = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()


def slowly(action: Action, seconds: float = 0.1) -> Action:
    def act(connection, request) -> None:  # type: ignore[no-untyped-def]
        time.sleep(seconds)
        action(connection, request)

    return act


def refuse_in_body(response: Response) -> Verdict:
    if response.body == b"INVALID_CREDENTIALS":
        raise AuthenticationFailed("The user name or password is wrong.")
    return OK


@pytest.mark.parametrize(
    "answer", [reply(401, b""), reply(200, b"INVALID_CREDENTIALS")], ids=["by status", "in the body of a 200"]
)
def test_a_wrong_password_costs_one_attempt(server: Server, make: MakeSession, answer: Action) -> None:
    server.default = slowly(answer)
    session = make(max_connections=20)
    raised = run_threads(
        20, lambda: session.request("GET", server.url, idempotent=True, classify=refuse_in_body, headers={"A": BASIC})
    )
    assert len(server.seen) == 1
    assert server.connections == 1
    assert {type(error) for error in raised} == {AuthenticationFailed}
    assert len({id(error) for error in raised}) == 1
    with pytest.raises(AuthenticationFailed):
        session.request("POST", server.url, idempotent=False)
    assert len(server.seen) == 1


def test_the_first_request_goes_alone_until_it_is_answered(server: Server, make: MakeSession) -> None:
    server.script = [slowly(reply(503, b"")), slowly(close()), slowly(reply(429)), slowly(reply())]
    server.default = slowly(reply())
    most: list[int] = []
    session = make(max_connections=8)

    def classify(response: Response) -> Verdict:
        if response.status == 200 and not most:
            most.append(server.most_in_flight)
        return OK

    assert run_threads(8, lambda: session.request("GET", server.url, idempotent=True, classify=classify)) == [None] * 8
    assert most == [1]
    assert server.most_in_flight > 1


def test_the_gate_opens_for_the_next_when_a_request_fails_for_good(server: Server, make: MakeSession) -> None:
    server.script = [slowly(reply(302, b"", Location="/"))]
    session = make(max_connections=4)
    raised = run_threads(4, lambda: session.request("GET", server.url, idempotent=True))
    assert sorted(str(type(error).__name__) for error in raised) == ["NoneType"] * 3 + ["RedirectRefused"]


def test_a_later_refusal_stops_the_others(server: Server, make: MakeSession) -> None:
    session = make(max_connections=2)
    session.request("GET", server.url, idempotent=True)
    server.default = slowly(reply(401, b""), 0.05)
    raised = run_threads(20, lambda: session.request("GET", server.url, idempotent=True))
    assert {type(error) for error in raised} == {AuthenticationFailed}
    assert len(server.seen) <= 1 + 2


def test_which_statuses_refuse(server: Server, make: MakeSession) -> None:
    server.default = reply(403, b"")
    assert make().request("GET", server.url, idempotent=True).status == 403
    with pytest.raises(AuthenticationFailed, match=r"refused the credentials \(HTTP 403\)") as caught:
        make(auth_statuses=(401, 403)).request("GET", server.url, idempotent=True)
    assert caught.value.code == "403"


def test_a_client_may_keep_a_401_to_renew_its_token(server: Server, make: MakeSession) -> None:
    server.script = [reply(401, b"")]
    session = make()
    got = session.request("GET", server.url, idempotent=True, classify=lambda _response: ACCEPT)
    assert got.status == 401
    assert session.request("GET", server.url, idempotent=True).status == 200


def test_a_client_may_send_a_request_while_it_looks_at_the_first_answer(server: Server, make: MakeSession) -> None:
    server.script = [reply(401, b"")]
    session = make()

    def classify(response: Response) -> Verdict:
        assert session.request("POST", f"{server.url}/token", idempotent=True).status == 200
        return ACCEPT

    assert session.request("GET", server.url, idempotent=True, classify=classify).status == 401


def test_fail_all_raises_here_and_everywhere(server: Server, make: MakeSession) -> None:
    session = make()
    first, second = AuthenticationFailed("No."), AuthenticationFailed("Again no.")
    with pytest.raises(AuthenticationFailed) as caught:
        session.fail_all(first)
    assert caught.value is first
    session.stop(second)
    assert session.stopped is first
    with pytest.raises(AuthenticationFailed) as caught:
        session.request("GET", server.url, idempotent=True)
    assert caught.value is first
    assert server.connections == 0


def test_stop_reaches_those_who_wait_for_a_place(server: Server, make: MakeSession) -> None:
    session = make(max_connections=1)
    session.request("GET", server.url, idempotent=True)
    error = TransportError("enough")

    def stop_meanwhile(connection, request) -> None:  # type: ignore[no-untyped-def]
        session.stop(error)
        reply()(connection, request)

    server.default = stop_meanwhile
    raised = run_threads(5, lambda: session.request("GET", server.url, idempotent=True))
    assert raised.count(error) == 4
    assert len(server.seen) == 2


def test_another_error_of_a_client_stops_nobody(server: Server, make: MakeSession) -> None:
    def classify(response: Response) -> Verdict:
        raise BadResponse(f"No JSON: {PASSWORD}", hint=f"See {BASIC}")

    session = make(secrets=[PASSWORD, BASIC, ""])
    with pytest.raises(BadResponse) as caught:
        session.request("GET", server.url, idempotent=True, classify=classify)
    assert (caught.value.message, caught.value.hint, caught.value.args) == (
        "No JSON: ***",
        "See ***",
        ("No JSON: ***",),
    )
    assert session.stopped is None
    assert session.request("GET", server.url, idempotent=True).status == 200


def test_masks_know_the_encodings() -> None:
    mask = Mask([PASSWORD, "abc", "spa ce"])
    for form in ("c4n4ry%3Apass%2Fword%2B1", base64.b64encode(PASSWORD.encode()).decode(), "spa+ce", "spa%20ce"):
        assert mask.text(f"a {form} b") == "a *** b"
    assert mask.text("abc") == "abc"
    assert PASSWORD not in repr(mask)


def test_a_secret_that_holds_what_messages_are_freed_of_is_masked_all_the_same() -> None:
    mask = Mask(["c4n\n4ry", "##[c4n4ry"])
    for secret in ("c4n\n4ry", "##[c4n4ry"):
        error = PerimeterError(f"a {secret} b")
        mask.error(error)
        assert error.message == "a *** b"


def test_a_secret_that_comes_up_later_is_masked_from_then_on(server: Server, make: MakeSession) -> None:
    def classify(response: Response) -> Verdict:
        raise BadResponse(f"It said {PASSWORD} and later-c4n4ry.")

    session = make(secrets=[PASSWORD])
    session.protect("later-c4n4ry")
    with pytest.raises(BadResponse, match=r"^It said \*\*\* and \*\*\*\.$"):
        session.request("GET", server.url, idempotent=True, classify=classify)


def test_no_repr_shows_a_secret(server: Server, make: MakeSession) -> None:
    proxy = "http://user:c4n4ry@127.0.0.1:1"
    settings = HttpSettings(proxy=proxy)
    assert "proxy='(set)'" in repr(settings)
    assert "proxy=None" in repr(HttpSettings())
    session = make(proxy=proxy, secrets=["c4n4ry"])
    call = Call(
        "GET",
        Route("http://h:80", None, None, False),
        "/p",
        "/p?k=c4n4ry",
        {"A": "c4n4ry"},
        b"c4n4ry",
        True,
        1,
        1,
        None,
    )
    response = Response(200, None, b"c4n4ry", "http://h:80/p")  # type: ignore[arg-type]
    things = [settings, session, session.stats, session.stats.to_dict(), parse_proxy(proxy, "proxy"), call, response]
    assert repr(response) == "Response(200, http://h:80/p, 6 bytes)"
    assert repr(call) == "Call(GET http://h:80/p)"
    for thing in things:
        assert "c4n4ry" not in f"{thing!r}{thing!s}"


def test_no_error_shows_a_secret(server: Server, make: MakeSession) -> None:
    secret = "c4n4ry-secret"
    actions = [
        reply(401, secret.encode()),
        reply(302, b"", Location=f"https://{secret}.example.com/{secret}?{secret}"),
        reply(500, secret.encode()),
        reply(429, secret.encode(), Retry_After="9999"),
        close(),
        reply(200, b"x" * 99),
        reply(200, b"x", Content_Encoding=secret),
    ]
    kinds = []
    for action in actions:
        server.default = action
        session = make(secrets=[secret], max_response_bytes=50)
        with pytest.raises(PerimeterError) as caught:
            session.request(
                "POST",
                f"{server.url}/p?key={secret}",
                body=secret.encode(),
                headers={"Authorization": secret},
                idempotent=False,
            )
        error = caught.value
        assert secret not in f"{error} {error!r} {error.to_dict()}"
        assert secret not in "".join(traceback.format_exception(error))
        kinds.append(error.kind)
    assert kinds == ["authentication", "redirect", "server", "rate_limit", "connection", "response", "response"]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is repeated, what is not, and how each failure is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    BadResponse,
    PerimeterError,
    RateLimited,
    RequestTimeout,
    ServerFault,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http import deadline
from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import (
    ACCEPT,
    OK,
    RETRY,
    RETRY_AS,
    THROTTLED,
    Response,
    Verdict,
)

from .conftest import MakeSession, Pki
from .servers import Action, FakeTime, Hangup, Server, chunked, close, hang, raw, reply, reset, then_close, unused_port

READ_STATUSES = [202, 500, 501, 502, 503, 504, 520]
CUT = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
BROKEN: list[tuple[str, Action, str]] = [
    ("closed before the answer", close(), "closed the connection without an answer"),
    ("reset before the answer", reset(), "was reset"),
    ("cut in the status line", raw(b"HTTP/1.1 20"), "sent something that is not HTTP"),
    ("no HTTP", raw(b"220 smtp.example.com ESMTP\r\n"), "sent something that is not HTTP"),
    ("reset in the body", reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "reset|incomplete"),
    ("truncated body", CUT, "incomplete answer"),
    ("truncated chunks", chunked(b"abc", finish=False), "incomplete answer"),
    ("bad chunk size", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "incomplete answer"),
]
broken = pytest.mark.parametrize(("action", "text"), [pair[1:] for pair in BROKEN], ids=[pair[0] for pair in BROKEN])


@broken
def test_a_read_is_repeated(server: Server, make: MakeSession, action: Action, text: str) -> None:
    server.script = [action, action]
    session = make()
    assert session.request("GET", server.url, idempotent=True).body == b"ok"
    assert session.stats.to_dict()["retries"] == 2


@broken
def test_a_read_fails_in_the_end(server: Server, make: MakeSession, action: Action, text: str) -> None:
    server.default = action
    with pytest.raises(TransportError, match=text) as caught:
        make(retries=2).request("GET", server.url, idempotent=True)
    assert caught.value.sent
    assert "(tried 3 times)." in str(caught.value)
    assert f"http://127.0.0.1:{server.port}" in str(caught.value)
    assert len(server.seen) == 3


@broken
def test_a_write_is_not_repeated(server: Server, make: MakeSession, action: Action, text: str) -> None:
    server.script = [action]
    with pytest.raises(TransportError, match=text) as caught:
        make().request("POST", server.url, body=b"create", idempotent=False)
    assert caught.value.sent
    assert "tried" not in str(caught.value)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", READ_STATUSES)
def test_faults_of_the_platform_are_repeated_for_reads(
    server: Server, make: MakeSession, fake: FakeTime, status: int
) -> None:
    server.script = [reply(status, b"<html>")] * 3
    assert make().request("GET", server.url, idempotent=True).body == b"ok"
    assert len(fake.slept) == 3
    assert fake.slept[0] < fake.slept[2]


@pytest.mark.parametrize("status", READ_STATUSES)
def test_faults_of_the_platform_end_reads_in_time(server: Server, make: MakeSession, status: int) -> None:
    server.default = reply(status, b"body")
    with pytest.raises(ServerFault, match=rf"/p answered with a fault 2 times \(HTTP {status}\)") as caught:
        make(retries=1).request("GET", server.url + "/p", idempotent=True)
    assert (caught.value.status, caught.value.body, caught.value.sent) == (status, b"body", True)


def test_other_faults_are_not_repeated(server: Server, make: MakeSession) -> None:
    server.default = reply(505)
    with pytest.raises(ServerFault):
        make().request("GET", server.url, idempotent=True)
    assert len(server.seen) == 1


def test_the_statuses_are_a_parameter(server: Server, make: MakeSession) -> None:
    server.script = [reply(418)]
    session = make(retry_statuses=[418])
    assert session.request("GET", server.url, idempotent=True).status == 200
    server.script = [reply(202)]
    assert session.request("GET", server.url, idempotent=True).status == 202


def test_a_fault_after_a_write_is_told_at_once(server: Server, make: MakeSession) -> None:
    server.default = reply(503, b"")
    with pytest.raises(ServerFault) as caught:
        make().request("POST", server.url, idempotent=False)
    assert "may have acted" in caught.value.hint
    assert len(server.seen) == 1


def test_a_fault_can_name_its_own_wait(server: Server, make: MakeSession, fake: FakeTime) -> None:
    server.script = [reply(503, Retry_After="100")]
    make().request("GET", server.url, idempotent=True)
    assert fake.slept == [100.0]


def test_a_read_that_may_not_wait_any_more_says_why(server: Server, make: MakeSession) -> None:
    server.default = reply(503)
    with pytest.raises(ServerFault, match="max_wait is used up"):
        make(max_wait=0).request("GET", server.url, idempotent=True)
    assert len(server.seen) == 1


def test_a_refused_connection_is_repeated_even_for_writes(make: MakeSession, fake: FakeTime) -> None:
    port = unused_port()
    session = make(retries=3)
    with pytest.raises(TransportError, match=rf"127.0.0.1:{port} refused the connection \(tried 4 times\)") as caught:
        session.request("POST", f"http://127.0.0.1:{port}", body=b"x", idempotent=False)
    assert not caught.value.sent
    assert len(fake.slept) == 3


def test_a_write_goes_through_once_the_server_is_up(make: MakeSession, fake: FakeTime) -> None:
    port = unused_port()
    started: list[Server] = []

    def sleep(seconds: float) -> None:
        fake.sleep(seconds)
        if len(fake.slept) == 2:
            started.append(Server(port=port))

    try:
        got = make(sleep=sleep).request("POST", f"http://127.0.0.1:{port}", body=b"x", idempotent=False)
        assert got.status == 200
        assert [request.body for request in started[0].seen] == [b"x"]
    finally:
        for one in started:
            one.stop()


def test_a_read_timeout(server: Server, make: MakeSession) -> None:
    server.default = hang()
    for idempotent, tries in ((True, 2), (False, 1)):
        server.seen.clear()
        with pytest.raises(RequestTimeout, match=f"{server.url} did not answer within 0.1 seconds") as caught:
            make(retries=1).request("GET", server.url, idempotent=idempotent, timeout=0.1)
        assert caught.value.sent
        assert "Raise timeout" in caught.value.hint
        assert len(server.seen) == tries


def test_a_timeout_in_the_body(server: Server, make: MakeSession) -> None:
    def half(connection: socket.socket, request: object) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        hang()(connection, request)  # type: ignore[arg-type]

    server.script = [half]
    session = make(timeout=0.2, max_connections=1)
    assert session.request("GET", server.url, idempotent=True).body == b"ok"
    assert len(server.seen) == 2


def drip(begin: bytes) -> Action:
    """The beginning of an answer, then a byte now and then, without an end."""

    def act(connection: socket.socket, request: object) -> None:
        connection.sendall(begin)
        for _byte in range(400):
            time.sleep(0.02)
            connection.sendall(b"1")
        raise Hangup

    return act


DRIPS = {
    "in the headers": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "in a body of known length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
    "until the connection ends": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("begin", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_an_answer_that_drips_is_given_up(
    server: Server, make: MakeSession, pki: Pki, monkeypatch: pytest.MonkeyPatch, begin: bytes, tls: bool
) -> None:
    monkeypatch.setattr(deadline, "TIMEOUTS", 1.5)
    with Server(tls=pki.server()) as secure:
        target = secure if tls else server
        target.default = drip(begin)
        session = make(timeout=0.2, ca_path=pki.ca_file)
        begun = time.monotonic()
        with pytest.raises(RequestTimeout) as caught:
            session.request("POST", target.url, idempotent=True)
        assert time.monotonic() - begun < 2
        assert caught.value.message == f"{target.url} had not finished its answer after 0.3 seconds."
        assert caught.value.sent
        # The next request has a connection of its own.
        target.default = reply()
        assert session.request("GET", target.url, idempotent=True).body == b"ok"
        assert len(target.seen) == 2


def test_no_timer_is_left_after_an_answer(server: Server, make: MakeSession) -> None:
    session = make()
    before = threading.active_count()
    for _turn in range(5):
        session.request("GET", server.url, idempotent=True)
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in timers:
        timer.join(5)
    assert threading.active_count() <= before + 1  # the server's own


def test_a_connect_timeout_is_not_sent(make: MakeSession) -> None:
    # A listener whose queue is full answers no further handshake.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _turn in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        time.sleep(0.05)
        try:
            with pytest.raises(RequestTimeout, match=r"No connection to http://127.0.0.1:\d+ within 0.2 s") as caught:
                make(retries=1).request("POST", f"http://127.0.0.1:{address[1]}", idempotent=False, timeout=0.2)
        finally:
            for filler in fillers:
                filler.close()
    assert not caught.value.sent
    assert "tried 2 times" in str(caught.value)


def test_an_unknown_host_fails_at_once(make: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = resolver_says(monkeypatch, socket.EAI_NONAME)
    with pytest.raises(TransportError, match=r"host name of https://api.invalid:443 cannot be resolved") as caught:
        make().request("GET", "https://api.invalid/", idempotent=True)
    assert not caught.value.sent
    assert len(calls) == 1


def test_a_resolver_that_stumbles_is_asked_again(make: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = resolver_says(monkeypatch, socket.EAI_AGAIN)
    with pytest.raises(TransportError, match="cannot be resolved"):
        make(retries=2).request("POST", "https://api.invalid/", idempotent=False)
    assert len(calls) == 3


def resolver_says(monkeypatch: pytest.MonkeyPatch, number: int) -> list[object]:
    calls: list[object] = []

    def fail(*args: object, **kwargs: object) -> None:
        calls.append(args)
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    return calls


def test_a_connection_the_server_has_closed_meanwhile(server: Server, make: MakeSession, fake: FakeTime) -> None:
    # The end of the connection has arrived, so it is seen before anything is written: a write may use a new one.
    server.script = [then_close(reply())]
    session = make()
    session.request("GET", server.url, idempotent=True)
    time.sleep(0.1)
    assert session.request("POST", server.url, body=b"x", idempotent=False).status == 200
    assert [request.body for request in server.seen] == [b"", b"x"]
    assert fake.slept == []


def test_a_connection_that_dies_under_a_write(server: Server, make: MakeSession) -> None:
    # It looked alive when the request was written, so nobody knows what the server did.
    server.script = [reply(), close()]
    session = make()
    session.request("GET", server.url, idempotent=True)
    with pytest.raises(TransportError, match="without an answer") as caught:
        session.request("POST", server.url, body=b"x", idempotent=False)
    assert caught.value.sent
    assert len(server.seen) == 2


def test_a_connection_that_dies_under_a_read(server: Server, make: MakeSession, fake: FakeTime) -> None:
    server.script = [reply(), close(), close()]
    session = make()
    session.request("GET", server.url, idempotent=True)
    session.request("GET", server.url, idempotent=True)
    assert len(server.seen) == 4
    assert len(fake.slept) == 1  # the first time needs no pause: an idle connection had run out


@pytest.mark.parametrize("status", [409, 429])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry_After": "-5"},
        {"Retry_After": "soon"},
        {"Retry_After": "99999999"},
        {"Retry_After": "0"},
        {"X_RateLimit_ToWait_Sec": "nan"},
        {"Retry_After": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ],
)
def test_throttling_without_a_usable_wait(
    server: Server, make: MakeSession, fake: FakeTime, status: int, headers: dict[str, Any]
) -> None:
    server.script = [reply(status, **headers)] * 3
    make().request("GET", server.url, idempotent=True)
    assert [0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(fake.slept)] == [True] * 3


@pytest.mark.parametrize("status", [409, 429])
@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("header", ["Retry_After", "X_RateLimit_ToWait_Sec"])
def test_throttling_with_a_wait(
    server: Server, make: MakeSession, fake: FakeTime, status: int, idempotent: bool, header: str
) -> None:
    server.script = [reply(status, **dict[str, Any]({header: "30"}))] * 2
    session = make()
    session.request("POST", server.url, idempotent=idempotent)
    assert [30 <= wait <= 31 for wait in fake.slept] == [True, True]
    assert 60 <= session.stats.waited <= 62
    assert session.stats.retries == 2


def test_throttling_is_not_limited_by_retries_but_by_max_wait(server: Server, make: MakeSession) -> None:
    server.default = reply(429, Retry_After="10")
    session = make(retries=0, max_wait=100)
    with pytest.raises(
        RateLimited, match=r"\(HTTP 429\): another wait of 1\d seconds .* (8|9)\d of the 100 sec"
    ) as caught:
        session.request("POST", server.url, idempotent=False)
    assert "max_wait" in caught.value.hint
    assert server.url in str(caught.value)
    assert 9 <= len(server.seen) <= 10


def test_a_wait_that_can_never_fit_is_refused_at_once(server: Server, make: MakeSession, fake: FakeTime) -> None:
    server.default = reply(409, X_RateLimit_ToWait_Sec="3600")
    with pytest.raises(RateLimited, match="another wait of 36"):
        make(max_wait=900).request("GET", server.url, idempotent=True)
    assert fake.slept == []


@pytest.mark.parametrize("headers", [{}, {"X_RateLimit_Remaining": "5"}])
def test_a_conflict_of_data_is_for_the_client(server: Server, make: MakeSession, headers: dict[str, Any]) -> None:
    server.default = reply(409, b"exists", **headers)
    assert make().request("POST", server.url, idempotent=False).body == b"exists"


def test_a_409_with_evidence_of_throttling_repeats_a_write(server: Server, make: MakeSession) -> None:
    server.script = [reply(409, X_Concurrency_Limit_Limit="2", X_Concurrency_Limit_Running="2")]
    assert make().request("POST", server.url, idempotent=False).status == 200


def verdicts(*items: Verdict) -> tuple[list[Response], Callable[[Response], Verdict]]:
    seen: list[Response] = []
    queue = list(items)

    def classify(response: Response) -> Verdict:
        seen.append(response)
        return queue.pop(0) if queue else OK

    return seen, classify


def test_a_client_can_ask_for_another_try(server: Server, make: MakeSession, fake: FakeTime) -> None:
    seen, classify = verdicts(RETRY, THROTTLED(7), THROTTLED())
    server.script = [reply(), reply(), reply(200, Retry_After="20")]
    make().request("GET", server.url, idempotent=True, classify=classify)
    assert len(seen) == 4
    assert 0.5 <= fake.slept[0] <= 1
    assert 7 <= fake.slept[1] <= 8
    assert 20 <= fake.slept[2] <= 21


def test_a_client_can_say_what_to_raise_in_the_end(server: Server, make: MakeSession) -> None:
    mine = BadResponse("Half a document: c4n4ry.")
    with pytest.raises(BadResponse) as caught:
        make(retries=1, secrets=["c4n4ry"]).request(
            "GET", server.url, idempotent=True, classify=lambda _response: RETRY_AS(mine)
        )
    assert caught.value is mine
    assert mine.message == "Half a document: ***."
    assert len(server.seen) == 2


def test_a_fault_in_a_body_does_not_repeat_a_write(server: Server, make: MakeSession) -> None:
    with pytest.raises(ServerFault, match=r"answered with a fault \(HTTP 200\)"):
        make().request("POST", server.url, idempotent=False, classify=lambda _response: RETRY)
    assert len(server.seen) == 1


def test_throttling_in_a_body_repeats_a_write(server: Server, make: MakeSession) -> None:
    _seen, classify = verdicts(THROTTLED())
    assert make().request("POST", server.url, idempotent=False, classify=classify).status == 200
    assert len(server.seen) == 2


def test_ok_does_not_excuse_a_status_but_accept_does(server: Server, make: MakeSession) -> None:
    server.script = [reply(503), reply(200)]
    assert make().request("GET", server.url, idempotent=True, classify=lambda _response: OK).status == 200
    server.script = [reply(503, b"mine")]
    got = make().request("GET", server.url, idempotent=True, classify=lambda _response: ACCEPT)
    assert (got.status, got.body) == (503, b"mine")


def test_what_a_client_parsed_can_travel_with_the_answer(server: Server, make: MakeSession) -> None:
    def classify(response: Response) -> Verdict:
        response.memo["document"] = response.body.decode()
        return OK

    assert make().request("GET", server.url, idempotent=True, classify=classify).memo == {"document": "ok"}


def test_stop_wakes_a_sleeper(server: Server, make: MakeSession) -> None:
    server.default = reply(429, Retry_After="60")
    session = make(sleep=None, clock=time.monotonic)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            session.request("GET", server.url, idempotent=True)
        except PerimeterError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not server.seen:
        time.sleep(0.01)
    time.sleep(0.05)
    error = TransportError("enough")
    begun = time.monotonic()
    session.stop(error)
    thread.join(5)
    assert raised == [error]
    assert session.stopped is error
    assert time.monotonic() - begun < 1
    assert 0 < session.stats.waited < 5

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers, bodies, ceilings, redirects, and what is never sent."""

from __future__ import annotations

import gzip
import importlib.util
import logging
import sys
import threading
import time
import traceback
from pathlib import Path

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    BadResponse,
    MissingLibrary,
    OptionError,
    PerimeterError,
    RedirectRefused,
    ResponseTooLarge,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http import pools
from ansible_collections.appsec.perimeter.plugins.module_utils._http.session import HttpSession
from ansible_collections.appsec.perimeter.plugins.module_utils._http.settings import HttpSettings

from .conftest import MakeSession
from .servers import Server, chunked, raw, reply

HERE = Path(str(pools.__file__)).parent
GZIP = {"Content_Encoding": "gzip"}


def test_an_answer_arrives_whole(server: Server, make: MakeSession) -> None:
    server.default = reply(200, b"x" * 3_000_000, X_Thing="1")
    session = make()
    got = session.request("GET", server.url + "/a?b=c", idempotent=True, headers={"X-Mine": "y"})
    assert (got.status, len(got.body), got.headers["x-THING"]) == (200, 3_000_000, "1")
    assert got.url == server.url + "/a"
    seen = server.seen[0]
    assert (seen.target, seen.headers["user-agent"], seen.headers["x-mine"]) == (
        "/a?b=c",
        "appsec.perimeter/1.0.0",
        "y",
    )
    assert session.stats.waited == 0
    assert session.stats.to_dict() == {
        "requests": 1,
        "retries": 0,
        "waits": 0,
        "waited": 0.0,
        "bytes": 3_000_000,
        "connections": 1,
        "elapsed": 0.0,
    }


def test_headers_of_an_answer(server: Server, make: MakeSession) -> None:
    server.default = raw(b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n", close=False)
    got = make().request("GET", server.url, idempotent=True)
    assert dict(got.headers) == {"a": "1, 2", "content-length": "0"}
    assert len(got.headers) == 2
    assert repr(got.headers) == "Headers(a, content-length)"
    assert "b" not in got.headers
    assert (server.seen[0].target, got.body) == ("/", b"")


def test_connections_are_reused(server: Server, make: MakeSession) -> None:
    with make() as session:
        for _turn in range(5):
            session.request("POST", server.url, body=b"{}", idempotent=False, headers={"user-agent": "mine"})
    assert server.connections == session.stats.connections == 1
    assert server.seen[4].body == b"{}"
    assert server.seen[4].headers["user-agent"] == "mine"


def test_four_xx_is_for_the_client(server: Server, make: MakeSession) -> None:
    for status in (400, 403, 404, 422):
        server.default = reply(status, b"why")
        assert make().request("GET", server.url, idempotent=True).body == b"why"


def test_a_202_is_an_answer_to_a_write(server: Server, make: MakeSession) -> None:
    server.default = reply(202)
    assert make().request("POST", server.url, idempotent=False).status == 202


@pytest.mark.parametrize("members", [1, 3])
def test_gzip_is_decoded(server: Server, make: MakeSession, members: int) -> None:
    part = b"0123456789" * 300_000
    packed = gzip.compress(part) * members
    server.default = reply(200, packed, **GZIP)
    session = make()
    assert session.request("GET", server.url, idempotent=True).body == part * members
    assert server.seen[0].headers["accept-encoding"] == "gzip"
    assert session.stats.bytes == len(packed)


def test_an_empty_gzip_answer(server: Server, make: MakeSession) -> None:
    server.default = reply(200, b"", **GZIP)
    assert make().request("GET", server.url, idempotent=True).body == b""


@pytest.mark.parametrize(
    "damaged", [gzip.compress(b"a" * 9999)[:-20], b"this is not gzip", gzip.compress(b"a") + b"trash"]
)
def test_damaged_gzip_counts_as_truncated(server: Server, make: MakeSession, damaged: bytes) -> None:
    server.script = [reply(200, damaged, **GZIP)]
    assert make().request("GET", server.url, idempotent=True).body == b"ok"
    assert len(server.seen) == 2


def test_a_strange_encoding_is_refused(server: Server, make: MakeSession) -> None:
    server.default = reply(200, b"x", Content_Encoding="br")
    with pytest.raises(BadResponse, match="was not asked for"):
        make().request("GET", server.url, idempotent=True)


def test_the_ceiling_counts_announced_bytes(server: Server, make: MakeSession) -> None:
    server.default = raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", close=False)
    with pytest.raises(ResponseTooLarge, match=f"{server.url} is larger than 1000 bytes"):
        make(max_response_bytes=1000).request("GET", server.url, idempotent=True)
    assert len(server.seen) == 1


def test_the_ceiling_counts_real_bytes(server: Server, make: MakeSession) -> None:
    server.default = chunked(*[b"x" * 500_000] * 5)
    session = make(max_response_bytes=2_000_000)
    with pytest.raises(ResponseTooLarge):
        session.request("GET", server.url, idempotent=True)
    assert len(server.seen) == 1
    server.default = chunked(*[b"x" * 500_000] * 4)
    assert len(session.request("GET", server.url, idempotent=True).body) == 2_000_000
    assert server.connections == 2


def test_the_ceiling_stops_a_gzip_bomb(server: Server, make: MakeSession) -> None:
    server.default = reply(200, gzip.compress(b"\0" * 50_000_000), **GZIP)
    with pytest.raises(ResponseTooLarge):
        make(max_response_bytes=100_000).request("GET", server.url, idempotent=True)
    server.default = reply(200, gzip.compress(b"\0" * 100_000), **GZIP)
    assert len(make(max_response_bytes=100_000).request("GET", server.url, idempotent=True).body) == 100_000


def test_no_place_in_the_pool_is_lost_by_refused_answers(server: Server, make: MakeSession) -> None:
    session = make(max_connections=1, max_response_bytes=10)
    server.script = [reply(200, b"x" * 11) for _turn in range(4)]
    for _turn in range(4):
        with pytest.raises(ResponseTooLarge):
            session.request("GET", server.url, idempotent=True)
    assert session.request("GET", server.url, idempotent=True).status == 200


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: Server, make: MakeSession, status: int) -> None:
    with Server() as other:
        server.default = reply(status, b"", Location=f"{other.url}/path?token=hidden")
        with pytest.raises(RedirectRefused) as caught:
            make().request("GET", server.url + "/start?key=hidden", idempotent=True)
        assert f"{server.url}/start redirects to {other.url} (HTTP {status})." in str(caught.value)
        assert "hidden" not in str(caught.value)
        assert other.connections == 0
    assert len(server.seen) == 1


def test_odd_redirect_targets(server: Server, make: MakeSession) -> None:
    server.default = reply(302, b"", Location="/elsewhere")
    with pytest.raises(RedirectRefused, match=f"redirects to {server.url} "):
        make().request("POST", server.url, idempotent=False)
    server.default = reply(302, b"", Location="http://u:p@[bad")
    with pytest.raises(RedirectRefused, match="an unusable address"):
        make().request("POST", server.url, idempotent=False)


def test_netrc_is_never_read(
    server: Server, make: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".netrc", "_netrc", "other"):
        (tmp_path / name).write_text("machine 127.0.0.1 login leaked password leaked\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "other"))
    make().request("GET", server.url, idempotent=True)
    assert "authorization" not in server.seen[0].headers


def test_cookies_are_not_kept(server: Server, make: MakeSession) -> None:
    server.default = reply(200, b"ok", Set_Cookie="session=1; Path=/")
    session = make()
    for _turn in range(2):
        session.request("GET", server.url, idempotent=True)
    assert "cookie" not in server.seen[1].headers


def test_unusable_urls_are_refused(make: MakeSession) -> None:
    session = make()
    for url in (
        "ftp://host/",
        "https://u:secret@host/",
        "https://",
        "https://host:99999/",
        "https://ho st/",
        "https://[",
    ):
        with pytest.raises(OptionError, match="The address of the request") as caught:
            session.request("GET", url, idempotent=True)
        assert "secret" not in str(caught.value)
    with pytest.raises(OptionError, match="plain http"):
        session.request("GET", "http://example.com/", idempotent=True)


@pytest.mark.parametrize("value", ["a\r\nb", "hidden\n", "h\u20acidden", "\0"])
def test_a_bad_header_value_is_refused_without_quoting_it(server: Server, make: MakeSession, value: str) -> None:
    with pytest.raises(OptionError, match="The header X-Key holds") as caught:
        make().request("GET", server.url, idempotent=True, headers={"X-Key": value})
    assert "idden" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(OptionError, match="The header a\\?b holds"):
        make().request("GET", server.url, idempotent=True, headers={"a b": "c"})
    assert server.connections == 0


def test_a_mistake_inside_tells_only_its_type(server: Server, make: MakeSession) -> None:
    with pytest.raises(BadResponse, match="failed with an internal error, TypeError") as caught:
        make().request("POST", server.url, body=7, idempotent=False)  # type: ignore[arg-type]
    assert "7" not in str(caught.value).replace(server.url, "")


def test_concurrency_stays_below_the_ceiling(server: Server, make: MakeSession) -> None:
    def slow(connection, request) -> None:  # type: ignore[no-untyped-def]
        time.sleep(0.02)
        reply()(connection, request)

    server.default = slow
    session = make(max_connections=3)
    run_threads(12, lambda: session.request("GET", server.url, idempotent=True))
    assert len(server.seen) == 12
    assert server.most_in_flight == 3
    assert server.connections <= 3


def test_a_closed_session_sends_nothing(server: Server, make: MakeSession) -> None:
    session = make()
    session.request("GET", server.url, idempotent=True)
    session.close()
    with pytest.raises(TransportError, match="closed") as caught:
        session.request("GET", server.url, idempotent=True)
    assert not caught.value.sent
    assert len(server.seen) == 1


def test_debug_logs_hold_no_query(server: Server, make: MakeSession, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        make().request("GET", server.url + "/p?api_key=hidden", idempotent=True, headers={"Authorization": "hidden"})
        make()
    assert "/p" in caplog.text
    assert "hidden" not in caplog.text
    logger = logging.getLogger("urllib3.connectionpool")
    assert sum(isinstance(item, pools.QueryFilter) for item in logger.filters) == 1
    with caplog.at_level(logging.DEBUG):
        logger.debug("no arguments?")
    assert "no arguments?" in caplog.text


def test_without_requests_there_is_a_plain_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "HAS_REQUESTS", False)
    monkeypatch.setattr(pools, "REQUESTS_IMPORT_ERROR", "Traceback")
    with pytest.raises(MissingLibrary, match="requests is needed") as caught:
        HttpSession(HttpSettings())
    assert caught.value.trace == "Traceback"


@pytest.mark.parametrize("name", ["pools", "exchange", "failures"])
def test_every_file_can_be_imported_without_requests(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    # A second copy of the file, in the package of the first: ansible-test imports all files without any library.
    for library in ("requests", "requests.utils", "urllib3", "urllib3.connection", "urllib3.connectionpool"):
        monkeypatch.setitem(sys.modules, library, None)
    package = pools.__name__.rpartition(".")[0]
    spec = importlib.util.spec_from_file_location(f"{package}.{name}_copy", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    if name == "pools":
        assert not module.HAS_REQUESTS
        assert "ModuleNotFoundError" in module.REQUESTS_IMPORT_ERROR


def run_threads(count: int, work) -> list[BaseException | None]:  # type: ignore[no-untyped-def]
    """Run ``work`` in threads that start together; gives back what each raised."""
    barrier = threading.Barrier(count)
    results: list[BaseException | None] = []

    def run() -> None:
        barrier.wait()
        try:
            work()
        except PerimeterError as error:
            results.append(error)
        else:
            results.append(None)

    threads = [threading.Thread(target=run) for _turn in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    return results

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Through proxies, around them, and what happens when they refuse."""

from __future__ import annotations

import base64
import socket
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    OptionError,
    RequestTimeout,
    TlsError,
    TransportError,
)

from .conftest import MakeSession, Pki
from .servers import FakeTime, ProxyServer, Server, close, reply, unused_port

USER = "us%40er:c4n4ry%3Apw"
CREDENTIALS = "Basic " + base64.b64encode(b"us@er:c4n4ry:pw").decode()


@pytest.fixture
def secure(pki: Pki) -> Iterator[Server]:
    with Server(tls=pki.server()) as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[ProxyServer]:
    with ProxyServer() as running:
        yield running


def test_https_goes_through_a_tunnel(secure: Server, proxy: ProxyServer, make: MakeSession, pki: Pki) -> None:
    session = make(ca_path=pki.ca_file, proxy=proxy.url)
    for _turn in range(3):
        assert session.request("GET", secure.url, idempotent=True).status == 200
    assert proxy.tunnels == [f"127.0.0.1:{secure.port}"]
    assert secure.connections == session.stats.connections == 1


def test_http_is_forwarded(server: Server, proxy: ProxyServer, make: MakeSession) -> None:
    proxy.default = reply(200, b"from the proxy")
    got = make(proxy=f"127.0.0.1:{proxy.port}").request("GET", server.url + "/a?b=c", idempotent=True)
    assert got.body == b"from the proxy"
    assert proxy.seen[0].target == f"{server.url}/a?b=c"
    assert proxy.seen[0].headers["host"] == f"127.0.0.1:{server.port}"
    assert server.connections == 0


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_credentials_reach_the_proxy_and_nobody_else(
    secure: Server, make: MakeSession, pki: Pki, tls: bool, server: Server
) -> None:
    with ProxyServer(credentials=CREDENTIALS) as proxy:
        target = secure if tls else server
        session = make(ca_path=pki.ca_file, proxy=f"http://{USER}@127.0.0.1:{proxy.port}")
        session.request("GET", target.url, idempotent=True)
        assert all("proxy-authorization" not in request.headers for request in secure.seen)
        assert [request.headers["proxy-authorization"] for request in proxy.seen] == [CREDENTIALS]


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
@pytest.mark.parametrize("user", ["", f"{USER}x@"])
def test_a_proxy_that_refuses_the_credentials(
    secure: Server, server: Server, make: MakeSession, tls: bool, user: str, fake: FakeTime
) -> None:
    with ProxyServer(credentials=CREDENTIALS) as proxy:
        session = make(proxy=f"http://{user}127.0.0.1:{proxy.port}")
        with pytest.raises(TransportError) as caught:
            session.request("POST", (secure if tls else server).url, idempotent=False)
        assert caught.value.message == f"The proxy http://127.0.0.1:{proxy.port} refuses our credentials."
        assert not caught.value.sent
        assert "c4n4ry" not in "".join(traceback.format_exception(caught.value))
        assert len(proxy.seen) == 1
    assert fake.slept == []


@pytest.mark.parametrize(("status", "tries"), [(403, 1), (502, 3)])
def test_a_proxy_that_refuses_the_tunnel(secure: Server, make: MakeSession, status: int, tries: int) -> None:
    with ProxyServer(refuse=status) as proxy:
        with pytest.raises(TransportError, match=rf"refuses a connection to {secure.url} \(HTTP {status}\)") as caught:
            make(proxy=proxy.url, retries=2).request("POST", secure.url, idempotent=False)
        assert not caught.value.sent
        assert len(proxy.tunnels) == tries


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(make: MakeSession, scheme: str, fake: FakeTime) -> None:
    address = f"127.0.0.1:{unused_port()}"
    session = make(proxy=f"http://{USER}@{address}", retries=1)
    with pytest.raises(TransportError, match=f"the proxy http://{address} refused the connection") as caught:
        session.request("POST", f"{scheme}://127.0.0.1:1/", idempotent=False)
    assert not caught.value.sent
    assert "c4n4ry" not in "".join(traceback.format_exception(caught.value))
    assert len(fake.slept) == 1


def test_a_proxy_whose_name_is_unknown(make: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(TransportError, match=r"name of the proxy http://proxy.invalid:3128 cannot be resolved"):
        make(proxy="proxy.invalid:3128").request("GET", "https://example.com/", idempotent=True)


def test_a_proxy_that_says_nothing(secure: Server, make: MakeSession) -> None:
    with Server(on_connect=lambda connection: bool(connection.recv(9999)) and bool(connection.recv(1))) as proxy:
        with pytest.raises(RequestTimeout, match=r"within 0.2 seconds") as caught:
            make(proxy=proxy.url, retries=0, timeout=0.2).request("POST", secure.url, idempotent=False)
        assert not caught.value.sent


def test_the_server_behind_a_tunnel_is_checked(secure: Server, proxy: ProxyServer, make: MakeSession) -> None:
    with pytest.raises(TlsError, match=f"The certificate of {secure.url} is not trusted"):
        make(proxy=proxy.url).request("GET", secure.url, idempotent=True)
    assert secure.seen == []


def test_a_write_that_is_lost_behind_a_tunnel(secure: Server, proxy: ProxyServer, make: MakeSession, pki: Pki) -> None:
    secure.default = close()
    with pytest.raises(TransportError, match=f"{secure.url} closed the connection without an answer") as caught:
        make(proxy=proxy.url, ca_path=pki.ca_file).request("POST", secure.url, body=b"x", idempotent=False)
    assert caught.value.sent
    assert len(secure.seen) == 1


def test_a_proxy_that_speaks_tls(secure: Server, make: MakeSession, pki: Pki, server: Server) -> None:
    with ProxyServer(tls=pki.server()) as proxy:
        url = f"https://localhost:{proxy.port}"
        session = make(proxy=url, ca_path=pki.ca_file)
        assert session.request("GET", server.url, idempotent=True).status == 200
        assert proxy.seen[0].target.startswith("http://")
        with pytest.raises(TlsError, match=f"The certificate of the proxy {url} is not trusted"):
            make(proxy=url).request("GET", secure.url, idempotent=True)


@pytest.fixture
def remote(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server at ``https://api.example.com:port``, which is not loopback by its name."""
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".example.com") else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with Server(tls=pki.server("api.example.com")) as running:
        yield running


def address(remote: Server) -> str:
    return f"https://api.example.com:{remote.port}"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_from_the_environment(
    remote: Server, proxy: ProxyServer, make: MakeSession, pki: Pki, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, proxy.url)
    make(ca_path=pki.ca_file).request("GET", address(remote), idempotent=True)
    assert len(proxy.tunnels) == 1


def test_the_option_beats_the_environment(
    remote: Server, proxy: ProxyServer, make: MakeSession, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused_port()}")
    make(ca_path=pki.ca_file, proxy=proxy.url).request("GET", address(remote), idempotent=True)
    assert len(proxy.tunnels) == 1


@pytest.mark.parametrize("no_proxy", ["api.example.com", "example.org,.example.com", "*"])
@pytest.mark.parametrize("by_option", [True, False])
def test_no_proxy_is_honoured_in_both_cases(
    remote: Server,
    proxy: ProxyServer,
    make: MakeSession,
    pki: Pki,
    monkeypatch: pytest.MonkeyPatch,
    no_proxy: str,
    by_option: bool,
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    session = make(ca_path=pki.ca_file, proxy=proxy.url if by_option else None)
    session.request("GET", address(remote), idempotent=True)
    assert proxy.connections == 0
    assert remote.connections == 1


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_a_proxy_from_the_environment_is_not_for_this_machine(
    secure: Server,
    server: Server,
    proxy: ProxyServer,
    make: MakeSession,
    pki: Pki,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,
) -> None:
    target = secure if tls else server
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        # http_proxy in upper case is not looked at where REQUEST_METHOD is set.
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv(name.lower(), proxy.url)
    session = make(ca_path=pki.ca_file)
    for host in ("127.0.0.1", "localhost"):
        session.request("GET", target.url.replace("127.0.0.1", host), headers={"Authorization": "x"}, idempotent=True)
    assert (proxy.connections, len(target.seen)) == (0, 2)


@pytest.mark.parametrize("scheme", ["http", "https"], ids=["plain proxy", "tls proxy"])
def test_plain_http_to_this_machine_never_passes_through_another(
    server: Server, make: MakeSession, scheme: str
) -> None:
    session = make(proxy=f"{scheme}://{USER}@proxy.invalid:3128", retries=0)
    with pytest.raises(OptionError) as caught:
        session.request("GET", server.url, idempotent=True)
    assert caught.value.message == (
        f"proxy: plain http to 127.0.0.1 would pass through {scheme}://proxy.invalid:3128:"
        " the credentials could be read on the way."
    )
    assert "allow_http" in caught.value.hint
    assert "c4n4ry" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(TransportError, match=r"proxy\.invalid"):
        make(proxy=f"{scheme}://proxy.invalid:3128", retries=0, allow_http=True).request(
            "GET", server.url, idempotent=True
        )
    assert server.connections == 0


@pytest.mark.parametrize(
    "url", ["socks5://user:c4n4ry@h:1", "http://", "http://user:c4n4ry@h:x", "http://c4n4ry@h:1/p"]
)
def test_an_unusable_proxy(make: MakeSession, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    with pytest.raises(OptionError, match="proxy is not a usable proxy") as caught:
        make(proxy=url)
    assert "c4n4ry" not in "".join(traceback.format_exception(caught.value))
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(OptionError, match="HTTPS_PROXY or ALL_PROXY is not a usable proxy"):
        make().request("GET", "https://api.example.com:1/", idempotent=True)

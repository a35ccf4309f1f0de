# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syslog messages and their connection. The real receiver is in tests/receivers."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
import typing as t

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import OptionError, TlsError, TransportError
from ansible_collections.appsec.perimeter.plugins.module_utils._deliver import cef, syslog
from tests.unit.plugins.module_utils.deliver_kit import HOSTILE, event, records, sink

MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (\S+) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) "
    rb'\[perimeter@32473 delivery_id="([0-9a-f]{32})" content="([0-9a-f]{16})"\] \xef\xbb\xbf(.*)',
    re.DOTALL,
)


class Receiver:
    """A receiver on loopback: reads to the end and closes, or resets."""

    def __init__(self, *, reset: bool = False) -> None:
        self.data: list[bytes] = []
        self._reset = reset
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            with connection:
                if self._reset:
                    connection.recv(10)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    continue
                got = b""
                while chunk := connection.recv(65536):
                    got += chunk
                self.data.append(got)

    def close(self) -> None:
        """Stop; shutting the listener down wakes the thread that waits in it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def frames(data: bytes) -> list[bytes]:
    """The messages of an octet-counted stream; anything left over is an error."""
    found = []
    while data:
        length, _space, rest = data.partition(b" ")
        found.append(rest[: int(length)])
        assert len(found[-1]) == int(length)
        data = rest[int(length) :]
    return found


@pytest.fixture
def receiver() -> t.Iterator[Receiver]:
    running = Receiver()
    yield running
    running.close()


def plain(receiver: Receiver | Server, **more: t.Any) -> dict[str, t.Any]:
    return {"host": "127.0.0.1", "port": receiver.port, "tls": False} | more


def test_each_record_is_one_message_of_rfc_5424(receiver: Receiver) -> None:
    target = sink("syslog", plain(receiver))
    batch = records(event(1), event(2, message=HOSTILE, severity="critical"))
    assert target.send(batch).delivered == 2
    first, second = (MESSAGE.fullmatch(message) for message in frames(receiver.data[0]))
    assert first is not None
    assert second is not None
    assert (first[1], second[1]) == (b"131", b"130")
    assert first[2] == b"2026-11-01T00:00:01Z"
    assert first[7].decode() == batch[0].id
    assert json.loads(second[9])["message"] == HOSTILE


def test_no_message_holds_a_raw_line_break_or_control_character(receiver: Receiver) -> None:
    for form in ("json", "cef"):
        target = sink("syslog", plain(receiver, format=form))
        target.send(records(event(1, message=HOSTILE, url=HOSTILE, user_agent=HOSTILE, host=HOSTILE)))
        (message,) = frames(receiver.data[-1])
        assert not re.search(rb"[\x00-\x1f\x7f]", message)


def test_a_receiver_that_resets_has_acknowledged_nothing() -> None:
    receiver = Receiver(reset=True)
    target = sink("syslog", plain(receiver))
    with pytest.raises(TransportError, match="syslog: the connection to"):
        target.send(records(*(event(number) for number in range(2000))))
    receiver.close()


def test_a_message_that_is_too_long_is_set_aside(receiver: Receiver) -> None:
    target = sink("syslog", plain(receiver, max_message=2000))
    outcome = target.send(records(event(1), event(2, url="x" * 3000)))
    assert (outcome.delivered, len(outcome.rejected)) == (1, 1)
    assert "more than 2000 bytes" in outcome.rejected[0].reason


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "host is missing"),
        ({"host": "syslog.example.com", "tls": False}, "could be read on the way"),
        ({"host": "127.0.0.1", "tls": False, "facility": "local9"}, "not a facility"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, t.Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        sink("syslog", options)


def test_nobody_there() -> None:
    with pytest.raises(TransportError, match="refused"):
        sink("syslog", {"host": "127.0.0.1", "port": 1, "tls": False}).send(records(event(1)))


def unescaped(text: str) -> list[str]:
    """The seven header fields and the extension of a CEF message, split at bars that are not escaped."""
    return [part.replace("\\|", "|").replace("\\\\", "\\") for part in re.split(r"(?<!\\)(?:\\\\)*\|", text)]


def test_a_cef_message_reads_as_the_specification_says() -> None:
    text = cef.message(event(1, url="https://shop.example.com/search?q=1", message="a|b\\c"), "1.0.0")
    assert text.startswith("CEF:0|Edgecast|WAF|1.0.0|942100|a\\|b\\\\c|8|rt=1793491201000 src=203.0.113.9 ")
    assert "request=https://shop.example.com/search?q\\=1 " in text
    assert text.endswith("externalId=id-1")


@given(st.text(), st.text())
def test_no_text_breaks_out_of_a_cef_field(name: str, url: str) -> None:
    text = cef.message(event(1, message=name, url=url), "1.0.0")
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)
    head = re.match(r"(?:(?:\\.|[^\\|])*\|){7}", text)
    assert head is not None
    keys = re.findall(r"(?:^| )(\w+)(?<!\\)=", re.sub(r"\\.", "", text[head.end() :]))
    assert keys[0] == "rt"
    assert keys[-1] == "externalId"


class Server:
    """Accepts connections on loopback and leaves each to a function, with TLS when it gets a context."""

    def __init__(self, serve: t.Callable[[t.Any], None], context: ssl.SSLContext | None = None) -> None:
        self._serve, self._context = serve, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                plain, _address = self._listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            with contextlib.suppress(OSError):
                connection = self._context.wrap_socket(plain, server_side=True) if self._context else plain
                with connection:
                    self._serve(connection)


def read_all(connection: t.Any) -> None:
    while connection.recv(65536):
        continue


def half_close_at_once(connection: t.Any) -> None:
    connection.shutdown(socket.SHUT_WR)
    time.sleep(0.2)


def say_goodbye(connection: t.Any) -> None:
    read_all(connection)
    connection.unwrap()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_path(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def server_context(authority: trustme.CA, newest: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


MANY = [event(number, message="x" * 1000) for number in range(3000)]
"""More than fits into the buffers of both sides, so that the receiver acts while the batch is under way."""


def test_a_receiver_that_closes_without_reading_has_acknowledged_nothing() -> None:
    with Server(lambda connection: connection.close()) as server:
        for _attempt in range(50):
            with pytest.raises(TransportError):
                sink("syslog", plain(server)).send(records(event(1)))


def test_a_receiver_that_ends_before_we_do_has_acknowledged_nothing() -> None:
    with Server(half_close_at_once) as server:
        target = sink("syslog", plain(server))
        with pytest.raises(TransportError):
            target.send(records(*MANY))
        assert not target.taken


def test_a_receiver_that_ends_while_bytes_are_under_way_has_acknowledged_nothing() -> None:
    """The end arrives when all is written and not all is confirmed: only the wait for the queue sees it."""

    def end_late(connection: t.Any) -> None:
        time.sleep(0.1)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        read_all(connection)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    port = listener.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    server, _address = listener.accept()
    thread = threading.Thread(target=end_late, args=(server,), daemon=True)
    thread.start()
    client.settimeout(5)
    client.send(b"x" * 200_000)
    with pytest.raises(ConnectionError, match="closed it before"):
        syslog._confirmed(client, 5)
    client.close()
    thread.join(5)
    server.close()
    listener.close()


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("serve", [read_all, say_goodbye])
def test_a_receiver_on_tls_may_close_with_or_without_goodbye(
    authority: trustme.CA, ca_path: str, newest: ssl.TLSVersion, serve: t.Any
) -> None:
    with Server(serve, server_context(authority, newest)) as server:
        target = sink("syslog", {"host": "localhost", "port": server.port}, ca_path=ca_path)
        assert target.send(records(*MANY[:100])).delivered == 100


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_receiver_on_tls_that_ends_before_we_do_has_acknowledged_nothing(
    authority: trustme.CA, ca_path: str, newest: ssl.TLSVersion
) -> None:
    with Server(half_close_at_once, server_context(authority, newest)) as server:
        target = sink("syslog", {"host": "localhost", "port": server.port}, ca_path=ca_path)
        with pytest.raises((TransportError, TlsError)):
            target.send(records(*MANY))


def test_a_private_ca_of_the_environment_counts(
    authority: trustme.CA, ca_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_path)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    with Server(read_all, server_context(authority, ssl.TLSVersion.TLSv1_3)) as server:
        assert sink("syslog", {"host": "localhost", "port": server.port}).send(records(event(1))).delivered == 1


def test_a_client_key_without_its_certificate_is_an_option_error(ca_path: str) -> None:
    with pytest.raises(OptionError, match="client_key is given without client_cert"):
        sink("syslog", {"host": "localhost"}, ca_path=ca_path, client_key=ca_path)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-11-01T01:00:00+02:00", b"2026-10-31T23:00:00Z"),
        ("2026-11-01T00:00:00.123456Z", b"2026-11-01T00:00:00.123456Z"),
        ("now - - - [x]\n<1>1 forged", b"-"),
        (17, b"-"),
        (None, b"-"),
    ],
)
def test_the_time_in_the_header_is_a_time_or_a_dash(receiver: Receiver, moment: t.Any, told: bytes) -> None:
    sink("syslog", plain(receiver)).send(records(event(1, time=moment)))
    (message,) = frames(receiver.data[0])
    match = MESSAGE.fullmatch(message)
    assert match is not None
    assert match[2] == told


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": "a" * 70 + ".example"}, "host is not a host name"),
        ({"host": "bad..name"}, "host is not a host name"),
        ({"port": 70000}, "port must be from 1 to 65535"),
        ({"port": 0}, "port must be from 1 to 65535"),
        ({"max_message": 479}, "max_message must be at least 480"),
        ({"batch_records": 0}, "batch_records must be at least 1"),
    ],
)
def test_options_out_of_bounds(options: dict[str, t.Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        sink("syslog", {"host": "127.0.0.1", "tls": False} | options, allow_http=True).send(records(event(1)))

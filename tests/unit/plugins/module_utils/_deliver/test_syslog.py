# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syslog messages and their connection. The real receiver is in tests/receivers."""

from __future__ import annotations

import json
import re
import socket
import threading
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._deliver import cef
from ansible_collections.appsec.perimeter.plugins.module_utils._http.errors import OptionError, TransportError
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


def plain(receiver: Receiver, **more: t.Any) -> dict[str, t.Any]:
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

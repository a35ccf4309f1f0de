# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures that a server on loopback cannot be made to cause."""

from __future__ import annotations

import errno
import http.client
import ssl
from typing import Any

import pytest
from urllib3 import exceptions as u3

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PerimeterError, TlsError
from ansible_collections.appsec.perimeter.plugins.module_utils._http.failures import (
    Circumstances,
    Failure,
    find,
    translate,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http.pools import Trace, _classes


def seen(**known: Any) -> Circumstances:
    usual = {
        "origin": "https://h:443",
        "proxy": None,
        "timeout": 9,
        "connect_timeout": 9,
        "sent": True,
        "greeted": False,
    }
    return Circumstances(**{**usual, "reused": False, "answered": False, **known})


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENETUNREACH, "c4n4ry"), "The connection to https://h:443 was lost: Network is unreachable"),
        (u3.ProtocolError("c4n4ry", OSError("c4n4ry")), "The connection to https://h:443 was lost"),
        (u3.ProtocolError("c4n4ry"), "The connection to https://h:443 was lost"),
        (http.client.LineTooLong("c4n4ry"), "https://h:443 sent something that is not HTTP"),
        (ssl.SSLEOFError(8, "c4n4ry"), "The TLS connection to https://h:443 was cut"),
    ],
)
def test_a_connection_that_is_lost(error: Exception, text: str) -> None:
    failure = translate(error, seen())
    assert (failure.text, failure.sent, failure.retry) == (text, True, True)
    assert "c4n4ry" not in str(failure.error(3))


def test_a_network_that_is_not_there() -> None:
    failure = translate(OSError(errno.ENETUNREACH, "x"), seen(sent=False))
    assert failure.text == "No connection to https://h:443: Network is unreachable"
    assert not failure.sent


def test_a_tls_connection_that_is_cut_before_anything_was_sent() -> None:
    failure = translate(u3.SSLError(ssl.SSLEOFError(8, "x")), seen(sent=False))
    assert (failure.kind, failure.sent, failure.retry) == (TlsError, False, True)


def test_certificates_without_a_reason_of_openssl() -> None:
    failure = translate(u3.SSLError(ssl.SSLCertVerificationError("c4n4ry")), seen())
    assert failure.text == "The certificate of https://h:443 is not trusted: certificate verify failed"
    failure = translate(u3.SSLError("c4n4ry"), seen(sent=False))
    assert failure.text == "The certificate of https://h:443 is not trusted: it is for another host name"


class Socket:
    """A TLS socket whose other end has gone while we wrote."""

    def __init__(self, pending: Exception | None) -> None:
        self.pending = pending

    def sendall(self, data: bytes) -> None:
        raise ssl.SSLEOFError(8, "while writing")

    def settimeout(self, seconds: float) -> None:
        pass

    def recv(self, size: int) -> bytes:
        if self.pending is not None:
            raise self.pending
        return b""

    def close(self) -> None:
        pass


@pytest.mark.parametrize("pending", [None, TimeoutError(), ssl.SSLError(1, "the alert")])
def test_the_reason_of_a_failed_write_is_looked_for(pending: Exception | None) -> None:
    trace = Trace()
    connection = _classes(trace, verified=True)["https"].ConnectionCls("h")
    connection.sock = Socket(pending)
    with pytest.raises(ssl.SSLError, match="the alert" if isinstance(pending, ssl.SSLError) else "while writing"):
        connection.send(b"x")
    assert trace.sent


def test_errors_that_the_caller_handles_are_not_looked_at() -> None:
    inner = u3.ProtocolError("inner")
    handled = PerimeterError("handled")
    handled.__context__ = ConnectionRefusedError()
    inner.__context__ = handled
    handled.__cause__ = inner  # a circle ends too
    inner.__cause__ = inner
    assert find(inner, ConnectionRefusedError) is None
    assert find(inner, PerimeterError) is handled


def test_how_often_it_was_tried() -> None:
    failure = Failure(TlsError, "It broke", "Do something.")
    assert str(failure.error(1)) == "It broke. Do something."
    assert str(failure.error(6)) == "It broke (tried 6 times). Do something."

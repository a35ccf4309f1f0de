# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed connection means: translates exceptions of urllib3, ssl and the operating system to our errors.

This module is private to the collection and may change at any time.

Texts of other libraries' exceptions are never passed on, because they can contain URLs and header values. Messages are
made of error numbers, OpenSSL's reasons and facts that this code knows.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import typing as t
from dataclasses import dataclass

from .._base.errors import RequestTimeout, TlsError, TransportError
from .response import Truncated

try:
    from urllib3 import exceptions as u3
except ImportError:
    pass  # a session cannot be made without it

E = t.TypeVar("E", bound=BaseException)

_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
# Alerts with which a server refuses our certificate. With TLS 1.3 they arrive after the request was written, but the
# server sends them from its handshake, before it reads the request.
_CLIENT_CERT_ALERTS = re.compile(r"ALERT_(BAD_|UNSUPPORTED_)?CERTIFICATE|ALERT_(UNKNOWN_CA|ACCESS_DENIED)")
_ALERTS = re.compile(r"ALERT_|HANDSHAKE_FAILURE|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS|NO_SHARED_CIPHER|DH_KEY_TOO_SMALL")
_NOT_TLS = re.compile(r"WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG|UNKNOWN_PROTOCOL")
_WORDS = re.compile(r"[^A-Za-z0-9 _.,:'()\[\]/*-]")

CA_HINT = "Give the CA that signed it with ca_path, or set validate_certs to false if you accept the risk."


@dataclass(frozen=True)
class Failure:
    """One failed attempt.

    Attributes:
        kind: class of the error to raise.
        text: a sentence without its full stop.
        hint: what to do.
        sent: False when it is certain that the server has not acted.
        retry: whether another attempt can help.
        stale: whether it happened on an idle connection of the pool, before any byte of an answer.
    """

    kind: type[TransportError]
    text: str
    hint: str = ""
    sent: bool = True
    retry: bool = True
    stale: bool = False

    def error(self, tries: int) -> TransportError:
        """Return the error to raise after ``tries`` attempts."""
        times = f" (tried {tries} times)" if tries > 1 else ""
        return self.kind(f"{self.text}{times}.", hint=self.hint, sent=self.sent)


@dataclass(frozen=True)
class Circumstances:
    """What is known about the attempt.

    Attributes:
        origin: scheme, host and port of the server.
        proxy: scheme, host and port of the proxy, or None.
        timeout: seconds for the answer.
        connect_timeout: seconds for a handshake.
        sent: whether any byte of the request was written to the connection.
        greeted: whether a proxy was reached and asked for a tunnel.
        reused: whether the connection came from the pool.
        answered: whether the host has answered in this session before.
    """

    origin: str
    proxy: str | None
    timeout: float
    connect_timeout: float
    sent: bool
    greeted: bool
    reused: bool
    answered: bool


def find(error: BaseException, wanted: type[E]) -> E | None:
    """Return the nearest exception of a type among ``error``, what it wraps and what caused it."""
    queue: list[BaseException] = [error]
    seen: set[int] = set()
    while queue:
        current = queue.pop(0)
        if isinstance(current, wanted):
            return current
        # The chain also holds an exception that the caller of the session is handling; that one is not ours.
        if id(current) in seen or not _transport(current):
            continue
        seen.add(id(current))
        inner = [*current.args, getattr(current, "original_error", None), current.__cause__, current.__context__]
        queue.extend(item for item in inner if isinstance(item, BaseException))
    return None


def _transport(error: BaseException) -> bool:
    return isinstance(error, (OSError, http.client.HTTPException)) or type(error).__module__.startswith("urllib3.")


def translate(error: BaseException, seen: Circumstances) -> Failure:
    """Return what an exception of the connection means.

    Args:
        error: what urllib3, ssl or a socket raised, or ``Truncated``.
        seen: what is known about the attempt.
    """
    if isinstance(error, Truncated):
        return _broken("sent an incomplete answer", seen)
    if seen.proxy is not None and (failure := _proxy_failure(error, seen)):
        return failure
    if (tls := find(error, ssl.SSLError)) is not None:
        return _tls_failure(tls, seen, seen.origin)
    if find(error, u3.SSLError) is not None:
        # urllib3 1.26 compares host names itself, and raises its own exception.
        return _untrusted_name(seen.origin)
    if (name := find(error, socket.gaierror)) is not None:
        return _name_failure(name, seen, seen.origin)
    if not seen.sent:
        return _connect_failure(error, seen, seen.origin)
    if find(error, u3.TimeoutError) or find(error, TimeoutError):
        return _timeout(seen)
    if find(error, u3.IncompleteRead) or find(error, http.client.IncompleteRead):
        return _broken("sent an incomplete answer", seen)
    return _lost(error, seen)


def _broken(what: str, seen: Circumstances) -> Failure:
    return Failure(TransportError, f"{seen.origin} {what}", "The connection may have been interrupted.")


def _lost(error: BaseException, seen: Circumstances) -> Failure:
    if find(error, http.client.RemoteDisconnected):
        text = f"{seen.origin} closed the connection without an answer"
    elif find(error, ConnectionResetError) or find(error, BrokenPipeError):
        text = f"The connection to {seen.origin} was reset"
    elif find(error, http.client.BadStatusLine) or find(error, http.client.HTTPException):
        text = f"{seen.origin} sent something that is not HTTP"
    else:
        text = f"The connection to {seen.origin} was lost{_because(error)}"
    return Failure(TransportError, text, "Try again; the server or a device in between closed it.", stale=seen.reused)


def _because(error: BaseException) -> str:
    """``: <text>`` of the operating system's error number, if there is one."""
    found = find(error, OSError)
    number = found.errno if found is not None else None
    return f": {os.strerror(number)}" if number else ""


def _name_failure(error: socket.gaierror, seen: Circumstances, host: str) -> Failure:
    # Once the host has answered, its name is right and the resolver is at fault; before that, retrying a wrong name
    # does not help.
    retry = seen.answered or error.errno == socket.EAI_AGAIN
    return Failure(
        TransportError,
        f"The host name of {host} cannot be resolved",
        "Check the name, and the DNS servers of this machine.",
        sent=False,
        retry=retry,
    )


def _timeout(seen: Circumstances) -> Failure:
    return Failure(
        RequestTimeout,
        f"{seen.origin} did not answer within {seen.timeout:g} seconds",
        "Raise timeout, or ask for less at a time.",
    )


def too_slow(origin: str, seconds: float, *, sent: bool) -> Failure:
    """The failure of a server that kept sending but did not finish its answer in time."""
    text = f"{origin} had not finished its answer after {seconds:g} seconds"
    # Another attempt would take as long.
    return Failure(RequestTimeout, text, "Raise timeout, or ask for less at a time.", sent=sent, retry=False)


def _connect_failure(error: BaseException, seen: Circumstances, host: str) -> Failure:
    hint = "Check host, port and firewall, and whether a proxy is needed."
    # urllib3 reports a time-out of the TLS handshake as a read time-out; both come from the socket.
    if find(error, TimeoutError):
        text = f"No connection to {host} within {seen.connect_timeout:g} seconds"
        return Failure(RequestTimeout, text, f"{hint} The time is the smaller of timeout and 15 seconds.", sent=False)
    if find(error, ConnectionRefusedError):
        text = f"{host} refused the connection"
    else:
        text = f"No connection to {host}{_because(error)}"
    return Failure(TransportError, text, hint, sent=False)


def _tls_failure(error: ssl.SSLError, seen: Circumstances, host: str) -> Failure:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, host)
    reason = (getattr(error, "reason", None) or "").upper()
    if _CLIENT_CERT_ALERTS.search(reason):
        hint = "Give client_cert and client_key, signed by a CA that the server trusts."
        text = f"{host} did not accept our client certificate: {_plain(reason)}"
        return Failure(TlsError, text, hint, sent=seen.sent and seen.reused, retry=False)
    if _NOT_TLS.search(reason):
        hint = "Check the scheme and the port."
        return Failure(TlsError, f"{host} does not speak TLS: {_plain(reason)}", hint, sent=seen.sent, retry=False)
    if _ALERTS.search(reason):
        hint = "Server and client have no TLS version or cipher in common, or the server refuses us."
        return Failure(TlsError, f"No TLS connection to {host}: {_plain(reason)}", hint, sent=seen.sent, retry=False)
    text = f"The TLS connection to {host} was cut{f': {_plain(reason)}' if reason else ''}"
    hint = "Try again; the server or a device in between closed it. It may want another client certificate."
    return Failure(TlsError, text, hint, sent=seen.sent, stale=seen.sent and seen.reused)


def _untrusted(error: ssl.SSLCertVerificationError, host: str) -> Failure:
    reason = _WORDS.sub("?", getattr(error, "verify_message", "") or "certificate verify failed")
    if "mismatch" in reason:
        return _untrusted_name(host)
    if "expired" in reason or "not yet valid" in reason:
        hint = "The server needs a valid certificate; check the clock of this machine too."
    else:
        hint = CA_HINT
    text = f"The certificate of {host} is not trusted: {reason.rstrip('.')}"
    return Failure(TlsError, text, hint, sent=False, retry=False)


def _untrusted_name(host: str) -> Failure:
    text = f"The certificate of {host} is not trusted: it is for another host name"
    return Failure(TlsError, text, "Check api_url, or the certificate of the server.", sent=False, retry=False)


def _plain(reason: str) -> str:
    return _WORDS.sub("?", reason).replace("_", " ").lower()


def _proxy_failure(error: BaseException, seen: Circumstances) -> Failure | None:
    """Return what went wrong between us and the proxy, or None when the proxy did its work."""
    if (tunnel := _tunnel_status(error)) is not None:
        return _tunnel_failure(tunnel, seen)
    if seen.sent or seen.greeted:
        return None
    host = f"the proxy {seen.proxy}"
    if (tls := find(error, ssl.SSLError)) is not None:
        return _tls_failure(tls, seen, host)
    if (name := find(error, socket.gaierror)) is not None:
        return _name_failure(name, seen, host)
    return _connect_failure(error, seen, host)


def _tunnel_status(error: BaseException) -> int | None:
    found = find(error, OSError)
    match = _TUNNEL.search(str(found)) if found is not None else None
    return int(match.group(1)) if match else None


def _tunnel_failure(status: int, seen: Circumstances) -> Failure:
    if status == 407:
        hint = "Give user and password in the proxy URL, or correct them."
        return Failure(TransportError, f"The proxy {seen.proxy} refuses our credentials", hint, sent=False, retry=False)
    return Failure(
        TransportError,
        f"The proxy {seen.proxy} refuses a connection to {seen.origin} (HTTP {status})",
        "Check what the proxy allows, or list the host in NO_PROXY.",
        sent=False,
        retry=status >= 500,
    )

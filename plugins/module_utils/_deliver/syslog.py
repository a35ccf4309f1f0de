# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syslog: RFC 5424 messages over TCP with octet counting (RFC 6587), or over TLS (RFC 5425).

This module is private to the collection and may change at any time.

Syslog has no acknowledgement, and a message that was written to a socket may still be lost in a buffer. So each batch
has a connection of its own, which is closed in our direction; the batch counts as delivered only when the receiver has
read to the end and closed as well. A reset instead means that the batch is sent again: at least once.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import typing as t

from .._http.errors import OptionError, TlsError, TransportError
from .._http.settings import VERSION, is_loopback
from .._state.files import reason
from . import cef
from .sink import Outcome, Record, rejected

DEFAULT_PORTS = {True: 6514, False: 601}
MAX_MESSAGE = 64 * 1024
"""Longer messages are refused by many receivers; rsyslog's default is 8 KiB, which cuts without a word."""
_SYSTEM = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock"
_FACILITIES = (*_SYSTEM.split(), *(f"local{number}" for number in range(8)))
"""In the order of their numbers (RFC 5424 section 6.2.1)."""
_LEVELS = {"critical": 2, "high": 3, "medium": 4, "low": 5, "info": 6, "unknown": 4}
_BAD_NAME = re.compile(r"[^\x21-\x7e]")
_BOM = "\ufeff"


class Syslog:
    """One receiver.

    Sink options: ``host``, ``port``, ``tls``, ``facility``, ``app_name``, ``enterprise_id``, ``format`` json or cef,
    ``max_message`` in bytes.
    """

    kind = "syslog"

    def __init__(self, options: t.Mapping[str, t.Any], connection: t.Mapping[str, t.Any]) -> None:
        if not options.get("host"):
            raise OptionError("sink_options.host is missing.", hint="Give the host name of the syslog receiver.")
        self._host = str(options["host"])
        self._tls = bool(options.get("tls", True))
        self._port = int(options.get("port") or DEFAULT_PORTS[self._tls])
        if not self._tls and not is_loopback(self._host) and not connection.get("allow_http"):
            raise OptionError(
                f"sink_options.tls is off, and {self._host} is another machine: the records could be read on the way.",
                hint="Leave tls on, or set allow_http to true if you accept that.",
            )
        self._facility = _facility(options.get("facility") or "local0")
        self._app = _name(options.get("app_name") or "appsec.perimeter", 48)
        self._enterprise = int(options.get("enterprise_id") or 32473)
        self._cef = options.get("format") == "cef"
        self._max = int(options.get("max_message") or MAX_MESSAGE)
        self._timeout = float(connection.get("timeout") or 60)
        self._context = _context(connection) if self._tls else None
        self._sent = {"connections": 0, "messages": 0, "bytes": 0}
        self._here = _name(socket.gethostname(), 255)
        self.target = f"{self._host}:{self._port}"
        self.batch_records = options.get("batch_records") or 1000
        self.batch_bytes = 4 << 20

    def send(self, batch: t.Sequence[Record]) -> Outcome:
        """One connection for the batch; see the module's text for what acknowledges it."""
        outcome = Outcome()
        frames = []
        for record in batch:
            message = self.message(record)
            if len(message) > self._max:
                outcome.rejected.append(rejected(record, f"the message has more than {self._max} bytes"))
                continue
            frames.append(b"%d %s" % (len(message), message))
        if frames:
            self._exchange(b"".join(frames))
            self._sent["messages"] += len(frames)
            outcome.delivered += len(frames)
        return outcome

    def message(self, record: Record) -> bytes:
        """One record as an RFC 5424 message."""
        document = record.document
        priority = self._facility * 8 + _LEVELS.get(str(document.get("severity")), 6)
        moment = document.get("time") or document.get("last_seen") or "-"
        kind = _name(document.get("record") or "record", 32)
        data = f'[perimeter@{self._enterprise} delivery_id="{record.id}" content="{_value(record.content)}"]'
        head = f"<{priority}>1 {moment} {self._here} {self._app} {os.getpid()} {kind} {data} "
        text = cef.message(document, VERSION) if self._cef else record.line.decode("utf-8", "replace")
        # JSON has no raw control characters; CEF has none left. A byte order mark says that this is UTF-8.
        return (head + _BOM + text).encode("utf-8", "replace")

    def _exchange(self, data: bytes) -> None:
        try:
            with self._connect() as connection:
                connection.sendall(data)
                self._sent["bytes"] += len(data)
                _finish(connection)
        except ssl.SSLError as error:
            raise TlsError(
                f"syslog: {self.target} and this machine did not agree on TLS ({error.reason or 'failed'}).",
                hint="Check ca_path, client_cert and the receiver's certificate. The next run sends the batch again.",
            ) from None
        except TimeoutError:
            raise TransportError(
                f"syslog: {self.target} did not take the batch in {self._timeout:g} seconds.",
                hint="The next run sends it again.",
            ) from None
        except OSError as error:
            raise TransportError(
                f"syslog: the connection to {self.target} failed: {reason(error)}.",
                hint="Check host, port and tls. The next run sends the batch again.",
            ) from None

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), timeout=self._timeout)
        self._sent["connections"] += 1
        if self._context is None:
            return plain
        try:
            return self._context.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise

    def stats(self) -> dict[str, t.Any]:
        """Connections, messages and bytes."""
        return dict(self._sent)

    def close(self) -> None:
        """Nothing stays open between batches."""


def _finish(connection: socket.socket) -> None:
    """Say that this was all, and wait until the receiver, having read it all, closes too."""
    if isinstance(connection, ssl.SSLSocket):
        # Under TLS 1.3 the receiver may close without the formal goodbye; that it closed, and did not reset, counts.
        with contextlib.suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
            rest = connection.unwrap()
            rest.close()
        return
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        continue


def _context(connection: t.Mapping[str, t.Any]) -> ssl.SSLContext:
    ca = connection.get("ca_path")
    try:
        folder = bool(ca) and os.path.isdir(str(ca))
        context = ssl.create_default_context(cafile=None if folder else ca, capath=ca if folder else None)
        if connection.get("client_cert"):
            context.load_cert_chain(connection["client_cert"], connection.get("client_key"))
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or "not usable"
        raise OptionError(f"ca_path, client_cert or client_key cannot be read: {why}.") from None
    if connection.get("validate_certs") is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _facility(name: str) -> int:
    try:
        return _FACILITIES.index(name)
    except ValueError:
        raise OptionError(
            f"sink_options.facility: {name!r} is not a facility.", hint=f"One of {', '.join(_FACILITIES)}."
        ) from None


def _name(text: t.Any, length: int) -> str:
    return _BAD_NAME.sub("_", str(text))[:length] or "-"


def _value(text: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", text)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivers by syslog: RFC 5424 messages over TCP with octet counting (RFC 6587), or over TLS (RFC 5425).

This module is private to the collection and may change at any time.

Syslog has no acknowledgement, and a message that was written to a socket may still be lost in a buffer. So each batch
has its own connection. It counts as delivered when the receiver's machine has confirmed every byte, we have then closed
our direction, and the receiver has closed its own after that. A receiver that closes earlier, or resets because it had
not read everything, has acknowledged nothing, and the batch is sent again: at least once.

This does not show what the receiver does with what it has read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import ssl
import struct
import termios
import time
import typing as t

from .._base.errors import OptionError, TlsError, TransportError
from .._base.files import reason
from .._http.settings import VERSION, check_settings, is_loopback, settings_from
from .._http.tls import build_context
from .._records.times import canonical_time
from . import cef
from .sink import BatchOutcome, Record, number_option, rejected
from .view import view

DEFAULT_PORTS = {True: 6514, False: 601}
MAX_MESSAGE = 64 * 1024
"""Many receivers refuse longer messages; rsyslog's default is 8 KiB, beyond which it truncates silently."""
MIN_MESSAGE = 480
"""The size that every receiver must accept (RFC 5424 section 6.1)."""
_MAX_PORT = 65535
_MAX_PAUSE = 0.02
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
        self._port = number_option(options, "port", DEFAULT_PORTS[self._tls], 1, _MAX_PORT)
        if not self._tls and not is_loopback(self._host) and not connection.get("allow_http"):
            raise OptionError(
                f"sink_options.tls is off, and {self._host} is another machine: the records could be read on the way.",
                hint="Leave tls on, or set allow_http to true if you accept that.",
            )
        self._facility = _facility(options.get("facility") or "local0")
        self._app = _name(options.get("app_name") or "appsec.perimeter", 48)
        self._enterprise = int(options.get("enterprise_id") or 32473)
        self._cef = options.get("format") == "cef"
        self._max = number_option(options, "max_message", MAX_MESSAGE, MIN_MESSAGE)
        self._timeout = float(connection.get("timeout") or 60)
        self._context = _context(connection) if self._tls else None
        self._sent = {"connections": 0, "messages": 0, "bytes": 0}
        self._here = _name(socket.gethostname(), 255)
        self.target = f"{self._host}:{self._port}"
        self.batch_records = number_option(options, "batch_records", 1000, 1)
        self.batch_bytes = 4 << 20
        self.taken = False

    def send(self, batch: t.Sequence[Record]) -> BatchOutcome:
        """One connection for the batch; see the module's text for what acknowledges it."""
        outcome = BatchOutcome()
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
        """Convert a record to an RFC 5424 message."""
        document = view(record.document)
        priority = self._facility * 8 + _LEVELS.get(str(document.get("severity")), 6)
        moment = _moment(document.get("time") or document.get("last_seen") or document.get("from"))
        kind = _name(document.get("record") or "record", 32)
        data = f'[perimeter@{self._enterprise} delivery_id="{record.id}" content="{_value(record.content)}"]'
        head = f"<{priority}>1 {moment} {self._here} {self._app} {os.getpid()} {kind} {data} "
        text = cef.message(record.document, VERSION) if self._cef else record.line.decode("utf-8", "replace")
        # JSON has no raw control characters, and CEF has none left. The byte order mark declares UTF-8.
        return (head + _BOM + text).encode("utf-8", "replace")

    def _exchange(self, data: bytes) -> None:
        try:
            with self._connect() as connection:
                connection.sendall(data)
                self.taken = True
                self._sent["bytes"] += len(data)
                _confirmed(connection, self._timeout)
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
        with contextlib.ExitStack() as opened:
            try:
                plain = socket.create_connection((self._host, self._port), timeout=self._timeout)
                opened.callback(plain.close)
                self._sent["connections"] += 1
                made = self._context.wrap_socket(plain, server_hostname=self._host) if self._context else plain
            except (ssl.SSLError, OSError):
                raise
            except ValueError:
                # A name that cannot be encoded for DNS, or that cannot be in a certificate.
                raise OptionError(
                    "sink_options.host is not a host name.", hint="Give a host name or an IP address."
                ) from None
            opened.pop_all()
            return made

    def stats(self) -> dict[str, t.Any]:
        """Connections, messages and bytes."""
        return dict(self._sent)

    def close(self) -> None:
        """Nothing stays open between batches."""


def _confirmed(connection: socket.socket, timeout: float) -> None:
    """Wait until the other machine has confirmed every byte, with the connection still open.

    Raises:
        TimeoutError: it took more than ``timeout`` seconds.
        OSError: the connection failed, or the receiver has already closed it.
    """
    until, pause = time.monotonic() + timeout, 0.0005
    while True:
        waiting = _unconfirmed(connection)
        if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        _still_open(connection, timeout)
        if not waiting:
            return
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE)


def _unconfirmed(connection: socket.socket) -> int:
    """Number of sent bytes that the other machine has not confirmed yet."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(struct.calcsize("i")))
    return int(struct.unpack("i", answer)[0])


def _still_open(connection: socket.socket, timeout: float) -> None:
    """Read and ignore what a receiver sends, which has no meaning in syslog; an early end of it is an error."""
    connection.settimeout(0)
    try:
        while connection.recv(4096):
            continue
    except (BlockingIOError, ssl.SSLWantReadError):
        return
    finally:
        connection.settimeout(timeout)
    raise ConnectionError(0, "the receiver closed it before it had everything")


def _finish(connection: socket.socket) -> None:
    """Close our direction, and wait until the receiver, having read everything, closes too."""
    if isinstance(connection, ssl.SSLSocket):
        # With TLS 1.3 the receiver may close without close_notify. What counts is that it closed after us.
        with contextlib.suppress(ssl.SSLEOFError):
            rest = connection.unwrap()
            rest.close()
        return
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        continue


def _context(connection: t.Mapping[str, t.Any]) -> ssl.SSLContext:
    settings = settings_from(connection)
    check_settings(settings)
    paths = ssl.get_default_verify_paths()
    return build_context(settings, paths.cafile or paths.capath or paths.openssl_cafile)


def _moment(value: t.Any) -> str:
    """A time for the header, in UTC; a dash for no time, and for other text, which could end the field."""
    return (canonical_time(str(value)) if value else None) or "-"


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

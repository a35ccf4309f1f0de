# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers on loopback that do exactly what a test tells them, down to the byte and the reset.

They speak HTTP/1.1 on raw sockets, because a well-behaved server library cannot be made to lie about a length, to cut a
chunk in half or to answer before it has read. All of it is plain threads; nothing is shared with the collection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass
class Request:
    """What arrived. ``connection`` numbers the connections of a server from 1; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Hangup(Exception):
    """Raised by an action to close the connection after it."""


Action = Callable[[socket.socket, Request], None]


def reply(status: int = 200, body: bytes = b"ok", **headers: Any) -> Action:
    """A complete answer; ``_`` in header names stands for ``-``."""

    def act(connection: socket.socket, request: Request) -> None:
        lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    return act


def raw(data: bytes, *, close: bool = True) -> Action:
    """Exactly these bytes, then the end of the connection."""

    def act(connection: socket.socket, request: Request) -> None:
        connection.sendall(data)
        if close:
            raise Hangup

    return act


def chunked(*chunks: bytes, finish: bool = True) -> Action:
    """A chunked answer; without ``finish`` it ends in the middle."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data += b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return raw(data + b"0\r\n\r\n", close=False) if finish else raw(data + b"ff\r\npart")


def reset(data: bytes = b"") -> Action:
    """Some bytes, then a TCP reset."""

    def act(connection: socket.socket, request: Request) -> None:
        if data:
            connection.sendall(data)
            time.sleep(0.05)  # a reset overtakes data that the other side has not read yet
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Hangup

    return act


def close() -> Action:
    """The end of the connection, without an answer."""
    return raw(b"")


def hang(seconds: float = 5.0) -> Action:
    """Silence, until the client goes away."""

    def act(connection: socket.socket, request: Request) -> None:
        connection.settimeout(seconds)
        with contextlib.suppress(OSError):
            connection.recv(1)
        raise Hangup

    return act


def then_close(action: Action) -> Action:
    """An action, then the end of the connection, although the answer did not announce it."""

    def act(connection: socket.socket, request: Request) -> None:
        action(connection, request)
        raise Hangup

    return act


@dataclass
class Server:
    """A server on 127.0.0.1.

    ``script`` gives one action per request in order of arrival; ``default`` is for the rest. ``tls`` makes it speak
    TLS; ``port`` is a free one by default; ``on_connect`` may return True to end a connection before a byte was read.
    """

    tls: ssl.SSLContext | None = None
    script: list[Action] = field(default_factory=list)
    default: Action = field(default_factory=reply)
    on_connect: Callable[[socket.socket], bool] | None = None
    port: int = 0

    def __post_init__(self) -> None:
        self.seen: list[Request] = []
        self.connections = 0
        self.failed_handshakes = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close everything and wait for the threads, so that no test leaves a socket behind."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        self.drop_connections()
        for thread in self._threads:
            thread.join(5)

    def drop_connections(self) -> None:
        """Close all open connections from this side."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        plain = connection
        try:
            if self.on_connect is not None and self.on_connect(connection):
                return
            if self.tls is not None:
                connection = self._secure(connection)
            self._talk(connection, number)
        except (OSError, Hangup):
            pass
        finally:
            with self._lock:
                self._open -= {plain, connection}
            connection.close()
            plain.close()

    def _secure(self, connection: socket.socket) -> ssl.SSLSocket:
        assert self.tls is not None
        try:
            secured = self.tls.wrap_socket(connection, server_side=True)
        except OSError:
            self.failed_handshakes += 1
            raise
        with self._lock:
            self._open.add(secured)
        return secured

    def _talk(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as stream:
            while (request := read_request(stream, number)) is not None:
                with self._lock:
                    self.seen.append(request)
                    action = self.script.pop(0) if self.script else self.default
                    self.in_flight += 1
                    self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    self.answer(connection, request, action)
                finally:
                    with self._lock:
                        self.in_flight -= 1

    def answer(self, connection: socket.socket, request: Request, action: Action) -> None:
        action(connection, request)


def read_request(stream, number: int) -> Request | None:  # type: ignore[no-untyped-def]
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    method, target, _version = line.split(" ", 2)
    headers: dict[str, str] = {}
    while text := stream.readline().decode("latin-1").strip():
        name, _sep, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body, number)


class ProxyServer(Server):
    """A proxy. It tunnels CONNECT for real, and answers absolute requests itself as the script says.

    ``tunnels`` holds the addresses asked for. With ``credentials`` (the value of Proxy-Authorization) it wants them.
    """

    def __init__(self, *, credentials: str | None = None, refuse: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.credentials = credentials
        self.refuse = refuse
        self.tunnels: list[str] = []
        super().__init__(tls=tls)

    def answer(self, connection: socket.socket, request: Request, action: Action) -> None:
        if self.credentials is not None and request.headers.get("proxy-authorization") != self.credentials:
            reply(407, b"")(connection, request)
            raise Hangup
        if request.method != "CONNECT":
            action(connection, request)
            return
        self.tunnels.append(request.target)
        if self.refuse:
            reply(self.refuse, b"")(connection, request)
            raise Hangup
        host, _sep, port = request.target.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=5) as upstream:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
            back.start()
            pump(connection, upstream)
            back.join(5)
        raise Hangup


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class FakeTime:
    """A clock that only moves when somebody sleeps, and remembers for how long."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds

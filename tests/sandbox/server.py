# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A threaded HTTP(S) server on loopback: one thread for each connection, keep-alive, TLS inside the thread."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

from .counters import Counters
from .service import Service
from .wire import BadRequest, ConnectionReset, Reply, RequestReader, head_of, tear_down

IDLE_S = 300.0
HANDSHAKE_S = 30.0


class Server:
    """Listens on 127.0.0.1 and hands each request to the service."""

    def __init__(self, service: Service, counters: Counters, port: int, context: ssl.SSLContext | None) -> None:
        self._service = service
        self._counters = counters
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._accept, name="sandbox-accept", daemon=True)

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening and drop all connections."""
        self._closing = True
        # close() alone does not wake a thread that is blocked in accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), name="sandbox-connection", daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with self._lock:
            self._open.add(raw)
        connection = raw
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self._secured(raw)
            self._swap(raw, connection)
            self._requests(connection)
        except ConnectionReset:
            tear_down(connection)
        except ssl.SSLError:
            self._counters.tls_failed()
        except OSError:
            pass  # the client went away
        finally:
            self._forget(raw, connection)

    def _secured(self, raw: socket.socket) -> socket.socket:
        if self._context is None:
            raw.settimeout(IDLE_S)
            return raw
        raw.settimeout(HANDSHAKE_S)
        connection = self._context.wrap_socket(raw, server_side=True)
        connection.settimeout(IDLE_S)
        return connection

    def _swap(self, raw: socket.socket, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(raw)
            self._open.add(connection)

    def _forget(self, raw: socket.socket, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(raw)
            self._open.discard(connection)
        with contextlib.suppress(OSError):
            connection.close()

    def _requests(self, connection: socket.socket) -> None:
        reader = RequestReader(connection)
        counted = False
        while not self._closing:
            try:
                request = reader.read()
            except BadRequest as error:
                _refuse(connection, str(error))
                return
            if request is None:
                return
            if not counted and not self._service.is_control(request):
                counted = True
                self._counters.connected()
            self._service.exchange(connection, request)
            if not request.keep_alive:
                return


def _refuse(connection: socket.socket, reason: str) -> None:
    body = reason.encode()
    connection.sendall(head_of(Reply(400, [], "text/plain"), len(body), close=True) + body)

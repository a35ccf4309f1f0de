# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long one request may take, from its first byte to the last byte of its answer.

This module is private to the collection and may change at any time.

A socket's time-out measures silence: a server that sends a byte now and then is never silent, and could keep a run
waiting for ever. Only another thread can end a read that is in progress, so each request has a timer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import types
import typing as t

TIMEOUTS = 10
"""A whole answer may take this many times the ``timeout`` option."""


class Deadline:
    """Closes the connection of a request when its time is over. A context manager around the request.

    Args:
        timeout: seconds of silence that are allowed.
    """

    def __init__(self, timeout: float) -> None:
        self.seconds = min(TIMEOUTS * timeout, threading.TIMEOUT_MAX)
        self.passed = False
        self._lock = threading.Lock()
        self._socket: t.Any = None
        self._timer = threading.Timer(self.seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self._timer.cancel()
        self.watch(None)

    def watch(self, connected: t.Any) -> None:
        """Set the socket that the request uses now, or None."""
        with self._lock:
            self._socket = connected

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                # The plain socket's method: a TLS socket's would still return bytes that arrive.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

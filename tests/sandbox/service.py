# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request from socket to socket: counting, latency, faults, the vendor's answer, sending."""

from __future__ import annotations

import gzip
import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import bombs
from .control import Control
from .counters import Counters
from .faults import Fault, Faults
from .rooms import Room
from .switches import Switches
from .wire import ConnectionReset, Reply, Request, head_of

Taken = Mapping[str, Fault]
HTML = b"<!DOCTYPE html><html><head><title>Service</title></head><body><h1>Service page</h1></body></html>"
SMALL = 64 * 1024


class Service:
    """Routes requests to rooms and applies faults around them."""

    def __init__(
        self, rooms: Sequence[Room], counters: Counters, faults: Faults, switches: Switches, control: Control
    ) -> None:
        self._rooms = rooms
        self._counters = counters
        self._faults = faults
        self._switches = switches
        self._control = control
        self.latency_s = 0.0

    def is_control(self, request: Request) -> bool:
        """Whether the request is for the control plane."""
        return request.path.startswith("/_sandbox/")

    def exchange(self, connection: socket.socket, request: Request) -> None:
        """Answer one request; raises ConnectionReset when the connection is to be torn down."""
        if self.is_control(request):
            self._send(connection, request, self._control.answer(request))
            return
        room = next((room for room in self._rooms if room.matches(request.path)), self._rooms[0])
        self._counters.started(request.method, request.path, write=room.is_write(request.method, request.path))
        finished = _Once(lambda status, code: self._finish(room, request, status, code))
        try:
            self._answer(connection, request, room, finished)
        finally:
            finished(0, "")  # only counts when nothing was answered

    def _finish(self, room: Room, request: Request, status: int, code: str) -> None:
        room.leave(request)
        self._counters.finished(request.method, request.target, status, code)

    def _answer(self, connection: socket.socket, request: Request, room: Room, finished: _Once) -> None:
        blocked = room.enter(request)
        taken = {} if blocked else self._faults.take(request.method, request.path)
        for fault in taken.values():
            self._counters.fault_fired(fault.kind)
        self._wait(taken)
        reply = blocked or self._reply(request, room, taken)
        if reply.failed_auth:
            self._counters.auth_failed()
        answer = taken.get("answer")
        if answer is not None and answer.kind in _DELIVERIES:
            deliver = _DELIVERIES[answer.kind]
            finished(reply.status, reply.response_code)
            deliver(self, connection, request, reply, answer)
            return
        finished(reply.status, reply.response_code)
        self._send(connection, request, reply)

    def _wait(self, taken: Taken) -> None:
        delay = self.latency_s
        if "delay" in taken:
            delay += float(taken["delay"].args.get("delay_ms", 1000)) / 1000
        if delay > 0:
            time.sleep(delay)

    def _reply(self, request: Request, room: Room, taken: Taken) -> Reply:
        fault = taken.get("answer")
        kind = fault.kind if fault is not None else ""
        if fault is None or kind in _DELIVERIES:
            return self._perform(request, room, taken)
        if kind == "reset":
            raise ConnectionReset
        if kind == "response_code":
            args = fault.args
            code = str(args.get("code", "OTHER_ERROR"))
            return room.failure(request, code, str(args.get("message", "")), str(args.get("resolution", "")))
        if kind in ("apply_then_reset", "apply_then_status"):
            self._perform(request, room, taken)
            if kind == "apply_then_reset":
                raise ConnectionReset
        return _canned(fault, request)

    def _perform(self, request: Request, room: Room, taken: Taken) -> Reply:
        try:
            return room.answer(request, taken)
        except Exception:  # noqa: BLE001 - a defect of the sandbox must not look like a fault that was asked for
            traceback.print_exc()
            self._counters.internal_error()
            return Reply(500, [b"internal error of the sandbox, see its standard error"], "text/plain")

    def _send(self, connection: socket.socket, request: Request, reply: Reply) -> None:
        body = self._packed(request, reply)
        head = head_of(reply, len(body), close=not request.keep_alive)
        self._count(request, len(head) + len(body))
        if len(body) <= SMALL:
            connection.sendall(head + body)
            return
        connection.sendall(head)
        connection.sendall(body)

    def _packed(self, request: Request, reply: Reply) -> bytes:
        body = reply.body()
        if not self._switches.on("gzip") or "gzip" not in request.headers.get("accept-encoding", ""):
            return body
        reply.headers["Content-Encoding"] = "gzip"
        return gzip.compress(body, 1)

    def _count(self, request: Request, size: int) -> None:
        if not self.is_control(request):
            self._counters.sent(size)

    def _reset_mid_body(self, connection: socket.socket, request: Request, reply: Reply, _fault: Fault) -> None:
        body = reply.body()
        data = head_of(reply, len(body), close=False) + body[: len(body) // 2]
        self._count(request, len(data))
        connection.sendall(data)
        time.sleep(0.05)  # let the client read the half before RST discards it
        raise ConnectionReset

    def _truncated(self, connection: socket.socket, request: Request, reply: Reply, _fault: Fault) -> None:
        body = reply.body()
        reply.chunks = [body[: len(body) // 2]]
        self._send(connection, request, reply)

    def _trickle(self, connection: socket.socket, request: Request, reply: Reply, fault: Fault) -> None:
        body = reply.body()
        size = max(1, int(fault.args.get("chunk_bytes", 1024)))
        pause = float(fault.args.get("delay_ms", 100)) / 1000
        connection.sendall(head_of(reply, len(body), close=not request.keep_alive))
        for start in range(0, len(body), size):
            time.sleep(pause)
            connection.sendall(body[start : start + size])
        self._count(request, len(body))


Delivery = Callable[[Service, socket.socket, Request, Reply, Fault], None]
# Kinds that spoil the delivery of the real answer, as opposed to replacing it.
_DELIVERIES: dict[str, Delivery] = {
    "reset_mid_body": Service._reset_mid_body,
    "truncated_json": Service._truncated,
    "trickle": Service._trickle,
}


class _Once:
    """Calls a function the first time only."""

    def __init__(self, function: Callable[[int, str], None]) -> None:
        self._function = function
        self._done = False

    def __call__(self, status: int, code: str) -> None:
        if not self._done:
            self._done = True
            self._function(status, code)


def _canned(fault: Fault, request: Request) -> Reply:
    """The reply of a fault that replaces the vendor's answer."""
    if fault.kind == "html_200":
        return Reply(200, [HTML], "text/html")
    if fault.kind == "xml_bomb":
        return Reply(200, [bombs.document(fault.args)], "text/xml")
    if fault.kind == "redirect":
        location = str(fault.args.get("location", "/"))
        return Reply(int(fault.args.get("status", 302)), [HTML], "text/html", {"Location": location})
    body, content_type = _canned_body(fault.args.get("body", "html"), request)
    headers = {str(name): str(value) for name, value in dict(fault.args.get("headers") or {}).items()}
    return Reply(int(fault.args.get("status", 503)), [body], content_type, headers)


def _canned_body(body: Any, request: Request) -> tuple[bytes, str]:
    if body == "html":
        return HTML, "text/html"
    if body == "json":
        return b'{"error": {"code": "UNAVAILABLE", "message": "try again later"}}', "application/json"
    if body == "empty":
        return b"", "text/plain"
    kind = "application/json" if request.wants_json else "text/plain"
    return str(body).encode(), kind

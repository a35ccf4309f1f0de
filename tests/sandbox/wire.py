# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 over a socket: reading requests strictly, writing replies in one call."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
RECEIVE = 64 * 1024


class BadRequest(Exception):
    """The bytes are not an HTTP request that this server can answer."""


class ConnectionReset(Exception):
    """A fault asks for the connection to be torn down with RST."""


@dataclass(slots=True)
class Request:
    """One request; header names are lower case."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def wants_json(self) -> bool:
        """Whether the reply is to be JSON: only when Accept says so."""
        return "application/json" in self.headers.get("accept", "").lower()

    @property
    def keep_alive(self) -> bool:
        """Whether the client will use the connection again."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(slots=True)
class Reply:
    """One reply; the body stays in chunks so that cached records are joined only once."""

    status: int = 200
    chunks: list[bytes] = field(default_factory=list)
    content_type: str = "application/xml"
    headers: dict[str, str] = field(default_factory=dict)
    response_code: str = ""
    failed_auth: bool = False

    def body(self) -> bytes:
        """The whole body."""
        return self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)


def head_of(reply: Reply, length: int, *, close: bool) -> bytes:
    """Status line and headers of a reply with ``length`` bytes of body."""
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [
        f"HTTP/1.1 {reply.status} {phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {length}",
        "Server: Apache",
    ]
    lines.extend(f"{name}: {value}" for name, value in reply.headers.items())
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def tear_down(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    finally:
        connection.close()


class RequestReader:
    """Reads the requests of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def read(self) -> Request | None:
        """The next request, or None when the client has closed.

        Raises BadRequest when the bytes are not a request.
        """
        head = self._read_head()
        if head is None:
            return None
        method, target, headers = _parse_head(head)
        if headers.get("expect", "").lower() == "100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._read_body(headers)
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(method, target, unquote(parts.path), query, headers, body)

    def _more(self) -> bool:
        data = self._connection.recv(RECEIVE)
        self._buffer += data
        return bool(data)

    def _read_head(self) -> bytes | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest("headers too large")
            if not self._more():
                return None
        return self._take(end + 4)[:-4]

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            if not self._more():
                raise BadRequest("connection closed inside a request")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._read_chunked()
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise BadRequest("bad Content-Length")
        return self._take(int(length)) if length != "0" else b""

    def _read_chunked(self) -> bytes:
        body = bytearray()
        while (size := self._chunk_size()) > 0:
            if len(body) + size > MAX_BODY:
                raise BadRequest("body too large")
            body += self._take(size + 2)[:-2]
        while self._line():
            continue  # trailers carry nothing that is used here
        return bytes(body)

    def _chunk_size(self) -> int:
        try:
            return int(self._line().split(b";")[0], 16)
        except ValueError as error:
            raise BadRequest("bad chunk size") from error

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD or not self._more():
                raise BadRequest("unfinished line")
        return self._take(end + 2)[:-2]


def _parse_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError as error:
        raise BadRequest("bad request line") from error
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest("unknown HTTP version")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise BadRequest("bad header line")
        headers[name.lower()] = value.strip()
    if version == "HTTP/1.0":
        headers.setdefault("connection", "close")
    return method, target, headers

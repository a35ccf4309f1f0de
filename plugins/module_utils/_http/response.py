# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One answer of a service, and how its body is read.

This module is private to the collection and may change at any time.

Bodies are decompressed here and not by urllib3: its older versions inflate a whole read at once, so a small answer
could fill the memory before its size is checked.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import typing as t
import zlib
from dataclasses import dataclass, field

from .._base.errors import BadResponse, ResponseTooLarge

CHUNK = 1024 * 1024
"""Bytes of one read. Small reads make large answers slow."""


class Headers(t.Mapping[str, str]):
    """Answer headers. Look-ups ignore case, iteration gives lower case, repeated headers are joined with a comma."""

    __slots__ = ("_values",)

    def __init__(self, pairs: t.Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            values[key] = f"{values[key]}, {value}" if key in values else value
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> t.Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        """Shows the names only: a value can be a token or a cookie."""
        return f"Headers({', '.join(self._values)})"


def header_time_of(date: str | None) -> dt.datetime | None:
    """The time in a ``Date`` header, UTC; None when there is none, or it cannot be read."""
    try:
        return email.utils.parsedate_to_datetime(date or "").astimezone(dt.UTC)
    except (ValueError, TypeError, OverflowError):
        return None


@dataclass(frozen=True, repr=False)
class Response:
    """A complete answer.

    Attributes:
        status: HTTP status.
        headers: case-insensitive.
        body: after decompression.
        url: scheme, host, port and path of the request, without its query.
        memo: for a client to store what it parsed in ``classify``, so that it does not parse twice.
    """

    status: int
    headers: Headers
    body: bytes
    url: str
    memo: dict[str, t.Any] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        """Shows neither the body nor a header value: both can contain secrets."""
        return f"Response({self.status}, {self.url}, {len(self.body)} bytes)"


class Truncated(Exception):
    """The body ended before it was complete, or its compression is damaged. Never leaves this room."""


class RawAnswer(t.Protocol):
    """The part of ``urllib3.HTTPResponse`` that is used."""

    def read(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Return at most ``amt`` bytes as they were received, and b"" at the end."""


def read_body(raw: RawAnswer, headers: t.Mapping[str, str], *, limit: int, where: str) -> tuple[bytes, int]:
    """Read and decompress a body.

    Args:
        raw: the open answer.
        headers: its headers.
        limit: ceiling in bytes, after decompression.
        where: scheme, host and port, for messages.

    Returns:
        The body, and the number of bytes that were received for it.

    Raises:
        ResponseTooLarge: the body is, or is announced to be, larger than ``limit``.
        BadResponse: the body has an encoding that was not requested.
        Truncated: the body is not complete.
        urllib3.exceptions.HTTPError, OSError: the connection failed.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return _read_plain(raw, headers, limit, where)
    if encoding in ("gzip", "x-gzip"):
        return _read_gzip(raw, limit, where)
    raise BadResponse(
        f"The answer of {where} is compressed in a way that was not asked for.",
        hint="A proxy between here and there may have changed it.",
    )


def _read_plain(raw: RawAnswer, headers: t.Mapping[str, str], limit: int, where: str) -> tuple[bytes, int]:
    announced = headers.get("content-length", "").strip()
    if announced.isascii() and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit, where)
    chunks: list[bytes] = []
    size = 0
    while chunk := raw.read(CHUNK, decode_content=False):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit, where)
        chunks.append(chunk)
    return (chunks[0] if len(chunks) == 1 else b"".join(chunks)), size


def _read_gzip(raw: RawAnswer, limit: int, where: str) -> tuple[bytes, int]:
    inflate = zlib.decompressobj(wbits=31)
    chunks: list[bytes] = []
    size = received = 0
    while data := raw.read(CHUNK, decode_content=False):
        received += len(data)
        while data:
            # One byte beyond the limit is enough to know that the body is too large.
            piece, inflate, data = _inflate(inflate, data, limit + 1 - size)
            size += len(piece)
            if size > limit:
                raise _too_large(limit, where)
            chunks.append(piece)
    if received and not inflate.eof:
        raise Truncated
    return b"".join(chunks), received


def _inflate(inflate: zlib._Decompress, data: bytes, room: int) -> tuple[bytes, zlib._Decompress, bytes]:
    """Inflate one step; a gzip body can be several members, one after the other."""
    if inflate.eof:
        inflate = zlib.decompressobj(wbits=31)
    try:
        piece = inflate.decompress(data, min(room, CHUNK))
    except zlib.error:
        raise Truncated from None
    return piece, inflate, inflate.unused_data if inflate.eof else inflate.unconsumed_tail


def _too_large(limit: int, where: str) -> ResponseTooLarge:
    return ResponseTooLarge(
        f"The answer of {where} is larger than {limit} bytes.",
        hint="Ask for less at a time: a filter, or smaller pages.",
    )

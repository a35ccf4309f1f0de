# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads files of records: NDJSON or JSON, plain or gzip, with limits on everything that a file can decide.

This module is private to the collection and may change at any time.

The first two bytes of a file, not its name, decide whether it is compressed. Compressed data is inflated only up to the
limit, so that a small file cannot fill the memory.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import pathlib
import typing as t
import zlib

from ..._base.files import reason
from ..codec import loads_unique

LINE_LIMIT = 64 << 20
"""Bytes of one line of NDJSON."""
FILE_LIMIT = 256 << 20
"""Maximum bytes of a file, after inflating, that is held in memory as a whole."""
_BUFFER = 1 << 20
_GZIP = b"\x1f\x8b"


class Digest(t.Protocol):
    """A hash that is being computed."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""


class Unreadable(Exception):
    """A file cannot be read. The text is the end of a sentence, without a path.

    Attributes:
        missing: the file does not exist.
        damaged: the file exists, but its content is not valid.
    """

    def __init__(self, words: str, *, missing: bool = False, damaged: bool = False) -> None:
        super().__init__(words)
        self.missing = missing
        self.damaged = damaged


class _Hashed(io.RawIOBase):
    """Passes bytes through and hashes them, so that a file is read only once."""

    def __init__(self, raw: t.BinaryIO, digest: Digest) -> None:
        self._raw = raw
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        data = self._raw.read(len(buffer))
        self._digest.update(data)
        buffer[: len(data)] = data
        return len(data)


@contextlib.contextmanager
def _opened(path: pathlib.Path, digest: Digest | None = None) -> t.Iterator[t.BinaryIO]:
    """The bytes of a file, inflated.

    Raises:
        Unreadable: the file cannot be opened, or reading it inside the block fails.
    """
    try:
        with contextlib.ExitStack() as stack:
            raw: t.BinaryIO = stack.enter_context(path.open("rb", buffering=0 if digest else _BUFFER))
            stream: t.Any = io.BufferedReader(_Hashed(raw, digest), _BUFFER) if digest else raw
            if stream.peek(2)[:2] == _GZIP:
                stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
            yield stream
    except FileNotFoundError as error:
        raise Unreadable(reason(error), missing=True) from error
    except (OSError, EOFError, zlib.error) as error:
        if isinstance(error, OSError) and error.strerror:
            raise Unreadable(reason(error)) from error
        raise Unreadable("the compressed data is damaged", damaged=True) from error


def read_lines(path: pathlib.Path, digest: Digest | None = None) -> t.Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, from 1. Blank lines are counted but left out.

    Args:
        path: the file.
        digest: receives the bytes of the file as they are stored.

    Raises:
        Unreadable: it cannot be read, is damaged, or has a line longer than ``LINE_LIMIT``.
    """
    with _opened(path, digest) as file:
        number = 0
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise Unreadable(f"line {number} is longer than {LINE_LIMIT >> 20} MiB", damaged=True)
            if not line.isspace():
                yield number, line


def read_bytes(path: pathlib.Path, limit: int = FILE_LIMIT) -> bytes:
    """The content of a file, inflated.

    Raises:
        Unreadable: it cannot be read, is damaged, or is larger than ``limit`` bytes.
    """
    with _opened(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(f"it is larger than {limit >> 20} MiB", damaged=True)
    return data


def read_documents(path: pathlib.Path, limit: int = FILE_LIMIT) -> list[t.Any]:
    """The documents of a file: the items of a JSON list, one JSON document, or one in each line.

    Raises:
        Unreadable: the errors of :func:`read_bytes`; or the file is neither JSON nor NDJSON.
    """
    data = read_bytes(path, limit)
    try:
        try:
            whole = loads_unique(data)
        except ValueError:
            return [loads_unique(line) for line in data.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is damaged", damaged=True) from error
    return whole if isinstance(whole, list) else [whole]


def stream_files(path: pathlib.Path) -> list[pathlib.Path]:
    """The segments of a stream's directory, oldest first; the file itself for any other path.

    Raises:
        Unreadable: the directory cannot be listed.
    """
    try:
        # Names that engines must not read begin with a dot or an underscore.
        return sorted(path.glob("dt=*/[!._]*.ndjson*")) if path.is_dir() else [path]
    except (OSError, ValueError) as error:
        words = reason(error) if isinstance(error, OSError) else "its name cannot be used"
        raise Unreadable(words) from error


def read_stream(path: pathlib.Path, limit: int = FILE_LIMIT) -> list[t.Any]:
    """:func:`read_documents` of a file, or of all segments in the directory of a stream.

    Raises:
        Unreadable: one of them cannot be read.
    """
    return [document for file in stream_files(path) for document in read_documents(file, limit)]

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that were seen, with their content, in twenty bytes each.

This module is private to the collection and may change at any time.

A dictionary of a million texts would take most of the memory that a run may have. Here a key is its 64-bit hash in an
array, which two different keys of a stream share once in a billion runs of a million records; even then a record is
only lost when their contents agree in all 64 bits too.
"""

from __future__ import annotations

import array
import base64
import binascii
import hashlib
import typing as t

_SMALLEST = 1 << 10
_RECORD = 20
"""Bytes of a packed entry: key, content, and time in seconds since 1970."""
_MASK32 = 0xFFFFFFFF
_HEX = 16


def key_digest(key: str) -> int:
    """A key as a number that fits in 64 bits and is never zero."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def content_digest(content: str) -> int:
    """A content hash as a number that fits in 64 bits: itself when it is 16 hexadecimal digits, else its hash."""
    if len(content) == _HEX:
        try:
            return int(content, 16)
        except ValueError:
            pass
    return key_digest(content)


class KeyTable:
    """Key to content and time, in arrays with open addressing. Not safe for several writers at once.

    Times are seconds since 1970, and zero for "before anything that matters".
    """

    def __init__(self) -> None:
        self._clear(_SMALLEST)

    def _clear(self, size: int) -> None:
        self._mask = size - 1
        self._keys = array.array("Q", bytes(8 * size))
        self._contents = array.array("Q", bytes(8 * size))
        self._times = array.array("I", bytes(4 * size))
        self._room = size * 2 // 3
        self.count = 0

    def __len__(self) -> int:
        return self.count

    def put(self, key: int, content: int, time: int) -> int | None:
        """Remember this content of a key; returns the content that it had, or None when it was unknown.

        The key keeps the later one of the two times, so that what still comes is still remembered.
        """
        keys, mask = self._keys, self._mask
        slot = key & mask
        while held := keys[slot]:
            if held == key:
                if time > self._times[slot]:
                    self._times[slot] = time
                before = self._contents[slot]
                self._contents[slot] = content
                return before
            slot = (slot + 1) & mask
        keys[slot] = key
        self._contents[slot] = content
        self._times[slot] = time
        self.count += 1
        if self.count > self._room:
            self._grow()
        return None

    def get(self, key: int) -> int | None:
        """The content of a key, or None when the key is unknown."""
        keys, mask = self._keys, self._mask
        slot = key & mask
        while held := keys[slot]:
            if held == key:
                return self._contents[slot]
            slot = (slot + 1) & mask
        return None

    def entries(self) -> t.Iterator[tuple[int, int, int]]:
        """Every key with its content and time."""
        for slot, key in enumerate(self._keys):
            if key:
                yield key, self._contents[slot], self._times[slot]

    def _grow(self) -> None:
        keys, contents, times = self._keys, self._contents, self._times
        self._clear((self._mask + 1) * 2)
        for slot, key in enumerate(keys):
            if key:
                self.put(key, contents[slot], times[slot])

    def since(self, time: int) -> KeyTable:
        """A new table with what has this time or a later one."""
        kept = KeyTable()
        kept.update(self, time)
        return kept

    def update(self, other: KeyTable, since: int = 0) -> None:
        """Take over what another table knows, from a time on; its contents are the newer ones."""
        for key, content, time in other.entries():
            if time >= since:
                self.put(key, content, time)

    def pack(self) -> str:
        """Everything as text, in a fixed order: entries of key, content (8 bytes each) and time (4), in base64."""
        packed = bytearray()
        for key, content, time in sorted(self.entries()):
            packed += key.to_bytes(8, "big") + content.to_bytes(8, "big") + (time & _MASK32).to_bytes(4, "big")
        return base64.b64encode(bytes(packed)).decode("ascii")

    @classmethod
    def unpack(cls, text: str) -> KeyTable:
        """The table that :meth:`pack` wrote.

        Raises:
            ValueError: the text is none.
        """
        try:
            packed = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError("the keys are damaged") from error
        if len(packed) % _RECORD:
            raise ValueError("the keys are cut off")
        table = cls()
        for place in range(0, len(packed), _RECORD):
            key = int.from_bytes(packed[place : place + 8], "big")
            content = int.from_bytes(packed[place + 8 : place + 16], "big")
            table.put(key or 1, content, int.from_bytes(packed[place + 16 : place + 20], "big"))
        return table

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers keys and their contents, in twenty bytes each.

This module is private to the collection and may change at any time.

A dictionary of a million texts would use most of the memory of a run. Here a key is its 64-bit hash in an array. Two
different keys of a stream have the same hash once in a billion runs of a million records, and even then a record is
only lost if all 64 bits of their contents agree too.
"""

from __future__ import annotations

import array
import base64
import binascii
import hashlib
import typing as t

_SMALLEST = 1 << 10
_RECORD = 20
"""Layout of a packed entry: key, content, and time in seconds since 1970."""
_MASK32 = 0xFFFFFFFF
_HEX = 16


def key_digest(key: str) -> int:
    """Return a key as a number of 64 bits that is never zero."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def content_digest(content: str) -> int:
    """Return a content hash as a number of 64 bits: itself if it has 16 hexadecimal digits, else its hash."""
    if len(content) == _HEX:
        try:
            return int(content, 16)
        except ValueError:
            pass
    return key_digest(content)


class KeyTable:
    """Maps a key to its content and time, in arrays with open addressing. Not safe for concurrent writers.

    Times are seconds since 1970; zero means "older than anything relevant".
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
        """Store the content of a key, and return its previous content, or None if it was unknown.

        The later of the two times is kept, so that the key is remembered as long as it can come again.
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
        """Return the content of a key, or None if the key is unknown."""
        keys, mask = self._keys, self._mask
        slot = key & mask
        while held := keys[slot]:
            if held == key:
                return self._contents[slot]
            slot = (slot + 1) & mask
        return None

    def entries(self) -> t.Iterator[tuple[int, int, int]]:
        """Yield every key with its content and time."""
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
        """Return a new table with the entries of this time or later."""
        kept = KeyTable()
        kept.update(self, time)
        return kept

    def update(self, other: KeyTable, since: int = 0) -> None:
        """Add the entries of another table from a time on; its contents are newer."""
        for key, content, time in other.entries():
            if time >= since:
                self.put(key, content, time)

    def pack(self) -> str:
        """Return all entries as base64 in a fixed order: key and content (8 bytes each) and time (4 bytes)."""
        packed = bytearray()
        for key, content, time in sorted(self.entries()):
            packed += key.to_bytes(8, "big") + content.to_bytes(8, "big") + (time & _MASK32).to_bytes(4, "big")
        return base64.b64encode(bytes(packed)).decode("ascii")

    @classmethod
    def unpack(cls, text: str) -> KeyTable:
        """Return the table that :meth:`pack` wrote.

        Raises:
            ValueError: the text is not a packed table.
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

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers which pairs of key and content were written, in 20 bytes each.

This module is private to the collection and may change at any time.

A set of a million pairs of texts would use most of a run's memory. Here a key and a content are 64 bits each, in
arrays. Two different keys of a stream have the same hash once in a billion runs of a million records, and even then a
record is only lost if all 64 bits of their contents agree too.
"""

from __future__ import annotations

import array
import base64
import binascii
import enum
import hashlib
import typing as t

_SMALLEST = 1 << 6
_RECORD = 20
"""Layout of a packed entry: key, content, and time in seconds since 1970."""
_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF
_HEX = 16
_SPREAD = 0x9E3779B97F4A7C15
"""An odd number that spreads the contents of one key over a table (2**64 divided by the golden ratio)."""


class KeyState(enum.Enum):
    """What a table knows of a pair of key and content."""

    NOTHING = 0
    KEY = 1
    """The key is known, with other contents."""
    PAIR = 2


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
    """A set of (key, content) with a time for each, in arrays with open addressing. Not safe for concurrent writers.

    The first pair of a key is placed by its key; further ones are placed by key and content. So it is cheap to see
    whether a key has any content, and a key with a hundred thousand contents is as fast as any other.

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

    def put(self, key: int, content: int, time: int) -> KeyState:
        """Add a pair, and return what was known of it before.

        The later of the two times is kept, so that a pair is remembered as long as its record can come again.
        """
        slot, known = self._find(key, content)
        if known is KeyState.PAIR:
            if time > self._times[slot]:
                self._times[slot] = time
            return known
        self._keys[slot] = key
        self._contents[slot] = content
        self._times[slot] = time
        self.count += 1
        if self.count > self._room:
            self._grow()
        return known

    def look(self, key: int, content: int) -> KeyState:
        """Return what is known of a pair."""
        return self._find(key, content)[1]

    def _find(self, key: int, content: int) -> tuple[int, KeyState]:
        """The place of a pair, or the free place for it, and what is known."""
        keys, contents, mask = self._keys, self._contents, self._mask
        slot, known = key & mask, KeyState.NOTHING
        while held := keys[slot]:
            if held == key:
                if contents[slot] == content:
                    return slot, KeyState.PAIR
                known = KeyState.KEY
            slot = (slot + 1) & mask
        if known is KeyState.NOTHING:
            return slot, known
        slot = (((key ^ content) * _SPREAD) & _MASK64) >> 17 & mask
        while held := keys[slot]:
            if held == key and contents[slot] == content:
                return slot, KeyState.PAIR
            slot = (slot + 1) & mask
        return slot, known

    def entries(self) -> t.Iterator[tuple[int, int, int]]:
        """Yield every pair with its time."""
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
        """Return a new table with the pairs of this time or later."""
        kept = KeyTable()
        kept.update(self, time)
        return kept

    def update(self, other: KeyTable, since: int = 0) -> None:
        """Add the pairs of another table, from a time on."""
        for key, content, time in other.entries():
            if time >= since:
                self.put(key, content, time)

    def pack(self) -> str:
        """Return all pairs as base64 in a fixed order: key and content (8 bytes each) and time (4 bytes)."""
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

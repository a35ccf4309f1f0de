# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes that a reply is built from, before it becomes XML or JSON (docs/vendors/qualys_was.md 3.2).

Plain values: str, int, float, bool (text in both formats), dict (an object, in order), None (left out).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


class Url(str):
    """A text whose JSON form is ``{"value": ...}``."""

    __slots__ = ()


class Shared(str):
    """A long text that many records hold; it is encoded once for each format."""

    __slots__ = ("number",)
    number: int


@dataclass(frozen=True, slots=True)
class Attributed:
    """A text with XML attributes; in JSON they stand beside ``value``."""

    value: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class QList:
    """A collection: ``count`` and ``list``. ``bare`` items have no object around them in JSON."""

    item: str
    values: list[Any]
    bare: bool = False


@dataclass(frozen=True, slots=True)
class SetList:
    """A collection that is read under ``set``, without count (the history of a finding)."""

    item: str
    values: list[Any]


@dataclass(frozen=True, slots=True)
class Padded:
    """A text that only this record has, followed by as much filler as brings the record to ``target`` bytes."""

    text: str
    target: int


class Null:
    """JSON null; absent in XML."""


NULL = Null()

_SHARED: list[Shared] = []
_NUMBERS: dict[str, Shared] = {}


def shared(text: str) -> Shared:
    """The shared form of a text."""
    known = _NUMBERS.get(text)
    if known is None:
        known = Shared(text)
        known.number = len(_SHARED)
        _NUMBERS[text] = known
        _SHARED.append(known)
    return known


def shared_text(number: int) -> str:
    """The text behind a number."""
    return str(_SHARED[number])


def marker(value: Shared) -> str:
    """What stands for a shared text while a record is encoded; NUL occurs nowhere else."""
    return f"\x00{value.number}\x00"


def pad_marker(value: Padded) -> str:
    """What stands for the filler while a record is encoded."""
    return f"\x00P{value.target}\x00"


_FILLER = b"padding of the recorded response, kept for measurements; "
_STEP = 64


@lru_cache(maxsize=4096)
def _filler(steps: int) -> bytes:
    size = steps * _STEP
    return (_FILLER * (size // len(_FILLER) + 1))[:size]


def assemble(text: str, mark: str, lookup: Callable[[int], bytes]) -> tuple[bytes, ...]:
    """Bytes of an encoded record; the odd parts between marks are shared texts or filler."""
    if mark not in text:
        return (text.encode(),)
    chunks: list[bytes] = []
    pad_at, target = -1, 0
    for index, part in enumerate(text.split(mark)):
        if index % 2 == 0:
            chunks.append(part.encode())
        elif part.startswith("P"):
            pad_at, target = len(chunks), int(part[1:])
            chunks.append(b"")
        else:
            chunks.append(lookup(int(part)))
    if pad_at >= 0:
        chunks[pad_at] = _filler(max(0, target - sum(map(len, chunks))) // _STEP)
    return tuple(chunk for chunk in chunks if chunk)

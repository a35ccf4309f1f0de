# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account has: seeded events, what was added since, and what is gone."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from .events import (
    FIRST_EVENT_ID,
    KINDS,
    VARYING,
    Aim,
    Seed,
    aimed_text,
    event_text,
    kinds_that_match,
    matches,
)

Filters = dict[str, Sequence[str]]
REMEMBERED = 64
"""Windows whose list of events is kept."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a request asks for; times in microseconds since 1970, ``after < time <= until``."""

    after_us: int
    until_us: int
    filters: str
    order: str


class Store:
    """Events of one account. A number below the seed's count is a seeded event, a larger one was added."""

    def __init__(self, seed: Seed, account: str) -> None:
        self.seed = seed
        self.account = account
        self._added: list[int] = []
        self._deleted: set[int] = set()
        self._twins: dict[int, int] = {}
        self._aimed: dict[int, Aim] = {}
        self._lists: dict[Window, Sequence[int]] = {}

    def add(self, times_us: Sequence[int]) -> None:
        """More events, that happened then."""
        self._added.extend(times_us)
        self._lists.clear()

    def add_aimed(self, at_us: int, aim: Aim) -> None:
        """An event that happened then and asks for this address."""
        self._aimed[self.seed.records + len(self._added)] = aim
        self.add([at_us])

    def add_twins(self, numbers: Sequence[int]) -> None:
        """Another event with the id and the time of each of these."""
        for number in numbers:
            self._twins[self.seed.records + len(self._added)] = number
            self._added.append(self.time_us(number))
        self._lists.clear()

    def delete(self, numbers: Sequence[int]) -> None:
        """These are gone."""
        self._deleted.update(numbers)
        self._lists.clear()

    def time_us(self, number: int) -> int:
        """When an event happened."""
        if number < self.seed.records:
            return self.seed.time_us(number)
        return self._added[number - self.seed.records]

    def text(self, number: int) -> str:
        """One event as JSON."""
        ids = self._twins.get(number, number)
        kind = (ids + (ids != number)) % len(KINDS)
        aim = self._aimed.get(number)
        if aim is not None:
            return aimed_text(ids, self.time_us(number), aim, self.account)
        return event_text(ids, self.time_us(number), kind, self.account)

    def numbers(self, window: Window) -> Sequence[int]:
        """The numbers of the events in a window, in the order of its pages."""
        found = self._lists.get(window)
        if found is None:
            found = self._find(window)
            if len(self._lists) >= REMEMBERED:
                self._lists.clear()
            self._lists[window] = found
        return found

    def _find(self, window: Window) -> Sequence[int]:
        seeded: Sequence[int] = self.seed.between(window.after_us, window.until_us)
        first = self.seed.records
        added = [first + place for place, at in enumerate(self._added) if window.after_us < at <= window.until_us]
        if self._deleted or added:
            alive = [number for number in (*seeded, *added) if number not in self._deleted]
            # Newest first, and of equal times the one that was there first.
            seeded = sorted(alive, key=lambda number: (-self.time_us(number), number))
        seeded = self._filtered(seeded, json.loads(window.filters))
        return _ordered(seeded, window.order)

    def _filtered(self, numbers: Sequence[int], filters: Filters) -> Sequence[int]:
        if not filters:
            return numbers
        kinds = kinds_that_match(filters)
        found = [number for number in numbers if number % len(KINDS) in kinds]
        if not any(name in VARYING for name in filters):
            return found
        return [number for number in found if matches(json.loads(self.text(number)), filters)]

    def find(self, wanted: str) -> tuple[int, str] | None:
        """Number and text of the event with this id or Event ID."""
        numbers = range(self.seed.records + len(self._added))
        if wanted.isdecimal():
            # An Event ID tells its number; only ids have to be looked for.
            number = int(wanted) - FIRST_EVENT_ID
            numbers = range(number, number + 1) if number in numbers else range(0)
        for number in numbers:
            if number in self._deleted:
                continue
            text = self.text(number)
            if f'"{wanted}"' in text:
                fields = json.loads(text)
                if wanted in (fields["id"], fields.get("Event ID")):
                    return number, text
        return None


def _ordered(numbers: Sequence[int], order: str) -> Sequence[int]:
    if order == "oldest_first":
        return numbers[::-1]
    if order == "random":
        shuffled = list(numbers)
        random.Random(1).shuffle(shuffled)
        return shuffled
    return numbers

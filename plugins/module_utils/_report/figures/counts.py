# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts words in bounded memory, however many different words there are.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import heapq
import typing as t

K = t.TypeVar("K", bound=t.Hashable)


class TopCounts(t.Generic[K]):
    """Counts how often each word occurs, and how often in something bad, such as an attack that was not blocked.

    When there are more than ``limit`` words, the rarer half is forgotten. The other counts may then be too low by at
    most ``missed``; every word that occurred more often than that is still there.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.missed = 0
        self._counts: dict[K, list[int]] = {}

    def add(self, word: K, bad: int = 0) -> None:
        """Count one occurrence; ``bad`` is 1 for a bad one, else 0."""
        found = self._counts.get(word)
        if found is None:
            if len(self._counts) >= self.limit:
                self._forget()
            self._counts[word] = [1, bad]
        else:
            found[0] += 1
            found[1] += bad

    def _forget(self) -> None:
        ranked = sorted((counts[0] for counts in self._counts.values()), reverse=True)
        border = ranked[len(ranked) // 2]
        self.missed += border
        kept = {word: counts for word, counts in self._counts.items() if counts[0] > border}
        self._counts = kept

    @property
    def exact(self) -> bool:
        """Whether no word was forgotten, so that all counts are exact."""
        return not self.missed

    def __len__(self) -> int:
        """The number of words, without those that were forgotten."""
        return len(self._counts)

    def get(self, word: K) -> tuple[int, int]:
        """All and bad occurrences of a word."""
        found = self._counts.get(word)
        return (found[0], found[1]) if found else (0, 0)

    def items(self) -> t.Iterator[tuple[K, int, int]]:
        """Each word with all and bad occurrences, in no order."""
        return ((word, counts[0], counts[1]) for word, counts in self._counts.items())

    def top(self, number: int) -> list[tuple[K, int, int]]:
        """The words with the most bad occurrences, then with the most occurrences; equal ones by their text."""
        return heapq.nsmallest(number, self.items(), key=lambda item: (-item[2], -item[1], str(item[0])))

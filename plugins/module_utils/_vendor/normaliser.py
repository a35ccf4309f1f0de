# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all vendors' normalisers: options that decide what is stored, and a count of unknown values.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import collections
import typing as t

from .._records.codec import dumps
from .client import Raw

SHOWN = 40
"""Characters of an unknown word that are kept, because an attacker may have chosen it."""
MOST_WORDS = 100
"""Unknown words that are counted separately; all others are counted together, because an attacker can make up many."""
OTHERS = "others"


def raw_text(raw: Raw) -> str:
    """Return a vendor's object as JSON text, so that query engines find one schema for all lines of a file."""
    return dumps(raw).decode()


class Normaliser:
    """Turns a vendor's objects into records. Each thread has its own.

    Args:
        keep_sensitive: keep cookies, credentials, tokens and matched values.
        include_raw: add the vendor's original object as ``raw``.
        raw_as: converts the object for storage; :func:`raw_text` for a file.

    Attributes:
        unknown: values of the vendor that this version does not know, with their counts.
    """

    def __init__(
        self, *, keep_sensitive: bool = False, include_raw: bool = False, raw_as: t.Callable[[Raw], t.Any] = dict
    ) -> None:
        self._keep = keep_sensitive
        self._include_raw = include_raw
        self._raw_as = raw_as
        self.unknown: collections.Counter[str] = collections.Counter()

    def _count(self, word: str, times: int = 1) -> None:
        """Count an unknown word."""
        self.unknown[word if word in self.unknown or len(self.unknown) < MOST_WORDS else OTHERS] += times

    def _count_value(self, field: str, value: t.Any) -> None:
        """Count an unknown value of a field; None does not count."""
        if value is not None:
            self._count(f"{field}={str(value)[:SHOWN]}")

    def _with_raw(self, record: Raw, raw: Raw) -> t.Any:
        """Return the record, with the vendor's object in it if requested."""
        if self._include_raw:
            record["raw"] = self._raw_as(raw)
        return record

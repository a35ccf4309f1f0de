# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that know when they changed, and tables sorted by id."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


class Record(dict[str, Any]):
    """One vendor object; any direct change of a field drops the bytes encoded from it.

    A change deeper inside (``record["config"]["x"] = 1``) cannot be noticed: call ``touch()`` after it.
    """

    __slots__ = ("encoded", "table", "version")

    def __init__(self, fields: dict[str, Any] | None = None) -> None:
        super().__init__(fields or {})
        self.encoded: dict[tuple[str, str], tuple[int, tuple[bytes, ...]]] = {}
        self.table: Table | None = None
        self.version = 0

    def touch(self) -> None:
        """Forget the encoded bytes."""
        self.encoded.clear()
        self.version += 1
        if self.table is not None:
            self.table.generation += 1

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.touch()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.touch()

    def pop(self, key: str, *default: Any) -> Any:
        value = super().pop(key, *default)
        self.touch()
        return value

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update(*args, **kwargs)
        self.touch()

    def setdefault(self, key: str, default: Any = None) -> Any:
        value = super().setdefault(key, default)
        self.touch()
        return value


class Table(dict[int, Record]):
    """Records by id, with the ids kept sorted so that a keyset search never scans."""

    def __init__(self, first_id: int) -> None:
        super().__init__()
        self.ids: list[int] = []
        self.generation = 0
        self.next_id = first_id

    def new_id(self) -> int:
        """An id above every id given before."""
        number = self.next_id
        self.next_id += 1
        return number

    def __setitem__(self, key: int, value: dict[str, Any]) -> None:
        record = value if isinstance(value, Record) else Record(value)
        if key not in self:
            self._insert_id(key)
        record.table = self
        super().__setitem__(key, record)
        self.generation += 1

    def _insert_id(self, key: int) -> None:
        if not self.ids or key > self.ids[-1]:
            self.ids.append(key)
        else:
            bisect.insort(self.ids, key)
        self.next_id = max(self.next_id, key + 1)

    def __delitem__(self, key: int) -> None:
        super().__delitem__(key)
        del self.ids[bisect.bisect_left(self.ids, key)]
        self.generation += 1

    def pop(self, key: int, *default: Any) -> Any:
        if key not in self:
            return super().pop(key, *default)
        record = self[key]
        del self[key]
        return record

    def remove_many(self, keys: Iterable[int]) -> None:
        """Delete records in one pass over the id list."""
        gone = set(keys) & self.keys()
        for key in gone:
            super().__delitem__(key)
        self.ids = [key for key in self.ids if key in self]
        self.generation += 1

    def clear(self) -> None:
        super().clear()
        self.ids.clear()
        self.generation += 1

    def between(self, above: int | None, below: int | None) -> tuple[int, int]:
        """Positions in ``ids`` of the keys strictly above and strictly below the bounds."""
        low = 0 if above is None else bisect.bisect_right(self.ids, above)
        high = len(self.ids) if below is None else bisect.bisect_left(self.ids, below)
        return low, max(low, high)

    def in_order(self) -> Iterator[Record]:
        """Records by ascending id."""
        return (self[key] for key in self.ids)

    def known(self, keys: Sequence[int]) -> bool:
        """Whether every key exists."""
        return all(key in self for key in keys)

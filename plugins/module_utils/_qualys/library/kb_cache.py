# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of knowledge base entries under ``state_dir``.

This module is private to the collection and may change at any time.

One file has the entries of a hundred consecutive QIDs. It is replaced as a whole, so that readers never see a part of
it. Concurrent writers may overwrite each other's additions, which are then fetched again. A file that cannot be parsed
counts as empty and is replaced: a cache must not make a task fail.
"""

from __future__ import annotations

import collections
import datetime as dt
import pathlib
import typing as t

from ..._base.errors import StateError
from ..._base.files import PRIVATE, read_unlinked, reason, remove_leftovers, replace_file
from ..._records.codec import dumps, loads
from ..._records.times import parse_time, utc_text
from ..._state.directory import state_directory

Entry = dict[str, t.Any]

FOLDER = "qualys_kb"
SCHEMA = 1
_NEIGHBOURS = 100
UNKNOWN_AGE = dt.timedelta(days=1)
"""Maximum age of the information that Qualys does not know a QID, because the QID may be published later."""

_Kept = dict[str, t.Any]
"""``fetched`` (time) and ``entry``, which is None for a QID that Qualys did not know."""


class Cache:
    """The cached entries of one subscription.

    Args:
        folder: directory of the files; None disables the cache.
        write: False in check mode.
        now: the current time; replaced in tests.
    """

    def __init__(self, folder: pathlib.Path | None, *, write: bool = True, now: dt.datetime | None = None) -> None:
        self._folder = folder
        self._write = write
        self._now = now or dt.datetime.now(dt.UTC)
        self.warnings: list[str] = []

    @classmethod
    def open(cls, state_dir: str | None, environ: t.Mapping[str, str], account: str, *, write: bool) -> Cache:
        """Return the cache of an account under ``state_dir``; a disabled one, with a warning, if it cannot be used."""
        try:
            return cls(state_directory(state_dir, environ, create=write) / FOLDER / account, write=write)
        except StateError as error:
            cache = cls(None, write=write)
            cache.warnings.append(f"The knowledge base is not cached: {error}")
            return cache

    def read(self, qids: t.Iterable[int], max_age: dt.timedelta) -> dict[int, Entry | None]:
        """Return the cached entries up to this age; None for a QID that Qualys did not know recently."""
        found: dict[int, Entry | None] = {}
        for shard, members in _by_shard(qids).items():
            kept = self._load(shard)
            for qid in members:
                item = kept.get(str(qid))
                if item is not None and self._fresh(item, max_age):
                    found[qid] = item["entry"]
        return found

    def write(self, entries: t.Mapping[int, Entry | None]) -> None:
        """Store entries that were just fetched."""
        if self._folder is None or not self._write or not entries:
            return
        fetched = utc_text(self._now.replace(microsecond=0))
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for shard, members in _by_shard(entries).items():
                kept = self._load(shard) | {str(qid): {"fetched": fetched, "entry": entries[qid]} for qid in members}
                remove_leftovers(self._path(self._folder, shard))
                with replace_file(self._path(self._folder, shard), mode=PRIVATE) as file:
                    file.write(dumps({"schema": SCHEMA, "entries": kept}))
        except OSError as error:
            self.warnings.append(
                f"The knowledge base is not cached: {self._folder} cannot be written: {reason(error)}."
            )

    def _path(self, folder: pathlib.Path, shard: int) -> pathlib.Path:
        return folder / f"{shard}.json"

    def _load(self, shard: int) -> dict[str, _Kept]:
        if self._folder is None:
            return {}
        try:
            document = loads(read_unlinked(self._path(self._folder, shard)))
        except (OSError, ValueError):
            return {}
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            return {}
        entries = document.get("entries")
        if not isinstance(entries, dict):
            return {}
        return {qid: item for qid, item in entries.items() if _sound(qid, item)}

    def _fresh(self, item: _Kept, max_age: dt.timedelta) -> bool:
        age = self._now - parse_time(item["fetched"])
        limit = max_age if item["entry"] is not None else min(max_age, UNKNOWN_AGE)
        # A time in the future comes from a clock that was wrong, so the age is unknown.
        return dt.timedelta(0) <= age < limit


def _by_shard(qids: t.Iterable[int]) -> dict[int, list[int]]:
    shards: dict[int, list[int]] = collections.defaultdict(list)
    for qid in qids:
        shards[qid // _NEIGHBOURS].append(qid)
    return shards


def _sound(qid: str, item: t.Any) -> bool:
    """Return whether an entry of a file has the form that :meth:`Cache.write` writes."""
    if not isinstance(item, dict) or "entry" not in item:
        return False
    entry = item["entry"]
    try:
        parse_time(item["fetched"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return entry is None or (isinstance(entry, dict) and str(entry.get("qid")) == qid)

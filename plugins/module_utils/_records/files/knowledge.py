# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scanner's knowledge base as a file: what its rules mean, and how to fix what they find.

This module is private to the collection and may change at any time.

The vendor's texts are HTML and untrusted, like all other data, so they are reduced to plain text here. No vendor markup
ever reaches an output.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

from ..._base.errors import FileError
from ..coerce import items
from ..plain import plain_text
from .ndjson import Unreadable, read_documents

TEXTS = ("diagnosis", "consequence", "solution")
"""The texts of an entry."""
_MARKUP_LIMIT = 200_000
_CVES = 100
_CVE = re.compile(r"CVE-\d{4}-\d{4,10}", re.IGNORECASE)
_SOURCE = "qualys"
_HINT = "Give a file that qualys_kb_info wrote to its dest, or a JSON list of its entries."

Entry = t.Mapping[str, t.Any]
Key = tuple[str, str]
"""Source and rule id."""
Entries = dict[Key, dict[str, t.Any]]


def words_of(entry: Entry, name: str) -> str | None:
    """One text of an entry in plain text: the vendor's plain version, else its HTML without the markup."""
    plain, markup = entry.get(f"{name}_text"), entry.get(name)
    if not isinstance(plain, str) or not plain.strip():
        # A longer text is not meant for people, and there is no need to parse it.
        plain = plain_text(markup[:_MARKUP_LIMIT]) if isinstance(markup, str) else None
    return plain.strip() if plain else None


def cves_of(entry: Entry) -> list[str]:
    """The CVEs of an entry, sorted. Values that are not a CVE are left out."""
    found = (item.strip().upper() for item in items(entry.get("cves"))[:1000] if isinstance(item, str))
    return sorted({item for item in found if _CVE.fullmatch(item)})[:_CVES]


def read_knowledge(path: pathlib.Path) -> Entries:
    """The entries of a file: a JSON list of them, an object with ``entries``, or one entry in each line (NDJSON).

    Raises:
        FileError: the file cannot be read, or has none of these forms.
    """
    try:
        return dict(_keyed(_sourced(read_documents(path))))
    except Unreadable as error:
        if not error.damaged:
            raise FileError(f"knowledge: cannot read {path}: {error}.", hint=_HINT) from error
        raise FileError(f"knowledge: {path} holds no entries of a knowledge base: {error}.", hint=_HINT) from error
    except ValueError as error:
        raise FileError(f"knowledge: {path} holds no entries of a knowledge base.", hint=_HINT) from error


def _sourced(documents: list[t.Any]) -> list[tuple[str, t.Any]]:
    """Each entry with its source."""
    whole = documents[0] if len(documents) == 1 else None
    if isinstance(whole, dict) and "qid" not in whole:
        listed, source = whole.get("entries"), whole.get("source")
        if whole.get("schema", 1) != 1 or not isinstance(listed, list):
            raise ValueError("not a list of entries")
        return [(source if isinstance(source, str) else _SOURCE, item) for item in listed]
    return [(_SOURCE, item) for item in documents]


def _keyed(documents: t.Iterable[tuple[str, t.Any]]) -> t.Iterator[tuple[Key, dict[str, t.Any]]]:
    for source, entry in documents:
        qid = entry.get("qid") if isinstance(entry, dict) else None
        if isinstance(qid, bool) or not isinstance(qid, (int, str)) or not str(qid).strip():
            raise ValueError("not an entry")
        yield (source, str(qid).strip()), entry

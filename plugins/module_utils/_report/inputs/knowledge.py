# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules mean and how they are fixed: the knowledge base of a scanner, joined to the rules that were found.

This module is private to the collection and may change at any time.

The vendor's texts are HTML, and data like everything else: they are reduced to plain words here, and every writer
escapes those as it escapes a title. No markup of the vendor ever reaches an output.
"""

from __future__ import annotations

import pathlib
import re
import typing as t

from ..._base.errors import FileError
from ..._records.coerce import items
from ..._records.files.ndjson import Unreadable, read_documents
from ..._records.model import SEVERITIES, Finding
from ..._records.plain import plain_text
from .. import text
from . import model

TEXT_CHARACTERS = 20_000
"""How much of each text any format keeps."""
_MARKUP_LIMIT = 200_000
_CVES = 100
_CVE = re.compile(r"CVE-\d{4}-\d{4,10}", re.IGNORECASE)
_SOURCE = "qualys"
_HINT = "Give a file that qualys_kb_info wrote to its dest, or a JSON list of its entries."
FIELDS: tuple[tuple[str, str], ...] = (
    ("diagnosis", "Diagnosis"),
    ("consequence", "Consequence"),
    ("solution", "Solution"),
)
"""The texts of an entry and their headings, in the order in which they are shown."""

Key = tuple[str, str]
"""Source and rule id."""
Entries = dict[Key, dict[str, t.Any]]


class RuleTally:
    """Which rules occur in the findings; filled while the findings are walked for their figures anyway."""

    def __init__(self) -> None:
        self._rules: dict[Key, model.RuleKnowledge] = {}

    def add(self, finding: Finding, state: str) -> None:
        """Count one finding. The first of a rule is its worst, as findings come worst first."""
        rule_id = finding["rule_id"]
        # Imported findings have the rule 0, which no knowledge base knows.
        if not rule_id or rule_id == "0":
            return
        key = (finding["source"], rule_id)
        rule = self._rules.get(key)
        if rule is None:
            rule = self._rules[key] = model.RuleKnowledge(
                source=finding["source"],
                rule_id=rule_id,
                title=model.title_label(finding),
                severity=finding["severity"],
                findings=0,
                open=0,
                diagnosis=None,
                consequence=None,
                solution=None,
                cves=[],
            )
        rule["findings"] += 1
        if state == "open":
            if not rule["open"]:
                rule["severity"] = finding["severity"]
            rule["open"] += 1

    def joined(self, entries: Entries) -> tuple[tuple[model.RuleKnowledge, ...], int]:
        """The rules that have an entry, those with open risks first, worst first; and how many have none."""
        known = [_joined(rule, entries[key]) for key, rule in self._rules.items() if key in entries]
        sources = {source for source, _rule_id in entries}
        unknown = sum(key not in entries for key in self._rules if not sources or key[0] in sources)
        return tuple(sorted(known, key=_worst_first)), unknown


def _worst_first(rule: model.RuleKnowledge) -> tuple[t.Any, ...]:
    rank = SEVERITIES.index(rule["severity"])
    return (not rule["open"], rank, -rule["open"], -rule["findings"], rule["source"], rule["rule_id"])


def _joined(rule: model.RuleKnowledge, entry: dict[str, t.Any]) -> model.RuleKnowledge:
    found = rule.copy()
    title = entry.get("title")
    if isinstance(title, str) and title.strip():
        found["title"] = text.clip(title.strip(), model.FIELD_CHARACTERS)
    found["diagnosis"] = words_of(entry, "diagnosis")
    found["consequence"] = words_of(entry, "consequence")
    found["solution"] = words_of(entry, "solution")
    found["cves"] = _cves(entry.get("cves"))
    return found


def words_of(entry: t.Mapping[str, t.Any], name: str) -> str | None:
    """One text of an entry in plain words: the one that is plain already, else the vendor's HTML without its markup."""
    plain, markup = entry.get(f"{name}_text"), entry.get(name)
    if not isinstance(plain, str) or not plain.strip():
        # What is longer is no text for people, and a parser need not be fed with it.
        plain = plain_text(markup[:_MARKUP_LIMIT]) if isinstance(markup, str) else None
    return text.clip(plain.strip(), TEXT_CHARACTERS) if plain else None


def _cves(value: t.Any) -> list[str]:
    found = (item.strip().upper() for item in items(value)[:1000] if isinstance(item, str))
    return sorted({item for item in found if _CVE.fullmatch(item)})[:_CVES]


def read_knowledge(path: pathlib.Path) -> Entries:
    """The entries of a file: a JSON list of them, an object with ``entries``, or one entry in each line (NDJSON).

    Raises:
        FileError: the file cannot be read, or is none of these.
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

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans and matches: small inputs that are given as records, or as files of them.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import datetime as dt
import pathlib
import typing as t

from ..._base.errors import PolicyError
from ..._base.log_text import short
from ..._records.coerce import bounded, mapping
from ..._records.files.ndjson import Unreadable, read_stream
from ..._records.identity import AppKey, app_key
from ..._records.model import IMAGE_SOURCES, MATCH_CLASSES, SCHEMA
from ..._records.times import read_time
from .facts import Record

Problem = tuple[str, str]


def read_records(given: t.Iterable[t.Any], option: str, kind: str) -> tuple[list[Record], list[Problem]]:
    """Records of one kind.

    Args:
        given: records, paths of NDJSON or JSON files (gzip too), and directories of a stream.
        option: the option, for messages.
        kind: what ``record`` has to say.

    Returns:
        The records, and what could not be read, as pairs of a code and a sentence.

    Raises:
        PolicyError: an item of the option is neither a record nor a path.
    """
    records: list[Record] = []
    problems: list[Problem] = []
    for index, item in enumerate(given):
        if isinstance(item, dict):
            found = [item]
            where = f"{option}[{index}]"
        elif isinstance(item, str) and item:
            where = pathlib.PurePath(item).name
            found = _from_files(pathlib.Path(item).expanduser(), where, option, problems)
        else:
            raise PolicyError(f"{option}[{index}] is neither a record nor a path.", hint="Give one of them.")
        before = len(records) + len(problems)
        for record in found:
            _take(record, kind, where, option, records, problems)
        if found and len(records) + len(problems) == before:
            problems.append((f"{option}_unreadable", f"{where} holds no record of kind {kind}"))
    return records, problems


def _take(record: t.Any, kind: str, where: str, option: str, records: list[Record], problems: list[Problem]) -> None:
    if not isinstance(record, dict) or "record" not in record or record.get("schema") != SCHEMA:
        problem = (f"{option}_unreadable", f"{where} holds something that is not a record of this version")
        if problem not in problems:
            problems.append(problem)
    elif record["record"] == "gap":
        problems.append((f"{option}_incomplete", f"{where} has a gap: data is missing"))
    elif record["record"] == kind:
        records.append(record)


def _from_files(path: pathlib.Path, where: str, option: str, problems: list[Problem]) -> list[t.Any]:
    try:
        return read_stream(path)
    except Unreadable as error:
        problems.append((f"{option}_unreadable", f"{where} cannot be read: {error}"))
        return []


def is_image(scan: Record) -> bool:
    """Whether a scan is of a container image."""
    return str(scan.get("source")).startswith(IMAGE_SOURCES)


def scan_time(scan: Record) -> str:
    """When a scan ended, or was launched; sorts as text."""
    return bounded(scan.get("ended")) or bounded(scan.get("time")) or ""


def newest_scans(scans: t.Iterable[Record]) -> dict[AppKey, Record]:
    """The scan that speaks for each application: the newest by its launch; a discovery scan only if there is no other.

    A running scan is newer than the finished one before it, and then decides: nothing is known until it ends.
    """
    chosen: dict[AppKey, Record] = {}
    for scan in scans:
        key = app_key(bounded(scan.get("source")) or "unknown", mapping(scan.get("asset")))
        if key not in chosen or _weight(scan) > _weight(chosen[key]):
            chosen[key] = scan
    return chosen


def _weight(scan: Record) -> tuple[bool, bool, dt.datetime, bool, str, str]:
    launched = read_time(scan.get("time"))
    # One that says no time may be the newest of all.
    when = launched or dt.datetime.min.replace(tzinfo=dt.UTC)
    doubtful = scan.get("status") != "finished" or scan.get("conclusive") is not True
    # The last one only keeps their order from deciding.
    order = bounded(scan.get("id")) or "", repr(sorted(scan.items(), key=str))
    return scan.get("kind") != "discovery", launched is None, when, doubtful, *order


class AttackMatches:
    """What is known about attacks on findings: whether the firewall in front blocked them."""

    def __init__(self, records: t.Iterable[Record]) -> None:
        self._outcomes: dict[str, str] = {}
        self._classes: dict[str, str] = {}
        for record in records:
            outcome, attack = _outcome_of(record), _class_of(record)
            for name in identities(mapping(record.get("finding"))):
                self._classes[name] = min(attack, self._classes.get(name, attack), key=MATCH_CLASSES.index)
                # Blocked only if nothing says otherwise.
                if outcome is not None and self._outcomes.setdefault(name, outcome) != outcome:
                    self._outcomes[name] = "mixed"

    def attack(self, names: t.Iterable[str]) -> str | None:
        """The worst that is known about a finding, one of ``MATCH_CLASSES``; None when there is no record of it."""
        found = [self._classes[name] for name in names if name in self._classes]
        return min(found, key=MATCH_CLASSES.index, default=None)

    def outcome(self, names: t.Iterable[str]) -> str | None:
        """``blocked``, ``allowed`` or ``mixed``; None when nothing is known about the finding."""
        if not self._outcomes:
            return None
        found = {self._outcomes[name] for name in names if name in self._outcomes}
        return None if not found else found.pop() if len(found) == 1 else "mixed"


def _outcome_of(record: Record) -> str | None:
    """What became of the attacks; None where the record says that none was seen. What cannot be read is ``mixed``."""
    outcome = record.get("outcome")
    if outcome is None and record.get("class") in MATCH_CLASSES[2:]:
        return None
    return outcome if outcome in ("blocked", "allowed") else "mixed"


def _class_of(record: Record) -> str:
    """One of ``MATCH_CLASSES``: of what the record says in two ways, the worse holds."""
    outcome = _outcome_of(record)
    told = record.get("class") if record.get("class") in MATCH_CLASSES else MATCH_CLASSES[-1]
    if outcome is None:
        return str(told)
    return min(str(told), "blocked" if outcome == "blocked" else MATCH_CLASSES[0], key=MATCH_CLASSES.index)


def identities(finding: Record) -> list[str]:
    """The names that a finding can be referred to by; the exact ones only, as a fingerprint may be shared."""
    source, identity, unique = (bounded(finding.get(name)) for name in ("source", "id", "unique_id"))
    names = [f"u:{unique}"] if unique else []
    return names + ([f"i:{source}:{short(identity, 200)}"] if identity else [])

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads scans and matches, which are given as records or as files of records.

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
    """Read the records of one kind.

    Args:
        given: records, paths of NDJSON or JSON files, which may be compressed with gzip, and stream directories.
        option: name of the option, for messages.
        kind: the required value of ``record``.

    Returns:
        The records, and the problems as pairs of a code and a sentence.

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
    """Return when a scan ended or, if that is unknown, was launched; empty if neither is known. Sortable as text."""
    return bounded(scan.get("ended")) or bounded(scan.get("time")) or ""


def newest_scans(scans: t.Iterable[Record]) -> dict[AppKey, Record]:
    """Return the scan to judge for each application: the one launched last. Discovery scans only if there is no other.

    A running scan that was launched after a finished one is chosen, so there is no conclusion until it ends.
    """
    chosen: dict[AppKey, Record] = {}
    for scan in scans:
        key = app_key(bounded(scan.get("source")) or "unknown", mapping(scan.get("asset")))
        if key not in chosen or _weight(scan) > _weight(chosen[key]):
            chosen[key] = scan
    return chosen


def _weight(scan: Record) -> tuple[bool, bool, dt.datetime, bool, str, str]:
    launched = read_time(scan.get("time"))
    # A scan without a time could be the newest of all.
    when = launched or dt.datetime.min.replace(tzinfo=dt.UTC)
    doubtful = scan.get("status") != "finished" or scan.get("conclusive") is not True
    # The whole record comes last, so that the order of the input never decides.
    order = bounded(scan.get("id")) or "", repr(sorted(scan.items(), key=str))
    return scan.get("kind") != "discovery", launched is None, when, doubtful, *order


class AttackMatches:
    """The results of correlation: whether findings were attacked, and whether the firewall blocked the attacks."""

    def __init__(self, records: t.Iterable[Record]) -> None:
        self._outcomes: dict[str, str] = {}
        self._classes: dict[str, str] = {}
        for record in records:
            outcome, attack = _outcome_of(record), _class_of(record)
            for name in identities(mapping(record.get("finding"))):
                self._classes[name] = min(attack, self._classes.get(name, attack), key=MATCH_CLASSES.index)
                # A finding is blocked only if all its matches are.
                if outcome is not None and self._outcomes.setdefault(name, outcome) != outcome:
                    self._outcomes[name] = "mixed"

    def attack(self, names: t.Iterable[str]) -> str | None:
        """Return the worst class of a finding's matches, one of ``MATCH_CLASSES``; None without a match.

        Args:
            names: the names of the finding, in the form of :func:`identities`.
        """
        found = [self._classes[name] for name in names if name in self._classes]
        return min(found, key=MATCH_CLASSES.index, default=None)

    def outcome(self, names: t.Iterable[str]) -> str | None:
        """Return ``blocked``, ``allowed`` or ``mixed``; None if no attack on the finding is known."""
        if not self._outcomes:
            return None
        found = {self._outcomes[name] for name in names if name in self._outcomes}
        return None if not found else found.pop() if len(found) == 1 else "mixed"


def _outcome_of(record: Record) -> str | None:
    """Return the outcome of the attacks; None if the record says there were none. An unknown value is ``mixed``."""
    outcome = record.get("outcome")
    if outcome is None and record.get("class") in MATCH_CLASSES[2:]:
        return None
    return outcome if outcome in ("blocked", "allowed") else "mixed"


def _class_of(record: Record) -> str:
    """Return one of ``MATCH_CLASSES``. If ``class`` and ``outcome`` of the record disagree, the worse counts."""
    outcome = _outcome_of(record)
    told = record.get("class") if record.get("class") in MATCH_CLASSES else MATCH_CLASSES[-1]
    if outcome is None:
        return str(told)
    return min(str(told), "blocked" if outcome == "blocked" else MATCH_CLASSES[0], key=MATCH_CLASSES.index)


def identities(finding: Record) -> list[str]:
    """Return the names that identify a finding exactly. Findings may share a fingerprint, so it is not among them."""
    source, identity, unique = (bounded(finding.get(name)) for name in ("source", "id", "unique_id"))
    names = [f"u:{unique}"] if unique else []
    return names + ([f"i:{source}:{short(identity, 200)}"] if identity else [])

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
from ..._records.model import SCHEMA
from ..._records.times import read_time
from .facts import Record

Problem = tuple[str, str]
IMAGE_SOURCES = ("carbon_black",)
"""Sources whose scans are of container images, and have counts instead of findings."""


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


class Matches:
    """What is known about attacks on findings: whether the firewall in front blocked them."""

    def __init__(self, records: t.Iterable[Record]) -> None:
        self._outcomes: dict[str, str] = {}
        for record in records:
            finding = mapping(record.get("finding"))
            outcome = record.get("outcome") if record.get("outcome") in ("blocked", "allowed") else "mixed"
            for name in identities(finding):
                # Blocked only if nothing says otherwise.
                known = self._outcomes.setdefault(name, str(outcome))
                if known != outcome:
                    self._outcomes[name] = "mixed"

    def outcome(self, names: t.Iterable[str]) -> str | None:
        """``blocked``, ``allowed`` or ``mixed``; None when nothing is known about the finding."""
        if not self._outcomes:
            return None
        found = {self._outcomes[name] for name in names if name in self._outcomes}
        return None if not found else found.pop() if len(found) == 1 else "mixed"


def identities(finding: Record) -> list[str]:
    """The names that a finding can be referred to by; the exact ones only, as a fingerprint may be shared."""
    source, identity, unique = (bounded(finding.get(name)) for name in ("source", "id", "unique_id"))
    names = [f"u:{unique}"] if unique else []
    return names + ([f"i:{source}:{short(identity, 200)}"] if identity else [])

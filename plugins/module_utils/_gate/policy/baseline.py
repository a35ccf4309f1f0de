# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The baseline: what the last passing run counted, which decides what is new.

This module is private to the collection and may change at any time.

It is frozen: between two updates it never learns anything. Beside it stands a list of the findings in it that were seen
to be gone or reopened since. Without that list a reappearance would be new only until the next scan, because Qualys
calls a finding REOPENED once and ACTIVE from then on. The list only ever makes the gate stricter.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import typing as t

from ..._base.errors import FileError, PolicyError
from ..._base.files import PRIVATE, check_target, check_writable, reason, replace_file, sha256_of
from ..._records import codec
from ..._records.changes import Sighting, what_changed
from ..._records.identity import AppKey
from ..._records.policy.documents import Document, read_document
from ..inputs.facts import RANKS
from .rules import NEW_STATES
from .schemas import BASELINE
from .validate import validate

SIZE_LIMIT = 1 << 30
_MARKS_SUFFIX = ".gone.json"


_RESOLVED = Sighting("fixed", "unknown")

Places = dict[str, list[str]]
"""Severities by key: each is a place that one finding of that identity takes."""


def merged(first: t.Mapping[str, t.Sequence[str]], second: t.Mapping[str, t.Sequence[str]]) -> Places:
    """The places that are in either, each as often as it is in the one that has more of it."""
    return {
        key: sorted((collections.Counter(first.get(key, ())) | collections.Counter(second.get(key, ()))).elements())
        for key in {**first, **second}
    }


def without(places: t.Mapping[str, t.Sequence[str]], taken: t.Mapping[str, t.Sequence[str]]) -> Places:
    """The places less those that are taken; keys without any are left out."""
    left = {
        key: list((collections.Counter(found) - collections.Counter(taken.get(key, ()))).elements())
        for key, found in places.items()
    }
    return {key: found for key, found in left.items() if found}


def _pick(left: list[str], severity: str) -> str:
    """The place that a finding takes.

    The least that is bad enough, so that worse ones are left for worse findings.
    """
    enough = [place for place in left if RANKS[place] <= RANKS[severity]]
    return max(enough, key=RANKS.__getitem__) if enough else min(left, key=RANKS.__getitem__)


class Twin(t.NamedTuple):
    """One of the findings of an identity: ``again`` if its source calls it reopened; ``weight`` orders like ones."""

    severity: str
    again: bool
    weight: tuple[t.Any, ...]


@dataclasses.dataclass
class Section:
    """What the baseline knows about one application.

    Attributes:
        left: places that no finding took yet.
        reopened: keys of findings that were called reopened then, and how many of each are left.
        gone: places that were seen to be empty, or reopened, since.
        resurfaced: places that findings of this run came back to.
        waived: the severities that waived findings had, by key.
    """

    time: str
    scan: dict[str, t.Any] | None
    left: Places
    reopened: collections.Counter[str]
    gone: Places
    raw: dict[str, t.Any]
    resurfaced: Places = dataclasses.field(default_factory=dict)
    waived: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)

    def state_of(self, key: str | None, severity: str, *, again: bool) -> str:
        """Return whether a counted finding is new, reopened, escalated or known.

        Each finding of the same identity takes one place. Where there may be several, :meth:`states_of` asks for all.

        Args:
            key: what makes it the same finding from run to run.
            severity: by which it is judged.
            again: whether its source calls it reopened.
        """
        change = what_changed(self._before(key, severity, again), Sighting("open", severity))
        return change if change in NEW_STATES else "known"

    def states_of(self, key: str, twins: t.Sequence[Twin]) -> list[str]:
        """Return the states of all findings of one identity, whatever their order is.

        Those of a severity that the baseline has take their places first. Of the others, and of like ones, the milder,
        and those that fewer rules are about: what is left without a place is the worse, and counts.
        """

        def mild_first(index: int) -> tuple[t.Any, ...]:
            return twins[index].again, -RANKS[twins[index].severity], twins[index].weight

        free, same, others = collections.Counter(self.left.get(key, ())), list[int](), list[int]()
        for index in sorted(range(len(twins)), key=mild_first):
            severity = twins[index].severity
            (same if free[severity] > 0 else others).append(index)
            free[severity] -= 1
        states = {
            index: self.state_of(key, twins[index].severity, again=twins[index].again) for index in (*same, *others)
        }
        return [states[index] for index in range(len(twins))]

    def _before(self, key: str | None, severity: str, again: bool) -> Sighting | None:
        """Return where the finding stood when the baseline was made, or since; None if it was not there."""
        left = self.left.get(key) if key else None
        if key is None or not left:
            return _RESOLVED if again or key in self.gone else None
        place = _pick(left, severity)
        # Of two like places, the one that was never empty goes first.
        was_gone = self.gone.get(key, []).count(place) >= left.count(place)
        left.remove(place)
        was_known_to_be = again and self.reopened[key] > 0
        self.reopened[key] -= was_known_to_be
        if was_gone or (again and not was_known_to_be):
            self.resurfaced.setdefault(key, []).append(place)
            return _RESOLVED
        return Sighting("open", place)

    def knows(self, key: str | None) -> bool:
        """Whether the baseline has a finding of this identity."""
        return key is not None and key in self.left

    def severity_of(self, key: str | None) -> str | None:
        """The worst severity that the baseline knows of an identity, counted or waived; None for none."""
        if key is None:
            return None
        known = [*self.raw["findings"].get(key, ()), *self.waived.get(key, ())]
        return min(known, key=RANKS.__getitem__, default=None)

    def unseen(self, present: t.Mapping[str, t.Sequence[str]]) -> Places:
        """Places that no finding of this run took.

        Args:
            present: severities of findings that were there and not counted, by key. Each keeps a place.
        """
        found: Places = {}
        for key, left in self.left.items():
            empty = list(left)
            for severity in sorted(present.get(key, ()), key=RANKS.__getitem__, reverse=True):
                if empty:
                    empty.remove(_pick(empty, severity))
            if empty:
                found[key] = empty
        return found


class Baseline:
    """The baseline of earlier runs. ``exists`` is False when there is none."""

    def __init__(
        self,
        path: pathlib.Path | None,
        document: Document | None = None,
        gone: t.Mapping[AppKey, Places] | None = None,
    ) -> None:
        data = document.data if document else None
        gone = gone or {}
        self.path = path
        self.sha256 = document.sha256 if document else None
        self.exists = data is not None
        self.written: str | None = data["written"] if data else None
        self.sections: dict[AppKey, Section] = {}
        for raw in data["applications"] if data else ():
            key = section_key(raw)
            self.sections[key] = Section(
                time=raw["time"],
                scan=raw["scan"],
                left={identity: list(severities) for identity, severities in raw["findings"].items()},
                reopened=collections.Counter(raw["reopened"]),
                gone=gone.get(key, {}),
                raw=raw,
                waived=raw.get("waived", {}),
            )


def section_key(raw: t.Mapping[str, t.Any]) -> AppKey:
    """The application of a section of the file."""
    return raw["source"], raw["id"] or f"name:{raw['name'] or ''}"


def marks_path(path: pathlib.Path) -> pathlib.Path:
    """Where the list of what was seen to be gone stands."""
    return path.with_name(path.name + _MARKS_SUFFIX)


def load_baseline(option: str | None) -> Baseline:
    """The baseline at a path; one that says nothing when there is no such file.

    Raises:
        PolicyError: the file is there and is no baseline. It is never taken for a missing one.
    """
    if not option:
        return Baseline(None)
    path = pathlib.Path(option).expanduser()
    if not path.exists() and not path.is_symlink():
        return Baseline(path)
    if path.is_symlink():
        # The file itself is what moves, and what its list stands beside; a link may be gone by the next run.
        path = path.resolve()
    document = read_document(path, "baseline", limit=SIZE_LIMIT)
    validate(document.data, BASELINE, "baseline")
    return Baseline(path, document, _read_marks(path, document))


def _read_marks(path: pathlib.Path, document: Document) -> dict[AppKey, Places]:
    place = marks_path(path)
    if not place.exists():
        return {}
    marks = read_document(place, "baseline", limit=SIZE_LIMIT).data
    try:
        if marks["record"] != "baseline_gone" or marks["schema"] != 1:
            raise KeyError("record")
        # Written beside another baseline: what was gone then was settled when this one was made.
        if marks["baseline"] != document.sha256:
            return {}
        return {
            (str(item["source"]), str(item["key"])): {
                str(key): _severities(places) for key, places in item["findings"].items()
            }
            for item in marks["applications"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise PolicyError(
            f"baseline: {place} is not a list of findings that were gone.", hint="Remove it, or restore it."
        ) from error


def _severities(places: t.Any) -> list[str]:
    if not isinstance(places, list) or not all(place in RANKS for place in places):
        raise TypeError("severities")
    return places


def check_baseline(path: pathlib.Path, *, create: bool) -> None:
    """Make sure that a baseline can be written, before hours are spent on a scan.

    Args:
        path: of the baseline.
        create: whether a missing directory is created; otherwise it is only checked that it could be.

    Raises:
        FileError: it cannot be written there.
    """
    path = path.resolve() if path.is_symlink() else path
    if os.path.exists(path.parent):
        check_target(path, "baseline")
    elif not create:
        _check_ancestor(path.parent)
    else:
        try:
            path.parent.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise _cannot_create(path.parent, reason(error)) from error
        check_target(path, "baseline")


def _check_ancestor(directory: pathlib.Path) -> None:
    """Refuse a missing directory that could not be created in what there is above it."""
    above = next(parent for parent in directory.absolute().parents if os.path.lexists(parent))
    if not above.is_dir():
        raise _cannot_create(directory, f"{above} is not a directory")
    check_writable(above, "baseline")


def _cannot_create(directory: pathlib.Path, why: str) -> FileError:
    return FileError(f"baseline: cannot create the directory {directory}: {why}.", hint="Choose another path.")


def save_marks(baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> None:
    """Remember the places that were seen to be empty or reopened, beside what is remembered already.

    Raises:
        FileError: the file cannot be written.
    """
    if baseline.path is None or not baseline.exists:
        return
    if not any(without(gone.get(key, {}), section.gone) for key, section in baseline.sections.items()):
        return
    # Another run may have marked findings, or moved the baseline, since this one read them.
    baseline = load_baseline(str(baseline.path))
    if baseline.path is None or not baseline.exists:
        return
    marks = {key: merged(section.gone, gone.get(key, {})) for key, section in baseline.sections.items()}
    content = {
        "record": "baseline_gone",
        "schema": 1,
        "baseline": baseline.sha256,
        "applications": [
            {"source": key[0], "key": key[1], "findings": dict(sorted(places.items()))}
            for key, places in sorted(marks.items())
            if places
        ],
    }
    _write(marks_path(baseline.path), codec.dumps(content) + b"\n")


def save_baseline(baseline: Baseline, content: dict[str, t.Any]) -> bool:
    """Replace the baseline by what this run counted.

    Args:
        baseline: the one that the run was judged by.
        content: the new one; applications that this run did not judge keep what is there.

    Returns:
        Whether it was written: not when it would say the same.

    Raises:
        FileError: the file cannot be written; the old one is then as it was.
    """
    if baseline.path is None:
        raise ValueError("a baseline needs a path")
    _refuse_moved(baseline, baseline.path)
    judged = set(map(section_key, content["applications"]))
    kept = [_without_gone(section) for key, section in baseline.sections.items() if key not in judged]
    content["applications"] = sorted(
        [*content["applications"], *kept], key=lambda item: (item["source"], item["id"] or "", item["name"] or "")
    )
    old = [section.raw for section in baseline.sections.values()]
    changed = not baseline.exists or _essence(old) != _essence(content["applications"])
    if changed:
        _write(baseline.path, _lines(content))
        # What was gone is not in the new one, so the list has nothing more to say.
        marks_path(baseline.path).unlink(missing_ok=True)
    return changed


def _refuse_moved(baseline: Baseline, path: pathlib.Path) -> None:
    try:
        found = sha256_of(path) if path.exists() else None
    except OSError as error:
        raise FileError(f"baseline: cannot read {path}: {reason(error)}.", hint="Run the gate again.") from error
    if found != baseline.sha256:
        raise FileError(
            f"baseline: {path} was changed while the gate was at work.",
            hint="Run the gate again, and let one job at a time move a baseline.",
        )


def _without_gone(section: Section) -> dict[str, t.Any]:
    return {**section.raw, "findings": without(section.raw["findings"], section.gone)}


def _essence(applications: t.Iterable[t.Mapping[str, t.Any]]) -> list[t.Any]:
    names = ("source", "id", "name", "scan", "findings", "reopened")
    kept = [{**{name: item[name] for name in names}, "waived": item.get("waived", {})} for item in applications]
    return sorted(kept, key=lambda item: (item["source"], str(item["id"]), str(item["name"])))


def _lines(content: dict[str, t.Any]) -> bytes:
    """One finding on each line, so that a version control system shows what moved."""
    return json.dumps(content, indent=0, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _write(path: pathlib.Path, data: bytes) -> None:
    try:
        with replace_file(path, mode=PRIVATE) as file:
            file.write(data)
    except OSError as error:
        raise FileError(
            f"baseline: writing {path} failed: {reason(error)}.", hint="The file that was there is as it was."
        ) from error

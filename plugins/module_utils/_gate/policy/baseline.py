# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The baseline: what the last passing run counted, which decides what is new.

This module is private to the collection and may change at any time.

It is frozen: between two updates it never learns anything. Beside it stands a list of the findings in it that were seen
to be gone or reopened since. Without that list a reappearance would be new only until the next scan, because Qualys
calls a finding REOPENED once and ACTIVE from then on. The list only ever makes the gate stricter. ``baseline_file`` and
``baseline_database`` store both.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import typing as t

from ..._base.errors import PolicyError, StateError
from ..._records.changes import Sighting, what_changed
from ..._records.identity import AppKey
from ..._records.policy.documents import Document
from ..inputs.facts import RANKS
from .rules import NEW_STATES

SIZE_LIMIT = 1 << 30
"""Bytes of the largest baseline."""
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


class Moved(StateError):
    """Another run moved the baseline while this one judged by it."""


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
    """The baseline of earlier runs. ``exists`` is False when there is none.

    Args:
        document: what is stored, checked; None where nothing is.
        gone: what is known to be gone from it.
        generation: counts the changes of what is stored, where somebody counts them.
    """

    def __init__(
        self,
        document: Document | None = None,
        gone: t.Mapping[AppKey, Places] | None = None,
        generation: int = 0,
    ) -> None:
        data = document.data if document else None
        gone = gone or {}
        self.generation = generation
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


class BaselineKeeper(t.Protocol):
    """Where a baseline is kept.

    Attributes:
        shared: whether runs that may not move the baseline read it too, and so write nothing there at all: what a
            proposed change shows to be gone is still there for others.
    """

    shared: bool

    @property
    def files(self) -> t.Sequence[pathlib.Path]:
        """The files that it is made of; none for a server."""

    def load(self) -> Baseline:
        """Return what is there; a baseline that says nothing when nothing is.

        Raises:
            PolicyError: what is there is no baseline. It is never taken for a missing one.
            PerimeterError: nobody can tell whether there is one.
        """

    def check(self, *, create: bool) -> None:
        """Make sure that a baseline can be stored, before hours are spent on a scan.

        Args:
            create: whether what it is kept in is created; otherwise it is only checked that it could be.

        Raises:
            PerimeterError: it cannot be stored there.
        """

    def note(self, baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> None:
        """Remember the places that were seen to be empty or reopened, beside what is remembered already.

        Raises:
            PerimeterError: it cannot be stored.
        """

    def save(self, baseline: Baseline, content: dict[str, t.Any]) -> bool:
        """Replace the baseline by what this run counted.

        Args:
            baseline: the one that the run was judged by.
            content: the new one; applications that this run did not judge keep what is there.

        Returns:
            Whether it was written: not when it would say the same.

        Raises:
            Moved: it is not the newest any more, and this run may be judged once more.
            PerimeterError: it cannot be stored; the old one is then as it was.
        """

    def told(self, baseline: Baseline) -> dict[str, t.Any]:
        """Return what the verdict says about where the baseline is."""


def renewed(baseline: Baseline, content: dict[str, t.Any]) -> bytes | None:
    """The new baseline as text, with what the old one knows of applications that this run did not judge.

    Args:
        baseline: the old one.
        content: the new one; its list of applications is completed.

    Returns:
        None when it would say the same as the old one.
    """
    judged = set(map(section_key, content["applications"]))
    kept = [_without_gone(section) for key, section in baseline.sections.items() if key not in judged]
    content["applications"] = sorted(
        [*content["applications"], *kept], key=lambda item: (item["source"], item["id"] or "", item["name"] or "")
    )
    old = [section.raw for section in baseline.sections.values()]
    same = baseline.exists and _essence(old) == _essence(content["applications"])
    # One finding on each line, so that a version control system shows what moved.
    return None if same else json.dumps(content, indent=0, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def has_news(baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> bool:
    """Whether places are gone that were not known to be."""
    return any(without(gone.get(key, {}), section.gone) for key, section in baseline.sections.items())


def marks_of(baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> bytes:
    """The list of what is gone from a baseline, as text: what is known and what is new."""
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
    return json.dumps(content, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def read_marks(marks: t.Any, sha256: str, where: str) -> dict[AppKey, Places]:
    """What a list says that is gone from a baseline.

    Args:
        marks: the list, parsed.
        sha256: of the baseline. A list beside another one says nothing: what was gone then was settled when this one
            was made.
        where: what the list is called in messages.

    Raises:
        PolicyError: it is no such list.
    """
    try:
        if marks["record"] != "baseline_gone" or marks["schema"] != 1:
            raise KeyError("record")
        if marks["baseline"] != sha256:
            return {}
        return {
            (str(item["source"]), str(item["key"])): {
                str(key): _severities(places) for key, places in item["findings"].items()
            }
            for item in marks["applications"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise PolicyError(
            f"baseline: {where} is not a list of findings that were gone.", hint="Remove it, or restore it."
        ) from error


def _severities(places: t.Any) -> list[str]:
    if not isinstance(places, list) or not all(place in RANKS for place in places):
        raise TypeError("severities")
    return places


def _without_gone(section: Section) -> dict[str, t.Any]:
    return {**section.raw, "findings": without(section.raw["findings"], section.gone)}


def _essence(applications: t.Iterable[t.Mapping[str, t.Any]]) -> list[t.Any]:
    names = ("source", "id", "name", "scan", "findings", "reopened")
    kept = [{**{name: item[name] for name in names}, "waived": item.get("waived", {})} for item in applications]
    return sorted(kept, key=lambda item: (item["source"], str(item["id"]), str(item["name"])))

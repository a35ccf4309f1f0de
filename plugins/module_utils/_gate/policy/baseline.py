# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The baseline: the findings that the last passing run counted. It decides which findings are new.

This module is private to the collection and may change at any time.

The baseline is frozen: it does not change between two updates. A list beside it holds those of its findings that were
gone or reopened since. Without that list a finding that comes back would be new only until the next scan, because
Qualys reports a finding as REOPENED once and as ACTIVE from then on. The list can only make the gate stricter.
``baseline_file`` and ``baseline_database`` store both.
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
"""Maximum size of a baseline in bytes."""
_RESOLVED = Sighting("fixed", "unknown")

Places = dict[str, list[str]]
"""Severities by key. Each severity is a place, which one finding with that identity takes."""


def merged(first: t.Mapping[str, t.Sequence[str]], second: t.Mapping[str, t.Sequence[str]]) -> Places:
    """Return the union of two collections of places. A place that occurs in both is counted by the larger number."""
    return {
        key: sorted((collections.Counter(first.get(key, ())) | collections.Counter(second.get(key, ()))).elements())
        for key in {**first, **second}
    }


def without(places: t.Mapping[str, t.Sequence[str]], taken: t.Mapping[str, t.Sequence[str]]) -> Places:
    """Return the places that are not taken. Keys without a place are left out."""
    left = {
        key: list((collections.Counter(found) - collections.Counter(taken.get(key, ()))).elements())
        for key, found in places.items()
    }
    return {key: found for key, found in left.items() if found}


def _pick(left: list[str], severity: str) -> str:
    """Return the place that a finding takes.

    This is the mildest one that is at least as severe as the finding, so that worse places are left for worse findings.
    If there is none, it is the worst one.
    """
    enough = [place for place in left if RANKS[place] <= RANKS[severity]]
    return max(enough, key=RANKS.__getitem__) if enough else min(left, key=RANKS.__getitem__)


class Moved(StateError):
    """Another run changed the baseline while this run was judging by it."""


class Twin(t.NamedTuple):
    """One of several findings with the same identity.

    ``again`` says whether the source reports it as reopened; ``weight`` orders findings that are otherwise equal.
    """

    severity: str
    again: bool
    weight: tuple[t.Any, ...]


@dataclasses.dataclass
class Section:
    """The data of the baseline about one application.

    Attributes:
        left: places that no finding has taken yet.
        reopened: number of findings by key that the baseline run reported as reopened and that have not occurred yet.
        gone: places that were empty, or reopened, in a run since the baseline was made.
        resurfaced: places to which findings came back in this run.
        waived: the severities of waived findings, by key.
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

        Each finding with the same identity takes one place. If there may be several, use :meth:`states_of`.

        Args:
            key: the identity of the finding across runs.
            severity: the severity that the finding is judged by.
            again: whether the source reports it as reopened.
        """
        change = what_changed(self._before(key, severity, again), Sighting("open", severity))
        return change if change in NEW_STATES else "known"

    def states_of(self, key: str, twins: t.Sequence[Twin]) -> list[str]:
        """Return the states of all findings with one identity. The result does not depend on their order.

        Findings whose severity is in the baseline take their places first. Within each group, those that the source
        does not report as reopened go first, then milder ones, then those that fewer rules count. So the worst ones are
        left without a place, and count as new.
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
        """Return the last known state of the finding before this run; None if it is not in the baseline."""
        left = self.left.get(key) if key else None
        if key is None or not left:
            return _RESOLVED if again or key in self.gone else None
        place = _pick(left, severity)
        # Of two equal places, the one that was never empty is taken first.
        was_gone = self.gone.get(key, []).count(place) >= left.count(place)
        left.remove(place)
        was_known_to_be = again and self.reopened[key] > 0
        self.reopened[key] -= was_known_to_be
        if was_gone or (again and not was_known_to_be):
            self.resurfaced.setdefault(key, []).append(place)
            return _RESOLVED
        return Sighting("open", place)

    def knows(self, key: str | None) -> bool:
        """Whether the baseline has a finding with this identity."""
        return key is not None and key in self.left

    def severity_of(self, key: str | None) -> str | None:
        """Return the worst severity of an identity in the baseline, counted or waived; None if it is not there."""
        if key is None:
            return None
        known = [*self.raw["findings"].get(key, ()), *self.waived.get(key, ())]
        return min(known, key=RANKS.__getitem__, default=None)

    def unseen(self, present: t.Mapping[str, t.Sequence[str]]) -> Places:
        """Return the places that no finding of this run took.

        Args:
            present: severities by key of findings that occurred but were not counted. Each takes a place as well.
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
    """The baseline of earlier runs. ``exists`` is False if there is none.

    Args:
        document: the stored baseline, validated; None if nothing is stored.
        gone: the places that are known to be gone.
        generation: the number of changes so far, for a baseline in a database.
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
    """Return the application that a section of the stored baseline is about."""
    return raw["source"], raw["id"] or f"name:{raw['name'] or ''}"


class BaselineKeeper(t.Protocol):
    """Storage of a baseline.

    Attributes:
        shared: whether runs that do not update the baseline use the same storage, such as those for proposed changes.
            Such runs write nothing: a finding that a proposed change removes still exists for others.
    """

    shared: bool

    @property
    def files(self) -> t.Sequence[pathlib.Path]:
        """The files of the storage; none for a database server."""

    def load(self) -> Baseline:
        """Return the stored baseline, or an empty one if nothing is stored.

        Raises:
            PolicyError: the stored baseline is invalid. It is never treated as missing.
            PerimeterError: the storage cannot be read.
        """

    def check(self, *, create: bool) -> None:
        """Make sure that a baseline can be stored, before hours are spent on a scan.

        Args:
            create: whether to create a missing directory or table; otherwise only check that this is possible.

        Raises:
            PerimeterError: the baseline cannot be stored.
        """

    def note(self, baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> None:
        """Add places that were empty or reopened in this run to the stored list.

        Raises:
            PerimeterError: the list cannot be stored.
        """

    def save(self, baseline: Baseline, content: dict[str, t.Any]) -> bool:
        """Replace the baseline with the findings that this run counted.

        Args:
            baseline: the baseline that the run was judged by.
            content: the new baseline. Applications that this run did not judge keep their data.

        Returns:
            Whether it was written; False if nothing would change.

        Raises:
            Moved: another run changed the baseline meanwhile, and this run may be judged again.
            PerimeterError: it cannot be stored; the old baseline is unchanged.
        """

    def told(self, baseline: Baseline) -> dict[str, t.Any]:
        """Return the fields of the verdict that say where the baseline is stored."""


def renewed(baseline: Baseline, content: dict[str, t.Any]) -> bytes | None:
    """Return the new baseline as JSON, with the old data of applications that this run did not judge.

    Args:
        baseline: the old baseline.
        content: the new baseline; its list of applications is completed.

    Returns:
        The JSON, or None if nothing would change.
    """
    judged = set(map(section_key, content["applications"]))
    kept = [_without_gone(section) for key, section in baseline.sections.items() if key not in judged]
    content["applications"] = sorted(
        [*content["applications"], *kept], key=lambda item: (item["source"], item["id"] or "", item["name"] or "")
    )
    old = [section.raw for section in baseline.sections.values()]
    same = baseline.exists and _essence(old) == _essence(content["applications"])
    # One finding on each line, so that a version control system shows what changed.
    return None if same else json.dumps(content, indent=0, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def has_news(baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> bool:
    """Whether places are gone that the stored list does not have yet."""
    return any(without(gone.get(key, {}), section.gone) for key, section in baseline.sections.items())


def marks_of(baseline: Baseline, gone: t.Mapping[AppKey, Places]) -> bytes:
    """Return the list of places that are gone from a baseline as JSON, the stored ones and the new ones."""
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
    """Return the places that are gone from a baseline.

    Args:
        marks: the parsed list.
        sha256: the hash of the baseline. A list for another baseline is ignored, because its places were settled when
            this baseline was made.
        where: the name of the list in messages.

    Raises:
        PolicyError: the list is invalid.
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
            f"baseline: {where} is not a valid list of findings that are gone.", hint="Remove it, or restore it."
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

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pair of a finding before and a finding now has one word, and the words reconcile the open risks."""

from __future__ import annotations

import collections
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._records.changes import (
    CHANGES,
    STATES,
    Keys,
    Sighting,
    compare,
    what_changed,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._records.model import SEVERITIES

PLACES = st.builds(Sighting, st.sampled_from(STATES[:4]), st.sampled_from(SEVERITIES), st.sampled_from(["", "a"]))
SNAPSHOT = st.lists(st.tuples(st.sampled_from("abc"), PLACES), max_size=8)


def place(word: str | None) -> Sighting | None:
    if word is None:
        return None
    state, _space, severity = word.partition(" ")
    return Sighting(state, severity or "medium")


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        (None, "open", "new"),
        (None, "fixed", ""),
        (None, "ignored", ""),
        (None, "information", ""),
        ("open", "open", ""),
        ("open", "fixed", "fixed"),
        ("open", "protected", "protected"),
        ("open", "ignored", "ignored"),
        ("open", None, "gone"),
        ("open low", "open high", "escalated"),
        ("open high", "open low", "lowered"),
        ("open unknown", "open critical", ""),
        ("open critical", "open unknown", ""),
        ("fixed", "open", "reopened"),
        ("protected", "open", "reopened"),
        ("fixed low", "open high", "reopened"),
        ("ignored", "open", "reactivated"),
        ("ignored", "fixed", ""),
        ("fixed", None, ""),
        ("ignored low", "ignored high", ""),
        ("information", "open", ""),
        ("open", "information", ""),
        (None, None, ""),
    ],
)
def test_a_change_has_a_word(before: str | None, now: str | None, change: str) -> None:
    assert what_changed(place(before), place(now)) == change


def test_other_contents_count_only_where_nothing_else_changed() -> None:
    assert what_changed(Sighting("open", "low", "a"), Sighting("open", "low", "b")) == "changed"
    assert what_changed(Sighting("open", "low", "a"), Sighting("open", "high", "b")) == "escalated"
    assert what_changed(Sighting("fixed", "low", "a"), Sighting("fixed", "low", "b")) == ""


def test_every_pair_has_a_known_word() -> None:
    every = [None, *(Sighting(*pair) for pair in itertools.product(STATES, SEVERITIES))]
    assert {what_changed(*pair) for pair in itertools.product(every, every)} <= {"", *CHANGES}


@given(SNAPSHOT, SNAPSHOT)
def test_the_open_risks_reconcile(before: list[tuple[str, Sighting]], now: list[tuple[str, Sighting]]) -> None:
    keys = Keys()
    known = {keys.key(identity): found for identity, found in before}
    found = list(compare(known, now))
    counts = collections.Counter(change for change, _before, _now in found)
    opened = sum(counts[change] for change in ("new", "reopened", "reactivated"))
    closed = sum(counts[change] for change in ("fixed", "protected", "ignored", "gone"))
    open_before, open_now = (sum(item.state == "open" for _identity, item in side) for side in (before, now))
    assert open_before + opened - closed == open_now
    assert [item for _change, _before, item in found if item is not None] == [item for _identity, item in now]
    assert len(found) - len(now) == sum(item is None for _change, _before, item in found)


def test_two_findings_with_one_identity_both_count() -> None:
    known = {"a": Sighting("open", "low")}
    now = [("a", Sighting("open", "low")), ("a", Sighting("open", "low"))]
    assert [change for change, _before, _now in compare(known, now)] == ["", "new"]

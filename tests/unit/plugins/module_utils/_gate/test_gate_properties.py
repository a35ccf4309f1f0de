# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dates of waivers, ranges and patterns, held against the plain meaning of each for any input."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PolicyError
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.inputs.facts import RANKS, facts_of
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.policy import WaiverRules
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.selectors import Numbers
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.policy.waivers import Waivers, day
from ansible_collections.appsec.perimeter.plugins.module_utils._records.policy.patterns import Globs
from tests.unit.plugins.module_utils._gate.gate_kit import finding, waiver

TODAY = dt.date(2026, 11, 20)
DAYS = {"critical": 30, "high": 90, "medium": 180, "low": 365, "info": 365}
RULES = WaiverRules(max_days=DAYS, expiring_within=0, max_findings=50, strict=False)


def holds(item: Any, today: dt.date = TODAY, **changes: Any) -> bool:
    return Waivers([item], RULES, today).for_finding(facts_of(finding(**changes)))[0] is not None


@given(st.integers(-400, 365), st.sampled_from(sorted(RANKS)))
def test_a_waiver_holds_to_the_end_of_its_day_and_no_longer_than_its_severity_allows(left: int, severity: str) -> None:
    expires = TODAY + dt.timedelta(days=left)
    item = waiver(created=min(TODAY, expires).isoformat(), expires=expires.isoformat())
    assert holds(item, severity=severity) is (0 <= left <= DAYS[severity])


@given(st.integers(0, 500), st.integers(0, 500), st.sampled_from(sorted(RANKS)))
def test_the_length_counts_from_the_day_it_was_made(age: int, length: int, severity: str) -> None:
    created = TODAY - dt.timedelta(days=age)
    item = waiver(created=created.isoformat(), expires=(created + dt.timedelta(days=length)).isoformat())
    if length > 365 and length >= age:
        with pytest.raises(PolicyError):
            holds(item, severity=severity)
    else:
        assert holds(item, severity=severity) is (age <= length <= DAYS[severity])


@given(st.text(max_size=12) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fullmatch=True))
def test_a_text_is_a_day_of_the_calendar_or_an_error(text: str) -> None:
    try:
        found = day(text, "expires")
    except PolicyError:
        with pytest.raises(ValueError):
            dt.datetime.strptime(text if re.fullmatch(r"[0-9]{4}-\d\d-\d\d", text, re.ASCII) else "", "%Y-%m-%d")  # noqa: DTZ007
    else:
        assert found.isoformat() == text


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200))), st.integers(0, 200))
def test_a_range_has_its_ends_and_what_lies_between(bounds: list[tuple[int, int]], value: int) -> None:
    ordered = [(min(pair), max(pair)) for pair in bounds]
    numbers = Numbers([f"{low}-{high}" for low, high in ordered], "x")
    assert numbers.has(value) is any(low <= value <= high for low, high in ordered)
    assert numbers.has_text(str(value)) is numbers.has(value)


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_a_range_never_runs_backwards(low: int, step: int) -> None:
    with pytest.raises(PolicyError, match="backwards"):
        Numbers([f"{low + step}-{low}"], "x")


@given(st.text("ab*.[?", max_size=8), st.text("ab.[?", max_size=8))
def test_only_a_star_means_something_in_a_pattern(pattern: str, value: str) -> None:
    meant = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    assert Globs([pattern], fold=False).match(value) is (meant.fullmatch(value) is not None)


@given(
    st.lists(st.sampled_from(["uuid-1", "uuid-2"]), min_size=1), st.lists(st.sampled_from([150001, "150000-150002", 7]))
)
def test_the_index_of_waivers_finds_what_a_plain_search_finds(ids: list[str], rules: list[Any]) -> None:
    matches: list[dict[str, Any]] = [{"unique_ids": ids}]
    matches += [{"rule_ids": [rule]} for rule in rules]
    items = [waiver(id=f"W-{number}", match=match) for number, match in enumerate(matches)]
    facts = facts_of(finding())
    found = Waivers(items, RULES, TODAY).for_finding(facts)[0]
    plain = next((item["id"] for item in items if holds(item)), None)
    assert (found.id if found else None) == plain

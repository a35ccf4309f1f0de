# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures: trend, time to fix, what is late and what will be, and the file that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import PolicyError
from ansible_collections.appsec.perimeter.plugins.module_utils._history.sla import load_sla
from tests.unit.plugins.module_utils.history_kit import BLOG, Desk, finding, time_of


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def fixed(number: int, since: float, until: float | None, **changes: Any) -> dict[str, Any]:
    at = None if until is None else time_of(until)
    return finding(number, **{"status": "fixed", "first_seen": time_of(since), "fixed_at": at, **changes})


def times(result: Any) -> dict[tuple[str | None, str | None], tuple[int, float, float]]:
    return {
        (row["severity"], row["application"] and row["application"]["name"]): (
            row["count"],
            row["mean_days"],
            row["median_days"],
        )
        for row in result.values["time_to_fix"]
    }


def test_mean_and_median_days_of_fixes_by_severity_and_application(desk: Desk) -> None:
    before = [finding(number, first_seen=time_of(0)) for number in (1, 2, 3)]
    before.append(finding(4, severity="low", asset=BLOG, first_seen=None))
    desk.run(before, day=1)
    after = [fixed(1, 0, 2), fixed(2, 0, 4), fixed(3, 0, 12), fixed(4, 0, None, severity="low", asset=BLOG)]
    result = desk.run(after, day=13)
    assert times(result) == {
        (None, None): (4, 7.5, 8.0),
        ("high", None): (3, 6.0, 4.0),
        ("low", None): (1, 12.0, 12.0),
        (None, "shop"): (3, 6.0, 4.0),
        ("high", "shop"): (3, 6.0, 4.0),
        (None, "blog"): (1, 12.0, 12.0),
        ("low", "blog"): (1, 12.0, 12.0),
    }
    assert times(desk.run(after, day=14)) == times(result)


def test_a_fix_counts_once_for_each_time_that_it_was_open(desk: Desk) -> None:
    desk.run([finding(1, first_seen=time_of(0))], day=1)
    desk.run([fixed(1, 0, 2)], day=3)
    desk.run([finding(1, status="reopened")], day=10)
    result = desk.run([fixed(1, 0, 14)], day=15)
    assert times(result)[None, None] == (2, 3.0, 3.0)


def test_what_was_fixed_before_the_first_run_counts_where_both_times_are_told(desk: Desk) -> None:
    known = [fixed(1, 0, 5), fixed(2, 0, None), fixed(3, 0, 5, first_seen=None), fixed(4, 9, 5)]
    assert times(desk.run(known, day=20))[None, None] == (1, 5.0, 5.0)


def test_what_is_gone_or_ignored_is_not_fixed(desk: Desk) -> None:
    desk.run([finding(1), finding(2), finding(3)], day=1)
    ignored = {"reason": None, "by": None, "at": None, "until": None, "comment": None}
    assert desk.run([finding(1, ignored=ignored), finding(2, status="protected")], day=2).values["time_to_fix"] == []


def late(result: Any) -> tuple[list[str], list[str]]:
    sla = result.values["sla"]
    return [item["id"] for item in sla["breached"]], [item["id"] for item in sla["due"]]


def test_what_is_late_and_what_will_be_within_the_horizon(desk: Desk) -> None:
    findings = [
        finding(1, first_seen=time_of(0)),
        finding(2, first_seen=time_of(2)),
        finding(3, first_seen=time_of(5)),
        finding(4, severity="critical", first_seen=time_of(5)),
        finding(5, severity="low", first_seen=time_of(0)),
        finding(6, status="fixed", first_seen=time_of(0)),
        finding(7, severity="unknown", first_seen=time_of(9)),
        finding(8, first_seen=time_of(99)),
    ]
    result = desk.run(findings, day=10, policy={"critical": 4, "high": 9}, horizon="3d")
    # Of two that are due at the same time, the severer one is more urgent.
    assert late(result) == (["1004", "1001"], ["1002", "1007"])
    sla = result.values["sla"]
    assert (sla["policy"], sla["horizon"]) == ({"critical": 4, "high": 9}, "3d")
    assert (sla["breached_total"], sla["due_total"]) == (2, 2)
    assert sla["by_severity"]["unknown"] == {"breached": 0, "due": 1}
    assert sla["breached"][1] == {
        "source": "qualys", "id": "1001", "unique_id": "uuid-1", "title": "Cross-site scripting 1", "severity": "high",
        "asset": {"id": "4711", "name": "shop"}, "first_seen": time_of(0), "due_at": time_of(9),
    }  # fmt: skip
    without = desk.run(day=10, policy={"critical": 4, "high": 9})
    assert late(without) == (["1004", "1001"], [])


def test_of_many_the_most_urgent_are_listed(desk: Desk) -> None:
    findings = [finding(number, first_seen=time_of(number % 150 / 100)) for number in range(450)]
    sla = desk.run(findings, day=30, policy={"high": 1}).values["sla"]
    assert (sla["breached_total"], len(sla["breached"])) == (450, 100)
    assert [item["due_at"] for item in sla["breached"]] == sorted(time_of(1 + n % 150 / 100) for n in range(450))[:100]


GATE: dict[str, Any] = {
    "schema": 1,
    "limits": {"all": {"vulnerability": {"critical": 0}}},
    "sla": {"high": "9d", "low": "2w"},
    "applications": [
        {"match": ["blog*"], "sla": {"high": "12h", "low": None}},
        {"match": ["nothing"], "limits": {}},
    ],
}


@pytest.mark.parametrize("as_file", [False, True])
def test_the_sla_of_the_gate_counts_here_too(desk: Desk, as_file: bool) -> None:
    policy = desk.write("gate.json", GATE) if as_file else GATE
    findings = [
        finding(1), finding(2, asset=BLOG), finding(3, severity="low"), finding(4, severity="low", asset=BLOG),
        finding(5, severity="critical"),
    ]  # fmt: skip
    assert late(desk.run(findings, day=15, policy=policy)) == (["1002", "1001", "1003"], [])


def test_a_policy_without_an_sla_is_told(desk: Desk) -> None:
    result = desk.run([finding(1)], day=1, policy={"schema": 1, "limits": {}}, horizon="7d")
    assert result.warnings == ["policy: it does not define an SLA, so nothing is due."]
    assert desk.run(day=1, horizon="7d").warnings == ["horizon: without a policy nothing is due."]


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"grave": 7}, "policy: 'grave' is not a severity"),
        ({"high": 0}, "policy: high is 0, which is not a number of days"),
        ({"high": True}, "policy: high is True, which is not a number of days"),
        ({"high": None}, "policy: high is None"),
        ([7], "this is not a mapping"),
        ({"sla": {"high": "soon"}}, "policy: sla.high: 'soon' is not a duration"),
        ({"sla": {"high": 7}}, "policy: sla.high: '7' is not a duration"),
        ({"sla": {"high": "0d"}}, "policy: sla.high: 0d is not a valid time to fix"),
        ({"sla": {"high": None}}, "policy: sla.high is null"),
        ({"sla": [1]}, "policy: sla is not a mapping"),
        ({"sla": {}, "applications": [{"sla": {"high": "1d"}}]}, r"policy: applications\[0\].match is not a list"),
        ("/nowhere/policy.yml", "policy: cannot read /nowhere/policy.yml"),
    ],
)
def test_a_policy_that_cannot_be_used_names_the_key(policy: Any, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        load_sla(policy)


def test_the_trend_has_one_entry_for_each_run(desk: Desk) -> None:
    desk.run([finding(1), finding(2, severity="critical")], day=1, run_id="1")
    desk.run([finding(1, severity="critical"), fixed(2, 0, 2, severity="critical"), finding(3)], day=3, run_id="2")
    first, second = desk.run(
        [finding(2, status="reopened", severity="critical"), finding(3)], day=4, check=True
    ).values["trend"][:2]
    assert first == {
        "run_id": "1", "at": time_of(1), "new": 2, "fixed": 0, "reopened": 0, "escalated": 0,
        "open": {"critical": 1, "high": 1, "medium": 0, "low": 0, "info": 0, "unknown": 0},
    }  # fmt: skip
    assert (second["new"], second["fixed"], second["escalated"]) == (1, 1, 1)
    assert (second["open"]["critical"], second["open"]["high"]) == (1, 1)


def test_the_file_for_reports_is_private_and_rewritten_only_when_it_differs(desk: Desk) -> None:
    dest = desk.path / "history.json"
    result = desk.run([finding(1)], day=1, run_id="1", policy={"high": 7}, dest=str(dest))
    told = json.loads(dest.read_bytes())
    assert (told["schema"], told["kind"], told["run_id"], told["counts"]["new"]) == (1, "history", "1", 1)
    assert {name: told[name] for name in ("open", "trend", "time_to_fix", "sla", "at")} == {
        name: result.values[name] for name in ("open", "trend", "time_to_fix", "sla", "at")
    }
    assert dest.stat().st_mode & 0o777 == 0o600
    assert not desk.run([finding(1)], day=1, run_id="1", policy={"high": 7}, dest=str(dest)).changed
    assert desk.run([finding(1)], day=1, run_id="1", policy={"high": 8}, dest=str(dest)).changed

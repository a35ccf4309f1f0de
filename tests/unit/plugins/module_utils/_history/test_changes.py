# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run records: what changed, what is gone, and nothing for data that is as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import FileError, OptionError, StateError
from tests.unit.plugins.module_utils.history_kit import BLOG, DAY, Desk, counts, finding, on_day, scan, time_of


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def fixed(number: int, day: float, **changes: Any) -> dict[str, Any]:
    return finding(number, status="fixed", fixed_at=time_of(day), **changes)


IGNORED = {"reason": "RISK_ACCEPTED", "by": None, "at": None, "until": None, "comment": None}


def test_the_first_run_is_all_new_and_the_second_as_it_was(desk: Desk) -> None:
    findings = [finding(1), finding(2, severity="critical"), fixed(3, 1), finding(4, kind="information")]
    first = desk.run(findings, day=2, run_id="1")
    assert (first.changed, counts(first)) == (True, {"new": 2})
    assert first.values["recorded"]["findings"] == 4
    assert first.values["open"] == {"critical": 1, "high": 1, "medium": 0, "low": 0, "info": 0, "unknown": 0}
    before = desk.everything()
    second = desk.run(findings, day=3, run_id="2")
    assert (second.changed, counts(second)) == (True, {})
    assert second.values["recorded"] == {"findings": 0, "scans": 0, "webapps": 0, "auth_records": 0}
    after = desk.everything()
    assert {name for name in after if after[name] != before[name]} == {"runs", "sources"}
    assert [len(after[name]) for name in ("runs", "sources", "observations")] == [2, 1, 4]


STEPS: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("fixed", {}, {"status": "fixed"}, "fixed"),
    ("reopened", {"status": "fixed"}, {"status": "reopened"}, "reopened"),
    ("escalated", {}, {"severity": "critical"}, "escalated"),
    ("lowered", {}, {"severity": "low"}, "lowered"),
    ("ignored", {}, {"ignored": IGNORED}, "ignored"),
    ("reactivated", {"ignored": IGNORED}, {}, "reactivated"),
    ("protected", {}, {"status": "protected"}, "protected"),
    ("title", {}, {"title": "another"}, "changed"),
    ("application renamed", {}, {"asset": {"id": "4711", "name": "other"}}, "changed"),
    ("unknown severity is no step", {}, {"severity": "unknown"}, "changed"),
    ("seen again", {}, {"last_seen": time_of(5), "last_tested": time_of(5), "times_seen": 9}, ""),
    ("evidence", {}, {"evidence": [{"payload": "another"}]}, ""),
    ("ignored and then fixed", {"ignored": IGNORED}, {"status": "fixed"}, ""),
]


@pytest.mark.parametrize(("before", "now", "change"), [step[1:] for step in STEPS], ids=[step[0] for step in STEPS])
def test_what_changed_is_what_the_shared_rules_say(
    desk: Desk, before: dict[str, Any], now: dict[str, Any], change: str
) -> None:
    desk.run([finding(1, **before), finding(2)], day=1)
    result = desk.run([finding(1, **now), finding(2)], day=2)
    expected = {change: 1} if change and change != "changed" else {}
    if change == "changed":
        # A severity that nobody knows is no change of its own; the new one is stored all the same.
        expected = {} if "severity" in now else {"changed": 1}
    assert counts(result) == expected
    again = desk.run([finding(1, **now), finding(2)], day=3, run_id="again")
    assert (counts(again), again.values["recorded"]["findings"]) == ({}, 0)


def test_what_is_missing_in_a_complete_snapshot_is_gone_and_new_when_it_is_back(desk: Desk) -> None:
    desk.run([finding(1), finding(2), fixed(3, 1)], day=1)
    gone = desk.run([finding(2)], day=2)
    assert counts(gone) == {"gone": 1}
    assert sum(gone.values["open"].values()) == 1
    assert counts(desk.run([finding(2)], day=3, run_id="again")) == {}
    # The store knows that it was fixed once, which the snapshot before does not.
    assert counts(desk.run([finding(1), finding(2), finding(3, status="reopened")], day=4)) == {"new": 1, "reopened": 1}


def test_a_snapshot_says_nothing_about_what_its_filters_leave_out(desk: Desk) -> None:
    desk.run([finding(1), finding(2, asset=BLOG), finding(3, severity="low")], day=1)
    shop = [{"field": "webApp.id", "operator": "IN", "value": ["4711"]}]
    severe = [{"field": "severity", "operator": "IN", "value": "4,5"}]
    only_shop = desk.snapshot([finding(1), finding(3, severity="low")], 2, "shop.ndjson", filters=shop)
    assert counts(_with(desk, 2, only_shop)) == {}
    # Neither the low one, which the filter hides, nor one that was only ever seen without the filter, is gone.
    assert counts(_with(desk, 3, desk.snapshot([], 3, "severe.ndjson", filters=severe))) == {}
    assert counts(_with(desk, 4, desk.snapshot([finding(1)], 4, "severe.ndjson", filters=severe))) == {}
    assert counts(_with(desk, 5, desk.snapshot([], 5, "severe.ndjson", filters=severe))) == {"gone": 1}
    assert counts(_with(desk, 6, desk.snapshot([], 6, "shop.ndjson", filters=shop))) == {"gone": 1}
    assert desk.run([finding(2, asset=BLOG)], day=7).values["open"]["high"] == 1


def _with(desk: Desk, day: float, *paths: str, **options: Any) -> Any:
    from ansible_collections.appsec.perimeter.plugins.module_utils._history.run import run

    params = {"database_url": desk.url, "findings": list(paths), **options}
    return run(params, False, clock=lambda: on_day(day))


def test_findings_that_share_an_identity_all_count(desk: Desk) -> None:
    twins = [finding(number, unique_id=None, fingerprint="f" * 32) for number in (1, 2, 3)]
    assert counts(desk.run(twins, day=1)) == {"new": 3}
    assert counts(desk.run(twins[::-1], day=2)) == {}
    assert counts(desk.run(twins[:2], day=3)) == {"gone": 1}


def test_a_finding_in_two_snapshots_counts_once_and_the_newer_one_is_right(desk: Desk) -> None:
    old = desk.snapshot([finding(1), finding(2)], 1, "old.ndjson")
    new = desk.snapshot([fixed(1, 1.5)], 2, "new.ndjson", filters=[{"field": "webApp.id", "value": "4711"}])
    result = _with(desk, 3, new, old)
    assert result.values["recorded"]["findings"] == 2
    assert desk.rows("findings", "finding_id", "state") == [("1001", "fixed"), ("1002", "open")]


def test_the_same_run_changes_nothing_and_other_data_under_its_id_is_refused(desk: Desk) -> None:
    first = desk.run([finding(1)], day=1, run_id="7", scans=[scan()])
    before = desk.everything()
    again = desk.run([finding(1)], day=5, run_id="7", scans=[scan()])
    assert not again.changed
    assert again.values == {**first.values, "recorded": dict.fromkeys(first.values["recorded"], 0)}
    for changes in ({"findings": [finding(2)]}, {"findings": [finding(1)], "scans": [scan(2)]}):
        with pytest.raises(StateError, match="run_id: 7 was already recorded at 2026-11-02T12:00:00Z, with other data"):
            desk.run(day=5, run_id="7", **changes)
    assert desk.everything() == before


def test_without_an_id_the_same_files_are_one_run_and_so_is_a_new_export_of_the_same_data(desk: Desk) -> None:
    path = desk.snapshot([finding(1)], 1)
    assert _with(desk, 1, path).changed
    before = desk.everything()
    assert not _with(desk, 2, path).changed
    again = desk.run([finding(1)], day=9, policy={"high": 5})
    assert (again.changed, again.values["at"], again.values["sla"]["breached_total"]) == (False, time_of(1), 1)
    assert desk.everything() == before
    # Data that comes back after other data is another run, and so is the same data under an id.
    assert desk.run([finding(2)], day=10).changed
    assert desk.run([finding(1)], day=11).changed
    assert desk.run([finding(1)], day=12, run_id="12").changed
    assert [entry["at"] for entry in desk.run([finding(1)], day=13).values["trend"]] == [
        time_of(1), time_of(10), time_of(11), time_of(12),
    ]  # fmt: skip


def test_without_data_the_figures_are_those_of_the_last_run(desk: Desk) -> None:
    with pytest.raises(OptionError, match="nothing was ever recorded"):
        desk.run(day=1)
    desk.run([finding(1)], day=1, run_id="7")
    result = desk.run(day=9, policy={"high": 3})
    assert (result.changed, result.values["run_id"], result.values["at"]) == (False, "7", time_of(1))


def test_check_mode_foretells_and_records_nothing(desk: Desk) -> None:
    dest = desk.path / "history.json"
    foretold = desk.run([finding(1)], day=1, check=True, dest=str(dest))
    assert (foretold.changed, counts(foretold)) == (True, {"new": 1})
    assert not desk.file.exists()
    assert not dest.exists()
    assert desk.run([finding(1)], day=1, dest=str(dest)).values == foretold.values
    before = desk.everything(), dest.read_bytes()
    foretold = desk.run([fixed(1, 2)], day=2, check=True, dest=str(dest))
    assert (foretold.changed, counts(foretold)) == (True, {"fixed": 1})
    assert (desk.everything(), dest.read_bytes()) == before
    unchanged = desk.run([finding(1)], day=1, check=True, dest=str(dest))
    assert not unchanged.changed


def test_a_stream_adds_and_never_takes_away(desk: Desk) -> None:
    def seen(number: int, day: float, **changes: Any) -> dict[str, Any]:
        moved = {"first_seen": None, "last_seen": time_of(day), "last_tested": time_of(day)}
        return finding(number, **{"source": "indusface", "unique_id": f"s:{number}", **moved, **changes})

    log = {**scan(1), "source": "indusface"}
    root = desk.stream([log, seen(1, 1), seen(2, 1)], [seen(1, 2), {"record": "gap", "schema": 1}])
    first = _with(desk, 3, root, scans=[root])
    assert (counts(first), first.values["recorded"]["scans"]) == ({"new": 2}, 1)
    assert "has 1 gaps" in first.warnings[0]
    # First seen is the oldest sighting, also when it is not the newest that counts.
    assert desk.rows("findings", "finding_id", "first_seen") == [("1001", time_of(1)), ("1002", time_of(1))]
    desk.stream([seen(1, 4, status="fixed")], [seen(1, 0.5)])
    second = _with(desk, 5, root)
    assert counts(second) == {"fixed": 1}
    assert second.values["time_to_fix"][0]["mean_days"] == 3.0
    assert not _with(desk, 6, root).changed


def test_scans_applications_and_logins_are_kept_without_secrets(desk: Desk) -> None:
    login = {"type": "STANDARD", "fields": [{"name": "password", "value": "canary-password", "secured": True}]}
    estate: dict[str, Any] = {
        "scans": [scan(1), scan(2)],
        "webapps": [
            {"id": 4711, "name": "shop", "url": "https://canary-user:canary-pw@shop.example.com/x?key=canary-key",
             "risk_score": 410, "tags": ["prod", "a"], "headers": ["X: canary-header"]},
        ],
        "auth_records": [{"id": 31001, "name": "shop login", "form": login, "comments": ["canary-comment"]}],
    }  # fmt: skip
    first = desk.run([finding(1)], day=1, **estate)
    assert first.values["recorded"] == {"findings": 1, "scans": 2, "webapps": 1, "auth_records": 1}
    assert desk.rows("webapps", "id", "name", "url", "risk_score", "tags") == [
        ("4711", "shop", "https://shop.example.com/x", "410", '["a","prod"]')
    ]
    assert desk.rows("auth_records", "id", "name", "type") == [("31001", "shop login", "form:STANDARD")]
    assert b"canary" not in desk.file.read_bytes()
    estate["scans"][1] = scan(2, status="running")
    path = desk.write("webapps.json", estate["webapps"])
    second = desk.run([finding(1)], day=2, **{**estate, "webapps": [path]})
    assert second.values["recorded"] == {"findings": 0, "scans": 1, "webapps": 0, "auth_records": 0}
    assert desk.rows("scans", "id", "status", "first_run", "last_run") == [
        ("1", "finished", 1, 1), ("2", "running", 1, 2),
    ]  # fmt: skip


def test_a_run_older_than_the_last_is_refused(desk: Desk) -> None:
    path = desk.snapshot([finding(1)], 1)
    _with(desk, 4, path)
    with pytest.raises(StateError, match=r"The clock shows .*11-03.*, but the last run was recorded at .*11-05.* set"):
        desk.run([finding(2)], day=2)
    # Two machines need not agree to the second; the trend stays in order.
    later = desk.run([finding(1)], day=4 - 30 / DAY.total_seconds())
    assert later.values["at"] == time_of(4)


def test_a_snapshot_that_is_older_than_what_is_recorded_or_from_the_future_is_refused(desk: Desk) -> None:
    desk.run([finding(1)], day=3)
    with pytest.raises(FileError, match=r"made at 2026-11-03T12:00:00Z, but a newer one, made at 2026-11-04T12"):
        _with(desk, 4, desk.snapshot([finding(2)], 2))
    with pytest.raises(FileError, match="which is in the future: a clock is wrong"):
        _with(desk, 4, desk.snapshot([finding(2)], 5))


def test_what_is_of_another_account_is_refused(desk: Desk) -> None:
    desk.run([finding(1)], day=1)
    with pytest.raises(
        StateError, match=r"none of the applications that the store knows of qualys \(1\), but 1 others"
    ):
        desk.run([finding(9, asset=BLOG)], day=2)
    # A snapshot of one application alone cannot show the others.
    only = [{"field": "webApp.id", "value": "4712"}]
    assert counts(_with(desk, 2, desk.snapshot([finding(9, asset=BLOG)], 2, filters=only))) == {"new": 1}
    desk.run([finding(1), finding(9, asset=BLOG)], day=3)
    theirs = finding(1, source="indusface", unique_id="s:1")
    _with(desk, 4, desk.stream([theirs]))
    with pytest.raises(StateError, match="belongs to the account b, but the store holds a"):
        _with(desk, 5, desk.stream([theirs], name="other", account="b"))

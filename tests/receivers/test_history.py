# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of findings in a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    PerimeterError,
    StateError,
    TransportError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._history.run import run
from tests.unit.plugins.module_utils.history_kit import BLOG, Desk, counts, finding, on_day, scan, time_of

from .servers import PASSWORD

HOSTILE = "a\x00b\ud800c'; drop table perimeter_runs; --" + "é" * 5000


@pytest.fixture
def desk(history_url: str, tmp_path: Path) -> Desk:
    return Desk(tmp_path, history_url)


def fed(desk: Desk) -> list[Any]:
    """What four runs return, of which the third is the second one again."""
    days = [
        [finding(number) for number in range(1, 30)] + [finding(40, asset=BLOG, severity="critical")],
        [finding(1, status="fixed", fixed_at=time_of(2)), finding(2, severity="critical"), finding(40, asset=BLOG)],
        [finding(1, status="reopened"), finding(2, title=HOSTILE), finding(3, unique_id=None, id=HOSTILE)],
    ]
    policy = {"critical": 1, "high": 3}
    results = []
    for number in (0, 1, 1, 2):
        extra = {"run_id": str(number), "scans": [scan(1), scan(number)], "policy": policy, "horizon": "1d"}
        results.append(desk.run(days[number], day=number + 1, **extra))
    return results


def test_postgresql_holds_and_tells_what_sqlite_does(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "sqlite").mkdir()
    other = Desk(tmp_path / "sqlite")
    here, there = fed(desk), fed(other)
    assert [result.changed for result in here] == [True, True, False, True]
    for one, two in zip(here, there, strict=True):
        differs = {name for name in one.values if one.values[name] != two.values[name]}
        assert differs == {"database"}
    assert PASSWORD not in here[0].values["database"]
    assert desk.everything() == other.everything()


def test_in_check_mode_nothing_is_left_behind(desk: Desk) -> None:
    assert counts(desk.run([finding(1)], day=1, check=True)) == {"new": 1}
    with pytest.raises(Exception, match="perimeter_runs"):
        desk.rows("runs")


def test_two_runs_at_once_wait_for_each_other(desk: Desk) -> None:
    snapshots = [desk.snapshot([finding(n) for n in range(40 + part)], 1, f"{part}.ndjson") for part in range(4)]

    def one(path: str) -> bool:
        params = {"database_url": desk.url, "findings": [path], "timeout": 300, "run_id": Path(path).stem}
        return run(params, False, clock=lambda: on_day(1)).changed

    # Nor does it matter that none of them finds a table.
    with ThreadPoolExecutor(len(snapshots)) as pool:
        assert all(pool.map(one, snapshots))
    assert desk.rows("runs", "number") == [1, 2, 3, 4]


def test_a_run_that_waits_too_long_for_another_says_so(desk: Desk, history_url: str) -> None:
    desk.run([finding(1)], day=1)
    with psycopg.connect(history_url) as other:
        other.execute("select pg_advisory_xact_lock(%s)", [0x7065_7269_6D65_7472])
        with pytest.raises(TransportError, match="LockNotAvailable"):
            desk.run([finding(1)], day=2, timeout=1)
    assert desk.run([finding(2)], day=2).changed


def test_a_newer_store_is_refused(desk: Desk, history_url: str) -> None:
    desk.run([finding(1)], day=1)
    with psycopg.connect(history_url) as connection:
        connection.execute("update perimeter_history set value = '99' where name = 'version'")
    with pytest.raises(StateError, match="has version 99, and this release knows"):
        desk.run([finding(2)], day=2)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (PASSWORD, "canary-wrong-password", "the server refused the user or the password"),
        ("/postgres", "/nowhere", "the server has no such database"),
    ],
)
def test_each_failure_names_the_database_and_never_the_password(desk: Desk, old: str, new: str, words: str) -> None:
    desk.url = desk.url.replace(old, new)
    with pytest.raises(PerimeterError, match=words) as caught:
        desk.run([finding(1)], day=1)
    assert "canary" not in str(caught.value)
    assert PASSWORD not in str(caught.value)

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The baseline of a gate in a real PostgreSQL: jobs at once, a user who may only read, errors without a password."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.unit.plugins.module_utils._gate.gate_kit import Folder, finding, policy, scan

from .servers import PASSWORD

ADOPT = policy(missing_baseline="adopt")


def job(folder: Path, url: str, findings: list[Any], **options: Any) -> Result:
    """A job of the main branch, on a machine of its own."""
    folder.mkdir(exist_ok=True)
    usual = {"database_url": url, "baseline_name": "shop é main", "baseline_update": True, "policy": ADOPT}
    return Folder(folder).gate(findings, **(usual | options))


def rows(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("select name, generation, content from perimeter_baselines").fetchall()


def test_a_baseline_is_stored_and_read_and_check_mode_leaves_nothing(history_url: str, tmp_path: Path) -> None:
    assert job(tmp_path, history_url, [], check=True).values["verdict"] == "inconclusive"
    with pytest.raises(psycopg.errors.UndefinedTable):
        rows(history_url)
    hostile = finding(unique_id="a\x00'; drop table perimeter_baselines; --\ud800é")
    assert job(tmp_path, history_url, [hostile]).error is None
    second = job(tmp_path, history_url, [hostile])
    assert (second.error, second.values["counts"]["known"]) == (None, 1)
    assert PASSWORD not in json.dumps(second.values["baseline"])
    assert job(tmp_path, history_url, [finding(2)]).values["verdict"] == "fail"
    # What the failed run saw to be gone is new when it is back.
    assert job(tmp_path, history_url, [hostile]).values["counts"]["reopened"] == 1
    assert [row[:2] for row in rows(history_url)] == [("shop é main", 2)]


def test_jobs_at_once_lose_nothing_of_each_other(history_url: str, tmp_path: Path) -> None:
    # Nor does it matter that none of them finds a table. Each adopts an application of its own.
    def one(number: int) -> str:
        asset = {"id": str(number), "name": f"app {number}", "url": None, "tags": []}
        folder = tmp_path / str(number)
        folder.mkdir()
        file = Folder(folder).snapshot([finding(number, asset=asset)], filters=[])
        result = job(folder, history_url, [], files=[file], scans=[scan(asset=asset)])
        return str(result.values["verdict"])

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, range(3))) == ["pass"] * 3
    ((_name, generation, content),) = rows(history_url)
    assert (generation, len(json.loads(content)["applications"])) == (3, 3)


def test_a_user_who_may_only_read_judges_and_cannot_move_the_baseline(history_url: str, tmp_path: Path) -> None:
    job(tmp_path, history_url, [finding()])
    with psycopg.connect(history_url, autocommit=True) as connection:
        schema = connection.execute("select current_schema()").fetchone()
        assert schema is not None
        name = sql.Identifier(str(schema[0]))
        connection.execute(sql.SQL("create role reader login password 'canary-reader'"))
        connection.execute(sql.SQL("grant usage on schema {} to reader").format(name))
        connection.execute(sql.SQL("grant select on all tables in schema {} to reader").format(name))
    before = rows(history_url)
    userinfo, _at, place = history_url.partition("://")[2].partition("@")
    assert PASSWORD in userinfo
    reader = f"postgresql://reader:canary-reader@{place}"
    try:
        assert job(tmp_path, reader, [finding()], baseline_update=False).values["counts"]["known"] == 1
        for check in (True, False):
            refused = job(tmp_path, reader, [], files=[], scans=[], check=check)
            assert refused.values["exit_code"] == 20
            assert "InsufficientPrivilege" in str(refused.error)
            assert "canary" not in str(refused.error)
        refused = job(tmp_path, reader, [])
        assert (refused.values["exit_code"], refused.values["applications"][0]["verdict"]) == (20, "pass")
        assert rows(history_url) == before
    finally:
        with psycopg.connect(history_url, autocommit=True) as connection:
            connection.execute("drop owned by reader")
            connection.execute("drop role reader")

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of a small estate over some days, and what is refused, through the module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.plugins.module_utils.history_kit import BLOG, SHOP, Desk, finding, scan, time_of

from . import still_time
from .door import run_module
from .keep import Area, Places

LOGIN = {"id": 31001, "name": "shop login", "form": {"type": "STANDARD", "fields": [{"name": "p", "value": "secret"}]}}
POLICY = {"critical": 3, "high": 10}


def record(folder: Path) -> list[Area]:
    """The area of the history."""
    area = Area("history")
    still_time.back_to_start()
    stage = _Stage(area, folder)
    _days(stage)
    _refused(stage)
    return [area]


class _Stage:
    """A store, and the module that runs on it."""

    def __init__(self, area: Area, folder: Path) -> None:
        self._area = area
        self._places = Places({str(folder): "{folder}"})
        self.desk = Desk(folder)

    def run(self, case: str, *, check: bool = False, **options: Any) -> None:
        """One run is one case; the tables are recorded with it."""
        given = {"database_url": self.desk.url, **options}
        result = run_module("history", given, check=check)
        document = {"module": "history", "options": given, "check": check, "result": result}
        if not check and not result.get("failed"):
            document["observations"] = self.desk.rows("observations")
        self._area.add(case, document, self._places)


def _days(stage: _Stage) -> None:
    desk = stage.desk
    first = [finding(1), finding(2, severity="critical"), finding(3, asset=BLOG, severity="low")]
    first.append(finding(4, status="fixed", fixed_at=time_of(2)))
    options: dict[str, Any] = {"findings": [desk.snapshot(first, 4)], "run_id": "1", "policy": POLICY, "horizon": "7d"}
    options |= {"scans": [scan(1)], "webapps": [SHOP, BLOG], "auth_records": [LOGIN], "dest": f"{desk.path}/h.json"}
    stage.run("check", check=True, **options)
    stage.run("run", **options)
    stage.run("again", **options)
    second = [finding(1, status="fixed", fixed_at=time_of(9)), finding(2), finding(5)]
    options |= {"findings": [desk.snapshot(second, 10)], "run_id": "2", "scans": [scan(1, status="error"), scan(2)]}
    stage.run("the next day", **options)
    seen = {"source": "indusface", "unique_id": "s:1", "first_seen": None}
    stage.run("a stream", findings=[desk.stream([finding(7, **seen)])], run_id="3")
    stage.run("nothing given")


def _refused(stage: _Stage) -> None:
    desk = stage.desk
    stage.run("other data", findings=[desk.snapshot([finding(9)], 11)], run_id="2")
    stage.run("older", findings=[desk.snapshot([finding(9)], 3)])
    stage.run("incomplete", findings=[desk.snapshot([finding(9)], 11, complete=False)])
    stage.run("another account", findings=[desk.snapshot([finding(9, asset={"id": "9", "name": "x"})], 11)])
    stage.run("no manifest", findings=["/nowhere/findings.ndjson"])
    stage.run("no driver", database_url="mysql://user:password@host/db", findings=[])
    stage.run("wrong policy", policy={"grave": 1})

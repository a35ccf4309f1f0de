# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins, schedules, scans, retests and reports: predicted, done, done again, predicted again.

What describes a state changes nothing the second time. A scan that may not be adopted, a retest, a report, and secrets
that are to be written always, are done anew each time. All rows run against one sandbox, in this process, as in
test_four_runs.py, which has the rows that need a sandbox of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import login_to
from tests.integration.in_process import run_tasks, shown_differences
from tests.integration.runner import Run, Task, TaskResult
from tests.sandbox import Sandbox

STATE, ACTION = (True, True, False, False), (True, True, True, True)
PASSES = ("check", "first", "again", "check again")
SECRET = "Cnry-f0ur-runs/&<x>"
PEM = f"-----BEGIN CERTIFICATE-----\n{'Q25yeS1mMHVy' * 5}\n-----END CERTIFICATE-----\n"
SCRIPT = {"name": "login.html", "data": f"<html>{SECRET}</html>", "regex": "Log ?out"}
FIELDS = [{"name": "username", "value": "scanner"}, {"name": "password", "value": SECRET, "secured": True}]
CLIENT = {"access_token_url": "https://login.example.com/token", "client_id": "was", "client_secret": SECRET}
SCAN = {"webapp": "Storefront (prod)", "profile": "CI quick", "poll_interval": "0.01s"}
UNKNOWN = ("id", "created", "created_by", "updated", "updated_by", "owner")
MAIL = ("send_mail", "send_one_mail")
"""What Qualys chooses for a new schedule where nothing is said."""


@dataclass(frozen=True)
class Row:
    """One use of a module, and whether each of the four runs changes something.

    Attributes:
        module: its name.
        options: what the task says.
        changes: STATE or ACTION.
        writes: how many calls that write the first run makes.
        returned: the result that check mode must predict.
        diff: words that the difference must show; none for an action, which has no state before.
        switches: of the sandbox, from this row on.
    """

    module: str
    options: Mapping[str, Any]
    writes: int
    returned: Callable[[TaskResult], Any]
    changes: tuple[bool, ...] = STATE
    diff: tuple[str, ...] = ()
    switches: Mapping[str, str] = field(default_factory=dict)


def _known(key: str, *also: str) -> Callable[[TaskResult], Any]:
    """A returned object without what only Qualys can know beforehand."""
    return lambda run: run[key] and {name: value for name, value in run[key].items() if name not in UNKNOWN + also}


def _plan(run: TaskResult) -> Any:
    return run["plan"], [(item["name"], item["action"], item["fields"], item["failed"]) for item in run["results"]]


def _scan(run: TaskResult) -> Any:
    return {name: run["scan"][name] for name in ("name", "kind", "asset")}


RECORD, RECORDS, SCHEDULE = "qualys_was_auth_record", "qualys_was_auth_records", "qualys_was_schedule"
SHOP_SCHEDULE = {"name": "shop & <friends>", "webapp": "Storefront (prod)"}
ROWS = {
    "record-create": Row(
        RECORD,
        {
            "name": "new & <login>",
            "form": {"type": "STANDARD", "ssl_only": True, "fields": FIELDS},
            "server": {
                "certificate": {"name": "client.pem", "contents": PEM, "passphrase": SECRET},
                "fields": [{"type": "NTLM", "domain": "CORP", "username": "svc", "password": SECRET}],
            },
            "tags": ["prod"],
            "comments": ["kept by Ansible"],
        },
        1,
        _known("auth_record"),
        diff=("new & <login>", "client.pem", "CORP", "prod"),
    ),
    "record-update": Row(
        RECORD,
        {"name": "Storefront login", "form": {"ssl_only": False}, "tags_add": ["sox"], "comments": ["moved"]},
        1,
        _known("auth_record"),
        diff=("sox", "moved", '"ssl_only": false'),
    ),
    "record-always": Row(
        RECORD,
        {
            "name": "Basic at gateway",
            "server": {"fields": [{"type": "BASIC", "username": "scanner", "password": SECRET}]},
            "update_secret": "always",
        },
        1,
        _known("auth_record"),
        changes=ACTION,
    ),
    "record-absent": Row(
        RECORD, {"name": "Unused login", "state": "absent"}, 1, lambda run: run.changed, diff=("Unused login",)
    ),
    "records-present": Row(
        RECORDS,
        {
            "auth_records": [
                {"name": "bulk form", "form": {"type": "SELENIUM", "selenium_script": SCRIPT}, "tags": ["team-web"]},
                {
                    "name": "bulk code",
                    "oauth2": {
                        "grant_type": "AUTH_CODE",
                        "selenium_script": SCRIPT,
                        "redirect_url": "https://shop.example.com/back",
                        **CLIENT,
                    },
                },
                {
                    "name": "bulk password",
                    "oauth2": {"grant_type": "PASSWORD", "username": "u", "password": SECRET, **CLIENT},
                },
                {"name": "Client certificate", "comments": ["renewed"]},
            ]
        },
        4,
        _plan,
        diff=("bulk code", "AUTH_CODE", "renewed"),
    ),
    "records-prune": Row(
        RECORDS,
        {
            "auth_records": [{"name": "bulk code", "tags": ["team-web"]}],
            "prune": True,
            "prune_filters": [{"field": "tags.name", "value": "team-web"}],
            "max_deletes": 1,
        },
        2,
        _plan,
        diff=("bulk form",),
    ),
    "records-absent": Row(
        RECORDS,
        {"state": "absent", "filters": [{"field": "name", "operator": "CONTAINS", "value": "bulk"}], "max_deletes": 2},
        2,
        lambda run: [item["name"] for item in run["deleted"]],
        diff=("bulk password",),
    ),
    "schedule-create": Row(
        SCHEDULE,
        {
            **SHOP_SCHEDULE,
            "profile": "CI quick",
            "auth_record": "default",
            "start": "2030-01-07T02:00:00Z",
            "time_zone": "Europe/Paris",
            "recurrence": {"type": "WEEKLY", "days": ["MONDAY", "THURSDAY"]},
            "active": True,
        },
        1,
        _known("schedule", "next_launch", "scanner", "launched", "last_scan", "cancel_after", *MAIL),
        diff=("shop & <friends>", "Europe/Paris", "THURSDAY"),
    ),
    "schedule-update": Row(
        SCHEDULE,
        {**SHOP_SCHEDULE, "recurrence": {"type": "MONTHLY", "order": "LAST", "weekday": "SUNDAY"}, "cancel_after": 6,
         "active": False},
        2,
        _known("schedule", "next_launch"),
        diff=("MONTHLY", '"cancel_after": 6', '"active": false'),
    ),
    "schedule-absent": Row(
        SCHEDULE, {**SHOP_SCHEDULE, "state": "absent"}, 1, lambda run: run.changed, diff=("shop & <friends>",)
    ),
    "scan-adopted": Row("qualys_was_scan", {**SCAN, "name": "ci 1", "resume_within": "1h"}, 1, _scan),
    "scan-again": Row("qualys_was_scan", {**SCAN, "name": "ci 2"}, 1, _scan, changes=ACTION),
    "scan-absent": Row(
        "qualys_was_scan",
        {"webapp": SCAN["webapp"], "name": "ci 1", "state": "absent"},
        1,
        lambda run: run["scan"] and run["scan"]["id"],
    ),
    "scan-launched": Row("qualys_was_scan", {**SCAN, "name": "ci 3", "state": "launched"}, 1, _scan,
                         switches={"scan_polls": "99"}),
    "scan-canceled": Row(
        "qualys_was_scan",
        {"webapp": SCAN["webapp"], "name": "ci 3", "state": "canceled", "poll_interval": "0.01s"},
        1,
        lambda run: run["scan"]["id"],
    ),
    "retest": Row(
        "qualys_was_finding",
        {
            "filters": [{"field": "webApp.name", "value": "Returns Desk (prod)"}, {"field": "severity", "value": 5},
                        {"field": "type", "value": "VULNERABILITY"}],
            "max_changes": 9,
            "retest": True,
            "wait_timeout": 0,
        },
        3,
        lambda run: [item["id"] for item in run["findings"]],
        changes=ACTION,
    ),
    "report": Row(
        "qualys_was_report",
        {
            "name": "four runs",
            "targets": {"webapps": ["Storefront (prod)"]},
            "format": "PDF_ENCRYPTED",
            "file_password": SECRET,
            "recipients": ["team@example.com"],
            "dest": "report.pdf",
            "poll_interval": "0.01s",
        },
        2,
        lambda run: run["dest"],
        changes=ACTION,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Matrix:
    """The four runs of all rows, and what is shown of each."""

    run: Run
    sandbox: Sandbox
    shown: dict[str, str]

    def of(self, row: str) -> list[TaskResult]:
        """The four runs of a row."""
        return [self.run[f"{row}: {word}"] for word in PASSES]

    def writes(self, row: str) -> list[int]:
        """How many calls that write each of the four runs made."""
        totals = [result.counters["writes"] for result in self.run.results]
        made = dict(zip((result.task for result in self.run.results), _steps(totals), strict=True))
        return [made[f"{row}: {word}"] for word in PASSES]


def _steps(totals: list[int]) -> list[int]:
    return [now - then for then, now in zip([0, *totals], totals, strict=False)]


def _four_runs(folder: Path, name: str, sandbox: Sandbox) -> Run:
    row = ROWS[name]
    sandbox.switches.update(row.switches)
    options = dict(row.options) | ({"dest": str(folder / "report.pdf")} if "dest" in row.options else {})
    tasks: list[Task] = [
        {"name": f"{name}: {word}", row.module: options, "check_mode": word.startswith("check")} for word in PASSES
    ]
    return run_tasks(folder, tasks, login_to(sandbox), sandbox, diff=True)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("matrix")
    switches = {"clock": "real", "retest_polls": 0, "retest_again": "accept"}
    with Sandbox(webapps=12, findings=150, switches=switches) as sandbox:
        runs = [_four_runs(folder, name, sandbox) for name in ROWS]
        results = [result for run in runs for result in run.results]
        shown = shown_differences(folder, results)
        printed = "".join([*(run.stdout for run in runs), *shown])
        run = Run(0, printed, "".join(run.stderr for run in runs), results, folder)
        yield Matrix(run, sandbox, {result.task: text for result, text in zip(results, shown, strict=True)})


@pytest.mark.parametrize("name", ROWS)
def test_four_runs(matrix: Matrix, name: str) -> None:
    row, runs, writes = ROWS[name], matrix.of(name), matrix.writes(name)
    assert not any(run.failed for run in runs)
    assert tuple(run.changed for run in runs) == row.changes
    assert writes[0] == writes[3] == 0, "check mode writes nothing"
    assert writes[1] == row.writes
    assert writes[2] == (row.writes if row.changes == ACTION else 0)
    assert row.returned(runs[0]) == row.returned(runs[1])


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.diff])
def test_differences(matrix: Matrix, name: str) -> None:
    check, first, _again, _check_again = matrix.of(name)
    assert check["diff"] == first["diff"]
    printed = matrix.shown[f"{name}: first"]
    for word in ROWS[name].diff:
        assert word in printed
    assert [line for line in printed.splitlines() if line.startswith(("+", "-"))]
    assert not [line for line in matrix.shown[f"{name}: again"].splitlines() if line.startswith(("+", "-"))]


def test_no_secret_is_shown_and_every_secret_arrived(matrix: Matrix) -> None:
    for secret in (SECRET, SECRET.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), "Q25yeS1mMHVy"):
        assert secret not in matrix.run.output
        assert secret not in str([result.result for result in matrix.run.results])
    record = next(item for item in matrix.sandbox.qualys.auth_records.values() if item["name"] == "new & <login>")
    assert record["formRecord"]["fields"][1]["value"] == SECRET
    assert record["serverRecord"]["certificate"]["contents"] == PEM
    assert record["serverRecord"]["certificate"]["passphrase"] == SECRET
    assert matrix.run.results[-1].counters["internal_errors"] == 0


def test_the_rule_of_each_action(matrix: Matrix) -> None:
    adopted, again, absent = (matrix.of(name) for name in ("scan-adopted", "scan-again", "scan-absent"))
    assert adopted[2]["adopted"] is True
    assert adopted[2]["scan"]["id"] == adopted[1]["scan"]["id"]
    assert again[2]["scan"]["id"] != again[1]["scan"]["id"], "an old finished scan is never taken for a new one"
    assert again[0]["scan"]["id"] is None
    assert int(adopted[1]["scan"]["id"]) not in matrix.sandbox.qualys.scans
    assert absent[2]["scan"] is None
    assert matrix.of("scan-canceled")[1]["scan"]["end_reason"] == "cancelled"
    assert "four runs" not in {report["name"] for report in matrix.sandbox.qualys.reports.values()}, "not kept"

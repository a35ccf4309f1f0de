# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every write module: check mode tells and writes nothing, the first run changes, the next changes nothing.

A new module, or a new use of one, is one more row of the table. The modules run in this process; what Ansible makes of
them is the same for each row, and test_each_core.py looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import login_to
from tests.integration.in_process import run_tasks, shown_differences
from tests.integration.runner import Ansible, Run, Task
from tests.sandbox import Sandbox

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One use of a module.

    Attributes:
        module: its name.
        options: what the task says.
        returned: the result that check mode must predict, and that the run must have.
        again: the options of the second and third run, when the first one's cannot be repeated.
        prepare: brings the sandbox into the state to start from.
        verify: looks at the sandbox after all.
        diff: words that the difference must show.
    """

    module: str
    options: Options
    returned: Callable[[Mapping[str, Any]], Any]
    again: Options = field(default_factory=dict)
    prepare: Callable[[Sandbox], Any] = lambda _sandbox: None
    verify: Callable[[Sandbox], Any] = lambda _sandbox: True
    diff: tuple[str, ...] = ()


def _by_name(sandbox: Sandbox, name: str) -> dict[str, Any]:
    return next(record for record in sandbox.qualys.webapps.values() if record["name"] == name)


def _names(sandbox: Sandbox) -> set[str]:
    return {record["name"] for record in sandbox.qualys.webapps.values()}


def _webapp(result: Mapping[str, Any]) -> Any:
    """The application without what only the vendor can know beforehand."""
    unknown = ("id", "created", "created_by", "updated", "updated_by", "owner", "risk_score", "is_scheduled")
    unknown += ("crawling_script_ids",)
    chosen_by_qualys = ("scope", "use_robots", "use_sitemap")
    return {key: value for key, value in result["webapp"].items() if key not in unknown + chosen_by_qualys}


def _fill(sandbox: Sandbox) -> None:
    """An application in which every list holds something."""
    state = sandbox.qualys
    record = next(iter(state.webapps.values()))
    record["name"] = FULL["name"]
    record["tags"] = [key for key, tag in state.tags.items() if tag["name"] in ("prod", "team-web")]
    record["uris"] = ["https://cdn.example.com/x"]
    record["headers"] = ["X-One: 1"]
    record["attributes"] = [{"name": "team", "value": "cdn"}]
    record["authRecords"] = state.auth_records.ids[:2]
    record["dnsOverrides"] = state.dns_overrides.ids[:1]
    for name in ("urlAllowlist", "urlExcludelist", "postDataExcludelist", "logoutRegexList"):
        record[name] = [{"value": "https://cdn.example.com/", "regex": False}]


def _webapp_name(result: Mapping[str, Any]) -> Any:
    return result["webapp"]["name"]


def _plan(result: Mapping[str, Any]) -> Any:
    return {"plan": result["plan"], "deleted": result["deleted"], "actions": _actions(result)}


def _actions(result: Mapping[str, Any]) -> list[Any]:
    return [(item["name"], item["action"], item["fields"], item["failed"]) for item in result["results"]]


def _tagged(sandbox: Sandbox, tag: str) -> list[dict[str, Any]]:
    key = next(key for key, record in sandbox.qualys.tags.items() if record["name"] == tag)
    return [record for record in sandbox.qualys.webapps.values() if key in record["tags"]]


FULL: Options = {
    "name": "shop & <friends>",
    "url": "https://shop.example.com/?a=1&b=2",
    "scope": "DOMAINS",
    "domains": ["shop.example.com", "cdn.example.com"],
    "uris": ["https://shop.example.com/admin?x=1&y=2"],
    "tags": ["prod", "team-web"],
    "default_scanner": {"type": "EXTERNAL"},
    "auth_records": ["Storefront login"],
    "default_profile": "CI quick",
    "attributes": {"team": "checkout", "cost": "R&D <lab>"},
    "headers": ["X-Scanner: perimeter"],
    "url_allowlist": ["https://shop.example.com/logout/help"],
    "url_excludelist": ["https://shop.example.com/logout", {"value": r"^/export/\d+$", "regex": True}],
    "post_data_excludelist": ["action=delete"],
    "logout_regex_list": [{"value": "sign[- ]?out", "regex": True}],
    "use_robots": "ADD_PATHS",
    "use_sitemap": True,
    "cancel_after": 8,
    "dns_overrides": ["DR site"],
    "crawling_scripts": [{"name": "login.html", "data": "<html/>", "starting_url": "https://shop.example.com/"}],
    "comments": ["managed by Ansible"],
}

EMPTY: Options = {
    name: {} if isinstance(value, Mapping) else []
    for name, value in FULL.items()
    if isinstance(value, (list, Mapping)) and name not in ("domains", "default_scanner")
}

ROWS = {
    "webapp-create": Row(
        "qualys_was_webapp",
        FULL,
        _webapp,
        verify=lambda sandbox: len(_by_name(sandbox, FULL["name"])["urlExcludelist"]) == 2,
        diff=("shop.example.com", "team-web", "DR site"),
    ),
    "webapp-update": Row(
        "qualys_was_webapp",
        {
            "name": "Checkout (prod)",
            "scope": "ALL",
            "tags_add": ["sox"],
            "tags_remove": ["prod"],
            "attributes": {"Business Unit": "Retail"},
            "uris": ["https://one.example.com/"],
            "uris_mode": "add",
            "cancel_after": 3,
            "owner": "",
            "use_sitemap": True,
        },
        _webapp,
        verify=lambda sandbox: _by_name(sandbox, "Checkout (prod)")["config"]["cancelScansAfterNHours"] == 3,
        diff=("sox", "Business Unit", "https://one.example.com/"),
    ),
    "webapp-rename-by-id": Row(
        "qualys_was_webapp",
        {"id": 410001, "name": "Storefront 2 & more", "url": "https://storefront-2.example.com/"},
        _webapp_name,
        verify=lambda sandbox: sandbox.qualys.webapps[410001]["name"] == "Storefront 2 & more",
        diff=("Storefront (prod)", "Storefront 2 & more"),
    ),
    "webapp-clear": Row(
        "qualys_was_webapp",
        {"name": FULL["name"], **EMPTY},
        _webapp_name,
        prepare=_fill,
        verify=lambda sandbox: not any(_by_name(sandbox, FULL["name"])[name] for name in ("tags", "uris", "headers")),
        diff=("cdn", "prod"),
    ),
    "webapp-scripts": Row(
        "qualys_was_webapp",
        {
            "name": "Customer Portal (prod)",
            "crawling_scripts_add": [
                {"name": "checkout flow.html", "data": "<p/>"},
                {"name": "b.html", "data": "<b/>"},
            ],
            "crawling_scripts_remove": ["second.html"],
        },
        _webapp_name,
        prepare=lambda sandbox: _by_name(sandbox, "Customer Portal (prod)")["crawlingScripts"].append(
            {"id": 2, "name": "second.html", "data": "x", "requiresAuthentication": False, "startingUrlRegex": False}
        ),
        verify=lambda sandbox: (
            {
                script["name"]: script["data"]
                for script in _by_name(sandbox, "Customer Portal (prod)")["crawlingScripts"]
            }
            == {"checkout flow.html": "<p/>", "b.html": "<b/>"}
        ),
        diff=("b.html",),
    ),
    "webapp-absent": Row(
        "qualys_was_webapp",
        {"state": "absent", "name": "Identity Provider (prod)"},
        lambda result: result["changed"],
        verify=lambda sandbox: "Identity Provider (prod)" not in _names(sandbox),
        diff=("Identity Provider (prod)",),
    ),
    "webapps-present": Row(
        "qualys_was_webapps",
        {
            "webapps": [
                {"name": "new one", "url": "https://new.example.com/", "tags": ["dev"], "comments": ["new"]},
                {"name": "Checkout (prod)", "tags_add": ["sox"]},
                {"id": 410003, "use_sitemap": False, "url_excludelist": ["https://x.example.com/?a&b"]},
                {"name": "Storefront (prod)"},
            ]
        },
        _plan,
        verify=lambda sandbox: "new one" in _names(sandbox) and len(sandbox.qualys.webapps) == 25,
        diff=("new.example.com", "sox"),
    ),
    "webapps-prune": Row(
        "qualys_was_webapps",
        {
            "webapps": [{"name": "Checkout (prod)", "tags_add": ["sox"]}],
            "prune": True,
            "prune_filters": [{"field": "tags.name", "operator": "EQUALS", "value": "team-web"}],
            "max_deletes": 6,
        },
        _plan,
        verify=lambda sandbox: {record["name"] for record in _tagged(sandbox, "team-web")} == {"Checkout (prod)"},
        diff=("sox", "410008"),
    ),
    "webapps-absent-ids": Row(
        "qualys_was_webapps",
        {"state": "absent", "ids": [410005, 410006, 999999]},
        _plan,
        verify=lambda sandbox: not {410005, 410006} & set(sandbox.qualys.webapps),
        diff=("410005",),
    ),
    "webapps-absent-filters": Row(
        "qualys_was_webapps",
        {"state": "absent", "filters": [{"field": "tags.name", "value": "pci"}], "max_deletes": 6},
        _plan,
        verify=lambda sandbox: not _tagged(sandbox, "pci"),
        diff=("Checkout (prod)",),
    ),
    "webapp-purge": Row(
        "qualys_was_webapp_purge",
        {"ids": [410001, 410002]},
        lambda result: result["purged"],
        verify=lambda sandbox: 410001 in sandbox.qualys.webapps and not sandbox.qualys.findings_of(410001),
        diff=("web application 410001", '"findings": 0'),
    ),
    "finding-ignore": Row(
        "qualys_was_finding",
        {
            "filters": [{"field": "type", "value": "VULNERABILITY"}, {"field": "severity", "value": [1, 2]}],
            "max_changes": 200,
            "state": "ignored",
            "reason": "RISK_ACCEPTED",
            "comment": "agreed & <noted>",
            "reactivate_in": 90,
        },
        lambda result: result["results"],
        verify=lambda sandbox: "agreed & <noted>" in _ignored_comments(sandbox),
        diff=("RISK_ACCEPTED", "agreed & <noted>"),
    ),
    "finding-active": Row(
        "qualys_was_finding",
        {
            "filters": [{"field": "ignoredReason", "value": "FALSE_POSITIVE"}],
            "max_changes": 200,
            "state": "active",
            "restore_severity": True,
        },
        lambda result: result["results"],
        diff=("FALSE_POSITIVE", '"state": "active"'),
    ),
    "finding-severity": Row(
        "qualys_was_finding",
        {
            "filters": [{"field": "webApp.id", "value": 410001}, {"field": "type", "value": "VULNERABILITY"}],
            "max_changes": 200,
            "severity": 1,
            "severity_comment": "behind a VPN",
        },
        lambda result: result["results"],
        verify=lambda sandbox: any(item.get("originalSeverity") for item in sandbox.qualys.findings.values()),
        diff=("behind a VPN",),
    ),
}


def _ignored_comments(sandbox: Sandbox) -> set[str]:
    return {record["ignoredComment"] for record in sandbox.qualys.findings.values() if record.get("ignoredComment")}


PASSES = ("check", "first", "again", "check again")


@dataclass(frozen=True)
class FourRuns:
    """Predicted, done, done again, predicted again, against a sandbox of their own; and what is shown of each."""

    run: Run
    sandbox: Sandbox
    shown: dict[str, str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FourRuns]:
    """The runs of each row."""
    folder = tmp_path_factory.mktemp("rows")
    done = {name: _four_runs(folder, row) for name, row in ROWS.items()}
    shown = iter(shown_differences(folder, [result for run, _sandbox in done.values() for result in run.results]))
    return {
        name: FourRuns(run, sandbox, {word: next(shown) for word in PASSES}) for name, (run, sandbox) in done.items()
    }


def _four_runs(folder: Path, row: Row) -> tuple[Run, Sandbox]:
    tasks: list[Task] = [
        {"name": "check", row.module: dict(row.options), "check_mode": True},
        {"name": "first", row.module: dict(row.options)},
        {"name": "again", row.module: dict(row.again or row.options)},
        {"name": "check again", row.module: dict(row.again or row.options), "check_mode": True},
    ]
    with Sandbox(webapps=24, findings=300) as sandbox:
        row.prepare(sandbox)
        return run_tasks(folder, tasks, login_to(sandbox), sandbox, diff=True), sandbox


@pytest.mark.parametrize("name", sorted(ROWS))
def test_four_runs(runs: dict[str, FourRuns], name: str) -> None:
    row, run = ROWS[name], runs[name].run
    assert {word: (run[word].failed, run[word].changed) for word in PASSES} == {
        "check": (False, True),
        "first": (False, True),
        "again": (False, False),
        "check again": (False, False),
    }
    writes = {result.task: result.counters["writes"] for result in run.results}
    assert writes["check"] == 0
    assert writes["first"] > 0
    assert writes["check again"] == writes["again"] == writes["first"]
    assert row.returned(run["check"].result) == row.returned(run["first"].result)
    assert run["first"].counters["internal_errors"] == 0
    assert row.verify(runs[name].sandbox)
    _check_diff(runs[name], row)


def _check_diff(runs: FourRuns, row: Row) -> None:
    # What Qualys chooses itself cannot be predicted, and is not shown as a difference.
    assert runs.run["check"]["diff"] == runs.run["first"]["diff"]
    for word in row.diff:
        assert word in runs.shown["first"]
    quiet = runs.shown["again"] + runs.shown["check again"]
    assert not [line for line in quiet.splitlines() if line.startswith(("+ ", "- ", "+++", "---"))]


def test_what_is_read_can_be_fed_back(ansible: Ansible, sandbox: Sandbox, login: dict[str, str]) -> None:
    """The applications as qualys_was_webapp_info shows them are options that change nothing."""
    keys = sorted({*FULL, "id", "owner", "scanner_tags"} - {"headers", "crawling_scripts", "sub_domain"})
    keep = f"dict2items | selectattr('key', 'in', {keys!r}) | rejectattr('value', 'none') | items2dict"
    tasks: list[Task] = [
        {"name": "read", "qualys_was_webapp_info": {"detail": "full"}, "register": "estate"},
        {
            "name": "write",
            "qualys_was_webapps": {"webapps": "{{ fed }}"},
            "vars": {"fed": "{% set out = [] %}{% for app in estate.webapps %}{{ out.append(app | " + keep + ") }}"
                            "{% endfor %}{{ out }}"},
        },
    ]  # fmt: skip
    run = ansible.play(tasks, environment=login, counters=sandbox.url)
    assert run.status == 0, run.output
    assert run["read"]["total"] == 24
    assert run["write"]["plan"] == {"create": [], "update": [], "delete": [], "unchanged": 24}
    assert run["write"].counters["writes"] == 0

# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them: real arguments in, one JSON result out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox
from tests.unit.plugins.module_utils.qualys_kit import connection, fed_back, routes, run_module

APP = 410001
CANARY = "canary-of-the-modules"
SCRIPT = {"name": "s", "data": f"<html>{CANARY}</html>"}


def writes(sandbox: Sandbox) -> int:
    return int(sandbox.counters.snapshot()["writes"])


MANAGING: list[tuple[str, dict[str, Any]]] = [
    ("qualys_was_webapp", {"id": APP, "use_sitemap": True, "tags_add": ["pci"], "attributes": {"team": "a"}}),
    ("qualys_was_webapp", {"name": "new", "url": "https://new.test/", "crawling_scripts": [SCRIPT]}),
    ("qualys_was_webapp", {"id": APP, "state": "absent"}),
    (
        "qualys_was_webapps",
        {"webapps": [{"id": APP, "scope": "LIMIT"}, {"name": "new", "url": "https://new.test/", "tags": ["prod"]}]},
    ),
    (
        "qualys_was_webapps",
        {
            "webapps": [{"id": APP}],
            "prune": True,
            "prune_filters": [{"field": "id", "value": [APP, APP + 1]}],
            "max_deletes": 1,
        },
    ),
    ("qualys_was_webapps", {"state": "absent", "ids": [APP, APP + 1]}),
    (
        "qualys_was_webapps",
        {"state": "absent", "filters": [{"field": "id", "value": [APP]}], "max_deletes": 1},
    ),
]


@pytest.mark.parametrize(("module", "options"), MANAGING, ids=lambda value: str(value)[:60])
def test_first_again_check_and_check_again(sandbox: Sandbox, module: str, options: dict[str, Any]) -> None:
    predicted = run_module(module, sandbox, check=True, diff=True, **options)
    assert (predicted.failed, predicted.result["changed"], writes(sandbox)) == (False, True, 0)
    first = run_module(module, sandbox, diff=True, **options)
    assert (first.failed, first.result["changed"]) == (False, True)
    assert writes(sandbox) > 0
    assert first.result["diff"]
    done = writes(sandbox)
    for check in (False, True):
        again = run_module(module, sandbox, check=check, diff=True, **options)
        assert (again.failed, again.result["changed"], writes(sandbox)) == (False, False, done)
    assert CANARY not in first.printed + predicted.printed


READING: list[tuple[str, dict[str, Any], str]] = [
    ("qualys_was_webapp_info", {"limit": 3}, "webapps"),
    ("qualys_was_webapp_info", {"id": APP}, "webapps"),
    ("qualys_was_webapp_info", {"filters": [{"field": "tags.name", "value": "prod"}], "detail": "verbose"}, "webapps"),
    ("qualys_was_webapp_info", {"query": "[].name"}, "webapps"),
    ("qualys_was_finding_info", {"limit": 3, "detail": "full"}, "findings"),
    ("qualys_was_finding_info", {"id": "5100001"}, "findings"),
    ("qualys_was_finding_info", {"filters": [{"field": "severity", "operator": "IN", "value": "4,5"}]}, "findings"),
]


@pytest.mark.parametrize(("module", "options", "key"), READING, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("check", [False, True])
def test_what_only_reads_changes_nothing(
    estate: Sandbox, module: str, options: dict[str, Any], key: str, check: bool
) -> None:
    ran = run_module(module, estate, check=check, **options)
    assert (ran.failed, ran.result["changed"], writes(estate)) == (False, False, 0)
    assert ran.result[key]
    assert ran.result["total"] >= len(ran.result[key])
    assert ran.result["stats"]["requests"] == len(routes(estate))


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_the_export_as_ansible_runs_it(estate: Sandbox, tmp_path: Path, name: str) -> None:
    dest = tmp_path / name
    checked = run_module("qualys_was_finding_export", estate, check=True, dest=str(dest))
    assert (checked.result["changed"], list(tmp_path.iterdir())) == (True, [])
    ran = run_module("qualys_was_finding_export", estate, dest=str(dest))
    assert (ran.result["changed"], ran.result["records"], ran.result["complete"]) == (True, 700, True)
    assert not run_module("qualys_was_finding_export", estate, dest=str(dest)).result["changed"]
    told = json.loads((tmp_path / f"{name}.manifest.json").read_text())
    assert told["compressed"] is name.endswith(".gz")


def test_an_export_that_is_not_complete_succeeds_with_a_warning(estate: Sandbox, tmp_path: Path) -> None:
    estate.faults.add(kind="half_page", match={"route": "/search/"}, times=-1)
    ran = run_module("qualys_was_finding_export", estate, dest=str(tmp_path / "a"))
    assert (ran.failed, ran.result["complete"]) == (False, False)
    assert "marked as incomplete" in str(ran.result["warnings"])


def test_a_shown_application_is_fed_back_through_real_arguments(estate: Sandbox) -> None:
    shown = run_module("qualys_was_webapp_info", estate, detail="full", limit=40).result["webapps"]
    wanted = [fed_back(app) for app in shown]
    for app in wanted:
        del app["headers"], app["crawling_scripts"]
    ran = run_module("qualys_was_webapps", estate, webapps=wanted)
    assert (ran.failed, ran.msg, ran.result["changed"]) == (False, "", False)
    assert ran.result["plan"]["unchanged"] == 40


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("qualys_was_webapp", {}, "one of the following is required: id, name"),
    ("qualys_was_webapp", {"name": "a", "tags_mode": "NONE"}, "tags_mode"),
    ("qualys_was_webapp", {"id": "x"}, "id"),
    ("qualys_was_webapp", {"id": APP, "default_scanner": {"friendly_name": "x"}}, "type"),
    ("qualys_was_webapp", {"id": APP, "crawling_scripts": [{"data": CANARY}]}, "name"),
    ("qualys_was_webapp", {"id": APP, "tags": ["prod"], "tags_add": ["uat"]}, "tags: set cannot be combined"),
    ("qualys_was_webapp", {"id": APP, "headers": [CANARY]}, "headers: "),
    ("qualys_was_webapps", {}, "webapps"),
    ("qualys_was_webapps", {"webapps": [{"id": APP}], "prune": True}, "prune"),
    ("qualys_was_webapps", {"webapps": [{"id": APP}], "ids": [1]}, "mutually exclusive"),
    ("qualys_was_webapps", {"state": "absent"}, "ids or filters"),
    ("qualys_was_webapps", {"state": "absent", "filters": [{"field": "id", "value": 1}]}, "max_deletes"),
    ("qualys_was_webapp_info", {"id": APP, "limit": 1}, "mutually exclusive"),
    ("qualys_was_webapp_info", {"filters": [{"value": 1}]}, "field"),
    ("qualys_was_webapp_info", {"filters": [{"field": "colour", "value": 1}]}, "colour is not a known search field"),
    ("qualys_was_webapp_info", {"limit": -1}, "limit: "),
    ("qualys_was_finding_info", {"count_only": True, "query": "x"}, "mutually exclusive"),
    ("qualys_was_finding_info", {"id": "../x"}, "id: "),
    ("qualys_was_finding_export", {}, "dest"),
    ("qualys_was_finding_export", {"dest": "/nowhere/at/all"}, "dest: "),
    ("qualys_was_finding_export", {"dest": "~no-such-user/a"}, "dest: "),
    ("qualys_was_finding_export", {"dest": "/tmp/a", "since": "soon"}, "since: "),
]


@pytest.mark.parametrize(("module", "options", "words"), WRONG, ids=lambda value: str(value)[:60])
def test_bad_input_is_one_sentence_and_no_request(
    estate: Sandbox, module: str, options: dict[str, Any], words: str
) -> None:
    ran = run_module(module, estate, **options)
    assert (ran.failed, ran.code) == (True, 1)
    assert words in ran.msg
    assert "\n" not in ran.msg
    assert "internal error" not in ran.msg
    assert "Traceback" not in ran.printed
    assert estate.password not in ran.printed
    assert CANARY not in ran.printed
    assert writes(estate) == 0
    # These are held against the record, which may have them already.
    if not {"headers", "tags_add", "default_scanner"} & set(options):
        assert routes(estate) == []


FAULTS = [
    {"kind": "response_code", "code": "INVALID_CREDENTIALS", "message": "Authentication has failed."},
    {"kind": "html_200", "times": -1},
    {"kind": "truncated_json", "times": -1},
    {"kind": "status", "status": 503, "times": -1},
    {"kind": "reset", "times": -1},
    {"kind": "redirect", "location": "https://elsewhere.test/"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault["kind"]))
@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("qualys_was_webapp", {"id": APP, "use_sitemap": True}),
        ("qualys_was_webapps", {"webapps": [{"id": APP}]}),
        ("qualys_was_webapp_info", {}),
        ("qualys_was_finding_info", {}),
        ("qualys_was_finding_export", {"dest": "a"}),
    ],
)
def test_a_server_that_misbehaves_is_one_sentence(
    estate: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    module: str,
    options: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_bytes(b"old")
    estate.faults.add(fault)
    ran = run_module(module, estate, retries=1, **options)
    assert ran.failed
    assert ran.result["error"]["kind"] != "error"
    assert "\n" not in ran.msg
    assert ran.msg.endswith(".")
    assert "Traceback" not in ran.printed
    assert estate.password not in ran.printed
    assert [item.name for item in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("verbosity", [0, 4])
def test_no_secret_is_printed_whatever_happens(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, verbosity: int
) -> None:
    sandbox.settings.password = sandbox._qualys._world.settings.password = CANARY
    monkeypatch.setenv("QUALYS_WAS_PASSWORD", CANARY)
    secret = {"headers": [f"Authorization: Bearer {CANARY}2"], "crawling_scripts": [SCRIPT]}
    for options in (secret, {"headers_remove": ["Authorization"]}, {"tags": ["no such tag"]}, {"cancel_after": -1}):
        arguments = connection(sandbox)
        del arguments["password"]
        ran = run_module("qualys_was_webapp", None, **arguments, id=APP, **options, verbosity=verbosity, diff=True)
        assert CANARY not in ran.printed


def test_one_failing_application_fails_the_task_and_the_results_are_there(sandbox: Sandbox) -> None:
    sandbox.faults.add(kind="response_code", code="UNAUTHORIZED", match={"route": f"/update/was/webapp/{APP}"})
    ran = run_module(
        "qualys_was_webapps", sandbox, webapps=[{"id": APP, "cancel_after": 9}, {"id": APP + 1, "cancel_after": 9}]
    )
    assert (ran.failed, ran.result["error"]["kind"], ran.result["error"]["code"]) == (True, "partial", "UNAUTHORIZED")
    assert [item["failed"] for item in ran.result["results"]] == [True, False]
    assert ran.result["changed"] is True

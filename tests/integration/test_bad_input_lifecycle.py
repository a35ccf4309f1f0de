# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins, schedules and scans: mistakes with one clear message each, tokens that expire, and answers that get lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.runner import Run, Task
from tests.integration.test_bad_input import assert_clear, play
from tests.sandbox import Sandbox

RECORD, RECORDS = "qualys_was_auth_record", "qualys_was_auth_records"
WEBAPP, WEBAPPS, WEBAPP_INFO = "qualys_was_webapp", "qualys_was_webapps", "qualys_was_webapp_info"
SCHEDULE, SCAN, REPORT = "qualys_was_schedule", "qualys_was_scan", "qualys_was_report"
CANARY = "Cnry-bad1nput/&<x>"
FORM = {
    "type": "STANDARD",
    "fields": [{"name": "username", "value": "scanner"}, {"name": "password", "value": CANARY, "secured": True}],
}
WEEKLY = {"start": "2030-01-07T02:00:00Z", "recurrence": {"type": "WEEKLY", "days": ["MONDAY"]}}
SHOP = {"name": "shop", "url": "https://shop.example.com/"}
APP = "Storefront (prod)"


def twin(table: Any, key: int, **values: Any) -> None:
    """A second record of the same name."""
    table[key + 900] = {**table[key], "id": key + 900, **values}


def silent(run: Run) -> None:
    """No secret that was in the tasks is in what was printed or returned."""
    assert CANARY not in run.output
    assert CANARY not in str([result.result for result in run.results])


def test_mistakes_with_logins(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    records = sandbox.qualys.auth_records
    twin(records, 31001)
    not_pem = {"name": "c.pem", "contents": f"my key is {CANARY}", "passphrase": CANARY}
    half_pem = f"-----BEGIN CERTIFICATE-----\n{CANARY}\n-----END CERTIFICATE-----\n"
    good = {"name": "good", "form": FORM}
    tasks: list[Task] = [
        {"name": "not PEM", RECORD: {"name": "x", "server": {"certificate": not_pem}}},
        {"name": "half PEM", RECORD: {"name": "x", "server": {"certificate": {**not_pem, "contents": half_pem}}}},
        {"name": "not PEM in a list", RECORDS: {
            "auth_records": [{**good, "name": "fine"}, {"name": "bad", "server": {"certificate": not_pem}}]}},
        {"name": "two of the name", RECORD: {"name": "Storefront login", "form": {"ssl_only": True}}},
        {"name": "delete two of the name", RECORD: {"name": "Storefront login", "state": "absent"}},
        {"name": "attach two of the name", WEBAPP: {**SHOP, "auth_records": ["Storefront login"]}},
        {"name": "no such tag", RECORD: {**good, "tags": ["no such tag"]}},
        {"name": "listed twice", RECORDS: {"auth_records": [good, good]}},
        {"name": "form and oauth2", RECORD: {**good, "oauth2": {"grant_type": "IMPLICIT"}}},
        {"name": "lost secret", RECORD: {"name": "Basic at gateway", "server": {
            "fields": [{"type": "NTLM", "username": "scanner"}]}}},
        {"name": "too many", RECORDS: {
            "state": "absent", "filters": [{"field": "name", "operator": "CONTAINS", "value": "login"}],
            "max_deletes": 1}},
    ]  # fmt: skip
    run = play(tmp_path, tasks, login, sandbox)
    assert_clear(run["not PEM"], "server.certificate.contents is not PEM")
    assert_clear(run["half PEM"], "server.certificate.contents is not PEM")
    assert_clear(run["not PEM in a list"], "'bad'", "server.certificate.contents is not PEM")
    for name in ("two of the name", "delete two of the name"):
        assert_clear(run[name], "Storefront login", "31001", "31901", "id")
    assert_clear(run["attach two of the name"], "auth_records", "Storefront login", "31001", "31901")
    assert_clear(run["no such tag"], "tags", "no such tag")
    assert_clear(run["listed twice"], "auth_records", "good", "more than once")
    assert_clear(run["form and oauth2"], "form", "oauth2")
    assert_clear(run["lost secret"], "password")
    assert_clear(run["too many"], "max_deletes", "(1)")
    # One entry that is wrong does not stop the others.
    assert [item["changed"] for item in run["not PEM in a list"]["results"]] == [True, False]
    assert sandbox.counters.writes == 1
    silent(run)


def test_mistakes_with_profiles_schedules_and_scans(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    state = sandbox.qualys
    twin(state.schedules, 640001, target={**state.schedules[640001]["target"], "webApp": {"id": 410005}})
    twin(state.option_profiles, 12003)
    scan, schedule = {"webapp": APP, "name": "ci"}, {"name": "s", **WEEKLY}
    tasks: list[Task] = [
        {"name": "webapp, no profile", WEBAPP: {**SHOP, "default_profile": "no such profile"}},
        {"name": "webapp, two profiles", WEBAPP: {**SHOP, "default_profile": "CI quick"}},
        {"name": "scan, no profile", SCAN: {**scan, "profile": "no such profile"}},
        {"name": "scan, no login", SCAN: {**scan, "auth_record": "no such login"}},
        {"name": "scan, no webapp", SCAN: {**scan, "webapp": "no such application"}},
        {"name": "schedule, no profile", SCHEDULE: {**schedule, "webapp": APP, "profile": "no such profile"}},
        {"name": "schedule, no tag", SCHEDULE: {**schedule, "tags": ["no such tag"]}},
        {"name": "schedule, no start", SCHEDULE: {"name": "s", "webapp": APP}},
        {"name": "schedule, two", SCHEDULE: {"name": f"Schedule - {APP}", "active": False}},
        {"name": "report, no webapp", REPORT: {
            "name": "r", "targets": {"webapps": ["no such application"]}, "dest": str(tmp_path / "r.pdf")}},
        {"name": "purge, no webapp", "qualys_was_webapp_purge": {"ids": [410001, 999]}},
        {"name": "ignore, no finding", "qualys_was_finding": {
            "ids": ["999"], "state": "ignored", "reason": "FALSE_POSITIVE"}},
    ]  # fmt: skip
    run = play(tmp_path, tasks, login, sandbox)
    assert_clear(run["webapp, no profile"], "default_profile", "no such profile")
    assert_clear(run["webapp, two profiles"], "default_profile", "CI quick", "12003", "12903")
    assert_clear(run["scan, no profile"], "profile", "no such profile")
    assert_clear(run["scan, no login"], "auth_record", "no such login")
    assert_clear(run["scan, no webapp"], "webapp", "no such application")
    assert_clear(run["schedule, no profile"], "profile", "no such profile")
    assert_clear(run["schedule, no tag"], "tags", "no such tag")
    assert_clear(run["schedule, no start"], "start")
    assert_clear(run["schedule, two"], "name", "640001", "640901", "webapp")
    assert_clear(run["report, no webapp"], "targets.webapps", "no such application")
    assert_clear(run["purge, no webapp"], "999")
    assert_clear(run["ignore, no finding"], "999")
    assert sandbox.counters.writes == 0


def test_a_token_that_expires_in_mid_run(tmp_path: Path, sandbox: Sandbox) -> None:
    """It is renewed once, nothing is lost and nothing is written twice; a client that is refused ends the run."""
    environment = {
        "QUALYS_WAS_URL": sandbox.url,
        "QUALYS_WAS_GATEWAY_URL": sandbox.url,
        "QUALYS_WAS_CLIENT_ID": sandbox.client_id,
        "QUALYS_WAS_CLIENT_SECRET": sandbox.client_secret,
    }
    expired = {"kind": "status", "status": 401, "body": "empty", "headers": {}}
    sandbox.faults.add(
        {**expired, "match": {"route": "get/was/webapp"}, "skip": 9},
        {**expired, "match": {"route": "create/was/webapp"}, "skip": 2},
        {"kind": "response_code", "code": "INVALID_CREDENTIALS", "match": {"route": "search/was/finding"}, "times": -1},
    )
    new = [{"name": f"new {number}", "url": f"https://new-{number}.example.com/"} for number in range(5)]
    tasks: list[Task] = [
        {"name": "read", WEBAPP_INFO: {"detail": "full"}},
        {"name": "write", WEBAPPS: {"webapps": new}},
        {"name": "refused", "qualys_was_finding_info": {}},
    ]
    run = play(tmp_path, tasks, environment, sandbox)
    assert [record["id"] for record in run["read"]["webapps"]] == sorted(set(sandbox.qualys.webapps) - _new(sandbox))
    assert len(_new(sandbox)) == 5
    assert not run["write"].failed
    assert_clear(run["refused"], "INVALID_CREDENTIALS", "client_id")
    assert run["refused"]["error"]["kind"] == "authentication"
    tokens = [result.counters["by_route"]["POST /auth/oidc"] for result in run.results]
    assert tokens == [2, 4, 6], "each run asks for one token, and for one more when it is refused"
    assert sandbox.client_secret not in str(run["refused"].result)


def _new(sandbox: Sandbox) -> set[int]:
    return {key for key, record in sandbox.qualys.webapps.items() if record["name"].startswith("new ")}


def test_a_create_whose_answer_is_lost_happens_once(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    """The server has done it, and the answer timed out, was cut off, or came from a gateway that gave up."""
    gave_up = {"kind": "apply_then_status", "status": 504}
    cut_off = {"kind": "apply_then_reset"}
    sandbox.faults.add(
        {"kind": "slow", "delay_ms": 2000, "match": {"route": "create/was/webapp", "method": "POST"}},
        {**gave_up, "match": {"route": "create/was/webappauthrecord"}},
        {**cut_off, "match": {"route": "create/was/wasscanschedule"}},
        {**gave_up, "match": {"route": "launch/was/wasscan"}},
        {**cut_off, "match": {"route": "create/was/report"}},
    )
    target = {"webapp": APP, "profile": "CI quick"}
    tasks: list[Task] = [
        {"name": "webapp", WEBAPP: {**SHOP, "timeout": 1}},
        {"name": "login", RECORD: {"name": "new login", "form": FORM}},
        {"name": "schedule", SCHEDULE: {"name": "new schedule", **target, **WEEKLY}},
        {"name": "scan", SCAN: {"name": "new scan", **target, "state": "launched"}},
        {"name": "report", REPORT: {"name": "new report", "targets": {"webapps": [APP]}, "keep": True,
                                    "dest": str(tmp_path / "r.pdf"), "poll_interval": "0.01s"}},
    ]  # fmt: skip
    run = play(tmp_path, tasks, login, sandbox)
    assert {result.task: (result.status, result.changed) for result in run.results} == {
        task["name"]: ("ok", True) for task in tasks
    }
    state = sandbox.qualys
    tables = (state.webapps, state.auth_records, state.schedules, state.scans, state.reports)
    names = ["shop", "new login", "new schedule", "new scan", "new report"]
    assert [
        [record["name"] for record in table.values()].count(name) for table, name in zip(tables, names, strict=True)
    ] == [1] * 5
    assert sandbox.counters.writes == 5
    assert sandbox.faults.pending() == 0
    silent(run)

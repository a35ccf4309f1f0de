# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries in authentication records, schedules and reports: written byte for byte, and seen nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.runner import Ansible, Task
from tests.integration.test_secrets import (
    FILE,
    HELD,
    KEY,
    LOGIN,
    PASSPHRASE,
    PASSWORD,
    SCRIPT,
    USER,
    guarded,
    leaks,
    play,
)
from tests.sandbox import Sandbox

__all__ = ["guarded"]

RECORD, RECORDS, INFO = "qualys_was_auth_record", "qualys_was_auth_records", "qualys_was_auth_record_info"
APP = "Storefront (prod)"


def env(name: str) -> str:
    """A canary, looked up as a playbook does."""
    return f"{{{{ lookup('env', 'CANARY_{name}') }}}}"


FORM = {
    "type": "CUSTOM",
    "fields": [
        {"name": "username", "value": "scanner"},
        {"name": "password", "value": env("LOGIN"), "secured": True},
        {"name": "passcode", "value": env("LOGIN"), "secured": False},
        {"name": "answer", "value": env("LOGIN"), "secured": True},
    ],
}
SERVER = {
    "certificate": {"name": "client.pem", "contents": env("PEM"), "passphrase": env("PASSPHRASE")},
    "fields": [{"type": "NTLM", "domain": "CORP", "username": "svc", "password": env("LOGIN")}],
}
LOGIN_SCRIPT = {"name": "login.html", "data": env("SCRIPT"), "regex": "Log ?out"}
URL = "https://login.example.com/token"
OAUTH2 = {
    "password": {"grant_type": "PASSWORD", "access_token_url": URL, "username": "u", "password": env("LOGIN"),
                 "client_id": "was", "client_secret": env("SECRET")},
    "code": {"grant_type": "AUTH_CODE", "access_token_url": URL, "redirect_url": "https://shop.example.com/back",
             "selenium_script": LOGIN_SCRIPT, "client_id": "was", "client_secret": env("SECRET")},
}  # fmt: skip
SCHEDULE = {
    "name": "canary schedule",
    "webapp": APP,
    "auth_record": "canary form",
    "profile": "CI quick",
    "start": "2030-01-07T02:00:00Z",
    "recurrence": {"type": "WEEKLY", "days": ["MONDAY"]},
}


@pytest.fixture
def login(guarded: Sandbox) -> dict[str, str]:
    """The environment that leads to the sandbox, in which Qualys holds a secret that nobody gave."""
    records = guarded.qualys.auth_records
    for field in records[31001]["formRecord"]["fields"]:
        field.update({"value": HELD, "secured": False} if field["name"] == "password" else {})
    records[31001].touch()
    return {"QUALYS_WAS_URL": guarded.url, "QUALYS_WAS_USERNAME": USER, "QUALYS_WAS_PASSWORD": PASSWORD}


def refusal(secret: str) -> dict[str, Any]:
    """A fault that repeats what was written, or what was there."""
    said = {"message": f"The value {secret} is refused.", "resolution": f"Not {secret}."}
    return {"kind": "response_code", "code": "INVALID_REQUEST", **said}


def report(ansible: Ansible, **options: Any) -> Task:
    """A report in a file with a password."""
    own = {"format": "PDF_ENCRYPTED", "file_password": env("FILE"), "recipients": ["team@example.com"]}
    where = {"dest": str(ansible.folder / "report.pdf"), "poll_interval": "0.01s"}
    return {"qualys_was_report": {"name": "canary", "targets": {"webapps": [APP]}, **own, **where, **options}}


def in_check_mode_first(tasks: list[Task]) -> list[Task]:
    """Each task twice, the first time only predicted."""
    return [
        twin for task in tasks for twin in ({**task, "name": f"check {task['name']}", "check_mode": True}, dict(task))
    ]


def test_success_and_check_mode(ansible: Ansible, guarded: Sandbox, login: dict[str, str]) -> None:
    writes: list[Task] = [
        {"name": "form", RECORD: {"name": "canary form", "form": FORM, "server": SERVER}},
        {"name": "grants", RECORDS: {"auth_records": [
            {"name": f"canary {name}", "oauth2": grant} for name, grant in OAUTH2.items()]}},
        {"name": "always", RECORD: {"name": "canary form", "form": FORM, "server": SERVER,
                                    "update_secret": "always"}},
        {"name": "held", RECORD: {"name": "Storefront login", "form": {"ssl_only": False}, "comments": ["changed"]}},
        {"name": "schedule", "qualys_was_schedule": SCHEDULE},
        {"name": "report", **report(ansible)},
    ]  # fmt: skip
    reads: list[Task] = [
        {"name": "again", RECORD: {"name": "canary form", "form": FORM, "server": SERVER}},
        {"name": "read", INFO: {"detail": "full"}},
        {"name": "gone", RECORDS: {"state": "absent", "filters": [{"field": "name", "value": "Storefront login"}],
                                   "max_deletes": 1}, "check_mode": True},
    ]  # fmt: skip
    run = play(ansible, [*in_check_mode_first(writes), *reads], login)
    for result in run.results:
        assert not result.failed, result
    assert run["again"]["secrets_not_compared"]
    assert "VALUE_REDACTED" in run.stdout
    records = {record["name"]: str(dict(record)) for record in guarded.qualys.auth_records.values()}
    for secret in (LOGIN, PASSPHRASE, KEY):
        assert secret in records["canary form"]
    assert SCRIPT in records["canary code"]
    assert leaks(records["Storefront login"]), "it holds one still"


def test_failures(ansible: Ansible, guarded: Sandbox, login: dict[str, str]) -> None:
    """Whatever goes wrong, and whatever the server says about it."""
    route = {"match": {"route": "create/was/webappauthrecord"}}
    both = f"{LOGIN} with {PASSPHRASE}"
    guarded.faults.add(
        {**refusal(both), **route, "times": 2},
        {"kind": "status", "status": 400, "body": f"Not {both}", **route},
        {**refusal(HELD), "match": {"route": "update/was/webappauthrecord"}},
        {**refusal(FILE), "match": {"route": "create/was/report"}},
        {**refusal(PASSWORD), "match": {"route": "create/was/wasscanschedule"}},
    )
    new = {"name": "canary", "form": FORM, "server": SERVER}
    pem = {"certificate": {**SERVER["certificate"], "contents": f"{env('PEM')}{env('LOGIN')}-----BEGIN X-----"}}  # type: ignore[dict-item]
    tasks: list[Task] = [
        {"name": "refused", RECORD: new},
        {"name": "refused in a list", RECORDS: {"auth_records": [new]}},
        {"name": "page", RECORD: new},
        {"name": "refused update", RECORD: {"name": "Storefront login", "form": {"ssl_only": False}}},
        {"name": "refused report", **report(ansible)},
        {"name": "refused schedule", "qualys_was_schedule": {**SCHEDULE, "auth_record": "Storefront login"}},
        {"name": "not PEM", RECORD: {"name": "canary", "server": pem}},
        {"name": "no list", RECORD: {"name": "canary", "form": {**FORM, "fields": env("LOGIN")}}},
        {"name": "unknown suboption", RECORD: {"name": "canary", "server": {"fields": [
            {"type": "BASIC", "username": "u", "password": env("LOGIN"), "pasword": env("LOGIN")}]}}},
        {"name": "wrong type", RECORD: {"name": "canary", "server": {"fields": [
            {"type": env("LOGIN"), "username": "u", "password": env("LOGIN")}]}}},
        {"name": "wrong format", **report(ansible, format="CSV")},
        {"name": "wrong login", RECORD: {**new, "username": USER, "password": env("WRONG")}},
    ]  # fmt: skip
    run = play(ansible, tasks, login)
    assert [result.task for result in run.results if not result.failed and not result.task.startswith("show")] == []
    assert run["refused"]["error"]["code"] == "INVALID_REQUEST"
    assert guarded.faults.pending() == 0

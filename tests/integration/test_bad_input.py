# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes and faults: one clear message each, and nothing that was there is lost.

The modules run in this process, as a playbook would add nothing to what they say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.in_process import run_tasks
from tests.integration.runner import Run, Task, TaskResult
from tests.sandbox import Sandbox

INFO, EXPORT, WEBAPP, WEBAPPS = (
    "qualys_was_finding_info",
    "qualys_was_finding_export",
    "qualys_was_webapp",
    "qualys_was_webapps",
)
SHOP = {"name": "shop", "url": "https://shop.example.com/"}
TAGGED = [{"field": "tags.name", "value": "prod"}]


@dataclass(frozen=True)
class Mistake:
    """A task that must fail, and words that its message must have."""

    module: str
    options: Mapping[str, Any]
    words: tuple[str, ...]


def _filter(field: str, operator: str | None = None, value: Any = "x") -> dict[str, Any]:
    return {"filters": [{"field": field, "value": value} | ({"operator": operator} if operator else {})]}


REFUSED_BEFORE_ANY_REQUEST = {
    "unknown field": Mistake(INFO, _filter("webapp.id"), ("filters", "webapp.id", "webApp.id", "filters_strict")),
    "unknown operator": Mistake(INFO, _filter("name", "LIKE"), ("filters", "name", "LIKE", "CONTAINS")),
    "operator of another type": Mistake(INFO, _filter("qid", "CONTAINS", 1), ("qid", "CONTAINS", "GREATER")),
    "unknown word": Mistake(INFO, _filter("status", value="OPEN"), ("filters", "OPEN", "status", "ACTIVE")),
    "not a number": Mistake(INFO, _filter("qid", value="abc"), ("filters", "abc", "qid", "digits")),
    "not a date": Mistake(INFO, _filter("lastTestedDate", "GREATER", "yesterday"), ("yesterday", "2026-01-31")),
    "empty value": Mistake(INFO, _filter("qid", "IN", []), ("filters", "qid", "value")),
    "field of another object": Mistake(
        WEBAPPS, {"state": "absent", "max_deletes": 1, **_filter("qid", value=1)}, ("filters", "qid", "tags.name")
    ),
    "id and filters": Mistake(INFO, {"id": "1", **_filter("qid", value=1)}, ("id", "filters", "mutually exclusive")),
    "count and query": Mistake(INFO, {"count_only": True, "query": "[]"}, ("count_only", "query")),
    "bad query": Mistake(INFO, {"query": "[].{"}, ("query",)),
    "bad since": Mistake(EXPORT, {"dest": "x.ndjson", "since": "last week"}, ("since", "last week")),
    "neither id nor name": Mistake(WEBAPP, {"url": SHOP["url"]}, ("id", "name")),
    "item without name": Mistake(WEBAPPS, {"webapps": [{"url": SHOP["url"]}]}, ("webapps[0]", "id", "name")),
    "listed twice": Mistake(WEBAPPS, {"webapps": [SHOP, SHOP]}, ("webapps", "shop", "more than once")),
    "delete nothing named": Mistake(WEBAPPS, {"state": "absent"}, ("ids", "filters")),
    "delete with no ids": Mistake(WEBAPPS, {"state": "absent", "ids": []}, ("ids", "filters")),
    "delete with no filter": Mistake(WEBAPPS, {"state": "absent", "filters": [], "max_deletes": 9}, ("ids", "filters")),
    "delete without ceiling": Mistake(WEBAPPS, {"state": "absent", "filters": TAGGED}, ("filters", "max_deletes")),
    "prune everything": Mistake(
        WEBAPPS, {"webapps": [], "prune": True, "prune_filters": TAGGED, "max_deletes": 9}, ("webapps", "prune")
    ),
    "prune without filters": Mistake(
        WEBAPPS, {"webapps": [SHOP], "prune": True, "max_deletes": 9}, ("prune", "prune_filters")
    ),
    "prune with an empty filter": Mistake(
        WEBAPPS, {"webapps": [SHOP], "prune": True, "prune_filters": [], "max_deletes": 9}, ("prune", "prune_filters")
    ),
    "prune without ceiling": Mistake(
        WEBAPPS, {"webapps": [SHOP], "prune": True, "prune_filters": TAGGED}, ("prune", "max_deletes")
    ),
    "two ways to log in": Mistake(INFO, {"username": "a", "client_id": "b"}, ("username", "client_id")),
    "no such platform": Mistake(INFO, {"platform": "mars1"}, ("platform", "mars1", "eu1")),
    "plain http to another host": Mistake(INFO, {"api_url": "http://example.com"}, ("api_url", "http", "allow_http")),
    "a path in the address": Mistake(INFO, {"api_url": "https://example.com/qps"}, ("api_url", "https://")),
    "credentials in the address": Mistake(INFO, {"api_url": "https://me:pa55@example.com"}, ("api_url", "password")),
    "no such CA file": Mistake(INFO, {"ca_path": "/nowhere/ca.pem"}, ("ca_path", "/nowhere/ca.pem")),
    "key without certificate": Mistake(INFO, {"client_key": "/nowhere/key.pem"}, ("client_key", "client_cert")),
    "bad number": Mistake(INFO, {"max_connections": 0}, ("max_connections", "1")),
    "dest in no folder": Mistake(EXPORT, {"dest": "/nowhere/at/all.ndjson"}, ("dest", "/nowhere/at")),
    "dest is a folder": Mistake(EXPORT, {"dest": "/tmp"}, ("dest", "/tmp", "director")),
    "dest under a file": Mistake(EXPORT, {"dest": "/etc/passwd/x.ndjson"}, ("dest", "/etc/passwd")),
}


def assert_clear(result: TaskResult, *words: str) -> None:
    """The task failed with a message of whole sentences that has these words, and with nothing of the machinery."""
    assert result.failed, f"{result.task} did not fail: {result.result}"
    message = result["msg"]
    for word in words:
        assert word in message, f"{result.task}: {word} is not in: {message}"
    shown = f"{message} {result.result.get('exception') or ''} {result.result.get('module_stderr') or ''}"
    assert "Traceback" not in shown, f"{result.task}: {shown}"
    assert "defect" not in message, f"{result.task}: {message}"
    assert not re.search(r"Error\b|Exception|<class|object at|\\n|\n", message), f"{result.task}: {message}"
    assert len(message) < 900, f"{result.task}: {message}"
    if "error" in result.result:
        error = result["error"]
        assert message.startswith(error["message"]), f"{result.task}: {message}"
        assert error["message"].endswith((".", "!", "?")), f"{result.task}: {message}"
    assert "sandbox_password" not in str(result.result), result.task


def play(folder: Path, tasks: list[Task], login: Mapping[str, str], sandbox: Sandbox) -> Run:
    run = run_tasks(folder, tasks, login, sandbox)
    assert "Traceback" not in run.output
    return run


def test_refused_before_any_request(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    tasks = [{"name": name, item.module: dict(item.options)} for name, item in REFUSED_BEFORE_ANY_REQUEST.items()]
    run = play(tmp_path, tasks, login, sandbox)
    for name, item in REFUSED_BEFORE_ANY_REQUEST.items():
        assert_clear(run[name], *item.words)
        assert run[name].counters["requests"] == 0, name


def test_connection_is_missing(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    """Each part of the connection that is missing is named, with its option and its variable."""
    task: Task = {INFO: {}}
    without = [
        {"name": name, **task, "environment": {name: ""}}
        for name in ("QUALYS_WAS_URL", "QUALYS_WAS_USERNAME", "QUALYS_WAS_PASSWORD")
    ]
    tokens = [
        {"name": "secret", INFO: {"client_id": "x"}},
        {"name": "gateway", INFO: {"client_id": "x", "client_secret": "secretsecret"}},
    ]
    run = play(tmp_path, without + tokens, login, sandbox)
    assert_clear(run["QUALYS_WAS_URL"], "platform", "api_url", "QUALYS_WAS_PLATFORM")
    assert_clear(run["QUALYS_WAS_USERNAME"], "username", "QUALYS_WAS_USERNAME")
    assert_clear(run["QUALYS_WAS_PASSWORD"], "password", "QUALYS_WAS_PASSWORD")
    assert_clear(run["secret"], "client_secret", "QUALYS_WAS_CLIENT_SECRET")
    assert_clear(run["gateway"], "gateway_url")
    assert sandbox.counters.requests == 0


def test_faults_leave_the_file_alone(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    """Whatever goes wrong while findings are read, the file of the run before stands, and its manifest."""
    folder = tmp_path / "out"
    folder.mkdir()
    export: Task = {EXPORT: {"dest": str(folder / "findings.ndjson"), "detail": "summary", "retries": 1}}
    (written,) = play(tmp_path, [{"name": "written", **export}], login, sandbox).results
    assert not written.failed
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {"findings.ndjson", "findings.ndjson.manifest.json"}
    sandbox.reset_counters()

    search = {"match": {"route": "search/was/finding"}}
    no_permission = {"code": "UNAUTHORIZED", "message": "You are not authorized to access the application"}
    cases: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
        ("html", {"kind": "html_200", "times": 2, **search}, ("search/was/finding", "HTML", "api_url")),
        ("half a page", {"kind": "truncated_json", "times": 2, **search}, ("search/was/finding", "cut short")),
        ("half an answer", {"kind": "reset_mid_body", "times": 2, **search}, ("http://127.0.0.1",)),
        ("fault", {"kind": "status", "status": 503, "times": 2, **search}, ("503",)),
        ("refusal", {"kind": "response_code", **no_permission, **search}, ("UNAUTHORIZED", "permission")),
        ("redirect", {"kind": "redirect", "location": "https://login.example.com/x", **search}, ("login.example.com",)),
        ("expired", {"kind": "response_code", "code": "EVALUATION_EXPIRED", **search}, ("EVALUATION_EXPIRED",)),
    ]  # fmt: skip
    sandbox.faults.add(*(fault for _name, fault, _words in cases))
    tasks: list[Task] = [{"name": name, **export} for name, _fault, _words in cases]
    tasks.append({"name": "wrong password", **export, "environment": {"QUALYS_WAS_PASSWORD": "not-this-one"}})
    run = play(tmp_path, tasks, login, sandbox)
    for name, _fault, words in cases:
        assert_clear(run[name], *words)
    assert_clear(run["wrong password"], "INVALID_CREDENTIALS", "username and password", "platform")
    assert run["wrong password"].counters["failed_auth"] == 1, "one attempt, so that no account is locked"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_incomplete_is_said(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    """Fewer records than announced, twice: the file says so, the listing warns, and nothing is written from it."""
    short = {"kind": "half_page", "times": -1, "match": {"route": "search/was"}}
    sandbox.faults.add(short)
    tasks = [
        {"name": "export", EXPORT: {"dest": str(tmp_path / "f.ndjson"), "detail": "summary"}},
        {"name": "list", INFO: {}},
        {"name": "delete", WEBAPPS: {"state": "absent", "filters": TAGGED, "max_deletes": 99}},
        {"name": "write", WEBAPPS: {"webapps": [{**SHOP, "tags": []}]}},
    ]
    run = play(tmp_path, tasks, login, sandbox)
    assert run["export"]["complete"] is False
    assert any("marked as incomplete" in str(warning) for warning in run["export"]["warnings"])
    assert any("not complete" in str(warning) for warning in run["list"]["warnings"])
    assert_clear(run["delete"], "announced", "web applications")
    assert_clear(run["write"], "announced", "web applications")
    assert sandbox.counters.writes == 0


def test_refused_after_a_look(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    """Mistakes that only show when the estate is known. Only the good entry of a list with a bad one is written."""
    twin = dict(sandbox.qualys.webapps[410001])
    sandbox.qualys.webapps[410099] = {**twin, "id": 410099, "url": "https://twin.example.com/"}
    good = {"name": "Checkout (prod)", "tags_add": ["sox"]}
    tasks: list[Task] = [
        {"name": "no such id", WEBAPP: {"id": 999, "tags": ["prod"]}},
        {"name": "no url", WEBAPP: {"name": "brand new"}},
        {"name": "no such tag", WEBAPP: {**SHOP, "tags": ["no such tag"]}},
        {"name": "no such login", WEBAPPS: {"webapps": [good, {**SHOP, "auth_records": ["nobody"]}]}},
        {"name": "two of the name", WEBAPP: {"name": twin["name"], "tags": ["prod"]}},
        {"name": "delete two of the name", WEBAPP: {"name": twin["name"], "state": "absent"}},
        {"name": "too many", WEBAPPS: {"state": "absent", "filters": TAGGED, "max_deletes": 2}},
        {"name": "too many to prune", WEBAPPS: {"webapps": [good], "prune": True, "prune_filters": TAGGED,
                                                "max_deletes": 3}},
        {"name": "control character", WEBAPP: {**SHOP, "comments": ["bell \u0007"]}},
        {"name": "set and add", WEBAPP: {**good, "tags": ["prod"]}},
        {"name": "add twice", WEBAPP: {**good, "tags": ["prod"], "tags_mode": "add"}},
        {"name": "both added and removed", WEBAPP: {"name": good["name"], "uris_add": ["a"], "uris_remove": ["a"]}},
        {"name": "bad entry", WEBAPP: {**SHOP, "url_excludelist": [{"wert": "x"}]}},
        {"name": "bad header", WEBAPP: {**SHOP, "headers": ["no colon"]}},
    ]  # fmt: skip
    run = play(tmp_path, tasks, login, sandbox)
    assert_clear(run["no such id"], "id", "999")
    assert_clear(run["no url"], "url", "brand new")
    assert_clear(run["no such tag"], "tags", "no such tag")
    assert_clear(run["no such login"], "auth_records", "nobody", "shop")
    assert_clear(run["two of the name"], "name", "410001", "410099", "url")
    assert_clear(run["delete two of the name"], "410001", "410099")
    assert_clear(run["too many"], "filters", "max_deletes", "(2)")
    assert_clear(run["too many to prune"], "prune_filters", "max_deletes", "(3)")
    assert_clear(run["control character"], "U+0007")
    assert_clear(run["set and add"], "tags", "tags_add", "tags_mode")
    assert_clear(run["add twice"], "tags_mode", "tags_add")
    assert_clear(run["both added and removed"], "uris", "both added and removed")
    assert_clear(run["bad entry"], "{value, regex}")
    assert_clear(run["bad header"], "headers", "Name: value")
    assert sandbox.counters.writes == 1
    assert run["no such login"].counters["writes"] == 1


def test_reference_both_added_and_removed(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    """Refused whether the application holds the tag already or not: else the second run fails after a good first."""
    item = {"name": "Checkout (prod)", "tags_add": ["sox"], "tags_remove": ["sox"]}
    run = play(tmp_path, [{"name": "contradiction", WEBAPP: item}], login, sandbox)
    assert_clear(run["contradiction"], "tags", "both added and removed")


def test_vanished_records(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    """A record that somebody else deletes in between."""
    gone = {"kind": "response_code", "code": "NOT_FOUND", "message": "does not exist"}
    sandbox.faults.add(
        {**gone, "match": {"route": "update/was/webapp/410002"}},
        {**gone, "match": {"route": "get/was/webapp/410002"}, "skip": 1},
        {**gone, "match": {"route": "delete/was/webapp/410006"}, "times": -1},
    )
    tasks: list[Task] = [
        {"name": "finding", INFO: {"id": "999"}},
        {"name": "webapp", "qualys_was_webapp_info": {"id": 999}},
        {"name": "update", WEBAPP: {"name": "Checkout (prod)", "tags_add": ["sox"]}},
        {"name": "delete", WEBAPPS: {"state": "absent", "ids": [410005, 410006]}},
    ]
    run = play(tmp_path, tasks, login, sandbox)
    assert run["finding"]["findings"] == []
    assert run["webapp"]["webapps"] == []
    assert_clear(run["update"], "Checkout (prod)", "vanished", "Run again")
    assert_clear(run["delete"], "1 of the web applications", "NOT_FOUND")
    assert [record["id"] for record in run["delete"]["deleted"]] == [410005]
    assert run["delete"].changed
    deletes = [entry["path"] for entry in sandbox.counters.snapshot()["recent"] if "/delete/" in entry["path"]]
    assert all(re.search(r"/delete/was/webapp/\d+$", path) for path in deletes), "only ids are ever deleted"


def test_folder_that_may_not_be_written(tmp_path: Path, sandbox: Sandbox, login: dict[str, str]) -> None:
    # Root may write everywhere but in a file system of the kernel's own.
    folder = Path("/proc") if os.geteuid() == 0 else tmp_path / "read-only"
    folder.mkdir(mode=0o500, exist_ok=True)
    run = play(tmp_path, [{"name": "export", EXPORT: {"dest": str(folder / "f.ndjson")}}], login, sandbox)
    assert_clear(run["export"], "dest", f"cannot write in {folder}", "Choose another path")
    assert sandbox.counters.requests == 0
